//! The command line of `run`, and its manual.

use std::ffi::OsString;
use std::num::{NonZeroU16, NonZeroU64};
use std::time::Duration;

use taskhost::Name;

use super::agents::{self, Member, Team};
use super::shown::Show;
use crate::commands::asker::Wanted;
use crate::exit::Usage;
use crate::parse;

const EXAMPLES: &str = "\
Example: four agents build everything that is on the board

  taskhost run --agents 4 -- ./build.sh {id}

Example: one agent, one type of task, an argument from the task's data

  taskhost run --agents 1 --type fetch -- curl -fsSO -- {data.url}

Example: in a shell, take what comes from a task as an argument or from the environment, never as a part of the \
script

  taskhost run --agents 2 -- sh -c 'make \"$1\" && date > \"$TASKHOST_OUTPUT/done\"' sh {data.target}

Example: two agents that can do what needs `cuda` or `big`, and six that only take `test` and `lint`

  taskhost run --agent 'gpu:cuda,big*2' --agent 'cpu@test,lint*6' -- ./work.sh {id}

Example: at most two deployments at once, none longer than ten minutes, and no further task after the third failure

  taskhost run --agents 8 --limit deploy=2 --task-timeout 10m --max-failures 3 -- ./work.sh {id}

Agents: `--agent NAME[:CAPABILITY,…][@TYPE,…][*COUNT]`, several times; a COUNT above 1 makes NAME-1, NAME-2, …. \
An agent that names no types takes those of `--type`, or any. Names that hold one of `:@,*` can only be given with \
`--agents`, `--name`, `--capability` and `--type`. An agent that dies, or fails for a reason that passes, such as \
a full process table, is restarted with a fresh session, five times in a row at most; its task comes back to all.

In the command's arguments `{id}`, `{type}` and `{data.FIELD}` (`{data.a.b}` for what is inside) are replaced. \
A task whose type or data would begin an argument with `-` fails, since the command could take it for an option, unless \
a `--` stands before it. \
Its standard input is the task as JSON. What it prints is kept in `output/TASK/ATTEMPT`, in the files \
`stdout` and `stderr`, of the board's directory (of a board in PostgreSQL: of `~/.local/state/taskhost/boards/ID`, or \
below `$XDG_STATE_HOME`, on the machine that the command runs on), and shown on standard error line by line after the agent's name. In its \
environment stand TASKHOST_BOARD, TASKHOST_TASK, TASKHOST_TYPE, TASKHOST_TOKEN, TASKHOST_AGENT, TASKHOST_SESSION, \
TASKHOST_ATTEMPT, TASKHOST_OUTPUT (a directory of this attempt) and TASKHOST_RESULT (a file to which it may write \
its result as JSON).

The task is completed if the command exits with 0, and fails otherwise, or when it runs longer than \
`--task-timeout`. A failure stops nobody, unless `--max-failures` says so. What a command leaves in the background \
when it exits by itself goes on; when it is ended, the whole process group is: asked first, killed after `--grace`.

Ctrl-C stops the commands and hands their tasks back; again, at once. It ends when nothing is left or can become ready: with 0, or with 12 if some \
tasks failed. If this process itself is killed, its tasks come back at once; commands that it had started go on, \
but their tokens are worth nothing any more.";

