//! Turns kubectl's own flags, environment and files into a [`Cluster`]. Sends no request.

use crate::suggestion::kubectl;
use std::sync::Arc;
use std::time::Duration;

use super::client_certificate::{ClientCertificate, UnusableCertificate};
use super::credential::Credential;
use super::exec_plugin::Plugin;
use super::identity::Identity;
use super::kuberc::PluginPolicy;
use super::options::{ConnectOptions, Environment};
use super::request_errors::PluginFailed;
use super::tempo::Tempo;
use super::{Cluster, client, kubeconfig, transport};
use crate::error::{Error, Result};

/// Longest time for connecting without `--request-timeout`: host name, TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(5);

/// What counts as no limit: `--request-timeout=0`, and everything longer.
const NO_LIMIT: Duration = Duration::from_secs(86_400);

/// Longest time for a request without `--request-timeout`, so that nothing hangs. kubectl's own default is no limit.
pub(super) const REQUEST: Duration = Duration::from_secs(30);

impl Cluster {
    /// Resolves flags, environment and kubeconfig, runs the credential plugin if there is one, and prepares the
    /// connection. Sends nothing to the API server. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// See the messages: each says what is missing or contradictory, and what to do.
    pub async fn connect(options: &ConnectOptions, environment: &Environment) -> Result<Self> {
        let resolved = kubeconfig::resolve(options, environment)?;
        // A day is no limit, and can be added to any time.
        let request_timeout =
            options.request_timeout.map(|limit| if limit.is_zero() { NO_LIMIT } else { limit.min(NO_LIMIT) });
        let connect = request_timeout.unwrap_or(CONNECT);
        let context = &resolved.context;
        let by_plugin = matches!(resolved.identity, Identity::Plugin(_));
        let certificate = ClientCertificate::new(resolved.certificate.clone(), by_plugin, &client::provider());
        let certificate = Arc::new(certificate.map_err(|error| not_usable(context, &error))?);
        let (client, spares) = client::of(&resolved, &certificate, Some(connect))?;
        let credential = match resolved.identity {
            Identity::Plugin(_) if environment.no_plugins => {
                return Err(Error::failure(format!("no credentials for context {context}"))
                    .because("they come from a credential plugin, and running plugins is disabled"));
            }
            Identity::Plugin(plugin) => {
                let (entry, cluster) = *plugin;
                let policy = PluginPolicy::read(options, environment);
                let plugin = Plugin::new(entry, cluster, policy, environment);
                Credential::of_plugin(plugin, certificate).await.map_err(|failed| plugin_error(context, failed))?
            }
            identity => Credential::of(identity, certificate),
        };
        let server = resolved.server.to_string().trim_end_matches('/').to_owned();
        Ok(Self {
            client: transport::wrap(client, Some(request_timeout.unwrap_or(REQUEST)), Some(Arc::new(credential))),
            context: resolved.context,
            namespace: resolved.namespace,
            server,
            request_timeout,
            spares,
            tempo: Tempo::default(),
        })
    }
}

fn plugin_error(context: &str, failed: PluginFailed) -> Error {
    let error = Error::failure(format!("no credentials for context {context}")).because(failed.to_string());
    match failed.install {
        Some(hint) => error.hint(crate::text::one_line(&hint)),
        None => error.hint(kubectl("auth whoami").note("it runs the same plugin")),
    }
}

fn not_usable(context: &str, error: &UnusableCertificate) -> Error {
    Error::failure(format!("cannot use the credentials of context {context}"))
        .because(error.to_string())
        .hint(kubectl("config view --minify").of_kubeconfig())
}

#[cfg(test)]
#[cfg(unix)]
#[path = "connect_tests.rs"]
mod on_the_wire;
