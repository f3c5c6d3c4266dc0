//! One connection to a database, bounded from the first byte.
//!
//! A login can hang for ever (a coordinator that is up while a segment is not), neither `connect_timeout` nor a
//! startup `statement_timeout` bounds it, and abandoned attempts keep their server processes. So the client's deadline
//! counts over login and query, a database has at most one attempt at a time, and after a hang it is left alone for
//! a while. Measured on Greenplum 6.24: polling a hanging login filled `max_connections` in minutes.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::Answer;
use super::handshake::{Driver, log_in};
use super::login::Login;
use crate::cluster::{Cluster, Tunnel, cut, said};
use crate::error::Exit;

/// The first pause after a login that hung; it doubles.
const AFTER_A_HANG: Duration = Duration::from_secs(2);

/// The longest pause after logins that hung.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A statement waits this long for somebody else's lock.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_millis(500);

/// SQLSTATEs that tell of too little time or of somebody else, and not of the server: cancelled by a timeout, locked, a
/// right that is missing.
const UNDECIDED: [&str; 3] = ["57014", "55P03", "42501"];

/// A database server in a pod, and who asks it.
#[derive(Clone, Debug)]
pub struct SqlTarget {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The server's port in the pod.
    pub port: u16,
    /// Role to log in as.
    pub user: String,
    /// Its password, and how the connection is secured.
    pub login: Login,
    /// The database that is asked first.
    pub database: String,
}

/// Something that leads to a server: a tunnel in production, a socket in tests.
pub trait Connector: Send + Sync {
    /// What it leads over.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// A new stream to the server, within `deadline`.
    fn connect(&self, deadline: Duration) -> impl Future<Output = Result<Self::Stream, Trouble>> + Send;
}

/// Tunnels to a pod's port.
#[derive(Clone, Debug)]
pub struct Tunnels {
    cluster: Cluster,
    namespace: String,
    pod: String,
    port: u16,
}

impl Tunnels {
    /// To the server of `target`.
    pub fn to(cluster: &Cluster, target: &SqlTarget) -> Self {
        let SqlTarget { namespace, pod, port, .. } = target.clone();
        Self { cluster: cluster.clone(), namespace, pod, port }
    }
}

impl Connector for Tunnels {
    type Stream = Tunnel;

    async fn connect(&self, deadline: Duration) -> Result<Tunnel, Trouble> {
        let opened = self.cluster.tunnel(&self.namespace, &self.pod, self.port, deadline).await;
        opened.map_err(|error| match error.exit {
            Exit::TimedOut => Trouble::late(deadline),
            _ => Trouble::unsure(error.to_string()),
        })
    }
}

/// Why a question got no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Whether it is certain that the server does not answer.
    pub certain: bool,
    /// In words, one line.
    pub reason: String,
    /// The server's SQLSTATE, where it gave one.
    pub code: Option<String>,
    /// Whether time ran out.
    pub hung: bool,
    /// Whether the server is there, and the login does not fit it: role, password, TLS. Time does not mend that.
    pub login: bool,
}

impl Trouble {
    /// Nobody can say.
    pub fn unsure(reason: impl Into<String>) -> Self {
        Self { certain: false, reason: reason.into(), code: None, hung: false, login: false }
    }

    /// It is certain.
    pub fn certain(reason: impl Into<String>) -> Self {
        Self { certain: true, ..Self::unsure(reason) }
    }

    /// The server is there, and this login does not fit it.
    pub fn of_login(reason: impl Into<String>) -> Self {
        Self { login: true, ..Self::certain(reason) }
    }

    /// No answer within this time.
    pub fn late(after: Duration) -> Self {
        let reason = format!("no answer within {:.1} s", after.as_secs_f64());
        Self { hung: true, ..Self::unsure(reason) }
    }

    pub(super) fn of(error: &tokio_postgres::Error) -> Self {
        if let Some(db) = error.as_db_error() {
            let code = db.code().code();
            let certain = !UNDECIDED.contains(&code);
            return Self { certain, code: Some(code.to_owned()), ..Self::certain(in_words(db)) };
        }
        match std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>()) {
            Some(io) => Self::of_io(io),
            None if error.is_closed() => Self::unsure("the connection was closed"),
            None => Self::unsure(said(error)),
        }
    }

    pub(super) fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::certain(said(error)),
            io::ErrorKind::UnexpectedEof => Self::unsure("the connection was closed"),
            _ => Self::unsure(said(error)),
        }
    }

    /// Whether the server said this SQLSTATE.
    pub fn is(&self, state: &SqlState) -> bool {
        self.code.as_deref() == Some(state.code())
    }
}

impl<T> From<Trouble> for Answer<T> {
    fn from(trouble: Trouble) -> Self {
        // A login that does not fit says nothing about what is behind it.
        if trouble.certain && !trouble.login { Self::No(trouble.reason) } else { Self::Unknown(trouble.reason) }
    }
}

/// tokio-postgres' own text is only "db error".
fn in_words(error: &DbError) -> String {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let text = format!("{}{detail}", error.message());
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{} (SQLSTATE {})", cut(&text), error.code().code())
}

/// The way to a server, with the memory of what hung.
pub struct Line<C> {
    connector: C,
    target: SqlTarget,
    databases: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Hangs>>>>,
}

