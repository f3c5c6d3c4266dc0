//! Connections and requests: TLS, authentication, authorization, and the handler that answers.

use super::authentication::{authenticate, certificate_user};
use super::authorization::{Attributes, User};
use super::call::Call;
use super::representation::Format;
use super::request::{Query, Target};
use super::state::ApiState;
use super::status::ApiError;
use super::{
    collector, compression, delete, discovery, eviction, faults, permission, read, review, scale, streams, tokens,
    watch, write,
};
use crate::resources::{Resource, VIEWS};
use crate::store::Key;
use crate::sync::lock;
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// The largest body taken, as in a real server.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// Pause after a failed accept.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Serves the API on `listener` until `shutdown`; then all connections are cut and this returns.
///
/// `tls` must offer `http/1.1` by ALPN, and ask for client certificates of the cluster's own CA without
/// requiring one (`WebPkiClientVerifier` with `allow_unauthenticated`): who comes without one may have a token.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    state: Arc<ApiState>,
    shutdown: CancellationToken,
) {
    let acceptor = TlsAcceptor::from(tls);
    let mut tasks = JoinSet::new();
    tasks.spawn(collector::run(state.store.clone(), shutdown.clone()));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
            // Reaps connections that have ended.
            Some(_) = tasks.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                let (acceptor, state, shutdown) = (acceptor.clone(), state.clone(), shutdown.clone());
                tasks.spawn(async move {
                    tokio::select! {
                        () = shutdown.cancelled() => {}
                        () = connection(stream, acceptor, state, shutdown.clone()) => {}
                    }
                });
            }
            // Out of file descriptors, or a client that was gone before it was accepted.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                // A retry would fail immediately: descriptors need time to be freed.
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    tasks.shutdown().await;
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, state: Arc<ApiState>, shutdown: CancellationToken) {
    // A watch's lines are small and must not wait for each other.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            return;
        }
        Err(_) => return,
    };
    let unused = Arc::new(Mutex::new(Some(state.requests.connected())));
    let certificates = stream.get_ref().1.peer_certificates();
    let peer = certificates.and_then(|chain| chain.first()).and_then(|der| certificate_user(der));
    let broken = CancellationToken::new();
    let breaks = broken.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (state, peer, shutdown, breaks) = (state.clone(), peer.clone(), shutdown.clone(), breaks.clone());
        drop(lock(&unused).take());
        async move { Ok::<_, Infallible>(respond(state, peer, shutdown, breaks, request).await) }
    });
    let builder = http1::Builder::new();
    let served = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    if let Some(Err(error)) = broken.run_until_cancelled(served).await {
        tracing::debug!(%error, "connection ended");
    }
}

/// Answers a request; `breaks` ends its connection.
async fn respond(
    state: Arc<ApiState>,
    peer: Option<User>,
    shutdown: CancellationToken,
    breaks: CancellationToken,
    request: Request<Incoming>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut body = Body::new(body);
    let mut shown = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let mut dry_run = Query::of(&parts.uri).has("dryRun");
    // A deletion may say so in its body.
    if parts.method == Method::DELETE && !dry_run {
        let read = match read_body(body).await {
            Ok(read) => read,
            Err(error) => return error.into_response(),
        };
        dry_run = faults::is_dry_run(&parts, &read);
        if dry_run {
            shown.push_str("?dryRun=All");
        }
        body = Body::from(read);
    }
    state.requests.record(parts.method.as_str(), &shown);
    tracing::debug!(method = %parts.method, path = shown, "request");
    let process = |parts, body| {
        let handled = handle(state.clone(), peer.clone(), shutdown.clone(), parts, body);
        async { handled.await.unwrap_or_else(ApiError::into_response) }
    };
    let packs = compression::accepted(&parts.headers);
    let mut response = match state.faults.planned(&parts, dry_run) {
        None => process(parts, body).await,
        Some(planned) => match read_body(body).await {
            Ok(body) => match faults::perform(&state, planned, parts, body, process).await {
                Some(response) => response,
                None => {
                    breaks.cancel();
                    std::future::pending().await
                }
            },
            Err(error) => error.into_response(),
        },
    };
    if packs {
        response = compression::compressed(response).await;
    }
    response.headers_mut().insert("audit-id", audit_id());
    response
}

/// Real servers name each request; some clients print it.
fn audit_id() -> HeaderValue {
    HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).unwrap_or(HeaderValue::from_static("-"))
}

