//! Each mode against real servers: with a self-signed certificate, with one that an authority signed, without TLS.

use super::*;
use crate::cli::LoginArgs;
use crate::probe::Password;
use crate::probe::connector::Connector;
use crate::probe::login::Environment;
use crate::probe::session::Session;
use crate::probe::statements::Access;
use crate::probe::testing::{Authority, Listening, Port, Postgres, self_signed};
use crate::probe::{Login, Sql};
use rcgen::{BasicConstraints, CertificateParams, IsCa};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

const SCRAM: &str = "host all all 127.0.0.1/32 scram-sha-256";
const PASSWORD: &str = "open sesame";

/// A server whose role `gpadmin` has a password.
async fn server(listening: &Listening<'_>) -> Postgres {
    let postgres = Postgres::listening(listening);
    let sql = postgres.sql("postgres");
    let mut session = open(&sql).await.unwrap();
    session.run_text(&format!("ALTER ROLE gpadmin PASSWORD '{PASSWORD}'")).await.unwrap();
    session.close().await;
    postgres
}

async fn open<C: Connector>(sql: &Sql<C>) -> Result<Session, crate::probe::ProbeError> {
    sql.line.open(&sql.line.target().database.clone(), Access::Write, Instant::now() + Duration::from_secs(20)).await
}

fn login(mode: SslMode, roots: Option<&Path>, name: Option<&str>) -> Login {
    let args = LoginArgs {
        sslmode: Some(mode),
        sslrootcert: roots.map(Path::to_owned),
        sslservername: name.map(str::to_owned),
        ..LoginArgs::default()
    };
    let environment = Environment { password: Some(Password::new(PASSWORD)), ..Environment::default() };
    Login::resolve(&args, &environment).unwrap().login
}

/// `TLS` or `plain`, as the server itself sees the connection; or why there is none.
async fn outcome(sql: Sql<Port>) -> Result<&'static str, String> {
    let mut session = open(&sql).await.map_err(|trouble| {
        assert!(trouble.refuses_login(), "{trouble:?}");
        trouble.reason
    })?;
    let rows = session.run_text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await.unwrap();
    let tls = rows[0][0].get(0) == Some("t");
    session.close().await;
    Ok(if tls { "TLS" } else { "plain" })
}

fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

const MODES: [SslMode; 6] =
    [SslMode::Disable, SslMode::Allow, SslMode::Prefer, SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull];

/// The result of each mode; a rejection by the beginning of its reason.
async fn table(postgres: &Postgres, roots: &Path, expected: [Result<&str, &str>; 6]) {
    for (mode, expected) in MODES.into_iter().zip(expected) {
        // Without verification, no file of roots is read; `require` would verify.
        let roots = matches!(mode, SslMode::VerifyCa | SslMode::VerifyFull).then_some(roots);
        let came = outcome(postgres.sql_with("gpadmin", "postgres", login(mode, roots, None))).await;
        let refused = format!("the server's certificate was rejected by sslmode={}: ", mode.name());
        match (&came, expected) {
            (Ok(came), Ok(expected)) => assert_eq!(*came, expected, "{mode:?}"),
            (Err(came), Err(expected)) => {
                let came = came.strip_prefix(&refused).unwrap_or(came);
                assert!(came.starts_with(expected), "{mode:?}: {came}");
            }
            _ => panic!("{mode:?}: {came:?}, expected {expected:?}"),
        }
    }
}

