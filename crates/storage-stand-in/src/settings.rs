//! How the members of an installation behave: the text of one key of a ConfigMap, which the practice cluster reads from
//! its store, and a pod of a real Kubernetes from its environment. Both read it when a container starts.
//!
//! A JSON object: `computes` says what is written; any other key is the name of a pod, or of its StatefulSet, whose
//! settings hold for all its pods. A pod's own go before.
//!
//! ```json
//! {"computes": {"tenants": 3, "writeRate": 100000}, "safekeeper": {"rate": 2000000}, "safekeeper-1": {"lag": 5300000}}
//! ```

use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt;

/// Everything that the settings say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// What computes write.
    pub computes: Computes,
    members: Map<String, Value>,
}

/// Why settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError(String);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings of the storage stand-ins: {}", self.0)
    }
}

impl std::error::Error for SettingsError {}

/// What computes write.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Computes {
    /// Tenants.
    pub tenants: u32,
    /// Timelines of each.
    pub timelines: u32,
    /// Bytes of WAL a second, on each timeline.
    pub write_rate: u64,
    /// The term of the first compute; each start of a compute adds one.
    pub term: u64,
}

impl Default for Computes {
    fn default() -> Self {
        Self { tenants: 1, timelines: 1, write_rate: 0, term: 1 }
    }
}

/// How one member behaves.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Member {
    /// Its id, in place of its ordinal plus one.
    pub id: Option<u64>,
    /// Bytes a second that it takes at most, while it catches up and afterwards; no limit unless given, and 0 is never.
    pub rate: Option<u64>,
    /// Bytes of WAL that a safekeeper always lacks of each timeline.
    pub lag: u64,
    /// That a byte of a safekeeper's WAL is another than was written, on each timeline: so many bytes before where a new
    /// installation's WAL ends.
    pub damaged: Option<u64>,
    /// Timelines, the first ones, that are idle on a safekeeper: uploaded, and without a compute.
    pub idle: u32,
    /// Timelines, the first ones, that no compute writes any more: those that are idle on one safekeeper at least.
    #[serde(skip)]
    pub suspended: u32,
    /// What `/metrics` answers.
    pub metrics: MetricsPage,
    /// Whether a safekeeper tells digests of its WAL.
    pub digests: Digests,
    /// The token that other pages than `/v1/status` and `/metrics` ask for; none is asked for unless given.
    pub token: Option<String>,
    /// That its pages are served over HTTPS, too, on another port, with this certificate; not at all unless given.
    pub https: Option<Https>,
    /// Seconds that a pageserver takes to attach a tenant after its disk was lost.
    pub attach_seconds: f64,
    /// Tenants that a pageserver gets at most after its disk was lost: the controller names no others.
    pub attach: Option<u32>,
    /// Whether the storage controller answers a pageserver that starts again.
    pub controller: Controller,
    /// Which bucket a pageserver reads after its disk was lost.
    pub bucket: Bucket,
    /// What becomes of a pageserver whose disk has no identity file, though it had one.
    pub identity: MissingIdentity,
}

impl Default for Member {
    fn default() -> Self {
        Self {
            id: None,
            rate: None,
            lag: 0,
            damaged: None,
            idle: 0,
            suspended: 0,
            metrics: MetricsPage::Open,
            digests: Digests::Served,
            token: None,
            https: None,
            attach_seconds: 0.0,
            attach: None,
            controller: Controller::Answers,
            bucket: Bucket::Own,
            identity: MissingIdentity::Written,
        }
    }
}

/// What a server with HTTPS shows.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Https {
    /// Its certificate, in PEM.
    pub certificate: String,
    /// The certificate's key, in PEM.
    pub key: String,
}

/// What `/metrics` answers.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum MetricsPage {
    /// 200, without a token.
    Open,
    /// 401 without a token, as with JWT before 2023-10-10.
    Unauthorized,
    /// 404.
    NotFound,
    /// Nothing: the request hangs.
    Hanging,
}

/// Whether digests are served.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Digests {
    /// They are.
    Served,
    /// There is no such page, as in older releases.
    NotFound,
    /// The page fails, as where WAL cannot be read.
    Failing,
}

