//! The manual pages: one for the program, and one for each command.

use super::command_line::{Page, Section, help, pages};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use std::path::{Path, PathBuf};

/// The environment variables.
const ENVIRONMENT: [(&str, &str); 11] = [
    ("KUBECONFIG", "Kubeconfig files, as for kubectl; --kubeconfig takes precedence."),
    ("KUBECTL_SYNXDB_LAYOUT", "Layout file mapping SynxDB names; --layout takes precedence."),
    ("PGPASSWORD", "Password for databases; --password-secret takes precedence."),
    ("PGPASSFILE", "Password file instead of ~/.pgpass."),
    ("PGSSLMODE", "TLS mode for databases; --sslmode takes precedence."),
    ("PGSSLROOTCERT", "Certificate authorities for databases; --sslrootcert takes precedence."),
    ("HTTPS_PROXY", "Proxy for the API server; NO_PROXY lists exceptions."),
    ("XDG_STATE_HOME", "Folder of the journal; see FILES."),
    (
        "KUBECTL_SYNXDB_SANDBOX_DIR",
        "Folder for the files of practice clusters, instead of /tmp/kubectl-synxdb-UID; its path must be short.",
    ),
    ("NO_COLOR", "If set and not empty, disables colors; --color takes precedence."),
    ("TERM", "dumb: disables colors and updates in place."),
];

/// The files that are read and written on this machine.
const FILES: [(&str, &str); 4] = [
    ("~/.kube/config", "The kubeconfig, unless KUBECONFIG or --kubeconfig is set."),
    ("~/.pgpass", "Passwords, as for psql; the host is localhost, POD or POD.NAMESPACE, and the port is the pod's."),
    ("~/.postgresql/root.crt", "Certificate authorities for databases."),
    (
        "$XDG_STATE_HOME/kubectl-synxdb, ~/.local/state/kubectl-synxdb",
        "The journal: a file for each failover and undo whose record no volume can carry (with --keep-pvc, or without \
         permission to change volumes). All other records are on the volumes themselves.",
    ),
];

fn title(page: &Page) -> String {
    ["kubectl-synxdb".to_owned()].into_iter().chain(page.words.clone()).collect::<Vec<_>>().join("-")
}

fn file(page: &Page) -> PathBuf {
    Path::new("man").join(format!("{}.1", title(page)))
}

