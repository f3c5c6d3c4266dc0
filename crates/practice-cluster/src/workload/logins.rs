//! Who may log in to the PostgreSQL servers, and how.

/// SynxDB's administrator, as in its documentation. An ordinary role here: a superuser of PostgreSQL runs programs and
/// reads files as the user that the server runs as.
pub(crate) const ADMINISTRATOR: &str = "gpadmin";

/// The superuser, whom only the sandbox itself logs in as: it makes roles and databases. No client's startup packet may
/// name it.
pub(crate) const SUPERUSER: &str = "practice_cluster_superuser";

/// The map that says who the superuser is.
const MAP: &str = "sandbox";

/// Every role needs a password, except for the superuser, which the system authenticates by the connecting process:
/// this one.
pub(super) fn hba() -> String {
    format!(
        "local all {SUPERUSER} peer map={MAP}\n\
         local all all scram-sha-256\n\
         host all {SUPERUSER} all reject\n\
         host all all 127.0.0.1/32 scram-sha-256\n"
    )
}

/// Who the superuser is: root where root started the sandbox. Otherwise servers run as the user who started it, and no
/// one else reaches their sockets.
pub(super) fn ident(by_root: bool) -> String {
    format!("{MAP} {} {SUPERUSER}\n", if by_root { "root" } else { "/^.*$" })
}
