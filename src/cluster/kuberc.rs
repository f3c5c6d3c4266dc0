//! Which credential plugins kubectl's preferences (`~/.kube/kuberc`) allow to run
//! (<https://kubernetes.io/docs/reference/kubectl/kuberc/>).

use std::path::{Component, Path, PathBuf};

use super::files;
use super::options::{ConnectOptions, Environment};
use super::programs;
use super::yaml;

/// The group of kubectl's preferences.
const GROUP: &str = "kubectl.config.k8s.io/";

/// Which credential plugins may run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum PluginPolicy {
    /// All.
    #[default]
    AllowAll,
    /// None.
    DenyAll,
    /// These: names or paths.
    Allowlist(Vec<String>),
    /// It cannot be read, so that it is not known: for this reason.
    Unknown(String),
}

impl PluginPolicy {
    /// Reads the policy. A missing file is none, unless a flag or the environment names it.
    pub(super) fn read(options: &ConnectOptions, environment: &Environment) -> Self {
        if environment.kuberc_disabled {
            return Self::AllowAll;
        }
        let flag = options.kuberc.as_ref().filter(|path| !path.as_os_str().is_empty());
        let named = environment.kuberc.as_ref().filter(|path| !path.is_empty());
        let (file, explicit) = match (flag, named) {
            (Some(_), Some(off)) if off == "off" => {
                return Self::Unknown("KUBERC=off and --kuberc exclude each other".to_owned());
            }
            (None, Some(off)) if off == "off" => return Self::AllowAll,
            (Some(flag), _) => (flag.clone(), true),
            (None, Some(named)) => (PathBuf::from(named), true),
            (None, None) => match &environment.home {
                Some(home) => (home.join(".kube").join("kuberc"), false),
                None => return Self::AllowAll,
            },
        };
        match files::text(&file, files::LARGEST) {
            Ok(text) => Self::parse(&text).unwrap_or_else(|why| Self::Unknown(format!("{}: {why}", file.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !explicit => Self::AllowAll,
            Err(error) => Self::Unknown(format!("{}: {}", file.display(), super::failure::error_text(&error))),
        }
    }

    /// Reads the first preferences among the documents of a file.
    fn parse(text: &str) -> Result<Self, String> {
        let mut documents = vec![String::new()];
        for line in text.lines() {
            if line.starts_with("---") {
                documents.push(String::new());
            } else if let Some(last) = documents.last_mut() {
                last.push_str(line);
                last.push('\n');
            }
        }
        documents.retain(|document| !document.trim().is_empty());
        let some = !documents.is_empty();
        for document in documents {
            let Ok(node) = yaml::document(&document) else { continue };
            let json = node.value.to_json();
            let is = |name: &str, wanted: &str| json[name].as_str().is_some_and(|found| found.starts_with(wanted));
            if is("kind", "Preference") && is("apiVersion", GROUP) {
                return Self::of(&json);
            }
        }
        match some {
            true => Err("it has no preferences of kubectl".to_owned()),
            false => Ok(Self::AllowAll),
        }
    }

    fn of(preferences: &serde_json::Value) -> Result<Self, String> {
        let policy = &preferences["credentialPluginPolicy"];
        let list = &preferences["credentialPluginAllowlist"];
        let policy = match policy {
            serde_json::Value::Null => "",
            policy => policy.as_str().ok_or("credentialPluginPolicy is not text")?,
        };
        match policy {
            "" | "AllowAll" | "DenyAll" if !list.is_null() => {
                Err("credentialPluginAllowlist needs credentialPluginPolicy: Allowlist".to_owned())
            }
            "" | "AllowAll" => Ok(Self::AllowAll),
            "DenyAll" => Ok(Self::DenyAll),
            "Allowlist" => {
                let entries = list.as_array().ok_or("credentialPluginAllowlist is missing, or not a list")?;
                if entries.is_empty() {
                    return Err("credentialPluginAllowlist is empty".to_owned());
                }
                let mut commands = Vec::new();
                for entry in entries {
                    // `name` is what older previews call it.
                    let command = entry["command"].as_str().or_else(|| entry["name"].as_str()).unwrap_or_default();
                    if command.is_empty() || cleaned(command) != command {
                        return Err("credentialPluginAllowlist has an entry without a command, or with a path that is not normal".to_owned());
                    }
                    commands.push(command.to_owned());
                }
                Ok(Self::Allowlist(commands))
            }
            other => Err(format!("unknown credentialPluginPolicy {other:?}")),
        }
    }

    /// Returns why a plugin may not run, if it may not. `command` is the kubeconfig's, `program` what it was found to be.
    pub(super) fn forbids(&self, command: &str, program: &Path) -> Option<String> {
        match self {
            Self::AllowAll => None,
            Self::DenyAll => {
                Some("not allowed: credentialPluginPolicy is DenyAll in kubectl's preferences (kuberc)".to_owned())
            }
            Self::Unknown(why) => {
                Some(format!("whether it is allowed is unknown, because kubectl's preferences cannot be used: {why}"))
            }
            Self::Allowlist(allowed) => {
                let path = program.to_string_lossy();
                let named = |entry: &String| *entry == cleaned(command) || **entry == *path;
                let same_program = |entry: &String| {
                    Path::new(entry).file_name() == program.file_name()
                        && programs::find(entry).as_deref() == Some(program)
                };
                let allows = allowed.iter().any(|entry| named(entry) || same_program(entry));
                (!allows).then(|| {
                    format!("not allowed: {path} is not in credentialPluginAllowlist of kubectl's preferences (kuberc)")
                })
            }
        }
    }
}

/// A path as Go's `filepath.Clean` returns it.
fn cleaned(path: &str) -> String {
    let mut clean = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if clean.file_name().is_some() && !clean.ends_with("..") => {
                clean.pop();
            }
            Component::ParentDir if clean.has_root() => {}
            part => clean.push(part),
        }
    }
    if clean.as_os_str().is_empty() { ".".to_owned() } else { clean.to_string_lossy().into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferences(fields: &str) -> String {
        format!("apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n{fields}")
    }

    #[test]
    fn a_policy_is_read_from_the_first_preferences_of_a_file() {
        let list =
            |commands: &[&str]| Ok(PluginPolicy::Allowlist(commands.iter().map(|&text| text.to_owned()).collect()));
        let wrong = |why: &str| Err(why.to_owned());
        for (text, expected) in [
            (String::new(), Ok(PluginPolicy::AllowAll)),
            (preferences(""), Ok(PluginPolicy::AllowAll)),
            (preferences("credentialPluginPolicy: AllowAll\n"), Ok(PluginPolicy::AllowAll)),
            (preferences("credentialPluginPolicy: DenyAll\n"), Ok(PluginPolicy::DenyAll)),
            (
                format!("kind: Other\n---\n{}", preferences("credentialPluginPolicy: DenyAll\n")),
                Ok(PluginPolicy::DenyAll),
            ),
            (
                preferences(
                    "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n- command: aws\n- command: /opt/x\n",
                ),
                list(&["aws", "/opt/x"]),
            ),
            (
                preferences("credentialPluginPolicy: Allowlist\n"),
                wrong("credentialPluginAllowlist is missing, or not a list"),
            ),
            (
                preferences("credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: []\n"),
                wrong("credentialPluginAllowlist is empty"),
            ),
            (
                preferences("credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{command: ./aws}]\n"),
                wrong("credentialPluginAllowlist has an entry without a command, or with a path that is not normal"),
            ),
            (
                preferences("credentialPluginAllowlist: [{command: aws}]\n"),
                wrong("credentialPluginAllowlist needs credentialPluginPolicy: Allowlist"),
            ),
            (preferences("credentialPluginPolicy: Perhaps\n"), wrong("unknown credentialPluginPolicy \"Perhaps\"")),
            ("hello\n".to_owned(), wrong("it has no preferences of kubectl")),
        ] {
            assert_eq!(PluginPolicy::parse(&text), expected, "{text}");
        }
    }

    #[test]
    fn a_list_allows_names_and_paths() {
        let program = programs::find("sh").unwrap();
        let list = |entry: &str| PluginPolicy::Allowlist(vec![entry.to_owned()]);
        for (policy, command, allowed) in [
            (PluginPolicy::AllowAll, "sh", true),
            (PluginPolicy::DenyAll, "sh", false),
            (PluginPolicy::Unknown("x".to_owned()), "sh", false),
            (list("sh"), "sh", true),
            (list(&program.to_string_lossy()), "sh", true),
            (list("sh"), &program.to_string_lossy(), true),
            (list("bash"), "sh", false),
            (list("/opt/sh"), "sh", false),
            (list("s"), "sh", false),
        ] {
            assert_eq!(policy.forbids(command, &program).is_none(), allowed, "{policy:?} {command}");
        }
    }

    #[test]
    fn the_file_is_the_flags_the_environments_or_the_users() {
        let home = tempfile::tempdir().unwrap();
        let deny = preferences("credentialPluginPolicy: DenyAll\n");
        let write = |name: &str, text: &str| {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        let environment = Environment { home: Some(home.path().to_owned()), ..Environment::default() };
        let options = ConnectOptions::default();
        assert_eq!(PluginPolicy::read(&options, &environment), PluginPolicy::AllowAll);
        write(".kube/kuberc", &deny);
        assert_eq!(PluginPolicy::read(&options, &environment), PluginPolicy::DenyAll);
        let other = write("other", &preferences(""));
        let named = |file: &str| Environment { kuberc: Some(file.to_owned()), ..environment.clone() };
        assert_eq!(PluginPolicy::read(&options, &named(&other.to_string_lossy())), PluginPolicy::AllowAll);
        assert_eq!(PluginPolicy::read(&options, &named("off")), PluginPolicy::AllowAll);
        assert!(matches!(PluginPolicy::read(&options, &named("/no/kuberc")), PluginPolicy::Unknown(_)));
        let flag = ConnectOptions { kuberc: Some(other), ..ConnectOptions::default() };
        assert_eq!(PluginPolicy::read(&flag, &environment), PluginPolicy::AllowAll);
        assert!(matches!(PluginPolicy::read(&flag, &named("off")), PluginPolicy::Unknown(_)));
        let disabled = Environment { kuberc_disabled: true, ..environment.clone() };
        assert_eq!(PluginPolicy::read(&options, &disabled), PluginPolicy::AllowAll);
        // Unlike in kubectl, which goes on without it, a file that cannot be read allows nothing.
        write(".kube/kuberc", "a: [\n");
        assert!(matches!(PluginPolicy::read(&options, &environment), PluginPolicy::Unknown(_)));
    }
}
