//! The baseline of a record: plain, compressed, or known to be lost. A reader never confuses a lost or damaged baseline with
//! one that never existed.

use super::record::{BaselineLoss, Record};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use serde_json::Value;

/// Maximum bytes of JSON of a baseline that is not compressed.
const PLAIN: usize = 8 << 10;
/// Maximum bytes of an unpacked baseline: 50 databases of 1,000 relations have 7 MiB.
const LARGEST: usize = 16 << 20;
/// Compression level, of 10.
const LEVEL: u8 = 8;

impl Record {
    /// Returns whether the baseline is on record.
    pub fn has_baseline(&self) -> bool {
        self.baseline.is_some() || self.packed_baseline.is_some()
    }

    /// Returns the baseline on record; `None` if there never was one.
    ///
    /// # Errors
    /// The reason why a baseline that existed is not available.
    pub fn kept_baseline(&self) -> Result<Option<Value>, String> {
        match (&self.baseline, &self.packed_baseline, self.baseline_lost) {
            (Some(value), _, _) => Ok(Some(value.clone())),
            (None, Some(packed), _) => unpack(packed).map(Some).map_err(|damaged| damaged.to_string()),
            (None, None, Some(lost)) => Err(format!("its baseline is not recorded: {lost}")),
            (None, None, None) => Ok(None),
        }
    }

    /// Sets the baseline, and replaces any earlier one.
    pub fn set_baseline(&mut self, baseline: Option<Value>) {
        (self.baseline, self.packed_baseline, self.baseline_lost) = (baseline, None, None);
    }

    /// Removes the baseline, and records why.
    pub fn lose_baseline(&mut self, lost: BaselineLoss) {
        (self.baseline, self.packed_baseline, self.baseline_lost) = (None, None, Some(lost));
    }

    /// Copies the baseline from another copy of the same record.
    pub(super) fn take_baseline_of(&mut self, other: &Self) {
        self.baseline.clone_from(&other.baseline);
        self.packed_baseline.clone_from(&other.packed_baseline);
        self.baseline_lost = None;
    }

    /// Returns the record with a long baseline compressed.
    pub fn packed(self) -> Self {
        self.packed_up_to(LARGEST)
    }

    fn packed_up_to(mut self, largest: usize) -> Self {
        let Some(text) = self.baseline.as_ref().map(Value::to_string) else { return self };
        match text.len() {
            0..=PLAIN => {}
            // It could be written, but never read again.
            length if length > largest => self.lose_baseline(BaselineLoss::TooLarge),
            _ => {
                self.packed_baseline = Some(STANDARD.encode(compress_to_vec_zlib(text.as_bytes(), LEVEL)));
                self.baseline = None;
            }
        }
        self
    }
}

