//! The one table that says what was tried and what was found.

use std::fmt;
use std::time::Duration;

use taskhost_simulated::{Count, Harm, Outcome};

/// What all parts did and found.
#[derive(Debug, Default)]
pub struct Table {
    all: Outcome,
    /// What each part measured.
    figures: Vec<(&'static str, String, String)>,
    took: Vec<(&'static str, Duration)>,
}

const COUNTS: [Count; 10] = [
    Count::Claims,
    Count::Kills,
    Count::Stops,
    Count::CrashPoints,
    Count::DiskStates,
    Count::Faults,
    Count::FaultsReported,
    Count::Schedules,
    Count::Histories,
    Count::Operations,
];
const HARMS: [Harm; 4] = [Harm::Lost, Harm::Doubled, Harm::Silent, Harm::Broken];

impl Table {
    /// Takes in what a part did.
    pub fn add(&mut self, part: &'static str, mut outcome: Outcome, took: Duration) {
        let figures = outcome.figures.drain(..);
        self.figures.extend(figures.map(|(name, value)| (part, name, value)));
        self.all.merge(outcome);
        self.took.push((part, took));
    }

    /// Whether nothing went wrong.
    pub fn is_clean(&self) -> bool {
        self.all.wrong.is_empty()
    }

    fn harmed(&self, harm: Harm) -> u64 {
        self.all.wrong.iter().filter(|wrong| wrong.harm == harm).count() as u64
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| part | what | figure |\n| --- | --- | --- |")?;
        for count in COUNTS {
            let counted = self.all.counted(count);
            if counted > 0 {
                writeln!(f, "| all | {} | {} |", count.as_str(), grouped(counted))?;
            }
        }
        for harm in HARMS {
            writeln!(f, "| all | **{harm}** | **{}** |", grouped(self.harmed(harm)))?;
        }
        for (part, name, value) in &self.figures {
            writeln!(f, "| {part} | {name} | {value} |")?;
        }
        let seconds =
            |(part, took): &(&str, Duration)| format!("{part} {:.0} s", took.as_secs_f64());
        let took: Vec<String> = self.took.iter().map(seconds).collect();
        writeln!(f, "| all | time | {} |", took.join(", "))
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, shown) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), shown);
        }
    }

    #[test]
    fn what_went_wrong_is_counted_by_its_harm_and_keeps_the_table_from_being_clean() {
        let mut table = Table::default();
        table.add("calm", Outcome::default(), Duration::from_secs(1));
        assert!(table.is_clean() && table.to_string().contains("| **lost** | **0** |"));
        let mut outcome = Outcome::default();
        outcome.figure("the wildest", "7 ms");
        outcome.wrong(Harm::Doubled, "two holders");
        outcome.count(Count::Claims, 1500);
        table.add("wild", outcome, Duration::from_secs(2));
        let shown = table.to_string();
        assert!(!table.is_clean());
        for row in [
            "| all | **doubled** | **1** |",
            "| all | claims made | 1,500 |",
            "| wild | the wildest | 7 ms |",
            "| all | time | calm 1 s, wild 2 s |",
        ] {
            assert!(shown.lines().any(|line| line == row), "{row} is missing in:\n{shown}");
        }
    }
}
