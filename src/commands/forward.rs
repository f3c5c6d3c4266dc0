//! `forward`: a local port that forwards to a component and survives pod replacement.

mod arguments;
mod conninfo;
mod libpq;
mod psql;

use super::Context;
use super::context::DEADLINE;
use super::namespaces::scope;
use super::target::{Sought, choose, none, several, target};
use crate::cli::{DEFAULT_PORT, ForwardArgs, Machine, Output};
use crate::cluster::forward::{Destination, Forward, Speaks, Unserved};
use crate::cluster::listener::{Listener, Wanted};
use crate::cluster::pods::PodWatch;
use crate::cluster::snapshot::{Read, Snapshot};
use crate::cluster::{Allowed, Cluster, Permission, ReadRequest};
use crate::error::{Error, Exit, Result};
use crate::render::forward::At;
use crate::render::{forward as text, structured};
use crate::suggestion::{kubectl, plugin, quoted};
use crate::topology::forward_target::{ForwardState, ForwardTarget};
use crate::topology::health::being_deleted;
use crate::topology::layout::{SqlEndpoint, StatusEndpoint};
use crate::topology::target::TargetName;
use crate::topology::{Member, Role, SpaceKind, Topology, build};
use libpq::{for_libpq, port_of_socket};
use psql::{Leads, Psql};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Time limit for the last bytes after psql has ended.
const LAST: Duration = Duration::from_secs(1);
/// The metadata proxy's short name.
const META: &str = "meta";
const SOUGHT: Sought = Sought { verb: "forward", act: "forward to", question: "Forward to which pod?", so_far: None };

/// Where a component accepts connections.
#[derive(Clone, Debug)]
enum Endpoint {
    Sql(SqlEndpoint),
    Page(StatusEndpoint),
}

impl Endpoint {
    fn port(&self) -> u16 {
        match self {
            Self::Sql(sql) => sql.port,
            Self::Page(page) => page.port,
        }
    }
}

pub(super) async fn forward(context: &Context, args: &ForwardArgs) -> Result<Exit> {
    context.also_in_json(&args.output, open(context, args).await)
}

async fn open(context: &Context, args: &ForwardArgs) -> Result<Exit> {
    let run = if args.psql { Some(psql::Run::of(&args.psql_args)?) } else { None };
    let cluster = context.cluster().await?;
    let (topology, member, endpoint) = context.unless_interrupted(prepare(context, &cluster, args)).await?;
    let (listener, at) = listen(context, args).await?;
    let line = line(context, &at, &endpoint);

    let mut lead = ForwardTarget::to(&topology, &member);
    let now = lead.now(&topology);
    let opened = text::Opened {
        member: &member,
        standing: &now,
        at: &at,
        remote_port: endpoint.port(),
        line: line.as_deref(),
        sql: matches!(endpoint, Endpoint::Sql(_)),
    };
    let (say, to) = watch::channel(destination(&now));
    let (tell, unserved) = mpsc::unbounded_channel();
    let speaks = if opened.sql { Speaks::Sql } else { Speaks::Other };
    let forward = cluster.forward(listener, (&member.namespace, endpoint.port()), speaks, to, tell);
    let pods = cluster.watch_pods(&member.namespace, lead.only());
    let psql = match (run, &endpoint) {
        (Some(run), Endpoint::Sql(sql)) => {
            // psql reports everything else.
            if let ForwardState::NotReady(why) = &now {
                context.screen.note(&text::unavailable(why, context.screen.err));
            }
            let leads = Leads {
                at: &at,
                address: args.address.ip(),
                pod: (&member.namespace, &member.name),
                trusted: topology.trusted(&member).is_ok(),
                sql,
            };
            Some(Psql::start(context, &run, &leads)?)
        }
        _ => {
            print_opened(context, args, &opened)?;
            None
        }
    };
    Open { context, lead, now, say, forward, pods, unserved, psql }.stay().await
}

fn print_opened(context: &Context, args: &ForwardArgs, opened: &text::Opened<'_>) -> Result<()> {
    let screen = context.screen;
    screen.note(&text::destination(opened, screen.err));
    match &args.output {
        // One line, which can be read while the forward is open.
        Output::Machine(Machine::Json) => screen.result(&structured::line(&text::machine(opened))),
        Output::Machine(form) => screen.result(&structured::document(form, &text::machine(opened))?),
        _ => {
            screen.result(&format!("{}\n", opened.line.map_or_else(|| opened.at.to_string(), str::to_owned)));
            screen.note(text::ENDS);
        }
    }
    Ok(())
}

