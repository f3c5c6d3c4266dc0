//! What the databases hold at first: the metadata proxy's `cloudmeta`, and the account's `test_db` as in SynxDB's
//! "Cluster Failover" page.

use super::postgres::SUPERUSER;
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
    /// A new database cluster where there was another before: its data is lost.
    Lost,
}

/// The metadata proxy's; the pods of a real cluster (tests/kubernetes) are filled from the same files.
const CLOUDMETA: &str = include_str!("seed/cloudmeta.sql");

/// An account's.
const TEST_DB: &str = include_str!("seed/test_db.sql");

/// Makes sure that the databases of a server that accepts connections are as they should be. `server` is the folder of
/// its socket, and its port.
pub(crate) async fn prepare(
    server: (&Path, u16),
    databases: Databases,
    content: Content,
) -> Result<(), tokio_postgres::Error> {
    let (database, tables) = match databases {
        Databases::Metadata => ("cloudmeta", CLOUDMETA),
        Databases::Account => ("test_db", TEST_DB),
    };
    // A metadata proxy makes its own database; an account's databases are its users'.
    let create = content == Content::Filled || (content == Content::Lost && databases == Databases::Metadata);
    // What is kept may ask for a password by now.
    if !create {
        return Ok(());
    }
    let (client, _guard) = connect(server, "postgres").await?;
    let present = client.query_one("SELECT count(*) FROM pg_database WHERE datname = $1", &[&database]).await?;
    if present.get::<_, i64>(0) == 0 {
        client.batch_execute(&format!("CREATE DATABASE {database}")).await?;
    }
    if content == Content::Filled {
        let (client, _guard) = connect(server, database).await?;
        let filled = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
        // An earlier server may have been ended half-way through this.
        if client.query_one(filled, &[]).await?.get::<_, i64>(0) == 0 {
            client.batch_execute(&format!("BEGIN; {tables} COMMIT")).await?;
        }
    }
    Ok(())
}

/// Ends the connection's task with the value.
struct Guard(tokio::task::JoinHandle<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn connect((folder, port): (&Path, u16), database: &str) -> Result<(Client, Guard), tokio_postgres::Error> {
    let (client, connection) = Config::new()
        .host_path(folder)
        .port(port)
        .user(SUPERUSER)
        .dbname(database)
        .application_name("sandbox")
        .connect(NoTls)
        .await?;
    let task = tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok((client, Guard(task)))
}
