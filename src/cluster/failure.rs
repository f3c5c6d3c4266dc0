//! Turns a failed request into one line: kube's own Display repeats its causes, so the chain of errors is read here
//! instead.

use crate::suggestion::kubectl;
use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

use super::Cluster;
use super::foreign::KnownMessage;
use super::request_errors::{DeadlinePassed, PluginFailed, ProxyFailed, Redirected};
use super::server_certificate::AuthorityExpired;
use super::snapshot::{Cause, Unreadable};
use crate::error::{Error, Source};
use crate::text;

/// Longest reason shown, in characters: a proxy may answer with a whole page.
const LONGEST_REASON: usize = 300;

/// A failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// What kind.
    pub(super) cause: Cause,
    /// HTTP status; 0 if there was no response.
    pub(super) code: u16,
    /// The server's machine-readable reason (`Conflict`, `AlreadyExists`), or nothing.
    pub(super) kind: String,
    /// The fields that the server rejects, as paths: `metadata.uid`.
    pub(super) fields: Vec<String>,
    /// The reason in one line.
    pub(super) reason: String,
    /// The error that it was read from.
    pub(super) source: Option<Source>,
}

/// The operation that failed, for an error's first line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation<'a> {
    /// An API verb: `list`.
    pub(super) verb: &'a str,
    /// Plural resource: `pods`, `pods/portforward`.
    pub(super) resource: &'a str,
    /// `None` for cluster-scoped resources and lists across namespaces.
    pub(super) namespace: Option<&'a str>,
    /// One object, or all.
    pub(super) name: Option<&'a str>,
}

impl Failure {
    /// No response within this time.
    pub(super) fn timed_out(after: Duration) -> Self {
        Self::without_answer(Cause::TimedOut, DeadlinePassed(after).to_string())
    }

    fn without_answer(cause: Cause, reason: impl Into<String>) -> Self {
        Self { cause, code: 0, kind: String::new(), fields: Vec::new(), reason: reason.into(), source: None }
    }

    /// Classifies a request's error.
    pub(super) fn of(error: kube::Error) -> Self {
        Self::read(&error).caused_by(error)
    }

    fn caused_by(self, error: impl StdError + Send + Sync + 'static) -> Self {
        Self { source: Some(Source::new(error)), ..self }
    }

