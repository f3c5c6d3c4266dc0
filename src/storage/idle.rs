//! What a safekeeper reports to a client with a token about its timelines, including idle ones: the list, the status of
//! each, and digests of their WAL. And the tenants of a pageserver.

use super::digests::Extent;
use super::facts::{TimelineId, Wal};
use serde::Deserialize;
use std::collections::BTreeSet;

/// Longest name of a tenant or a timeline, in bytes.
const LONGEST_NAME: usize = 64;
/// Length of a SHA-256 in hexadecimal digits.
const DIGEST: usize = 64;

#[derive(Deserialize)]
struct Listed {
    tenant_id: String,
    timeline_id: String,
}

#[derive(Deserialize)]
struct Status {
    acceptor_state: Option<Acceptor>,
    flush_lsn: Option<String>,
    commit_lsn: Option<String>,
    backup_lsn: Option<String>,
    remote_consistent_lsn: Option<String>,
    timeline_start_lsn: Option<String>,
    local_start_lsn: Option<String>,
}

#[derive(Deserialize)]
struct Tenant {
    id: String,
}

#[derive(Deserialize)]
struct Answer {
    sha256: String,
}

#[derive(Deserialize)]
struct Acceptor {
    term: Option<u64>,
}

/// A response of a storage component that does not hold what was requested.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    /// It is not the expected JSON.
    #[error("it is not {what}")]
    Json {
        /// What was expected.
        what: &'static str,
        /// Why it could not be parsed.
        source: serde_json::Error,
    },
    /// It names a timeline by an ID that is not one.
    #[error("it contains an invalid timeline ID")]
    TimelineId,
    /// It names a tenant by an ID that is not one.
    #[error("it contains an invalid tenant ID")]
    TenantId,
    /// Its digest does not have the form of one.
    #[error("it is not a digest")]
    Digest,
}

/// Parses the timelines of `/v1/tenant/timeline`.
///
/// # Errors
/// It is not such a list.
pub(crate) fn list(text: &str) -> Result<Vec<TimelineId>, Malformed> {
    let listed: Vec<Listed> = parse(text, "a list of timelines")?;
    let named = listed.into_iter().map(|one| {
        let known = is_name(&one.tenant_id) && is_name(&one.timeline_id);
        known.then(|| TimelineId::new(one.tenant_id, one.timeline_id))
    });
    named.collect::<Option<_>>().ok_or(Malformed::TimelineId)
}

/// Parses the tenants of a pageserver's `/v1/tenant`, whatever their state.
///
/// # Errors
/// It is not such a list.
pub(crate) fn tenants(text: &str) -> Result<BTreeSet<String>, Malformed> {
    let listed: Vec<Tenant> = parse(text, "a list of tenants")?;
    // A shard's ID is TENANT-SHARD.
    let is_one = |tenant: &Tenant| tenant.id.split('-').all(is_name);
    match listed.iter().all(is_one) {
        true => Ok(listed.into_iter().map(|tenant| tenant.id).collect()),
        false => Err(Malformed::TenantId),
    }
}

/// Reads a JSON document; `what` names it in the error.
fn parse<T: serde::de::DeserializeOwned>(text: &str, what: &'static str) -> Result<T, Malformed> {
    serde_json::from_str(text).map_err(|source| Malformed::Json { what, source })
}

/// Returns whether a name can be part of a path.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Returns the path of a timeline's status; `None` if its names cannot be part of a path.
pub(crate) fn path(id: &TimelineId) -> Option<String> {
    let tenant = id.tenant.as_deref().filter(|name| is_name(name))?;
    is_name(&id.timeline).then(|| format!("/v1/tenant/{tenant}/timeline/{}", id.timeline))
}

/// Parses the WAL that a safekeeper has of a timeline, from the same response as [`status`]; `None` if it is
/// incomplete.
///
/// # Errors
/// It is not such a status.
pub(crate) fn extent(text: &str) -> Result<Option<Extent>, Malformed> {
    let status: Status = parse(text, "the status of a timeline")?;
    let position = |text: Option<String>| text.as_deref().and_then(position);
    // Both are lower limits: on its disk, and of the timeline.
    let start = position(status.timeline_start_lsn).max(position(status.local_start_lsn));
    let known = start.zip(position(status.flush_lsn)).zip(position(status.commit_lsn));
    Ok(known.map(|((start, flush), commit)| Extent { start, flush, commit }))
}

/// Parses a digest.
///
/// # Errors
/// It is not a digest.
pub(crate) fn digest(text: &str) -> Result<String, Malformed> {
    let is_digest = |text: &str| text.len() == DIGEST && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let answer: Answer = parse(text, "a digest")?;
    Some(answer.sha256.to_ascii_lowercase()).filter(|digest| is_digest(digest)).ok_or(Malformed::Digest)
}

