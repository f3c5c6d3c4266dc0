//! No command reveals a secret, whether its login succeeds or fails, at full verbosity; neither in the arguments of a
//! program that it runs, nor in a file or a record.

use crate::world::{Rule, World};
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::api::ListParams;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const PROXY: &str = "cloudberry-proxy-0";
const PASSWORD: &str = "0pen-S3same-Vault";
const WRONG: &str = "0pen-P0ppy-Field";
const TOKEN: &str = "n0t-A-Token-At-All";

/// Returns a text as it may appear: itself, and in base64 without the end, which depends on what follows.
fn forms(secret: &str) -> [String; 2] {
    use base64::Engine;
    let all = base64::engine::general_purpose::STANDARD_NO_PAD.encode(secret);
    [secret.to_owned(), all[..all.len() - 1].to_owned()]
}

/// Returns the secrets of a kubeconfig's users.
fn secrets_of(kubeconfig: &Path) -> Vec<String> {
    use base64::Engine;
    let config: Value = serde_saphyr::from_str(&fs::read_to_string(kubeconfig).unwrap()).unwrap();
    let mut found = Vec::new();
    for user in config["users"].as_array().unwrap() {
        let user = &user["user"];
        found.extend(user["token"].as_str().map(str::to_owned));
        if let Some(encoded) = user["client-key-data"].as_str() {
            found.push(encoded[64..128].to_owned());
            let pem = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(encoded).unwrap()).unwrap();
            found.push(pem.lines().nth(1).unwrap().to_owned());
        }
    }
    assert!(!found.is_empty(), "{} holds no secret", kubeconfig.display());
    found
}

/// Collects every file in a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn no_command_reveals_a_secret() {
    let world = World::shared();
    let account = world.account("secrets", |_| {});
    let _server = world.secured((&account.namespace, PROXY), PASSWORD);
    let namespace = account.namespace.as_str();
    world.create(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "superuser", "namespace": namespace},
        "stringData": {"password": PASSWORD},
    }));
    let rules = [
        Rule {
            namespace: None,
            resources: &["namespaces", "nodes", "persistentvolumes"],
            verbs: &["get", "list", "watch"],
        },
        Rule {
            namespace: Some(namespace),
            resources: &["pods", "persistentvolumeclaims", "statefulsets.apps", "events"],
            verbs: &["get", "list", "watch"],
        },
        Rule { namespace: Some(namespace), resources: &["pods/portforward"], verbs: &["get", "create"] },
    ];
    let reader = world.user(namespace, &rules);

    // A psql that reports how it was run.
    let programs = world.home().join("bin");
    fs::create_dir(&programs).unwrap();
    let argv = world.home().join("argv");
    let psql = programs.join("psql");
    fs::write(&psql, format!("#!/bin/sh\necho \"$@\" > {0}\n[ \"$PGPASSWORD\" = '{PASSWORD}' ]\n", argv.display()))
        .unwrap();
    fs::set_permissions(&psql, fs::Permissions::from_mode(0o700)).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let passwords = world.home().join("passwords");
    fs::write(&passwords, format!("*:*:*:*:{PASSWORD}\n")).unwrap();
    fs::set_permissions(&passwords, fs::Permissions::from_mode(0o600)).unwrap();
    let baseline = world.home().join("baseline.json");

    let mut secrets: Vec<String> = [PASSWORD, WRONG, TOKEN].iter().flat_map(|secret| forms(secret)).collect();
    secrets.extend(secrets_of(world.kubeconfig()));
    secrets.extend(secrets_of(&reader.kubeconfig));
    let ours = [passwords.clone(), psql.clone(), reader.kubeconfig.clone(), world.kubeconfig().to_owned()];

    let given = ("PGPASSWORD", PASSWORD);
    let wrong = ("PGPASSWORD", WRONG);
    let file = ("PGPASSFILE", passwords.to_str().unwrap());
    let as_reader = ("KUBECONFIG", reader.kubeconfig.to_str().unwrap());
    let by_secret = ["--password-secret", "superuser/password"];
    let save = ["verify", "--save", baseline.to_str().unwrap()];
    let with_by_secret = [&["verify", "--read-only"][..], &by_secret].concat();
    // Arguments, variables, exit code.
    type Case<'c> = (&'c [&'c str], Vec<(&'c str, &'c str)>, i32);
    let runs: Vec<Case<'_>> = vec![
        (&["status"], vec![given], 0),
        (&["status", "--token", TOKEN], vec![given, as_reader], 1),
        (&["status"], vec![given, as_reader], 0),
        (&save, vec![given], 0),
        (&["verify", "--read-only"], vec![wrong], 8),
        (&["verify", "--read-only"], vec![file], 0),
        (&["verify", "--read-only"], vec![given, as_reader], 0),
        (&with_by_secret, vec![], 0),
        (&with_by_secret, vec![as_reader], 8),
        (&["failover", PROXY, "--dry-run=client", "-o", "json"], vec![wrong], 0),
        (&["failover", PROXY, "--dry-run=server"], vec![given], 0),
        (&["failover", PROXY, "--yes"], vec![given, as_reader], 4),
        (&["failover", PROXY, "--yes"], vec![given], 0),
        (&["history"], vec![given], 0),
        (&["forward", "--port", "0", "--psql"], vec![given], 0),
    ];
    for (arguments, variables, code) in runs {
        let mut command = account.plugin(&[&["-v", "9"], arguments].concat());
        command.env("PATH", &path).env("RUST_BACKTRACE", "full").envs(variables.iter().copied());
        let ran = account.world.start_command(command).end();
        assert_eq!(ran.code, Some(code), "{}", ran.shown());
        let shown = format!("{}{}", ran.out, ran.err);
        for secret in &secrets {
            assert!(!shown.contains(secret), "a secret was told\n{}", ran.shown());
        }
    }
    let arguments = fs::read_to_string(&argv).unwrap();
    assert!(arguments.contains("-d dbname='postgres'") && !arguments.contains(PASSWORD), "{arguments}");
    assert_eq!(fs::metadata(&baseline).unwrap().permissions().mode() & 0o777, 0o600);

    // Nor is one in anything written: files, and records on volumes.
    let mut written = Vec::new();
    files(world.home(), &mut written);
    for file in written.iter().filter(|file| !ours.contains(file)) {
        let text = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{} holds a secret:\n{text}", file.display());
    }
    let volumes = world.block_on(world.cluster_wide::<PersistentVolume>().list(&ListParams::default())).unwrap();
    let volumes = serde_json::to_string(&volumes.items).unwrap();
    assert!(volumes.contains("kubectl-synxdb/record-"), "no record was written");
    assert!(!secrets.iter().any(|secret| volumes.contains(secret)), "a record holds a secret");
}
