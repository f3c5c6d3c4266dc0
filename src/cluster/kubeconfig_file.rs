//! What a kubeconfig contains, read by client-go's rules: unknown fields and nulls are passed over, an empty string is as
//! good as none, and a field of the wrong type makes the whole file unusable. Whether an entry makes sense is asked only
//! of those in use.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::yaml::{self, Node, Value};

/// A file's contents, or those of several.
#[derive(Clone, Default)]
pub(super) struct Kubeconfig {
    pub(super) current_context: String,
    pub(super) clusters: Vec<(String, ClusterEntry)>,
    pub(super) contexts: Vec<(String, ContextEntry)>,
    pub(super) users: Vec<(String, UserEntry)>,
}

/// An API server, and how to verify it. Empty strings are not set.
#[derive(Clone, Default)]
pub(super) struct ClusterEntry {
    pub(super) server: String,
    pub(super) tls_server_name: String,
    pub(super) insecure_skip_tls_verify: bool,
    pub(super) certificate_authority: String,
    /// PEM.
    pub(super) certificate_authority_data: Vec<u8>,
    pub(super) proxy_url: String,
    pub(super) disable_compression: bool,
    /// What the entry has for credential plugins.
    pub(super) for_plugins: Option<serde_json::Value>,
}

/// Which cluster and user belong together.
#[derive(Clone, Default)]
pub(super) struct ContextEntry {
    pub(super) cluster: String,
    pub(super) user: String,
    pub(super) namespace: String,
}

/// Who asks. Empty strings are not set.
#[derive(Clone, Default)]
pub(super) struct UserEntry {
    pub(super) client_certificate: String,
    /// PEM.
    pub(super) client_certificate_data: Vec<u8>,
    pub(super) client_key: String,
    /// PEM.
    pub(super) client_key_data: Vec<u8>,
    pub(super) token: String,
    pub(super) token_file: String,
    pub(super) impersonate: String,
    pub(super) impersonate_uid: String,
    pub(super) impersonate_groups: Vec<String>,
    pub(super) impersonate_extra: BTreeMap<String, Vec<String>>,
    pub(super) username: String,
    pub(super) password: String,
    pub(super) auth_provider: Option<AuthProvider>,
    pub(super) exec: Option<ExecEntry>,
}

/// A way to log in that is built into clients.
#[derive(Clone, Default)]
pub(super) struct AuthProvider {
    pub(super) name: String,
    pub(super) config: BTreeMap<String, String>,
}

/// A credential plugin.
#[derive(Clone, Default)]
pub(super) struct ExecEntry {
    pub(super) command: String,
    pub(super) args: Vec<String>,
    /// Name and value.
    pub(super) env: Vec<(String, String)>,
    pub(super) api_version: String,
    pub(super) install_hint: String,
    pub(super) provide_cluster_info: bool,
    pub(super) interactive_mode: String,
}

/// Why a text is not a kubeconfig. It repeats no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotKubeconfig {
    /// It is no YAML.
    #[error("it is not a kubeconfig: {0}")]
    Yaml(#[from] yaml::NotYaml),
    /// A field has another type.
    #[error("{path} must be {wanted}, not {found} (line {line})")]
    Type { path: String, wanted: &'static str, found: &'static str, line: usize },
    /// A field's value is not possible.
    #[error("{path} {what} (line {line})")]
    Field { path: String, what: String, line: usize },
}

impl Kubeconfig {
    /// Reads a file's text. `file` is its path: relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// Not a kubeconfig.
    pub(super) fn parse(text: &str, file: &Path) -> Result<Self, NotKubeconfig> {
        let node = yaml::document(text)?;
        let root = Field { path: String::new(), node: &node };
        // An empty file is an empty kubeconfig.
        if matches!(node.value, Value::Null) {
            return Ok(Self::default());
        }
        for (name, known) in [("kind", "Config"), ("apiVersion", "v1")] {
            let Some(field) = root.get(name)? else { continue };
            let found = field.text()?;
            if !found.is_empty() && found != known {
                return Err(field.wrong(format!("is not {known}")));
            }
        }
        if let Some(preferences) = root.get("preferences")? {
            preferences.get("colors")?.map(|colors| colors.flag()).transpose()?;
            preferences.get("extensions")?.map(|all| extensions(&all)).transpose()?;
        }
        root.get("extensions")?.map(|all| extensions(&all)).transpose()?;
        let folder = folder(file);
        Ok(Self {
            current_context: text_of(&root, "current-context")?,
            clusters: named(&root, "clusters", "cluster", |field| cluster(field, &folder))?,
            contexts: named(&root, "contexts", "context", context)?,
            users: named(&root, "users", "user", |field| user(field, &folder))?,
        })
    }

