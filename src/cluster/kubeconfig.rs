//! Reads kubectl's configuration files and combines them with the flags: flag over environment over kubeconfig over
//! default, by the rules of client-go's `clientcmd`
//! (<https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/>). An empty value is not set.

use crate::suggestion::{kubectl, plugin};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use http::{HeaderMap, Uri};

use super::client_certificate::Origin;
use super::failure::error_text;
use super::files;
use super::identity::{self, Identity};
use super::kubeconfig_file::{ClusterEntry, ContextEntry, Kubeconfig, UserEntry};
use super::options::{ConnectOptions, Environment};
use super::proxy::{self, Proxy};
use super::url::{Address, decoded, encoded_path, without_login};
use crate::error::{Error, Result};

/// Where to connect to, and as whom.
pub(super) struct Resolved {
    /// See [`super::Cluster::context_name`].
    pub(super) context: String,
    /// See [`super::Cluster::namespace`].
    pub(super) namespace: Option<String>,
    /// The API server's address, without a login.
    pub(super) server: Uri,
    pub(super) trust: Trust,
    pub(super) proxy: Option<Proxy>,
    /// Client certificate and key.
    pub(super) certificate: Option<Origin>,
    pub(super) identity: Identity,
    /// Headers that impersonate a user.
    pub(super) impersonation: HeaderMap,
    /// Whether responses are not to be compressed.
    pub(super) disable_compression: bool,
}

/// How the server's certificate is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trust {
    /// Not at all.
    pub(super) insecure: bool,
    /// PEM, and where it is from; the operating system's if there are none.
    pub(super) authorities: Option<(Vec<u8>, String)>,
    /// The name that the certificate must be for, if not the address's.
    pub(super) server_name: Option<String>,
}

/// Resolves flags, environment and files.
///
/// # Errors
/// No configuration at all; a file that cannot be read; a context, cluster or user that does not exist;
/// flags that contradict each other.
pub(super) fn resolve(options: &ConnectOptions, environment: &Environment) -> Result<Resolved> {
    let (files, kubeconfig) = load(options, environment)?;
    let user_of = |context: &ContextEntry| user(options, &kubeconfig, context);
    let (name, context) = context(options, &kubeconfig)?;
    let (cluster_name, cluster) = cluster(options, &kubeconfig, &context, environment)?;
    if cluster.server.is_empty() {
        return match in_cluster(options, &context, environment)? {
            Some(resolved) => Ok(resolved),
            None => Err(no_server(&files, &kubeconfig, &name, &cluster_name, options, environment)),
        };
    }
    let (user_name, user) = user_of(&context)?;
    identity::check(&user_name, &user, options)?;
    check_cluster(&cluster_name, &cluster)?;
    let namespace = first([&options.namespace, &Some(context.namespace.clone())]);
    let namespace = namespace.or_else(|| pod_namespace(environment));
    let context = if name.is_empty() { "--server".to_owned() } else { name };
    assemble(context, namespace, &cluster, &user_name, user, environment)
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
        if let Some(next) = read(file, explicit.is_some())? {
            merged.merge(next);
        }
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
    let text = match files::ends(file, files::LARGEST).and_then(|()| files::text(file, files::LARGEST)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => return Ok(None),
        Err(error) => return Err(cannot_read(file, &error_text(&error))),
        Ok(text) => text,
    };
    Kubeconfig::parse(&text, file).map(Some).map_err(|error| cannot_read(file, &error.to_string()))
}

fn cannot_read(file: &Path, reason: &str) -> Error {
    Error::failure(format!("cannot read kubeconfig {}", file.display()))
        .because(reason)
        .hint(kubectl("config get-contexts").of_no_cluster())
}

