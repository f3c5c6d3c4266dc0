//! Streams into pods: `portforward` over WebSocket, and `log`.
//!
//! Framing (`v4.channel.k8s.io`, binary): the first byte of a message is its channel; port i has channel 2i for data
//! and 2i+1 for an error text. On each the server first sends the port, two bytes, little endian.

use super::call::Call;
use super::pod_streams::{DuplexIo, PodStreams};
use super::request::Query;
use super::status::ApiError;
use crate::resources::PODS;
use crate::store::{ChangeKind, Key, Store};
use crate::values::text;
use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode, header};
use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt, future};
use std::num::{IntErrorKind, ParseIntError};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

/// Bytes read from a pod at once.
const CHUNK: usize = 32 * 1024;

type Sink = Arc<Mutex<SplitSink<WebSocket, Message>>>;

/// `pods/NAME/log`: the workload's log as plain text.
pub(super) fn log(call: &Call, key: &Key) -> Result<Response<Body>, ApiError> {
    call.state.store.get(key).ok_or_else(|| ApiError::not_found(&PODS, &key.name))?;
    let log = call.state.streams.log(&key.namespace, &key.name, call.query.get("container"));
    let mut response = Response::new(Body::from(log));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}

/// `pods/NAME/portforward`: upgrades the connection and carries bytes until a side closes, or the pod goes.
pub(super) async fn port_forward(call: &Call, key: Key, parts: &mut Parts) -> Result<Response<Body>, ApiError> {
    if call.query.has("dryRun") {
        return Err(ApiError::bad_request("dryRun is not supported"));
    }
    let ports = ports(&call.query)?;
    let store = call.state.store.clone();
    // The watch is open before the pod is looked at, so that no deletion falls between the two.
    let mut watcher = store.watch(store.version()).map_err(|_| ApiError::internal("the history was compacted"))?;
    let pod = store.get(&key).ok_or_else(|| ApiError::not_found(&PODS, &key.name))?;
    if text(&pod["spec"]["nodeName"]).is_empty() {
        return Err(ApiError::bad_request(format!("pod {} does not have a host assigned", key.name)));
    }
    let said = |name: header::HeaderName| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !said(header::CONNECTION).to_ascii_lowercase().contains("upgrade") {
        return Err(ApiError::bad_request("Upgrade request required"));
    }
    let upgrade = said(header::UPGRADE);
    if !upgrade.eq_ignore_ascii_case("websocket") {
        return Err(no_tunnel(upgrade));
    }
    if ports.is_empty() {
        return Ok(from_node("query parameter \"port\" is required"));
    }
    // A channel's number is a byte, and a port has two.
    if ports.contains(&0) || ports.len() > 128 {
        return Ok(from_node("port \"0\" must be > 0"));
    }
    if text(&pod["status"]["phase"]) != "Running" {
        return Err(ApiError::bad_request(format!(
            "unable to forward port because pod is not running. Current status={}",
            text(&pod["status"]["phase"])
        )));
    }
    let socket = WebSocketUpgrade::from_request_parts(parts, &())
        .await
        .map_err(|rejection| ApiError::bad_request(rejection.body_text()))?
        .protocols(["v4.channel.k8s.io", "portforward.k8s.io"]);
    if socket.selected_protocol().is_none() {
        let asked = parts.headers.get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|v| v.to_str().ok());
        return Err(no_tunnel(asked.unwrap_or("no subprotocol")));
    }
    let streams = call.state.streams.clone();
    let uid = pod["metadata"]["uid"].clone();
    let end = call.shutdown.child_token();
    Ok(socket.on_upgrade(move |socket| async move {
        let gone = async {
            loop {
                match watcher.next().await {
                    Some(change)
                        if change.kind == ChangeKind::Deleted
                            && change.key == key
                            && change.object["metadata"]["uid"] == uid =>
                    {
                        break;
                    }
                    Some(_) => {}
                    None if store_has(&store, &key, &uid) && watcher.expired() => match store.watch(store.version()) {
                        Ok(fresh) => watcher = fresh,
                        Err(_) => break,
                    },
                    None => break,
                }
            }
        };
        let carried = carry(socket, streams, &key, &ports, end.clone());
        tokio::select! {
            () = gone => {}
            () = end.cancelled() => {}
            () = carried => {}
        }
        end.cancel();
    }))
}

