//! Hostile servers that request the password: what they get.

use super::super::connector::Connector;
use super::super::login::Environment;
use super::super::password::Password;
use super::super::session::Connection;
use super::super::statements::Access;
use super::super::testing::target;
use super::super::trouble::ProbeError;
use super::super::{Login, SqlTarget};
use crate::cli::{LoginArgs, SslMode};
use crate::topology::Untrusted;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const PASSWORD: &str = "open sesame";

/// A server that requests the password in this form, and keeps what it gets.
#[derive(Clone)]
struct Asking {
    how: Vec<u8>,
    got: Arc<Mutex<Vec<u8>>>,
    done: Arc<tokio::sync::Notify>,
}

fn request(code: u32, rest: &[u8]) -> Vec<u8> {
    let length = u32::try_from(8 + rest.len()).unwrap();
    [b"R", &length.to_be_bytes()[..], &code.to_be_bytes(), rest].concat()
}

impl Connector for Asking {
    type Stream = DuplexStream;

    async fn connect(&self, _: Duration) -> Result<DuplexStream, ProbeError> {
        let (ours, mut theirs) = duplex(1 << 16);
        let Self { how, got, done } = self.clone();
        tokio::spawn(async move {
            let mut length = theirs.read_u32().await.unwrap();
            if length == 8 {
                theirs.read_u32().await.unwrap();
                theirs.write_all(b"N").await.unwrap();
                length = theirs.read_u32().await.unwrap();
            }
            let mut startup = vec![0; length as usize - 4];
            theirs.read_exact(&mut startup).await.unwrap();
            theirs.write_all(&how).await.unwrap();
            let mut answer = vec![0; 256];
            let read = theirs.read(&mut answer).await.unwrap_or(0);
            got.lock().unwrap().extend(&answer[..read]);
            let refusal = b"SFATAL\0C28P01\0Mno\0\0";
            let length = u32::try_from(refusal.len() + 4).unwrap().to_be_bytes();
            let _ = theirs.write_all(&[b"E", &length[..], refusal].concat()).await;
            done.notify_one();
        });
        Ok(ours)
    }
}

/// The result of the login, and what the server got.
async fn asked(how: Vec<u8>, args: &LoginArgs, trusted: Result<(), Untrusted>) -> (String, Vec<u8>) {
    let environment = Environment { password: Some(Password::new(PASSWORD)), ..Environment::default() };
    let login = Login::resolve(args, &environment).unwrap().login;
    let login = login.trusting([(("a".to_owned(), "p-0".to_owned()), trusted)]);
    let server = Asking { how, got: Arc::default(), done: Arc::default() };
    let target = SqlTarget { login, ..target("gpadmin", "postgres") };
    let line = Connection::new(server.clone(), target);
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    let trouble = line.open("postgres", Access::Read, until).await.err().unwrap();
    assert!(trouble.refuses_login(), "{trouble:?}");
    server.done.notified().await;
    let got = server.got.lock().unwrap().clone();
    (trouble.reason, got)
}

fn args(mode: SslMode, cleartext: bool) -> LoginArgs {
    LoginArgs { sslmode: Some(mode), send_cleartext_password: cleartext, ..LoginArgs::default() }
}

#[tokio::test]
async fn the_password_itself_is_not_sent_without_tls_that_was_checked() {
    for mode in [SslMode::Disable, SslMode::Prefer] {
        for (code, rest, how) in [(3, &b""[..], "in cleartext"), (5, b"salt", "as an MD5 hash")] {
            let (said, got) = asked(request(code, rest), &args(mode, false), Ok(())).await;
            let expected =
                format!("the server requests the password {how}: it is sent only over TLS with a verified certificate");
            assert!(said.starts_with(&expected) && said.contains("--send-cleartext-password"), "{said}");
            assert_eq!(got, b"", "{mode:?} {code}");
            // With the flag, it is sent.
            let (said, got) = asked(request(code, rest), &args(mode, true), Ok(())).await;
            assert!(said.starts_with("no (SQLSTATE 28P01)"), "{said}");
            let clear = got.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
            assert_eq!((got[0], clear), (b'p', code == 3), "{got:?}");
        }
    }
}

/// SCRAM gives an impostor nothing to log in with elsewhere.
#[tokio::test]
async fn scram_is_answered_and_does_not_tell_the_password() {
    let (_, got) = asked(request(10, b"SCRAM-SHA-256\0\0"), &args(SslMode::Prefer, false), Ok(())).await;
    assert_eq!(got[0], b'p');
    assert!(!got.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()), "{got:?}");
}

#[tokio::test]
async fn a_pod_that_is_not_known_to_be_the_workloads_gets_nothing_at_all() {
    for request in [request(3, b""), request(5, b"salt"), request(10, b"SCRAM-SHA-256\0\0")] {
        for cleartext in [false, true] {
            let (said, got) = asked(
                request.clone(),
                &args(SslMode::Prefer, cleartext),
                Err(Untrusted::Unconfirmed("no one knows it".into())),
            )
            .await;
            let withheld = "the server requires a password, but none is sent to it: no one knows it";
            assert!(said.starts_with(withheld) || said.starts_with("the server requests the password"), "{said}");
            assert_eq!(got, b"");
        }
    }
}

/// An authority may have signed certificates for many: only one for this pod's own name makes up for an unknown owner.
#[test]
fn a_signed_certificate_of_another_name_is_not_enough_for_an_unconfirmed_pod() {
    use super::{Checked, Offer};
    let environment = Environment { password: Some(Password::new(PASSWORD)), ..Environment::default() };
    let login = Login::resolve(&LoginArgs::default(), &environment).unwrap().login;
    for (trusted, checked, given) in [
        (Ok(()), Checked::Nothing, true),
        (Ok(()), Checked::Chain, true),
        (Ok(()), Checked::Name, true),
        (Err(Untrusted::Unconfirmed("no one knows it".to_owned())), Checked::Nothing, false),
        (Err(Untrusted::Unconfirmed("no one knows it".to_owned())), Checked::Chain, false),
        (Err(Untrusted::Unconfirmed("no one knows it".to_owned())), Checked::Name, true),
    ] {
        let login = login.clone().trusting([(("a".to_owned(), "p-0".to_owned()), trusted.clone())]);
        let target = SqlTarget { login, ..target("gpadmin", "postgres") };
        let offer = Offer::of(&target, "postgres", checked);
        assert_eq!(offer.given().is_some(), given, "{trusted:?} {checked:?}: {offer:?}");
    }
}
