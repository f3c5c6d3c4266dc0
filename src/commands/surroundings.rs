//! What every command reads when it connects, in one round of requests: the layout in force, the namespaces, and which of
//! them are accounts by their pods' labels.

use crate::cli::Global;
use crate::cluster::config_map::{KeptText, Place};
use crate::cluster::snapshot::{Cause, NamespaceFacts, ObjectFacts, Read};
use crate::cluster::{Cluster, files};
use crate::error::{Error, Result};
use crate::suggestion::{kubectl, plugin};
use crate::topology::discovery::accounts;
use crate::topology::layout::{CONFIG_MAP, DEFAULT_LAYOUT};
use crate::topology::{Layout, LayoutSource};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

/// The layout's key in the ConfigMap.
const KEY: &str = "layout.yaml";
/// Environment variable with the path of a layout file.
const VARIABLE: &str = "KUBECTL_SYNXDB_LAYOUT";

/// A layout, and its text.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// Its text.
    pub(super) text: String,
    /// The parsed layout.
    pub(super) layout: Layout,
}

impl Chosen {
    /// Returns its source.
    pub(super) fn source(&self) -> &LayoutSource {
        &self.layout.source
    }
}

/// Returns the local layout: `--layout`, else `$KUBECTL_SYNXDB_LAYOUT`, else the user's file, else the shipped one, which the
/// cluster's own replaces. A practice cluster uses the shipped one, and not the user's file.
///
/// # Errors
/// The file cannot be read, or is not a layout.
pub(super) fn chosen(global: &Global, variable: impl Fn(&str) -> Option<OsString>) -> Result<Chosen> {
    let given = global.layout.clone().map(|path| (LayoutSource::Flag(path.clone()), path));
    let named = || {
        let path = PathBuf::from(variable(VARIABLE)?);
        Some((LayoutSource::Environment(path.clone()), path))
    };
    let own = || {
        let path = own_file(&variable).filter(|path| !global.sandbox && path.exists())?;
        Some((LayoutSource::File(path.clone()), path))
    };
    let Some((source, path)) = given.or_else(named).or_else(own) else {
        return Ok(Chosen { text: DEFAULT_LAYOUT.to_owned(), layout: Layout::shipped()? });
    };
    let print = plugin("layout").of_no_cluster().note("to print one to start from");
    let print = match &source {
        LayoutSource::Environment(_) => print.without_variable(VARIABLE),
        _ => print,
    };
    let text = files::text(&path, files::LARGEST).map_err(|error| {
        Error::usage(format!("the layout {} cannot be read", path.display())).because_of(error).hint(print)
    })?;
    let layout = match &source {
        LayoutSource::File(path) => Layout::parse(&text).map_err(|error| error.because(path.display().to_string()))?,
        _ => Layout::parse(&text)?,
    };
    Ok(Chosen { text, layout: layout.from_source(source) })
}

/// Returns the path of the user's file: `$XDG_CONFIG_HOME/kubectl-synxdb/layout.yaml`, or in `~/.config`, on Windows in `%APPDATA%`.
fn own_file(variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let settings = folder("XDG_CONFIG_HOME")
        .or_else(|| folder("HOME").map(|home| home.join(".config")))
        .or_else(|| folder("APPDATA"))?;
    Some(settings.join("kubectl-synxdb").join("layout.yaml"))
}

/// What was read.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// The layout in force, including accounts that were recognized by labels.
    pub(super) layout: Layout,
    /// The layout as it was written.
    pub(super) chosen: Chosen,
    /// Why it is unknown whether the cluster has its own layout, if that may not be read.
    pub(super) clusters_own_unread: Option<String>,
    /// Pods with the component label.
    pub(super) labelled_pods: Read<Vec<ObjectFacts>>,
    /// All namespaces, until they are taken once; later they are read again.
    namespaces: Mutex<Option<Read<Vec<NamespaceFacts>>>>,
}

