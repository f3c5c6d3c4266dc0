//! Takes a baseline: lists a server's databases and each database's relations, and counts the rows of small tables.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_postgres::SimpleQueryRow;
use tokio_postgres::error::SqlState;

use super::Answer;
use super::baseline::{
    Baseline, Database, Digest, Listing, MOST_COUNTS, MOST_DATABASES, MOST_TABLES, RelationKind, SMALL, Table, Tables,
    Uncounted,
};
use super::connector::Connector;
use super::kernel::Kernel;
use super::segments::{Dispatched, answering, hold_the_tables};
use super::session::{Session, number, text};
use super::sql::{Introduction, Sql, introduction, once_more};
use super::sqlstate::Meaning;
use super::statements::{Access, Counted, Statement};
use super::trouble::ProbeError;
use crate::duration::after;

/// Longest time for counting in all databases together, or half of the time for everything if that is more.
const COUNTING: Duration = Duration::from_secs(5);

/// Databases read at once.
const AT_ONCE: usize = 4;

/// What to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ContentsRequest<'l> {
    /// Only this database; the result is empty if it does not exist.
    pub only: Option<&'l str>,
    /// The baseline that the result is compared with: everything it lists or counts is searched for and counted again,
    /// whatever the limits.
    pub before: Option<&'l Baseline>,
}

/// How far a read reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// The server itself has everything.
    Itself,
    /// An MPP server's segments.
    Segments,
    /// An MPP server's catalog and no segment: its sessions have no warehouse.
    CatalogOnly,
}

/// What counting a listed table needs.
struct Candidate {
    index: usize,
    oid: u32,
    /// Rows before, if they were counted then.
    before: Option<u64>,
    /// Whether it is small according to the catalog.
    small: bool,
}

/// A name as the server stores it: bytes.
struct Name {
    shown: String,
    /// Whether it can be used in a statement or a login, which are UTF-8.
    usable: bool,
}

impl<C: Connector> Sql<C> {
    /// Takes the baseline. A database that cannot be read is Unknown or Damaged beside the others; an answer other than
    /// a yes means that the server itself could not be queried, or that a segment of an MPP server does not respond:
    /// the catalog alone still lists what a dead segment held.
    ///
    /// On an MPP server, rows are counted only in analyzed tables: the size of others is known only by querying every
    /// segment, once for each table.
    pub async fn baseline(&self, deadline: Duration) -> Answer<Baseline> {
        match self.contents(ContentsRequest::default(), deadline).await {
            Ok(baseline) => Answer::Yes(baseline),
            Err(trouble) => trouble.into(),
        }
    }

    /// Takes the baseline, and returns the full reason if that fails.
    ///
    /// # Errors
    /// Why there is no baseline.
    pub async fn contents(&self, request: ContentsRequest<'_>, deadline: Duration) -> Result<Baseline, ProbeError> {
        self.contents_and_segments(request, deadline).await.map(|(baseline, _)| baseline)
    }

    /// Takes the baseline, and returns how far the dispatched query reached that an MPP server's catalog needs as
    /// proof. `None` for a plain PostgreSQL server, and for sessions without a warehouse: then no rows were counted and
    /// no segment was queried.
    ///
    /// # Errors
    /// Why there is no baseline.
    pub async fn contents_and_segments(
        &self,
        request: ContentsRequest<'_>,
        deadline: Duration,
    ) -> Result<(Baseline, Option<Dispatched>), ProbeError> {
        let until = after(Instant::now(), deadline);
        once_more(|| self.take(request, until)).await
    }

    /// Returns the names of the databases that accept connections, one more than are read at most.
    ///
    /// # Errors
    /// Why they are unknown.
    pub async fn databases(&self, deadline: Duration) -> Result<Vec<String>, ProbeError> {
        let mut session = self.line.enter(Access::Read, after(Instant::now(), deadline)).await?;
        let (found, _) = names(&mut session, MOST_DATABASES + 1, &[]).await?;
        session.close().await;
        Ok(found.into_iter().filter(|(_, name)| name.usable).map(|(_, name)| name.shown).collect())
    }