/// The ports in the query.
fn ports(query: &Query) -> Result<Vec<u16>, ApiError> {
    let number = |text: &str| {
        text.parse::<u16>().map_err(|error: ParseIntError| {
            let why = match error.kind() {
                IntErrorKind::PosOverflow => "value out of range",
                _ => "invalid syntax",
            };
            let message = format!("cannot convert to []int32: strconv.ParseUint: parsing {text:?}: {why}");
            ApiError::bad_request(message)
        })
    };
    query.all("ports").flat_map(|list| list.split(',')).map(number).collect()
}

/// A refusal of the pod's node, which the server passes on as it is.
fn from_node(why: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{why}\n")));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// kubectl's own forwarding speaks SPDY, inside a WebSocket or not.
fn no_tunnel(asked: &str) -> ApiError {
    ApiError::bad_request(format!(
        "the practice cluster forwards ports over WebSocket with v4.channel.k8s.io only, not with {asked}: kubectl's own \
         port-forward does not work on it"
    ))
}

fn store_has(store: &Store, key: &Key, uid: &serde_json::Value) -> bool {
    store.get(key).is_some_and(|pod| pod["metadata"]["uid"] == *uid)
}

async fn carry(socket: WebSocket, streams: Arc<dyn PodStreams>, key: &Key, ports: &[u16], end: CancellationToken) {
    let (sink, mut incoming) = socket.split();
    let sink: Sink = Arc::new(Mutex::new(sink));
    let mut writers = Vec::new();
    let mut workers = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let Ok(channel) = u8::try_from(2 * index) else { return };
        let [low, high] = port.to_le_bytes();
        for channel in [channel, channel + 1] {
            if send(&sink, vec![channel, low, high]).await.is_err() {
                return;
            }
        }
        let (sender, receiver) = mpsc::channel::<Bytes>(16);
        writers.push(sender);
        let connecting = streams.connect(&key.namespace, &key.name, *port);
        workers.push(serve_port(sink.clone(), channel, connecting, receiver));
    }
    let read = async {
        while let Some(Ok(message)) = incoming.next().await {
            match message {
                Message::Binary(bytes) => {
                    let Some((channel, data)) = bytes.split_first() else { continue };
                    // Clients write to data channels only; empty messages are ignored.
                    if channel % 2 == 0
                        && !data.is_empty()
                        && let Some(writer) = writers.get(usize::from(*channel / 2))
                    {
                        // A closed port takes nothing more; the others stay open.
                        let _ = writer.send(bytes.slice(1..)).await;
                    }
                }
                Message::Close(_) => break,
                Message::Text(_) | Message::Ping(_) | Message::Pong(_) => {}
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = end.cancelled() => {}
        _ = future::join_all(workers) => {}
    }
    let mut sink = sink.lock().await;
    let _ = sink.send(Message::Close(None)).await;
}

/// One port: connects it, then copies both ways until the pod's side ends.
async fn serve_port(
    sink: Sink,
    channel: u8,
    connecting: future::BoxFuture<'static, Result<Box<dyn DuplexIo>, String>>,
    mut from_client: mpsc::Receiver<Bytes>,
) {
    let stream = match connecting.await {
        Ok(stream) => stream,
        Err(why) => {
            let mut message = vec![channel + 1];
            message.extend(why.as_bytes());
            let _ = send(&sink, message).await;
            return;
        }
    };
    let (mut reader, mut writer) = tokio::io::split(stream);
    let to_pod = async {
        while let Some(bytes) = from_client.recv().await {
            if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
                break;
            }
        }
        // The pod may still be answering.
        future::pending::<()>().await;
    };
    let to_client = async {
        let mut buffer = vec![0; CHUNK];
        while let Ok(count) = reader.read(&mut buffer).await {
            if count == 0 {
                break;
            }
            let mut message = Vec::with_capacity(count + 1);
            message.push(channel);
            message.extend(&buffer[..count]);
            if send(&sink, message).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = to_pod => {}
        () = to_client => {}
    }
}

async fn send(sink: &Sink, message: Vec<u8>) -> Result<(), axum::Error> {
    sink.lock().await.send(Message::Binary(message.into())).await
}
