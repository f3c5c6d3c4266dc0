use super::*;
use std::fs;

fn environment(folder: &Path) -> Environment {
    Environment {
        default_passfile: Some(folder.join(".pgpass")),
        default_sslrootcert: Some(folder.join("root.crt")),
        ..Environment::default()
    }
}

fn asked(login: &Login, database: &str) -> Option<(String, String)> {
    let given = login.password(("a", "p-0"), 5432, database, "gpadmin")?;
    Some((String::from_utf8(given.password.bytes().to_vec()).unwrap(), given.from))
}

#[cfg(unix)]
fn private(path: &Path, text: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
#[test]
fn a_password_is_the_environments_before_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let (file, other) = (folder.path().join(".pgpass"), folder.path().join("other"));
    private(&file, "p-0.a:5432:cloudmeta:gpadmin:for cloudmeta\n*:*:*:*:any", 0o600);
    private(&other, "localhost:*:*:gpadmin:for what listens there\np-0:*:*:gpadmin:other", 0o400);
    let args = LoginArgs::default();

    let home = environment(folder.path());
    let Resolved { login, notices } = Login::resolve(&args, &home).unwrap();
    assert_eq!(notices, Vec::<String>::new());
    let from = file.display().to_string();
    assert_eq!(asked(&login, "cloudmeta"), Some(("for cloudmeta".into(), from.clone())));
    assert_eq!(asked(&login, "postgres"), Some(("any".into(), from)));

    let named = Environment { passfile: Some(other), ..home.clone() };
    let login = Login::resolve(&args, &named).unwrap().login;
    assert_eq!(asked(&login, "cloudmeta").unwrap().0, "other");

    let given = Environment { password: Some(Password::new("given")), ..named };
    let login = Login::resolve(&args, &given).unwrap().login;
    assert_eq!(asked(&login, "cloudmeta"), Some(("given".into(), "PGPASSWORD".into())));
    assert!(!format!("{login:?} {given:?}").contains("given\""), "{login:?} {given:?}");

    // A Secret takes precedence over both, and until it was read there is no password.
    let args = LoginArgs { password_secret: Some("db/password".parse().unwrap()), ..args };
    let login = Login::resolve(&args, &given).unwrap().login;
    assert_eq!(asked(&login, "cloudmeta"), None);
}

#[cfg(unix)]
#[test]
fn a_password_file_that_others_may_read_is_ignored_and_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".pgpass");
    for mode in [0o640, 0o604, 0o620] {
        private(&file, "*:*:*:*:any", mode);
        let Resolved { login, notices } = Login::resolve(&LoginArgs::default(), &environment(folder.path())).unwrap();
        assert_eq!(asked(&login, "postgres"), None);
        let path = file.display();
        let why = "group or others can read it";
        assert_eq!(notices, [format!("ignoring the password file {path}: {why} (fix: chmod 0600 {path})")]);
    }
    let folder_of_that_name = Environment { passfile: Some(folder.path().into()), ..Environment::default() };
    let Resolved { login, notices } = Login::resolve(&LoginArgs::default(), &folder_of_that_name).unwrap();
    assert!(asked(&login, "postgres").is_none() && notices[0].ends_with("it is not a regular file"), "{notices:?}");
    let nowhere = Environment { passfile: Some(folder.path().join("nowhere")), ..Environment::default() };
    assert!(Login::resolve(&LoginArgs::default(), &nowhere).unwrap().notices.is_empty());
}

