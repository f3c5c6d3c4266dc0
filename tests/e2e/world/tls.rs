//! A proxy's server with passwords and TLS, configured by its superuser through SQL alone, so that it works on both
//! kinds of cluster. Only the test process knows the practice cluster's superuser, and its servers require passwords
//! anyway.

use super::World;
use super::sql::first_column;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::Client;

/// A certificate and its key, in PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// A certificate authority.
pub(crate) struct Authority {
    pub(crate) certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Returns a server's certificate for this name.
    pub(crate) fn signed(&self, name: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        Pair { certificate: params(name).signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }
}

impl Pair {
    /// Returns a certificate for this name without an authority.
    pub(crate) fn self_signed(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self { certificate: params(name).self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "a server");
    params
}

/// A proxy whose server requires a password from every client.
pub(crate) struct Secured<'w> {
    world: &'w World,
    namespace: String,
    pod: String,
    /// The superuser's.
    password: String,
}

impl World {
    /// Makes the server of a proxy require passwords; the superuser's is this one.
    pub(crate) fn secured(&self, (namespace, pod): (&str, &str), password: &str) -> Secured<'_> {
        let (namespace, pod, password) = (namespace.to_owned(), pod.to_owned(), password.to_owned());
        let secured = Secured { world: self, namespace, pod, password };
        secured.query(&format!("alter role gpadmin password '{}'", secured.password));
        if self.is_real() {
            secured.write("pg_hba.conf", "local all all scram-sha-256\nhost all all all scram-sha-256");
        }
        secured.reload();
        let refused = self.query_as((&secured.namespace, &secured.pod), ("gpadmin", None), "postgres", "select 1");
        refused.expect_err("a login without a password");
        secured
    }

    /// Returns a file in the world's folder.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl<'w> Secured<'w> {
    /// Queries as the superuser, in database `postgres`.
    pub(crate) fn query(&self, sql: &str) -> Vec<String> {
        let Self { world, namespace, pod, password } = self;
        let client = world.superuser((namespace, pod), Some(password));
        let answer = world.in_time(first_column(&client, sql)).unwrap_or_else(|| panic!("no answer: {sql}"));
        answer.unwrap_or_else(|why| panic!("{namespace}/{pod}: {sql}: {why}"))
    }

    /// Makes the server offer TLS with this certificate.
    pub(crate) fn offers(&self, pair: &Pair) {
        self.write("server.key", &pair.key);
        self.write("server.crt", &pair.certificate);
        self.query("alter system set ssl = on");
        self.reload();
    }

    /// Writes a file in the data folder.
    fn write(&self, name: &str, text: &str) {
        let text = text.trim_end();
        self.query(&format!(
            "copy (select unnest(string_to_array('{text}', E'\\n'))) to program 'umask 077; cat > {name}'"
        ));
    }

    /// Returns when new connections use the server's current files. A new one reports when the server had read them:
    /// all of them, before it accepted the connection.
    fn reload(&self) {
        let read = || self.query("select pg_conf_load_time()");
        let before = read();
        self.query("select pg_reload_conf()");
        let started = std::time::Instant::now();
        while read() == before {
            assert!(started.elapsed() < self.world.limit(), "the server does not read its configuration");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops the server's first process: the system accepts connections, and nothing answers them.
    pub(crate) fn hangs(&self) -> Hung<'w> {
        let Self { world, namespace, pod, password } = self;
        let hung = Hung { world, client: world.superuser((namespace, pod), Some(password)) };
        hung.signal("STOP").unwrap();
        hung
    }
}

/// A server that does not answer until this is dropped.
pub(crate) struct Hung<'w> {
    world: &'w World,
    /// An earlier session, whose process keeps running.
    client: Client,
}

impl Hung<'_> {
    fn signal(&self, signal: &str) -> Result<(), tokio_postgres::Error> {
        let kill = format!("copy (select 1) to program 'cat > /dev/null; kill -{signal} $(head -n 1 postmaster.pid)'");
        self.world.in_time(self.client.simple_query(&kill)).expect("an answer in time").map(|_| ())
    }
}

impl Drop for Hung<'_> {
    fn drop(&mut self) {
        let woken = self.signal("CONT");
        if !std::thread::panicking() {
            woken.unwrap();
        }
    }
}