/// Parses the positions of a timeline from `/v1/tenant/TENANT/timeline/TIMELINE`. A missing or invalid position is
/// unknown.
///
/// # Errors
/// It is not such a status.
pub(crate) fn status(text: &str) -> Result<Wal, Malformed> {
    let status: Status = parse(text, "the status of a timeline")?;
    let position = |text: Option<String>| text.as_deref().and_then(position);
    Ok(Wal {
        flush_lsn: position(status.flush_lsn),
        commit_lsn: position(status.commit_lsn),
        backup_lsn: position(status.backup_lsn),
        remote_consistent_lsn: position(status.remote_consistent_lsn),
        term: status.acceptor_state.and_then(|acceptor| acceptor.term),
        ..Wal::default()
    })
}

/// Parses `0/2DDEA48`, as PostgreSQL writes positions.
fn position(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let part = |text: &str| u32::from_str_radix(text, 16).ok().filter(|_| !text.starts_with('+'));
    Some(u64::from(part(high)?) << 32 | u64::from(part(low)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_safekeepers_write_it() {
        let text = r#"[{"tenant_id":"aa5f","timeline_id":"11c0"},{"tenant_id":"bb","timeline_id":"22"}]"#;
        assert_eq!(list(text).unwrap(), [TimelineId::new("aa5f", "11c0"), TimelineId::new("bb", "22")]);
        assert_eq!(list("[]").unwrap(), []);
        for other in [
            "",
            "{}",
            r#"{"msg":"page not found"}"#,
            r#"[{"tenant_id":"aa"}]"#,
            r#"[{"tenant_id":"aa","timeline_id":"../../v1/x"}]"#,
            r#"[{"tenant_id":"","timeline_id":"11"}]"#,
            r#"[{"tenant_id":"aa","timeline_id":"11 HTTP/1.1"}]"#,
        ] {
            assert!(list(other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_status_is_read_as_safekeepers_write_it() {
        let text = r#"{"tenant_id":"aa","timeline_id":"11","mconf":{"generation":0,"members":[],"new_members":null},
            "acceptor_state":{"term":3,"epoch":3,"term_history":[{"term":3,"lsn":"0/14EE150"}]},
            "flush_lsn":"0/2DDEA48","timeline_start_lsn":"0/14EE150","local_start_lsn":"0/14EE150",
            "commit_lsn":"0/2DDEA40","backup_lsn":"0/2000000","peer_horizon_lsn":"0/2DDEA48",
            "remote_consistent_lsn":"1/0","peers":[],"walsenders":[],"walreceivers":[]}"#;
        let expected = Wal {
            flush_lsn: Some(0x2DD_EA48),
            commit_lsn: Some(0x2DD_EA40),
            backup_lsn: Some(0x200_0000),
            remote_consistent_lsn: Some(1 << 32),
            term: Some(3),
            ..Wal::default()
        };
        assert_eq!(status(text).unwrap(), expected);
        let whole = Extent { start: 0x14E_E150, flush: 0x2DD_EA48, commit: 0x2DD_EA40 };
        assert_eq!(extent(text).unwrap(), Some(whole));
        assert_eq!(extent(r#"{"flush_lsn":"0/2"}"#).unwrap(), None);
        assert!(extent("[]").is_err());
        // On a new disk it begins later than the timeline.
        let later = text.replace(r#""local_start_lsn":"0/14EE150""#, r#""local_start_lsn":"0/2000000""#);
        assert_eq!(extent(&later).unwrap().unwrap().start, 0x200_0000);
        let bare = r#"{"flush_lsn":"nonsense","commit_lsn":"0/+1","acceptor_state":{}}"#;
        assert_eq!(status(bare).unwrap(), Wal::default());
        for other in ["", "[]", r#""text""#, r#"{"flush_lsn":7}"#] {
            assert!(status(other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_digest_is_read_as_safekeepers_write_it() {
        let text = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        assert_eq!(digest(&format!(r#"{{"sha256":"{text}"}}"#)).unwrap(), text);
        for other in ["", "{}", r#"{"sha256":""}"#, r#"{"sha256":7}"#, &format!(r#"{{"sha256":"x{}"}}"#, &text[1..])] {
            assert!(digest(other).is_err(), "{other}");
        }
    }

    #[test]
    fn tenants_are_read_as_pageservers_write_them() {
        let text = r#"[{"id":"aa","state":{"slug":"Active"},"attachment_status":{"slug":"attached"},"generation":1},
            {"id":"bb-0102","state":{"slug":"Broken","data":{"reason":"why","backtrace":""}}}]"#;
        assert_eq!(tenants(text).unwrap(), ["aa".to_owned(), "bb-0102".to_owned()].into());
        assert_eq!(tenants("[]").unwrap(), BTreeSet::new());
        for other in ["", "{}", r#"[{"name":"aa"}]"#, r#"[{"id":"a/b"}]"#, r#"[{"id":""}]"#] {
            assert!(tenants(other).is_err(), "{other}");
        }
    }

    #[test]
    fn what_becomes_part_of_a_path_is_a_plain_name() {
        assert_eq!(path(&TimelineId::new("aa", "11")).as_deref(), Some("/v1/tenant/aa/timeline/11"));
        for (tenant, timeline) in [("aa", "../x"), ("a a", "11"), ("", "11"), ("aa", "")] {
            assert_eq!(path(&TimelineId::new(tenant, timeline)), None);
        }
        assert_eq!(path(&TimelineId { tenant: None, timeline: "11".into() }), None);
    }
}
