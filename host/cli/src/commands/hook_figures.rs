//! What asking policies takes, as `status` and `policy show` say it: how long each hook took, and how much memory.

use taskhost::domain::Measure;
use taskhost_answers::{HookFigure, HookFigures};

use super::stats::{length, size};
use crate::output::{line, table};

/// The hooks that were asked, in the order in which they are shown.
fn asked(figures: &HookFigures) -> impl Iterator<Item = (&'static str, &HookFigure)> {
    let hooks = Measure::HOOKS.into_iter();
    hooks.filter_map(|hook| Some((hook.as_str(), figures.hooks.get(hook.as_str())?)))
}

/// A line for each hook.
pub fn write_table(figures: &HookFigures, out: &mut String) {
    let rows: Vec<[String; 6]> = asked(figures)
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
        line(out, format_args!("asked since {}, whichever policy it was:", figures.since));
        table(out, ["HOOK", "COUNT", "P50", "P99", "MAX", "MEMORY"], &rows);
    }
}

/// All of it in two lines; nothing if no policy was asked anything.
pub fn write_lines(figures: &HookFigures, out: &mut String) {
    let asked = asked(figures)
        .map(|(hook, figure)| format!("{hook} {} (p99 {})", figure.count, length(&figure.p99_us)));
    let asked: Vec<String> = asked.collect();
    if asked.is_empty() {
        return;
    }
    let memory = figures.hooks.values().filter_map(|figure| figure.memory_bytes_max).max();
    let memory = memory.map_or(String::new(), |bytes| format!("memory {} at most, ", size(bytes)));
    let (first, rest) = asked.split_at(asked.len().min(2));
    line(out, format_args!("asked     {}", first.join(", ")));
    if !rest.is_empty() {
        line(out, format_args!("          {}", rest.join(", ")));
    }
    line(out, format_args!("          {memory}since {}", figures.since));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use taskhost::domain::{Distribution, Figures};
    use taskhost::{Measured, Millis};

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
        write_table(&figures(), &mut text);
        let expected = "
asked since 1970-01-01T00:00:00.000Z, whichever policy it was:
HOOK        COUNT  P50   P99     MAX     MEMORY
assignment  31     90µs  1.20ms  3.40ms  2.00 MiB
";
        assert_eq!(text, expected);
        let mut text = String::new();
        write_lines(&figures(), &mut text);
        assert_eq!(
            text,
            "asked     assignment 31 (p99 1.20ms)\n          \
             memory 2.00 MiB at most, since 1970-01-01T00:00:00.000Z\n"
        );
    }

    #[test]
    fn nothing_asked_is_said_in_the_table_only() {
        let mut text = String::new();
        write_lines(&HookFigures::default(), &mut text);
        assert_eq!(text, "");
        write_table(&HookFigures::default(), &mut text);
        assert!(text.contains("no policy was asked"), "{text}");
    }
}
