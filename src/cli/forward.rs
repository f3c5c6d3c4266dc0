//! `forward`.

use super::output::{PATH, Word, YAML, forms};
use super::{Names, Output};
use clap::{Args, ValueHint};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// The default local port.
pub const DEFAULT_PORT: u16 = 15432;

const FORMS: &[Word] = &[
    ("text", "The psql command to paste"),
    ("json", "One line of JSON, with apiVersion and kind: see `schema`"),
    YAML,
    PATH,
];

/// `forward`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # The account's proxy, if there is one account; paste the line that it prints
  kubectl synxdb forward

  # An account's proxy, and the metadata proxy
  kubectl synxdb forward -n cloud007
  kubectl synxdb forward meta

  # Run psql on it; the forward ends with psql
  kubectl synxdb forward --psql
  kubectl synxdb forward meta --psql -- -c 'SELECT 1'
  kubectl synxdb forward --psql -- test_db

  # Any free port, reported as one line of JSON
  kubectl synxdb forward --port 0 -o json

  # A Unix socket that only you can use, instead of a port open to every local user
  kubectl synxdb forward --socket ~/.s.PGSQL.5432

  # A safekeeper's status page
  kubectl synxdb forward safekeeper-0

Each client has its own stream to the pod. When the pod is replaced, the port
stays open and leads to the new pod as soon as it is Ready; clients that connect
before that wait for up to a minute.

Ctrl-C stops it with exit code 0. With --psql, Ctrl-C goes to psql, and the exit
code is psql's.")]
pub struct ForwardArgs {
    /// Pod, NAMESPACE/POD, a workload or component with exactly one pod, or meta for the metadata proxy
    #[arg(value_name = "TARGET", add = Names::Endpoint)]
    pub target: Option<String>,
    /// Local port; 0 for any free port [default: 15432 or the next free port]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Local address: localhost (127.0.0.1 and ::1) or an IP address
    #[arg(long, value_name = "ADDRESS", default_value = "localhost", value_parser = address)]
    pub address: Address,
    /// Unix socket to create instead of a port; only you can connect to it; psql expects the name .s.PGSQL.PORT
    #[arg(long, value_name = "FILE", conflicts_with_all = ["port", "address"], value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
    /// Run psql on it and stop when psql ends; psql's own arguments follow --
    #[arg(long)]
    pub psql: bool,
    /// Arguments for psql
    #[arg(last = true, value_name = "PSQL ARGS", requires = "psql", value_hint = ValueHint::AnyPath)]
    pub psql_args: Vec<std::ffi::OsString>,
    /// Output format
    #[arg(short, long, value_parser = forms(FORMS), default_value = "text", value_name = "FORMAT", conflicts_with = "psql")]
    pub output: Output,
}

/// The local address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// Both loopback addresses.
    Localhost,
    /// This IP address.
    Ip(IpAddr),
}

impl Address {
    /// Returns whether only this machine can reach it.
    pub fn is_loopback(self) -> bool {
        match self {
            Self::Localhost => true,
            Self::Ip(ip) => ip.is_loopback(),
        }
    }

    /// Returns the host that a client on this machine connects to.
    pub fn host(self) -> String {
        match self {
            Self::Localhost => "localhost".to_owned(),
            Self::Ip(_) => self.ip().to_string(),
        }
    }

    /// Returns the address that a client on this machine connects to.
    pub fn ip(self) -> IpAddr {
        match self {
            // All addresses of the machine include this one.
            Self::Ip(IpAddr::V6(ip)) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            Self::Localhost => Ipv4Addr::LOCALHOST.into(),
            Self::Ip(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            Self::Ip(ip) => ip,
        }
    }
}

/// Parses `--address`.
fn address(text: &str) -> Result<Address, String> {
    match text {
        "localhost" => Ok(Address::Localhost),
        _ => text.parse().map(Address::Ip).map_err(|_| "expected localhost or an IP address".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn parsed(line: &str) -> Result<ForwardArgs, String> {
        let words = ["kubectl-synxdb", "forward"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words).map_err(|error| error.to_string())?.command {
            Command::Forward(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_follows_two_dashes_is_psqls() {
        let args = parsed("meta --psql -n x -- -c --version").unwrap();
        assert_eq!((args.target.as_deref(), args.psql), (Some("meta"), true));
        assert_eq!(args.psql_args, ["-c", "--version"]);
        assert!(parsed("meta -- -c x").unwrap_err().contains("--psql"));
        assert!(parsed("meta --psql -o json").unwrap_err().contains("cannot be used with"));
    }

    #[test]
    fn addresses_are_the_machines_own_unless_asked_for() {
        let host = |line| parsed(line).map(|args| (args.address.host(), args.address.is_loopback()));
        assert_eq!(host("").unwrap(), ("localhost".to_owned(), true));
        assert_eq!(host("--address ::1").unwrap(), ("::1".to_owned(), true));
        assert_eq!(host("--address 10.1.2.3").unwrap(), ("10.1.2.3".to_owned(), false));
        assert_eq!(host("--address 0.0.0.0").unwrap(), ("127.0.0.1".to_owned(), false));
        assert_eq!(host("--address ::").unwrap(), ("::1".to_owned(), false));
        assert!(host("--address example.com").unwrap_err().contains("an IP address"));
    }
}