/// A stored baseline that cannot be read.
#[derive(Debug, thiserror::Error)]
enum DamagedBaseline {
    /// It is not base64.
    #[error("its recorded baseline cannot be read: {0}")]
    Base64(#[from] base64::DecodeError),
    /// It is not what zlib wrote, or it is too large.
    #[error("its recorded baseline cannot be read: {:?}", .0.status)]
    Zlib(miniz_oxide::inflate::DecompressError),
    /// It is not JSON.
    #[error("its recorded baseline cannot be read: {0}")]
    Json(#[from] serde_json::Error),
}

/// Unpacks a baseline. A damaged one fails: zlib has a checksum (Adler-32) of everything it compresses.
fn unpack(packed: &str) -> Result<Value, DamagedBaseline> {
    let bytes = STANDARD.decode(packed)?;
    let text = decompress_to_vec_zlib_with_limit(&bytes, LARGEST).map_err(DamagedBaseline::Zlib)?;
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_version::API_VERSION;
    use crate::plan::RECORD_KIND;
    use serde_json::json;

    fn record(baseline: Option<Value>) -> Record {
        let text = json!({"apiVersion": API_VERSION, "kind": RECORD_KIND, "operation": "failover", "id": "a1", "started": "2026-01-01T00:00:00Z",
            "outcome": "unfinished", "context": "", "namespace": "a", "pod": "p-0", "podUid": "", "keepClaims": false,
            "claims": [], "baseline": baseline});
        Record::parse(&text.to_string()).unwrap()
    }

    fn tables(number: usize) -> Value {
        let table = |number| {
            json!({"schema": "public", "name": format!("table_{number}"), "estimatedRows": -1.0, "pages": 0,
                   "rows": number % 7})
        };
        json!((0..number).map(table).collect::<Vec<_>>())
    }

    /// Returns the annotation's text, and the record read from it.
    fn again(record: Record) -> (String, Record) {
        let text = serde_json::to_string(&record.packed()).unwrap();
        let read = Record::parse(&text).unwrap();
        (text, read)
    }

    #[test]
    fn a_baseline_is_kept_completely_however_long_it_is() {
        for number in [0, 3, 1300, 20_000] {
            let (text, read) = again(record(Some(tables(number))));
            assert_eq!(read.kept_baseline(), Ok(Some(tables(number))), "{number}");
            assert!(read.has_baseline());
            // A short one can be read by people.
            assert_eq!(text.contains("\"table_1\""), number == 3, "{number}");
        }
        let plain = serde_json::to_string(&record(Some(tables(1300)))).unwrap().len();
        let packed = again(record(Some(tables(1300)))).0.len();
        assert!(plain > 100_000 && packed < plain / 8, "{plain} {packed}");
    }

    #[test]
    fn none_a_lost_one_and_a_damaged_one_are_distinguished() {
        assert_eq!(again(record(None)).1.kept_baseline(), Ok(None));
        for lost in [BaselineLoss::TooLarge, BaselineLoss::Trimmed] {
            let mut record = record(Some(tables(3)));
            record.lose_baseline(lost);
            let read = again(record).1;
            assert!(!read.has_baseline());
            assert_eq!(read.kept_baseline(), Err(format!("its baseline is not recorded: {lost}")));
        }
        let packed = record(Some(tables(1300))).packed().packed_baseline.unwrap();
        let mut flipped = packed.clone().into_bytes();
        let at = flipped.len() / 2;
        flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
        let flipped = String::from_utf8(flipped).unwrap();
        for damaged in ["", "%%%%", "AAAA", &packed[..packed.len() / 2 / 4 * 4], &flipped] {
            let mut record = record(None);
            record.packed_baseline = Some(damaged.to_owned());
            let why = record.kept_baseline().unwrap_err();
            assert!(why.starts_with("its recorded baseline cannot be read: "), "{damaged:.20} {why}");
        }
    }

    /// A user who may annotate a volume could write a few bytes that unpack to a great many.
    #[test]
    fn what_would_fill_the_memory_is_not_unpacked() {
        let bomb = compress_to_vec_zlib(&vec![b' '; LARGEST + 1], LEVEL);
        let mut record = record(None);
        record.packed_baseline = Some(STANDARD.encode(bomb));
        assert!(record.kept_baseline().unwrap_err().contains("HasMoreOutput"));
        // What is written can be read.
        let long = Value::String("x".repeat(LARGEST));
        assert_eq!(self::record(Some(long)).packed().baseline_lost, Some(BaselineLoss::TooLarge));
    }

    /// The longest one is kept; one that is a byte longer is recorded as lost.
    #[test]
    fn a_baseline_is_as_long_as_can_be_read_again_or_is_lost() {
        let most = 2 * PLAIN;
        let of = |length: usize| record(Some(Value::String("x".repeat(length - 2)))).packed_up_to(most);
        for length in [most - 1, most] {
            assert!(of(length).packed_baseline.is_some(), "{length}");
        }
        assert_eq!(of(most + 1).baseline_lost, Some(BaselineLoss::TooLarge));
        assert!(!of(most + 1).has_baseline());
    }

    #[test]
    fn a_baseline_that_is_set_replaces_any_earlier_one() {
        let mut lost = record(None);
        lost.lose_baseline(BaselineLoss::Trimmed);
        for mut before in [record(None), record(Some(json!(1))), record(Some(tables(1300))).packed(), lost] {
            before.set_baseline(Some(json!(2)));
            assert_eq!(before, record(Some(json!(2))));
            before.set_baseline(None);
            assert_eq!(before, record(None));
        }
    }

    /// One volume may have room for what another has not.
    #[test]
    fn a_copy_that_has_the_baseline_is_believed() {
        let whole = record(Some(tables(3)));
        let mut lost = whole.clone();
        lost.lose_baseline(BaselineLoss::TooLarge);
        for copies in [[&whole, &lost], [&lost, &whole]] {
            let merged = Record::merged(copies.into_iter().cloned());
            assert_eq!(merged[0].kept_baseline(), Ok(Some(tables(3))));
        }
        // One that was found again is not needed any more, and its outcome is what the last copy says.
        let mut finished = lost.clone();
        (finished.outcome, finished.finished) =
            (crate::plan::RecordedOutcome::DataMissing, Some(whole.started.clone()));
        for copies in [[&whole, &finished], [&finished, &whole]] {
            let merged = &Record::merged(copies.into_iter().cloned())[0];
            assert!(merged.unfinished() && merged.has_baseline());
        }
        let whole = Record { baseline: whole.baseline.clone(), baseline_lost: None, ..finished.clone() };
        for copies in [[&whole, &finished], [&finished, &whole]] {
            assert_eq!(Record::merged(copies.into_iter().cloned()), std::slice::from_ref(&whole));
        }
    }
}
