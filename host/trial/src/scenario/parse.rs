//! A file as a scenario.

use super::arguments::Arguments;
use super::words::{self, Word};
use super::{Line, Malformed, NotAScenario, Scenario, Settings, Step, expectation, step};

/// The most steps that a scenario may come to, with its repetitions.
const STEPS_MAX: usize = 100_000;
/// The most tasks that it may add.
const TASKS_MAX: usize = 100_000;

impl Scenario {
    /// Reads a scenario.
    pub fn parse(text: &str) -> Result<Self, NotAScenario> {
        // As some editors leave it before the first line.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let comment = |line: &str| line.trim().strip_prefix('#').map(|text| text.trim().to_owned());
        let title: Vec<String> = text.lines().map_while(comment).collect();
        let lines: Vec<&str> = text.lines().collect();
        let mut reader = Reader {
            lines: &lines,
            at: 0,
            settings: Settings::default(),
            found: Vec::new(),
            tasks: 0,
        };
        reader.block(None)?;
        if reader.found.is_empty() {
            let why = "there is no step in it, so nothing would be tried";
            // An empty file has no line, and lines count from 1.
            return Err(NotAScenario { line: lines.len().max(1), why: Malformed::new(why) });
        }
        Ok(Self { title: title.join(" "), settings: reader.settings, lines: reader.found })
    }
}

struct Reader<'a> {
    lines: &'a [&'a str],
    /// The next line.
    at: usize,
    settings: Settings,
    found: Vec<Line>,
    /// How many tasks the steps so far add.
    tasks: usize,
}

impl Reader<'_> {
    /// Reads up to the end, or up to the `end` of a repetition; `round` is its number.
    fn block(&mut self, round: Option<u32>) -> Result<(), NotAScenario> {
        while let Some(line) = self.lines.get(self.at) {
            self.at += 1;
            let number = self.at;
            let here = |why| NotAScenario { line: number, why };
            let line =
                round.map_or((*line).to_owned(), |round| line.replace("{n}", &round.to_string()));
            let words = words::split(&line).map_err(here)?;
            let Some((name, rest)) = words.split_first() else { continue };
            match name.text.as_str() {
                "end" if round.is_some() => return Ok(()),
                "repeat" if round.is_none() => self.repeat(rest)?,
                "policy" if self.found.is_empty() => {
                    let settings = settings(rest).map_err(here)?;
                    self.settings.policy.extend(settings);
                }
                "standard" if self.found.is_empty() => {
                    let settings = settings(rest).map_err(here)?;
                    self.settings.standard.extend(settings);
                }
                "policy" | "standard" => {
                    let why =
                        "settings come before the first step: `set` changes the policy's later";
                    return Err(here(Malformed::new(why)));
                }
                "repeat" | "end" => {
                    return Err(here(Malformed::new(
                        "a `repeat` ends with its `end`, and has none inside",
                    )));
                }
                name => {
                    let line = step_line(number, &line, name, rest).map_err(here)?;
                    if let Step::Add { tasks, .. } = &line.step {
                        self.tasks += tasks.len();
                    }
                    self.found.push(line);
                    if self.tasks > TASKS_MAX {
                        let why = format!("a scenario adds at most {TASKS_MAX} tasks");
                        return Err(here(Malformed::new(why)));
                    }
                    if self.found.len() > STEPS_MAX {
                        return Err(here(Malformed::new(format!(
                            "a scenario has at most {STEPS_MAX} steps"
                        ))));
                    }
                }
            }
        }
        match round {
            None => Ok(()),
            Some(_) => {
                let why = Malformed::new("the `repeat` before this has no `end`");
                Err(NotAScenario { line: self.at, why })
            }
        }
    }

    fn repeat(&mut self, words: &[Word]) -> Result<(), NotAScenario> {
        let here = |why| NotAScenario { line: self.at, why };
        let mut arguments = Arguments::of(words).map_err(here)?;
        let count: u32 = arguments.next("how often").map_err(here)?;
        arguments.end("repeat").map_err(here)?;
        if count == 0 || count as usize > STEPS_MAX {
            let why = format!("a `repeat` is done at least once, and at most {STEPS_MAX} times");
            return Err(here(Malformed::new(why)));
        }
        let first = self.at;
        for round in 1..=count {
            self.at = first;
            self.block(Some(round))?;
        }
        Ok(())
    }
}

fn settings(words: &[Word]) -> Result<Vec<(String, String)>, Malformed> {
    step::settings(&mut Arguments::of(words)?)
}

fn step_line(number: usize, line: &str, name: &str, words: &[Word]) -> Result<Line, Malformed> {
    let arrow = words.iter().position(|word| !word.quoted && word.text == "=>");
    let (words, expected) = match arrow {
        Some(at) => (&words[..at], Some(expectation::expected(&words[at + 1..])?)),
        None => (words, None),
    };
    let step = Step::parse(name, words)?;
    let expects_nothing =
        matches!(step, Step::Explain { .. } | Step::Wait(_) | Step::Die(_) | Step::Expect(_));
    if expected.is_some() && expects_nothing {
        return Err(Malformed::new(format!("nothing comes of `{name}` that could be expected")));
    }
    Ok(Line { number, text: line.trim().to_owned(), step, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was wrong with an empty file was said to be in its line 0.
    #[test]
    fn file_without_a_step_is_told_with_a_line_that_there_is() {
        for (text, line) in [("", 1), ("\n", 1), ("# Only a title.\n\n", 2)] {
            let error = Scenario::parse(text).expect_err("nothing would be tried");
            assert_eq!(error.line, line, "{text:?}");
            assert!(error.to_string().contains("there is no step"), "{error}");
        }
    }
}
