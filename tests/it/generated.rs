//! Generated files in the repository are what the program generates now. `REGENERATE=1` updates them.

#![allow(clippy::unwrap_used)]

use kubectl_synxdb::cli::Shell;
use kubectl_synxdb::completion::scripts;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn compare(path: PathBuf, generated: &str) {
    if std::env::var_os("REGENERATE").is_some() {
        std::fs::write(&path, generated).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == generated, "{} is not what the program generates now: just regen", path.display());
}

#[test]
fn completion_scripts() {
    for (shell, file) in [
        (Shell::Bash, "kubectl-synxdb.bash"),
        (Shell::Zsh, "_kubectl-synxdb"),
        (Shell::Fish, "kubectl-synxdb.fish"),
        (Shell::Powershell, "_kubectl-synxdb.ps1"),
    ] {
        compare(root().join("completions").join(file), scripts::script(shell));
    }
    let through_kubectl = root().join("completions/kubectl_complete-synxdb");
    compare(through_kubectl.clone(), scripts::THROUGH_KUBECTL);
    assert!(scripts::is_ours(scripts::THROUGH_KUBECTL));
    // Archives and packages contain it with this mode.
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(through_kubectl).unwrap().permissions());
    assert_eq!(mode & 0o111, 0o111);
}

/// The README's table of permissions is generated from the same rights as the roles.
#[test]
fn permissions_of_the_readme() {
    let path = root().join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let start = readme.find("| Right |").unwrap();
    let end = start + readme[start..].find("\n\n").unwrap() + 1;
    let table = kubectl_synxdb::render::rbac::table();
    compare(path, &format!("{}{table}{}", &readme[..start], &readme[end..]));
}

/// The page lists exactly the existing scenarios.
#[test]
fn scenarios_of_the_sandbox_page() {
    let page = std::fs::read_to_string(root().join("docs/sandbox.md")).unwrap();
    let section = page.split("| Scenario |").nth(1).unwrap().split("\n## ").next().unwrap();
    let told: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let mut there: Vec<String> =
        practice_cluster::scenarios().unwrap().into_iter().map(|(name, _)| name.to_owned()).collect();
    let mut told: Vec<String> = told.into_iter().map(str::to_owned).collect();
    there.sort();
    told.sort();
    assert_eq!(told, there);
}

/// The README and `--help` list the same exit codes, and all of them.
#[test]
fn exit_codes_of_the_readme_and_the_help() {
    use kubectl_synxdb::error::Exit;
    let codes = |lines: &str, before: &str| -> Vec<u8> {
        let number = |line: &str| line.strip_prefix(before)?.split_whitespace().next()?.parse().ok();
        lines.lines().filter_map(number).collect()
    };
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let help = kubectl_synxdb::cli::command().render_long_help().to_string();
    let help = help.split("Exit codes:").nth(1).unwrap();
    let all = Exit::ALL.map(Exit::code);
    assert_eq!(codes(&readme, "| "), all);
    assert_eq!(codes(help, "  "), all);
}