impl Surroundings {
    /// Reads concurrently the cluster's own layout, unless there is a local one, all namespaces, and the labeled pods.
    ///
    /// # Errors
    /// The cluster's own layout is invalid, or could not be read for another reason than a missing permission.
    pub(super) async fn read(chosen: Chosen, cluster: &Cluster, deadline: Duration) -> Result<Self> {
        let ask_for_layout = *chosen.source() == LayoutSource::Shipped;
        let place = Place { namespace: &chosen.layout.system_namespace, name: CONFIG_MAP, key: KEY };
        let (kept, namespaces, mut labelled_pods) = futures::join!(
            async { if ask_for_layout { cluster.text_of(place, deadline).await } else { Read::NotAsked } },
            cluster.namespaces(deadline),
            labelled(cluster, &chosen.layout, deadline),
        );
        let mut clusters_own_unread = None;
        let clusters_own = match kept {
            Read::Known(Some(kept)) => Some(own(&kept, place)?),
            Read::Known(None) | Read::NotAsked => None,
            Read::Unknown(part) => {
                // If nothing can be read, the error of the namespaces is reported.
                let nothing_is = matches!(&namespaces, Read::Unknown(all) if all.cause != Cause::Forbidden);
                if part.cause != Cause::Forbidden && !nothing_is {
                    return Err(cluster.unreadable(&part));
                }
                clusters_own_unread = Some(part.reason);
                None
            }
        };
        let chosen = match clusters_own {
            Some(own) => {
                if own.layout.labels != chosen.layout.labels {
                    labelled_pods = labelled(cluster, &own.layout, deadline).await;
                }
                own
            }
            None => chosen,
        };
        let layout = chosen.layout.clone().with_accounts(&accounts(&chosen.layout, labelled_pods.items()));
        let namespaces = Mutex::new(Some(namespaces));
        Ok(Self { layout, chosen, clusters_own_unread, labelled_pods, namespaces })
    }

    /// Returns all namespaces: as they were read first, and read again on each further call.
    pub(super) async fn namespaces(&self, cluster: &Cluster, deadline: Duration) -> Read<Vec<NamespaceFacts>> {
        let first = self.namespaces.lock().ok().and_then(|mut read| read.take());
        match first {
            Some(read) => read,
            None => cluster.namespaces(deadline).await,
        }
    }
}

/// Reads the pods with the label of this layout, if it has one.
async fn labelled(cluster: &Cluster, layout: &Layout, deadline: Duration) -> Read<Vec<ObjectFacts>> {
    match layout.labels.any() {
        Some(key) => cluster.labelled_pods(key, deadline).await,
        None => Read::NotAsked,
    }
}

/// Parses the cluster's own layout.
fn own(kept: &KeptText, place: Place<'_>) -> Result<Chosen> {
    let Place { namespace, name, .. } = place;
    let hint = |error: Error| {
        error
            .hint(kubectl("edit configmap").word(name).namespace(namespace))
            .hint(plugin("layout learn").note("to propose one; --layout FILE uses it"))
    };
    let Some(text) = kept.text() else {
        return Err(hint(
            Error::failure(format!("ConfigMap {namespace}/{name} has no layout"))
                .because(format!("it has no key {KEY}")),
        ));
    };
    let layout = Layout::parse(text).map_err(|error| {
        let failure = Error::failure(format!("the layout in ConfigMap {namespace}/{name} cannot be used"));
        hint(error.why.iter().fold(failure.because(error.what.clone()), |failure, why| failure.because(why.clone())))
    })?;
    let source = LayoutSource::ConfigMap { namespace: namespace.to_owned(), name: name.to_owned() };
    Ok(Chosen { text: text.to_owned(), layout: layout.from_source(source) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn of(global: &Global, set: &[(&str, &Path)]) -> Result<LayoutSource> {
        let variable = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, path)| path.into());
        chosen(global, variable).map(|chosen| chosen.source().clone())
    }

    /// The flag overrides the environment, that the user's file, and that the shipped one.
    #[test]
    fn the_nearest_layout_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, DEFAULT_LAYOUT).unwrap();
            path
        };
        let (flag, environment) = (file("flag.yaml"), file("environment.yaml"));
        let home = folder.path().to_owned();
        let own = home.join(".config/kubectl-synxdb/layout.yaml");
        let (none, given) = (Global::default(), Global { layout: Some(flag.clone()), ..Global::default() });
        let set = [(VARIABLE, environment.as_path()), ("HOME", home.as_path())];
        assert_eq!(of(&none, &set[1..]).unwrap(), LayoutSource::Shipped);
        assert_eq!(file(".config/kubectl-synxdb/layout.yaml"), own);
        assert_eq!(of(&given, &set).unwrap(), LayoutSource::Flag(flag));
        assert_eq!(of(&none, &set).unwrap(), LayoutSource::Environment(environment.clone()));
        assert_eq!(of(&none, &set[1..]).unwrap(), LayoutSource::File(own.clone()));
        // A practice cluster uses the shipped one.
        let sandbox = Global { sandbox: true, ..Global::default() };
        assert_eq!(of(&sandbox, &set[1..]).unwrap(), LayoutSource::Shipped);
        let elsewhere = home.join("settings");
        let moved = [("XDG_CONFIG_HOME", elsewhere.as_path()), ("HOME", home.as_path())];
        assert_eq!(of(&none, &moved).unwrap(), LayoutSource::Shipped);
        std::fs::write(&own, "systemNamespaces: x").unwrap();
        let error = of(&none, &set[1..]).unwrap_err();
        assert!(error.why.iter().any(|why| why.contains("layout.yaml")), "{error:?}");
    }
}