#[tokio::test]
async fn a_self_signed_server_is_taken_by_require_and_refused_by_verification() {
    let folder = tempfile::tempdir().unwrap();
    let roots = file(&folder, "ca.crt", &Authority::new().certificate);
    let pair = self_signed(&["p-0"], |_| ());
    let postgres = server(&Listening { tls: Some(&pair), hba: SCRAM }).await;
    let unknown = "its issuer is unknown: no authority in ";
    let expected = [Ok("plain"), Ok("TLS"), Ok("TLS"), Ok("TLS"), Err(unknown), Err(unknown)];
    table(&postgres, &roots, expected).await;

    // Given by itself it is an authority of its own.
    let itself = file(&folder, "server.crt", &pair.certificate);
    table(&postgres, &itself, [Ok("plain"), Ok("TLS"), Ok("TLS"), Ok("TLS"), Ok("TLS"), Ok("TLS")]).await;

    // As in libpq, `require` verifies the chain if roots exist.
    let checked = postgres.sql_with("gpadmin", "postgres", login(SslMode::Require, Some(&roots), None));
    assert!(outcome(checked).await.unwrap_err().contains(unknown));
    let system = login(SslMode::VerifyFull, Some(Path::new("system")), None);
    let said = outcome(postgres.sql_with("gpadmin", "postgres", system)).await.unwrap_err();
    assert!(said.contains("no authority in the operating system's certificates signed it"), "{said}");

    // The same for an authority's own certificate, as `openssl req -x509` creates it; but not after its expiry.
    let own = |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let over = |params: &mut CertificateParams| {
        own(params);
        params.not_after = params.not_before + (rcgen::date_time_ymd(2002, 1, 1) - rcgen::date_time_ymd(2001, 1, 1));
    };
    for (change, expected) in [(&own as &dyn Fn(&mut _), Ok("TLS")), (&over, Err("it has expired"))] {
        let pair = self_signed(&["p-0"], change);
        let itself = file(&folder, "own.crt", &pair.certificate);
        let postgres = server(&Listening { tls: Some(&pair), hba: SCRAM }).await;
        table(&postgres, &itself, [Ok("plain"), Ok("TLS"), Ok("TLS"), Ok("TLS"), expected, expected]).await;
    }
    let pair = self_signed(&["elsewhere"], own);
    let itself = file(&folder, "own.crt", &pair.certificate);
    let postgres = server(&Listening { tls: Some(&pair), hba: SCRAM }).await;
    let other = Err("it is valid for elsewhere, not for p-0 or p-0.a");
    table(&postgres, &itself, [Ok("plain"), Ok("TLS"), Ok("TLS"), Ok("TLS"), Ok("TLS"), other]).await;
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_taken_for_the_pods_names() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let roots = file(&folder, "ca.crt", &authority.certificate);
    for name in ["p-0", "p-0.a"] {
        let pair = authority.signed(&["elsewhere.example", name], |_| ());
        let postgres = server(&Listening { tls: Some(&pair), hba: SCRAM }).await;
        table(&postgres, &roots, [Ok("plain"), Ok("TLS"), Ok("TLS"), Ok("TLS"), Ok("TLS"), Ok("TLS")]).await;
    }
    let pair = authority.signed(&["proxy.a.svc", "localhost"], |_| ());
    let postgres = server(&Listening { tls: Some(&pair), hba: SCRAM }).await;
    let other = "it is valid for proxy.a.svc, localhost, not for p-0 or p-0.a (--sslservername NAME sets";
    table(&postgres, &roots, [Ok("plain"), Ok("TLS"), Ok("TLS"), Ok("TLS"), Ok("TLS"), Err(other)]).await;
    for (name, expected) in [("proxy.a.svc", true), ("proxy.b.svc", false)] {
        let asked = login(SslMode::VerifyFull, Some(&roots), Some(name));
        let came = outcome(postgres.sql_with("gpadmin", "postgres", asked)).await;
        assert_eq!(came.is_ok(), expected, "{name}: {came:?}");
    }
}

