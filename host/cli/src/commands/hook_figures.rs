//! What asking policies takes, as `status` and `policy show` say it: how long each hook took, and how much memory.

use std::collections::BTreeMap;

use serde::Serialize;
use taskhost::domain::Measure;
use taskhost::{Measured, wire};

use super::stats::{length, size};
use crate::output::{line, table};

/// What was measured of the hooks that were asked, by all processes since the machine was started, whichever policy it
/// was that they asked. Lengths of time are in microseconds.
#[derive(Debug, Default, Serialize)]
pub struct HookFigures {
    pub since: String,
    pub hooks: BTreeMap<&'static str, HookFigure>,
}

/// `memory_bytes_max`: the most linear memory that a policy had when it was asked; absent where that wasn't measured.
#[derive(Debug, Default, Serialize)]
pub struct HookFigure {
    pub count: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
    pub memory_bytes_max: Option<u64>,
}

impl HookFigures {
    pub fn new(measured: &Measured) -> Self {
        let figures = Measure::HOOKS.into_iter().filter_map(|hook| {
            let times = measured.all.times.get(&hook).filter(|times| times.count > 0)?;
            let figure = HookFigure {
                count: times.count,
                p50_us: times.p50,
                p99_us: times.p99,
                max_us: times.max,
                memory_bytes_max: measured.all.memory.get(&hook).copied(),
            };
            Some((hook.as_str(), figure))
        });
        Self { since: wire::time(measured.since), hooks: figures.collect() }
    }

    /// The hooks that were asked, in the order in which they are shown.
    fn asked(&self) -> impl Iterator<Item = (&'static str, &HookFigure)> {
        let hooks = Measure::HOOKS.into_iter();
        hooks.filter_map(|hook| Some((hook.as_str(), self.hooks.get(hook.as_str())?)))
    }

    /// A line for each hook.
    pub fn write_table(&self, out: &mut String) {
        let rows: Vec<[String; 6]> = self
            .asked()
            .map(|(hook, figure)| {
                let HookFigure { count, p50_us, p99_us, max_us, memory_bytes_max } = figure;
                let [p50, p99, max] = [p50_us, p99_us, max_us].map(length);
                let memory = memory_bytes_max.map_or("-".into(), size);
                [hook.into(), count.to_string(), p50, p99, max, memory]
            })
            .collect();
        line(out, "");
        if rows.is_empty() {
            line(out, "no policy was asked anything yet");
        } else {
            line(out, format_args!("asked since {}, whichever policy it was:", self.since));
            table(out, ["HOOK", "COUNT", "P50", "P99", "MAX", "MEMORY"], &rows);
        }
    }

    /// All of it in two lines; nothing if no policy was asked anything.
    pub fn write_lines(&self, out: &mut String) {
        let asked = self.asked().map(|(hook, figure)| {
            format!("{hook} {} (p99 {})", figure.count, length(&figure.p99_us))
        });
        let asked: Vec<String> = asked.collect();
        if asked.is_empty() {
            return;
        }
        let memory = self.hooks.values().filter_map(|figure| figure.memory_bytes_max).max();
        let memory =
            memory.map_or(String::new(), |bytes| format!("memory {} at most, ", size(bytes)));
        let (first, rest) = asked.split_at(asked.len().min(2));
        line(out, format_args!("asked     {}", first.join(", ")));
        if !rest.is_empty() {
            line(out, format_args!("          {}", rest.join(", ")));
        }
        line(out, format_args!("          {memory}since {}", self.since));
    }
}

#[cfg(test)]
mod tests {
    use taskhost::Millis;
    use taskhost::domain::{Distribution, Figures};

    use super::*;

    fn figures() -> HookFigures {
        let times =
            Distribution { count: 31, p50: 90, p99: 1_200, max: 3_400, ..Default::default() };
        HookFigures::new(&Measured {
            since: Millis(0),
            all: Figures {
                times: BTreeMap::from([
                    (Measure::Assignment, times),
                    (Measure::Recovery, Distribution::default()),
                    (Measure::Sync, Distribution { count: 3, ..Default::default() }),
                ]),
                memory: BTreeMap::from([(Measure::Assignment, 2 << 20)]),
                ..Figures::default()
            },
            processes: Vec::new(),
        })
    }

    #[test]
    fn hooks_that_were_asked_are_told_with_time_and_memory() {
        let mut text = String::new();
        figures().write_table(&mut text);
        let expected = "
asked since 1970-01-01T00:00:00.000Z, whichever policy it was:
HOOK        COUNT  P50   P99     MAX     MEMORY
assignment  31     90µs  1.20ms  3.40ms  2.00 MiB
";
        assert_eq!(text, expected);
        let mut text = String::new();
        figures().write_lines(&mut text);
        assert_eq!(
            text,
            "asked     assignment 31 (p99 1.20ms)\n          \
             memory 2.00 MiB at most, since 1970-01-01T00:00:00.000Z\n"
        );
    }

    #[test]
    fn nothing_asked_is_said_in_the_table_only() {
        let mut text = String::new();
        HookFigures::default().write_lines(&mut text);
        assert_eq!(text, "");
        HookFigures::default().write_table(&mut text);
        assert!(text.contains("no policy was asked"), "{text}");
    }
}
