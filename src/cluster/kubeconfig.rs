//! Reads kubectl's configuration files and combines them with the flags: flag over environment over kubeconfig over
//! default
//! (<https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/>).

use crate::suggestion::{kubectl, plugin};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use http::Uri;
use kube::config::{
    AuthInfo, Cluster as ClusterInfo, Context, ExecAuthCluster, ExecConfig, Kubeconfig, KubeconfigError,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::failure::error_text;
use super::files;
use super::options::{ConnectOptions, Environment};
use super::proxy;
use crate::error::{Error, Result};

/// Where to connect to, and as whom.
pub(super) struct Resolved {
    /// See [`super::Cluster::context_name`].
    pub(super) context: String,
    /// See [`super::Cluster::namespace`].
    pub(super) namespace: Option<String>,
    /// The credential plugin, which is removed from `config`.
    pub(super) exec: Option<ExecConfig>,
    /// Everything else.
    pub(super) config: kube::Config,
}

/// Resolves flags, environment and files.
///
/// # Errors
/// No configuration at all; a file that cannot be read; a context, cluster or user that does not exist;
/// flags that contradict each other.
pub(super) fn resolve(options: &ConnectOptions, environment: &Environment) -> Result<Resolved> {
    let (files, kubeconfig) = load(options, environment)?;
    let named_nothing = options.context.is_none() && options.cluster.is_none() && options.server.is_none();
    if kubeconfig.contexts.is_empty() && kubeconfig.clusters.is_empty() && named_nothing {
        return match in_cluster(options, environment)? {
            Some(resolved) => Ok(resolved),
            None => Err(none_found(&files, options, environment)),
        };
    }
    let (name, context) = context(options, &kubeconfig, &files)?;
    let cluster = cluster(options, &kubeconfig, &context)?;
    let user = user(options, &kubeconfig, &context)?;
    let namespace = non_empty(&options.namespace).or_else(|| non_empty(&context.namespace));
    let context = if name.is_empty() { "--server".to_owned() } else { name };
    assemble(context, namespace, &cluster, user, environment)
}

/// Returns the files that were read and their merged contents. A file of `--kubeconfig` must exist; others may not.
pub(super) fn load(options: &ConnectOptions, environment: &Environment) -> Result<(Vec<PathBuf>, Kubeconfig)> {
    let explicit = options.kubeconfig.as_ref().filter(|path| !path.as_os_str().is_empty());
    let files: Vec<PathBuf> = match (explicit, &environment.kubeconfig) {
        (Some(path), _) => vec![path.clone()],
        (None, Some(list)) if !list.is_empty() => split(list),
        _ => environment.home.iter().map(|home| home.join(".kube").join("config")).collect(),
    };
    let mut merged = Kubeconfig::default();
    for file in &files {
        let Some(mut next) = read(file, explicit.is_some())? else { continue };
        // kubectl accepts these, and treats an empty current-context as none.
        (next.kind, next.api_version) = (None, None);
        next.current_context = next.current_context.filter(|name| !name.is_empty());
        merged = merged.merge(next).map_err(|error| cannot_read(file, &error_text(&error)))?;
    }
    Ok((files, merged))
}

fn split(list: &OsStr) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for file in std::env::split_paths(list) {
        if !file.as_os_str().is_empty() && !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

fn read(file: &Path, must_exist: bool) -> Result<Option<Kubeconfig>> {
    match files::ends(file, files::LARGEST) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => return Ok(None),
        Err(error) => return Err(cannot_read(file, &error_text(&error))),
        Ok(()) => {}
    }
    match Kubeconfig::read_from(file) {
        Ok(kubeconfig) => Ok(Some(kubeconfig)),
        Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == io::ErrorKind::NotFound && !must_exist => {
            Ok(None)
        }
        Err(KubeconfigError::ReadConfig(error, _)) => Err(cannot_read(file, &error_text(&error))),
        // The parser's own message may repeat file contents, which include secrets.
        Err(KubeconfigError::Parse(error)) => {
            let place = error.location().map(|at| format!(" (line {}, column {})", at.line(), at.column()));
            Err(cannot_read(file, &format!("it is not a kubeconfig{}", place.unwrap_or_default())))
        }
        Err(other) => Err(cannot_read(file, &error_text(&other))),
    }
}

fn cannot_read(file: &Path, reason: &str) -> Error {
    Error::failure(format!("cannot read kubeconfig {}", file.display()))
        .because(reason)
        .hint(kubectl("config get-contexts").of_kubeconfig())
}

fn none_found(files: &[PathBuf], options: &ConnectOptions, environment: &Environment) -> Error {
    let places: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    let places = places.join(", ");
    let listed = environment.kubeconfig.as_ref().is_some_and(|list| !list.is_empty());
    let why = match &options.kubeconfig {
        Some(path) if !path.as_os_str().is_empty() => format!("{places} (from --kubeconfig) defines no cluster"),
        _ if listed => format!("looked for {places} (from KUBECONFIG)"),
        _ => format!("looked for {places}"),
    };
    Error::failure("no kubeconfig found")
        .because(why)
        .hint(kubectl("config get-contexts").of_kubeconfig())
        .hint(plugin("status --kubeconfig FILE").of_no_cluster())
        .hint(plugin("status --sandbox").of_no_cluster().note("a practice cluster, no Kubernetes needed"))
}

/// Returns the current context and its name; an empty one if the flags alone are enough.
fn context(options: &ConnectOptions, kubeconfig: &Kubeconfig, files: &[PathBuf]) -> Result<(String, Context)> {
    let known = || kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect::<Vec<_>>().join(", ");
    let wanted = non_empty(&options.context);
    let Some(name) = wanted.clone().or_else(|| kubeconfig.current_context.clone()) else {
        if options.cluster.is_some() || options.server.is_some() {
            return Ok((String::new(), Context::default()));
        }
        let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        return Err(Error::failure("no current context")
            .because(format!("{} sets none; available contexts: {}", files.join(", "), known()))
            .hint(kubectl("config use-context NAME").of_kubeconfig())
            .hint(plugin("status --context NAME")));
    };
    match kubeconfig.contexts.iter().find(|context| context.name == name) {
        Some(found) => Ok((name, found.context.clone().unwrap_or_default())),
        None => {
            let what = if wanted.is_some() { "context" } else { "current context" };
            let known = known();
            let known = if known.is_empty() { "none".to_owned() } else { known };
            Err(Error::failure(format!("{what} {name} does not exist"))
                .because(format!("available contexts: {known}"))
                .hint(kubectl("config get-contexts").of_kubeconfig()))
        }
    }
}

/// Returns the cluster entry, overridden by the flags as in client-go's `clientcmd`.
fn cluster(options: &ConnectOptions, kubeconfig: &Kubeconfig, context: &Context) -> Result<ClusterInfo> {
    let wanted = non_empty(&options.cluster);
    let name = wanted.as_deref().unwrap_or(&context.cluster);
    let found = kubeconfig.clusters.iter().find(|cluster| cluster.name == name).and_then(|named| named.cluster.clone());
    let mut cluster = match found {
        Some(cluster) => cluster,
        None if wanted.is_none() && options.server.is_some() => ClusterInfo::default(),
        None => {
            let known: Vec<_> = kubeconfig.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
            return Err(Error::failure(format!("cluster {name} does not exist in the kubeconfig"))
                .because(format!("available clusters: {}", known.join(", ")))
                .hint(kubectl("config get-clusters").of_kubeconfig()));
        }
    };
    let authority = options.certificate_authority.as_ref();
    if options.insecure_skip_tls_verify && authority.is_some() {
        return Err(Error::usage("--insecure-skip-tls-verify and --certificate-authority cannot be used together"));
    }
    if options.insecure_skip_tls_verify || authority.is_some() {
        cluster.insecure_skip_tls_verify = Some(options.insecure_skip_tls_verify);
        cluster.certificate_authority_data = None;
        cluster.certificate_authority = authority.map(|path| path.to_string_lossy().into_owned());
    }
    // Another server has another name: --server disables the kubeconfig's tls-server-name.
    if options.server.is_some() || options.tls_server_name.is_some() {
        cluster.tls_server_name = non_empty(&options.tls_server_name);
    }
    if let Some(server) = non_empty(&options.server) {
        cluster.server = Some(server);
    }
    let verifies_with = cluster.certificate_authority.is_some() || cluster.certificate_authority_data.is_some();
    if cluster.insecure_skip_tls_verify == Some(true) && verifies_with {
        return Err(Error::failure(format!("cluster {name} in the kubeconfig is contradictory"))
            .because("it sets both a certificate authority and insecure-skip-tls-verify"));
    }
    Ok(cluster)
}

/// Returns the user entry, overridden by the flags. A context's user may be missing; one that a flag names may not.
fn user(options: &ConnectOptions, kubeconfig: &Kubeconfig, context: &Context) -> Result<AuthInfo> {
    let wanted = non_empty(&options.user);
    let name = wanted.as_ref().or(context.user.as_ref());
    let found = name.and_then(|name| kubeconfig.auth_infos.iter().find(|user| &user.name == name));
    if let (Some(name), None) = (&wanted, found) {
        let known: Vec<_> = kubeconfig.auth_infos.iter().map(|user| user.name.as_str()).collect();
        return Err(Error::failure(format!("user {name} does not exist in the kubeconfig"))
            .because(format!("available users: {}", known.join(", ")))
            .hint(kubectl("config get-users").of_kubeconfig()));
    }
    let mut user = found.and_then(|named| named.auth_info.clone()).unwrap_or_default();
    flags_over(options, &mut user)?;
    Ok(user)
}

fn flags_over(options: &ConnectOptions, user: &mut AuthInfo) -> Result<()> {
    if let Some(token) = non_empty(&options.token) {
        // As in client-go: a token replaces other ways to get one. A client certificate stays.
        (user.exec, user.auth_provider, user.token_file) = (None, None, None);
        (user.username, user.password) = (None, None);
        user.token = Some(token.into());
    } else if user.token_file.is_some() {
        // The file is read again during a run, so it takes precedence over a token beside it.
        user.token = None;
    }
    if let Some(path) = &options.client_certificate {
        user.client_certificate = Some(path.to_string_lossy().into_owned());
        user.client_certificate_data = None;
    }
    if let Some(path) = &options.client_key {
        user.client_key = Some(path.to_string_lossy().into_owned());
        user.client_key_data = None;
    }
    if let Some(name) = non_empty(&options.as_user) {
        user.impersonate = Some(name);
    }
    if let Some(uid) = non_empty(&options.as_uid) {
        user.impersonate_uid = Some(uid);
    }
    if !options.as_groups.is_empty() {
        user.impersonate_groups = Some(options.as_groups.clone());
    }
    let groups = user.impersonate_groups.as_ref().is_some_and(|groups| !groups.is_empty());
    if user.impersonate.is_none() && (user.impersonate_uid.is_some() || groups) {
        return Err(Error::usage("--as-uid and --as-group require --as"));
    }
    Ok(())
}

fn assemble(
    context: String,
    namespace: Option<String>,
    cluster: &ClusterInfo,
    mut user: AuthInfo,
    environment: &Environment,
) -> Result<Resolved> {
    let uses_tls = user.client_certificate.is_some()
        || user.client_certificate_data.is_some()
        || cluster.certificate_authority.is_some()
        || cluster.certificate_authority_data.is_some()
        || cluster.insecure_skip_tls_verify == Some(true);
    let server = server(cluster.server.as_deref().unwrap_or(""), uses_tls)?;
    let mut config = kube::Config::new(server);
    config.root_cert = authorities(cluster)?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.tls_server_name = cluster.tls_server_name.clone().filter(|name| !name.is_empty());
    config.proxy_url = proxy::for_server(&config.cluster_url, cluster.proxy_url.as_deref(), environment)?;
    if let Some(namespace) = &namespace {
        config.default_namespace.clone_from(namespace);
    }
    if config.cluster_url.scheme_str() == Some("http") {
        // client-go sends no credentials over an unencrypted connection.
        user = AuthInfo {
            impersonate: user.impersonate,
            impersonate_uid: user.impersonate_uid,
            impersonate_groups: user.impersonate_groups,
            impersonate_user_extra: user.impersonate_user_extra,
            ..AuthInfo::default()
        };
    }
    for (path, what) in [(&user.client_certificate, "client certificate"), (&user.client_key, "client key")] {
        if let Some(path) = path {
            read_file(path, what)?;
        }
    }
    if let Some(path) = &user.token_file {
        read_file(path, "token")?;
    }
    let has_token = user.token.is_some() || user.token_file.is_some();
    let mut exec = user.exec.take().filter(|_| !has_token);
    if let Some(exec) = exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        exec.cluster = Some(ExecAuthCluster::try_from(cluster).map_err(|error| Error::failure(error_text(&error)))?);
    }
    config.auth_info = user;
    Ok(Resolved { context, namespace, exec, config })
}

