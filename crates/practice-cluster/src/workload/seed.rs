//! What the databases hold at first: the metadata proxy's `cloudmeta`, and the account's `test_db` as in SynxDB's
//! "Cluster Failover" page.

use super::logins::{ADMINISTRATOR, SUPERUSER};
use super::server_socket::ServerSocket;
use std::path::Path;
use tokio_postgres::{Client, Config, NoTls};

/// Which databases a proxy serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Databases {
    /// The metadata proxy's.
    Metadata,
    /// A warehouse proxy's.
    Account,
}

/// What is done with a server's databases when it has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// They are there already.
    Kept,
    /// A new database cluster for the first time: filled.
    Filled,
    /// A new database cluster if there was another before: its data is lost.
    Lost,
}

/// The metadata proxy's; the pods of a real cluster (tests/kubernetes) are filled from the same files.
const CLOUDMETA: &str = include_str!("seed/cloudmeta.sql");

/// What an account's kernel has and PostgreSQL has not; a path is filled in.
const KERNEL: &str = include_str!("seed/kernel.sql");

/// An account's.
const TEST_DB: &str = include_str!("seed/test_db.sql");

/// Makes sure that the role and the databases of a server that accepts connections are as they should be; the
/// administrator logs in with `password`, letters and digits. What is said of an account's segments stands in the file
/// `segments`.
///
/// # Errors
/// The server's or the system's words.
pub(crate) async fn prepare(
    server: &ServerSocket,
    password: &str,
    databases: Databases,
    content: Content,
    segments: &Path,
) -> Result<(), String> {
    let (database, tables) = match databases {
        Databases::Metadata => ("cloudmeta", CLOUDMETA),
        Databases::Account => ("test_db", TEST_DB),
    };
    if content == Content::Kept {
        return Ok(());
    }
    let client = connect(server, "postgres").await?;
    let there = async |query: &str, name: &str| {
        client.query_one(query, &[&name]).await.map(|row| row.get::<_, i64>(0) > 0).map_err(|error| words(&error))
    };
    // An earlier server may have been ended half-way through any of this.
    if !there("SELECT count(*) FROM pg_roles WHERE rolname = $1", ADMINISTRATOR).await? {
        let made = format!("CREATE ROLE {ADMINISTRATOR} LOGIN CREATEDB PASSWORD '{password}'");
        client.batch_execute(&made).await.map_err(|error| words(&error))?;
    }
    let owned = format!("ALTER DATABASE postgres OWNER TO {ADMINISTRATOR}");
    client.batch_execute(&owned).await.map_err(|error| words(&error))?;
    // A metadata proxy makes its own database; an account's databases are its users'.
    let create = content == Content::Filled || databases == Databases::Metadata;
    if create && !there("SELECT count(*) FROM pg_database WHERE datname = $1", database).await? {
        let made = format!("CREATE DATABASE {database} OWNER {ADMINISTRATOR}");
        client.batch_execute(&made).await.map_err(|error| words(&error))?;
    }
    if content == Content::Filled {
        let client = connect(server, database).await?;
        let filled = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
        let filled = client.query_one(filled, &[]).await.map_err(|error| words(&error))?;
        if filled.get::<_, i64>(0) == 0 {
            let fill = format!("SET SESSION AUTHORIZATION {ADMINISTRATOR}; BEGIN; {tables} COMMIT");
            client.batch_execute(&fill).await.map_err(|error| words(&error))?;
        }
    }
    if databases == Databases::Account {
        // The template last: no session may be in it while a database is created from it.
        let made = (content == Content::Filled).then_some(database);
        for database in ["postgres"].into_iter().chain(made).chain(["template1"]) {
            kernel(server, database, segments).await?;
        }
    }
    Ok(())
}

/// Makes a database look like one of SynxDB's kernel.
async fn kernel(server: &ServerSocket, database: &str, segments: &Path) -> Result<(), String> {
    let client = connect(server, database).await?;
    let there = "SELECT count(*) FROM pg_proc WHERE proname = 'gp_dist_random'";
    let there = client.query_one(there, &[]).await.map_err(|error| words(&error))?;
    if there.get::<_, i64>(0) > 0 {
        return Ok(());
    }
    let path = segments.display().to_string().replace('\'', "''");
    client.batch_execute(&KERNEL.replace("@SEGMENTS@", &path)).await.map_err(|error| words(&error))
}

/// tokio-postgres' own words are only "db error".
fn words(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

/// A session of the superuser's, which ends with the value.
///
/// # Errors
/// The server's or the system's words.
pub(crate) async fn connect(server: &ServerSocket, database: &str) -> Result<Client, String> {
    let stream = server.connect().await.map_err(|error| error.to_string())?;
    let mut config = Config::new();
    config.user(SUPERUSER).dbname(database).application_name("sandbox");
    let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(|error| words(&error))?;
    tokio::spawn(connection);
    Ok(client)
}