#[tokio::test]
async fn certificates_that_do_not_hold_are_refused_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let roots = file(&folder, "ca.crt", &authority.certificate);
    let past = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    };
    let own = |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for (pair, why) in [
        (authority.signed(&["p-0"], past), "it has expired"),
        (authority.signed(&[], |_| ()), "it is valid for no name (subject"),
        (authority.signed(&["p-0"], own), "it is a CA certificate (CA:TRUE)"),
    ] {
        let postgres = server(&Listening { tls: Some(&pair), hba: SCRAM }).await;
        let checked = login(SslMode::VerifyFull, Some(&roots), None);
        let said = outcome(postgres.sql_with("gpadmin", "postgres", checked)).await.unwrap_err();
        assert!(said.contains(why), "{said}");
        let taken = login(SslMode::Require, None, None);
        assert_eq!(outcome(postgres.sql_with("gpadmin", "postgres", taken)).await, Ok("TLS"), "{why}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_taken_by_prefer_and_refused_by_require() {
    let folder = tempfile::tempdir().unwrap();
    let roots = file(&folder, "ca.crt", &Authority::new().certificate);
    let postgres = server(&Listening { tls: None, hba: SCRAM }).await;
    let [require, ca, full] = ["require", "verify-ca", "verify-full"]
        .map(|mode| format!("the server does not support TLS, which sslmode={mode} requires"));
    table(&postgres, &roots, [Ok("plain"), Ok("plain"), Ok("plain"), Err(&require), Err(&ca), Err(&full)]).await;
}

#[tokio::test]
async fn a_refused_login_is_told_in_the_servers_words_and_from_where_the_password_was() {
    let pair = self_signed(&["p-0"], |_| ());
    let hba = "host all sealed 127.0.0.1/32 reject\nhostssl all secured 127.0.0.1/32 trust\n\
               host all all 127.0.0.1/32 scram-sha-256";
    let postgres = server(&Listening { tls: Some(&pair), hba }).await;
    let admin = postgres.sql("postgres");
    let mut session = open(&admin).await.unwrap();
    session.run_text("CREATE ROLE sealed LOGIN; CREATE ROLE secured LOGIN; CREATE ROLE closed").await.unwrap();
    session.close().await;
    let with = |password: Option<&str>, mode| {
        let args = LoginArgs { sslmode: Some(mode), ..LoginArgs::default() };
        let password = password.map(Password::new);
        Login::resolve(&args, &Environment { password, ..Environment::default() }).unwrap().login
    };
    for mode in [SslMode::Disable, SslMode::Prefer, SslMode::Require] {
        let said = outcome(postgres.sql_with("gpadmin", "postgres", with(Some("wrong"), mode))).await.unwrap_err();
        let words = "password authentication failed for user \"gpadmin\" (SQLSTATE 28P01), with the password from";
        assert_eq!(said, format!("{words} PGPASSWORD"));
        let said = outcome(postgres.sql_with("gpadmin", "postgres", with(None, mode))).await.unwrap_err();
        assert!(said.starts_with("the server requires a password, and none is set"), "{said}");
        let said = outcome(postgres.sql_with("sealed", "postgres", with(Some(PASSWORD), mode))).await.unwrap_err();
        assert!(said.starts_with("pg_hba.conf rejects connection") && said.ends_with("(SQLSTATE 28000)"), "{said}");
    }
    // A missing database is not the login's fault.
    let missing = postgres.sql_with("gpadmin", "no_such", with(Some(PASSWORD), SslMode::Require));
    let trouble = open(&missing).await.err().unwrap();
    assert_eq!(trouble.reason, "database \"no_such\" does not exist (SQLSTATE 3D000)");
    assert!(!trouble.refuses_login());
    // Nor does a server that accepts this role only over TLS get a connection without.
    assert_eq!(outcome(postgres.sql_with("secured", "postgres", with(None, SslMode::Prefer))).await, Ok("TLS"));
}

/// The password exchange is bound to the certificate: a man in the middle with his own certificate learns nothing, and
/// is noticed, even if no certificate is verified.
#[tokio::test]
async fn the_passwords_exchange_is_bound_to_the_servers_certificate() {
    use tokio_postgres::config::{ChannelBinding, Config, SslMode as Wanted};
    use tokio_postgres::tls::MakeTlsConnect;
    let pair = self_signed(&["p-0"], |_| ());
    let postgres = server(&Listening { tls: Some(&pair), hba: SCRAM }).await;
    let login = login(SslMode::Require, None, None);
    let sql = postgres.sql_with("gpadmin", "postgres", login.clone());
    let mut config = Config::new();
    config.user("gpadmin").dbname("postgres").password(PASSWORD).channel_binding(ChannelBinding::Require);
    let stream = sql.line.connector().connect(Duration::from_secs(20)).await.unwrap();
    let plain = config.connect_raw(stream, tokio_postgres::NoTls).await.err().unwrap();
    assert_eq!(plain.to_string(), "authentication error");
    let stream = sql.line.connector().connect(Duration::from_secs(20)).await.unwrap();
    let (mut connector, name) = login.tls().connector("a", "p-0").unwrap();
    let tls = MakeTlsConnect::<tokio::net::TcpStream>::make_tls_connect(&mut connector, &name).unwrap();
    let session = config.ssl_mode(Wanted::Require).connect_raw(stream, tls).await;
    assert!(session.is_ok(), "{:?}", session.err());
}

/// The same certificate as X.509 version 1, without extensions: as `openssl x509 -req` makes it without an extension
/// file.
fn version_1(pair: &crate::probe::testing::Pair) -> crate::probe::testing::Pair {
    use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
    use x509_cert::der::asn1::BitString;
    let der = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
    let mut certificate = Certificate::from_der(&der).unwrap();
    certificate.tbs_certificate.version = x509_cert::certificate::Version::V1;
    certificate.tbs_certificate.extensions = None;
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let key = ring::sign::any_ecdsa_type(&key).unwrap();
    let signer = key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]).unwrap();
    let signature = signer.sign(&certificate.tbs_certificate.to_der().unwrap()).unwrap();
    certificate.signature = BitString::from_bytes(&signature).unwrap();
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, certificate.to_der().unwrap());
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let certificate = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    crate::probe::testing::Pair { certificate, key: pair.key.clone() }
}

