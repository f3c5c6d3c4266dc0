//! Servers and proxies on loopback that record who talks to them. Each connection has a thread.

use super::certificates::Pair;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, ServerConnection, SignatureScheme, StreamOwned};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Who sent a request, and to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Who {
    /// The server's label.
    pub(super) server: &'static str,
    /// What comes before the path of the API.
    pub(super) prefix: String,
    /// The name that TLS announced.
    pub(super) announced: Option<String>,
    /// The client's certificate, in short.
    pub(super) certificate: Option<String>,
    pub(super) authorization: Option<String>,
    /// Impersonation headers, sorted.
    pub(super) impersonation: Vec<String>,
}

/// What was recorded of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) who: BTreeSet<Who>,
    /// Namespaces whose pods were listed.
    pub(super) namespaces: BTreeSet<String>,
    /// Proxies: kind, login, target.
    pub(super) via: BTreeSet<String>,
}

/// Where the current run is recorded. A connection keeps the record of the run that opened it.
#[derive(Clone, Default)]
pub(super) struct Record(Arc<Mutex<Arc<Mutex<Recorded>>>>);

impl Record {
    /// Begins a new record.
    pub(super) fn restart(&self) {
        *self.0.lock().unwrap() = Arc::default();
    }

    /// Returns what was recorded so far.
    pub(super) fn read(&self) -> Recorded {
        self.current().lock().unwrap().clone()
    }

    fn current(&self) -> Arc<Mutex<Recorded>> {
        Arc::clone(&self.0.lock().unwrap())
    }
}

/// Accepts every client certificate: it is recorded, not judged.
#[derive(Debug)]
struct AnyClient;

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = rustls::crypto::CryptoProvider::get_default().unwrap();
        provider.signature_verification_algorithms.supported_schemes()
    }
}

pub(super) fn tls(pair: &Pair) -> Arc<ServerConfig> {
    let provider = rustls::crypto::CryptoProvider::get_default().unwrap();
    let key = provider.key_provider.load_private_key(pair.key_der()).unwrap();
    // As it is: `with_single_cert` refuses certificates of version 1.
    let certified = rustls::sign::CertifiedKey::new(vec![pair.der()], key);
    let resolver = Arc::new(rustls::sign::SingleCertAndKey::from(certified));
    Arc::new(ServerConfig::builder().with_client_cert_verifier(Arc::new(AnyClient)).with_cert_resolver(resolver))
}

/// Returns the first bytes of a digest-like summary: enough to tell certificates apart.
pub(super) fn short(der: &[u8]) -> String {
    let sum =
        der.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    format!("{sum:016x}")
}

fn accept(record: &Record, serve: impl Fn(TcpStream, &Mutex<Recorded>) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (serve, record) = (Arc::new(serve), record.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (serve, record) = (Arc::clone(&serve), record.current());
            std::thread::spawn(move || serve(stream, &record));
        }
    });
    port
}

/// An API server over TLS; returns its port.
pub(super) fn secure(label: &'static str, pair: &Pair, record: &Record) -> u16 {
    let config = tls(pair);
    accept(record, move |stream, record| {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        while stream.conn.is_handshaking() {
            if stream.conn.complete_io(&mut stream.sock).is_err() {
                return;
            }
        }
        let certificate = stream.conn.peer_certificates().and_then(|all| all.first()).map(|der| short(der));
        let announced = stream.conn.server_name().map(str::to_owned);
        serve(&mut stream, &Who { server: label, certificate, announced, ..Who::default() }, record);
        stream.conn.send_close_notify();
        let _ = stream.flush();
    })
}

/// An API server without TLS; returns its port.
pub(super) fn plain(label: &'static str, record: &Record) -> u16 {
    accept(record, move |mut stream, record| serve(&mut stream, &Who { server: label, ..Who::default() }, record))
}