async fn handle(
    state: Arc<ApiState>,
    peer: Option<User>,
    shutdown: CancellationToken,
    mut parts: Parts,
    body: Body,
) -> Result<Response<Body>, ApiError> {
    let path = parts.uri.path().to_owned();
    if let Some(health) = discovery::health(&path) {
        return Ok(health);
    }
    let query = Query::of(&parts.uri);
    let user = authenticate(&parts.headers, peer.as_ref(), |token| state.bearer(token), &*state.authorizer)?;
    let target = Target::parse(&path);
    let attributes = target.attributes(&parts.method, &path, &query);
    permission::check(&*state.authorizer, &user, &attributes)?;
    if attributes.subresource == "portforward" && attributes.verb == "get" {
        // From 1.35 on, opening a stream with GET needs `create` as well.
        let create = Attributes { verb: "create".to_owned(), ..attributes };
        permission::check(&*state.authorizer, &user, &create)?;
    }
    let format = match &target {
        Target::Path | Target::Nothing { .. } => Format::FULL,
        Target::Objects { subresource, .. } if matches!(subresource.as_str(), "log" | "portforward") => Format::FULL,
        Target::Objects { name, .. } if name.is_empty() && parts.method == Method::GET => {
            Format::negotiate(&parts.headers, query.get("includeObject"), true)?
        }
        _ => Format::negotiate(&parts.headers, query.get("includeObject"), false)?,
    };
    let headers = parts.headers.clone();
    let call = Call { state, user, query, headers, format, shutdown };
    match target {
        Target::Path => match discovery::answer(&path, &parts.headers) {
            Some(answer) if parts.method == Method::GET => Ok(answer),
            Some(_) => Err(ApiError::method_not_allowed()),
            None => no_such_path(&path),
        },
        Target::Nothing { .. } => no_such_path(&path),
        Target::Review(resource) if parts.method == Method::POST => {
            review::create(&call, resource, &read_body(body).await?)
        }
        Target::Review(_) => Err(ApiError::method_not_allowed()),
        Target::Objects { resource, namespace, name, subresource } if name.is_empty() => {
            debug_assert!(subresource.is_empty());
            collection(&call, &parts.method, resource, &namespace, body).await
        }
        Target::Objects { resource, namespace, name, subresource } => {
            let key = Key::new(resource.plural, namespace, name);
            object(&call, &mut parts, resource, key, &subresource, body).await
        }
    }
}

async fn collection(
    call: &Call,
    method: &Method,
    resource: &'static Resource,
    namespace: &str,
    body: Body,
) -> Result<Response<Body>, ApiError> {
    match *method {
        Method::POST if VIEWS.contains(&resource) => Err(ApiError::method_not_allowed()),
        Method::GET if call.query.flag("watch") => watch::watch(call, resource, namespace),
        Method::GET => read::list(call, resource, namespace),
        Method::POST => write::create(call, resource, namespace, &read_body(body).await?),
        Method::DELETE => delete::delete_collection(call, resource, namespace, &read_body(body).await?),
        _ => Err(ApiError::method_not_allowed()),
    }
}

async fn object(
    call: &Call,
    parts: &mut Parts,
    resource: &'static Resource,
    key: Key,
    subresource: &str,
    body: Body,
) -> Result<Response<Body>, ApiError> {
    let method = parts.method.clone();
    match (subresource, &method) {
        ("", &Method::PUT | &Method::PATCH) if VIEWS.contains(&resource) => Err(ApiError::method_not_allowed()),
        ("", &Method::GET) => read::get(call, resource, &key),
        ("", &Method::PUT) => write::update(call, resource, &key, "", &read_body(body).await?),
        ("", &Method::PATCH) => write::patch(call, resource, &key, "", &read_body(body).await?),
        ("", &Method::DELETE) => delete::delete(call, resource, &key, &read_body(body).await?),
        ("status", method) if resource.has_status() => match *method {
            Method::GET => read::get(call, resource, &key),
            Method::PUT => write::update(call, resource, &key, "status", &read_body(body).await?),
            Method::PATCH => write::patch(call, resource, &key, "status", &read_body(body).await?),
            _ => Err(ApiError::method_not_allowed()),
        },
        ("finalize", &Method::PUT) if resource.plural == "namespaces" => {
            write::update(call, resource, &key, "finalize", &read_body(body).await?)
        }
        ("scale", method) if resource.plural == "statefulsets" => match *method {
            Method::GET => scale::get(call, &key),
            Method::PUT => scale::update(call, &key, &read_body(body).await?),
            Method::PATCH => scale::patch(call, &key, &read_body(body).await?),
            _ => Err(ApiError::method_not_allowed()),
        },
        ("eviction", &Method::POST) if resource.plural == "pods" => {
            eviction::evict(call, &key, &read_body(body).await?)
        }
        ("token", &Method::POST) if resource.plural == "serviceaccounts" => {
            tokens::create(call, &key, &read_body(body).await?)
        }
        ("log", &Method::GET) if resource.plural == "pods" => streams::log(call, &key),
        ("portforward", &Method::GET | &Method::POST) if resource.plural == "pods" => {
            streams::port_forward(call, key, parts).await
        }
        ("exec" | "attach", _) if resource.plural == "pods" => Err(ApiError::bad_request(
            "pods of the practice cluster have no containers to run a command in: connect to their ports instead",
        )),
        ("", _) => Err(ApiError::method_not_allowed()),
        _ => Err(ApiError::no_such_route()),
    }
}

async fn read_body(body: Body) -> Result<Bytes, ApiError> {
    axum::body::to_bytes(body, BODY_LIMIT).await.map_err(|_| ApiError::too_large())
}

/// Answers an unknown path: a `Status` below a served group, plain text for any other path.
fn no_such_path(path: &str) -> Result<Response<Body>, ApiError> {
    if discovery::is_routed(path) {
        return Err(ApiError::no_such_route());
    }
    let mut response = Response::new(Body::from("404 page not found\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}
