//! Compares Kubernetes quantities, such as `10Gi`, `1.5Gi`, `1e3` and `500m`.
//!
//! The grammar is that of `k8s.io/apimachinery/pkg/api/resource`: a decimal number and a suffix, which is binary (`Ki`
//! to `Ei`), decimal (`n` to `E`) or an exponent. Fractions of a nano are rounded up, as there.

/// A quantity, in billionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Quantity(i128);

/// Billionths in one.
const NANO: i128 = 1_000_000_000;

impl Quantity {
    /// An object without a quantity has this.
    pub(crate) const ZERO: Self = Self(0);

    /// Parses a quantity. `None` if it is invalid, or too large to compare.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = unsigned.find(|character: char| !character.is_ascii_digit() && character != '.');
        let (number, suffix) = unsigned.split_at(end.unwrap_or(unsigned.len()));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + fraction.len() == 0 || fraction.contains('.') {
            return None;
        }
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let (factor, exponent) = scale(suffix)?;
        let exponent = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        let scaled = digits.checked_mul(factor)?.checked_mul(NANO)?;
        let power = 10_i128.checked_pow(exponent.unsigned_abs());
        let nano = match (exponent, power) {
            (0.., Some(power)) => scaled.checked_mul(power)?,
            (0.., None) => return (scaled == 0).then_some(Self::ZERO),
            (_, Some(power)) => scaled.checked_add(power - 1)? / power,
            // Less than a billionth.
            (_, None) => i128::from(scaled > 0),
        };
        Some(Self(if negative { -nano } else { nano }))
    }
}

impl Quantity {
    /// Returns the sum; the largest quantity if it is larger.
    pub(crate) fn sum(quantities: impl IntoIterator<Item = Self>) -> Self {
        Self(quantities.into_iter().fold(0, |sum, Self(nano)| sum.saturating_add(nano)))
    }

    /// Returns it in GiB, rounded up to a tenth: `510 GiB`, `1.5 GiB`.
    pub(crate) fn in_gibibytes(self) -> String {
        // As unsigned, since only those can be divided rounding up.
        let tenths = self.0.max(0).unsigned_abs().div_ceil((NANO << 30).unsigned_abs() / 10);
        match tenths % 10 {
            0 => format!("{} GiB", tenths / 10),
            tenth => format!("{}.{tenth} GiB", tenths / 10),
        }
    }
}

/// Returns the multiplier of a suffix: a factor, and a power of ten.
fn scale(suffix: &str) -> Option<(i128, i32)> {
    let plain = |exponent| Some((1, exponent));
    match suffix {
        "" => plain(0),
        "n" => plain(-9),
        "u" => plain(-6),
        "m" => plain(-3),
        "k" => plain(3),
        "M" => plain(6),
        "G" => plain(9),
        "T" => plain(12),
        "P" => plain(15),
        "E" => plain(18),
        "Ki" => Some((1 << 10, 0)),
        "Mi" => Some((1 << 20, 0)),
        "Gi" => Some((1 << 30, 0)),
        "Ti" => Some((1 << 40, 0)),
        "Pi" => Some((1 << 50, 0)),
        "Ei" => Some((1 << 60, 0)),
        _ => plain(suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_suffix_is_a_thousand_or_1024_of_the_one_before() {
        for (one, many) in [
            ("1u", "1000n"),
            ("1m", "1000u"),
            ("1", "1000m"),
            ("1k", "1000"),
            ("1M", "1000k"),
            ("1G", "1000M"),
            ("1T", "1000G"),
            ("1P", "1000T"),
            ("1E", "1000P"),
            ("1Ki", "1024"),
            ("1Mi", "1024Ki"),
            ("1Gi", "1024Mi"),
            ("1Ti", "1024Gi"),
            ("1Pi", "1024Ti"),
            ("1Ei", "1024Pi"),
            // Zero is zero, however small its unit.
            ("0", "0e-100"),
        ] {
            let (one, many) = (Quantity::parse(one), Quantity::parse(many));
            assert!(one.is_some() && one == many, "{one:?} {many:?}");
        }
    }

    #[test]
    fn every_form_means_what_kubernetes_takes_it_for() {
        for (text, same) in [
            ("10Gi", "10737418240"),
            ("1.5Gi", "1610612736"),
            ("1e3", "1000"),
            ("1E3", "1k"),
            ("500m", "0.5"),
            ("1000m", "1"),
            ("1E", "1000P"),
            ("1Ei", "1024Pi"),
            (".5Gi", "512Mi"),
            ("5.", "5"),
            ("+1Gi", "1Gi"),
            ("1e-3", "1m"),
            ("0.0000000001", "1n"),
            ("1e-40", "1n"),
            ("0e400", "0"),
            ("-1Ki", "-1024"),
            ("200E", "200000P"),
        ] {
            let parsed = Quantity::parse(text);
            assert!(parsed.is_some(), "{text}");
            assert_eq!(parsed, Quantity::parse(same), "{text} {same}");
        }
    }

    #[test]
    fn the_larger_one_is_larger() {
        for (less, more) in
            [("1G", "1Gi"), ("999Mi", "1Gi"), ("3Gi", "10Gi"), ("1023Ki", "1Mi"), ("0", "1n"), ("-1", "0")]
        {
            assert!(Quantity::parse(less) < Quantity::parse(more), "{less} {more}");
        }
    }

    #[test]
    fn a_sum_is_shown_in_gibibytes() {
        for (parts, sum) in [
            (&["10Gi", "500Gi"][..], "510 GiB"),
            (&["1Gi", "512Mi"], "1.5 GiB"),
            (&["1G"], "1 GiB"),
            (&["1"], "0.1 GiB"),
            (&[], "0 GiB"),
        ] {
            let parts = parts.iter().map(|part| Quantity::parse(part).unwrap());
            assert_eq!(Quantity::sum(parts).in_gibibytes(), sum);
        }
    }

    #[test]
    fn what_is_no_quantity_is_none() {
        for text in ["", "Gi", ".", "1 Gi", "1gi", "1KB", "1.2.3", "1e", "--1", "1e1e1", "0x10", "1e40", "ten"] {
            assert_eq!(Quantity::parse(text), None, "{text:?}");
        }
    }
}
