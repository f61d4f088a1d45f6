//! Measurements as people read them.

use taskhost::DiskUse;
use taskhost::domain::{Measure, Tally};

use super::answer::{Answer, Disk, OneProcess, Spread};
use crate::output::{line, table};

/// How many processes are shown; JSON has all of them.
const PROCESSES_MAX: usize = 16;

/// Writes all of it, a table each.
pub fn write(out: &mut String, answer: &Answer) {
    line(out, format_args!("measured since {}\n", answer.since));
    write_times(out, answer);
    write_counts(out, answer);
    write_processes(out, &answer.processes);
    write_disk(out, &answer.disk);
}

fn write_times(out: &mut String, answer: &Answer) {
    let rows: Vec<[String; 8]> = Measure::ALL
        .iter()
        .filter_map(|measure| {
            let Spread { count, mean_us, p50_us, p90_us, p99_us, p999_us, max_us } =
                answer.times.get(measure.as_str())?;
            let [p50, p90, p99, p999, max] = [p50_us, p90_us, p99_us, p999_us, max_us].map(length);
            let (name, mean) = (measure.as_str().into(), length(&(mean_us.round() as u64)));
            Some([name, count.to_string(), mean, p50, p90, p99, p999, max])
        })
        .collect();
    if rows.is_empty() {
        line(out, "no times were measured yet");
    } else {
        table(out, ["TIME", "COUNT", "MEAN", "P50", "P90", "P99", "P99.9", "MAX"], &rows);
    }
}

fn write_counts(out: &mut String, answer: &Answer) {
    line(out, "");
    let count = |tally: Tally| answer.counts.get(tally.as_str()).copied().unwrap_or_default();
    for tally in Tally::ALL {
        let share = match tally {
            Tally::Contended => share(count(Tally::Contended), count(Tally::Transactions)),
            _ => String::new(),
        };
        let written = format!("{:<14} {:<10} {share}", tally.as_str(), count(tally));
        line(out, written.trim_end());
    }
}

fn write_processes(out: &mut String, processes: &[OneProcess]) {
    let rows: Vec<[String; 8]> = processes.iter().take(PROCESSES_MAX).map(row).collect();
    if rows.is_empty() {
        return;
    }
    line(out, "");
    let head = ["PID", "ALIVE", "TRANSACTIONS", "CONTENDED", "WAIT P50", "P99", "MAX", "HOLD P99"];
    table(out, head, &rows);
    if processes.len() > PROCESSES_MAX {
        let more = processes.len() - PROCESSES_MAX;
        line(out, format_args!("… {more} more processes: --json has them all"));
    }
}

fn row(process: &OneProcess) -> [String; 8] {
    let count = |tally: Tally| process.counts.get(tally.as_str()).copied().unwrap_or_default();
    let time = |measure: Measure| process.times.get(measure.as_str());
    let wait = |of: fn(&Spread) -> &u64| {
        time(Measure::LockWait).map(|wait| length(of(wait))).unwrap_or_default()
    };
    [
        process.pid.to_string(),
        if process.alive { "yes" } else { "no" }.into(),
        count(Tally::Transactions).to_string(),
        share(count(Tally::Contended), count(Tally::Transactions)),
        wait(|wait| &wait.p50_us),
        wait(|wait| &wait.p99_us),
        wait(|wait| &wait.max_us),
        time(Measure::LockHold).map(|hold| length(&hold.p99_us)).unwrap_or_default(),
    ]
}

fn write_disk(out: &mut String, disk: &Disk) {
    line(out, "");
    let DiskUse { parts, total } = &disk.0;
    for (part, bytes) in parts.iter().chain([&("on disk", *total)]) {
        line(out, format_args!("{:<14} {}", part.replace('_', " "), size(*bytes)));
    }
}

/// A part of a whole, in percent; a dash where there is no whole.
fn share(part: u64, whole: u64) -> String {
    if whole == 0 { "-".into() } else { format!("{:.1}%", part as f64 * 100.0 / whole as f64) }
}

