use super::*;

fn line(text: &str) -> CommandLine {
    // A space at the end: the word under the cursor is empty.
    CommandLine::new(text.split(' ').map(OsString::from).collect())
}

fn offered(text: &str, found: &[Candidate]) -> Vec<String> {
    line(text).offer(found).candidates.into_iter().map(|one| one.value).collect()
}

fn some(values: &[&str]) -> Vec<Candidate> {
    values.iter().map(|value| Candidate::new(*value, "about it")).collect()
}

#[test]
fn what_the_word_names_is_found_wherever_it_stands() {
    let names = |names, begun: &str| Some(Wanted::Names(names, begun.to_owned()));
    for (text, wanted) in [
        ("fail", None),
        ("failover ", names(Names::Pod, "")),
        ("failover wh", names(Names::Pod, "wh")),
        ("failover --keep-pvc -n x wh", names(Names::Pod, "wh")),
        ("failover --dry-run wh", names(Names::Pod, "wh")),
        ("failover --dry-run=server wh", names(Names::Pod, "wh")),
        ("failover wh9527-0 ", None),
        ("status a-0 ", names(Names::Targets, "")),
        ("verify a-0 b", names(Names::Targets, "b")),
        ("verify -d po", names(Names::Catalog, "po")),
        ("forward m", names(Names::Endpoint, "m")),
        ("history ", names(Names::Past, "")),
        ("release 3", names(Names::Kept, "3")),
        ("undo 3", names(Names::Undoable, "3")),
        ("undo 3f --probe s", names(Names::Database, "s")),
        // Options of kubectl, before and after the command, with = and attached.
        ("-n cl", names(Names::Namespace, "cl")),
        ("status -n cl", names(Names::Namespace, "cl")),
        ("status -ncl", names(Names::Namespace, "cl")),
        ("status -n=cl", names(Names::Namespace, "cl")),
        ("status --namespace=cl", names(Names::Namespace, "cl")),
        ("--namespace cl", names(Names::Namespace, "cl")),
        ("rbac -n a -n cl", names(Names::Namespace, "cl")),
        ("status --context pr", names(Names::Context, "pr")),
        ("status --cluster=", names(Names::Cluster, "")),
        ("status --user ", names(Names::User, "")),
        ("--sandbox --scenario st", names(Names::Scenario, "st")),
        ("schema Fail", names(Names::Kind, "Fail")),
        ("status --kubeconfig ~/.k", Some(Wanted::File)),
        ("status --layout=", Some(Wanted::File)),
        ("verify --save ./b", Some(Wanted::File)),
        ("verify --against=b", Some(Wanted::File)),
        ("verify --sslrootcert r", Some(Wanted::File)),
        ("forward --psql -- -f q", Some(Wanted::File)),
        ("status --token se", None),
        ("failover --confirm w", None),
        ("failover --timeout 1", None),
        ("nothing of ours ", None),
        ("", None),
    ] {
        assert_eq!(line(text).wanted(), wanted, "{text:?}");
    }
}

#[test]
fn candidates_have_the_prefix_and_fit_their_position() {
    let found = some(&["wh9527-0", "wh9527-1", "safekeeper-0"]);
    for (text, expected) in [
        ("failover wh", vec!["wh9527-0", "wh9527-1"]),
        ("failover ", vec!["wh9527-0", "wh9527-1", "safekeeper-0"]),
        // For --flag=value the value; for an attached one the complete word.
        ("status --namespace=wh9527-1", vec!["wh9527-1"]),
        ("status -n=s", vec!["safekeeper-0"]),
        ("status -ns", vec!["-nsafekeeper-0"]),
        // From the command line itself.
        ("fail", vec!["failover"]),
        ("completion ", vec!["bash", "zsh", "fish", "powershell", "install", "uninstall"]),
        ("rel", vec!["release"]),
        ("verify -o js", vec!["json", "jsonpath="]),
        ("verify --output=y", vec!["yaml"]),
        ("verify -oy", vec!["-oyaml"]),
        ("failover --allow quorum-loss --allow st", vec!["storage-class"]),
        ("failover --dry-run=s", vec!["server"]),
        ("rbac --for status,ver", vec!["status,verify"]),
        ("status --color ", vec!["auto", "always", "never"]),
        ("verify --sslmode verify-", vec!["verify-ca", "verify-full"]),
        // Flags only if one was begun, and each once unless it may be repeated.
        ("failover --keep", vec!["--keep-pvc"]),
        ("failover --keep-pvc --keep", vec![]),
        ("status --namespace=x --names", vec![]),
        ("rbac --namespace=x --names", vec!["--namespace"]),
        ("failover --allow quorum-loss --allo", vec!["--allow"]),
        ("failover -A", vec![]),
        ("status -A", vec!["-A"]),
        ("no such --fla", vec![]),
    ] {
        assert_eq!(offered(text, &found), expected, "{text:?}");
    }
    assert!(offered("status -", &found).iter().all(|flag| flag.starts_with("--")));
    assert!(offered("status -", &found).contains(&"--all-namespaces".to_owned()));
}

