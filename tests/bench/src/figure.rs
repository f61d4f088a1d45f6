//! What was measured: a figure, the goal that it has, and the absolute figures that it was made of.
//!
//! - [`Figure`]: a row of the table. [`Goal`], [`Verdict`]: what it should be, and whether it is.
//! - [`Series`]: one figure for each round, with its [`Unit`].

use std::fmt;

use serde::Serialize;

use crate::spread::Spread;

/// In what something is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// So many times something else.
    Ratio,
    /// Claims in a second.
    PerSecond,
    /// Millionths of a second.
    Microseconds,
    /// Thousandths of a second.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// 1,048,576 bytes.
    Mebibytes,
    /// Things.
    Count,
}

impl Unit {
    /// How it is written behind a number.
    fn word(self) -> &'static str {
        match self {
            Self::Ratio => "×",
            Self::PerSecond => "/s",
            Self::Microseconds => " µs",
            Self::Milliseconds => " ms",
            Self::Seconds => " s",
            Self::Bytes => " bytes",
            Self::Mebibytes => " MiB",
            Self::Count => "",
        }
    }

    /// A number with as many digits as mean something.
    pub fn number(self, value: f64) -> String {
        match value.abs() {
            _ if !value.is_finite() => "?".to_owned(),
            _ if self == Self::Ratio => format!("{value:.2}"),
            size if size >= 100.0 || self == Self::Count => thousands(value),
            size if size >= 10.0 => format!("{value:.1}"),
            _ => format!("{value:.2}"),
        }
    }

    /// A number and what it counts.
    pub fn show(self, value: f64) -> String {
        format!("{}{}", self.number(value), self.word())
    }

    /// The middle, and how far the rounds lie apart if there were several.
    pub fn show_spread(self, spread: Spread) -> String {
        let middle = self.show(spread.median);
        if spread.low == spread.high {
            return middle;
        }
        format!("{middle} ({}–{})", self.number(spread.low), self.number(spread.high))
    }
}

/// As in `12,345`.
pub fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut written = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    if value < 0.0 { format!("-{written}") } else { written }
}

/// So many of something, as in `12,345`.
pub fn count(number: u64) -> String {
    thousands(number as f64)
}

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", content = "bound", rename_all = "snake_case")]
pub enum Goal {
    /// So much or more.
    AtLeast(f64),
    /// More than this.
    MoreThan(f64),
    /// So much or less.
    AtMost(f64),
}

impl Goal {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::MoreThan(bound) => value > bound,
            Self::AtMost(bound) => value <= bound,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, "≥ {bound}"),
            Self::MoreThan(bound) => write!(f, "> {bound}"),
            Self::AtMost(bound) => write!(f, "≤ {bound}"),
        }
    }
}

/// Whether a figure is what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is.
    Met,
    /// It isn't.
    Missed,
    /// Nobody said what it should be.
    NoGoal,
    /// It couldn't be measured here.
    NotMeasured,
}

impl Verdict {
    /// As the table has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "**missed**",
            Self::NoGoal => "",
            Self::NotMeasured => "not measured",
        }
    }
}

/// One figure for each round.
#[derive(Debug, Clone, Serialize)]
pub struct Series {
    /// What was counted, or whose figure it is.
    pub name: String,
    /// In what.
    pub unit: Unit,
    /// In the order of the rounds.
    pub rounds: Vec<f64>,
    /// What they come to.
    pub spread: Spread,
}

impl Series {
    /// A row of figures, of which there is at least one.
    pub fn new(name: impl Into<String>, unit: Unit, rounds: Vec<f64>) -> Self {
        let spread = Spread::of(&rounds);
        Self { name: name.into(), unit, rounds, spread }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.unit.show(self.spread.median))
    }
}

/// A row of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// The part that measured it.
    pub part: &'static str,
    /// What it is.
    pub what: String,
    /// What it should be.
    pub goal: Option<Goal>,
    /// What it is in the middle of the rounds, and how far they lie apart; nothing if it wasn't measured.
    pub measured: Option<Measured>,
    /// The absolute figures behind it.
    pub beside: Vec<Series>,
    /// Why it wasn't measured, or what has to be known about it.
    pub note: Option<String>,
}

/// A measured value.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Measured {
    /// In what it is counted.
    pub unit: Unit,
    /// Over the rounds.
    #[serde(flatten)]
    pub spread: Spread,
}

impl Figure {
    /// A ratio whose rounds are those of two rows of figures.
    pub fn ratio(what: impl Into<String>, of: &Series, to: &Series) -> Self {
        let spread = Spread::of_ratios(&of.rounds, &to.rounds);
        let measured = Some(Measured { unit: Unit::Ratio, spread });
        Self { measured, beside: vec![of.clone(), to.clone()], ..Self::empty(what) }
    }

    /// A row of figures as it is.
    pub fn amount(what: impl Into<String>, series: Series) -> Self {
        let measured = Some(Measured { unit: series.unit, spread: series.spread });
        Self { measured, beside: vec![series], ..Self::empty(what) }
    }

    /// What couldn't be measured, and why.
    pub fn not_measured(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { note: Some(why.into()), ..Self::empty(what) }
    }

    fn empty(what: impl Into<String>) -> Self {
        let (part, what) = ("", what.into());
        Self { part, what, goal: None, measured: None, beside: Vec::new(), note: None }
    }

    /// With what it should be.
    #[must_use]
    pub fn goal(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// With another absolute figure beside it.
    #[must_use]
    pub fn beside(mut self, series: Series) -> Self {
        self.beside.push(series);
        self
    }

    /// With what has to be known about it.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    /// Whether it is what it should be.
    pub fn verdict(&self) -> Verdict {
        match (self.measured, self.goal) {
            (None, _) => Verdict::NotMeasured,
            (Some(_), None) => Verdict::NoGoal,
            (Some(measured), Some(goal)) if goal.is_met_by(measured.spread.median) => Verdict::Met,
            (Some(_), Some(_)) => Verdict::Missed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let of = Series::new("a", Unit::PerSecond, vec![10.0, 200.0, 30.0]);
        let to = Series::new("b", Unit::PerSecond, vec![10.0, 100.0, 10.0]);
        let figure = Figure::ratio("a to b", &of, &to).goal(Goal::AtLeast(2.0));
        let spread = figure.measured.unwrap().spread;
        assert_eq!((spread.low, spread.median, spread.high), (1.0, 2.0, 3.0));
        assert_eq!(figure.verdict(), Verdict::Met);
        assert_eq!(figure.clone().goal(Goal::MoreThan(2.0)).verdict(), Verdict::Missed);
        assert_eq!(figure.goal(Goal::AtMost(2.0)).verdict(), Verdict::Met);
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        let figure = Figure::not_measured("a", "it isn't there").goal(Goal::AtMost(1.0));
        assert_eq!(figure.verdict(), Verdict::NotMeasured);
    }

    #[test]
    fn numbers_are_written_with_the_digits_that_mean_something() {
        assert_eq!(thousands(1_234_567.4), "1,234,567");
        assert_eq!(thousands(999.6), "1,000");
        assert_eq!(Unit::PerSecond.show(12_345.6), "12,346/s");
        assert_eq!(Unit::Microseconds.show(12.34), "12.3 µs");
        assert_eq!(Unit::Ratio.show_spread(Spread::of(&[1.0, 2.0, 3.0])), "2.00× (1.00–3.00)");
    }
}