fn of(page: &Page, all: &[Page]) -> String {
    let title = title(page);
    let mut command = page.command.clone().display_name(title.clone());
    if !page.words.is_empty() {
        // They are on the program's page.
        command = command.mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
    }
    // They have their own section before the options.
    command = command.mut_args(|arg| if arg.is_positional() { arg.hide(true) } else { arg });
    let source = format!("kubectl-synxdb {}", env!("CARGO_PKG_VERSION"));
    // No date: the pages would change every day. No manual name: the longest titles leave no space for it.
    let man = Man::new(command).title(title.to_uppercase()).date("\"\"").source(source).manual("\"\"");
    let part = |render: &dyn Fn(&mut Vec<u8>)| {
        let mut text = Vec::new();
        render(&mut text);
        String::from_utf8(text).unwrap()
    };
    let head = part(&|text| man.render_title(text).unwrap());
    let preamble = head.split_once(".TH ").unwrap().0.to_owned();
    // Each section includes it.
    let body = |text: String| text.strip_prefix(&preamble).unwrap().to_owned();
    // Ragged right, and words are never broken, because readers may type them.
    let mut text = format!("{head}.ad l\n.nh\n");
    text.push_str(&body(part(&|text| man.render_name_section(text).unwrap())));

    let mut roff = Roff::new();
    heading(&mut roff, "SYNOPSIS");
    let called = page.called();
    for (number, line) in usage(page).into_iter().enumerate() {
        if number > 0 {
            roff.control("br", []);
        }
        roff.text([bold(&called), roman(line.strip_prefix(&called).unwrap_or(&line))]);
    }
    heading(&mut roff, "DESCRIPTION");
    let about = page.about();
    roff.text([roman(format!("{}.", about.trim_end_matches('.')))]);
    let after = page.after();
    for section in &after {
        if let Section::Paragraph(paragraph) = section {
            roff.control("PP", []);
            roff.text([roman(paragraph)]);
        }
    }
    if page.words.is_empty() {
        roff.control("PP", []);
        roff.text([
            roman("kubectl runs it as "),
            bold("kubectl synxdb"),
            roman(" if the program kubectl-synxdb is on the PATH."),
        ]);
    }
    let positionals: Vec<_> = page.command.get_positionals().filter(|arg| !arg.is_hide_set()).collect();
    if !positionals.is_empty() {
        heading(&mut roff, "ARGUMENTS");
        for arg in positionals {
            entry(&mut roff, italic(arg.get_value_names().unwrap_or_default().join(" ")), "", &help(arg));
        }
    }
    text.push_str(&body(roff.render()));
    text.push_str(&body(part(&|text| man.render_options_section(text).unwrap())));

    let mut roff = Roff::new();
    if !page.words.is_empty() {
        roff.control("PP", []);
        roff.text([
            roman("For global flags (namespace, kubeconfig and other kubectl flags, practice cluster), see "),
            bold("kubectl-synxdb"),
            roman("(1)."),
        ]);
    }
    if page.subcommands().next().is_some() {
        heading(&mut roff, "COMMANDS");
        for command in page.subcommands() {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            entry(&mut roff, bold(format!("{title}-{}", command.get_name())), "(1)", &about);
        }
    }
    examples(&mut roff, &after);
    heading(&mut roff, "EXIT STATUS");
    for (code, meaning) in page.codes() {
        entry(&mut roff, bold(code), "", &meaning);
    }
    heading(&mut roff, "ENVIRONMENT");
    if page.words.is_empty() {
        for (name, meaning) in ENVIRONMENT {
            entry(&mut roff, bold(name), "", meaning);
        }
        heading(&mut roff, "FILES");
        for (name, meaning) in FILES {
            entry(&mut roff, italic(name), "", meaning);
        }
    } else {
        roff.text([roman("Variables and files are in "), bold("kubectl-synxdb"), roman("(1).")]);
    }
    heading(&mut roff, "SEE ALSO");
    let others: Vec<Inline> = all
        .iter()
        .filter(|other| other.words != page.words)
        .flat_map(|other| [roman(", "), bold(self::title(other)), roman("(1)")])
        .chain([roman(", "), bold("kubectl"), roman("(1), "), bold("psql"), roman("(1)")])
        .skip(1)
        .collect();
    roff.text(others);
    text.push_str(&body(roff.render()));
    text
}

fn heading(roff: &mut Roff, name: &str) {
    roff.control("SH", [name]);
}

/// Adds a name, and its meaning below it.
fn entry(roff: &mut Roff, name: Inline, after: &str, meaning: &str) {
    roff.control("TP", []);
    roff.text([name, roman(after)]);
    roff.text([roman(meaning)]);
}

fn examples(roff: &mut Roff, after: &[Section]) {
    for section in after {
        let Section::Examples(examples) = section else { continue };
        heading(roff, "EXAMPLES");
        for (number, example) in examples.iter().enumerate() {
            if !example.comment.is_empty() {
                if number > 0 {
                    roff.control("PP", []);
                }
                roff.text([roman(format!("{}:", example.comment))]);
            }
            roff.control("PP", []);
            roff.control("RS", ["4"]);
            roff.control("EX", []);
            for command in &example.commands {
                roff.text([roman(command)]);
            }
            roff.control("EE", []);
            roff.control("RE", []);
        }
    }
}

/// Returns the lines of its usage.
pub(crate) fn usage(page: &Page) -> Vec<String> {
    let usage = page.command.clone().render_usage().to_string();
    usage
        .trim_start_matches("Usage:")
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

#[test]
fn manual_pages() {
    let all = pages();
    for page in &all {
        super::compare(&file(page), &of(page, &all));
    }
    super::only("man", &all.iter().map(file).collect::<Vec<_>>());
}

/// The program reads every variable that a page names; kubectl's and libpq's variables are in their tables.
#[test]
fn variables_of_the_manual_are_read() {
    let mut sources = String::new();
    read(&super::root().join("src"), &mut sources);
    for (name, _) in ENVIRONMENT {
        assert!(sources.contains(&format!("\"{name}\"")), "nothing reads {name}");
    }
}

fn read(folder: &Path, sources: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}