    async fn take(
        &self,
        request: ContentsRequest<'_>,
        until: Instant,
    ) -> Result<(Baseline, Option<Dispatched>), ProbeError> {
        let mut session = self.line.enter(Access::Read, until).await?;
        let who = introduction(&mut session).await?;
        let dispatched = if who.kernel == Kernel::Mpp { answering(&mut session).await? } else { None };
        let reach = match (who.kernel, &dispatched) {
            (Kernel::PostgreSql, _) => Reach::Itself,
            (Kernel::Mpp, Some(_)) => Reach::Segments,
            (Kernel::Mpp, None) => Reach::CatalogOnly,
        };
        let before = request.before.map(|before| before.databases.as_slice()).unwrap_or_default();
        let (most, named): (usize, Vec<&str>) = match request.only {
            Some(only) => (0, vec![only]),
            None => (MOST_DATABASES, before.iter().map(|database| database.name.as_str()).collect()),
        };
        let (names, total) = names(&mut session, most, &named).await?;
        session.close().await;
        self.line.lists(names.iter().filter(|(_, name)| name.usable).map(|(_, name)| name.shown.clone()));

        let truncated = request.only.is_none() && total > names.len() as u64;
        let taken = Timestamp::now();
        let counting = COUNTING.max(until.saturating_duration_since(Instant::now()).mul_f64(0.5));
        let counting_ends = after(Instant::now(), counting).min(until);
        let who = &who;
        let looked = names.into_iter().map(|(oid, name)| async move {
            let before = request.before.and_then(|before| before.database(&name.shown)).and_then(Database::known);
            let tables = if name.usable {
                self.listing((&name.shown, oid), (who, reach), before, (until, counting_ends)).await
            } else {
                Listing::Unknown("its name is not valid UTF-8 and cannot be used to log in".to_owned())
            };
            Database { name: name.shown, tables }
        });
        let databases = futures::stream::iter(looked).buffered(AT_ONCE).collect().await;
        let Introduction { version, kernel, .. } = who.clone();
        let total = request.only.is_none().then_some(total);
        let (taken, sought) = (Some(taken.to_string()), request.before.is_some());
        Ok((Baseline { version, kernel, taken, databases, total, truncated, sought }, dispatched))
    }

    async fn listing(
        &self,
        database: (&str, u32),
        who: (&Introduction, Reach),
        before: Option<&Tables>,
        ends: (Instant, Instant),
    ) -> Listing {
        match self.tables(database, who, before, ends).await {
            Ok(tables) => Listing::Known(tables),
            Err(ProbeError { meaning: Meaning::Damaged, reason, .. }) => Listing::Damaged(reason),
            Err(trouble) => Listing::Unknown(trouble.reason),
        }
    }

    async fn tables(
        &self,
        (database, oid): (&str, u32),
        (who, reach): (&Introduction, Reach),
        before: Option<&Tables>,
        (until, counting_ends): (Instant, Instant),
    ) -> Result<Tables, ProbeError> {
        let mut session = self.line.open(database, Access::Read, until).await?;
        let here = session.run(&[Statement::Here]).await?;
        // A pooler may lead to a database with another name.
        if here.first().and_then(|rows| rows.first()).and_then(|row| number(row, 0)) != Some(u64::from(oid)) {
            return Err(ProbeError::unsure("its name now belongs to another database"));
        }
        if reach == Reach::Segments {
            hold_the_tables(&mut session).await?;
        }
        let (mut tables, candidates) = list(&mut session, who, before).await?;
        session.close().await;
        // Rows are on segments.
        if !candidates.is_empty() && reach != Reach::CatalogOnly {
            // A separate session, because its statement timeout is the time left for counting.
            match self.line.open(database, Access::Read, counting_ends).await {
                Ok(mut session) => {
                    count(&mut session, who.kernel, &mut tables, &candidates).await;
                    session.close().await;
                }
                Err(trouble) => {
                    for Candidate { index, .. } in &candidates {
                        tables.tables[*index].uncounted = Some(uncounted(&trouble));
                    }
                }
            }
        }
        Ok(tables)
    }
}

/// Returns the databases that accept connections, with their OIDs: the first `most`, and those that are named; and how
/// many there are.
async fn names(session: &mut Session, most: usize, named: &[&str]) -> Result<(Vec<(u32, Name)>, u64), ProbeError> {
    let rows = session.run(&[Statement::Databases { most, named }]).await?;
    let rows = rows.into_iter().flatten().take(most + named.len());
    let mut total = 0;
    let mut found = Vec::new();
    for row in rows {
        total = number(&row, 2).unwrap_or(0);
        let oid = text(&row, 0).parse().map_err(|_| ProbeError::unsure("a database has no OID"))?;
        found.push((oid, name(&row, 1)?));
    }
    Ok((found, total))
}

