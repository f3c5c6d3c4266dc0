//! One connection to a database, limited from the first byte.
//!
//! A login can hang forever (a coordinator that is up while a segment is not); neither `connect_timeout` nor a startup
//! `statement_timeout` limits it, and abandoned attempts keep their server processes. Therefore the client's deadline
//! covers login and query, a database has at most one attempt at a time, and after a hang it gets a pause. Measured on
//! Greenplum 6.24: polling a hanging login filled `max_connections` in minutes.

use crate::duration::after;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::connector::{Connector, LOCK_TIMEOUT, Settings, SqlTarget};
use super::handshake::{Cancel, Driver, Opening, log_in};
use super::sqlstate::Meaning;
use super::statements::{Access, GUARDED, Statement, guard, settings};
pub(crate) use super::trouble::ProbeError;

/// The first pause after a login that hung; it doubles.
const AFTER_A_HANG: Duration = Duration::from_secs(2);

/// The longest pause after logins that hung.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Longest time to ask the server to cancel a statement that took too long.
const CANCELLING: Duration = Duration::from_secs(1);

/// The database that all others are copied from.
const TEMPLATE: &str = "template1";

/// Databases that are remembered for logins that can go to any.
const MOST_LISTED: usize = 3;

/// SQLSTATEs with which one database rejects a session that another may accept: it does not exist, it is closed, its
/// connections are used up, the role may not connect to it.
const ANOTHER_DATABASE: [&str; 4] = ["3D000", "55000", "53300", "42501"];

/// The connection to a server, with the memory of what hung and of how it takes settings.
pub(crate) struct Connection<C> {
    connector: Arc<C>,
    target: SqlTarget,
    databases: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Hangs>>>>,
    known: Mutex<Known>,
}

/// What earlier sessions have found out.
#[derive(Clone, Debug)]
struct Known {
    settings: Settings,
    /// Whether a session's settings were confirmed to be in force.
    seen_in_force: bool,
    /// Whether the server knows warehouses; `None` until it was queried.
    warehouses: Option<bool>,
    /// Whether a session was confirmed to be in the selected warehouse.
    seen_in_warehouse: bool,
    /// The database of the last login that could go to any.
    entered: Option<String>,
    /// Some of the databases that the server listed.
    listed: Vec<String>,
    /// The database that a canary was written to.
    wrote_in: Option<String>,
}

#[derive(Default)]
struct Hangs {
    count: u32,
    not_before: Option<Instant>,
}

impl<C: Connector> Connection<C> {
    /// Connects to `target`, over `connector`.
    pub(crate) fn new(connector: C, target: SqlTarget) -> Self {
        let known = Known {
            settings: Settings::Options { row_security: true },
            seen_in_force: false,
            warehouses: None,
            seen_in_warehouse: false,
            entered: None,
            listed: Vec::new(),
            wrote_in: None,
        };
        Self { connector: Arc::new(connector), target, databases: Mutex::default(), known: Mutex::new(known) }
    }

    /// Returns its target.
    #[cfg(test)]
    pub(crate) fn target(&self) -> &SqlTarget {
        &self.target
    }

    #[cfg(test)]
    pub(super) fn connector(&self) -> &C {
        &self.connector
    }

    /// Logs in to the preferred database, or to another if that one is missing, closed or full. The session ends at
    /// `deadline`, whatever it is doing.
    ///
    /// # Errors
    /// Why the first of them accepts no session.
    pub(super) async fn enter(&self, access: Access, deadline: Instant) -> Result<Session, ProbeError> {
        let mut refused = None;
        for database in self.endpoints(access) {
            match self.open(&database, access, deadline).await {
                Ok(session) => {
                    self.known().entered = Some(database);
                    return Ok(session);
                }
                Err(trouble) if ANOTHER_DATABASE.iter().any(|code| trouble.is_code(code)) => {
                    refused.get_or_insert(trouble);
                }
                Err(trouble) => return Err(refused.unwrap_or(trouble)),
            }
        }
        Err(refused.unwrap_or_else(|| ProbeError::unsure("no known database to log in to")))
    }

    /// Returns the database of the last login that could go to any, or the first one to try.
    pub(super) fn entered(&self) -> String {
        self.known().entered.clone().unwrap_or_else(|| self.target.database.clone())
    }

    /// Returns the databases to log in to, each once, in the order in which they are tried.
    pub(super) fn endpoints(&self, access: Access) -> Vec<String> {
        let Known { entered, listed, .. } = self.known().clone();
        let all = entered.into_iter().chain([self.target.database.clone()]);
        let all = all.chain(self.target.otherwise.iter().cloned()).chain(listed).chain([TEMPLATE.to_owned()]);
        let mut endpoints = Vec::new();
        for endpoint in all {
            // Every server has the template. Nothing is written there: its contents are copied to each new database.
            let usable = access == Access::Read || endpoint != TEMPLATE;
            if usable && !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
        }
        endpoints
    }

