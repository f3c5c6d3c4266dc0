//! Who a user entry says that one is: which credentials are sent, and whom they impersonate.

use crate::suggestion::kubectl;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::Serialize;
use std::path::PathBuf;

use super::client_certificate::Origin;
use super::files;
use super::kubeconfig_file::{AuthProvider, ClusterEntry, ExecEntry, UserEntry};
use super::options::ConnectOptions;
use super::url::Login;
use crate::error::{Error, Result};

/// What proves who one is, besides a client certificate.
pub(super) enum Identity {
    /// Nothing.
    None,
    /// The same for all requests: the value of `Authorization`.
    Fixed(HeaderValue),
    /// A token in a file that is read again and again; `Authorization` while that has none.
    TokenFile(PathBuf, Option<HeaderValue>),
    /// A credential plugin, and what it learns of the cluster.
    Plugin(Box<(ExecEntry, Option<PluginCluster>)>),
}

/// What a credential plugin learns of the cluster, in client-go's order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PluginCluster {
    server: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    tls_server_name: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    insecure_skip_tls_verify: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    certificate_authority_data: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    proxy_url: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_compression: bool,
    config: Option<serde_json::Value>,
}

/// Returns a token as the value of `Authorization`. Line ends at its end are not part of it.
///
/// # Errors
/// It has a control character.
pub(super) fn bearer(token: &str) -> std::result::Result<HeaderValue, InvalidHeaderValue> {
    let token = token.trim_end_matches(['\r', '\n']);
    let mut value = HeaderValue::try_from(format!("Bearer {token}").trim_end_matches([' ', '\t']))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Checks that an entry makes sense, as client-go does before it connects.
///
/// # Errors
/// What contradicts itself, or is missing.
pub(super) fn check(name: &str, user: &UserEntry, options: &ConnectOptions) -> Result<()> {
    let wrong = |why: String| {
        Err(Error::failure(format!("user {name} in the kubeconfig cannot be used"))
            .because(why)
            .hint(kubectl("config view --minify").of_kubeconfig()))
    };
    let login = !user.username.is_empty() || !user.password.is_empty();
    if !user.token.is_empty() && login {
        return wrong("it has both a token and a username or password; only one is allowed".to_owned());
    }
    let certificate = (!user.client_certificate.is_empty(), !user.client_certificate_data.is_empty());
    let key = (!user.client_key.is_empty(), !user.client_key_data.is_empty());
    if certificate.0 || certificate.1 {
        match (certificate, key) {
            ((true, true), _) => {
                return wrong("it sets both client-certificate and client-certificate-data".to_owned());
            }
            (_, (true, true)) => return wrong("it sets both client-key and client-key-data".to_owned()),
            (_, (false, false)) => {
                return wrong("its client certificate has no key (client-key or client-key-data)".to_owned());
            }
            _ => {}
        }
        for (path, what) in [(&user.client_certificate, "client certificate"), (&user.client_key, "client key")] {
            if !path.is_empty() {
                files::readable(path, what)?;
            }
        }
    }
    if let Some(exec) = &user.exec {
        if user.auth_provider.is_some() {
            return wrong("it has both an exec plugin and an auth-provider".to_owned());
        }
        if let Some(why) = wrong_plugin(exec) {
            return wrong(why);
        }
    }
    let more =
        !user.impersonate_uid.is_empty() || !user.impersonate_groups.is_empty() || !user.impersonate_extra.is_empty();
    if more && user.impersonate.is_empty() {
        let flags = options.as_uid.is_some() || !options.as_groups.is_empty() || !options.as_extra.is_empty();
        return match flags {
            true => Err(Error::usage("--as-uid, --as-group and --as-user-extra require --as")),
            false => wrong("it impersonates a UID, groups or more without a user (as)".to_owned()),
        };
    }
    Ok(())
}

fn wrong_plugin(exec: &ExecEntry) -> Option<String> {
    if exec.command.is_empty() {
        return Some("its exec plugin has no command".to_owned());
    }
    if exec.env.iter().any(|(name, _)| name.is_empty()) {
        return Some("its exec plugin has an environment variable without a name".to_owned());
    }
    let version = exec.api_version.strip_prefix("client.authentication.k8s.io/");
    match (version, exec.interactive_mode.as_str()) {
        (Some("v1"), "") => Some("its exec plugin has no interactiveMode, which v1 requires".to_owned()),
        (Some("v1"), "Never" | "IfAvailable" | "Always") => None,
        (Some("v1beta1"), "" | "Never" | "IfAvailable" | "Always") => None,
        (Some("v1" | "v1beta1"), mode) => Some(format!("its exec plugin has an unknown interactiveMode: {mode}")),
        _ if exec.api_version.is_empty() => Some("its exec plugin has no apiVersion".to_owned()),
        _ => Some(format!(
            "its exec plugin has apiVersion {}; client.authentication.k8s.io/v1 and v1beta1 are supported",
            exec.api_version
        )),
    }
}

/// Returns the client certificate of an entry that was checked.
pub(super) fn certificate(user: &UserEntry) -> Option<Origin> {
    if user.client_certificate.is_empty() && user.client_certificate_data.is_empty() {
        return None;
    }
    let data = (!user.client_certificate_data.is_empty(), !user.client_key_data.is_empty());
    Some(match data {
        (false, false) => Origin::Files(user.client_certificate.clone(), user.client_key.clone()),
        (true, true) => Origin::Given(user.client_certificate_data.clone(), user.client_key_data.clone()),
        (true, false) => Origin::GivenWithKeyFile(user.client_certificate_data.clone(), user.client_key.clone()),
        (false, true) => Origin::FileWithGivenKey(user.client_certificate.clone(), user.client_key_data.clone()),
    })
}

/// Returns what an entry that was checked sends besides a client certificate.
///
/// # Errors
/// It has no credentials at all; a token that cannot be sent; a file that cannot be read; an auth-provider that is not
/// supported.
pub(super) fn of(name: &str, user: UserEntry, cluster: &ClusterEntry) -> Result<Identity> {
    let not_a_token = |what: &str| {
        Error::failure(format!("user {name} in the kubeconfig cannot be used"))
            .because(format!("{what} contains a control character, which no token has"))
            .hint(kubectl("config view --minify").of_kubeconfig())
    };
    // As in client-go, one that is not supported is not passed over because of a token beside it.
    if let Some(provider) = &user.auth_provider {
        check_provider(name, provider)?;
    }
    let fixed = |token: &str| bearer(token).map_err(|_| not_a_token("its token"));
    let login = !user.username.is_empty() || !user.password.is_empty();
    if !user.token_file.is_empty() {
        let fallback = Some(&user.token).filter(|token| !token.is_empty()).map(|token| fixed(token)).transpose()?;
        if fallback.is_none() {
            let text = files::named(&user.token_file, "token")?;
            let text = String::from_utf8_lossy(&text);
            if text.trim().is_empty() {
                return Err(Error::failure(format!("the token file {} is empty", user.token_file)));
            }
            if login {
                return Err(not_both(name));
            }
            let path = &user.token_file;
            bearer(text.trim()).map_err(|_| not_a_token(&format!("the token in {path}")))?;
        }
        return Ok(Identity::TokenFile(user.token_file.into(), fallback));
    }
    if !user.token.is_empty() {
        return Ok(Identity::Fixed(fixed(&user.token)?));
    }
    if !user.username.is_empty() {
        let login = Login { user: user.username, password: user.password }.basic();
        return login.map(Identity::Fixed).ok_or_else(|| not_a_token("its username"));
    }
    let has_certificate = !user.client_certificate.is_empty() || !user.client_certificate_data.is_empty();
    match (user.auth_provider, user.exec) {
        (Some(provider), _) => openid(name, &provider),
        (None, Some(_)) if has_certificate => Ok(Identity::None),
        (None, Some(exec)) => {
            let cluster = exec.provide_cluster_info.then(|| for_plugin(cluster)).transpose()?;
            Ok(Identity::Plugin(Box::new((exec, cluster))))
        }
        (None, None) if has_certificate => Ok(Identity::None),
        (None, None) => Err(Error::failure("no credentials")
            .because(match name {
                "" => "the context has no user, and no flag gives a token or a client certificate".to_owned(),
                name => format!("user {name} has no token, client certificate, login or plugin"),
            })
            .hint(kubectl("config get-users").of_kubeconfig())
            .hint("for a login by name, set username and password in the kubeconfig")),
    }
}

fn not_both(name: &str) -> Error {
    Error::failure(format!("user {name} in the kubeconfig cannot be used"))
        .because("it has both a token and a username or password; only one is allowed")
        .hint(kubectl("config view --minify").of_kubeconfig())
}

fn check_provider(name: &str, provider: &AuthProvider) -> Result<()> {
    let wrong = |why: String| {
        Err(Error::failure(format!("user {name} in the kubeconfig cannot be used"))
            .because(why)
            .hint(kubectl("config view --minify").of_kubeconfig()))
    };
    if provider.name != "oidc" {
        return wrong(format!(
            "its auth-provider {:?} is not supported: Kubernetes 1.26 replaced it by exec plugins",
            provider.name
        ));
    }
    let missing =
        ["idp-issuer-url", "client-id"].into_iter().find(|key| provider.config.get(*key).is_none_or(String::is_empty));
    missing.map_or(Ok(()), |key| wrong(format!("its auth-provider oidc has no {key}")))
}

/// The ID token of the only auth-provider that kubectl still has. kubectl renews it and saves the new one; here an expired
/// one is an error.
fn openid(name: &str, provider: &AuthProvider) -> Result<Identity> {
    let wrong = |why: String| Error::failure(format!("user {name} in the kubeconfig cannot be used")).because(why);
    let get = |key: &str| provider.config.get(key).filter(|value| !value.is_empty());
    let renew = || kubectl("auth whoami").note("it renews the token and saves it");
    let Some(token) = get("id-token") else {
        return Err(wrong("its auth-provider oidc has no id-token yet".to_owned()).hint(renew()));
    };
    let expires = || {
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
        serde_json::from_slice::<serde_json::Value>(&payload).ok()?.get("exp")?.as_f64()
    };
    match expires() {
        Some(expires) if expires > Timestamp::now().as_second() as f64 + 10.0 => {}
        Some(_) => return Err(wrong("the id-token of its auth-provider oidc has expired".to_owned()).hint(renew())),
        None => return Err(wrong("the id-token of its auth-provider oidc is no JWT with an expiry".to_owned())),
    }
    bearer(token).map(Identity::Fixed).map_err(|_| wrong("its id-token contains a control character".to_owned()))
}

fn for_plugin(cluster: &ClusterEntry) -> Result<PluginCluster> {
    let authority = match (&cluster.certificate_authority_data, cluster.certificate_authority.as_str()) {
        (data, "") => data.clone(),
        (_, path) => files::named(path, "certificate authority")?,
    };
    Ok(PluginCluster {
        server: cluster.server.clone(),
        tls_server_name: cluster.tls_server_name.clone(),
        insecure_skip_tls_verify: cluster.insecure_skip_tls_verify,
        certificate_authority_data: base64::engine::general_purpose::STANDARD.encode(authority),
        proxy_url: cluster.proxy_url.clone(),
        disable_compression: cluster.disable_compression,
        config: cluster.for_plugins.clone(),
    })
}

/// Returns the headers that impersonate the entry's user.
///
/// # Errors
/// A name that no header can carry.
pub(super) fn impersonation(user: &UserEntry) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    if user.impersonate.is_empty() {
        return Ok(headers);
    }
    let mut add = |name: &str, value: &str| {
        let wrong = || {
            Error::failure("cannot impersonate")
                .because(format!("{value:?} contains a character that no header can carry"))
        };
        let name = HeaderName::try_from(name).map_err(|_| wrong())?;
        headers.append(name, HeaderValue::try_from(value).map_err(|_| wrong())?);
        Ok::<_, Error>(())
    };
    add("impersonate-user", &user.impersonate)?;
    if !user.impersonate_uid.is_empty() {
        add("impersonate-uid", &user.impersonate_uid)?;
    }
    for group in &user.impersonate_groups {
        add("impersonate-group", group)?;
    }
    for (key, values) in &user.impersonate_extra {
        for value in values {
            add(&format!("impersonate-extra-{}", escaped(key)), value)?;
        }
    }
    Ok(headers)
}

/// Encodes what a header's name cannot carry, and `%` itself, as client-go does.
fn escaped(key: &str) -> String {
    let mut text = String::new();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_end_is_not_part_of_a_token_and_a_control_character_is_in_none() {
        for (token, expected) in [
            ("tok", Some("Bearer tok")),
            ("tok\n", Some("Bearer tok")),
            ("tok\r\n\r\n", Some("Bearer tok")),
            (" tok ", Some("Bearer  tok")),
            ("to\nk", None),
            ("to\u{1}k", None),
            ("to\0k", None),
            ("\ntok", None),
        ] {
            let found = bearer(token).ok();
            assert_eq!(found.as_ref().map(|value| value.to_str().unwrap()), expected, "{token:?}");
            assert!(found.is_none_or(|value| value.is_sensitive()));
        }
    }

    #[test]
    fn keys_of_more_are_encoded_for_headers() {
        assert_eq!(escaped("a/b c%é"), "a%2Fb%20c%25%C3%A9");
    }
}
