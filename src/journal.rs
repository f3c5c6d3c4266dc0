//! The local journal: records that no volume can carry, one file each (`<id>.json`), readable only by their owner.

use crate::error::{Error, Result};
use crate::plan::{BaselineLoss, Record};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The largest file that is written and read: a baseline that makes a record larger is left out.
const LARGEST: u64 = 1024 * 1024;
/// The most files that are read.
const MOST: usize = 10_000;

/// A folder of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// `None` if there is no place for one.
    folder: Option<PathBuf>,
}

impl Journal {
    /// Uses this folder; it is created when something is written.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()) }
    }

    /// Uses the user's folder: `$XDG_STATE_HOME/kubectl-synxdb`, or `~/.local/state/kubectl-synxdb` (XDG Base Directory
    /// Specification; a relative path in the variable is ignored, as it requires), on Windows in `%LOCALAPPDATA%`. If
    /// none of these is set there is no journal: it is empty, and writing fails.
    pub fn of_user(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = folder("XDG_STATE_HOME")
            .or_else(|| folder("HOME").map(|home| home.join(".local").join("state")))
            .or_else(|| folder("LOCALAPPDATA"));
        Self { folder: state.map(|state| state.join("kubectl-synxdb")) }
    }

    /// Returns the file of this operation; `None` without a journal.
    pub fn path(&self, id: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{id}.json")))
    }

    /// Writes a record in place of the operation's earlier one. It is on the disk when this returns.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub fn write(&self, record: &Record) -> Result<()> {
        let Some((folder, path)) = self.folder.as_ref().zip(self.path(&record.id)) else {
            return Err(Error::failure("no place to store the record").because("HOME is not set"));
        };
        replace(folder, &path, record)
            .map_err(|error| Error::failure(format!("cannot write the record to {}", path.display())).because_of(error))
    }

    /// Deletes an operation's record. A missing record is not an error.
    ///
    /// # Errors
    /// The file exists and cannot be removed.
    pub fn forget(&self, id: &str) -> Result<()> {
        let Some(path) = self.path(id) else { return Ok(()) };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::failure(format!("cannot remove {}", path.display())).because_of(error))
            }
            _ => Ok(()),
        }
    }

    /// Returns all records, and what could not be read. A missing folder has none.
    pub fn records(&self) -> (Vec<Record>, Vec<String>) {
        let mut unread = Vec::new();
        let Some(folder) = &self.folder else { return (Vec::new(), unread) };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (Vec::new(), unread),
            Err(error) => return (Vec::new(), vec![format!("{}: {error}", folder.display())]),
        };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        let mut records = Vec::new();
        for path in paths.take(MOST) {
            match read_whole(&path) {
                Ok(text) => match Record::parse(&text) {
                    Some(record) => records.push(record),
                    None => unread.push(format!("{} is not a record of this version", path.display())),
                },
                Err(error) => unread.push(format!("{}: {error}", path.display())),
            }
        }
        (records, unread)
    }
}

/// Returns whether a record would be written without its baseline.
pub(crate) fn loses_baseline(record: &Record) -> bool {
    record.has_baseline() && text(record).is_ok_and(|(_, lost)| lost)
}

/// Returns a record as its file's text, and whether its baseline had to be left out.
fn text(record: &Record) -> io::Result<(String, bool)> {
    let mut packed = record.clone().packed();
    let mut text = serde_json::to_string(&packed).map_err(io::Error::other)?;
    if text.len() as u64 > LARGEST && packed.has_baseline() {
        packed.lose_baseline(BaselineLoss::TooLarge);
        text = serde_json::to_string(&packed).map_err(io::Error::other)?;
    }
    Ok((text, record.has_baseline() && !packed.has_baseline()))
}

/// A run that is killed here leaves the old record.
fn replace(folder: &Path, path: &Path, record: &Record) -> io::Result<()> {
    make_folder(folder)?;
    let (text, _) = text(record)?;
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let written = write_whole(&fresh, text.as_bytes()).and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written?;
    // The directory entry is on the disk, too.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Creates a file that only its owner can read.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn read_whole(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("it is larger than {LARGEST} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, outcome: &str) -> Record {
        let finished = if outcome == "unfinished" { "null" } else { "\"2026-01-01T00:01:00Z\"" };
        let text = format!(
            r#"{{"apiVersion":"kubectl-synxdb/v1beta1","kind":"Record","operation":"failover","id":"{id}","started":"2026-01-01T00:00:00Z","finished":{finished},"outcome":"{outcome}","context":"c",
            "namespace":"n","pod":"p-0","podUid":"u","keepClaims":true,"claims":[]}}"#
        );
        Record::parse(&text).unwrap()
    }

    #[test]
    fn what_is_written_is_read_and_only_the_newest_of_an_act() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::at(home.path().join("state").join("kubectl-synxdb"));
        assert_eq!(journal.records(), (Vec::new(), Vec::new()));
        journal.write(&record("a1", "unfinished")).unwrap();
        journal.write(&record("b2", "unfinished")).unwrap();
        journal.write(&record("a1", "recovered")).unwrap();
        let records = Record::merged(journal.records().0);
        assert_eq!(records, [record("a1", "recovered"), record("b2", "unfinished")]);
        journal.forget("b2").unwrap();
        journal.forget("b2").unwrap();
        assert_eq!(journal.records().0, [record("a1", "recovered")]);
        // A run that was killed leaves at most its unfinished file beside the old one.
        let left: Vec<_> = fs::read_dir(home.path().join("state/kubectl-synxdb"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["a1.json"]);
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::at(home.path().join("kubectl-synxdb"));
        journal.write(&record("a1", "unfinished")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&journal.path("a1").unwrap()), mode(&home.path().join("kubectl-synxdb"))), (0o600, 0o700));
    }

    #[test]
    fn what_cannot_be_read_is_said_and_hides_nothing() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::at(home.path());
        journal.write(&record("a1", "unfinished")).unwrap();
        fs::write(home.path().join("x.json"), "{").unwrap();
        fs::write(home.path().join("large.json"), vec![b' '; LARGEST as usize + 1]).unwrap();
        let (records, mut unread) = journal.records();
        unread.sort();
        assert_eq!(records.len(), 1);
        assert!(unread[0].contains("large.json: it is larger than") && unread[1].contains("x.json is not a record"));
        let no_folder = Journal::at(home.path().join("a1.json"));
        let error = no_folder.write(&record("b", "unfinished")).unwrap_err();
        assert!(error.what.starts_with("cannot write the record to "), "{error}");
    }

    #[test]
    fn where_it_is() {
        let of = |set: &[(&str, &str)]| {
            let set: Vec<(String, OsString)> = set.iter().map(|(k, v)| ((*k).to_owned(), OsString::from(v))).collect();
            let journal =
                Journal::of_user(|name| set.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()));
            journal.path("id").map(|path| path.display().to_string())
        };
        assert_eq!(of(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")]).unwrap(), "/s/kubectl-synxdb/id.json");
        let home = "/h/.local/state/kubectl-synxdb/id.json";
        assert_eq!(of(&[("HOME", "/h")]).unwrap(), home);
        assert_eq!(of(&[("XDG_STATE_HOME", "relative"), ("HOME", "/h")]).unwrap(), home);
        assert_eq!(of(&[]), None);
        let error = Journal::of_user(|_| None).write(&record("a1", "unfinished")).unwrap_err();
        assert_eq!(error.to_string(), "no place to store the record: HOME is not set");
    }
}