    /// Returns the databases that may have been written to: the right one, if that is known.
    pub(super) fn may_hold_writes(&self) -> Vec<String> {
        let wrote_in = self.known().wrote_in.clone();
        wrote_in.map_or_else(|| self.endpoints(Access::Write), |database| vec![database])
    }

    /// Records that a session that could go to any database has written something.
    pub(super) fn wrote(&self, session: &Session) {
        self.known().wrote_in = Some(session.database.clone());
    }

    /// Records databases that accept connections.
    pub(super) fn lists(&self, databases: impl Iterator<Item = String>) {
        self.known().listed = databases.take(MOST_LISTED).collect();
    }

    /// Logs in to a database. The session ends at `deadline`, whatever it is doing.
    ///
    /// # Errors
    /// Why it accepts no session.
    pub(super) async fn open(&self, database: &str, access: Access, deadline: Instant) -> Result<Session, ProbeError> {
        let whole = deadline.saturating_duration_since(Instant::now());
        let turn = tokio::time::timeout_at(deadline, self.turn(database).lock_owned());
        let mut turn = turn.await.map_err(|_| ProbeError::unsure("another attempt is still waiting for a response"))?;
        if let Some(not_before) = turn.not_before.filter(|not_before| *not_before > Instant::now()) {
            if not_before >= deadline {
                return Err(ProbeError::unsure("the last login hung; pausing before the next one"));
            }
            tokio::time::sleep_until(not_before).await;
        }
        // On the heap: a caller has several of these.
        let opened =
            tokio::time::timeout_at(deadline, Box::pin(self.log_in(database, access, (deadline, whole)))).await;
        let opened = opened.unwrap_or_else(|_| Err(ProbeError::late(whole)));
        turn.remember(opened.as_ref().is_err_and(ProbeError::hung));
        let Entrance { client, driver, cancel, scope } = opened?;
        let database = database.to_owned();
        Ok(Session { client, driver, cancel, database, scope, turn })
    }

