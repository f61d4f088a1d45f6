//! Measurements in the text exposition format of Prometheus, version 0.0.4.
//!
//! [`Scraped`] is what was read of a board, [`Exposition`] the text that is made of it: each family with its help, its
//! type and its samples, in base units, every sample with the board's address as a label, so that the files of several
//! boards can stand in one directory. Counters begin anew when the machine is started, and never go down in between.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use taskhost::domain::{Counts, Distribution, Measure, Tally};
use taskhost::{Board, DiskUse, Error, ListQuery, Measured, Millis, Status, wire};

/// What is told of a board.
#[derive(Debug, Default)]
pub struct Scraped {
    board: String,
    now: Millis,
    counts: Counts,
    entries: u64,
    oldest_ready: Option<Millis>,
    oldest_claim: Option<Millis>,
    claims: u64,
    measured: Measured,
    disk: DiskUse,
}

impl Scraped {
    /// Reads it. Its cost grows with the board where something is ready or held.
    pub fn new(board: &Board) -> Result<Self, Error> {
        let address = board.address().absolute();
        let address = address.unwrap_or_else(|_| board.address().clone());
        let view = board.view()?;
        let head = view.head()?;
        let listed = |query: ListQuery| Ok::<_, Error>(view.list(&query)?.tasks);
        // In the order of their creation, so that the first is the oldest.
        let ready = match head.counts.ready {
            0 => Vec::new(),
            _ => listed(ListQuery { ready: true, limit: 1, ..ListQuery::default() })?,
        };
        let held = match head.counts.of(Status::InProgress) {
            0 => Vec::new(),
            _ => listed(ListQuery {
                statuses: vec![Status::InProgress],
                limit: usize::MAX,
                ..ListQuery::default()
            })?,
        };
        let claims: Vec<Millis> =
            held.iter().filter_map(|task| Some(task.claim.as_ref()?.since)).collect();
        Ok(Self {
            board: address.to_string(),
            now: board.now(),
            counts: head.counts,
            entries: head.sequence.0,
            oldest_ready: ready.first().map(|task| task.created_at),
            oldest_claim: claims.iter().min().copied(),
            claims: claims.len() as u64,
            measured: board.figures()?,
            disk: board.disk_use()?,
        })
    }

    /// All of it as text.
    pub fn text(&self) -> String {
        let mut out = Exposition { text: String::new(), board: escaped(&self.board) };
        out.one(
            "taskhost_build_info",
            "gauge",
            "The version of taskhost that told this.",
            &[("version", env!("CARGO_PKG_VERSION"))],
            1,
        );
        self.tell_tasks(&mut out);
        self.tell_counts(&mut out);
        self.tell_times(&mut out);
        self.tell_disk(&mut out);
        out.text
    }

    fn tell_tasks(&self, out: &mut Exposition) {
        out.family("taskhost_tasks", "gauge", "Tasks on the board, by status.");
        for status in Status::ALL {
            out.sample("taskhost_tasks", &[("status", status.as_str())], self.counts.of(status));
        }
        let Counts { ready, timed, unasked, .. } = self.counts;
        let pending = self.counts.of(Status::Pending);
        let states = [
            ("ready", ready),
            ("waiting", pending.saturating_sub(ready + timed + unasked)),
            ("timed", timed),
            ("unasked", unasked),
        ];
        let help = "Pending tasks: ready to be claimed, waiting for others, waiting for a time, or the policy wasn't \
                    asked about them yet.";
        out.family("taskhost_pending_tasks", "gauge", help);
        for (state, count) in states {
            out.sample("taskhost_pending_tasks", &[("state", state)], count);
        }
        out.one("taskhost_claims_held", "gauge", "Claims that agents hold now.", &[], self.claims);
        let ages = [
            (
                "taskhost_oldest_ready_task_age_seconds",
                "How long ago the oldest task that is ready now was added; 0 if none is ready.",
                self.oldest_ready,
            ),
            (
                "taskhost_oldest_claim_age_seconds",
                "How long ago the oldest claim that is held now was made; 0 if none is held.",
                self.oldest_claim,
            ),
        ];
        for (name, help, since) in ages {
            let age = since.map_or(0, |since| self.now.0.saturating_sub(since.0));
            out.one(name, "gauge", help, &[], age as f64 / 1e3);
        }
        let help = "Entries of the board's history since the board was made.";
        out.one("taskhost_entries_total", "counter", help, &[], self.entries);
    }

    fn tell_counts(&self, out: &mut Exposition) {
        let since = self.measured.since.0 as f64 / 1e3;
        let help = "Since when counts and lengths of time are measured: the machine's start at the earliest.";
        out.one("taskhost_measured_since_timestamp_seconds", "gauge", help, &[], since);
        for tally in Tally::ALL {
            let (name, help) = counter(tally);
            let count = self.measured.all.counts.get(&tally).copied().unwrap_or_default();
            out.one(name, "counter", help, &[], count);
        }
    }

    fn tell_times(&self, out: &mut Exposition) {
        let times = &self.measured.all.times;
        let of = |measure| times.get(&measure).cloned().unwrap_or_default();
        for (measure, name, help) in [
            (Measure::LockWait, "taskhost_lock_wait_seconds", "Waiting for the board's lock."),
            (Measure::LockHold, "taskhost_lock_hold_seconds", "Holding the board's lock."),
            (Measure::Sync, "taskhost_sync_seconds", "Syncs of the journal."),
        ] {
            out.family(name, "summary", help);
            out.summary(name, None, &of(measure));
        }
        out.family("taskhost_hook_seconds", "summary", "Calls of the policy, by hook.");
        for hook in Measure::HOOKS {
            out.summary("taskhost_hook_seconds", Some(("hook", hook.as_str())), &of(hook));
        }
        let help = "The most memory that a policy had when it was asked, by hook.";
        out.family("taskhost_hook_memory_max_bytes", "gauge", help);
        let memory: &BTreeMap<Measure, u64> = &self.measured.all.memory;
        for hook in Measure::HOOKS {
            let bytes = memory.get(&hook).copied().unwrap_or_default();
            out.sample("taskhost_hook_memory_max_bytes", &[("hook", hook.as_str())], bytes);
        }
    }

