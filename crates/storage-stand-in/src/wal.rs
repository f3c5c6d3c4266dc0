//! The bytes of WAL: what a compute wrote, as a function of the timeline and the position. Only digests read them.

use crate::installation::TimelineId;
use sha2::{Digest as _, Sha256};

/// Bytes that are generated at once.
const BLOCK: u64 = 8;

/// Returns the digest of the bytes of a timeline between two positions; the byte at `damaged` differs from what was
/// written.
pub(crate) fn digest(id: &TimelineId, (from, until): (u64, u64), damaged: Option<u64>) -> [u8; 32] {
    let seed = Sha256::digest(format!("{}/{}", id.tenant, id.timeline));
    let seed = u64::from_le_bytes(std::array::from_fn(|at| seed[at]));
    let mut hasher = Sha256::new();
    let mut at = from - from % BLOCK;
    while at < until {
        let mut bytes = mixed(seed ^ at).to_le_bytes();
        if let Some(damaged) = damaged.filter(|damaged| (at..at + BLOCK).contains(damaged)) {
            bytes[usize::try_from(damaged - at).unwrap_or(0)] ^= 1;
        }
        let (start, end) = (from.saturating_sub(at), (until - at).min(BLOCK));
        hasher.update(&bytes[usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0)]);
        at += BLOCK;
    }
    hasher.finalize().into()
}

/// splitmix64: similar words give entirely different results.
fn mixed(word: u64) -> u64 {
    let mixed = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ranges_have_equal_digests_and_one_byte_changes_them() {
        let id = |timeline: &str| TimelineId { tenant: "aa".into(), timeline: timeline.into() };
        let of = |range, damaged| digest(&id("11"), range, damaged);
        assert_eq!(of((3, 1003), None), of((3, 1003), None));
        for other in [of((4, 1003), None), of((3, 1002), None), of((3, 1003), Some(3)), of((3, 1003), Some(1002))] {
            assert_ne!(of((3, 1003), None), other);
        }
        assert_ne!(of((3, 1003), None), digest(&id("12"), (3, 1003), None));
        for outside in [2, 1003, 5000] {
            assert_eq!(of((3, 1003), Some(outside)), of((3, 1003), None), "{outside}");
        }
    }
}
