use super::*;
use crate::cluster::testing::{Asked, Reply, Server};
use crate::error::Exit;
use serde_json::{Value, json};
use std::sync::Mutex as Std;

const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/a/leases";

pub(super) fn someone(id: &str, who: &str) -> Holder {
    let process = Process { host: format!("{who}s-host"), pid: 1, ..Process::default() };
    Holder { act: "failover".into(), id: id.into(), pod: "p-0".into(), who: who.into(), process }
}

pub(super) fn claim(id: &str, who: &str) -> LeaseRequest<'static> {
    LeaseRequest { namespace: "a", holder: someone(id, who), insist: false, clock: Timestamp::now }
}

/// A namespace's one Lease as a real server stores it: versions, conflicts. The next requests may fail first.
#[derive(Clone, Default)]
pub(super) struct Kube {
    pub(super) lease: Arc<Std<Option<Value>>>,
    version: Arc<watch::Sender<u64>>,
    /// Replies to the next writes, and whether they are carried out all the same.
    trouble: Arc<Std<Vec<(Reply, bool)>>>,
    /// Replies to the next reads.
    read_trouble: Arc<Std<Vec<Reply>>>,
}

impl Kube {
    pub(super) fn server(&self) -> Server {
        let kube = self.clone();
        Server::new(move |asked| {
            let trouble = if asked.method == "GET" {
                kube.read_trouble.lock().unwrap().pop().map(|answer| (answer, false))
            } else {
                kube.trouble.lock().unwrap().pop()
            };
            match trouble {
                Some((answer, true)) => {
                    kube.answer(asked);
                    answer
                }
                Some((answer, false)) => answer,
                None => kube.answer(asked),
            }
        })
    }

    fn answer(&self, asked: &Asked) -> Reply {
        let mut lease = self.lease.lock().unwrap();
        let conflict = || Reply::status(409, "the object has been modified");
        match (asked.method.as_str(), &*lease) {
            ("GET", None) => return Reply::status(404, "not found"),
            ("GET", Some(lease)) => return Reply::json(200, lease.clone()),
            ("POST", Some(_)) => return conflict(),
            ("PUT", None) => return conflict(),
            ("PUT", Some(now)) if now["metadata"]["resourceVersion"] != asked.body["metadata"]["resourceVersion"] => {
                return conflict();
            }
            _ => {}
        }
        assert!(asked.path.starts_with(PATH), "{asked:?}");
        *lease = Some(self.next(asked.body.clone()));
        Reply::json(200, lease.clone().unwrap())
    }

    fn next(&self, mut lease: Value) -> Value {
        self.version.send_modify(|version| *version += 1);
        lease["metadata"]["resourceVersion"] = json!(self.version.borrow().to_string());
        lease
    }

    /// Waits until it was written this often.
    pub(super) async fn written(&self, times: u64) {
        let mut version = self.version.subscribe();
        timeout(Duration::from_secs(20), version.wait_for(|version| *version >= times)).await.unwrap().unwrap();
    }

    pub(super) fn writes(&self) -> u64 {
        *self.version.borrow()
    }

    /// Another client writes it, whatever the version was.
    pub(super) fn written_by(&self, holder: &Holder, lasts: u64) {
        let annotation = serde_json::to_string(holder).unwrap();
        let lease = self.next(json!({
            "metadata": {"name": LEASE, "annotations": {HOLDER: annotation}},
            "spec": {"holderIdentity": holder.to_string(), "leaseDurationSeconds": lasts,
                "renewTime": format!("{:.6}", Timestamp::now())},
        }));
        *self.lease.lock().unwrap() = Some(lease);
    }

    pub(super) fn deleted(&self) {
        *self.lease.lock().unwrap() = None;
    }

    pub(super) fn held(&self) -> Value {
        self.lease.lock().unwrap().clone().unwrap()["spec"]["holderIdentity"].clone()
    }

    pub(super) fn trouble(&self, answers: Vec<(Reply, bool)>) {
        *self.trouble.lock().unwrap() = answers.into_iter().rev().collect();
    }