    /// Logs in with settings that the server accepts, and in the selected warehouse; confirms once that both are in
    /// force. Whether the server knows warehouses is queried once, in a session that selects none: other servers reject
    /// the setting.
    async fn log_in(
        &self,
        database: &str,
        access: Access,
        (deadline, whole): (Instant, Duration),
    ) -> Result<Entrance, ProbeError> {
        loop {
            let Known { settings, seen_in_force, warehouses, seen_in_warehouse, .. } = self.known().clone();
            let warehouse = self.target.warehouse.clone().filter(|_| warehouses == Some(true));
            let opening =
                Opening { target: &self.target, database, access, settings, warehouse: warehouse.as_deref(), deadline };
            let opened = log_in(&self.connector, &opening).await;
            let (client, driver, cancel) = match (opened, settings) {
                (Ok(opened), _) => opened,
                (Err(trouble), Settings::Options { .. }) if trouble.is(&SqlState::PROTOCOL_VIOLATION) => {
                    self.known().settings = Settings::EachTransaction;
                    continue;
                }
                (Err(trouble), Settings::Options { row_security: true })
                    if trouble.is(&SqlState::UNDEFINED_OBJECT) && warehouse.is_none() =>
                {
                    self.known().settings = Settings::Options { row_security: false };
                    continue;
                }
                (Err(trouble), _) => return Err(refused_in(warehouse.as_deref(), trouble)),
            };
            let knows_warehouses = warehouses == Some(true);
            let scope = Scope { access, settings, warehouse, knows_warehouses, deadline, whole };
            let entrance = Entrance { client, driver, cancel: Mutex::new(Some(cancel)), scope };
            let by_options = matches!(settings, Settings::Options { .. });
            let seen = (seen_in_force || !by_options) && (seen_in_warehouse || entrance.scope.warehouse.is_none());
            let mut is_mpp = false;
            if !seen || warehouses.is_none() {
                match entrance.query(&[Statement::IsMpp]).await {
                    Ok(rows) => {
                        is_mpp = rows.first().is_some_and(|rows| !rows.is_empty());
                        let mut known = self.known();
                        known.seen_in_force = by_options;
                        known.seen_in_warehouse = entrance.scope.warehouse.is_some();
                    }
                    Err(trouble) if trouble.is_code(GUARDED) && by_options => {
                        self.known().settings = Settings::EachTransaction;
                        continue;
                    }
                    Err(trouble) => return Err(refused_in(entrance.scope.warehouse.as_deref(), trouble)),
                }
            }
            if warehouses.is_some() {
                return Ok(entrance);
            }
            let knows = is_mpp && entrance.knows_warehouses().await?;
            self.known().warehouses = Some(knows);
            // An error ends a connection to an MPP server, and a session for a warehouse begins in it.
            if !is_mpp || (knows && self.target.warehouse.is_none()) {
                let scope = Scope { knows_warehouses: knows, ..entrance.scope };
                return Ok(Entrance { scope, ..entrance });
            }
            entrance.leave().await;
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns until when a database gets a pause after its last login hung.
    pub(crate) fn paused_until(&self, database: &str) -> Option<Instant> {
        let turn = self.turn(database);
        // A database with an attempt in progress gets no pause.
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
            *self = Self { count: self.count.saturating_add(1), not_before: Some(after(Instant::now(), pause)) };
        } else {
            *self = Self::default();
        }
    }
}

/// What holds for the whole session.
pub(super) struct Scope {
    access: Access,
    settings: Settings,
    /// The selected warehouse.
    warehouse: Option<String>,
    /// Whether the server knows warehouses.
    knows_warehouses: bool,
    deadline: Instant,
    /// The time that it had at the beginning.
    whole: Duration,
}

impl Scope {
    /// Returns what is sent before statements, in the same transaction: the settings, or the check of them.
    fn before(&self) -> Vec<String> {
        let warehouse = self.warehouse.as_deref();
        let mut before = match self.settings {
            Settings::Options { .. } => Vec::new(),
            Settings::EachTransaction => {
                let remaining = self.deadline.saturating_duration_since(Instant::now());
                settings(self.access, remaining.as_millis().max(1), LOCK_TIMEOUT.as_millis(), warehouse)
            }
        };
        before.push(guard(self.access, warehouse));
        before
    }
}

/// A connection that has just logged in.
struct Entrance {
    client: Client,
    driver: Driver,
    cancel: Mutex<Option<Cancel>>,
    scope: Scope,
}

impl Entrance {
    /// Runs statements after the settings.
    async fn query(&self, statements: &[Statement<'_>]) -> Result<Vec<Vec<SimpleQueryRow>>, ProbeError> {
        let before = self.scope.before();
        let first = before.len();
        let texts = before.into_iter().chain(statements.iter().map(Statement::sql));
        let message = texts.fold(String::new(), |all, one| all + &one + ";\n");
        let asked = tokio::time::timeout_at(self.scope.deadline, self.client.simple_query(&message)).await;
        let Ok(answer) = asked else {
            // No caller waits for it: the time is up.
            if let Some(cancel) = self.cancel.lock().unwrap_or_else(PoisonError::into_inner).take() {
                tokio::spawn(tokio::time::timeout(CANCELLING, cancel()));
            }
            return Err(ProbeError::late(self.scope.whole));
        };
        let answer = split(answer.map_err(|error| self.driver.trouble(&error))?);
        Ok(answer.into_iter().skip(first).collect())
    }

    /// Returns whether an MPP server knows warehouses.
    async fn knows_warehouses(&self) -> Result<bool, ProbeError> {
        match self.query(&[Statement::ShowWarehouse]).await {
            Ok(_) => Ok(true),
            Err(trouble) if trouble.is(&SqlState::UNDEFINED_OBJECT) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// Closes the connection properly.
    async fn leave(self) {
        let Self { client, mut driver, scope, .. } = self;
        drop(client);
        let _ = tokio::time::timeout_at(scope.deadline, driver.ended()).await;
    }
}

/// Explains that a server accepts no session in the selected warehouse: in its own words, and as unknown. A server that
/// accepts no session at all reports something else.
fn refused_in(warehouse: Option<&str>, trouble: ProbeError) -> ProbeError {
    let invalid = trouble.is(&SqlState::INVALID_PARAMETER_VALUE) || trouble.is(&SqlState::UNDEFINED_OBJECT);
    match warehouse {
        Some(warehouse) if trouble.is_code(GUARDED) => ProbeError {
            reason: format!("its sessions are not in warehouse {warehouse}, although they selected it"),
            meaning: Meaning::NoWarehouse,
            ..trouble
        },
        Some(warehouse) if invalid => ProbeError {
            reason: format!("it accepts no session in warehouse {warehouse}: {}", trouble.reason),
            meaning: Meaning::NoWarehouse,
            ..trouble
        },
        _ => trouble,
    }
}

/// A logged-in connection to one database. Drop it after an error: an MPP server's connection cannot be trusted then.
pub(super) struct Session {
    client: Client,
    driver: Driver,
    cancel: Mutex<Option<Cancel>>,
    database: String,
    scope: Scope,
    turn: OwnedMutexGuard<Hangs>,
}

impl Session {
    /// Returns whether the server knows warehouses.
    pub(super) fn knows_warehouses(&self) -> bool {
        self.scope.knows_warehouses
    }

    /// Returns the selected warehouse.
    pub(super) fn warehouse(&self) -> Option<&str> {
        self.scope.warehouse.as_deref()
    }

    /// Runs statements in one round trip and one transaction; returns the rows of each.
    ///
    /// # Errors
    /// The server's error, or the time ran out; then the server is asked to cancel the statement.
    pub(super) async fn run(&mut self, statements: &[Statement<'_>]) -> Result<Vec<Vec<SimpleQueryRow>>, ProbeError> {
        let text: Vec<String> = statements.iter().map(|statement| self.checked(statement)).collect();
        let answer = self.send(&text).await;
        if answer.as_ref().is_err_and(ProbeError::hung) {
            self.give_up().await;
        }
        answer
    }

    /// Runs each statement in a transaction by itself, without waiting for one before sending the next.
    pub(super) async fn run_each(
        &mut self,
        statements: &[Statement<'_>],
    ) -> Vec<Result<Vec<SimpleQueryRow>, ProbeError>> {
        let texts: Vec<String> = statements.iter().map(|statement| self.checked(statement)).collect();
        let asked = texts.iter().map(|text| {
            let answer = self.send(std::slice::from_ref(text));
            async { answer.await.map(|mut rows| rows.pop().unwrap_or_default()) }
        });
        let answers = futures::future::join_all(asked).await;
        if answers.iter().any(|answer| answer.as_ref().is_err_and(ProbeError::hung)) {
            self.give_up().await;
        }
        answers
    }

    /// Returns a statement's text. A write in a read-only session would be rejected by the server, too.
    fn checked(&self, statement: &Statement<'_>) -> String {
        debug_assert!(
            self.scope.access == Access::Write || statement.access() == Access::Read,
            "{statement:?} in a session that only reads"
        );
        statement.sql()
    }

    /// Sends statements as one message, with the settings or the check of them first. The first poll sends it.
    fn send(&self, statements: &[String]) -> impl Future<Output = Result<Vec<Vec<SimpleQueryRow>>, ProbeError>> {
        let before = self.scope.before();
        let (first, number) = (before.len(), before.len() + statements.len());
        let message = before.iter().chain(statements).fold(String::new(), |all, one| all + one + ";\n");
        async move {
            let answer = match tokio::time::timeout_at(self.scope.deadline, self.client.simple_query(&message)).await {
                Ok(answer) => split(answer.map_err(|error| self.driver.trouble(&error))?),
                Err(_) => return Err(ProbeError::late(self.scope.whole)),
            };
            if answer.len() != number {
                return Err(ProbeError::unsure("the server returned an unexpected number of results"));
            }
            Ok(answer.into_iter().skip(first).collect())
        }
    }

    /// Asks the server to cancel what it is still doing, and gives the database a pause.
    async fn give_up(&mut self) {
        self.turn.remember(true);
        let cancel = self.cancel.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(cancel) = cancel {
            let _ = tokio::time::timeout(CANCELLING, cancel()).await;
        }
    }

    /// Closes the session properly, so that the server has one process less at once.
    pub(super) async fn close(self) {
        let Self { client, mut driver, scope, .. } = self;
        drop(client);
        // The connection's task ends once Terminate is sent.
        let _ = tokio::time::timeout_at(scope.deadline, driver.ended()).await;
    }

    /// Runs any text, as a user does: with the usual search path.
    #[cfg(test)]
    #[cfg(unix)]
    pub(super) async fn run_text(&mut self, text: &str) -> Result<Vec<Vec<SimpleQueryRow>>, ProbeError> {
        let run = async |text| self.client.simple_query(text).await.map_err(|error| self.driver.trouble(&error));
        run(super::testing::AS_USUAL).await?;
        run(text).await.map(split)
    }

    /// Runs any text with the session's settings as they are.
    #[cfg(test)]
    #[cfg(unix)]
    pub(super) async fn run_plain(&mut self, text: &str) -> Result<Vec<Vec<SimpleQueryRow>>, ProbeError> {
        self.client.simple_query(text).await.map(split).map_err(|error| self.driver.trouble(&error))
    }

    /// Runs one statement of any text in the same way as those of the list.
    #[cfg(test)]
    #[cfg(unix)]
    pub(super) async fn run_as_listed(&mut self, text: &str) -> Result<Vec<Vec<SimpleQueryRow>>, ProbeError> {
        self.send(&[text.to_owned()]).await
    }
}

/// Splits the messages into the rows of each statement.
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

/// Returns a column's text, empty for NULL and for a missing column.
pub(super) fn text(row: &SimpleQueryRow, column: usize) -> &str {
    row.try_get(column).ok().flatten().unwrap_or("")
}

/// Returns a column's number, if it is one.
pub(super) fn number(row: &SimpleQueryRow, column: usize) -> Option<u64> {
    text(row, column).parse().ok()
}
