//! `policy test`: does a policy do what scenarios say?

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use taskhost::Progress;
use taskhost_trial::scenario::{GUIDE, Scenario};
use taskhost_trial::{Outcome, Subject, conformance, run};

use super::subject::{runner, subject};
use crate::context::{Context, progress};
use crate::exit::{Code, Usage};
use crate::input::{self, FileError};
use crate::output::{line, note};
use crate::parse;

const EXAMPLES: &str = "\
Example: what every policy must do, and what this one is to do

  taskhost policy test mine.wasm scenarios/

Example: a scenario, which is a text file

  # The newest task comes first.
  add old
  add new
  claim ada     => new
  complete new  => completed
  claim ada     => old

No board is needed. The suite of scenarios that every policy must pass, whatever it decides, is run first: no task has \
two holders, what is finished stays so, nothing fails, and the same inputs give the same decisions. That it decides \
well is for your own scenarios to say: one that gives nobody anything breaks no rule. Each scenario is run \
in instances that are used again and in fresh ones. If something isn't as it should be, the exit code is 8.

`policy test --guide` says what may stand in a scenario, `policy test --print NAME` prints one of the suite.";

/// The largest scenario, in bytes.
const SCENARIO_BYTES_MAX: u64 = 4 << 20;

/// Try a policy on scenarios: those that every policy must pass, and those given
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A component; or `standard`, the standard policy
    #[arg(value_name = "P.wasm|standard", required_unless_present_any = ["guide", "print"])]
    target: Option<OsString>,
    /// Files, or directories of which every file `*.scenario` is taken
    #[arg(value_name = "SCENARIO|DIR")]
    scenarios: Vec<PathBuf>,
    /// A setting of the policy, where a scenario doesn't say otherwise; may be given several times
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = parse::setting)]
    settings: Vec<(String, String)>,
    /// Only the scenarios given, not those that every policy must pass
    #[arg(long)]
    only: bool,
    /// Say what may stand in a scenario
    #[arg(long, conflicts_with_all = ["target", "print"])]
    guide: bool,
    /// Print a scenario of the suite
    #[arg(long, value_name = "NAME", conflicts_with = "target")]
    print: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    passed: bool,
    /// How many tasks were given to somebody: a policy that gives nothing breaks no rule.
    given: u64,
    scenarios: Vec<Tried>,
    total: usize,
}

/// `steps`: how many were taken; `given`: how many tasks were given to somebody meanwhile. `faults` are what isn't as it should be.
#[derive(Serialize)]
struct Tried {
    scenario: String,
    shows: String,
    steps: usize,
    given: u32,
    faults: Vec<Fault>,
}

/// `line` counts from 1.
#[derive(Serialize)]
struct Fault {
    line: usize,
    step: String,
    what: String,
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let text = |text: &str| {
        context.output.answer(&Text { text }, |out| out.push_str(text))?;
        Ok(Code::Done)
    };
    if args.guide {
        return text(GUIDE);
    }
    if let Some(name) = &args.print {
        let case = conformance::suite().into_iter().find(|case| case.name == *name);
        return text(&case.ok_or_else(|| no_such_case(name))?.text);
    }
    // Everything is read before anything is run: a scenario that can't be meant is told at once.
    let given = files(&args.scenarios)?;
    let subject = subject(args.target.as_deref().unwrap_or_default())?;
    let mut scenarios = Vec::new();
    if !args.only {
        for case in conformance::suite() {
            scenarios.push((format!("suite/{}", case.name), case.scenario()?));
        }
    }
    for path in &given {
        scenarios.push((path.display().to_string(), read(path)?));
    }
    if scenarios.is_empty() {
        return Err(Usage("`--only` needs a scenario: name a file, or a directory".into()).into());
    }
    report(context, tried(&subject, scenarios, &args.settings)?)
}

fn no_such_case(name: &str) -> Usage {
    let names: Vec<String> =
        conformance::suite().into_iter().map(|case| format!("`{}`", case.name)).collect();
    Usage(format!("the suite has no scenario `{name}`: it has {}", names.join(", ")))
}