    fn tell_disk(&self, out: &mut Exposition) {
        let DiskUse { parts, total } = &self.disk;
        let named: u64 = parts.iter().map(|(_, bytes)| bytes).sum();
        let other = ("other", total.saturating_sub(named));
        let help = "What the board takes up on disk; the sum of the parts is all of it.";
        out.family("taskhost_disk_bytes", "gauge", help);
        for (part, bytes) in parts.iter().chain([&other]) {
            out.sample("taskhost_disk_bytes", &[("part", part)], bytes);
        }
    }
}

/// What a count is called, and what it counts.
fn counter(tally: Tally) -> (&'static str, &'static str) {
    match tally {
        Tally::Transactions => ("taskhost_transactions_total", "Transactions that were begun."),
        Tally::Contended => {
            ("taskhost_transactions_contended_total", "Transactions that found the lock taken.")
        }
        Tally::TimedOut => {
            ("taskhost_lock_timeouts_total", "Transactions that gave up waiting for the lock.")
        }
        Tally::Combined => (
            "taskhost_transactions_combined_total",
            "Transactions whose work was done by another one that held the lock.",
        ),
        Tally::Claims => ("taskhost_claims_total", "Tasks that were claimed."),
        Tally::Nothing => {
            ("taskhost_claims_empty_total", "Requests for work for which there was none.")
        }
        Tally::Conflicts => (
            "taskhost_conflicts_total",
            "Requests that came too late: somebody else's task, or a stale token.",
        ),
        Tally::Recoveries => (
            "taskhost_recoveries_total",
            "Tasks that were taken from a holder that was late or dead.",
        ),
        Tally::Fallbacks => (
            "taskhost_policy_fallbacks_total",
            "Decisions that fell back to the standard policy because the board's own failed.",
        ),
    }
}

/// The text, and the label that every sample has.
struct Exposition {
    text: String,
    board: String,
}

impl Exposition {
    /// Begins a family. Helps are ours, and have nothing in them that would have to be escaped.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let mut written = format!("board=\"{}\"", self.board);
        for (label, value) in labels {
            written += &format!(",{label}=\"{}\"", escaped(value));
        }
        self.line(format_args!("{name}{{{written}}} {value}"));
    }

    /// A family of one sample.
    fn one(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        labels: &[(&str, &str)],
        value: impl Display,
    ) {
        self.family(name, kind, help);
        self.sample(name, labels, value);
    }

    /// Lengths of time, which are measured in microseconds and told in seconds.
    fn summary(&mut self, name: &str, label: Option<(&str, &str)>, times: &Distribution) {
        let Distribution { count, mean, p50, p90, p99, p999, max } = *times;
        let quantiles = [("0.5", p50), ("0.9", p90), ("0.99", p99), ("0.999", p999), ("1", max)];
        let seconds = |micros: u64| match count {
            0 => f64::NAN,
            _ => micros as f64 / 1e6,
        };
        for (quantile, micros) in quantiles {
            let labels: Vec<_> = label.into_iter().chain([("quantile", quantile)]).collect();
            self.sample(name, &labels, seconds(micros));
        }
        let labels: Vec<_> = label.into_iter().collect();
        // Whole microseconds, as they were added up, so that it never goes down.
        let sum = (mean * count as f64).round() / 1e6;
        self.sample(&format!("{name}_sum"), &labels, sum);
        self.sample(&format!("{name}_count"), &labels, count);
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a string doesn't fail.
        let _ = writeln!(self.text, "{line}");
    }
}

/// A label's value as it is written between quotes. What would steer a terminal isn't let through.
fn escaped(value: &str) -> String {
    let mut written = String::new();
    for c in value.chars() {
        match c {
            '\\' => written += r"\\",
            '"' => written += "\\\"",
            '\n' => written += r"\n",
            c if wire::steers(c) => written.push(char::REPLACEMENT_CHARACTER),
            c => written.push(c),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_end_a_label_is_escaped() {
        assert_eq!(escaped("a\\b\"c\nd\u{1b}[2J"), "a\\\\b\\\"c\\nd\u{fffd}[2J");
        let text = Scraped { board: "/a \"b\"".into(), ..Scraped::default() }.text();
        assert!(text.contains("\ntaskhost_tasks{board=\"/a \\\"b\\\"\",status=\"pending\"} 0\n"));
    }

    #[test]
    fn sums_are_the_microseconds_that_were_added_up() {
        let times =
            Distribution { count: 3, mean: 1_000_001.0 / 3.0, max: 7, ..Default::default() };
        let mut out = Exposition { text: String::new(), board: "b".into() };
        out.summary("x_seconds", Some(("hook", "h")), &times);
        let expected = "\
x_seconds{board=\"b\",hook=\"h\",quantile=\"0.5\"} 0
x_seconds{board=\"b\",hook=\"h\",quantile=\"0.9\"} 0
x_seconds{board=\"b\",hook=\"h\",quantile=\"0.99\"} 0
x_seconds{board=\"b\",hook=\"h\",quantile=\"0.999\"} 0
x_seconds{board=\"b\",hook=\"h\",quantile=\"1\"} 0.000007
x_seconds_sum{board=\"b\",hook=\"h\"} 1.000001
x_seconds_count{board=\"b\",hook=\"h\"} 3
";
        assert_eq!(out.text, expected);
    }
}