/// Whether the storage controller answers.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Controller {
    /// It does.
    Answers,
    /// It does not, except to a pageserver that starts for the first time: until it does, no page answers.
    Silent,
}

/// Which bucket a pageserver reads.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Bucket {
    /// The one that it wrote.
    Own,
    /// One that holds nothing.
    Empty,
}

/// What becomes of a pageserver that lacks its identity file.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum MissingIdentity {
    /// What starts it writes one, from the pod's ordinal.
    Written,
    /// It exits.
    Required,
}

impl Settings {
    /// Reads settings; an empty text leaves everything as it is by default.
    ///
    /// # Errors
    /// It is no JSON object, or a value that is known is of another type.
    pub fn read(text: &str) -> Result<Settings, SettingsError> {
        let wrong = |error: serde_json::Error| SettingsError(error.to_string());
        if text.trim().is_empty() {
            return Ok(Settings::default());
        }
        let mut members: Map<String, Value> = serde_json::from_str(text).map_err(wrong)?;
        let computes = match members.shift_remove("computes") {
            Some(computes) => serde_json::from_value(computes).map_err(wrong)?,
            None => Computes::default(),
        };
        let settings = Settings { computes, members };
        // What is wrong with one is told by all, when the first of them starts.
        for name in settings.members.keys() {
            settings.member(name)?;
        }
        Ok(settings)
    }

    /// The settings of a pod.
    ///
    /// # Errors
    /// There is no such setting, or it is of another type.
    pub fn member(&self, pod: &str) -> Result<Member, SettingsError> {
        let set = pod.rsplit_once('-').map_or(pod, |(set, _)| set);
        let mut all = Map::new();
        for name in [set, pod] {
            match self.members.get(name) {
                Some(Value::Object(own)) => all.extend(own.clone()),
                Some(_) => return Err(SettingsError(format!("{name} is no object"))),
                None => {}
            }
        }
        let own = serde_json::from_value(Value::Object(all)).map_err(|error| SettingsError(format!("{pod}: {error}")));
        let idle = self.members.values().filter_map(|member| u32::try_from(member["idle"].as_u64()?).ok());
        Ok(Member { suspended: idle.max().unwrap_or(0), ..own? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_own_settings_go_before_its_sets() {
        let text = r#"{"computes": {"tenants": 3}, "safekeeper": {"rate": 5, "lag": 1}, "safekeeper-1": {"lag": 7}}"#;
        let settings = Settings::read(text).unwrap();
        assert_eq!((settings.computes.tenants, settings.computes.timelines), (3, 1));
        let of = |pod| settings.member(pod).map(|member| (member.rate, member.lag));
        assert_eq!(of("safekeeper-0"), Ok((Some(5), 1)));
        assert_eq!(of("safekeeper-1"), Ok((Some(5), 7)));
        assert_eq!(of("pageserver-0"), Ok((None, 0)));
    }

    /// Timelines leave the metrics of one safekeeper after another: once they left the first, no compute is there.
    #[test]
    fn what_is_idle_on_one_is_suspended_on_all() {
        let settings = Settings::read(r#"{"safekeeper-0": {"idle": 2}, "safekeeper": {"lag": 1}}"#).unwrap();
        let of = |pod| settings.member(pod).map(|member| (member.idle, member.suspended));
        assert_eq!((of("safekeeper-0"), of("safekeeper-1")), (Ok((2, 2)), Ok((0, 2))));
        assert_eq!(Settings::default().member("safekeeper-0").map(|member| member.suspended), Ok(0));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (text, words) in [
            ("rate=5", "expected value"),
            (r#"{"safekeeper": {"rat": 5}}"#, "unknown field `rat`"),
            (r#"{"computes": {"rate": 5}}"#, "unknown field `rate`"),
            (r#"{"safekeeper-0": {"controller": "absent"}}"#, "unknown variant `absent`"),
            (r#"{"safekeeper": 5}"#, "is no object"),
        ] {
            let error = Settings::read(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert_eq!(Settings::read(" \n"), Ok(Settings::default()));
    }
}