    /// Classifies what a request's error reports.
    pub(super) fn read(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(status),
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
                Self::without_answer(Cause::Unreachable, "the response is not from a Kubernetes API server")
            }
            kube::Error::UpgradeConnection(kube::client::UpgradeConnectionError::ProtocolSwitch(status)) => Self {
                cause: Cause::Refused,
                code: status.as_u16(),
                kind: String::new(),
                fields: Vec::new(),
                reason: format!("the server refused the switch to WebSocket (status {status})"),
                source: None,
            },
            other => Self::of_chain(other),
        }
    }

    /// Classifies a watch's error.
    pub(super) fn of_watch(error: &kube::runtime::watcher::Error) -> Self {
        use kube::runtime::watcher::Error as Watcher;
        match error {
            Watcher::InitialListFailed(error) | Watcher::WatchStartFailed(error) | Watcher::WatchFailed(error) => {
                Self::read(error)
            }
            Watcher::WatchError(status) => Self::of_status(status),
            Watcher::NoResourceVersion => Self::without_answer(Cause::Refused, "the response has no resourceVersion"),
        }
    }

    fn of_status(status: &kube::core::Status) -> Self {
        let cause = match status.code {
            401 => Cause::Unauthorized,
            403 => Cause::Forbidden,
            404 => Cause::NotFound,
            408 | 504 => Cause::TimedOut,
            502 | 503 => Cause::Unreachable,
            _ => Cause::Refused,
        };
        let message = status.message.trim();
        let reason = if message.is_empty() {
            let words = http::StatusCode::from_u16(status.code).ok().and_then(|code| code.canonical_reason());
            format!(
                "the server responded {}{}{}",
                status.code,
                if words.is_some() { " " } else { "" },
                words.unwrap_or("")
            )
        } else if message.starts_with('<') {
            format!("the server responded {} with a web page; this is not a Kubernetes API server", status.code)
        } else {
            one_line(message)
        };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        let fields = causes.map(|cause| cause.field.clone()).filter(|field| !field.is_empty()).collect();
        Self { cause, code: status.code, kind: status.reason.clone(), fields, reason, source: None }
    }

    fn of_chain(error: &(dyn StdError + 'static)) -> Self {
        let chain = chain(error);
        for link in &chain {
            if let Some(deadline) = link.downcast_ref::<DeadlinePassed>() {
                return Self::without_answer(Cause::TimedOut, deadline.to_string());
            }
            if let Some(plugin) = link.downcast_ref::<PluginFailed>() {
                return Self::without_answer(Cause::Unauthorized, plugin.to_string());
            }
            if let Some(redirected) = link.downcast_ref::<Redirected>() {
                return Self::without_answer(Cause::Unreachable, redirected.to_string());
            }
            // What the proxy said, or what befell the way to it.
            if let Some(proxy) = link.downcast_ref::<ProxyFailed>() {
                let inner = Self::of_chain(&*proxy.source).reason;
                return Self::without_answer(Cause::Unreachable, format!("{proxy}: {inner}"));
            }
            if let Some(tls) = link.downcast_ref::<rustls::Error>() {
                return Self::without_answer(Cause::Unreachable, tls_reason(tls));
            }
        }
        let lookup = chain.iter().any(|link| KnownMessage::NoSuchHost.is_in(&link.to_string()));
        for link in &chain {
            if let Some(io) = link.downcast_ref::<io::Error>() {
                let reason = match io.kind() {
                    io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
                    io::ErrorKind::TimedOut => "connection timed out".to_owned(),
                    io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => "connection lost".to_owned(),
                    _ if lookup => "host name not found (DNS)".to_owned(),
                    _ => one_line(&without_os_number(&io.to_string())),
                };
                return Self::without_answer(Cause::Unreachable, reason);
            }
        }
        // The innermost error is the most precise one; the outer ones repeat it.
        let innermost = chain.last().map_or_else(|| error.to_string(), |link| link.to_string());
        Self::without_answer(Cause::Unreachable, one_line(&innermost))
    }

    /// Returns whether the same request may succeed a moment later.
    pub(super) fn is_transient(&self) -> bool {
        match self.code {
            0 => matches!(self.cause, Cause::TimedOut | Cause::Unreachable),
            429 | 500 | 502..=504 => true,
            _ => false,
        }
    }

    /// Converts it to a part of the cluster that could not be read.
    pub(super) fn unreadable(self, resource: &'static str, namespace: Option<&str>) -> Unreadable {
        Unreadable {
            resource,
            namespace: namespace.map(str::to_owned),
            cause: self.cause,
            reason: self.reason,
            source: self.source,
        }
    }
}

impl Cluster {
    /// Returns the error that a user reads for a failed request.
    pub(super) fn error(&self, act: Operation<'_>, failure: &Failure) -> Error {
        let Operation { verb, resource, namespace, name } = act;
        let of = name.map(|name| format!(" {name}")).unwrap_or_default();
        let place = namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
        let error = match failure.cause {
            Cause::Unauthorized => self.unauthorized(&failure.reason),
            Cause::Forbidden => {
                let can_i = kubectl("auth can-i").word(verb).word(resource);
                let can_i = match namespace {
                    Some(namespace) => can_i.namespace(namespace),
                    None => can_i.word("-A"),
                };
                Error::refused(format!("not allowed to {verb} {resource}{of}{place}"))
                    .because(&failure.reason)
                    .hint(can_i)
            }
            Cause::Unreachable => self.unreachable(&failure.reason),
            Cause::TimedOut => {
                Error::failure(format!("the Kubernetes API server at {} did not respond in time", self.server))
                    .because(format!("{verb} {resource}{of}{place}: {}", failure.reason))
                    .hint("try again with a longer --request-timeout")
            }
            Cause::NotFound | Cause::Refused => {
                Error::failure(format!("cannot {verb} {resource}{of}{place}")).because(&failure.reason)
            }
        };
        error.caused_by(failure.source.clone())
    }