    /// Adds the contents of a later file: what the earlier ones name stays.
    pub(super) fn merge(&mut self, later: Self) {
        if self.current_context.is_empty() {
            self.current_context = later.current_context;
        }
        fn add<T>(entries: &mut Vec<(String, T)>, later: Vec<(String, T)>) {
            for (name, entry) in later {
                if !entries.iter().any(|(known, _)| *known == name) {
                    entries.push((name, entry));
                }
            }
        }
        add(&mut self.clusters, later.clusters);
        add(&mut self.contexts, later.contexts);
        add(&mut self.users, later.users);
    }
}

/// The absolute folder of a file.
fn folder(file: &Path) -> PathBuf {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    file.parent().map(Path::to_owned).unwrap_or_default()
}

/// Returns a path of a file that is in `folder`, absolute, without `.` and `..`, as Go's `filepath.Join` does.
fn in_folder(folder: &Path, path: String) -> String {
    if path.is_empty() || Path::new(&path).is_absolute() {
        return path;
    }
    let mut clean = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean.to_string_lossy().into_owned()
}

/// A value, and where it is: `users[0].user.token`.
struct Field<'n> {
    path: String,
    node: &'n Node,
}

impl<'n> Field<'n> {
    fn wrong(&self, what: impl Into<String>) -> NotKubeconfig {
        NotKubeconfig::Field { path: self.path.clone(), what: what.into(), line: self.node.line }
    }

    fn must_be(&self, wanted: &'static str) -> NotKubeconfig {
        if self.path.is_empty() {
            return NotKubeconfig::Type {
                path: "a kubeconfig".to_owned(),
                wanted,
                found: self.node.value.kind(),
                line: self.node.line,
            };
        }
        NotKubeconfig::Type { path: self.path.clone(), wanted, found: self.node.value.kind(), line: self.node.line }
    }

    /// Returns a map's field; none if it is absent or null.
    fn get(&self, name: &str) -> Result<Option<Field<'n>>, NotKubeconfig> {
        let pairs = match &self.node.value {
            Value::Map(pairs) => pairs,
            Value::Null => return Ok(None),
            _ => return Err(self.must_be("a map")),
        };
        let found = pairs.iter().find(|(key, _)| key == name).map(|(_, node)| node);
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Ok(found.filter(|node| !matches!(node.value, Value::Null)).map(|node| Field { path, node }))
    }

    fn text(&self) -> Result<String, NotKubeconfig> {
        match &self.node.value {
            Value::Text(text) => Ok(text.clone()),
            Value::Null => Ok(String::new()),
            _ => Err(self.must_be("text (in quotes)")),
        }
    }

    fn flag(&self) -> Result<bool, NotKubeconfig> {
        match self.node.value {
            Value::Bool(yes) => Ok(yes),
            Value::Null => Ok(false),
            _ => Err(self.must_be("true or false, without quotes")),
        }
    }

    fn items(&self) -> Result<Vec<Field<'n>>, NotKubeconfig> {
        let items = match &self.node.value {
            Value::List(items) => items,
            Value::Null => return Ok(Vec::new()),
            _ => return Err(self.must_be("a list")),
        };
        Ok(items.iter().enumerate().map(|(at, node)| Field { path: format!("{}[{at}]", self.path), node }).collect())
    }

    fn pairs(&self) -> Result<Vec<(&'n str, Field<'n>)>, NotKubeconfig> {
        let pairs = match &self.node.value {
            Value::Map(pairs) => pairs,
            Value::Null => return Ok(Vec::new()),
            _ => return Err(self.must_be("a map")),
        };
        Ok(pairs
            .iter()
            .map(|(key, node)| (key.as_str(), Field { path: format!("{}.{key}", self.path), node }))
            .collect())
    }

    fn texts(&self) -> Result<Vec<String>, NotKubeconfig> {
        self.items()?.iter().map(Field::text).collect()
    }

    /// Base64 as Go reads it: line breaks are passed over.
    fn bytes(&self) -> Result<Vec<u8>, NotKubeconfig> {
        let text: String = self.text()?.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        let config = GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireCanonical);
        GeneralPurpose::new(&STANDARD, config).decode(text).map_err(|_| self.wrong("is not base64"))
    }
}

