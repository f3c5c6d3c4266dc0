//! What a safekeeper says of its timelines, idle ones too, to one who shows a token: the list, and the status of each.

use super::facts::{TimelineId, Wal};
use serde::Deserialize;

/// Longest name of a tenant or a timeline, in bytes.
const LONGEST_NAME: usize = 64;

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
}

#[derive(Deserialize)]
struct Acceptor {
    term: Option<u64>,
}

/// The timelines of `/v1/tenant/timeline`.
///
/// # Errors
/// It is no such list, in words.
pub fn list(text: &str) -> Result<Vec<TimelineId>, String> {
    let listed: Vec<Listed> = serde_json::from_str(text).map_err(|_| "it is not a list of timelines".to_owned())?;
    // They become parts of a path.
    let is_name = |name: &str| {
        !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let named = listed.into_iter().map(|one| {
        let known = is_name(&one.tenant_id) && is_name(&one.timeline_id);
        known.then(|| TimelineId::new(one.tenant_id, one.timeline_id))
    });
    named.collect::<Option<_>>().ok_or_else(|| "it names a timeline as none is named".to_owned())
}

/// How far the timeline has got, by `/v1/tenant/TENANT/timeline/TIMELINE`. What is not there, or no position, is not known.
///
/// # Errors
/// It is no such status, in words.
pub fn status(text: &str) -> Result<Wal, String> {
    let status: Status = serde_json::from_str(text).map_err(|_| "it is not the status of a timeline".to_owned())?;
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

/// `0/2DDEA48`, as PostgreSQL writes positions.
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
        let bare = r#"{"flush_lsn":"nonsense","commit_lsn":"0/+1","acceptor_state":{}}"#;
        assert_eq!(status(bare).unwrap(), Wal::default());
        for other in ["", "[]", r#""text""#, r#"{"flush_lsn":7}"#] {
            assert!(status(other).is_err(), "{other}");
        }
    }
}