    /// Returns the error that a user reads for a part of a [`super::snapshot::Snapshot`] that a command cannot do
    /// without.
    pub fn unreadable(&self, part: &Unreadable) -> Error {
        let act = Operation { verb: "list", resource: part.resource, namespace: part.namespace.as_deref(), name: None };
        let failure = Failure {
            cause: part.cause,
            code: 0,
            kind: String::new(),
            fields: Vec::new(),
            reason: part.reason.clone(),
            source: part.source.clone(),
        };
        self.error(act, &failure)
    }

    fn unauthorized(&self, reason: &str) -> Error {
        let error = Error::failure(format!("the server rejected the credentials of context {}", self.context));
        // "Unauthorized" adds nothing to the first line.
        let error = if reason == "Unauthorized" { error } else { error.because(reason) };
        error
            .hint(kubectl("auth whoami").flag("--context", &self.context).note("once you have logged in again"))
            .hint(kubectl("config get-contexts").of_kubeconfig())
    }

    fn unreachable(&self, reason: &str) -> Error {
        Error::failure(format!("the Kubernetes API server at {} is unreachable", self.server))
            .because(reason)
            .hint(kubectl("cluster-info").flag("--context", &self.context))
    }
}

/// Returns an error's whole chain. An `io::Error` hides what it wraps from `source()`, so that is included, too.
pub(super) fn chain<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    let mut links: Vec<&'a (dyn StdError + 'static)> = Vec::new();
    let mut next = Some(error);
    // Limited: nothing forbids a chain with a cycle.
    while let Some(link) = next.filter(|_| links.len() < 16) {
        links.push(link);
        next = match link.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => link.source(),
        };
    }
    links
}

/// Returns whether an established connection broke before the whole response arrived: another connection may succeed.
pub(super) fn broke(error: &(dyn StdError + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    chain(error).into_iter().any(|link| {
        let kind = link.downcast_ref::<io::Error>().map(io::Error::kind);
        let cut =
            kind.is_some_and(|kind| [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof].contains(&kind));
        let http = link.downcast_ref::<hyper::Error>();
        cut || http.is_some_and(|error| error.is_incomplete_message() || error.is_closed() || error.is_canceled())
    })
}

/// Returns an error's innermost cause on one line, without what the outer errors repeat.
pub fn error_text(error: &(dyn StdError + 'static)) -> String {
    let innermost = chain(error).last().map_or_else(|| error.to_string(), |link| link.to_string());
    one_line(&without_os_number(&innermost))
}

/// What TLS is done with.
const SUPPORTED: &str = "TLS 1.2 and 1.3; RSA from 2048 bits, ECDSA P-256 and P-384, Ed25519";

fn tls_reason(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            // A bad signature means a re-created authority of the same name, as every new cluster's "kubernetes" is.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the server's certificate is signed by an untrusted authority".to_owned()
            }
            CertificateError::Expired => "the server's certificate has expired".to_owned(),
            CertificateError::ExpiredContext { time, not_after } => format!(
                "the server's certificate has expired: it was valid until {}, and this machine's clock says {}",
                moment(not_after),
                moment(time)
            ),
            CertificateError::NotValidYet => "the server's certificate is not valid yet".to_owned(),
            CertificateError::NotValidYetContext { time, not_before } => format!(
                "the server's certificate is not valid yet: it is valid from {}, and this machine's clock says {}",
                moment(not_before),
                moment(time)
            ),
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                "the server's certificate is not for servers".to_owned()
            }
            CertificateError::Other(other) if other.0.is::<AuthorityExpired>() => {
                "the trusted certificate authority has expired, or is not valid yet".to_owned()
            }
            CertificateError::Other(other) => match other.0.downcast_ref() {
                Some(webpki::Error::CaUsedAsEndEntity) => {
                    "the server's certificate is an authority's own, and not the trusted one".to_owned()
                }
                Some(webpki::Error::UnsupportedCertVersion) => {
                    "the server's certificate is of X.509 version 1, which carries no names".to_owned()
                }
                _ => "the server's certificate is not valid".to_owned(),
            },
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the server's certificate is not valid for its name (see --tls-server-name)".to_owned()
            }
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                format!("the server's certificate has a kind of signature or key that is not supported ({SUPPORTED})")
            }
            other => format!("the server's certificate is not valid: {other}"),
        },
        rustls::Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            format!("the server accepts no version, cipher and kind of key of TLS that this program has ({SUPPORTED})")
        }
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::UnknownCA,
        ) => "the server rejected the client certificate".to_owned(),
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS (is its address http://?)".to_owned(),
        other => format!("TLS: {other}"),
    }
}

