//! Scenarios that every policy has to pass, whatever it decides: no task has two holders, what is finished stays so, a
//! refusal says why and leaves nothing, nothing fails, and the same inputs give the same decisions, in an instance that
//! was used before and in a fresh one.
//!
//! [`suite`]: the scenarios that people wrote, and some that were drawn by chance.

mod drawn;

use crate::scenario::{NotAScenario, Scenario};

/// A scenario of the suite.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// The file.
    pub text: String,
}

impl Case {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// Never: that all of them can be read is tested.
    pub fn scenario(&self) -> Result<Scenario, NotAScenario> {
        Scenario::parse(&self.text)
    }
}

macro_rules! written {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../conformance/", $name, ".scenario")))),+]
    };
}

const WRITTEN: [(&str, &str); 10] = written![
    "asked-for",
    "by-hand",
    "family",
    "finished-stays-finished",
    "large-family",
    "later",
    "lost-holders",
    "nothing-there",
    "odd-words",
    "one-holder",
];

/// How many scenarios are drawn.
const DRAWN: u64 = 12;

/// The suite. It is the same each time.
#[must_use]
pub fn suite() -> Vec<Case> {
    let written =
        WRITTEN.iter().map(|(name, text)| Case { name: (*name).into(), text: (*text).into() });
    let drawn =
        (1..=DRAWN).map(|seed| Case { name: format!("drawn-{seed}"), text: drawn::scenario(seed) });
    written.chain(drawn).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_of_the_suite_can_be_read_and_says_what_it_shows() {
        for case in suite() {
            let scenario = case.scenario().unwrap_or_else(|error| panic!("{}: {error}", case.name));
            assert!(!scenario.title.is_empty(), "{}", case.name);
            assert!(scenario.lines.len() > 5, "{}", case.name);
        }
    }

    #[test]
    fn every_file_of_the_suite_is_in_it() {
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/conformance")).unwrap();
        let mut names: Vec<String> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .map(|file| file.trim_end_matches(".scenario").to_owned())
            .collect();
        names.sort();
        assert_eq!(names, WRITTEN.map(|(name, _)| name));
    }

    #[test]
    fn drawn_scenarios_are_the_same_each_time_and_differ_from_each_other() {
        assert_eq!(drawn::scenario(1), drawn::scenario(1));
        assert_ne!(drawn::scenario(1), drawn::scenario(2));
    }
}
