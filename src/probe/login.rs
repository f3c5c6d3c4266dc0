//! How to log in: role, password, TLS. Resolved once for a command, from flags, environment and files, in this order,
//! as in libpq; a password is never shown, and never comes from the command line.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::password::Password;
use super::pgpass::Pgpass;
use super::tls::{Roots, Tls};
use crate::cli::{LoginArgs, SecretKey, SslMode};
use crate::cluster::{Cluster, files};
use crate::error::{Error, Result};
use crate::topology::{Topology, Untrusted};

/// The environment variables of a login; an empty variable counts as none.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `PGPASSWORD`.
    pub password: Option<Password>,
    /// `PGPASSFILE`.
    pub passfile: Option<PathBuf>,
    /// `PGSSLMODE`.
    pub sslmode: Option<String>,
    /// `PGSSLROOTCERT`.
    pub sslrootcert: Option<PathBuf>,
    /// `~/.pgpass`; on Windows `%APPDATA%\postgresql\pgpass.conf`.
    pub default_passfile: Option<PathBuf>,
    /// `~/.postgresql/root.crt`; on Windows `%APPDATA%\postgresql\root.crt`.
    pub default_sslrootcert: Option<PathBuf>,
}

impl Environment {
    /// Reads the process' environment.
    pub fn of_process() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let (passfile, roots) = if cfg!(windows) {
            let folder = variable("APPDATA").map(|folder| Path::new(&folder).join("postgresql"));
            (folder.as_ref().map(|folder| folder.join("pgpass.conf")), folder.map(|folder| folder.join("root.crt")))
        } else {
            let home = std::env::home_dir();
            (home.as_ref().map(|home| home.join(".pgpass")), home.map(|home| home.join(".postgresql/root.crt")))
        };
        Self {
            password: variable("PGPASSWORD").map(|value| Password::new(bytes(value))),
            passfile: variable("PGPASSFILE").map(PathBuf::from),
            sslmode: variable("PGSSLMODE").map(|value| value.to_string_lossy().into_owned()),
            sslrootcert: variable("PGSSLROOTCERT").map(PathBuf::from),
            default_passfile: passfile,
            default_sslrootcert: roots,
        }
    }
}

#[cfg(unix)]
fn bytes(value: OsString) -> Vec<u8> {
    std::os::unix::ffi::OsStringExt::into_vec(value)
}

#[cfg(not(unix))]
fn bytes(value: OsString) -> Vec<u8> {
    value.to_string_lossy().into_owned().into_bytes()
}

#[cfg(unix)]
fn from_bytes(value: Vec<u8>) -> Option<OsString> {
    Some(std::os::unix::ffi::OsStringExt::from_vec(value))
}

#[cfg(not(unix))]
fn from_bytes(value: Vec<u8>) -> Option<OsString> {
    String::from_utf8(value).ok().map(OsString::from)
}

/// How to log in to any database of an installation.
#[derive(Clone, Debug, Default)]
pub struct Login {
    user: Option<String>,
    password: Option<Given>,
    secret: Option<SecretKey>,
    pgpass: Option<Arc<(PathBuf, Pgpass)>>,
    tls: Tls,
    cleartext: bool,
    /// Which pods are trusted, by namespace and name; a pod that is absent is unknown.
    pods: Arc<BTreeMap<(String, String), Result<(), Untrusted>>>,
}

/// A password, and its origin for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) password: Password,
    pub(super) from: String,
}

/// A login, and notices for the user.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// How to log in.
    pub login: Login,
    /// For example a password file that is ignored; one line each.
    pub notices: Vec<String>,
}

impl Login {
    /// Resolves flags before environment before files. Reads files, but sends no request.
    ///
    /// # Errors
    /// An unknown mode, or required root certificates that are missing.
    pub fn resolve(args: &LoginArgs, environment: &Environment) -> Result<Resolved> {
        let mut notices = Vec::new();
        let password = environment.password.clone().filter(|_| args.password_secret.is_none());
        let password = password.map(|password| Given { password, from: "PGPASSWORD".into() });
        // As in libpq: the file is not read if the password is known.
        let pgpass = if password.is_none() && args.password_secret.is_none() {
            let file = environment.passfile.as_ref().or(environment.default_passfile.as_ref());
            file.and_then(|path| passwords_of(path, &mut notices)).map(Arc::new)
        } else {
            None
        };
        let login = Self {
            user: args.username.clone(),
            password,
            secret: args.password_secret.clone(),
            pgpass,
            tls: tls(args, environment)?,
            cleartext: args.send_cleartext_password,
            pods: Arc::default(),
        };
        Ok(Resolved { login, notices })
    }