/// Returns why there is no server to talk to. kubectl would try `http://localhost:8080`, which is hardly what is meant.
fn no_server(
    files: &[PathBuf],
    kubeconfig: &Kubeconfig,
    context: &str,
    cluster: &str,
    options: &ConnectOptions,
    environment: &Environment,
) -> Error {
    if kubeconfig.contexts.is_empty() && kubeconfig.clusters.is_empty() {
        return none_found(files, options, environment);
    }
    if context.is_empty() && cluster.is_empty() {
        let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        let known = known(&kubeconfig.contexts);
        return Error::failure("no current context")
            .because(format!("{} sets none; available contexts: {known}", files.join(", ")))
            .hint(kubectl("config use-context NAME").of_kubeconfig())
            .hint(plugin("status --context NAME"));
    }
    let view = kubectl("config view --minify").of_kubeconfig();
    if cluster.is_empty() {
        return Error::failure(format!("context {context} has no cluster")).hint(view);
    }
    if kubeconfig.clusters.iter().any(|(name, _)| name == cluster) {
        return Error::failure(format!("cluster {cluster} in the kubeconfig has no server")).hint(view);
    }
    no_cluster(cluster, kubeconfig)
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
        .hint(plugin("status --kubeconfig FILE").of_no_cluster())
        .hint(plugin("status --sandbox").of_no_cluster().note("a practice cluster, no Kubernetes needed"))
}

fn known<T>(entries: &[(String, T)]) -> String {
    match entries.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "none".to_owned(),
        names => names,
    }
}

fn find<'e, T>(entries: &'e [(String, T)], name: &str) -> Option<&'e T> {
    entries.iter().find(|(known, _)| known == name).map(|(_, entry)| entry)
}

/// Returns the current context and its name; an empty one if there is none.
fn context(options: &ConnectOptions, kubeconfig: &Kubeconfig) -> Result<(String, ContextEntry)> {
    let wanted = first([&options.context]);
    let name = wanted.clone().unwrap_or_else(|| kubeconfig.current_context.clone());
    if name.is_empty() {
        return Ok((name, ContextEntry::default()));
    }
    match find(&kubeconfig.contexts, &name) {
        Some(found) => Ok((name, found.clone())),
        None => {
            let what = if wanted.is_some() { "context" } else { "current context" };
            Err(Error::failure(format!("{what} {name} does not exist"))
                .because(format!("available contexts: {}", known(&kubeconfig.contexts)))
                .hint(kubectl("config get-contexts").of_kubeconfig()))
        }
    }
}

fn no_cluster(name: &str, kubeconfig: &Kubeconfig) -> Error {
    Error::failure(format!("cluster {name} does not exist in the kubeconfig"))
        .because(format!("available clusters: {}", known(&kubeconfig.clusters)))
        .hint(kubectl("config get-clusters").of_kubeconfig())
}

/// Returns the cluster entry and its name, overridden by the flags. A cluster that a flag names must exist; one that a
/// context names need not, if there is a server from elsewhere.
fn cluster(
    options: &ConnectOptions,
    kubeconfig: &Kubeconfig,
    context: &ContextEntry,
    environment: &Environment,
) -> Result<(String, ClusterEntry)> {
    let wanted = first([&options.cluster]);
    let name = wanted.clone().unwrap_or_else(|| context.cluster.clone());
    let found = find(&kubeconfig.clusters, &name).cloned();
    if found.is_none() && wanted.is_some() {
        return Err(no_cluster(&name, kubeconfig));
    }
    let mut cluster = found.unwrap_or_default();
    if cluster.server.is_empty() {
        cluster.server = environment.master.clone().unwrap_or_default();
    }
    let authority = path(&options.certificate_authority);
    if options.insecure_skip_tls_verify && authority.is_some() {
        return Err(Error::usage("--insecure-skip-tls-verify and --certificate-authority cannot be used together"));
    }
    if options.insecure_skip_tls_verify || authority.is_some() {
        cluster.insecure_skip_tls_verify = options.insecure_skip_tls_verify;
        cluster.certificate_authority_data = Vec::new();
        cluster.certificate_authority = authority.unwrap_or_default();
    }
    let (server, server_name) = (first([&options.server]), first([&options.tls_server_name]));
    // Another server has another name: --server disables the kubeconfig's tls-server-name.
    if server.is_some() || server_name.is_some() {
        cluster.tls_server_name = server_name.unwrap_or_default();
    }
    cluster.server = server.unwrap_or(cluster.server);
    cluster.proxy_url = first([&options.proxy_url]).unwrap_or(cluster.proxy_url);
    cluster.disable_compression |= options.disable_compression;
    Ok((name, cluster))
}