#[derive(Default)]
struct Hangs {
    count: u32,
    not_before: Option<Instant>,
}

impl<C: Connector> Line<C> {
    /// To `target`, over `connector`.
    pub fn new(connector: C, target: SqlTarget) -> Self {
        Self { connector, target, databases: Mutex::default() }
    }

    /// Whom it leads to.
    pub fn target(&self) -> &SqlTarget {
        &self.target
    }

    #[cfg(test)]
    pub(super) fn connector(&self) -> &C {
        &self.connector
    }

    /// Logs in to a database. The session ends at `deadline`, whatever it is doing.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn open(&self, database: &str, deadline: Instant) -> Result<Session, Trouble> {
        let whole = deadline.saturating_duration_since(Instant::now());
        let turn = tokio::time::timeout_at(deadline, self.turn(database).lock_owned());
        let mut turn = turn.await.map_err(|_| Trouble::unsure("another attempt is still waiting for an answer"))?;
        if let Some(not_before) = turn.not_before.filter(|not_before| *not_before > Instant::now()) {
            if not_before >= deadline {
                return Err(Trouble::unsure("the last login hung; it is left alone for a while"));
            }
            tokio::time::sleep_until(not_before).await;
        }
        let opened = tokio::time::timeout_at(deadline, log_in(&self.connector, &self.target, database, deadline)).await;
        let opened = opened.unwrap_or_else(|_| Err(Trouble::late(whole)));
        turn.remember(opened.as_ref().is_err_and(|trouble| trouble.hung));
        let (client, driver) = opened?;
        Ok(Session { client, driver, deadline, whole, turn })
    }

    /// Until when a database is left alone, where its last login hung.
    pub fn left_alone(&self, database: &str) -> Option<Instant> {
        let turn = self.turn(database);
        // One that is being asked is not left alone.
        turn.try_lock().ok().and_then(|hangs| hangs.not_before).filter(|not_before| *not_before > Instant::now())
    }

    fn turn(&self, database: &str) -> Arc<tokio::sync::Mutex<Hangs>> {
        let mut databases = self.databases.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(databases.entry(database.to_owned()).or_default())
    }
}

impl Hangs {
    fn remember(&mut self, hung: bool) {
        if hung {
            let pause = AFTER_A_HANG.saturating_mul(1 << self.count.min(5)).min(LONGEST_PAUSE);
            *self = Self { count: self.count + 1, not_before: Some(Instant::now() + pause) };
        } else {
            *self = Self::default();
        }
    }
}

/// A logged-in connection to one database. Drop it after an error: an MPP server's connection is not to be trusted
/// then.
pub struct Session {
    client: Client,
    driver: Driver,
    deadline: Instant,
    whole: Duration,
    turn: OwnedMutexGuard<Hangs>,
}

impl Session {
    /// Runs statements in one round trip; the rows of each. Several statements are one transaction.
    ///
    /// # Errors
    /// What the server said, or that time ran out.
    pub async fn run(&mut self, statements: &str) -> Result<Vec<Vec<SimpleQueryRow>>, Trouble> {
        let asked = self.client.simple_query(statements);
        match tokio::time::timeout_at(self.deadline, asked).await {
            Ok(answer) => answer.map(split).map_err(|error| self.driver.trouble(&error)),
            Err(_) => {
                self.turn.remember(true);
                Err(Trouble::late(self.whole))
            }
        }
    }

    /// Runs each statement by itself, without waiting for one before sending the next.
    pub async fn run_each(&mut self, statements: &[String]) -> Vec<Result<Vec<SimpleQueryRow>, Trouble>> {
        let asked = statements.iter().map(|statement| {
            let asked = tokio::time::timeout_at(self.deadline, self.client.simple_query(statement));
            async {
                match asked.await {
                    Ok(answer) => {
                        let rows = answer.map(|rows| split(rows).pop().unwrap_or_default());
                        rows.map_err(|error| self.driver.trouble(&error))
                    }
                    Err(_) => Err(Trouble::late(self.whole)),
                }
            }
        });
        let answers = futures::future::join_all(asked).await;
        if answers.iter().any(|answer| answer.as_ref().is_err_and(|trouble| trouble.hung)) {
            self.turn.remember(true);
        }
        answers
    }

    /// Ends the session politely, so that the server has one process less at once.
    pub async fn close(self) {
        let Self { client, mut driver, deadline, .. } = self;
        drop(client);
        // The connection's task ends once Terminate is sent.
        let _ = tokio::time::timeout_at(deadline, driver.ended()).await;
    }
}

/// The rows of each statement.
fn split(messages: Vec<SimpleQueryMessage>) -> Vec<Vec<SimpleQueryRow>> {
    let mut all = Vec::new();
    let mut rows = Vec::new();
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => rows.push(row),
            SimpleQueryMessage::CommandComplete(_) => all.push(std::mem::take(&mut rows)),
            _ => {}
        }
    }
    all
}

/// A column's text, empty for NULL and for a column that is not there.
pub(super) fn text(row: &SimpleQueryRow, column: usize) -> &str {
    row.try_get(column).ok().flatten().unwrap_or("")
}

/// A column's number, where it is one.
pub(super) fn number(row: &SimpleQueryRow, column: usize) -> Option<u64> {
    text(row, column).parse().ok()
}