/// psql accepts it with `require`, which verifies no certificate; and `prefer` does not continue unencrypted because of
/// one.
#[tokio::test]
async fn a_certificate_of_version_1_is_taken_where_none_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let pair = version_1(&self_signed(&["p-0"], |_| ()));
    let postgres = server(&Listening { tls: Some(&pair), hba: SCRAM }).await;
    let roots = file(&folder, "ca.crt", &Authority::new().certificate);
    let refused = Err("it is an X.509 version 1 certificate");
    table(&postgres, &roots, [Ok("plain"), Ok("TLS"), Ok("TLS"), Ok("TLS"), refused, refused]).await;
}

/// The server holds the certificate's key, even if nothing else of it is verified.
#[test]
fn a_signature_by_another_key_is_refused() {
    let (one, other) = (self_signed(&["p-0"], |_| ()), self_signed(&["p-0"], |_| ()));
    let der = |pair: &crate::probe::testing::Pair| CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(one.key.as_bytes()).unwrap();
    let scheme = SignatureScheme::ECDSA_NISTP256_SHA256;
    let signer = ring::sign::any_ecdsa_type(&key).unwrap().choose_scheme(&[scheme]).unwrap();
    let signature = signer.sign(b"message").unwrap();
    let algorithms = ring::default_provider().signature_verification_algorithms;
    for (message, pair, scheme, taken) in [
        (&b"message"[..], &one, scheme, true),
        (b"message", &other, scheme, false),
        (b"another", &one, scheme, false),
        (b"message", &one, SignatureScheme::RSA_PSS_SHA256, false),
        (b"message", &one, SignatureScheme::RSA_PKCS1_SHA1, false),
    ] {
        let said = signed_by_key(message, &der(pair), (scheme, &signature), &algorithms);
        assert_eq!(said.is_ok(), taken, "{scheme:?}: {said:?}");
        let refused = rustls::Error::InvalidCertificate(CertificateError::BadSignature);
        assert!(taken || said.unwrap_err() == refused, "so that `prefer` does not go on in the clear");
    }
}

/// A server that agrees to TLS, and then sends something else; the second time it is a plain one that refuses.
struct Fickle(std::sync::atomic::AtomicUsize);

impl Connector for Fickle {
    type Stream = tokio::io::DuplexStream;

    async fn connect(&self, _: Duration) -> Result<Self::Stream, crate::probe::ProbeError> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let first = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        tokio::spawn(async move {
            let mut asked = [0; 8];
            theirs.read_exact(&mut asked).await.unwrap();
            if first {
                assert_eq!(asked, [0, 0, 0, 8, 4, 210, 22, 47], "an SSLRequest");
                theirs.write_all(b"S").await.unwrap();
                theirs.read_exact(&mut asked).await.unwrap();
                theirs.write_all(b"HTTP/1.1 400 Bad Request\r\n").await.unwrap();
            } else {
                assert_eq!(asked[4..], [0, 3, 0, 0], "a startup packet");
                theirs.write_all(b"E\0\0\0\x19SFATAL\0C57P03\0Mwait\0\0").await.unwrap();
            }
            let _ = theirs.read_to_end(&mut Vec::new()).await;
        });
        Ok(ours)
    }
}

#[tokio::test]
async fn only_prefer_goes_on_without_tls_where_the_handshake_fails() {
    for (mode, attempts) in [(SslMode::Prefer, 2), (SslMode::Require, 1)] {
        let target = crate::probe::SqlTarget {
            login: login(mode, None, None),
            ..crate::probe::testing::target("gpadmin", "postgres")
        };
        let sql = Sql::with(Fickle(0.into()), target);
        let trouble = open(&sql).await.err().unwrap();
        assert_eq!(sql.line.connector().0.load(std::sync::atomic::Ordering::SeqCst), attempts);
        match mode {
            SslMode::Prefer => assert_eq!(trouble.code.as_deref(), Some("57P03"), "{trouble:?}"),
            _ => assert!(trouble.refuses_login() && trouble.reason.starts_with("TLS failed: "), "{trouble:?}"),
        }
    }
}

/// A server with TLS, which signs with this key and requests the password by SCRAM, bound to the certificate or not; it
/// keeps what it gets first.
struct InTheMiddle {
    certified: Arc<rustls::sign::CertifiedKey>,
    connections: std::sync::atomic::AtomicUsize,
    told: Arc<std::sync::Mutex<Vec<u8>>>,
    done: Arc<tokio::sync::Notify>,
}