fn check_cluster(name: &str, cluster: &ClusterEntry) -> Result<()> {
    let contradicts = |why: &str| {
        Err(Error::failure(format!("cluster {name} in the kubeconfig is contradictory"))
            .because(why)
            .hint(kubectl("config view --minify").of_kubeconfig()))
    };
    if !cluster.certificate_authority.is_empty() && !cluster.certificate_authority_data.is_empty() {
        return contradicts("it sets both certificate-authority and certificate-authority-data");
    }
    if !cluster.certificate_authority.is_empty() {
        files::readable(&cluster.certificate_authority, "certificate authority")?;
    }
    Ok(())
}

/// Returns the user entry and its name, overridden by the flags. A context's user may be missing; one that a flag names
/// may not.
fn user(options: &ConnectOptions, kubeconfig: &Kubeconfig, context: &ContextEntry) -> Result<(String, UserEntry)> {
    let wanted = first([&options.user]);
    let name = wanted.clone().unwrap_or_else(|| context.user.clone());
    let found = find(&kubeconfig.users, &name).cloned();
    if found.is_none() && wanted.is_some() {
        return Err(Error::failure(format!("user {name} does not exist in the kubeconfig"))
            .because(format!("available users: {}", known(&kubeconfig.users)))
            .hint(kubectl("config get-users").of_kubeconfig()));
    }
    let mut user = found.unwrap_or_default();
    flags_over(options, &mut user);
    Ok((name, user))
}