#[test]
fn the_mode_is_the_flags_before_the_environments() {
    let folder = tempfile::tempdir().unwrap();
    let mode = |flag: Option<SslMode>, variable: Option<&str>| {
        let args = LoginArgs { sslmode: flag, ..LoginArgs::default() };
        let variable = variable.map(str::to_owned);
        let environment = Environment { sslmode: variable, ..environment(folder.path()) };
        Login::resolve(&args, &environment).map(|resolved| resolved.login.tls().mode())
    };
    assert_eq!(mode(None, None).unwrap(), "prefer");
    for (name, is) in [("disable", "disable"), ("allow", "allow"), ("prefer", "prefer"), ("require", "require")] {
        assert_eq!(mode(None, Some(name)).unwrap(), is);
    }
    assert_eq!(mode(Some(SslMode::Disable), Some("require")).unwrap(), "disable");
    let error = mode(None, Some("Require")).unwrap_err();
    assert_eq!(error.exit, crate::error::Exit::Usage);
    assert!(error.to_string().starts_with("invalid PGSSLMODE \"Require\": valid values: disable,"), "{error}");
    for name in ["verify-ca", "verify-full"] {
        let error = mode(None, Some(name)).unwrap_err();
        let path = folder.path().join("root.crt");
        let words = format!("sslmode={name} requires trusted CA certificates: there is no file ");
        assert_eq!(error.to_string(), format!("{words}{}", path.display()));
        assert_eq!(error.exit, crate::error::Exit::Usage);
    }
}

#[test]
fn roots_are_read_where_they_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.crt");
    let resolve = |mode: Option<SslMode>, roots: &str, name: Option<&str>| {
        let args = LoginArgs {
            sslmode: mode,
            sslrootcert: Some(roots.into()),
            sslservername: name.map(str::to_owned),
            ..LoginArgs::default()
        };
        Login::resolve(&args, &Environment::default())
            .map(|resolved| resolved.login.tls().mode())
            .map_err(|error| error.to_string())
    };
    let path = file.to_str().unwrap();
    let said = resolve(Some(SslMode::Require), path, None).unwrap_err();
    assert_eq!(said, format!("cannot use the certificates in {path}: No such file or directory"));
    fs::write(&file, "no certificate").unwrap();
    let said = resolve(Some(SslMode::VerifyCa), path, None).unwrap_err();
    assert_eq!(said, format!("cannot use the certificates in {path}: it contains no PEM certificate"));
    fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    resolve(Some(SslMode::VerifyFull), path, None).unwrap_err();
    // It is not read if nothing is verified.
    assert_eq!(resolve(Some(SslMode::Prefer), path, None).unwrap(), "prefer");

    assert_eq!(resolve(Some(SslMode::Disable), "system", None).unwrap(), "disable");
    let said = resolve(Some(SslMode::Require), "system", None).unwrap_err();
    assert!(said.starts_with("sslmode=require cannot be used with sslrootcert=system: "), "{said}");
    let said = resolve(None, path, Some("not a name")).unwrap_err();
    assert!(said.starts_with("--sslservername \"not a name\" is not a host name"), "{said}");
}

/// A name proves nothing: only a pod that is known to belong to the workload is trusted, and unknown is not.
#[test]
fn a_password_is_for_pods_that_their_workload_owns() {
    use crate::testing::snapshot;
    let set = "{name: cloudberry-proxy, replicas: 2}";
    let topology = |sets: &str, pod: &str| {
        let text = format!("namespace: synxdb-system\n{sets}\npods: [{pod}]");
        crate::topology::build(&snapshot(&[&text]), &crate::topology::Layout::shipped().unwrap())
    };
    let sets = format!("sets: [{set}]");
    let own = "{name: cloudberry-proxy-1, set: cloudberry-proxy, ready: true}";
    let given = Environment { password: Some(Password::new("given")), ..Environment::default() };
    let login = Login::resolve(&LoginArgs::default(), &given).unwrap().login;
    for (what, topology, trusted) in [
        ("its own", topology(&sets, own), true),
        ("one that is to come", topology(&sets, ""), true),
        ("a bare pod", topology(&sets, "{name: cloudberry-proxy-1, ready: true}"), false),
        ("a forged UID", topology(&sets, "{name: cloudberry-proxy-1, set: cloudberry-proxy, owner: x}"), false),
        ("another's", topology(&sets, "{name: cloudberry-proxy-1, replicaSet: cloudberry-proxy}"), false),
        ("sets that could not be read", topology("", own), false),
    ] {
        let login = login.clone().for_members_of(&topology);
        let said = login.trusts("synxdb-system", "cloudberry-proxy-1");
        assert_eq!(said.is_ok(), trusted, "{what}: {said:?}");
    }
    assert!(login.trusts("synxdb-system", "cloudberry-proxy-1").is_err(), "nothing is known");
}
