//! Chooses the proxy to the API server. A kubeconfig's `proxy-url` always applies; otherwise the environment's, by the
//! rules of Go's `httpproxy` package, which kubectl uses: `NO_PROXY` is matched against the API server's host, and
//! loopback is never proxied.

use std::net::IpAddr;

use http::Uri;

use super::options::Environment;
use super::url::{Address, Login};
use crate::error::{Error, Result};

/// A proxy to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proxy {
    pub(super) kind: Kind,
    /// Host and port, as `http://host:port`.
    pub(super) address: Uri,
    pub(super) login: Option<Login>,
}

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Http,
    /// HTTP over TLS.
    Https,
    Socks,
}

impl Proxy {
    /// Returns its address without its login, for people.
    pub(super) fn shown(&self) -> String {
        let scheme = match self.kind {
            Kind::Http => "http",
            Kind::Https => "https",
            Kind::Socks => "socks5",
        };
        format!("{scheme}://{}", self.address.authority().map_or("", |authority| authority.as_str()))
    }
}

/// Returns the proxy for `server`, if there is one.
///
/// # Errors
/// An invalid proxy address, or an unsupported scheme (http, https, socks5 are supported).
pub(super) fn for_server(server: &Uri, proxy_url: &str, environment: &Environment) -> Result<Option<Proxy>> {
    if !proxy_url.is_empty() {
        // client-go takes no address without a scheme here, and resolves no names for socks5h.
        return parse(proxy_url, "the kubeconfig's proxy-url", &["http", "https", "socks5"]).map(Some);
    }
    let (from_environment, name) = if server.scheme_str() == Some("https") {
        (&environment.https_proxy, "HTTPS_PROXY")
    } else {
        (&environment.http_proxy, "HTTP_PROXY")
    };
    let Some(url) = from_environment.as_deref().filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    let Some(host) = server.host() else { return Ok(None) };
    let port = server.port_u16().unwrap_or(if server.scheme_str() == Some("https") { 443 } else { 80 });
    if excluded(host, port, environment.no_proxy.as_deref().unwrap_or("")) {
        return Ok(None);
    }
    let url = if Address::parse(url).is_some() { url.to_owned() } else { format!("http://{url}") };
    // socks5h leaves the name to the proxy, as socks5 does in Go.
    parse(&url, name, &["http", "https", "socks5", "socks5h"]).map(Some)
}

/// The address may contain a password: no error repeats it.
fn parse(url: &str, origin: &str, schemes: &[&str]) -> Result<Proxy> {
    let supported = schemes.join(", ");
    let Some(address) = Address::parse(url) else {
        return Err(Error::failure(format!("{origin} is not a valid address"))
            .because(format!("it does not begin with a scheme; supported: {supported}")));
    };
    if !schemes.contains(&address.scheme.as_str()) {
        return Err(Error::failure(format!("{origin} is not supported"))
            .because(format!("its scheme is {}; supported: {supported}", address.scheme)));
    }
    let (kind, port) = match address.scheme.as_str() {
        "http" => (Kind::Http, 80),
        "https" => (Kind::Https, 443),
        _ => (Kind::Socks, 1080),
    };
    let wrong = |why: String| Error::failure(format!("{origin} is not a valid address")).because(why);
    let plain = Address { scheme: "http".to_owned(), login: None, path: String::new(), ..address.clone() };
    let uri = plain.uri().map_err(wrong)?;
    let authority = match uri.port_u16() {
        Some(_) => address.authority,
        None => format!("{}:{port}", address.authority),
    };
    let uri = Address { authority, ..plain }.uri().map_err(wrong)?;
    Ok(Proxy { kind, address: uri, login: address.login })
}