/// Reads the cluster, finds the target and its endpoint, and checks the permissions.
async fn prepare(context: &Context, cluster: &Cluster, args: &ForwardArgs) -> Result<(Topology, Member, Endpoint)> {
    let mut typed = args.target.as_deref().map(TargetName::parse);
    let mut namespace =
        typed.as_ref().and_then(|typed| typed.namespace.clone()).or_else(|| context.global.namespace.clone());
    if let Some(meta) = typed.as_mut().filter(|typed| typed.name == META) {
        Role::MetadataProxy.name().clone_into(&mut meta.name);
        namespace = meta.namespace.clone().or_else(|| Some(context.layout().system_namespace.clone()));
    }
    let scope = scope(context, cluster, namespace.as_deref(), false, DEADLINE).await?;
    let snapshot = scope.read(cluster, ReadRequest::default()).await?;
    let topology = build(&snapshot, context.layout());
    let member = match typed {
        Some(_) => target(context, cluster, &snapshot, &topology, typed, &SOUGHT).await?,
        None => proxy(context, cluster, &snapshot, &topology).await?,
    };
    if topology.space(&member.namespace).is_some_and(|space| space.terminating) {
        let sentence = format!("{}: the pod will not be replaced", being_deleted(&member.namespace));
        context.screen.note(&text::note(&sentence, context.screen.err));
    }
    if let Err(why) = topology.trusted(&member) {
        let sentence = format!("{}: {why}; do not send it a real password", member.path());
        context.screen.note(&text::note(&sentence, context.screen.err));
    }
    let endpoint = endpoint(&topology, &member)?;
    if args.psql && matches!(endpoint, Endpoint::Page(_)) {
        return Err(Error::usage(format!("{} does not accept SQL, so --psql cannot be used", member.path()))
            .hint(plugin("forward").word(member.path())));
    }
    if args.psql
        && let Some(socket) = &args.socket
        && port_of_socket(socket).is_none()
    {
        return Err(Error::usage(format!("psql cannot find a socket named {}", socket.display()))
            .because("it needs a folder, and a name that contains the port")
            .hint("use --socket FOLDER/.s.PGSQL.5432"));
    }
    permitted(context, cluster, &ForwardTarget::to(&topology, &member), &member).await?;
    Ok((topology, member, endpoint))
}

/// Returns the default target: the account's proxy, if there is only one; otherwise the user chooses.
async fn proxy(context: &Context, cluster: &Cluster, snapshot: &Snapshot, topology: &Topology) -> Result<Member> {
    let with_sql = |kind: Option<SpaceKind>| -> Vec<&Member> {
        let spaces = topology.spaces.iter().filter(|space| kind.is_none_or(|kind| space.kind == kind));
        let components = spaces.flat_map(|space| &space.components).filter(|component| component.sql.is_some());
        components.flat_map(|component| &component.members).collect()
    };
    let all = with_sql(None);
    match (with_sql(Some(SpaceKind::Account)).as_slice(), all.as_slice()) {
        ([one], _) | ([], [one]) => Ok((*one).clone()),
        (_, []) => {
            for objects in &snapshot.namespaces {
                if let Read::Unknown(part) = &objects.pods {
                    return Err(cluster.unreadable(part));
                }
            }
            Err(none(&SOUGHT))
        }
        _ if context.screen.interactive => choose(context, SOUGHT.question, &all, &SOUGHT).await,
        _ => Err(several("TARGET is required: there is more than one proxy", &all, &SOUGHT)),
    }
}

fn endpoint(topology: &Topology, member: &Member) -> Result<Endpoint> {
    let component = topology.component_of(member);
    if let Some(sql) = component.and_then(|component| component.sql.clone()) {
        return Ok(Endpoint::Sql(sql));
    }
    if let Some(page) = component.and_then(|component| component.page.clone()) {
        return Ok(Endpoint::Page(page));
    }
    let error = Error::refused(format!("{} does not accept connections", member.path()));
    let answers = topology.answering(member).and_then(|endpoint| Some((endpoint.role, endpoint.members.first()?)));
    Err(match answers {
        Some((role, answers)) => error
            .because(format!("connect through the {role} of its account"))
            .hint(plugin("forward").word(answers.path())),
        None => error
            .because("the layout names no port for it")
            .hint(plugin("layout").of_no_cluster().note("to see it; --layout FILE uses another one")),
    })
}

/// Checks the permissions to watch the pod and forward to it.
async fn permitted(context: &Context, cluster: &Cluster, lead: &ForwardTarget, member: &Member) -> Result<()> {
    let ask = |verb, resource| {
        let permission = Permission::new(verb, resource).in_namespace(&member.namespace);
        // If the pod's name may change, the permission must be for any pod.
        match lead.only() {
            Some(pod) => permission.named(pod),
            None => permission,
        }
    };
    let needed = [
        ask("list", "pods"),
        ask("watch", "pods"),
        // A WebSocket is a GET; from 1.35 on the server also requires `create`.
        ask("get", "pods/portforward"),
        ask("create", "pods/portforward"),
    ];
    for (permission, allowed) in cluster.review(&needed, DEADLINE).await {
        let why = match allowed {
            Allowed::Yes => continue,
            Allowed::Unknown(why) => {
                let sentence = format!("unknown whether you may {permission}: {why}");
                context.screen.note(&text::note(&sentence, context.screen.err));
                continue;
            }
            Allowed::No(why) => why,
        };
        if permission.verb == "create" && cluster.minor_version(DEADLINE).await.is_some_and(|minor| minor < 35) {
            continue;
        }
        return Err(Error::refused(format!("missing permission: {permission}")).because(why).hint(
            kubectl("auth can-i")
                .word(permission.verb)
                .word(if permission.subresource.is_some() { "pods/portforward" } else { "pods" })
                .namespace(&member.namespace),
        ));
    }
    Ok(())
}