    pub(super) fn read_trouble(&self, answers: Vec<Reply>) {
        *self.read_trouble.lock().unwrap() = answers.into_iter().rev().collect();
    }
}

pub(super) async fn hold(server: &Server, claim: LeaseRequest<'_>) -> (Result<LeaseGuard>, Vec<String>) {
    let mut told = Vec::new();
    let hold = server.cluster().hold(claim, None, &mut |sentence| told.push(sentence)).await;
    (hold, told)
}

/// As if it had not been renewed for this long.
pub(super) async fn let_age(hold: &LeaseGuard, seconds: u64) {
    let mut kept = hold.kept.as_ref().unwrap().lock().await;
    kept.renewed = Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
}

#[tokio::test]
async fn it_is_taken_and_given_back_and_taken_again() {
    let kube = Kube::default();
    let server = kube.server();
    let (first, told) = hold(&server, claim("one", "alice")).await;
    let first = first.unwrap();
    assert_eq!(kube.held(), "failover one of p-0 by alice at alices-host/1");
    assert_eq!((first.stands().await, first.lost()), (Ok(()), None));
    let (second, _) = hold(&server, claim("two", "bob")).await;
    let error = second.err().unwrap();
    assert_eq!(error.exit, Exit::Refused);
    let words =
        "another failover is in progress in namespace a: failover one of p-0 by alice at alices-host/1, last renewed";
    assert!(error.what.starts_with(words), "{error}");
    assert!(error.hints.iter().any(|hint| hint.to_string().contains("--allow concurrent-failover")), "{error:?}");

    first.release().await.unwrap();
    assert_eq!(kube.held(), Value::Null);
    let (second, _) = hold(&server, claim("two", "bob")).await;
    let second = second.unwrap();
    let lease = kube.lease.lock().unwrap().clone().unwrap();
    assert_eq!(lease["spec"]["holderIdentity"], "failover two of p-0 by bob at bobs-host/1");
    assert_eq!((&lease["spec"]["leaseTransitions"], &lease["spec"]["leaseDurationSeconds"]), (&json!(1), &json!(10)));
    drop(second);
    assert!(told.is_empty(), "{told:?}");
    // Created once, and each other write is pinned to the version that was seen.
    let writes = server.requests().into_iter().filter(|asked| asked.method != "GET");
    let writes: Vec<_> =
        writes.map(|asked| (asked.method, asked.body["metadata"]["resourceVersion"].clone())).collect();
    assert_eq!(
        writes,
        [("POST".to_owned(), Value::Null), ("PUT".to_owned(), json!("1")), ("PUT".to_owned(), json!("2"))]
    );
}

/// Both saw that it is free.
#[tokio::test]
async fn of_two_who_want_it_one_gets_it() {
    let kube = Kube::default();
    let cluster = kube.server().cluster();
    let Read::Known(seen) = cluster.lease("a", DEADLINE).await else { panic!() };
    let first = cluster.hold(claim("one", "alice"), Some(seen.clone()), &mut |_| {}).await.unwrap();
    let error = cluster.hold(claim("two", "bob"), Some(seen), &mut |_| {}).await.err().unwrap();
    assert!(error.what.contains("by alice"), "{error}");
    first.stands().await.unwrap();
}

#[tokio::test]
async fn an_earlier_run_of_the_same_is_waited_for_unless_it_is_at_work() {
    let kube = Kube::default();
    let server = kube.server();
    // It is no longer renewed, and lasts one second.
    kube.written_by(&someone("one", "alice"), 1);
    let started = Instant::now();
    let (taken, told) = hold(&server, claim("one", "bob")).await;
    drop(taken.unwrap());
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert!(told[0].starts_with("waiting 1 s for it to expire: failover one of p-0 by alice"), "{told:?}");
    assert_eq!(kube.held(), "failover one of p-0 by bob at bobs-host/1");

    // It is renewed: its holder is at work, and this run leaves it alone.
    kube.written_by(&someone("one", "alice"), 1);
    let other = kube.clone();
    let renews = tokio::spawn(async move {
        sleep(Duration::from_millis(300)).await;
        other.written_by(&someone("one", "alice"), 1);
    });
    let (refused, _) = hold(&server, claim("one", "bob")).await;
    renews.await.unwrap();
    let error = refused.err().unwrap();
    assert!(error.what.starts_with("this failover is already running in namespace a: "), "{error}");
    assert_eq!(kube.held(), "failover one of p-0 by alice at alices-host/1");
}