fn moment(time: &UnixTime) -> String {
    let moment = i64::try_from(time.as_secs()).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    moment.map_or_else(|| "an unknown time".to_owned(), |moment| moment.to_string())
}

/// `Connection refused (os error 111)` -> `Connection refused`.
fn without_os_number(text: &str) -> String {
    match text.find(" (os error ") {
        Some(at) => text[..at].to_owned(),
        None => text.to_owned(),
    }
}

/// Longest text of a server that is kept, in characters.
const LONGEST: usize = 1000;

/// Shortens a text that is too long to read, and says so.
pub fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}… (first {LONGEST} of {} characters)", &text[..at], text.chars().count()),
        None => text.to_owned(),
    }
}

fn one_line(text: &str) -> String {
    let line = text::one_line(text);
    match line.char_indices().nth(LONGEST_REASON) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(code: u16, message: &str) -> kube::Error {
        kube::Error::Api(kube::core::Status::failure(message, "").with_code(code).boxed())
    }

    #[test]
    fn answers_are_classified_by_their_code() {
        for (code, cause, transient) in [
            (401, Cause::Unauthorized, false),
            (403, Cause::Forbidden, false),
            (404, Cause::NotFound, false),
            (409, Cause::Refused, false),
            (429, Cause::Refused, true),
            (500, Cause::Refused, true),
            (503, Cause::Unreachable, true),
            (504, Cause::TimedOut, true),
        ] {
            let failure = Failure::of(api(code, "words"));
            assert_eq!((failure.cause, failure.is_transient()), (cause, transient), "{code}");
            assert_eq!(failure.reason, "words");
        }
    }

    #[test]
    fn a_reason_is_one_line_of_words() {
        assert_eq!(Failure::of(api(418, "")).reason, "the server responded 418 I'm a teapot");
        assert!(Failure::of(api(502, "<html><body>Bad")).reason.contains("web page"));
        let long = Failure::of(api(500, &"many words\n".repeat(100))).reason;
        assert!(long.chars().count() <= LONGEST_REASON + 1 && !long.contains('\n'), "{long}");
    }

    #[test]
    fn the_chain_is_unwrapped_to_one_reason() {
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "Connection refused (os error 111)");
        let failure = Failure::of(kube::Error::Service(Box::new(refused)));
        assert_eq!((failure.cause, failure.reason.as_str()), (Cause::Unreachable, "connection refused"));

        let tls = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, io::Error::other(tls));
        let failure = Failure::of(kube::Error::Service(Box::new(wrapped)));
        assert_eq!(failure.reason, "the server's certificate is signed by an untrusted authority");

        let proxy = ProxyFailed { proxy: "http://proxy:3128".to_owned(), source: "it answered 403 Forbidden".into() };
        let failure = Failure::of(kube::Error::Service(Box::new(proxy)));
        assert_eq!(failure.reason, "the proxy http://proxy:3128: it answered 403 Forbidden");
        let dead = io::Error::from(io::ErrorKind::ConnectionRefused);
        let proxy = ProxyFailed { proxy: "socks5://proxy:1080".to_owned(), source: dead.into() };
        let failure = Failure::of(kube::Error::Service(Box::new(proxy)));
        assert_eq!(failure.reason, "the proxy socks5://proxy:1080: connection refused");

        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let early = CertificateError::NotValidYetContext { time: at(0), not_before: at(86_400) };
        let failure = Failure::of(kube::Error::Service(Box::new(rustls::Error::InvalidCertificate(early))));
        assert_eq!(
            failure.reason,
            "the server's certificate is not valid yet: it is valid from 1970-01-02T00:00:00Z, and this machine's clock \
             says 1970-01-01T00:00:00Z"
        );

        let late = Failure::of(kube::Error::Service(Box::new(DeadlinePassed(Duration::from_secs(30)))));
        assert_eq!((late.cause, late.reason.as_str()), (Cause::TimedOut, "no response within 30 s"));
    }
}
