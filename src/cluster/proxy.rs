//! Chooses the proxy to the API server. A kubeconfig's `proxy-url` always applies; otherwise the environment's, by the
//! rules of Go's `httpproxy` package, which kubectl uses: `NO_PROXY` is matched against the API server's host, and
//! loopback is never proxied.

use std::net::IpAddr;

use http::Uri;

use super::options::Environment;
use crate::error::{Error, Result};

/// Returns the proxy for `server`, if there is one.
///
/// # Errors
/// An invalid proxy address, or an unsupported scheme (http, https, socks5 are supported).
pub(super) fn for_server(server: &Uri, proxy_url: Option<&str>, environment: &Environment) -> Result<Option<Uri>> {
    if let Some(url) = proxy_url.filter(|url| !url.is_empty()) {
        return parse(url, "the kubeconfig's proxy-url").map(Some);
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
    parse(url, name).map(Some)
}

fn parse(url: &str, origin: &str) -> Result<Uri> {
    // The address may contain a password: no error repeats it.
    let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    // socks5h leaves name resolution to the proxy, as socks5 does here, too.
    let with_scheme =
        with_scheme.strip_prefix("socks5h://").map(|rest| format!("socks5://{rest}")).unwrap_or(with_scheme);
    let uri: Uri = with_scheme.parse().map_err(|_| Error::failure(format!("{origin} is not a valid address")))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https" | "socks5"), Some(_)) => Ok(uri),
        (scheme, _) => Err(Error::failure(format!("{origin} is not supported"))
            .because(format!("its scheme is {}; supported: http, https, socks5", scheme.unwrap_or("")))),
    }
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
        let own = for_server(&server, Some("socks5h://mine:1080"), &environment).unwrap();
        assert_eq!(own.unwrap().to_string(), "socks5://mine:1080/");
        assert_eq!(for_server(&server, None, &environment).unwrap(), None);
        let elsewhere = Uri::from_static("https://api.example.org");
        let found = for_server(&elsewhere, None, &environment).unwrap().unwrap();
        assert_eq!(found.to_string(), "http://proxy.example.com:3128/");
    }

    #[test]
    fn a_bad_proxy_is_an_error_without_its_password() {
        let server = Uri::from_static("https://api.example.com");
        let error = for_server(&server, Some("ftp://me:hunter2@host"), &Environment::default()).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
        assert!(error.to_string().contains("proxy-url is not supported"), "{error}");
    }
}