#[tokio::test]
async fn trouble_is_tried_again_and_what_is_forbidden_is_named() {
    let kube = Kube::default();
    // It was created, but the response was lost; then the server is busy.
    kube.trouble(vec![(Reply::status(503, "starting"), false), (Reply::Broken, true)]);
    let (taken, told) = hold(&kube.server(), claim("one", "alice")).await;
    taken.unwrap().stands().await.unwrap();
    assert_eq!(kube.held(), "failover one of p-0 by alice at alices-host/1");
    assert!(told.is_empty(), "it is held, and there is no wait: {told:?}");

    for (insist, denied) in [(false, 1), (true, 2)] {
        let kube = Kube::default();
        kube.trouble(vec![(Reply::status(403, "leases is forbidden"), false); denied]);
        let (taken, told) = hold(&kube.server(), LeaseRequest { insist, ..claim("one", "alice") }).await;
        let what = "not allowed to create leases.coordination.k8s.io kubectl-synxdb in namespace a";
        match taken {
            Ok(without) => {
                assert!(
                    insist && told[0].contains("continuing without the Lease") && told[0].contains(what),
                    "{told:?}"
                );
                assert_eq!(without.stands().await, Ok(()));
                without.release().await.unwrap();
            }
            Err(error) => assert_eq!((insist, error.what.as_str()), (false, what)),
        }
    }
}

#[tokio::test]
async fn one_that_was_not_renewed_in_time_is_renewed_before_the_next_change() {
    let kube = Kube::default();
    let server = kube.server();
    let hold = hold(&server, claim("one", "alice")).await.0.unwrap();
    let_age(&hold, 8).await;
    kube.trouble(vec![(Reply::status(500, "etcd"), false), (Reply::Broken, true)]);
    // The response was lost, so its version is not the one that this run knows.
    hold.stands().await.unwrap();
    assert_eq!(kube.held(), "failover one of p-0 by alice at alices-host/1");

    // It was deleted, and no other process holds it.
    let_age(&hold, 8).await;
    kube.deleted();
    hold.stands().await.unwrap();
    assert_eq!(kube.held(), "failover one of p-0 by alice at alices-host/1");

    // Another process took it.
    let_age(&hold, 8).await;
    kube.written_by(&someone("two", "bob"), 10);
    let why = hold.stands().await.unwrap_err();
    let words = "the Lease kubectl-synxdb was not renewed in time and was taken over: failover two of p-0 by bob at bobs-host/1";
    assert!(why.to_string().starts_with(words), "{why}");
    assert_eq!(hold.lost(), Some(why));
    // It belongs to the other process: a lost Lease is not released.
    hold.release().await.unwrap();
    assert_eq!(kube.held(), "failover two of p-0 by bob at bobs-host/1");
}

#[tokio::test]
async fn giving_it_back_survives_a_lost_answer_and_tells_what_stays() {
    let kube = Kube::default();
    let taken = hold(&kube.server(), claim("one", "alice")).await.0.unwrap();
    kube.lease.lock().unwrap().as_mut().unwrap()["metadata"]["labels"] = json!({"somebody": "was-here"});
    kube.lease.lock().unwrap().as_mut().unwrap()["metadata"]["resourceVersion"] = json!("9");
    taken.release().await.unwrap();
    let lease = kube.lease.lock().unwrap().clone().unwrap();
    assert_eq!((&lease["spec"]["holderIdentity"], &lease["metadata"]["annotations"]), (&Value::Null, &json!({})));
    assert_eq!(lease["metadata"]["labels"]["somebody"], "was-here");

    let taken = hold(&kube.server(), claim("one", "alice")).await.0.unwrap();
    kube.trouble(vec![(Reply::status(500, "etcd"), false)]);
    let why = taken.release().await.unwrap_err().to_string();
    assert_eq!(why, "the Lease kubectl-synxdb was not released and expires in 10 s: etcd");
}