async fn listen(context: &Context, args: &ForwardArgs) -> Result<(Listener, At)> {
    let note = |sentence: &str| context.screen.note(&text::note(sentence, context.screen.err));
    if let Some(socket) = &args.socket {
        let socket = std::path::absolute(socket)
            .map_err(|error| Error::usage(format!("--socket {}", socket.display())).because_of(error))?;
        return Ok((Listener::bind_socket(&socket)?, At::Socket(socket)));
    }
    let wanted = args.port.map_or(Wanted::From(DEFAULT_PORT), Wanted::Exactly);
    let listener = Listener::bind(args.address, wanted).await?;
    let port = listener.port().unwrap_or_default();
    if wanted == Wanted::From(DEFAULT_PORT) && port != DEFAULT_PORT {
        note(&format!("local port {DEFAULT_PORT} is in use; using {port}"));
    }
    if args.address.is_loopback() {
        note("every user of this machine can connect to this port; to restrict it to yourself, use --socket FILE");
    } else {
        note("listening on a non-loopback address: everyone who can reach it gets to the database login");
    }
    Ok((listener, At::Port { host: args.address.host(), port }))
}

/// Returns the line to paste; `None` if psql cannot find the socket.
fn line(context: &Context, at: &At, endpoint: &Endpoint) -> Option<String> {
    match endpoint {
        Endpoint::Sql(sql) => {
            let (host, port) = for_libpq(at)?;
            let passfile = context.practice_passfile.as_ref();
            let passfile = passfile.map(|path| format!("PGPASSFILE={} ", quoted(&path.to_string_lossy())));
            let (passfile, host) = (passfile.unwrap_or_default(), quoted(&host));
            let (user, database) = (quoted(&sql.user), quoted(&sql.database));
            Some(format!("{passfile}psql -h {host} -p {port} -U {user} -d {database}"))
        }
        Endpoint::Page(page) => Some(match at {
            At::Port { .. } => format!("curl {}", quoted(&format!("http://{at}{}", page.path))),
            At::Socket(socket) => {
                let socket = quoted(&socket.to_string_lossy());
                format!("curl --unix-socket {socket} {}", quoted(&format!("http://localhost{}", page.path)))
            }
        }),
    }
}

fn destination(standing: &ForwardState) -> Option<Destination> {
    match standing {
        ForwardState::Ready { pod, uid } => Some(Destination { pod: pod.clone(), uid: uid.clone() }),
        ForwardState::NotReady(_) => None,
    }
}

/// An open port forward.
struct Open<'c> {
    context: &'c Context,
    lead: ForwardTarget,
    now: ForwardState,
    say: watch::Sender<Option<Destination>>,
    forward: Forward,
    pods: PodWatch,
    unserved: mpsc::UnboundedReceiver<Unserved>,
    psql: Option<Psql>,
}

impl Open<'_> {
    /// Serves until it is interrupted, or psql has ended.
    async fn stay(mut self) -> Result<Exit> {
        loop {
            tokio::select! {
                biased;
                () = self.context.interrupt.cancelled() => {
                    return match self.psql {
                        Some(psql) => psql.terminate().await,
                        None => Ok(Exit::Yes),
                    };
                }
                ended = ended(&mut self.psql) => {
                    self.forward.drain(LAST).await;
                    return ended;
                }
                snapshot = self.pods.changed() => self.update(&snapshot?),
                Some(Unserved(why)) = self.unserved.recv() => {
                    self.note(&text::note(&format!("a connection was closed: {why}"), self.context.screen.err));
                }
                () = self.forward.serve() => {}
            }
        }
    }

    /// Points the forward to the current pod.
    fn update(&mut self, snapshot: &Snapshot) {
        let now = self.lead.now(&build(snapshot, self.context.layout()));
        if now == self.now {
            return;
        }
        let leads = destination(&now);
        // The reason for waiting may change: one note per loss is enough.
        let news = leads.is_some() || destination(&self.now).is_some();
        // Clients first, the note afterwards.
        self.say.send_replace(leads);
        if news {
            self.note(&text::changed(&now, self.context.screen.err));
        }
        self.now = now;
    }

    fn note(&self, text: &str) {
        // The cursor is at psql's prompt.
        let before = if self.psql.is_some() { "\n" } else { "" };
        self.context.screen.note(&format!("{before}{text}"));
    }
}

/// Waits for psql's end; forever without psql.
async fn ended(psql: &mut Option<Psql>) -> Result<Exit> {
    match psql {
        Some(psql) => psql.ended().await,
        None => std::future::pending().await,
    }
}