/// Parses a name from its bytes in hexadecimal.
fn name(row: &SimpleQueryRow, column: usize) -> Result<Name, ProbeError> {
    let bytes = unhex(text(row, column)).ok_or_else(|| ProbeError::unsure("a name cannot be read"))?;
    Ok(match String::from_utf8(bytes) {
        Ok(shown) => Name { shown, usable: true },
        Err(error) => Name { shown: escaped(error.as_bytes()), usable: false },
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// Returns bytes as text: invalid UTF-8, and the backslash, as `\xHH`.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\x5c"));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

async fn list(
    session: &mut Session,
    who: &Introduction,
    before: Option<&Tables>,
) -> Result<(Tables, Vec<Candidate>), ProbeError> {
    let external_storage = who.has_external_storage();
    let rows = session.run(&[Statement::Totals, Statement::Relations { most: MOST_TABLES, external_storage }]).await?;
    let [kinds, listed] = rows.as_slice() else {
        return Err(ProbeError::unsure("the server returned an unexpected number of results"));
    };
    let mut totals = BTreeMap::new();
    let mut newest = 0;
    for row in kinds {
        let Some(kind) = RelationKind::of(text(row, 0)) else { continue };
        totals.insert(kind, number(row, 1).unwrap_or(0));
        newest = newest.max(text(row, 2).parse().unwrap_or(0));
    }
    let mut found = Found { counted: counted(before), ..Found::default() };
    // A server that is asked for so many may still send more.
    for row in listed.iter().take(MOST_TABLES) {
        found.take(row, who.kernel)?;
    }
    let all = totals.values().sum::<u64>();
    let truncated = all > found.tables.len() as u64;
    if truncated && let Some(before) = before {
        let unlisted: Vec<(&str, &str)> = before
            .tables
            .iter()
            .map(|table| (table.schema.as_str(), table.name.as_str()))
            .filter(|name| !found.names.contains(&(name.0.to_owned(), name.1.to_owned())))
            .collect();
        if !unlisted.is_empty() {
            let rows = session.run(&[Statement::RelationsNamed { named: &unlisted, external_storage }]).await?;
            for row in rows.iter().flatten().take(unlisted.len()) {
                found.take(row, who.kernel)?;
            }
        }
    }
    let now = digest(session, newest).await?;
    // Newer relations have a larger OID, and are excluded from the comparison.
    let digest_then = match before.and_then(|before| before.digest.as_ref()) {
        Some(then) if then.newest != newest && now.is_some() => digest(session, then.newest).await?,
        Some(_) => now.clone(),
        None => None,
    };
    let total = totals.iter().filter(|(kind, _)| kind.is_table()).map(|(_, number)| number).sum();
    let Found { mut tables, candidates, small, .. } = found;
    let candidates = candidates.into_iter().chain(small.into_iter().take(MOST_COUNTS)).collect();
    tables.shrink_to_fit();
    let sought = before.is_some();
    Ok((Tables { total, totals, truncated, tables, digest: now, digest_then, sought }, candidates))
}

/// Returns a digest of the names up to an OID; none if the server computes none (MD5 is not allowed everywhere).
async fn digest(session: &mut Session, newest: u32) -> Result<Option<Digest>, ProbeError> {
    match session.run(&[Statement::Digest { newest }]).await {
        Ok(rows) => Ok(rows.first().and_then(|rows| rows.first()).map(|row| Digest {
            newest,
            relations: number(row, 0).unwrap_or(0),
            names: text(row, 1).to_owned(),
        })),
        Err(trouble) if trouble.meaning.fails() => Err(trouble),
        Err(trouble) => {
            tracing::debug!(reason = trouble.reason, "no digest of the names");
            Ok(None)
        }
    }
}

/// Tables that were counted before, by schema and name.
fn counted(before: Option<&Tables>) -> HashMap<(String, String), u64> {
    let tables = before.map(|before| before.tables.as_slice()).unwrap_or_default();
    let counted = tables.iter().filter_map(|table| Some(((table.schema.clone(), table.name.clone()), table.rows?)));
    counted.collect()
}

/// Relations while they are read.
#[derive(Default)]
struct Found {
    counted: HashMap<(String, String), u64>,
    names: HashSet<(String, String)>,
    tables: Vec<Table>,
    /// Tables that were counted before.
    candidates: Vec<Candidate>,
    /// Other small tables.
    small: Vec<Candidate>,
}

impl Found {
    fn take(&mut self, row: &SimpleQueryRow, kernel: Kernel) -> Result<(), ProbeError> {
        let (schema, table) = (name(row, 0)?, name(row, 1)?);
        let Some(kind) = RelationKind::of(text(row, 4)) else { return Ok(()) };
        let pages = number(row, 3).unwrap_or(0);
        let bytes = number(row, 6).unwrap_or(u64::MAX);
        let usable = schema.usable && table.usable;
        let (schema, name) = (schema.shown, table.shown);
        // A partitioned table has no rows of its own; its partitions are listed, too. An unlogged table is emptied by a
        // restart, and on Neon by each new compute: its rows are not compared.
        if let (Ok(oid), "t", true) = (text(row, 5).parse(), text(row, 7), usable) {
            let index = self.tables.len();
            let before = self.counted.get(&(schema.clone(), name.clone())).copied();
            // `relpages` is 0 until a table is analyzed; an MPP server would have to query its segments for the size
            // then.
            let small = bytes <= SMALL && (kernel == Kernel::PostgreSql || pages > 0);
            match before {
                Some(_) => self.candidates.push(Candidate { index, oid, before, small }),
                None if small => self.small.push(Candidate { index, oid, before, small }),
                None => {}
            }
        }
        self.names.insert((schema.clone(), name.clone()));
        self.tables.push(Table {
            schema,
            name,
            kind,
            estimated_rows: text(row, 2).parse().unwrap_or(-1.0),
            pages,
            rows: None,
            at_least: false,
            uncounted: None,
        });
        Ok(())
    }
}

/// Counts what is small *now*: a table may have grown since it was analyzed, or may never have been analyzed (on an MPP
/// server only the statement's timeout limits that). What was counted before is counted again whatever its size, up to
/// the earlier number of rows: more rows are no loss.
async fn count(session: &mut Session, kernel: Kernel, tables: &mut Tables, candidates: &[Candidate]) {
    let statements: Vec<Statement<'_>> = candidates
        .iter()
        .map(|Candidate { index, oid, before, small }| {
            let Table { schema, name, .. } = &tables.tables[*index];
            let table = Counted { schema, name, oid: *oid };
            match (kernel, before) {
                (Kernel::PostgreSql, otherwise) => Statement::CountSmall { table, bytes: SMALL, otherwise: *otherwise },
                (Kernel::Mpp, Some(most)) if !*small => Statement::CountUpTo { table, most: *most },
                (Kernel::Mpp, _) => Statement::Count { table },
            }
        })
        .collect();
    let answers = session.run_each(&statements).await;
    for (Candidate { index, before, small, .. }, answer) in candidates.iter().zip(answers) {
        let table = &mut tables.tables[*index];
        match answer {
            Ok(rows) => {
                table.rows = rows.first().and_then(|row| number(row, 0));
                let whole = match kernel {
                    Kernel::PostgreSql => rows.first().is_some_and(|row| text(row, 1) == "t"),
                    Kernel::Mpp => *small || before.is_none(),
                };
                table.at_least = !whole && table.rows.is_some() && table.rows == *before;
            }
            Err(trouble) => table.uncounted = Some(uncounted(&trouble)),
        }
    }
}

/// Classifies why rows could not be counted. Too little time, another session's lock, a missing right, a table that was
/// dropped since it was listed: its rows are unknown. Any other error of the server is damage.
fn uncounted(trouble: &ProbeError) -> Uncounted {
    let excused = matches!(
        trouble.meaning,
        Meaning::Busy
            | Meaning::Late
            | Meaning::NotAllowed
            | Meaning::LoginRefused
            | Meaning::NoWarehouse
            | Meaning::Unknown
    );
    let gone = trouble.is(&SqlState::UNDEFINED_TABLE) || trouble.is(&SqlState::INVALID_SCHEMA_NAME);
    if excused || gone {
        Uncounted::Unknown(trouble.reason.clone())
    } else {
        Uncounted::Damaged(trouble.reason.clone())
    }
}

#[cfg(test)]
#[cfg(unix)]
#[path = "contents_tests.rs"]
mod tests;