/// Have a command run for every task, by several agents at once
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// How many agents work at once
    #[arg(long, value_name = "N", required_unless_present = "teams")]
    agents: Option<NonZeroU16>,
    /// Agents of one kind, as NAME[:CAPABILITY,…][@TYPE,…][*COUNT], instead of `--agents`; may be given several times
    #[arg(long = "agent", id = "teams", value_name = "SPEC")]
    #[arg(conflicts_with_all = ["agents", "name", "capabilities"])]
    teams: Vec<Team>,
    #[command(flatten)]
    pub wanted: Wanted,
    /// Something the command can do, as tasks' needs name it; may be given several times
    #[arg(long = "capability", value_name = "CAP")]
    capabilities: Vec<Name>,
    /// What the agents are called: `NAME-1`, `NAME-2`, …, or just `NAME` if there is one
    #[arg(long, value_name = "NAME", default_value = "worker")]
    name: Name,
    /// At most N tasks of this type at once in this run; may be given several times
    #[arg(long = "limit", value_name = "TYPE=N", value_parser = agents::limit)]
    pub limits: Vec<(Name, u32)>,
    /// Until when a claim holds without a heartbeat, of which there are three in that time
    #[arg(long, value_name = "DURATION", value_parser = parse::lease)]
    pub lease: Option<Duration>,
    /// How long a command may run before it is ended and its attempt has failed
    #[arg(long, value_name = "DURATION", value_parser = timeout)]
    pub task_timeout: Option<TaskTimeout>,
    /// How long commands that are asked to terminate have before they are killed
    #[arg(long, value_name = "DURATION", value_parser = parse::duration, default_value = "5s")]
    pub grace: Duration,
    /// Begin no further task after so many have failed; those that run are finished
    #[arg(long, value_name = "N", conflicts_with = "keep_going")]
    pub max_failures: Option<NonZeroU64>,
    /// Go on also through what would stop the run: a command that can't be started fails its task, and an agent
    /// that can't work any more leaves the others at work
    #[arg(long)]
    pub keep_going: bool,
    /// What is shown of the commands' output
    #[arg(long, value_name = "WHAT", default_value = "live")]
    pub output: Show,
    /// The command, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// How long a command may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskTimeout {
    pub length: Duration,
    /// As it was given.
    pub typed: String,
}

impl Args {
    /// The agents that are asked for; those that name no types take `types`.
    pub fn members(&self, types: &[Name]) -> Result<Vec<Member>, Usage> {
        let plain = self.agents.map(|count| Team {
            name: self.name.clone(),
            capabilities: self.capabilities.clone(),
            types: Vec::new(),
            count,
        });
        let mut members = match plain {
            Some(team) => agents::members(&[team])?,
            None => agents::members(&self.teams)?,
        };
        for member in members.iter_mut().filter(|member| member.types.is_empty()) {
            member.types = types.to_vec();
        }
        Ok(members)
    }
}

fn timeout(text: &str) -> Result<TaskTimeout, String> {
    let length = parse::duration(text)?;
    if length.is_zero() {
        return Err(
            "no command could do anything in no time: leave `--task-timeout` out for no limit"
                .into(),
        );
    }
    Ok(TaskTimeout { length, typed: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[track_caller]
    fn parsed(options: &str) -> Option<Args> {
        let line = format!("run {options} -- true");
        Line::try_parse_from(line.split_whitespace()).ok().map(|line| line.args)
    }

    #[test]
    fn agents_are_given_in_one_way_or_the_other() {
        for options in ["--agents 2", "--agent a", "--agents 1 --capability c --name n"] {
            assert!(parsed(options).is_some(), "{options}");
        }
        for options in
            ["", "--agents 2 --agent a", "--agent a --name b", "--agent a --capability c"]
        {
            assert!(parsed(options).is_none(), "{options}");
        }
    }

    #[test]
    fn agents_without_types_take_those_of_the_run() {
        let types = [Name::new("t").unwrap()];
        let members = parsed("--agent a@x --agent b").unwrap().members(&types).unwrap();
        let types = |n: usize| members[n].types.iter().map(Name::as_str).collect::<Vec<_>>();
        assert_eq!((types(0), types(1)), (vec!["x"], vec!["t"]));
    }

    #[test]
    fn run_that_keeps_going_has_no_most_failures() {
        assert!(parsed("--agents 1 --keep-going").is_some());
        assert!(parsed("--agents 1 --keep-going --max-failures 1").is_none());
        assert!(parsed("--agents 1 --max-failures 0").is_none());
    }

    #[test]
    fn timeout_is_longer_than_nothing() {
        assert!(parsed("--agents 1 --task-timeout 0s").is_none());
        let args = parsed("--agents 1 --task-timeout 1m30s --grace 0").unwrap();
        let limit = args.task_timeout.unwrap();
        assert_eq!((limit.length.as_secs(), limit.typed.as_str()), (90, "1m30s"));
        assert!(args.grace.is_zero());
    }
}