fn excluded(host: &str, port: u16, no_proxy: &str) -> bool {
    let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    no_proxy.split(',').map(|entry| entry.trim().to_ascii_lowercase()).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let Some((network, bits)) = entry.split_once('/') {
            return match (address, network.parse(), bits.parse()) {
                (Some(address), Ok(network), Ok(bits)) => contains(address, network, bits),
                _ => false,
            };
        }
        let (name, only_port) = split_port(&entry);
        if only_port.is_some_and(|only| only != port) {
            return false;
        }
        if let Ok(excluded) = name.parse::<IpAddr>() {
            return address == Some(excluded);
        }
        let suffix = name.strip_prefix('*').unwrap_or(name);
        match suffix.strip_prefix('.') {
            Some(_) => host.ends_with(suffix),
            None => host == suffix || host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')),
        }
    })
}

/// `name:port`, `[v6]:port`, `v6` or `name`.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some(rest) = entry.strip_prefix('[') {
        let (name, after) = rest.split_once(']').unwrap_or((rest, ""));
        return (name, after.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match entry.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

fn contains(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_is_matched_as_kubectl_matches_it() {
        let cases = [
            ("api.example.com", 443, "", false),
            ("localhost", 6443, "", true),
            ("127.0.0.1", 6443, "", true),
            ("[::1]", 6443, "", true),
            ("api.example.com", 443, "*", true),
            ("api.example.com", 443, "example.com", true),
            ("example.com", 443, "example.com", true),
            ("badexample.com", 443, "example.com", false),
            ("example.com", 443, ".example.com", false),
            ("api.example.com", 443, " .EXAMPLE.com , other", true),
            ("api.example.com", 443, "*.example.com", true),
            ("api.example.com", 6443, "example.com:6443", true),
            ("api.example.com", 443, "example.com:6443", false),
            ("10.1.2.3", 443, "10.0.0.0/8", true),
            ("11.1.2.3", 443, "10.0.0.0/8", false),
            ("11.1.2.3", 443, "0.0.0.0/0", true),
            ("10.1.2.3", 443, "10.1.2.3", true),
            ("10.1.2.3", 443, "10.1.2.3:6443", false),
            ("[fd00::5]", 443, "fd00::/8", true),
            ("[fd00::5]", 443, "[fd00::5]:443", true),
        ];
        for (host, port, no_proxy, expected) in cases {
            assert_eq!(excluded(host, port, no_proxy), expected, "{host}:{port} with NO_PROXY={no_proxy}");
        }
    }

    #[test]
    fn the_kubeconfigs_proxy_comes_before_the_environments() {
        let server = Uri::from_static("https://api.example.com:6443");
        let environment = Environment {
            https_proxy: Some("proxy.example.com:3128".to_owned()),
            http_proxy: Some("http://other:3128".to_owned()),
            no_proxy: Some("example.com".to_owned()),
            ..Environment::default()
        };
        let own = for_server(&server, "socks5://me:p%40w@mine", &environment).unwrap().unwrap();
        assert_eq!((own.kind, own.shown().as_str()), (Kind::Socks, "socks5://mine:1080"));
        assert_eq!(own.login, Some(Login { user: "me".to_owned(), password: "p@w".to_owned() }));
        assert_eq!(for_server(&server, "", &environment).unwrap(), None);
        let elsewhere = Uri::from_static("https://api.example.org");
        let found = for_server(&elsewhere, "", &environment).unwrap().unwrap();
        assert_eq!(found.shown(), "http://proxy.example.com:3128");
    }

    #[test]
    fn a_bad_proxy_is_an_error_without_its_password() {
        let server = Uri::from_static("https://api.example.com");
        for (url, what) in [
            ("ftp://me:hunter2@host", "proxy-url is not supported"),
            ("socks5h://me:hunter2@host", "proxy-url is not supported"),
            ("me:hunter2@host:3128", "is not a valid address"),
            ("http://me:hunter2@host:99999", "is not a valid address"),
            ("http://", "is not a valid address"),
        ] {
            let error = for_server(&server, url, &Environment::default()).unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"));
            assert!(error.to_string().contains(what), "{error}");
        }
    }
}
