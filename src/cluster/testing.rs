//! A simulated API server for unit tests: a function from request to reply, and a record of the requests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tokio::sync::mpsc;

use super::Cluster;

/// What the simulated server does with a request.
#[derive(Clone)]
pub(super) enum Reply {
    /// Replies.
    With { code: u16, headers: Vec<(&'static str, String)>, body: String, after: Duration },
    /// Never replies.
    Never,
    /// The connection breaks.
    Broken,
    /// The response's beginning, and nothing more.
    Stalled(String),
    /// The response's beginning; then the connection breaks.
    Cut(String),
    /// A watch: each line sent to the other end is a line of the response, which ends with it.
    Watch(Arc<Mutex<Option<mpsc::UnboundedReceiver<Value>>>>),
}

impl Reply {
    /// A watch, and where to send its events.
    pub(super) fn watch() -> (mpsc::UnboundedSender<Value>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Self::Watch(Arc::new(Mutex::new(Some(receiver)))))
    }

    pub(super) fn json(code: u16, body: Value) -> Self {
        Self::text(code, &body.to_string())
    }

    pub(super) fn text(code: u16, body: &str) -> Self {
        Self::With { code, headers: Vec::new(), body: body.to_owned(), after: Duration::ZERO }
    }

    /// A `Status` failure.
    pub(super) fn status(code: u16, message: &str) -> Self {
        let reason = match code {
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            409 => "Conflict",
            _ => "",
        };
        let mut status = serde_json::json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
            "message": message, "reason": reason, "code": code});
        // Invalid fields are listed, too.
        let field = message.split_once(" is invalid: ").and_then(|(_, rest)| rest.split_once(": "));
        if let Some((field, why)) = field {
            status["details"] =
                serde_json::json!({"causes": [{"reason": "FieldValueInvalid", "field": field, "message": why}]});
        }
        Self::json(code, status)
    }

    /// No body.
    pub(super) fn empty(code: u16) -> Self {
        Self::With { code, headers: Vec::new(), body: String::new(), after: Duration::ZERO }
    }

    pub(super) fn with_body(mut self, text: &str) -> Self {
        if let Self::With { body, .. } = &mut self {
            text.clone_into(body);
        }
        self
    }

    pub(super) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        if let Self::With { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }

    pub(super) fn after(mut self, delay: Duration) -> Self {
        if let Self::With { after, .. } = &mut self {
            *after = delay;
        }
        self
    }
}

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Value,
}

type ReplyBody = UnsyncBoxBody<Bytes, std::io::Error>;

type Handler = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// The simulated server.
#[derive(Clone)]
pub(super) struct Server {
    handler: Handler,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(super) fn new(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self { handler: Arc::new(handler), asked: Arc::default() }
    }

    /// One reply after the other.
    pub(super) fn sequence(answers: Vec<Reply>) -> Self {
        let answers = Mutex::new(VecDeque::from(answers));
        Self::new(move |asked| answers.lock().unwrap().pop_front().unwrap_or_else(|| panic!("unexpected {asked:?}")))
    }

    pub(super) fn requests(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { server.answer(request).await }
        });
        Client::new(service, "default")
    }

    pub(super) fn cluster(&self) -> Cluster {
        Cluster {
            client: super::transport::wrap(self.client(), Some(Duration::from_secs(30)), None),
            context: "test".to_owned(),
            namespace: None,
            server: "https://127.0.0.1:6443".to_owned(),
            spares: super::spares::Spares::default(),
            request_timeout: None,
            tempo: super::tempo::Tempo::default(),
        }
    }

    async fn answer(&self, request: Request<Body>) -> std::io::Result<Response<ReplyBody>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
        let asked = Asked {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or("").to_owned(),
            headers: parts.headers,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        };
        self.asked.lock().unwrap().push(asked.clone());
        match (self.handler)(&asked) {
            Reply::Never => std::future::pending().await,
            Reply::Broken => Err(std::io::ErrorKind::ConnectionReset.into()),
            Reply::With { code, headers, body, after } => {
                if !after.is_zero() {
                    tokio::time::sleep(after).await;
                }
                let mut response = Response::builder().status(code);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
                Ok(response.body(body.boxed_unsync()).unwrap())
            }
            Reply::Stalled(text) => {
                let beginning = futures::stream::iter([Ok(Frame::data(Bytes::from(text)))]);
                let body = StreamBody::new(beginning.chain(futures::stream::pending()));
                Ok(Response::new(body.boxed_unsync()))
            }
            Reply::Cut(text) => {
                let parts = [Ok(Frame::data(Bytes::from(text))), Err(std::io::ErrorKind::ConnectionReset.into())];
                Ok(Response::new(StreamBody::new(futures::stream::iter(parts)).boxed_unsync()))
            }
            Reply::Watch(events) => {
                let events = events.lock().unwrap().take();
                let Some(events) = events else { std::future::pending().await };
                let lines = futures::stream::unfold(events, |mut events| async {
                    let event = events.recv().await?;
                    Some((Ok(Frame::data(Bytes::from(format!("{event}\n")))), events))
                });
                Ok(Response::new(StreamBody::new(lines.boxed()).boxed_unsync()))
            }
        }
    }
}