fn tried(
    subject: &Subject,
    scenarios: Vec<(String, Scenario)>,
    settings: &[(String, String)],
) -> Result<Vec<Tried>> {
    let on_progress = progress();
    let mut all = Vec::new();
    for (name, mut scenario) in scenarios {
        let done = all.iter().map(|tried: &Tried| tried.steps as u64).sum();
        on_progress(Progress { doing: "trying the policy, steps", done });
        // What a scenario says comes after, and so holds.
        scenario.settings.policy.splice(0..0, settings.iter().cloned());
        let Outcome { steps, given, faults } =
            run(&scenario, subject, &runner).map_err(taskhost::Error::from).map_err(|error| {
                anyhow::Error::from(error).context(format!("`{name}` can't be run"))
            })?;
        let faults = faults.into_iter().map(|fault| Fault {
            line: fault.line,
            step: fault.step,
            what: fault.what,
        });
        all.push(Tried {
            scenario: name,
            shows: scenario.title,
            steps,
            given,
            faults: faults.collect(),
        });
    }
    Ok(all)
}

fn report(context: &Context, scenarios: Vec<Tried>) -> Result<Code> {
    let passed = scenarios.iter().all(|tried| tried.faults.is_empty());
    let given = scenarios.iter().map(|tried| u64::from(tried.given)).sum();
    let answer = Answer { passed, given, total: scenarios.len(), scenarios };
    context.output.answer(&answer, |out| {
        let of_suite = |tried: &&Tried| tried.scenario.starts_with("suite/");
        let suite: Vec<&Tried> = answer.scenarios.iter().filter(of_suite).collect();
        if !suite.is_empty() && suite.iter().all(|tried| tried.faults.is_empty()) {
            let steps: usize = suite.iter().map(|tried| tried.steps).sum();
            line(out, format_args!("ok      suite: {} scenarios, {steps} steps", suite.len()));
        }
        for tried in &answer.scenarios {
            if tried.faults.is_empty() && of_suite(&tried) {
                continue;
            }
            let word = if tried.faults.is_empty() { "ok    " } else { "FAILED" };
            line(out, format_args!("{word}  {}: {}", tried.scenario, tried.shows));
            for Fault { line: number, step, what } in &tried.faults {
                line(out, format_args!("        line {number}: {step}"));
                line(out, format_args!("            {what}"));
            }
        }
    })?;
    let failed = answer.scenarios.iter().filter(|tried| !tried.faults.is_empty()).count();
    if failed > 0 {
        note(&format!("{failed} of {} scenarios failed", answer.total));
    }
    if given == 0 {
        note(
            "taskhost: nobody was given anything in any of them: is that what the policy is to do?",
        );
    }
    Ok(if passed { Code::Done } else { Code::PolicyFailed })
}

/// The files named, and those in the directories named, in the order of their names.
fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable =
            |error: std::io::Error| Usage(format!("`{}` can't be read: {error}", path.display()));
        let mut found = Vec::new();
        for entry in path.read_dir().map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if file.extension().is_some_and(|extension| extension == "scenario") {
                found.push(file);
            }
        }
        if found.is_empty() {
            let what = format!("`{}` has no file `*.scenario` in it", path.display());
            return Err(Usage(what).into());
        }
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

fn read(path: &Path) -> Result<Scenario> {
    let wrong = |why: String| Usage(format!("`{}` can't be read: {why}", path.display()));
    let bytes = input::file(path, SCENARIO_BYTES_MAX).map_err(|error| {
        wrong(match error {
            FileError::Failed(error) => error.to_string(),
            FileError::NoFile(what) => format!("it is {what}, and a scenario is a text file"),
            FileError::TooLarge(size) => {
                let max = parse::show_bytes(SCENARIO_BYTES_MAX);
                format!("it has {size} bytes, and a scenario at most {max}: use `repeat`")
            }
        })
    })?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("it isn't UTF-8".into()))?;
    Ok(Scenario::parse(&text).map_err(|error| {
        wrong(format!("{error} (`taskhost policy test --guide` says what may stand there)"))
    })?)
}
