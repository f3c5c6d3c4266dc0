//! Turns a stream into a session: TLS if it is wanted and offered, and the login.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;
use tokio_postgres::config::{Config, SslMode, SslNegotiation};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, NoTls};

use super::authentication::{Answers, Offer};
use super::connector::{Connector, LOCK_TIMEOUT, Settings, SqlTarget};
use super::login::Given;
use super::messages::Inspected;
use super::read_limit::{Bounded, CutOff, Stopped};
use super::sqlstate::Meaning;
use super::statements::{Access, options};
use super::tls::{Checked, NoTlsClient, Want};
use super::trouble::ProbeError;
use crate::cluster::error_text;

/// PostgreSQL's SSLRequest: its length, and its code.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Longest time to open a stream for a CancelRequest.
const CANCELLING: Duration = Duration::from_secs(1);

/// Asks the server, over a separate stream, to cancel what a session is doing. Best effort: the server does not
/// respond.
pub(super) type Cancel = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// The purpose and settings of a session.
pub(super) struct Opening<'o> {
    pub(super) target: &'o SqlTarget,
    pub(super) database: &'o str,
    pub(super) access: Access,
    pub(super) settings: Settings,
    /// The warehouse to select, if the server is known to have warehouses.
    pub(super) warehouse: Option<&'o str>,
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

    /// Returns why a query got no response: the query itself knows only that the connection ended.
    pub(super) fn trouble(&self, error: &tokio_postgres::Error) -> ProbeError {
        self.cut_off.why().map_or_else(|| ProbeError::of(error), of_stopped)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Logs in, with TLS if it is wanted and offered. If TLS is only preferred and cannot be negotiated, tries again
/// without it, as libpq does; the server's own errors are final, and a rejected certificate is no reason to continue
/// without TLS.
pub(super) async fn log_in<C: Connector>(
    connector: &Arc<C>,
    opening: &Opening<'_>,
) -> Result<(Client, Driver, Cancel), ProbeError> {
    let want = opening.target.login.tls().want();
    match attempt(connector, opening, want).await {
        Err(Failed::Tls(error))
            if want == Want::IfOffered && !matches!(error, rustls::Error::InvalidCertificate(_)) =>
        {
            attempt(connector, opening, Want::Never).await
        }
        other => other,
    }
    .map_err(|failed| match failed {
        Failed::Tls(error) => {
            let SqlTarget { namespace, pod, login, .. } = opening.target;
            ProbeError::new(Meaning::LoginRefused, login.tls().error_text(&error, namespace, pod))
        }
        Failed::Otherwise(trouble) => trouble,
    })
}

async fn attempt<C: Connector>(
    connector: &Arc<C>,
    opening: &Opening<'_>,
    want: Want,
) -> Result<(Client, Driver, Cancel), Failed> {
    let Opening { target, database, access, settings, warehouse, deadline } = *opening;
    let SqlTarget { namespace, pod, user, login, .. } = target;
    let remaining = deadline.saturating_duration_since(Instant::now());
    let mut stream = Bounded::new(connector.connect(remaining).await?);
    let cut_off = stream.cut_off();
    let mut config = Config::new();
    config.user(user).dbname(database).application_name("kubectl-synxdb");
    if let Settings::Options { row_security } = settings {
        let (statement, lock) = (remaining.as_millis().max(1), LOCK_TIMEOUT.as_millis());
        config.options(options(access, row_security, statement, lock, warehouse));
    }
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
            let why = format!("the server does not support TLS, which sslmode={mode} requires");
            return Err(ProbeError::new(Meaning::LoginRefused, why).into());
        }
        config.ssl_mode(SslMode::Disable);
        let stream = Inspected::new(stream, answers, cut_off.clone());
        let (client, driver) = connect(&config, stream, NoTls, &offer, cut_off).await?;
        let (token, connector) = (client.cancel_token(), Arc::clone(connector));
        let cancel = async move {
            if let Ok(stream) = connector.connect(CANCELLING).await {
                let _ = token.cancel_query_raw(stream, NoTls).await;
            }
        };
        return Ok((client, driver, Box::new(move || cancel.boxed())));
    }
    let refused = |error: NoTlsClient| ProbeError::new(Meaning::LoginRefused, error.to_string());
    let (mut make, name) = login.tls().connector(namespace, pod).map_err(refused)?;
    let tls = match MakeTlsConnect::<Bounded<C::Stream>>::make_tls_connect(&mut make, &name) {
        Ok(tls) => tls,
        Err(never) => match never {},
    };
    let stream = tls.connect(stream).await.map_err(|error| not_encrypted(&error, &cut_off))?;
    let stream = Inspected::new(stream, answers, cut_off.clone());
    // TLS is established: nothing is left to negotiate.
    config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    let (client, driver) = connect(&config, stream, Encrypted, &offer, cut_off).await?;
    let (token, connector) = (client.cancel_token(), Arc::clone(connector));
    let cancel = async move {
        let Ok(mut stream) = connector.connect(CANCELLING).await else { return };
        let tls = match MakeTlsConnect::<C::Stream>::make_tls_connect(&mut make, &name) {
            Ok(tls) => tls,
            Err(never) => match never {},
        };
        // The key that cancels a session deserves the same protection as the session.
        if offers_tls(&mut stream).await.is_ok_and(|offered| offered) {
            let _ = token.cancel_query_raw(stream, tls).await;
        }
    };
    Ok((client, driver, Box::new(move || cancel.boxed())))
}