impl Kube {
    /// A server whose next write is not carried out and gets this reply, and where another process is faster.
    pub(super) fn server_with_rival(&self, rival: Holder, answer: Reply) -> Server {
        let (kube, rival) = (self.clone(), Std::new(Some(rival)));
        Server::new(move |asked| {
            let rival = if asked.method == "GET" { None } else { rival.lock().unwrap().take() };
            match rival {
                Some(rival) => {
                    kube.written_by(&rival, 10);
                    answer.clone()
                }
                None => kube.answer(asked),
            }
        })
    }
}

/// A write without a response may have been carried out; another holder in the Lease shows that it was not.
#[tokio::test]
async fn a_lease_that_another_process_got_is_not_taken_for_ours() {
    // Also a colleague with the same operation, another process of this user, and one whose response was a conflict.
    let other_process =
        Holder { process: Process { pid: 2, ..someone("one", "alice").process }, ..someone("one", "alice") };
    for (rival, words) in [
        (someone("two", "bob"), "another failover is in progress"),
        (someone("two", "alice"), "another failover is in progress"),
        (other_process, "waited for"),
    ] {
        for answer in [Reply::Broken, Reply::status(500, "etcd"), Reply::status(409, "modified")] {
            let kube = Kube::default();
            let server = kube.server_with_rival(rival.clone(), answer);
            // A holder with the same operation might be an earlier run that has ended: it is waited for, not taken at
            // once.
            let cluster = server.cluster();
            let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
            let mut tell = |sentence: String| sender.send(sentence).unwrap();
            tokio::select! {
                taken = cluster.hold(claim("one", "alice"), None, &mut tell) => match taken {
                    Ok(_) => panic!("{rival}: it belongs to another holder"),
                    Err(error) => assert!(error.what.starts_with(words), "{rival}: {error}"),
                },
                told = told.recv() => {
                    let told = told.unwrap();
                    assert!(words == "waited for" && told.starts_with("waiting 10 s"), "{rival}: {told}");
                }
            }
            assert_eq!(kube.held(), rival.to_string());
        }
    }
}

/// The same with an existing Lease, and a renewal: what another process wrote stays.
#[tokio::test]
async fn a_renewal_without_an_answer_does_not_overwrite_who_took_it() {
    let kube = Kube::default();
    let rival = someone("two", "bob");
    let server = kube.server();
    let taken = hold(&server, claim("one", "alice")).await.0.unwrap();
    taken.release().await.unwrap();
    let again = kube.server_with_rival(rival.clone(), Reply::Broken);
    let (refused, _) = hold(&again, claim("three", "alice")).await;
    let error = refused.err().unwrap();
    assert!(error.what.starts_with("another failover is in progress in namespace a: failover two"), "{error}");
    assert_eq!(kube.held(), rival.to_string());

    // The renewal's first attempt breaks, and another process has taken the Lease by the second.
    let kube = Kube::default();
    let holding = hold(&kube.server(), claim("one", "alice")).await.0.unwrap();
    let_age(&holding, 8).await;
    kube.trouble(vec![(Reply::Broken, false)]);
    kube.written_by(&rival, 10);
    let why = holding.stands().await.unwrap_err();
    assert!(why.to_string().contains("was taken over: failover two of p-0 by bob"), "{why}");
    assert_eq!(kube.held(), rival.to_string());
}

/// Too many requests: the write was not even processed, so what is stored is not its result.
#[tokio::test]
async fn a_write_that_was_put_off_is_made_again() {
    let kube = Kube::default();
    kube.trouble(vec![(Reply::status(429, "slow"), false)]);
    let server = kube.server();
    let (taken, told) = hold(&server, claim("one", "alice")).await;
    taken.unwrap().stands().await.unwrap();
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(server.requests().iter().filter(|asked| asked.method == "POST").count(), 2);
}
