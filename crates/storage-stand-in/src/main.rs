//! One safekeeper or pageserver in a pod: `storage-stand-in safekeeper`, `storage-stand-in pageserver`.
//!
//! The environment sets its identity (`POD_NAME`, `POD_NAMESPACE`, `POD_IP`) and behavior (`STORAGE_SETTINGS`). Its
//! state is on the volume at /data (`DATA`), and the folder for object storage is at /objects (`OBJECTS`). It also
//! contains the pod's address, by which peers find it: the tests' Kubernetes has no DNS. It listens on all addresses of
//! the pod (or only on `LISTEN`), because a port-forward uses the loopback interface.

use std::collections::BTreeSet;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use storage_stand_in::{Identity, Installation, Role, Settings, StandIn, TimelineId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// How often the peers are queried.
const ROUND: Duration = Duration::from_millis(250);

/// How long to wait for a peer's answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// The last line of a peer's answer: without it, the others were truncated.
const END: &str = "end";

type Failure = Box<dyn Error>;

fn variable(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|_| format!("{name} is not set").into())
}

fn folder(name: &str, usual: &str) -> PathBuf {
    std::env::var_os(name).map_or_else(|| PathBuf::from(usual), PathBuf::from)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Failure> {
    // The first process of a container receives only signals that it handles.
    let ended = termination()?;
    let role = match std::env::args().nth(1).as_deref() {
        Some("safekeeper") => Role::Safekeeper,
        Some("pageserver") => Role::Pageserver,
        other => return Err(format!("{}: not safekeeper or pageserver", other.unwrap_or("nothing")).into()),
    };
    let name = variable("POD_NAME")?;
    let shared = folder("OBJECTS", "/objects").join(variable("POD_NAMESPACE")?).join("storage");
    let installation = Arc::new(Installation::open(&shared)?);
    let addresses = shared.join("addresses");
    std::fs::create_dir_all(&addresses)?;
    let address: IpAddr = variable("POD_IP")?.parse()?;

    // If it starts on an empty disk with an unlimited rate, it fetches from peers before it is Ready.
    ask_peers(&installation, &addresses, &name).await;
    let settings = Settings::read(&std::env::var("STORAGE_SETTINGS").unwrap_or_default())?;
    let own = (settings.member(&name)?, settings.computes);
    let data = folder("DATA", "/data");
    let member = StandIn::start(Identity { role, name: name.clone() }, own, Some(&data), installation.clone())?;
    if let Some(code) = member.exits() {
        return Ok(ExitCode::from(u8::try_from(code)?));
    }
    let member = Arc::new(member);
    let listen: IpAddr = std::env::var("LISTEN").map_or(Ok(Ipv4Addr::UNSPECIFIED.into()), |text| text.parse())?;
    let wal = TcpListener::bind((listen, role.wal_port())).await?;
    let http = TcpListener::bind((listen, role.http_port())).await?;
    if role == Role::Safekeeper {
        register(&addresses, &name, address)?;
    }
    let https = match member.has_https() {
        true => Some(TcpListener::bind((listen, role.https_port())).await?),
        false => None,
    };
    let peers = async {
        loop {
            tokio::time::sleep(ROUND).await;
            ask_peers(&installation, &addresses, &name).await;
        }
    };
    tokio::select! {
        () = peers => {}
        result = serve_http(&http, &member) => result?,
        result = serve_https(https.as_ref(), &member) => result?,
        result = serve_peers(&wal, &member) => result?,
        () = ended => {}
    }
    member.end();
    Ok(ExitCode::SUCCESS)
}

/// Returns a future that resolves at a termination signal.
#[cfg(unix)]
fn termination() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut told = signal(SignalKind::terminate())?;
    Ok(async move {
        told.recv().await;
    })
}

/// Such pods do not exist; this only makes the code compile.
#[cfg(not(unix))]
fn termination() -> std::io::Result<impl Future<Output = ()>> {
    Ok(std::future::pending())
}

async fn serve_http(listener: &TcpListener, member: &Arc<StandIn>) -> Result<(), Failure> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(member.clone().serve(stream, || true));
    }
}

/// The same over HTTPS; never resolves without a listener.
async fn serve_https(listener: Option<&TcpListener>, member: &Arc<StandIn>) -> Result<(), Failure> {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(member.clone().serve_https(stream, || true));
    }
}

/// Sends what this one holds to every client.
async fn serve_peers(listener: &TcpListener, member: &Arc<StandIn>) -> Result<(), Failure> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let holds = member.holds()?;
        tokio::spawn(async move {
            let mut text: String = holds.iter().map(|id| format!("{}/{}\n", id.tenant, id.timeline)).collect();
            text.push_str(END);
            // A client that disconnects gets no answer.
            let _ = stream.write_all(text.as_bytes()).await;
        });
    }
}

/// Writes the address to the folder where peers look for it, atomically, because one may be reading.
fn register(addresses: &Path, name: &str, address: IpAddr) -> std::io::Result<()> {
    let unfinished = addresses.join(format!(".{name}"));
    std::fs::write(&unfinished, address.to_string())?;
    std::fs::rename(unfinished, addresses.join(name))
}

/// Asks every safekeeper that ever registered what it holds; one that does not answer is not running.
async fn ask_peers(installation: &Installation, addresses: &Path, own: &str) {
    let known = std::fs::read_dir(addresses).into_iter().flatten().flatten();
    for entry in known {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == own || name.starts_with('.') {
            continue;
        }
        let address = std::fs::read_to_string(entry.path()).ok().and_then(|text| text.parse::<IpAddr>().ok());
        let answer = match address {
            Some(address) => timeout(PATIENCE, ask(address)).await.ok().flatten(),
            None => None,
        };
        match answer {
            Some(holds) => installation.runs(&name, 0, holds),
            None => installation.ended(&name, 0),
        }
    }
}

async fn ask(address: IpAddr) -> Option<BTreeSet<TimelineId>> {
    let mut stream = TcpStream::connect((address, Role::Safekeeper.wal_port())).await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    let lines = text.strip_suffix(END)?.lines().map(|line| {
        let (tenant, timeline) = line.split_once('/')?;
        Some(TimelineId { tenant: tenant.to_owned(), timeline: timeline.to_owned() })
    });
    lines.collect()
}
