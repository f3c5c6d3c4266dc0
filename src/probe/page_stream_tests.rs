//! What a server with HTTPS must prove before anything is requested, and the messages about one that does not.

use super::*;
use crate::cli::PageArgs;
use crate::probe::testing::{Authority, Pair, self_signed};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

const WAIT: Duration = Duration::from_secs(20);

/// Access that trusts these authorities, and expects this name if one is given.
fn trusting(authorities: &str, name: Option<&str>) -> PageAccess {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.crt");
    std::fs::write(&path, authorities).unwrap();
    let args = PageArgs { page_ca_file: Some(path), page_server_name: name.map(str::to_owned), ..PageArgs::default() };
    PageAccess::resolve(&args).unwrap()
}

/// Returns the result of the handshake with a server that has this certificate, and everything it received.
async fn outcome(pair: &Pair, access: &PageAccess) -> (Result<(), String>, String) {
    let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()));
    let (client, server) = tokio::io::duplex(1 << 16);
    let serving = tokio::spawn(async move {
        let mut told = Vec::new();
        if let Ok(mut stream) = acceptor.accept(server).await {
            // How it ends does not matter: what was read until then stays.
            while stream.read_buf(&mut told).await.is_ok_and(|read| read > 0) {}
        }
        String::from_utf8(told).unwrap()
    });
    let opened = secured(client, access.tls().unwrap(), ("a", "safekeeper-0")).await;
    let opened = match opened {
        Ok(mut stream) => {
            stream.write_all(b"Bearer x").await.unwrap();
            stream.shutdown().await.unwrap();
            // It stays until the server has read all of it.
            let _ = stream.read_to_end(&mut Vec::new()).await;
            Ok(())
        }
        Err(no) => {
            assert_eq!(no.kind, NoPageKind::Unverified, "it says nothing of the component: {no:?}");
            Err(no.reason)
        }
    };
    (opened, tokio::time::timeout(WAIT, serving).await.unwrap().unwrap())
}

#[tokio::test]
async fn a_server_is_asked_once_its_certificate_is_verified_and_not_before() {
    let (authority, other) = (Authority::new(), Authority::new());
    let trusted = trusting(&authority.certificate, None);
    for (names, access) in [
        (["safekeeper-0"], &trusted),
        (["safekeeper-0.a"], &trusted),
        (["sk.example"], &trusting(&authority.certificate, Some("sk.example"))),
    ] {
        let pair = authority.signed(&names, |_| ());
        assert_eq!(outcome(&pair, access).await, (Ok(()), "Bearer x".to_owned()), "{names:?}");
    }
    let right = ["safekeeper-0"];
    for (pair, access, why) in [
        (
            other.signed(&right, |_| ()),
            &trusted,
            "its certificate was rejected: its issuer is unknown: no authority in ",
        ),
        (
            self_signed(&right, |_| ()),
            &trusted,
            "(--page-ca-file FILE sets the authority; for a self-signed certificate, the certificate itself)",
        ),
        (
            authority.signed(&["safekeeper-1"], |_| ()),
            &trusted,
            "it is valid for safekeeper-1, not for safekeeper-0 or safekeeper-0.a",
        ),
        (authority.signed(&["localhost"], |_| ()), &trusted, "(--page-server-name NAME sets the expected name)"),
        (
            authority.signed(&right, |params| params.not_after = rcgen::date_time_ymd(2001, 1, 1)),
            &trusted,
            "it has expired",
        ),
    ] {
        let (opened, told) = outcome(&pair, access).await;
        let reason = opened.unwrap_err();
        assert!(reason.contains(why) && !reason.contains("sslmode"), "{reason}");
        assert_eq!(told, "", "{reason}");
    }
}

/// A server that speaks HTTP although the layout says HTTPS, and one that hangs up.
#[tokio::test]
async fn a_server_without_tls_is_reported() {
    let access = trusting(&Authority::new().certificate, None);
    for (answer, why) in [("HTTP/1.1 400 Bad Request\r\n\r\n", "the layout expects HTTPS"), ("", "was closed")] {
        let (client, mut server) = tokio::io::duplex(1 << 16);
        let serving = tokio::spawn(async move {
            server.write_all(answer.as_bytes()).await.unwrap();
            server.shutdown().await.unwrap();
            server
        });
        let opened = secured(client, access.tls().unwrap(), ("a", "safekeeper-0")).await;
        let Err(no) = opened else { panic!("{why}") };
        assert!(no.kind == NoPageKind::Other && no.reason.contains(why), "{no:?}");
        drop(serving.await.unwrap());
    }
}

/// Without authorities nothing is requested at all; and a file without any is an error.
#[test]
fn without_authorities_nothing_can_be_verified() {
    let why = PageAccess::default().tls().map(|_| ()).unwrap_err().to_string();
    assert!(why.contains("--page-ca-file FILE or --page-ca-secret"), "{why}");
    let secret = PageArgs { page_ca_secret: Some("ca/ca.crt".parse().unwrap()), ..PageArgs::default() };
    assert!(PageAccess::resolve(&secret).unwrap().tls().is_err(), "it was not read");
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    for (path, name) in [(empty, None), ("/nowhere/ca.crt".into(), None), ("system".into(), Some("no host name"))] {
        let args =
            PageArgs { page_ca_file: Some(path), page_server_name: name.map(str::to_owned), ..PageArgs::default() };
        assert_eq!(PageAccess::resolve(&args).unwrap_err().exit, Exit::Usage);
    }
}

/// A tunnel to a port on which nothing listens: that is reported once something is read.
struct Refusing;

impl AsyncRead for Refusing {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Err(io::Error::new(
            io::ErrorKind::ConnectionRefused,
            crate::cluster::PortError::NothingListens,
        )))
    }
}

impl AsyncWrite for Refusing {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::task::Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_closed_port_says_something_about_the_component() {
    let access = trusting(&Authority::new().certificate, None);
    let opened = secured(Refusing, access.tls().unwrap(), ("a", "safekeeper-0")).await;
    let Err(no) = opened else { panic!("nothing listens") };
    assert_eq!(no.kind, NoPageKind::Refused, "{no:?}");
}
