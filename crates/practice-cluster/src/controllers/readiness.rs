//! A container's probes: when they run, and what consecutive results mean. Pure.

use crate::values::{items_at, text_at};
use crate::workload::probe::Check;
use serde_json::Value;
use std::time::Duration;

/// A readiness probe, or a liveness probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    /// What is asked.
    pub(crate) check: Check,
    /// How often.
    pub(crate) period: Duration,
    /// From when on, since the container's start.
    pub(crate) initial_delay: Duration,
    successes: u64,
    failures: u64,
}

/// Whether a container counts as ready, after its probe's answers so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// Whether it does.
    pub(crate) ready: bool,
    /// The last answer, and how often in a row it came.
    run: (bool, u64),
}

impl Probe {
    /// A container's readiness probe, if it has one. A container without one is ready when it runs.
    pub(crate) fn of(container: &Value) -> Option<Probe> {
        Self::named(container, "readinessProbe")
    }

    /// A container's liveness probe, if it has one: a container that fails it is ended and started again.
    pub(crate) fn of_life(container: &Value) -> Option<Probe> {
        Self::named(container, "livenessProbe")
    }

    fn named(container: &Value, name: &str) -> Option<Probe> {
        let probe = container.get(name).filter(|probe| probe.is_object())?;
        let number = |field: &str, default: u64| probe[field].as_u64().unwrap_or(default);
        let check = if probe["exec"].is_object() {
            let words = items_at(probe, "/exec/command").iter().filter_map(Value::as_str);
            Check::Exec(words.map(str::to_owned).collect())
        } else if probe["httpGet"].is_object() {
            let path = format!("/{}", text_at(probe, "/httpGet/path").trim_start_matches('/'));
            port(container, &probe["httpGet"]["port"]).map_or_else(Check::Impossible, |port| Check::Http { port, path })
        } else if probe["tcpSocket"].is_object() {
            port(container, &probe["tcpSocket"]["port"]).map_or_else(Check::Impossible, Check::Tcp)
        } else {
            port(container, &probe["grpc"]["port"]).map_or_else(Check::Impossible, Check::Tcp)
        };
        Some(Probe {
            check,
            period: Duration::from_secs(number("periodSeconds", 10).max(1)),
            initial_delay: Duration::from_secs(number("initialDelaySeconds", 0)),
            successes: number("successThreshold", 1).max(1),
            failures: number("failureThreshold", 3).max(1),
        })
    }
}

/// A port by number, or by its name among the container's.
fn port(container: &Value, port: &Value) -> Result<u16, String> {
    let number = match port.as_str() {
        Some(name) => {
            let named = items_at(container, "/ports").iter().find(|known| known["name"] == name);
            match named.and_then(|known| known["containerPort"].as_u64()).or_else(|| name.parse().ok()) {
                Some(number) => number,
                None => return Err(format!("strconv.Atoi: parsing \"{name}\": invalid syntax")),
            }
        }
        None => port.as_u64().unwrap_or(0),
    };
    match u16::try_from(number) {
        Ok(valid @ 1..) => Ok(valid),
        _ => Err(format!("invalid port number: {number}")),
    }
}

impl Readiness {
    /// For a liveness probe: a container counts as alive until its probe fails.
    pub(crate) fn alive() -> Readiness {
        Readiness { ready: true, ..Readiness::default() }
    }

    /// Adds a result; returns whether it made the container ready or unready.
    pub(crate) fn take(&mut self, probe: &Probe, passed: bool) -> bool {
        let (last, times) = self.run;
        self.run = (passed, if passed == last { times + 1 } else { 1 });
        let threshold = if passed { probe.successes } else { probe.failures };
        let changes = self.ready != passed && self.run.1 >= threshold;
        self.ready ^= changes;
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn probes_are_read_with_named_ports() {
        let of = |probe: Value| {
            let container = json!({"ports": [{"name": "postgres", "containerPort": 5432}], "readinessProbe": probe});
            Probe::of(&container).unwrap()
        };
        assert_eq!(of(json!({"tcpSocket": {"port": "postgres"}})).check, Check::Tcp(5432));
        assert_eq!(of(json!({"tcpSocket": {"port": "77"}})).check, Check::Tcp(77));
        let http = of(json!({"httpGet": {"port": 80, "path": "x"}, "periodSeconds": 2, "initialDelaySeconds": 5}));
        assert_eq!(http.check, Check::Http { port: 80, path: "/x".to_owned() });
        assert_eq!((http.period.as_secs(), http.initial_delay.as_secs()), (2, 5));
        assert_eq!(of(json!({"exec": {"command": ["false"]}})).check, Check::Exec(vec!["false".to_owned()]));
        let unknown = "strconv.Atoi: parsing \"sql\": invalid syntax".to_owned();
        assert_eq!(of(json!({"tcpSocket": {"port": "sql"}})).check, Check::Impossible(unknown));
        assert_eq!(Probe::of(&json!({})), None);
    }

    #[test]
    fn answers_count_in_a_row() {
        let probe = |successes: u64, failures: u64| {
            let container = json!({"readinessProbe": {"tcpSocket": {"port": 1},
                "successThreshold": successes, "failureThreshold": failures}});
            Probe::of(&container).unwrap()
        };
        let after = |probe: &Probe, answers: &str| {
            let mut readiness = Readiness::default();
            answers.chars().filter(|answer| readiness.take(probe, *answer == '+')).count();
            readiness.ready
        };
        let once = probe(1, 3);
        for (answers, ready) in
            [("", false), ("-", false), ("+", true), ("+--", true), ("+---", false), ("+--+--", true)]
        {
            assert_eq!(after(&once, answers), ready, "{answers}");
        }
        let twice = probe(2, 1);
        for (answers, ready) in [("+", false), ("+-+", false), ("++", true), ("++-", false), ("-++", true)] {
            assert_eq!(after(&twice, answers), ready, "{answers}");
        }
    }
}
