//! Prometheus' text format, as the libraries of Neon write it: families by name, labels by name, `le` last.

use std::fmt::Write as _;

/// Metrics, family by family.
#[derive(Debug, Default)]
pub(crate) struct Families(Vec<Family>);

/// One family: all samples of one name.
#[derive(Debug)]
pub(crate) struct Family {
    name: &'static str,
    samples: String,
}

impl Families {
    /// Adds a family.
    pub(crate) fn family(&mut self, name: &'static str, help: &str, kind: &str) -> &mut Family {
        let samples = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        let at = self.0.len();
        self.0.push(Family { name, samples });
        &mut self.0[at]
    }

    /// Adds a gauge without labels.
    pub(crate) fn gauge(&mut self, name: &'static str, help: &str, value: u64) {
        self.family(name, help, "gauge").sample("", value);
    }

    /// Adds a counter without labels.
    pub(crate) fn counter(&mut self, name: &'static str, help: &str, value: u64) {
        self.family(name, help, "counter").sample("", value);
    }

    /// Adds an empty histogram for each of these labels.
    pub(crate) fn histogram(&mut self, name: &'static str, help: &str, labels: &[String], buckets: &[&str]) {
        let family = self.family(name, help, "histogram");
        for labels in labels {
            family.buckets(labels, buckets);
        }
    }

    /// Returns everything as text, by name.
    pub(crate) fn text(mut self) -> String {
        self.0.sort_by_key(|family| family.name);
        self.0.into_iter().map(|family| family.samples).collect()
    }
}

impl Family {
    /// Adds a sample; `labels` is the text between the braces.
    pub(crate) fn sample(&mut self, labels: &str, value: u64) {
        let name = self.name;
        // Writing to a string does not fail.
        let _ = match labels {
            "" => writeln!(self.samples, "{name} {value}"),
            labels => writeln!(self.samples, "{name}{{{labels}}} {value}"),
        };
    }

    /// Adds an empty histogram.
    pub(crate) fn buckets(&mut self, labels: &str, buckets: &[&str]) {
        let name = self.name;
        let comma = if labels.is_empty() { "" } else { "," };
        for le in buckets.iter().chain(&["+Inf"]) {
            let _ = writeln!(self.samples, "{name}_bucket{{{labels}{comma}le=\"{le}\"}} 0");
        }
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(self.samples, "{name}_sum{braces} 0\n{name}_count{braces} 0");
    }
}

/// Formats labels with name and value, in this order.
pub(crate) fn labels(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    pairs.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_come_by_name_with_their_labels() {
        let mut all = Families::default();
        all.gauge("b", "Of b", 2);
        all.family("a", "Of a", "gauge").sample(&labels(&[("x", "1"), ("y", "2")]), 3);
        all.histogram("h", "Of h", &["op=\"r\"".to_owned()], &["0.1"]);
        let expected = "# HELP a Of a\n# TYPE a gauge\na{x=\"1\",y=\"2\"} 3\n\
                        # HELP b Of b\n# TYPE b gauge\nb 2\n\
                        # HELP h Of h\n# TYPE h histogram\nh_bucket{op=\"r\",le=\"0.1\"} 0\nh_bucket{op=\"r\",le=\"+Inf\"} 0\n\
                        h_sum{op=\"r\"} 0\nh_count{op=\"r\"} 0\n";
        assert_eq!(all.text(), expected);
    }
}
