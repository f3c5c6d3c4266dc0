use super::*;
use crate::cli::{LoginArgs, SslMode};
use crate::plan::ExpectedAvailability;
use crate::probe::login::Environment;
use crate::topology::layout::SqlEndpoint;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How a connection is handled.
#[derive(Clone, Copy)]
enum Met {
    Answers,
    Refuses,
    Hangs,
    /// As does the API server that the connection goes through.
    Freezes,
    Breaks,
    /// The connection to the pod fails.
    NoWay,
    /// There is no pod.
    NoPod,
}

/// A server that meets its connections as `script` says, by their number from 1.
struct Server {
    script: Box<dyn Fn(usize) -> Met + Send + Sync>,
    connections: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    goodbyes: AtomicUsize,
    frozen: AtomicBool,
    told: UnboundedSender<Instant>,
}

struct ToServer {
    server: Arc<Server>,
    state: State,
}

impl Connector for ToServer {
    type Stream = DuplexStream;

    async fn connect(&self, _: Duration) -> Result<DuplexStream, ProbeError> {
        let server = &self.server;
        let met = (server.script)(server.connections.fetch_add(1, Ordering::SeqCst) + 1);
        server.frozen.store(matches!(met, Met::Freezes), Ordering::SeqCst);
        let _ = server.told.send(Instant::now());
        self.state.set(match met {
            Met::NoWay => Progress::Nothing,
            Met::NoPod => Progress::NoPod,
            _ => Progress::Pod,
        });
        match met {
            Met::NoWay => return Err(ProbeError::unsure("no way")),
            Met::NoPod => return Err(ProbeError::unsure("no pod")),
            _ => {}
        }
        let open = server.open.fetch_add(1, Ordering::SeqCst) + 1;
        server.most_open.fetch_max(open, Ordering::SeqCst);
        let (ours, theirs) = tokio::io::duplex(4096);
        tokio::spawn(server.clone().serve(theirs, met));
        Ok(ours)
    }
}