/// A length of time in the unit that suits it, as in `812µs`, `3.41ms` or `1.20s`.
pub fn length(us: &u64) -> String {
    match *us {
        us @ 0..1_000 => format!("{us}µs"),
        us @ 1_000..1_000_000 => format!("{}ms", three_digits(us as f64 / 1e3)),
        us => format!("{}s", three_digits(us as f64 / 1e6)),
    }
}

/// A size in the unit that suits it, as in `812 B` or `3.41 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut number = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while number >= 1024.0
        && let Some(next) = units.next()
    {
        number /= 1024.0;
        unit = Some(next);
    }
    format!("{} {}", three_digits(number), unit.unwrap_or(&UNITS[0]))
}

/// Enough of a number to compare it by.
fn three_digits(number: f64) -> String {
    let decimals = if number < 10.0 {
        2
    } else if number < 100.0 {
        1
    } else {
        0
    };
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use taskhost::domain::{Distribution, Figures};
    use taskhost::{Measured, Millis, ProcessFigures};

    use super::*;

    fn figures() -> Figures {
        let waits = Distribution {
            count: 1_000,
            mean: 812.4,
            p50: 90,
            p90: 1_500,
            p99: 23_456,
            p999: 345_678,
            max: 4_567_890,
        };
        Figures {
            times: BTreeMap::from([(Measure::LockWait, waits)]),
            counts: BTreeMap::from([(Tally::Transactions, 1_000), (Tally::Contended, 250)]),
            memory: BTreeMap::from([(Measure::Assignment, 2 << 20)]),
        }
    }

    fn answer() -> Answer {
        let process =
            |pid, alive| ProcessFigures { pid, since: Millis(0), alive, figures: figures() };
        let measured = Measured {
            since: Millis(0),
            all: figures(),
            processes: vec![process(41, false), process(42, true)],
        };
        let parts =
            vec![("journal", 3 << 20), ("snapshot", 0), ("index", 1536), ("policy_files", 0)];
        Answer::new(&measured, DiskUse { parts, total: (3 << 20) + 1536 })
    }

    #[test]
    fn figures_are_told_in_units_that_suit_them() {
        let mut text = String::new();
        write(&mut text, &answer());
        let expected = "\
measured since 1970-01-01T00:00:00.000Z

TIME       COUNT  MEAN   P50   P90     P99     P99.9  MAX
lock_wait  1000   812µs  90µs  1.50ms  23.5ms  346ms  4.57s

transactions   1000
contended      250        25.0%
timed_out      0
combined       0
claims         0
nothing        0
conflicts      0
recoveries     0
fallbacks      0

PID  ALIVE  TRANSACTIONS  CONTENDED  WAIT P50  P99     MAX    HOLD P99
42   yes    1000          25.0%      90µs      23.5ms  4.57s
41   no     1000          25.0%      90µs      23.5ms  4.57s

journal        3.00 MiB
snapshot       0 B
index          1.50 KiB
policy files   0 B
on disk        3.00 MiB
";
        assert_eq!(text, expected);
    }

    #[test]
    fn json_has_every_count_and_what_was_measured() {
        let json = serde_json::to_value(answer()).unwrap();
        assert_eq!(json["times"]["lock_wait"]["p999_us"], 345_678);
        assert!(json["times"].get("sync").is_none());
        assert_eq!(json["counts"]["fallbacks"], 0);
        assert_eq!(json["memory_bytes_max"]["assignment"], 2 << 20);
        assert_eq!(
            (&json["processes"][0]["pid"], &json["disk"]["index_bytes"]),
            (&42.into(), &1536.into())
        );
    }

    #[test]
    fn nothing_measured_is_said() {
        let mut text = String::new();
        write(&mut text, &Answer::new(&Measured::default(), DiskUse::default()));
        assert!(text.contains("no times were measured yet") && !text.contains("PID"), "{text}");
        assert_eq!(share(0, 0), "-");
    }
}