/// TLS on a stream that already has it.
struct Encrypted;

impl<S: TlsStream + Unpin> TlsConnect<S> for Encrypted {
    type Stream = S;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<S>>;

    fn connect(self, stream: S) -> Self::Future {
        std::future::ready(Ok(stream))
    }
}

/// Why TLS could not be negotiated.
fn not_encrypted(error: &io::Error, cut_off: &CutOff) -> Failed {
    if let Some(stopped) = cut_off.why() {
        return of_stopped(stopped).into();
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => Failed::Tls(tls.clone()),
        None => ProbeError::of_io(error).into(),
    }
}

/// Returns why the connection ended.
fn of_stopped(stopped: &Stopped) -> ProbeError {
    match stopped {
        Stopped::TooMuch(why) => ProbeError::unsure(why),
        Stopped::Password(why) => ProbeError::new(Meaning::LoginRefused, why),
    }
}

/// Why a login failed.
enum Failed {
    /// TLS could not be negotiated.
    Tls(rustls::Error),
    Otherwise(ProbeError),
}

impl From<ProbeError> for Failed {
    fn from(trouble: ProbeError) -> Self {
        Self::Otherwise(trouble)
    }
}

/// Requests TLS; the response is one byte. Reads no more: what follows must be encrypted.
async fn offers_tls(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<bool, ProbeError> {
    let asked = async {
        stream.write_all(&SSL_REQUEST).await?;
        stream.flush().await?;
        stream.read_u8().await
    };
    match asked.await.map_err(|error| ProbeError::of_io(&error))? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        _ => Err(ProbeError::unsure("the response to the TLS request is not from a PostgreSQL server")),
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
            tracing::debug!(error = error_text(&error), "the database connection ended");
        }
    });
    Ok((client, Driver { task, cut_off }))
}

/// Classifies why a server rejected the login.
fn refusal(error: &tokio_postgres::Error, offer: &Offer) -> Failed {
    let mut trouble = ProbeError::of(error);
    // tokio-postgres distinguishes these kinds only by text.
    match (&*error.to_string(), &*trouble.reason) {
        ("invalid configuration", "password missing") => {
            trouble = ProbeError::new(Meaning::LoginRefused, offer.missing());
        }
        ("authentication error", words) => {
            trouble = ProbeError::new(Meaning::LoginRefused, format!("authentication failed: {words}"));
        }
        _ => {}
    }
    // Without a session, a missing right is the right to connect.
    if trouble.is(&SqlState::INSUFFICIENT_PRIVILEGE) {
        trouble.meaning = Meaning::LoginRefused;
    }
    if let Some(Given { from, .. }) = offer.given().filter(|_| trouble.is(&SqlState::INVALID_PASSWORD)) {
        trouble.reason = format!("{}, with the password from {from}", trouble.reason);
    }
    trouble.into()
}