impl InTheMiddle {
    fn new(certificate: &crate::probe::testing::Pair, key: &crate::probe::testing::Pair) -> Self {
        let chain = vec![CertificateDer::from_pem_slice(certificate.certificate.as_bytes()).unwrap()];
        let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(key.key.as_bytes()).unwrap();
        let key = ring::sign::any_ecdsa_type(&key).unwrap();
        let certified = Arc::new(rustls::sign::CertifiedKey::new(chain, key));
        Self { certified, connections: 0.into(), told: Arc::default(), done: Arc::default() }
    }

    async fn asked(self, mode: SslMode) -> (Self, crate::probe::ProbeError) {
        let target = crate::probe::testing::target("gpadmin", "postgres");
        let pod = (target.namespace.clone(), target.pod.clone());
        let login = login(mode, None, None).trusting([(pod, Ok(()))]);
        let sql = Sql::with(self, crate::probe::SqlTarget { login, ..target });
        let trouble = open(&sql).await.err().unwrap();
        let middle = sql.line.connector();
        let middle = Self {
            certified: middle.certified.clone(),
            connections: middle.connections.load(std::sync::atomic::Ordering::SeqCst).into(),
            told: middle.told.clone(),
            done: middle.done.clone(),
        };
        (middle, trouble)
    }
}

#[derive(Debug)]
struct Always(Arc<rustls::sign::CertifiedKey>);

impl rustls::server::ResolvesServerCert for Always {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(self.0.clone())
    }
}

impl Connector for InTheMiddle {
    type Stream = tokio::io::DuplexStream;

    async fn connect(&self, _: Duration) -> Result<Self::Stream, crate::probe::ProbeError> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        self.connections.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Always(self.certified.clone())));
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let (told, done) = (self.told.clone(), self.done.clone());
        tokio::spawn(async move {
            let mut asked = [0; 8];
            theirs.read_exact(&mut asked).await.unwrap();
            if asked != [0, 0, 0, 8, 4, 210, 22, 47] {
                // Unencrypted, without a TLS request.
                told.lock().unwrap().extend(asked);
                done.notify_one();
                return;
            }
            theirs.write_all(b"S").await.unwrap();
            let Ok(mut tls) = acceptor.accept(theirs).await else { return done.notify_one() };
            let length = tls.read_u32().await.unwrap() as usize;
            tls.read_exact(&mut vec![0; length - 4]).await.unwrap();
            let mechanisms = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
            let length = u32::try_from(mechanisms.len() + 8).unwrap().to_be_bytes();
            tls.write_all(&[&b"R"[..], &length, &10u32.to_be_bytes(), mechanisms].concat()).await.unwrap();
            tls.flush().await.unwrap();
            let mut answer = vec![0; 512];
            let read = tls.read(&mut answer).await.unwrap();
            told.lock().unwrap().extend(&answer[..read]);
            done.notify_one();
        });
        Ok(ours)
    }
}

/// The same through one of the plugin's sessions, with everything in between: a server that can bind the exchange does
/// not get an unbound one that a man in the middle could pass on.
#[tokio::test]
async fn a_session_binds_the_exchange_to_the_certificate() {
    let pair = self_signed(&["p-0"], |_| ());
    for mode in [SslMode::Prefer, SslMode::Require] {
        let (middle, _) = InTheMiddle::new(&pair, &pair).asked(mode).await;
        tokio::time::timeout(Duration::from_secs(20), middle.done.notified()).await.expect("it was told something");
        let told = middle.told.lock().unwrap().clone();
        let text = String::from_utf8_lossy(&told);
        assert!(text.starts_with('p') && text.contains("SCRAM-SHA-256-PLUS\0"), "{mode:?}: {text:?}");
        assert!(text.contains("p=tls-server-end-point,,"), "{mode:?}: {text:?}");
    }
}

/// A server with a certificate but without its key is not a server without TLS: `prefer` reports it, and stops.
#[tokio::test]
async fn prefer_does_not_go_on_in_the_clear_because_of_a_certificate() {
    let (certificate, other) = (self_signed(&["p-0"], |_| ()), self_signed(&["p-0"], |_| ()));
    for mode in [SslMode::Prefer, SslMode::Require] {
        let (middle, trouble) = InTheMiddle::new(&certificate, &other).asked(mode).await;
        assert!(
            trouble.refuses_login() && trouble.reason.contains("certificate was rejected"),
            "{mode:?}: {trouble:?}"
        );
        assert_eq!(middle.connections.load(std::sync::atomic::Ordering::SeqCst), 1, "{mode:?}");
        assert_eq!(*middle.told.lock().unwrap(), b"", "{mode:?}");
    }
}
