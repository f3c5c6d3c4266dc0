//! Database login: flags of every command that uses SQL.

use clap::{Args, ValueEnum};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

const LOGIN: &str = "Database login";

/// Database login. There is no password flag: every user of the machine can see a command line.
#[derive(Args, Clone, Debug, Default)]
pub struct LoginArgs {
    /// Role to log in as [default: the layout's]
    #[arg(short = 'U', long, value_name = "USER", help_heading = LOGIN)]
    pub username: Option<String>,
    /// Secret and key that hold the password; NAME/KEY is in the pod's namespace [default: PGPASSWORD, ~/.pgpass]
    #[arg(long, value_name = "[NAMESPACE/]NAME/KEY", help_heading = LOGIN)]
    pub password_secret: Option<SecretKey>,
    /// TLS mode, as in psql [default: prefer] [env: PGSSLMODE]
    #[arg(long, value_enum, value_name = "MODE", help_heading = LOGIN)]
    pub sslmode: Option<SslMode>,
    /// Certificate authorities for verify-ca and verify-full: a file, or `system` [default: ~/.postgresql/root.crt]
    /// [env: PGSSLROOTCERT]
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub sslrootcert: Option<PathBuf>,
    /// Server name that verify-full expects in the certificate [default: POD or POD.NAMESPACE]
    #[arg(long, value_name = "NAME", help_heading = LOGIN)]
    pub sslservername: Option<String>,
    /// Send the password in clear text, or its MD5 hash, to a server whose certificate was not verified
    #[arg(long, help_heading = LOGIN)]
    pub send_cleartext_password: bool,
}

/// libpq's six `sslmode`s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SslMode {
    /// No TLS
    Disable,
    /// Same as prefer
    Allow,
    /// If the server offers it; the certificate is not verified
    Prefer,
    /// Always; the certificate is verified only if --sslrootcert is given
    Require,
    /// Always; the certificate must be signed by a trusted authority
    VerifyCa,
    /// As verify-ca, and the certificate must be for this server
    VerifyFull,
}

impl SslMode {
    /// Returns libpq's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// A key of a Secret, as `[NAMESPACE/]NAME/KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretKey {
    /// The Secret's namespace [default: the pod's].
    pub namespace: Option<String>,
    /// The Secret.
    pub name: String,
    /// The key in its data.
    pub key: String,
}

impl FromStr for SecretKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let (namespace, name, key) = match parts.as_slice() {
            [name, key] => (None, *name, *key),
            [namespace, name, key] => (Some(*namespace), *name, *key),
            _ => return Err("expected NAME/KEY or NAMESPACE/NAME/KEY".into()),
        };
        if parts.iter().any(|part| part.is_empty()) {
            return Err("a part is empty: expected NAME/KEY or NAMESPACE/NAME/KEY".into());
        }
        Ok(Self { namespace: namespace.map(str::to_owned), name: name.to_owned(), key: key.to_owned() })
    }
}

impl fmt::Display for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        write!(f, "{}/{}", self.name, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_the_parser_reads_them() {
        for mode in SslMode::value_variants() {
            assert_eq!(mode.to_possible_value().unwrap().get_name(), mode.name());
        }
    }

    #[test]
    fn a_secrets_key_has_two_parts_or_three() {
        for (text, namespace) in [("db/password", None), ("synxdb-system/db/password", Some("synxdb-system"))] {
            let parsed: SecretKey = text.parse().unwrap();
            assert_eq!((parsed.namespace.as_deref(), &*parsed.name, &*parsed.key), (namespace, "db", "password"));
            assert_eq!(parsed.to_string(), text);
        }
        for wrong in ["", "db", "/password", "db/", "a//c", "a/b/c/d"] {
            wrong.parse::<SecretKey>().unwrap_err();
        }
    }
}