    /// Returns the login with the password of `--password-secret`, if one was named: read now, from this namespace
    /// unless the flag names another.
    ///
    /// # Errors
    /// As [`Cluster::secret_value`].
    pub async fn with_secrets(&self, cluster: &Cluster, namespace: &str, deadline: Duration) -> Result<Self> {
        let Some(SecretKey { namespace: named, name, key }) = &self.secret else { return Ok(self.clone()) };
        let namespace = named.as_deref().unwrap_or(namespace);
        let mut value = cluster.secret_value(namespace, name, key, deadline).await?.into_bytes();
        // `--from-file` of a file that an editor ended with a line break; no password ends with one.
        while value.last().is_some_and(|last| matches!(last, b'\n' | b'\r')) {
            value.pop();
        }
        let from = format!("Secret {namespace}/{name}");
        Ok(Self { password: Some(Given { password: Password::new(value), from }), secret: None, ..self.clone() })
    }

    /// Returns the login with the trust in the members of a topology: only trusted pods get a password.
    #[must_use]
    pub fn for_members_of(self, topology: &Topology) -> Self {
        let members = topology
            .members()
            .map(|member| ((member.namespace.clone(), member.name.clone()), topology.trusted(member)));
        self.trusting(members)
    }

    /// Returns the login with the trust in these pods, by namespace and name. A pod that is absent is not trusted.
    #[must_use]
    pub fn trusting(self, pods: impl IntoIterator<Item = ((String, String), Result<(), Untrusted>)>) -> Self {
        let known = self.pods.iter().map(|(pod, trusted)| (pod.clone(), trusted.clone()));
        let pods = known.chain(pods).collect();
        Self { pods: Arc::new(pods), ..self }
    }

    /// Checks whether a pod is trusted with a password.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) fn trusts(&self, namespace: &str, pod: &str) -> Result<(), Untrusted> {
        let known = self.pods.get(&(namespace.to_owned(), pod.to_owned()));
        known.cloned().unwrap_or(Err(Untrusted::OwnerUnknown))
    }

    /// Returns whether the password itself may be sent although no certificate was verified.
    pub(super) fn allows_cleartext(&self) -> bool {
        self.cleartext
    }

    /// Returns the requested role; otherwise the layout's applies.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns the password for a database as an environment variable; `None` if there is none, or it cannot be one.
    pub fn password_text(&self, pod: (&str, &str), port: u16, database: &str, user: &str) -> Option<OsString> {
        let password = self.password(pod, port, database, user)?.password.into_bytes();
        if password.contains(&0) { None } else { from_bytes(password) }
    }

    pub(super) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Returns the password for a database. A password file's line may name the pod or `POD.NAMESPACE`; the port is the
    /// pod's own. A line for `localhost` is for what listens there.
    pub(super) fn password(
        &self,
        (namespace, pod): (&str, &str),
        port: u16,
        database: &str,
        user: &str,
    ) -> Option<Given> {
        if self.password.is_some() {
            return self.password.clone();
        }
        let (path, pgpass) = self.pgpass.as_deref()?;
        let hosts = [pod, &*format!("{pod}.{namespace}")];
        let password = pgpass.password(&hosts, port, database, user)?;
        Some(Given { password: password.clone(), from: path.display().to_string() })
    }
}

fn tls(args: &LoginArgs, environment: &Environment) -> Result<Tls> {
    let from_environment = environment.sslmode.as_deref().map(|text| {
        <SslMode as clap::ValueEnum>::from_str(text, false).map_err(|_| {
            Error::usage(format!("invalid PGSSLMODE {text:?}"))
                .because("valid values: disable, allow, prefer, require, verify-ca, verify-full")
        })
    });
    let mode = match args.sslmode {
        Some(mode) => Some(mode),
        None => from_environment.transpose()?,
    };
    let named = args.sslrootcert.as_ref().or(environment.sslrootcert.as_ref());
    let roots = match (named, &environment.default_sslrootcert) {
        (Some(named), _) if named == Path::new("system") => Roots::System,
        (Some(named), _) => Roots::File { path: named.clone(), named: true },
        (None, Some(path)) => Roots::File { path: path.clone(), named: false },
        (None, None) => Roots::None,
    };
    Tls::resolve(mode, &roots, args.sslservername.as_deref())
}

/// Reads the password file, unless it does not exist or others can read it.
fn passwords_of(path: &Path, notices: &mut Vec<String>) -> Option<(PathBuf, Pgpass)> {
    let read = std::fs::metadata(path).and_then(|about| {
        if !about.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        if open_to_others(&about) {
            return Err(io::Error::other(format!("group or others can read it (fix: chmod 0600 {})", path.display())));
        }
        files::read_limited(path, files::LARGEST)
    });
    match read {
        Ok(text) => Some((path.to_owned(), Pgpass::parse(&text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            notices.push(format!(
                "ignoring the password file {}: {}",
                path.display(),
                crate::cluster::error_text(&error)
            ));
            None
        }
    }
}

#[cfg(unix)]
fn open_to_others(about: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(about) & 0o077 != 0
}

#[cfg(not(unix))]
fn open_to_others(_: &std::fs::Metadata) -> bool {
    false
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
