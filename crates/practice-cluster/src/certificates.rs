//! The practice cluster's certificates, created at each start, and the kubeconfig that contains them.
//!
//! In: nothing but the port. Out: a TLS configuration for the server and a kubeconfig for its user. All
//! certificates are X.509 v3: rustls refuses v1 client certificates.

use crate::error::SandboxError;
use base64::Engine as _;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Name of the kubeconfig's context, cluster and user entry.
pub const CONTEXT: &str = "synxdb-sandbox";
/// The user's name, as `kubectl auth whoami` shows it (the certificate's CN).
pub const USER: &str = "sandbox-admin";
/// The user's group (the certificate's O): Kubernetes' own name for administrators.
pub const GROUP: &str = "system:masters";

/// The certificate authority and what it signed.
pub(crate) struct Certificates {
    ca_pem: String,
    client_pem: String,
    client_key_pem: String,
    server: Arc<rustls::ServerConfig>,
}

impl Certificates {
    /// Makes a certificate authority, a server certificate for 127.0.0.1 and a client certificate.
    pub(crate) fn new() -> Result<Certificates, SandboxError> {
        let wrong = |error: rcgen::Error| SandboxError::Certificates(error.to_string());
        let mut params = CertificateParams::new(Vec::new()).map_err(wrong)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "kubectl-synxdb sandbox");
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate().map_err(wrong)?;
        let ca = params.self_signed(&ca_key).map_err(wrong)?;
        let issuer = Issuer::new(params, ca_key);

        let mut server = CertificateParams::new(vec!["localhost".to_owned()]).map_err(wrong)?;
        server.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let (server, server_key) = leaf(server, &issuer).map_err(wrong)?;

        let mut client = CertificateParams::new(Vec::new()).map_err(wrong)?;
        client.distinguished_name.push(DnType::CommonName, USER);
        client.distinguished_name.push(DnType::OrganizationName, GROUP);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (client, client_key) = leaf(client, &issuer).map_err(wrong)?;

        Ok(Certificates {
            ca_pem: ca.pem(),
            client_pem: client.pem(),
            client_key_pem: client_key.serialize_pem(),
            server: server_config(&ca, &server, &server_key)?,
        })
    }

    /// TLS for the API server: HTTP/1.1; a client certificate is verified when there is one, and a client
    /// without one may still show a token.
    pub(crate) fn server_config(&self) -> Arc<rustls::ServerConfig> {
        self.server.clone()
    }

    /// A kubeconfig for the server at `address`. JSON, which is YAML too; without a namespace, as a new user's.
    pub(crate) fn kubeconfig(&self, address: SocketAddr) -> Value {
        let encode = |pem: &str| base64::engine::general_purpose::STANDARD.encode(pem);
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": CONTEXT,
            "clusters": [{"name": CONTEXT, "cluster": {
                "server": format!("https://{address}"),
                "certificate-authority-data": encode(&self.ca_pem),
            }}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
            "users": [{"name": CONTEXT, "user": {
                "client-certificate-data": encode(&self.client_pem),
                "client-key-data": encode(&self.client_key_pem),
            }}],
        })
    }
}

fn leaf(mut params: CertificateParams, issuer: &Issuer<'_, KeyPair>) -> Result<(Certificate, KeyPair), rcgen::Error> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    Ok((certificate, key))
}

fn server_config(
    ca: &Certificate,
    server: &Certificate,
    key: &KeyPair,
) -> Result<Arc<rustls::ServerConfig>, SandboxError> {
    let wrong = |error: String| SandboxError::Certificates(error);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.der().clone()).map_err(|error| wrong(error.to_string()))?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|error| wrong(error.to_string()))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![server.der().clone()], key)
        .map_err(|error| wrong(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubeconfig_is_one_that_kube_reads() {
        let certificates = Certificates::new().unwrap();
        let text = certificates.kubeconfig("127.0.0.1:6443".parse().unwrap()).to_string();
        let parsed = kube::config::Kubeconfig::from_yaml(&text).unwrap();
        assert_eq!(parsed.current_context.as_deref(), Some(CONTEXT));
        let cluster = parsed.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(cluster.server.as_deref(), Some("https://127.0.0.1:6443"));
        assert_eq!(parsed.contexts[0].context.as_ref().unwrap().namespace, None);
    }

    #[test]
    fn each_cluster_has_an_authority_of_its_own() {
        let (one, two) = (Certificates::new().unwrap(), Certificates::new().unwrap());
        assert_ne!(one.ca_pem, two.ca_pem);
        assert_ne!(one.client_key_pem, two.client_key_pem);
    }
}