fn text_of(field: &Field<'_>, name: &str) -> Result<String, NotKubeconfig> {
    field.get(name)?.map_or_else(|| Ok(String::new()), |field| field.text())
}

fn flag_of(field: &Field<'_>, name: &str) -> Result<bool, NotKubeconfig> {
    field.get(name)?.map_or(Ok(false), |field| field.flag())
}

fn bytes_of(field: &Field<'_>, name: &str) -> Result<Vec<u8>, NotKubeconfig> {
    field.get(name)?.map_or_else(|| Ok(Vec::new()), |field| field.bytes())
}

/// Reads a list of `{name, KIND: entry}`.
fn named<T: Default>(
    root: &Field<'_>,
    list: &str,
    kind: &str,
    read: impl Fn(&Field<'_>) -> Result<T, NotKubeconfig>,
) -> Result<Vec<(String, T)>, NotKubeconfig> {
    let mut entries: Vec<(String, T)> = Vec::new();
    let Some(list) = root.get(list)? else { return Ok(entries) };
    for item in list.items()? {
        let name = text_of(&item, "name")?;
        let entry = item.get(kind)?.map(|field| read(&field)).transpose()?.unwrap_or_default();
        if entries.iter().any(|(known, _)| *known == name) {
            return Err(item.wrong(format!("repeats the name {name:?}")));
        }
        entries.push((name, entry));
    }
    Ok(entries)
}

fn extensions<'n>(list: &Field<'n>) -> Result<Vec<(String, Option<Field<'n>>)>, NotKubeconfig> {
    let mut found: Vec<(String, Option<Field<'n>>)> = Vec::new();
    for item in list.items()? {
        let name = text_of(&item, "name")?;
        if found.iter().any(|(known, _)| *known == name) {
            return Err(item.wrong(format!("repeats the name {name:?}")));
        }
        found.push((name, item.get("extension")?));
    }
    Ok(found)
}

fn cluster(field: &Field<'_>, folder: &Path) -> Result<ClusterEntry, NotKubeconfig> {
    let extensions = field.get("extensions")?.map(|all| extensions(&all)).transpose()?.unwrap_or_default();
    let for_plugins = extensions.into_iter().find(|(name, _)| name == "client.authentication.k8s.io/exec");
    Ok(ClusterEntry {
        server: text_of(field, "server")?,
        tls_server_name: text_of(field, "tls-server-name")?,
        insecure_skip_tls_verify: flag_of(field, "insecure-skip-tls-verify")?,
        certificate_authority: in_folder(folder, text_of(field, "certificate-authority")?),
        certificate_authority_data: bytes_of(field, "certificate-authority-data")?,
        proxy_url: text_of(field, "proxy-url")?,
        disable_compression: flag_of(field, "disable-compression")?,
        for_plugins: for_plugins.and_then(|(_, extension)| extension).map(|extension| extension.node.value.to_json()),
    })
}

fn context(field: &Field<'_>) -> Result<ContextEntry, NotKubeconfig> {
    field.get("extensions")?.map(|all| extensions(&all)).transpose()?;
    Ok(ContextEntry {
        cluster: text_of(field, "cluster")?,
        user: text_of(field, "user")?,
        namespace: text_of(field, "namespace")?,
    })
}

fn user(field: &Field<'_>, folder: &Path) -> Result<UserEntry, NotKubeconfig> {
    field.get("extensions")?.map(|all| extensions(&all)).transpose()?;
    let path = |name| text_of(field, name).map(|path| in_folder(folder, path));
    let mut impersonate_extra = BTreeMap::new();
    if let Some(extra) = field.get("as-user-extra")? {
        for (key, values) in extra.pairs()? {
            impersonate_extra.insert(key.to_owned(), values.texts()?);
        }
    }
    Ok(UserEntry {
        client_certificate: path("client-certificate")?,
        client_certificate_data: bytes_of(field, "client-certificate-data")?,
        client_key: path("client-key")?,
        client_key_data: bytes_of(field, "client-key-data")?,
        token: text_of(field, "token")?,
        token_file: path("tokenFile")?,
        impersonate: text_of(field, "as")?,
        impersonate_uid: text_of(field, "as-uid")?,
        impersonate_groups: field.get("as-groups")?.map(|groups| groups.texts()).transpose()?.unwrap_or_default(),
        impersonate_extra,
        username: text_of(field, "username")?,
        password: text_of(field, "password")?,
        auth_provider: field.get("auth-provider")?.map(|provider| auth_provider(&provider)).transpose()?,
        exec: field.get("exec")?.map(|entry| exec(&entry, folder)).transpose()?,
    })
}

fn auth_provider(field: &Field<'_>) -> Result<AuthProvider, NotKubeconfig> {
    let mut config = BTreeMap::new();
    if let Some(pairs) = field.get("config")? {
        for (key, value) in pairs.pairs()? {
            config.insert(key.to_owned(), value.text()?);
        }
    }
    Ok(AuthProvider { name: text_of(field, "name")?, config })
}

fn exec(field: &Field<'_>, folder: &Path) -> Result<ExecEntry, NotKubeconfig> {
    let mut env = Vec::new();
    if let Some(list) = field.get("env")? {
        for variable in list.items()? {
            env.push((text_of(&variable, "name")?, text_of(&variable, "value")?));
        }
    }
    let command = text_of(field, "command")?;
    // A name without a separator is looked up on PATH.
    let command = if command.contains(std::path::MAIN_SEPARATOR) { in_folder(folder, command) } else { command };
    Ok(ExecEntry {
        command,
        args: field.get("args")?.map(|args| args.texts()).transpose()?.unwrap_or_default(),
        env,
        api_version: text_of(field, "apiVersion")?,
        install_hint: text_of(field, "installHint")?,
        provide_cluster_info: flag_of(field, "provideClusterInfo")?,
        interactive_mode: text_of(field, "interactiveMode")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Kubeconfig::parse(text, Path::new("/home/me/config")).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn an_error_names_the_field_and_the_line_and_no_value() {
        for (text, expected) in [
            (
                "users:\n- name: v\n  user:\n    token: 123\n",
                "users[0].user.token must be text (in quotes), not a number (line 4)",
            ),
            ("users:\n- name: 5\n", "users[0].name must be text (in quotes), not a number (line 2)"),
            ("users:\n- {name: a}\n- {name: a}\n", "users[1] repeats the name \"a\" (line 3)"),
            (
                "clusters:\n- cluster: {insecure-skip-tls-verify: 'true'}\n",
                "clusters[0].cluster.insecure-skip-tls-verify must be true or false, without quotes, not text (line 2)",
            ),
            (
                "clusters:\n- cluster:\n    certificate-authority-data: hunter2!\n",
                "clusters[0].cluster.certificate-authority-data is not base64 (line 3)",
            ),
            ("contexts: {}\n", "contexts must be a list, not a map (line 1)"),
            ("kind: Pod\n", "kind is not Config (line 1)"),
            ("hello\n", "a kubeconfig must be a map, not text (line 1)"),
            ("a: [\n", "it is not a kubeconfig: it is not valid YAML (line 1)"),
            (
                "users:\n- user: {as-user-extra: {a: b}}\n",
                "users[0].user.as-user-extra.a must be a list, not text (line 2)",
            ),
        ] {
            assert_eq!(error(text), expected, "{text}");
        }
    }

    #[test]
    fn nulls_and_odd_entries_are_passed_over() {
        let text = "contexts:\n- null\n- {name: d}\n- {name: c, context: {cluster: k}}\nusers: null\nclusters:\n- name: k\n  cluster: {server: x, extensions: null, colour: 5}\n\
            preferences: null\n";
        let parsed = Kubeconfig::parse(text, Path::new("/home/me/config")).unwrap();
        let names: Vec<_> = parsed.contexts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["", "d", "c"]);
        assert_eq!((parsed.contexts[2].1.cluster.as_str(), parsed.clusters[0].1.server.as_str()), ("k", "x"));
    }

    #[test]
    fn paths_are_relative_to_the_file_and_empty_ones_are_none() {
        let folder = Path::new("/home/me");
        for (path, expected) in
            [("", ""), ("ca.crt", "/home/me/ca.crt"), ("./x/../../ca.crt", "/home/ca.crt"), ("/ca.crt", "/ca.crt")]
        {
            assert_eq!(in_folder(folder, path.to_owned()), expected);
        }
        let text = "users:\n- user: {exec: {command: bin/login}}\n- {name: a, user: {exec: {command: login}}}\n";
        let parsed = Kubeconfig::parse(text, Path::new("/home/me/config")).unwrap();
        let commands: Vec<_> = parsed.users.iter().map(|(_, user)| user.exec.clone().unwrap().command).collect();
        assert_eq!(commands, ["/home/me/bin/login", "login"]);
    }
}
