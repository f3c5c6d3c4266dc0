//! From a stream to a session: TLS where it is wanted and offered, and who logs in with what.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;
use tokio_postgres::config::{Config, SslMode, SslNegotiation};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, NoTls};

use super::bounded::{Bounded, CutOff};
use super::login::Given;
use super::session::{Connector, LOCK_TIMEOUT, Settings, SqlTarget, Trouble};
use super::sqlstate::Meaning;
use super::statements::{Access, options};
use super::tls::Want;
use crate::cluster::said;

/// PostgreSQL's SSLRequest: its length, and the code that asks for TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// How long a stream for a CancelRequest may take to open.
const CANCELLING: Duration = Duration::from_secs(1);

/// Asks the server, over a stream of its own, to cancel what a session is doing. Best effort: the server does not answer.
pub(super) type Cancel = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// What a session is opened for.
pub(super) struct Opening<'o> {
    pub(super) target: &'o SqlTarget,
    pub(super) database: &'o str,
    pub(super) access: Access,
    pub(super) settings: Settings,
    pub(super) deadline: Instant,
}

/// The connection's task.
pub(super) struct Driver {
    task: tokio::task::JoinHandle<()>,
    cut_off: CutOff,
}

impl Driver {
    /// Resolves when the connection has ended.
    pub(super) async fn ended(&mut self) {
        let _ = (&mut self.task).await;
    }