/// Reads until the end of a request's head.
fn head(stream: &mut impl Read) -> Option<String> {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        text.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// Returns the values of a header.
fn header(head: &str, name: &str) -> Vec<String> {
    let pairs = head.lines().filter_map(|line| line.split_once(": "));
    pairs.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
}

fn serve(stream: &mut (impl Read + Write), base: &Who, record: &Mutex<Recorded>) {
    while let Some(head) = head(stream) {
        let length: usize = header(&head, "content-length").first().map_or(0, |length| length.parse().unwrap());
        if std::io::copy(&mut Read::take(&mut *stream, length as u64), &mut std::io::sink()).is_err() {
            return;
        }
        let target = head.split(' ').nth(1).unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        let begins = ["/api", "/version"].iter().filter_map(|word| path.find(word)).min().unwrap_or(0);
        let (prefix, path) = path.split_at(begins);
        let mut impersonation: Vec<String> =
            head.lines().map(str::to_lowercase).filter(|line| line.starts_with("impersonate-")).collect();
        impersonation.sort();
        let who = Who {
            prefix: prefix.to_owned(),
            authorization: header(&head, "authorization").first().cloned(),
            impersonation,
            ..base.clone()
        };
        let (code, body) = answer(path);
        {
            let mut record = record.lock().unwrap();
            // A kubectl that is a dispatcher asks for the version by itself, without most flags.
            if path != "/version" {
                record.who.insert(who);
            }
            if let Some(name) = path.strip_prefix("/api/v1/namespaces/").and_then(|rest| rest.strip_suffix("/pods")) {
                record.namespaces.insert(name.to_owned());
            }
        }
        let last = if header(&head, "x-last").is_empty() { "" } else { "connection: close\r\n" };
        let answer = format!(
            "HTTP/1.1 {code} X\r\n{last}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let written = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
        if written.is_err() || !header(&head, "x-last").is_empty() {
            return;
        }
    }
}

/// A cluster whose namespaces may not be listed, so that each client asks for the one that it was configured with.
fn answer(path: &str) -> (u16, String) {
    let found = match path {
        "/version" => r#"{"major":"1","minor":"32","gitVersion":"v1.32.4"}"#,
        "/api" => r#"{"kind":"APIVersions","versions":["v1"],"serverAddressByClientCIDRs":[]}"#,
        "/apis" => r#"{"kind":"APIGroupList","apiVersion":"v1","groups":[]}"#,
        "/api/v1" => {
            r#"{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"v1","resources":[{"name":"pods","singularName":"pod","namespaced":true,"kind":"Pod","verbs":["get","list"]}]}"#
        }
        _ if path.starts_with("/api/v1/namespaces/") && path.ends_with("/pods") => {
            r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}"#
        }
        _ => "",
    };
    match found {
        "" => {
            let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no","reason":"Forbidden","code":403}"#;
            (403, status.to_owned())
        }
        found => (200, found.to_owned()),
    }
}

/// A proxy for HTTP; it resolves [`super::certificates::NAME`]. Returns its port.
pub(super) fn http_proxy(label: &'static str, record: &Record) -> u16 {
    accept(record, move |mut stream, record| {
        let Some(head) = head(&mut stream) else { return };
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let login = header(&head, "proxy-authorization").first().cloned().unwrap_or_default();
        let authority = target.strip_prefix("http://").unwrap_or(target).split('/').next().unwrap_or_default();
        record.lock().unwrap().via.insert(format!("{label} {method} {authority} {login}"));
        let Some(mut upstream) = upstream(authority) else {
            let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
            return;
        };
        if method == "CONNECT" {
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
        } else {
            let origin = head.replacen(&format!("http://{authority}"), "", 1).replacen("\r\n", "\r\nX-Last: 1\r\n", 1);
            upstream.write_all(origin.as_bytes()).unwrap();
        }
        relay(stream, upstream);
    })
}

/// The same behind TLS; it records what TLS announced, and the client's certificate. Returns its port.
pub(super) fn https_proxy(label: &'static str, pair: &Pair, record: &Record) -> u16 {
    let (behind, acceptor) = (http_proxy(label, record), tokio_rustls::TlsAcceptor::from(tls(pair)));
    accept(record, move |stream, record| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            stream.set_nonblocking(true).unwrap();
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let connection = stream.get_ref().1;
            let certificate = connection.peer_certificates().and_then(|all| all.first()).map(|der| short(der));
            let announced = connection.server_name();
            record.lock().unwrap().via.insert(format!("{label} over TLS: {announced:?} {certificate:?}"));
            let mut behind = tokio::net::TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
        });
    })
}

fn upstream(authority: &str) -> Option<TcpStream> {
    TcpStream::connect(authority.replace(super::certificates::NAME, "127.0.0.1")).ok()
}

/// A SOCKS 5 proxy; `login` is what it asks for. Returns its port.
pub(super) fn socks_proxy(label: &'static str, login: bool, record: &Record) -> u16 {
    accept(record, move |mut stream, record| {
        let _ = socks(label, login, record, &mut stream);
    })
}

fn socks(label: &str, login: bool, record: &Mutex<Recorded>, stream: &mut TcpStream) -> std::io::Result<()> {
    let some = |stream: &mut TcpStream, count: usize| {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).map(|()| bytes)
    };
    let text = |stream: &mut TcpStream| {
        let length = some(stream, 1)?[0];
        some(stream, length.into()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    let methods = some(stream, 2)?[1];
    let methods = some(stream, methods.into())?;
    let mut who = String::new();
    if login {
        if !methods.contains(&2) {
            record.lock().unwrap().via.insert(format!("{label} offers no login"));
            return stream.write_all(&[5, 0xff]);
        }
        stream.write_all(&[5, 2])?;
        some(stream, 1)?;
        who = format!("{}:{}", text(stream)?, text(stream)?);
        stream.write_all(&[1, 0])?;
    } else {
        stream.write_all(&[5, 0])?;
    }
    let request = some(stream, 4)?;
    let host = match request[3] {
        1 => some(stream, 4)?.iter().map(ToString::to_string).collect::<Vec<_>>().join("."),
        _ => text(stream)?,
    };
    let port = some(stream, 2)?;
    let authority = format!("{host}:{}", u16::from_be_bytes([port[0], port[1]]));
    record.lock().unwrap().via.insert(format!("{label} {authority} {who}"));
    let Some(upstream) = upstream(&authority) else { return stream.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]) };
    stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0])?;
    relay(stream.try_clone()?, upstream);
    Ok(())
}

fn relay(client: TcpStream, server: TcpStream) {
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let there = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
    let (mut from, mut to) = (server, client);
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = there.join();
}
