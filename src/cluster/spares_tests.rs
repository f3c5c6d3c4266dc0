use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;

use super::*;

/// A server: the other ends of the connections to it, in their order.
#[derive(Clone)]
struct Dial(mpsc::UnboundedSender<DuplexStream>);

impl Service<Uri> for Dial {
    type Response = TokioIo<DuplexStream>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (ours, theirs) = duplex(64);
        let accepted = self.0.send(theirs).map_err(|_| "refused".into());
        async move { accepted.map(|()| TokioIo::new(ours)) }.boxed()
    }
}

struct Server {
    connector: WithSpares<Dial>,
    spares: Spares,
    accepted: mpsc::UnboundedReceiver<DuplexStream>,
}

const HOUR: Duration = Duration::from_secs(3600);

const ADDRESS: &str = "https://10.0.0.1:6443/";

impl Server {
    fn new() -> Self {
        Self::with(Ages { oldest: HOUR, young: Duration::ZERO })
    }

    fn with(ages: Ages) -> Self {
        let (sender, accepted) = mpsc::unbounded_channel();
        let (connector, spares) = with_spares(Dial(sender), Uri::from_static(ADDRESS), ages);
        Self { connector, spares, accepted }
    }

    async fn accept(&mut self) -> DuplexStream {
        within(self.accepted.recv()).await.unwrap()
    }

    async fn connect(&mut self) -> DuplexStream {
        self.connector.call(Uri::from_static(ADDRESS)).await.unwrap().into_inner()
    }

    /// Waits until so many spares wait.
    async fn idle(&self, count: usize) {
        within(async {
            while self.connector.0.state().idle.len() != count {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    fn nothing_accepted(&mut self) {
        assert!(self.accepted.try_recv().is_err());
    }
}

/// Waits for something that happens at once, unless the test is to fail.
async fn within<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), event).await.expect("it did not happen")
}

/// Checks that they are the two ends of one connection.
async fn belong(mut ours: DuplexStream, mut theirs: DuplexStream) {
    ours.write_all(b"x").await.unwrap();
    assert_eq!(theirs.read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn without_a_forward_there_are_no_spares() {
    let mut server = Server::new();
    let ours = server.connect().await;
    belong(ours, server.accept().await).await;
    tokio::task::yield_now().await;
    server.nothing_accepted();
    assert!(!Spares::default().discard());
}

#[tokio::test]
async fn a_connection_is_opened_before_it_is_needed_and_replaced_when_it_is_used() {
    let mut server = Server::new();
    server.spares.keep(2);
    let (first, second) = (server.accept().await, server.accept().await);
    server.idle(2).await;
    let ours = server.connect().await;
    belong(ours, second).await;
    let third = server.accept().await;
    server.idle(2).await;
    let ours = server.connect().await;
    belong(ours, third).await;
    let _fourth = server.accept().await;
    server.idle(2).await;
    server.nothing_accepted();
    // Nothing was sent on the one that is still a spare.
    server.spares.keep(0);
    let (mut first, mut sent) = (first, Vec::new());
    first.read_to_end(&mut sent).await.unwrap();
    assert!(sent.is_empty());
}

/// Whether it closes it, or says why it does.
#[tokio::test]
async fn a_spare_that_the_server_ends_is_not_used() {
    for says in [&b""[..], b"HTTP/1.1 408 Request Timeout\r\n\r\n"] {
        let mut server = Server::new();
        server.spares.keep(1);
        let mut first = server.accept().await;
        server.idle(1).await;
        first.write_all(says).await.unwrap();
        drop(first);
        let ours = server.connect().await;
        // A fresh one, and a spare for the next.
        let accepted = [server.accept().await, server.accept().await];
        let [one, other] = accepted;
        let mut ours = ours;
        ours.write_all(b"x").await.unwrap();
        let (mut one, mut other) = (one, other);
        let answered = tokio::select! {
            read = one.read_u8() => read,
            read = other.read_u8() => read,
        };
        assert_eq!(answered.unwrap(), b'x');
    }
}

/// A server that closes unused connections at once is not asked for them over and over.
#[tokio::test]
async fn a_server_that_does_not_tolerate_spares_is_left_alone() {
    let mut server = Server::with(Ages { oldest: HOUR, young: HOUR });
    server.spares.keep(1);
    let first = server.accept().await;
    server.idle(1).await;
    drop(first);
    server.idle(0).await;
    assert_eq!(server.connector.0.state().opening, 0);
    // Until one is needed: a fresh one, and a spare.
    let _ours = server.connect().await;
    let _accepted = [server.accept().await, server.accept().await];
}

#[tokio::test]
async fn spares_are_replaced_before_the_server_ends_them() {
    let mut server = Server::with(Ages { oldest: Duration::from_millis(50), young: Duration::ZERO });
    server.spares.keep(1);
    for _ in 0..3 {
        let mut spare = server.accept().await;
        let mut sent = Vec::new();
        spare.read_to_end(&mut sent).await.unwrap();
        assert!(sent.is_empty());
    }
}

#[tokio::test]
async fn after_a_failure_all_are_replaced() {
    let mut server = Server::new();
    server.spares.keep(2);
    let _old = [server.accept().await, server.accept().await];
    server.idle(2).await;
    assert!(server.spares.discard());
    let _new = [server.accept().await, server.accept().await];
    server.idle(2).await;
    let ours = server.connect().await;
    drop(ours);
}

/// It may be of the former identity.
#[tokio::test]
async fn one_that_is_being_opened_during_a_failure_is_discarded() {
    let mut server = Server::new();
    server.spares.keep(1);
    // The task that opens it has not run yet.
    assert_eq!(server.connector.0.state().opening, 1);
    assert!(!server.spares.discard());
    let (former, _current) = (server.accept().await, server.accept().await);
    let (mut former, mut sent) = (former, Vec::new());
    former.read_to_end(&mut sent).await.unwrap();
    server.idle(1).await;
    assert_eq!(server.connector.0.state().opening, 0);
}

#[tokio::test]
async fn another_server_gets_no_spare() {
    let mut server = Server::new();
    server.spares.keep(1);
    let _spare = server.accept().await;
    server.idle(1).await;
    let ours = server.connector.call(Uri::from_static("https://10.0.0.2/")).await.unwrap().into_inner();
    belong(ours, server.accept().await).await;
}
