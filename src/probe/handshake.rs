//! From a stream to a session: TLS where it is wanted and offered, and who logs in with what.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;
use tokio_postgres::config::{Config, SslMode, SslNegotiation};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, NoTls};

use super::authentication::{Answers, Offer};
use super::bounded::{Bounded, CutOff, Stopped};
use super::login::Given;
use super::messages::Inspected;
use super::session::{Connector, LOCK_TIMEOUT, SqlTarget, Trouble};
use super::tls::{Checked, Want};
use crate::cluster::said;

/// PostgreSQL's SSLRequest: its length, and the code that asks for TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// SQLSTATEs with which a server refuses who logs in, or how: no such role or no such way in (28000), the wrong password
/// (28P01), no right to connect (42501).
const REFUSED: [&str; 3] = ["28000", "28P01", "42501"];

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
        self.cut_off.why().map_or_else(|| Trouble::of(error), of_stopped)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Logs in: with TLS where it is wanted and offered. Where TLS is only preferred and cannot be agreed on, once more without
/// it, as libpq does; what the server itself answered stands, and a certificate that is refused is no reason to go on
/// without.
pub(super) async fn log_in<C: Connector>(
    connector: &C,
    target: &SqlTarget,
    database: &str,
    deadline: Instant,
) -> Result<(Client, Driver), Trouble> {
    let want = target.login.tls().want();
    match attempt(connector, target, database, deadline, want).await {
        Err(Failed::Tls(error))
            if want == Want::IfOffered && !matches!(error, rustls::Error::InvalidCertificate(_)) =>
        {
            attempt(connector, target, database, deadline, Want::Never).await
        }
        other => other,
    }
    .map_err(|failed| match failed {
        Failed::Tls(error) => {
            let SqlTarget { namespace, pod, login, .. } = target;
            Trouble::of_login(login.tls().in_words(&error, namespace, pod))
        }
        Failed::Otherwise(trouble) => trouble,
    })
}

async fn attempt<C: Connector>(
    connector: &C,
    target: &SqlTarget,
    database: &str,
    deadline: Instant,
    want: Want,
) -> Result<(Client, Driver), Failed> {
    let SqlTarget { namespace, pod, user, login, .. } = target;
    let remaining = deadline.saturating_duration_since(Instant::now());
    let mut stream = Bounded::new(connector.connect(remaining).await?);
    let cut_off = stream.cut_off();
    let mut config = Config::new();
    config.user(user).dbname(database).application_name("kubectl-synxdb");
    // As startup options: on an MPP server `SET` is itself dispatched, and can hang.
    config.options(format!(
        "-c statement_timeout={} -c lock_timeout={}",
        remaining.as_millis().max(1),
        LOCK_TIMEOUT.as_millis()
    ));
    let encrypted = want != Want::Never && offers_tls(&mut stream).await?;
    let checked = if encrypted { login.tls().checked() } else { Checked::Nothing };
    let offer = Offer::of(target, database, checked);
    if let Some(given) = offer.given() {
        config.password(given.password.bytes());
    }
    let answers = Answers::of(login, checked);
    if !encrypted {
        if want == Want::Always {
            let mode = login.tls().mode();
            let why = format!("the server does not offer TLS, which sslmode={mode} asks for");
            return Err(Trouble::of_login(why).into());
        }
        config.ssl_mode(SslMode::Disable);
        let stream = Inspected::new(stream, answers, cut_off.clone());
        return connect(&config, stream, NoTls, &offer, cut_off).await;
    }
    let (mut tls, name) = login.tls().connector(namespace, pod).map_err(Trouble::of_login)?;
    let tls = match MakeTlsConnect::<Bounded<C::Stream>>::make_tls_connect(&mut tls, &name) {
        Ok(tls) => tls,
        Err(never) => match never {},
    };
    let stream = tls.connect(stream).await.map_err(|error| not_encrypted(&error, &cut_off))?;
    let stream = Inspected::new(stream, answers, cut_off.clone());
    // It is done: nothing is left to be agreed on.
    config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    connect(&config, stream, Encrypted, &offer, cut_off).await
}

/// TLS on a stream that has it already.
struct Encrypted;

impl<S: TlsStream + Unpin> TlsConnect<S> for Encrypted {
    type Stream = S;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<S>>;

    fn connect(self, stream: S) -> Self::Future {
        std::future::ready(Ok(stream))
    }
}

/// Why TLS could not be agreed on.
fn not_encrypted(error: &io::Error, cut_off: &CutOff) -> Failed {
    if let Some(stopped) = cut_off.why() {
        return of_stopped(stopped).into();
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => Failed::Tls(tls.clone()),
        None => Trouble::of_io(error).into(),
    }
}

/// Why nothing more was heard.
fn of_stopped(stopped: &Stopped) -> Trouble {
    match stopped {
        Stopped::TooMuch(why) => Trouble::unsure(why),
        Stopped::Password(why) => Trouble::of_login(why),
    }
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
    offer: &Offer,
    cut_off: CutOff,
) -> Result<(Client, Driver), Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: TlsConnect<S>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect_raw(stream, tls).await.map_err(|error| match cut_off.why() {
        Some(stopped) => of_stopped(stopped).into(),
        None => refusal(&error, offer),
    })?;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = said(&error), "the database connection ended");
        }
    });
    Ok((client, Driver { task, cut_off }))
}

/// Why a server did not let us in.
fn refusal(error: &tokio_postgres::Error, offer: &Offer) -> Failed {
    let mut trouble = Trouble::of(error);
    // tokio-postgres tells these kinds apart in words only.
    match (&*error.to_string(), &*trouble.reason) {
        ("invalid configuration", "password missing") => {
            trouble = Trouble::of_login(offer.missing());
        }
        ("authentication error", words) => trouble = Trouble::of_login(format!("authentication failed: {words}")),
        _ => {}
    }
    if trouble.code.as_deref().is_some_and(|code| REFUSED.contains(&code)) {
        trouble.login = true;
    }
    if let Some(Given { from, .. }) = offer.given().filter(|_| trouble.is(&SqlState::INVALID_PASSWORD)) {
        trouble.reason = format!("{}, with the password from {from}", trouble.reason);
    }
    trouble.into()
}