impl Server {
    /// PostgreSQL's protocol, as far as statements without rows go: each ends with a semicolon, or stands alone.
    async fn serve(self: Arc<Self>, mut client: DuplexStream, met: Met) {
        if !matches!(met, Met::Breaks) {
            let length = client.read_u32().await.unwrap() as usize;
            client.read_exact(&mut vec![0; length - 4]).await.unwrap();
            match met {
                Met::Answers => client.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await.unwrap(),
                Met::Refuses => {
                    let fields = b"SFATAL\0VFATAL\0C57P03\0Mstarting up\0\0";
                    client.write_u8(b'E').await.unwrap();
                    client.write_u32(u32::try_from(fields.len()).unwrap() + 4).await.unwrap();
                    client.write_all(fields).await.unwrap();
                    client.shutdown().await.unwrap();
                }
                _ => {}
            }
            while let Ok(kind) = client.read_u8().await {
                let length = client.read_u32().await.unwrap() as usize;
                let mut text = vec![0; length - 4];
                client.read_exact(&mut text).await.unwrap();
                match kind {
                    b'Q' => {
                        let statements = text.iter().filter(|byte| **byte == b';').count().max(1);
                        let answer = [b"C\0\0\0\x0dSELECT 1\0".repeat(statements), b"Z\0\0\0\x05I".to_vec()].concat();
                        client.write_all(&answer).await.unwrap();
                    }
                    b'X' => drop(self.goodbyes.fetch_add(1, Ordering::SeqCst)),
                    other => panic!("{}", other as char),
                }
            }
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(30);

/// One database in front of this server; what is reported is the time of each connection.
fn asked(
    deadline: Duration,
    script: impl Fn(usize) -> Met + Send + Sync + 'static,
) -> (Prober, Arc<Server>, UnboundedReceiver<Instant>) {
    many_asked(1, deadline, script)
}

fn many_asked(
    many: usize,
    deadline: Duration,
    script: impl Fn(usize) -> Met + Send + Sync + 'static,
) -> (Prober, Arc<Server>, UnboundedReceiver<Instant>) {
    let (told, heard) = unbounded_channel();
    let (connections, open, most_open, goodbyes, frozen) = Default::default();
    let server = Arc::new(Server { script: Box::new(script), connections, open, most_open, goodbyes, frozen, told });
    let endpoint = SqlEndpoint { port: 5432, user: "u".into(), database: "d".into(), login_database: None };
    let target = ProbeTarget {
        namespace: "n".into(),
        pod: "p-0".into(),
        endpoint,
        warehouse: None,
        expected: ExpectedAvailability::NoInterruption,
    };
    let probes = Probes { databases: vec![target; many], ..Probes::default() };
    let prober = Prober::start(&probes, (deadline, deadline), |target| {
        let state = State::default();
        let connector = ToServer { server: server.clone(), state: state.clone() };
        let target = SqlTarget {
            namespace: target.namespace.clone(),
            pod: target.pod.clone(),
            port: target.endpoint.port,
            user: target.endpoint.user.clone(),
            login: plain(),
            database: target.endpoint.database.clone(),
            otherwise: Vec::new(),
            warehouse: None,
        };
        let way = server.clone();
        let control: Control = Box::new(move |limit| {
            let way = way.clone();
            async move {
                if way.frozen.load(Ordering::SeqCst) {
                    tokio::time::sleep(limit).await;
                }
                !way.frozen.load(Ordering::SeqCst)
            }
            .boxed()
        });
        Way { sql: Sql::with(connector, target), state, control }
    });
    (prober, server, heard)
}

async fn account(prober: Prober, ended_well: bool) -> (Result<Downtime, String>, bool) {
    let mut reached = prober.end(ended_well, &CancellationToken::new()).await;
    assert_eq!(reached.len(), 1);
    let reach = reached.remove(0);
    (reach.measured.clone(), reach.finding())
}

/// No TLS is requested: the servers here respond to a login with their first message.
fn plain() -> Login {
    let args = LoginArgs { sslmode: Some(SslMode::Disable), ..LoginArgs::default() };
    Login::resolve(&args, &Environment::default()).unwrap().login
}

#[tokio::test]
async fn one_that_answers_fails_and_answers_again() {
    let refused = |number| (3..=4).contains(&number);
    let (mut prober, server, mut heard) = asked(LONG, move |n| if refused(n) { Met::Refuses } else { Met::Answers });
    prober.first().await;
    prober.begin();
    let mut times = Vec::new();
    while times.len() < 6 {
        times.push(heard.recv().await.unwrap());
    }
    let (account, finding) = account(prober, true).await;
    let account = account.unwrap();
    let all = server.connections.load(Ordering::SeqCst);
    assert_eq!((account.asked, account.answered, account.unknown), (all, all - 2, 0));
    assert_eq!(account.reason.as_deref(), Some("starting up (SQLSTATE 57P03)"));
    assert!(account.answered_before && finding && !account.still_away && account.interruptions == 1, "{account:?}");
    // From before the third question to after the fifth began.
    let gap = account.interruption.unwrap();
    assert!(gap >= times[4] - times[2] && account.longest_gap == Some(gap), "{account:?}");
    assert!(account.first_success_after > account.first_failure, "{account:?}");
    // Each session was closed, not dropped; a refused one has none to close.
    let all_closed = async {
        while server.open.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, all_closed).await.unwrap();
    assert_eq!((server.goodbyes.load(Ordering::SeqCst), server.most_open.load(Ordering::SeqCst)), (all - 2, 1));
}

#[tokio::test]
async fn one_that_hangs_has_one_question_at_a_time_and_is_left_alone() {
    let (mut prober, server, mut heard) = asked(SHORT, |n| if n == 2 { Met::Hangs } else { Met::Answers });
    prober.first().await;
    prober.begin();
    let mut times = Vec::new();
    while times.len() < 4 {
        times.push(heard.recv().await.unwrap());
    }
    let pause = times[2] - times[1];
    assert!(pause >= SHORT + Duration::from_secs(2), "the deadline, and then a while: {pause:?}");
    let (account, finding) = account(prober, true).await;
    let account = account.unwrap();
    assert_eq!(account.reason.as_deref(), Some("no response within 300 ms"));
    assert!(account.interruption.unwrap() >= pause, "time without probes counts as unavailable: {account:?}");
    assert!(finding && account.asked - account.answered == 1, "{account:?}");
    assert_eq!(server.most_open.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_came_back_with_the_end_of_the_run_is_seen() {
    let (mut prober, server, mut heard) = asked(LONG, |n| if n == 2 { Met::NoPod } else { Met::Answers });
    prober.first().await;
    prober.begin();
    heard.recv().await.unwrap();
    heard.recv().await.unwrap();
    let (account, _) = account(prober, true).await;
    let account = account.unwrap();
    assert_eq!((account.asked, account.answered), (server.connections.load(Ordering::SeqCst), account.asked - 1));
    assert!(account.asked > 2, "{account:?}");
    assert!(!account.still_away && account.first_success_after.is_some(), "{account:?}");
    assert_eq!(account.reason.as_deref(), Some("no pod"));
}

#[tokio::test]
async fn one_that_is_away_in_the_end_is_said_to_be() {
    let (mut prober, server, mut heard) = asked(LONG, |n| if n == 1 { Met::Answers } else { Met::Refuses });
    prober.first().await;
    prober.begin();
    for _ in 0..2 {
        heard.recv().await.unwrap();
    }
    let (account, _) = account(prober, true).await;
    let account = account.unwrap();
    assert!(account.still_away && account.first_success_after.is_none(), "{account:?}");
    assert!(account.asked > 2 && account.answered == 1, "asked once more: {account:?}");
    assert_eq!(account.asked, server.connections.load(Ordering::SeqCst), "and no more");
}

#[tokio::test]
async fn what_is_cut_off_does_not_count() {
    for (interrupted, ended_well) in [(true, true), (false, false)] {
        let (mut prober, server, mut heard) = asked(LONG, |n| if n == 1 { Met::Answers } else { Met::Hangs });
        prober.first().await;
        prober.begin();
        for _ in 0..2 {
            heard.recv().await.unwrap();
        }
        let interrupt = CancellationToken::new();
        if interrupted {
            interrupt.cancel();
        }
        let reached = prober.end(ended_well, &interrupt).await;
        let account = reached[0].measured.clone().unwrap();
        assert_eq!((account.asked, account.answered, account.longest_gap), (1, 1, None));
        assert_eq!(server.connections.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn a_way_that_is_broken_says_nothing_about_the_database() {
    for met in [Met::NoWay, Met::Breaks] {
        let (mut prober, _, mut heard) = asked(LONG, move |n| if n == 2 { met } else { Met::Answers });
        prober.first().await;
        prober.begin();
        for _ in 0..3 {
            heard.recv().await.unwrap();
        }
        let (account, finding) = account(prober, true).await;
        let account = account.unwrap();
        assert_eq!((account.unknown, account.interruption), (1, None));
        assert!(account.longest_gap.is_some() && !finding, "{account:?}");
        assert!(account.reason.is_some());
    }
    let (mut prober, ..) = asked(LONG, |_| Met::NoWay);
    prober.first().await;
    prober.begin();
    assert_eq!(account(prober, true).await.0, Err("no way".into()));
}

/// A probe that hangs is the database's outage only while the API server, which it goes through, responds to others.
#[tokio::test]
async fn a_frozen_api_server_is_not_the_databases_outage() {
    let (mut prober, _, mut heard) = asked(SHORT, |n| if n == 2 { Met::Freezes } else { Met::Answers });
    prober.first().await;
    prober.begin();
    for _ in 0..3 {
        heard.recv().await.unwrap();
    }
    let (account, finding) = account(prober, true).await;
    let account = account.unwrap();
    assert_eq!((account.unknown, account.interruption, account.interruptions), (1, None, 0), "{account:?}");
    assert!(account.longest_gap.is_some() && !finding, "{account:?}");
    assert_eq!(account.reason.as_deref(), Some("the API server, which the probe goes through, did not respond"));
}

/// The first response shows how long the way is; no probe is longer or shorter than allowed.
#[test]
fn a_probe_gets_as_much_time_as_its_way_takes() {
    let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    for (fastest, longest, expected) in [
        (None, 2 * second, 2 * second),
        (None, minute, minute),
        (Some(second / 100), minute, 2 * second),
        (Some(5 * second), minute, 20 * second),
        (Some(17 * second), minute, minute),
        (Some(second), 2 * second, 2 * second),
    ] {
        assert_eq!(time_limit(fastest, (2 * second, longest)), expected, "{fastest:?} {longest:?}");
    }
}

#[tokio::test]
async fn while_the_user_is_asked_it_asks_slowly_and_then_at_once() {
    let (mut prober, _, mut heard) = asked(LONG, |_| Met::Answers);
    let first = heard.recv().await.unwrap();
    let second = heard.recv().await.unwrap();
    assert!(second - first >= WHILE_ASKED);
    let third = heard.recv().await.unwrap();
    prober.begin();
    let fourth = heard.recv().await.unwrap();
    assert!(fourth - third < WHILE_ASKED, "{:?}", fourth - third);
    let (account, finding) = account(prober, true).await;
    let account = account.unwrap();
    assert!(account.longest_gap.is_none() && !finding, "{account:?}");
    assert!(account.asked < 4, "the ones before the last one before the run do not count: {account:?}");
}

#[tokio::test]
async fn not_all_of_many_are_asked_at_the_same_time() {
    let (mut prober, server, _heard) = many_asked(2 * AT_ONCE, LONG, |_| Met::Hangs);
    let started = Instant::now();
    prober.first().await;
    assert!(started.elapsed() < LONG / 2, "a database that hangs does not delay the run");
    assert_eq!(server.connections.load(Ordering::SeqCst), AT_ONCE);
    let reached = prober.end(false, &CancellationToken::new()).await;
    assert!(reached.len() == 2 * AT_ONCE && reached.iter().all(|reach| reach.measured.is_err()), "{reached:?}");
}

#[tokio::test]
async fn nothing_goes_on_once_it_is_dropped() {
    let (mut prober, _, mut heard) = asked(LONG, |_| Met::Answers);
    prober.first().await;
    drop(prober);
    heard.recv().await.unwrap();
    assert_eq!(heard.recv().await, None);
}