#[test]
fn commands_come_in_the_order_of_the_help_and_say_what_they_do() {
    let offer = line("").offer(&[]);
    let commands: Vec<&str> = offer.candidates.iter().map(|one| &*one.value).collect();
    assert_eq!(&commands[..4], ["status", "failover", "undo", "history"]);
    assert!(offer.candidates.iter().all(|one| !one.about.is_empty()), "{offer}");
    assert!(!commands.contains(&"__complete") && !commands.contains(&"help"));
}

#[test]
fn the_answer_is_in_the_form_that_kubectl_reads() {
    for (text, found, expected) in [
        ("failover ", some(&["b-0", "a-0"]), "b-0\tabout it\na-0\tabout it\n:36\n"),
        ("failover ", vec![Candidate::new("a-0", "")], "a-0\n:36\n"),
        ("failover x", vec![], ":36\n"),
        ("status --context ", some(&["arn:aws/"]), "arn:aws/\tabout it\n:38\n"),
        ("status -o jsonp", vec![], "jsonpath=\tJSONPath template over the JSON document, as in kubectl\n:38\n"),
        ("verify --save ", vec![], ":0\n"),
        ("verify --save=b", vec![], ":0\n"),
    ] {
        assert_eq!(line(text).offer(&found).to_string(), expected, "{text:?}");
    }
    // Foreign text stays on one line and does not control the terminal.
    let hostile = [
        Candidate::new("a\u{1b}[2J", "x"),
        Candidate::new("b\nc", "x"),
        Candidate::new("d", "one\ttwo\u{202e}\nthree"),
    ];
    assert_eq!(line("status --context ").offer(&hostile).to_string(), "d\tone two\u{fffd}\n:36\n");
}

#[test]
fn what_was_typed_before_is_parsed_as_far_as_possible() {
    let typed = |text: &str| line(text).typed();
    for text in [
        "-n a --context c --kubeconfig /k failover ",
        "failover -na --context=c --kubeconfig=/k ",
        "failover wh9527-0 -n a --context c --kubeconfig /k -o ",
        "failover -n a --context c --kubeconfig /k --help ",
        "failover -n a --context c --kubeconfig /k --no-such-flag ",
        "release -n a --context c --kubeconfig /k ",
        "status --context c --kubeconfig /k -n a --request-timeout ",
        "verify --context c --kubeconfig /k -n a -o nonsense ",
    ] {
        let global = typed(text).global;
        assert_eq!((global.namespace.as_deref(), global.context.as_deref()), (Some("a"), Some("c")), "{text}");
        assert_eq!(global.kubeconfig.as_deref().and_then(|path| path.to_str()), Some("/k"), "{text}");
    }
    let verify = typed("verify -A a-0 b-0 -U me --sslmode require -d ");
    assert!(verify.all_namespaces && verify.targets == ["a-0", "b-0"]);
    assert_eq!(verify.login.username.as_deref(), Some("me"));
    assert_eq!(typed("failover a-0 --probe ").targets, ["a-0"]);
    assert!(typed("--sandbox --scenario forbidden failover ").global.sandbox);
    // Its namespaces are several, and do not matter here.
    assert_eq!(typed("rbac --context c -n a -n ").global.context.as_deref(), Some("c"));
}

/// Every argument of a command and of those below it.
fn each_argument(command: &Command, see: &mut impl FnMut(&Arg)) {
    command.get_arguments().for_each(&mut *see);
    command.get_subcommands().for_each(|command| each_argument(command, see));
}

/// An argument with a value either has a list of values, or names something, or is a file, or is one of these, which have no
/// list.
#[test]
fn no_value_is_forgotten() {
    let free = [
        "accept_missing",
        "address",
        "as_group",
        "as_uid",
        "as_user",
        "as_user_extra",
        "confirm",
        "disable_compression",
        "insecure_skip_tls_verify",
        "log_flush_frequency",
        "match_server_version",
        "older_than",
        "page_ca_secret",
        "page_server_name",
        "page_token_secret",
        "password_secret",
        "pod_uid",
        "port",
        "profile_output",
        "proxy_url",
        "request_timeout",
        "secret",
        "server",
        "serviceaccount",
        "settle",
        "sslservername",
        "subject_group",
        "subject_user",
        "timeout",
        "tls_server_name",
        "token",
        "username",
        "verbosity",
        "vmodule",
        "warnings_as_errors",
    ];
    let mut left = Vec::new();
    each_argument(&Cli::command(), &mut |argument| {
        let listed = !argument.get_possible_values().is_empty() || argument.get::<Names>().is_some();
        if argument.get_action().takes_values() && !listed && argument.get_value_hint() == ValueHint::Unknown {
            left.push(argument.get_id().to_string());
        }
    });
    left.sort();
    left.dedup();
    assert_eq!(left, free);
}