/// Completes an address as client-go does: without a scheme it is http, or https if TLS options are given.
fn server(address: &str, uses_tls: bool) -> Result<Uri> {
    if address.is_empty() {
        return Err(
            Error::failure("the kubeconfig sets no server").hint(kubectl("config view --minify").of_kubeconfig())
        );
    }
    let address = match address.contains("://") {
        true => address.to_owned(),
        false => format!("{}://{address}", if uses_tls { "https" } else { "http" }),
    };
    let wrong = |reason: &str| {
        Error::failure(format!("{address} is not the address of an API server"))
            .because(reason.to_owned())
            .hint(kubectl("config view --minify").of_kubeconfig())
    };
    let uri: Uri = address.parse().map_err(|error: http::uri::InvalidUri| wrong(&error.to_string()))?;
    match uri.scheme_str() {
        Some("http" | "https") => Ok(uri),
        _ => Err(wrong("it starts with neither https:// nor http://")),
    }
}

fn authorities(cluster: &ClusterInfo) -> Result<Option<Vec<Vec<u8>>>> {
    let (pem, origin) = match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
        (Some(data), _) if !data.is_empty() => {
            let pem = base64::engine::general_purpose::STANDARD
                .decode(data)
                .map_err(|_| Error::failure("certificate-authority-data in the kubeconfig is not base64"))?;
            (pem, "certificate-authority-data".to_owned())
        }
        (_, Some(path)) if !path.is_empty() => (read_file(path, "certificate authority")?, path.clone()),
        _ => return Ok(None),
    };
    certificates(&pem, &origin).map(Some)
}

