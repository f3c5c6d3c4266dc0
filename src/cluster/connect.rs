//! Turns kubectl's own flags, environment and files into a [`Cluster`]. Sends no request.

use crate::suggestion::kubectl;
use std::sync::Arc;
use std::time::Duration;

use http::header::USER_AGENT;
use kube::Client;

use super::credential::{Credential, Plugin};
use super::failure::error_text;
use super::options::{ConnectOptions, Environment};
use super::request_errors::PluginFailed;
use super::{Cluster, client, kubeconfig, transport};
use crate::error::{Error, Result};

/// Longest time for connecting: host name, TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(5);

/// Longest time for a request without `--request-timeout`, so that nothing hangs. kubectl's own default is no limit.
const REQUEST: Duration = Duration::from_secs(30);

impl Cluster {
    /// Resolves flags, environment and kubeconfig, runs the credential plugin if there is one, and prepares the
    /// connection. Sends nothing to the API server. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// See the messages: each says what is missing or contradictory, and what to do.
    pub async fn connect(options: &ConnectOptions, environment: &Environment) -> Result<Self> {
        let mut resolved = kubeconfig::resolve(options, environment)?;
        let context = resolved.context;
        let mut credential = None;
        if let Some(exec) = resolved.exec.take() {
            if environment.no_plugins {
                return Err(Error::failure(format!("no credentials for context {context}"))
                    .because("they come from a credential plugin, and running plugins is disabled"));
            }
            let plugin = Plugin::new(exec, environment.stdin_is_terminal);
            let issued = plugin.run().await.map_err(|failed| plugin_error(&context, failed))?;
            if let Some((certificate, key)) = &issued.certificate {
                use base64::Engine;
                let encode = |pem: &str| base64::engine::general_purpose::STANDARD.encode(pem);
                resolved.config.auth_info.client_certificate = None;
                resolved.config.auth_info.client_key = None;
                resolved.config.auth_info.client_certificate_data = Some(encode(certificate));
                resolved.config.auth_info.client_key_data = Some(encode(key).into());
            }
            let signer = Credential::new(plugin, &issued).map_err(|failed| plugin_error(&context, failed))?;
            credential = Some(Arc::new(signer));
        }
        let request_timeout = match options.request_timeout {
            None => Some(REQUEST),
            Some(Duration::ZERO) => None,
            Some(limit) => Some(limit),
        };
        let mut config = resolved.config;
        config.connect_timeout = Some(request_timeout.map_or(CONNECT, |limit| limit.min(CONNECT)));
        // The transport retries: kube's own retries would exceed every deadline.
        config.default_retry = false;
        let agent = concat!("kubectl-synxdb/", env!("CARGO_PKG_VERSION"));
        config.headers.push((USER_AGENT, http::HeaderValue::from_static(agent)));
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        // kube may run a command here (the old gcp auth-provider does), which would block the runtime.
        let built = tokio::task::spawn_blocking(move || client::of(config))
            .await
            .map_err(|error| Error::failure("cannot prepare the connection").because_of(error))?;
        let client: Client = built.map_err(|error| not_prepared(&context, &error))?;
        Ok(Self {
            client: transport::wrap(client, request_timeout, credential),
            context,
            namespace: resolved.namespace,
            server,
            request_timeout,
        })
    }
}

fn plugin_error(context: &str, failed: PluginFailed) -> Error {
    let error = Error::failure(format!("no credentials for context {context}")).because(failed.to_string());
    match failed.install {
        Some(hint) => error.hint(hint.trim()),
        None => error.hint(failed.command),
    }
}

fn not_prepared(context: &str, error: &kube::Error) -> Error {
    // If a command fails, kube's message contains its output, which may be a token.
    let reason = match error {
        kube::Error::Auth(kube::client::AuthError::AuthExecRun { cmd, out }) => {
            format!("`{cmd}` failed: {}", out.status)
        }
        other => error_text(other),
    };
    Error::failure(format!("cannot use the credentials of context {context}"))
        .because(reason)
        .hint(kubectl("config view --minify").of_kubeconfig())
}

#[cfg(test)]
#[cfg(unix)]
#[path = "connect_tests.rs"]
mod on_the_wire;
