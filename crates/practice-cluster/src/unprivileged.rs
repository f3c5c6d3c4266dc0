//! The user that servers run as.

use tokio::process::Command;

/// The user that servers run as when the sandbox was started by root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unprivileged {
    /// Login name.
    pub(crate) name: String,
    /// User id.
    pub(crate) uid: u32,
    /// Group id.
    pub(crate) gid: u32,
}

impl Unprivileged {
    /// Returns the user to run servers as, if this process runs as root: PostgreSQL refuses to run as root.
    pub(crate) fn needed() -> Option<Unprivileged> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        Some(Self::choose(&passwd).unwrap_or(Unprivileged { name: "nobody".to_owned(), uid: 65534, gid: 65534 }))
    }

    /// `postgres` if that user exists, else `nobody`.
    fn choose(passwd: &str) -> Option<Unprivileged> {
        let user = |wanted: &str| {
            passwd.lines().find_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next().filter(|name| *name == wanted)?;
                let uid = fields.nth(1)?.parse().ok()?;
                let gid = fields.next()?.parse().ok()?;
                (uid != 0).then(|| Unprivileged { name: name.to_owned(), uid, gid })
            })
        };
        user("postgres").or_else(|| user("nobody"))
    }
}

/// Makes a command run as that user.
pub(crate) fn run_as(command: &mut Command, user: Option<&Unprivileged>) {
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_is_preferred_to_nobody() {
        let passwd = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\npostgres:x:101:104::/:/bin/sh\n";
        let chosen = Unprivileged::choose(passwd).unwrap();
        assert_eq!(chosen, Unprivileged { name: "postgres".to_owned(), uid: 101, gid: 104 });
        let without = passwd.lines().take(2).collect::<Vec<_>>().join("\n");
        assert_eq!(Unprivileged::choose(&without).unwrap().gid, 65533);
    }

    #[test]
    fn a_user_zero_called_postgres_is_not_unprivileged() {
        assert_eq!(Unprivileged::choose("postgres:x:0:0::/:/bin/sh\n"), None);
    }
}
