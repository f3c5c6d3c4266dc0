//! `completion install` and `completion uninstall`: puts `kubectl_complete-synxdb` on PATH, and removes it.

use super::Context;
use super::confirm::ask;
use crate::cli::{CompletionCommand, InstallArgs};
use crate::completion::install::{FILE, Folder, Found, Step, to_install, to_uninstall};
use crate::completion::scripts::{THROUGH_KUBECTL, is_ours};
use crate::error::{Error, Exit, Result};
use crate::render::{completion as text, prompt};
use crate::suggestion::plugin;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// Maximum bytes that are read of a file to recognize it.
const LARGEST: u64 = 4096;

pub(super) async fn run(context: &Context, command: &CompletionCommand) -> Result<Exit> {
    if cfg!(windows) {
        return Err(Error::refused("completion through kubectl is not available on Windows")
            .because("kubectl_complete-synxdb is a shell script; nothing was changed")
            .hint(plugin("completion powershell").of_no_cluster()));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<Folder> =
        std::env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|folder| inspect(&folder)).collect();
    let (args, step) = match command {
        CompletionCommand::Install(args) => (args, to_install(&folders)?),
        CompletionCommand::Uninstall(args) => (args, to_uninstall(&folders)?),
        // The scripts are printed elsewhere.
        _ => return Ok(Exit::Yes),
    };
    let screen = context.screen;
    let to_ask = match &step {
        Step::Write(path) => Some((text::will_write(path, false, THROUGH_KUBECTL, screen.err), "Continue?")),
        Step::Renew(path) => Some((text::will_write(path, true, THROUGH_KUBECTL, screen.err), "Continue?")),
        Step::Remove(path) => Some((text::will_remove(path, screen.err), "Continue?")),
        Step::Present(_) | Step::Absent => None,
    };
    if let Some((plan, question)) = to_ask {
        screen.note(&plan);
        confirm(context, args, question).await?;
        carry_out(&step)?;
    }
    let shell = std::env::var("SHELL").ok();
    screen.result(&match &step {
        Step::Write(path) | Step::Renew(path) => text::installed(path, true, shell.as_deref(), screen.out),
        Step::Present(path) => text::installed(path, false, shell.as_deref(), screen.out),
        Step::Remove(path) => text::removed(Some(path), screen.out),
        Step::Absent => text::removed(None, screen.out),
    });
    Ok(Exit::Yes)
}

async fn confirm(context: &Context, args: &InstallArgs, question: &'static str) -> Result<()> {
    let screen = context.screen;
    if args.yes {
        return Ok(());
    }
    if !screen.interactive {
        return Err(Error::refused("no terminal for the prompt")
            .because("nothing was changed")
            .hint("to skip the prompt, add --yes"));
    }
    if ask(context, prompt::Before::line(screen), move || prompt::confirm(screen, question)).await? {
        return Ok(());
    }
    Err(Error::new(Exit::Declined, "declined; nothing was changed").because("cancelled"))
}

fn carry_out(step: &Step) -> Result<()> {
    let failed = |what: &str, path: &Path, error: io::Error| {
        Error::failure(format!("{} cannot be {what}", path.display()))
            .because_of(error)
            .hint(format!("ls -ld {}", path.parent().unwrap_or(path).display()))
    };
    match step {
        Step::Write(path) => write_new(path).map_err(|error| failed("written", path, error)),
        Step::Renew(path) => renew(path).map_err(|error| failed("written", path, error)),
        Step::Remove(path) => fs::remove_file(path).map_err(|error| failed("removed", path, error)),
        Step::Present(_) | Step::Absent => Ok(()),
    }
}

/// Writes a new file; an existing one, even one that was just created, stays.
fn write_new(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o755);
    let mut file = options.open(path)?;
    let written = file.write_all(THROUGH_KUBECTL.as_bytes());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

/// Replaces our file atomically.
fn renew(path: &Path) -> io::Result<()> {
    let fresh = path.with_file_name(format!(".{FILE}.{}", std::process::id()));
    write_new(&fresh)?;
    let renamed = fs::rename(&fresh, path);
    if renamed.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    renamed
}

fn inspect(folder: &Path) -> Folder {
    let plugin = fs::metadata(folder.join("kubectl-synxdb"));
    Folder {
        path: folder.to_owned(),
        has_plugin: plugin.is_ok_and(|plugin| plugin.is_file() && may_be_run(&plugin)),
        found: found(&folder.join(FILE)),
        writable: writable(folder),
        own: own(folder),
    }
}

fn found(file: &Path) -> Found {
    let there = match fs::symlink_metadata(file) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
        // An unreadable file is not ours.
        Err(_) => return Found::Foreign,
    };
    // A link may point to one of ours; its target is not replaced.
    let text = match fs::metadata(file) {
        Ok(leads_to) if leads_to.is_file() && leads_to.len() <= LARGEST => fs::read_to_string(file).ok(),
        _ => None,
    };
    match text {
        Some(text) if text == THROUGH_KUBECTL && fs::metadata(file).is_ok_and(|file| may_be_run(&file)) => Found::Same,
        Some(text) if is_ours(&text) && there.is_file() => Found::Other,
        _ => Found::Foreign,
    }
}

#[cfg(unix)]
fn may_be_run(file: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o111 != 0
}

#[cfg(not(unix))]
fn may_be_run(_: &fs::Metadata) -> bool {
    true
}

#[cfg(unix)]
fn writable(folder: &Path) -> bool {
    use rustix::fs::{Access, access};
    folder.is_dir() && access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn writable(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|folder| folder.is_dir() && !folder.permissions().readonly())
}

#[cfg(unix)]
fn own(folder: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    fs::metadata(folder).is_ok_and(|folder| std::os::unix::fs::MetadataExt::uid(&folder) == user)
}

#[cfg(not(unix))]
fn own(_: &Path) -> bool {
    true
}
