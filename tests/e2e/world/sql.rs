//! SQL through a forward to a pod's port, without the plugin's own code.

use super::World;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls};

/// A login to a database server: role and password.
pub(crate) type Role<'r> = (&'r str, Option<&'r str>);

impl World {
    /// Returns the first column of the last statement's rows, as text.
    pub(crate) fn query(&self, (namespace, pod): (&str, &str), database: &str, sql: &str) -> Vec<String> {
        let answer = self.query_as((namespace, pod), ("gpadmin", self.password()), database, sql);
        answer.unwrap_or_else(|why| panic!("{namespace}/{pod}, {database}: {sql}: {why}"))
    }

    /// The same with another login. Fails with the reason.
    pub(crate) fn query_as(
        &self,
        (namespace, pod): (&str, &str),
        role: Role<'_>,
        database: &str,
        sql: &str,
    ) -> Result<Vec<String>, String> {
        let asked = async {
            let (client, connection) = self.session((namespace, pod), role, database).await?;
            let said = first_column(&client, sql).await?;
            drop(client);
            let _ = connection.await;
            Ok::<_, String>(said)
        };
        self.in_time(asked).unwrap_or_else(|| panic!("{namespace}/{pod} does not answer: {sql}"))
    }

    /// Returns a session, and its connection's task.
    pub(super) async fn session(
        &self,
        (namespace, pod): (&str, &str),
        (user, password): Role<'_>,
        database: &str,
    ) -> Result<(Client, JoinHandle<()>), String> {
        let pods: Api<Pod> = self.within(namespace);
        let mut forward = pods.portforward(pod, &[5432]).await.map_err(|error| error.to_string())?;
        let stream = forward.take_stream(5432).ok_or("no stream")?;
        let mut config = Config::new();
        config.user(user).dbname(database);
        if let Some(password) = password {
            config.password(password);
        }
        let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(|error| words(&error))?;
        let task = tokio::spawn(async move {
            let _ = connection.await;
            drop(forward);
        });
        Ok((client, task))
    }

    /// Returns the rows of the product page's example in an account's `test_db`, which is created if necessary.
    pub(crate) fn projects(&self, namespace: &str) -> Vec<String> {
        let proxy = (namespace, "cloudberry-proxy-0");
        let databases = self.query(proxy, "postgres", "select datname from pg_database where datname = 'test_db'");
        if databases.is_empty() {
            self.query(proxy, "postgres", "create database test_db");
            self.query(proxy, "test_db", PROJECTS);
        }
        self.query(proxy, "test_db", "select row_to_json(p)::text from public.projects p order by project_id")
    }

    /// Returns the tables of `cloudmeta`; one is created if there is none.
    pub(crate) fn cloudmeta(&self) -> Vec<String> {
        let proxy = (SYSTEM, "cloudberry-proxy-0");
        let tables = "select schemaname || '.' || tablename from pg_tables \
                      where schemaname not in ('pg_catalog', 'information_schema') order by 1";
        let found = self.query(proxy, "cloudmeta", tables);
        if !found.is_empty() {
            return found;
        }
        self.query(proxy, "cloudmeta", "create table organizations (id int primary key, name text)");
        self.query(proxy, "cloudmeta", tables)
    }
}

use super::SYSTEM;

/// From the product's failover page.
const PROJECTS: &str = "
    CREATE TABLE projects (project_id SERIAL PRIMARY KEY, project_name TEXT, project_manager TEXT, department TEXT);
    INSERT INTO projects (project_name, project_manager, department) VALUES
    ('Project Alpha', 'Alice', 'Engineering'), ('Project Beta', 'Bob', 'HR'), ('Project Gamma', 'Charlie', 'Sales');
    ANALYZE projects;
";

/// Returns the first column of all rows, as text.
pub(super) async fn first_column(client: &Client, sql: &str) -> Result<Vec<String>, String> {
    let said = client.simple_query(sql).await.map_err(|error| words(&error))?;
    let rows = said.iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    });
    Ok(rows.collect())
}

/// Returns the server's message; tokio-postgres alone says only "db error".
fn words(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}
