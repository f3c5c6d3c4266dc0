//! How the members of an installation behave: the text of one key of a ConfigMap, which the practice cluster reads from
//! its store, and a pod of a real Kubernetes from its environment. Both read it when a container starts.
//!
//! A JSON object: `computes` sets what is written; any other key is the name of a pod, or of its StatefulSet, whose
//! settings apply to all its pods. A pod's own settings take precedence.
//!
//! ```json
//! {"computes": {"tenants": 3, "writeRate": 100000}, "safekeeper": {"rate": 2000000}, "safekeeper-1": {"lag": 5300000}}
//! ```

use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt;

/// All settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// What computes write.
    pub computes: Computes,
    members: Map<String, Value>,
}

/// Why settings are invalid.
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
    /// The number of tenants.
    pub tenants: u32,
    /// The number of timelines of each.
    pub timelines: u32,
    /// Bytes of WAL per second, on each timeline.
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
    /// Its ID, instead of its ordinal plus one.
    pub id: Option<u64>,
    /// The maximum number of bytes per second that it fetches; unlimited unless given, and 0 means never.
    pub rate: Option<u64>,
    /// Bytes of WAL that a safekeeper always lacks on each timeline.
    pub lag: u64,
    /// Makes one byte of a safekeeper's WAL differ on each timeline: this many bytes before the end of a new
    /// installation's WAL.
    pub damaged: Option<u64>,
    /// The number of timelines, from the first, that are idle on a safekeeper: uploaded, and without a compute.
    pub idle: u32,
    /// The number of timelines, from the first, that no compute writes any more: those that are idle on at least one
    /// safekeeper.
    #[serde(skip)]
    pub suspended: u32,
    /// What `/metrics` answers.
    pub metrics: MetricsPage,
    /// Whether a safekeeper serves digests of its WAL.
    pub digests: Digests,
    /// The token that pages other than `/v1/status` and `/metrics` require; none unless given.
    pub token: Option<String>,
    /// Also serves its pages over HTTPS, on another port, with this certificate; not unless given.
    pub https: Option<Https>,
    /// Seconds that a pageserver takes to attach a tenant after it lost its disk.
    pub attach_seconds: f64,
    /// The maximum number of tenants that the controller names to a pageserver after it lost its disk.
    pub attach: Option<u32>,
    /// Whether the storage controller answers a pageserver that restarts.
    pub controller: Controller,
    /// Which bucket a pageserver reads after it lost its disk.
    pub bucket: Bucket,
    /// What a pageserver does if its identity file is gone.
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

/// A server's certificate for HTTPS.
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
    /// No answer: the request hangs.
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
    /// The page fails, as if WAL could not be read.
    Failing,
}

/// Whether the storage controller answers.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Controller {
    /// It does.
    Answers,
    /// It does not, except for a pageserver that starts for the first time: until it does, no page answers.
    Silent,
}

/// Which bucket a pageserver reads.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Bucket {
    /// The one that it wrote to.
    Own,
    /// An empty one.
    Empty,
}

/// What a pageserver does without its identity file.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum MissingIdentity {
    /// Its start script creates one, from the pod's ordinal.
    Written,
    /// It exits.
    Required,
}

impl Settings {
    /// Reads settings; an empty text means the defaults.
    ///
    /// # Errors
    /// It is not a JSON object, or a known value has the wrong type.
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
        // An error in any of them is reported when the first one starts.
        for name in settings.members.keys() {
            settings.member(name)?;
        }
        Ok(settings)
    }

    /// Returns the settings of a pod.
    ///
    /// # Errors
    /// There is no such setting, or it has the wrong type.
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

    /// Timelines leave the metrics of one safekeeper after the other: once they left the first, there is no compute.
    #[test]
    fn what_is_idle_on_one_is_suspended_on_all() {
        let settings = Settings::read(r#"{"safekeeper-0": {"idle": 2}, "safekeeper": {"lag": 1}}"#).unwrap();
        let of = |pod| settings.member(pod).map(|member| (member.idle, member.suspended));
        assert_eq!((of("safekeeper-0"), of("safekeeper-1")), (Ok((2, 2)), Ok((0, 2))));
        assert_eq!(Settings::default().member("safekeeper-0").map(|member| member.suspended), Ok(0));
    }

    #[test]
    fn unknown_settings_are_rejected() {
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