fn certificates(pem: &[u8], origin: &str) -> Result<Vec<Vec<u8>>> {
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(pem).filter_map(|der| der.ok()).map(|der| der.to_vec()).collect();
    if found.is_empty() {
        return Err(Error::failure(format!("no PEM certificate in {origin}")));
    }
    Ok(found)
}

fn read_file(path: &str, what: &str) -> Result<Vec<u8>> {
    files::read_limited(Path::new(path), files::LARGEST)
        .map_err(|error| Error::failure(format!("cannot read the {what} {path}")).because(error_text(&error)))
}

/// The configuration inside a pod: its service account
/// (<https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/>).
fn in_cluster(options: &ConnectOptions, environment: &Environment) -> Result<Option<Resolved>> {
    let (Some(host), Some(port)) = (&environment.service_host, &environment.service_port) else { return Ok(None) };
    let token = environment.service_account.join("token");
    if options.kubeconfig.is_some() || !token.exists() {
        return Ok(None);
    }
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let authority = environment.service_account.join("ca.crt");
    let cluster = ClusterInfo {
        server: Some(format!("https://{host}:{port}")),
        certificate_authority: authority.exists().then(|| authority.to_string_lossy().into_owned()),
        ..ClusterInfo::default()
    };
    let mut user = AuthInfo { token_file: Some(token.to_string_lossy().into_owned()), ..AuthInfo::default() };
    flags_over(options, &mut user)?;
    let of_account = std::fs::read_to_string(environment.service_account.join("namespace")).ok();
    let namespace = non_empty(&options.namespace)
        .or_else(|| non_empty(&environment.pod_namespace))
        .or_else(|| of_account.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()));
    assemble("in-cluster".to_owned(), namespace, &cluster, user, environment).map(Some)
}

fn non_empty(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}

#[cfg(test)]
#[path = "kubeconfig_tests.rs"]
mod tests;