    /// Why a question got no answer: the question itself knows only that the connection ended.
    pub(super) fn trouble(&self, error: &tokio_postgres::Error) -> Trouble {
        self.cut_off.why().map_or_else(|| Trouble::of(error), Trouble::unsure)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Logs in: with TLS where it is wanted and offered. Where TLS is only preferred and fails, once more without it, as libpq
/// does; what the server itself answered stands.
pub(super) async fn log_in<C: Connector>(
    connector: &Arc<C>,
    opening: &Opening<'_>,
) -> Result<(Client, Driver, Cancel), Trouble> {
    let want = opening.target.login.tls().want();
    match attempt(connector, opening, want).await {
        Err(Failed::Tls(_)) if want == Want::IfOffered => attempt(connector, opening, Want::Never).await,
        other => other,
    }
    .map_err(|failed| match failed {
        Failed::Tls(error) => {
            let SqlTarget { namespace, pod, login, .. } = opening.target;
            Trouble::new(Meaning::LoginRefused, login.tls().in_words(&error, namespace, pod))
        }
        Failed::Otherwise(trouble) => trouble,
    })
}

async fn attempt<C: Connector>(
    connector: &Arc<C>,
    opening: &Opening<'_>,
    want: Want,
) -> Result<(Client, Driver, Cancel), Failed> {
    let Opening { target, database, access, settings, deadline } = *opening;
    let SqlTarget { namespace, pod, port, user, login, .. } = target;
    let remaining = deadline.saturating_duration_since(Instant::now());
    let mut stream = Bounded::new(connector.connect(remaining).await?);
    let cut_off = stream.cut_off();
    let mut config = Config::new();
    config.user(user).dbname(database).application_name("kubectl-synxdb");
    let given = login.password((namespace, pod), *port, database, user);
    if let Some(Given { password, .. }) = &given {
        config.password(password.bytes());
    }
    if let Settings::Options { row_security } = settings {
        config.options(options(access, row_security, remaining.as_millis().max(1), LOCK_TIMEOUT.as_millis()));
    }
    if want == Want::Never || !offers_tls(&mut stream).await? {
        if want == Want::Always {
            let mode = login.tls().mode();
            let why = format!("the server does not offer TLS, which sslmode={mode} asks for");
            return Err(Trouble::new(Meaning::LoginRefused, why).into());
        }
        config.ssl_mode(SslMode::Disable);
        let (client, driver) = connect(&config, stream, NoTls, given.as_ref(), cut_off).await?;
        let (token, connector) = (client.cancel_token(), Arc::clone(connector));
        let cancel = async move {
            if let Ok(stream) = connector.connect(CANCELLING).await {
                let _ = token.cancel_query_raw(stream, NoTls).await;
            }
        };
        return Ok((client, driver, Box::new(move || cancel.boxed())));
    }
    // The server has agreed to it already.
    config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    let refused = |reason| Trouble::new(Meaning::LoginRefused, reason);
    let (mut make, name) = login.tls().connector(namespace, pod).map_err(refused)?;
    let tls = match MakeTlsConnect::<Bounded<C::Stream>>::make_tls_connect(&mut make, &name) {
        Ok(tls) => tls,
        Err(never) => match never {},
    };
    let (client, driver) = connect(&config, stream, tls, given.as_ref(), cut_off).await?;
    let (token, connector) = (client.cancel_token(), Arc::clone(connector));
    let cancel = async move {
        let Ok(mut stream) = connector.connect(CANCELLING).await else { return };
        let tls = match MakeTlsConnect::<C::Stream>::make_tls_connect(&mut make, &name) {
            Ok(tls) => tls,
            Err(never) => match never {},
        };
        // The key to cancel a session with is worth as much protection as the session.
        if offers_tls(&mut stream).await.is_ok_and(|offered| offered) {
            let _ = token.cancel_query_raw(stream, tls).await;
        }
    };
    Ok((client, driver, Box::new(move || cancel.boxed())))
}

/// Why a login failed.
enum Failed {
    /// TLS could not be agreed on.
    Tls(rustls::Error),
    Otherwise(Trouble),
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self::Otherwise(trouble)
    }
}

/// Asks for TLS; one byte is the answer. Nothing more is read: what follows it must be encrypted.
async fn offers_tls(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<bool, Trouble> {
    let asked = async {
        stream.write_all(&SSL_REQUEST).await?;
        stream.flush().await?;
        stream.read_u8().await
    };
    match asked.await.map_err(|error| Trouble::of_io(&error))? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        _ => Err(Trouble::unsure("the answer to the question for TLS is not a PostgreSQL server's")),
    }
}

async fn connect<S, T>(
    config: &Config,
    stream: S,
    tls: T,
    given: Option<&Given>,
    cut_off: CutOff,
) -> Result<(Client, Driver), Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: TlsConnect<S>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect_raw(stream, tls).await.map_err(|error| match cut_off.why() {
        Some(why) => Trouble::unsure(why).into(),
        None => refusal(&error, given),
    })?;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = said(&error), "the database connection ended");
        }
    });
    Ok((client, Driver { task, cut_off }))
}

/// Why a server did not let us in.
fn refusal(error: &tokio_postgres::Error, given: Option<&Given>) -> Failed {
    let source = std::error::Error::source(error);
    let io = source.and_then(|source| source.downcast_ref::<io::Error>());
    if let Some(tls) = io.and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return Failed::Tls(tls.clone());
    }
    let mut trouble = Trouble::of(error);
    // tokio-postgres tells these kinds apart in words only.
    match (&*error.to_string(), &*trouble.reason) {
        ("invalid configuration", "password missing") => {
            trouble = Trouble::new(
                Meaning::LoginRefused,
                "the server asks for a password, and none is known (PGPASSWORD, ~/.pgpass, --password-secret)",
            );
        }
        ("authentication error", words) => {
            trouble = Trouble::new(Meaning::LoginRefused, format!("authentication failed: {words}"));
        }
        _ => {}
    }
    // Before there is a session, a right that is missing is the right to connect.
    if trouble.is(&SqlState::INSUFFICIENT_PRIVILEGE) {
        trouble.meaning = Meaning::LoginRefused;
    }
    if let Some(Given { from, .. }) = given.filter(|_| trouble.is(&SqlState::INVALID_PASSWORD)) {
        trouble.reason = format!("{}, with the password from {from}", trouble.reason);
    }
    trouble.into()
}