fn flags_over(options: &ConnectOptions, user: &mut UserEntry) {
    for (flag, field) in [
        (&options.token, &mut user.token),
        (&options.as_user, &mut user.impersonate),
        (&options.as_uid, &mut user.impersonate_uid),
    ] {
        if let Some(value) = first([flag]) {
            *field = value;
        }
    }
    if let Some(path) = path(&options.client_certificate) {
        (user.client_certificate, user.client_certificate_data) = (path, Vec::new());
    }
    if let Some(path) = path(&options.client_key) {
        (user.client_key, user.client_key_data) = (path, Vec::new());
    }
    if !options.as_groups.is_empty() {
        user.impersonate_groups.clone_from(&options.as_groups);
    }
    let mut extra: std::collections::BTreeMap<String, Vec<String>> = std::collections::BTreeMap::new();
    for (key, value) in options.as_extra.iter().filter_map(|pair| pair.split_once('=')) {
        extra.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    user.impersonate_extra.extend(extra);
}

fn assemble(
    context: String,
    namespace: Option<String>,
    cluster: &ClusterEntry,
    user_name: &str,
    user: UserEntry,
    environment: &Environment,
) -> Result<Resolved> {
    let address = server(&cluster.server)?;
    let server = address.uri().map_err(|why| not_an_address(&cluster.server, &why))?;
    let proxy = proxy::for_server(&server, &cluster.proxy_url, environment)?;
    let secure = address.scheme == "https";
    let impersonation = identity::impersonation(&user)?;
    let disable_compression = cluster.disable_compression;
    // Over an unencrypted connection no credentials are sent, and nothing is verified.
    let (trust, certificate, mut identity) = match secure {
        false => (Trust::default(), None, Identity::None),
        true => (trust(cluster)?, identity::certificate(&user), identity::of(user_name, user, cluster)?),
    };
    // As in Go, a login in the address comes before all others.
    if let Some(login) = address.login.as_ref().and_then(|login| login.basic()) {
        identity = Identity::Fixed(login);
    }
    Ok(Resolved { context, namespace, server, trust, proxy, certificate, identity, impersonation, disable_compression })
}

/// Completes an address as client-go does: without a scheme it is http.
fn server(text: &str) -> Result<Address> {
    let parsed = Address::parse(text).filter(|address| !address.authority.is_empty());
    let (parsed, complete) = match parsed {
        Some(parsed) => (Some(parsed), true),
        None => (Address::parse(&format!("http://{text}")), false),
    };
    let Some(mut address) = parsed else { return Err(not_an_address(text, "it has no host")) };
    if !matches!(address.scheme.as_str(), "http" | "https") {
        return Err(not_an_address(text, "it starts with neither https:// nor http://"));
    }
    let path = address.path.split('?').next().unwrap_or_default();
    if !complete && !matches!(path, "" | "/") {
        return Err(not_an_address(text, "a path needs https:// or http:// in front"));
    }
    address.path = if path.starts_with('/') { encoded_path(&decoded(path)) } else { String::new() };
    Ok(address)
}

fn not_an_address(text: &str, why: &str) -> Error {
    Error::failure(format!("{} is not the address of an API server", without_login(text)))
        .because(why)
        .hint(kubectl("config view --minify").of_kubeconfig())
}

fn trust(cluster: &ClusterEntry) -> Result<Trust> {
    let data = &cluster.certificate_authority_data;
    let authorities = match (data.is_empty(), cluster.certificate_authority.as_str()) {
        (false, _) => Some((data.clone(), "certificate-authority-data".to_owned())),
        (true, "") => None,
        // An empty file is no authority at all, so the operating system's are meant.
        (true, path) => {
            Some((files::named(path, "certificate authority")?, path.to_owned())).filter(|(pem, _)| !pem.is_empty())
        }
    };
    let given = !data.is_empty() || !cluster.certificate_authority.is_empty();
    if cluster.insecure_skip_tls_verify && given {
        return Err(Error::failure("the cluster's entry in the kubeconfig is contradictory")
            .because("it sets both a certificate authority and insecure-skip-tls-verify")
            .hint(kubectl("config view --minify").of_kubeconfig()));
    }
    Ok(Trust {
        insecure: cluster.insecure_skip_tls_verify,
        authorities,
        server_name: Some(cluster.tls_server_name.clone()).filter(|name| !name.is_empty()),
    })
}

/// The configuration inside a pod: its service account
/// (<https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/>).
fn in_cluster(options: &ConnectOptions, context: &ContextEntry, environment: &Environment) -> Result<Option<Resolved>> {
    if !in_pod(environment) {
        return Ok(None);
    }
    let (Some(host), Some(port)) = (&environment.service_host, &environment.service_port) else { return Ok(None) };
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let authority = path(&options.certificate_authority).map(PathBuf::from);
    let authority = authority.unwrap_or_else(|| environment.service_account.join("ca.crt"));
    let cluster = ClusterEntry {
        server: format!("https://{host}:{port}"),
        certificate_authority: Some(authority).filter(|path| path.exists()).map(text).unwrap_or_default(),
        disable_compression: options.disable_compression,
        ..ClusterEntry::default()
    };
    let mut user = UserEntry { token_file: text(environment.service_account.join("token")), ..UserEntry::default() };
    flags_over(options, &mut user);
    if !user.token.is_empty() {
        user.token_file.clear();
    }
    identity::check("of the service account", &user, options)?;
    let namespace = first([&options.namespace, &Some(context.namespace.clone())]);
    let namespace = namespace.or_else(|| pod_namespace(environment));
    assemble("in-cluster".to_owned(), namespace, &cluster, "of the service account", user, environment).map(Some)
}

/// Whether this is a pod with a service account.
fn in_pod(environment: &Environment) -> bool {
    let set = |value: &Option<String>| value.as_ref().is_some_and(|value| !value.is_empty());
    set(&environment.service_host)
        && set(&environment.service_port)
        && environment.service_account.join("token").is_file()
}

/// Returns the namespace of the pod that this is; it counts where nothing else sets one.
fn pod_namespace(environment: &Environment) -> Option<String> {
    if !in_pod(environment) {
        return None;
    }
    let of_account = || {
        let name = std::fs::read_to_string(environment.service_account.join("namespace")).ok()?;
        Some(name.trim().to_owned()).filter(|name| !name.is_empty())
    };
    first([&environment.pod_namespace]).or_else(of_account)
}

/// Returns the first that is set, that is, not empty.
fn first<const N: usize>(texts: [&Option<String>; N]) -> Option<String> {
    texts.into_iter().flatten().find(|text| !text.is_empty()).cloned()
}

fn path(path: &Option<PathBuf>) -> Option<String> {
    path.as_ref().filter(|path| !path.as_os_str().is_empty()).map(|path| path.to_string_lossy().into_owned())
}

fn text(path: PathBuf) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
#[path = "kubeconfig_tests.rs"]
mod tests;
