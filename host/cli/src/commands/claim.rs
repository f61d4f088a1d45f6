//! `claim`: an agent gets a task that nobody else has.

use std::time::Duration;

use anyhow::Result;
use taskhost::{ClaimOptions, Filter, Name, Process, SessionId, SessionOptions, TaskId, Token};
use taskhost_answers::{ClaimAnswer, Claimed, Nothing};

use super::asker::{Asker, Wanted};
use super::task_text;
use crate::context::{Context, shell_word};
use crate::exit::{Code, Usage};
use crate::output::line;
use crate::parse;

const EXAMPLES: &str = "\
Example: the next task, whichever that is

  taskhost claim --agent alice

Example: one of two types, for an agent that can do something; wait for one if there is none

  taskhost claim --agent alice --type build --type test --capability gpu --wait 10s --json

Example: this task; the exit code is 4 if somebody else has it

  taskhost claim build_1a2b3c4d --agent alice --lease 2h

Example: a claim that ends when this process does (in a script, its own is `$$`)

  taskhost claim --agent alice --holder-pid 4711

Example: after a restart, the claim goes on, and with it what was begun; its end is this shell's from now on

  taskhost claim build_1a2b3c4d --agent alice --token 17 --holder-pid 4711

Keep the token: `complete`, `fail`, `release` and `heartbeat` ask for it.";

/// Claim the next task that is ready, or a given one
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// This task; the next one that is ready if none is given
    id: Option<TaskId>,
    /// The name of the agent that asks
    #[arg(long, value_name = "NAME", env = "TASKHOST_AGENT", hide_env_values = true)]
    agent: Name,
    #[command(flatten)]
    asker: Asker,
    /// Which run of the agent this is; one is made up if none is given
    #[arg(long, value_name = "SESSION")]
    session: Option<SessionId>,
    #[command(flatten)]
    wanted: Wanted,
    /// Until when the claim holds without a heartbeat; as long as the policy says unless said otherwise
    #[arg(long, value_name = "DURATION", value_parser = parse::lease)]
    lease: Option<Duration>,
    /// How long to wait for a task if there is none now
    #[arg(long, value_name = "DURATION", value_parser = parse::duration, default_value = "0s")]
    wait: Duration,
    /// The process whose end is to end the claim: when it has died, the task comes back at once. Whoever is in
    /// another namespace of process numbers waits for the lease
    #[arg(long, value_name = "PID")]
    holder_pid: Option<u32>,
    /// Take up again the claim of this task that an earlier session of this agent made, and that has this token. Refused
    /// if that session lives, or somebody else was given the task since
    #[arg(long, value_name = "N", requires = "id", conflicts_with_all = ["key", "types", "labels", "wait"])]
    token: Option<Token>,
    /// Repeated with the same key, the request gives the same claim again
    #[arg(long, value_name = "KEY", value_parser = parse::key)]
    key: Option<String>,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    let session = args.asker.session(&args.agent, args.session.as_ref().map(SessionId::as_str));
    let session = SessionOptions { holder: holder(args.holder_pid)?, ..session };
    let session = context.open()?.session(&session)?;
    if let (Some(token), Some(id)) = (args.token, &args.id) {
        let resumed = session.resume(id, token, args.lease)?;
        let claimed = Claimed::again(resumed.task());
        answer_claimed(
            context,
            &args.agent,
            &claimed,
            Some("the claim goes on, and is this session's now"),
        )?;
        return Ok(Code::Done);
    }
    let options = ClaimOptions {
        filter: Filter { only: args.id, ..args.wanted.filter() },
        lease: args.lease,
        wait: args.wait,
        key: args.key,
    };
    match ClaimAnswer::from(&session.claim_with(&options)?) {
        ClaimAnswer::Claimed(claimed) => {
            let again =
                claimed.repeated.then_some("this is the claim that the same key got before");
            answer_claimed(context, &args.agent, &claimed, again)?;
            Ok(Code::Done)
        }
        ClaimAnswer::Nothing(nothing) => {
            answer_nothing(context, &nothing)?;
            Ok(Code::Nothing)
        }
    }
}

fn holder(pid: Option<u32>) -> Result<Option<Process>> {
    let named = pid.map(|pid| {
        taskhost::process(pid).map_err(|error| Usage(format!("`--holder-pid {pid}`: {error}")))
    });
    Ok(named.transpose()?)
}

fn answer_claimed(
    context: &Context,
    agent: &Name,
    claimed: &Claimed,
    hint: Option<&str>,
) -> Result<()> {
    context.output.answer(claimed, |out| {
        task_text::write(out, &claimed.task);
    })?;
    if let Some(hint) = hint {
        context.output.hint(&format!("\n{hint}"));
    }
    if let Some(token) = claimed.token {
        let (taskhost, id) = (context.taskhost(), &claimed.task.id);
        let holder = format!("{id} --agent {} --token {token}", shell_word(agent.as_str()));
        context.output.hint(&format!(
            "\nwhen it is done:   {taskhost} complete {holder}\n\
             if it went wrong:  {taskhost} fail {holder}\n\
             to hand it back:   {taskhost} release {holder}"
        ));
    }
    Ok(())
}

fn answer_nothing(context: &Context, nothing: &Nothing) -> Result<()> {
    context.output.answer(nothing, |out| {
        let said = match nothing.reason {
            "empty" => "no task is open",
            "waiting" => "tasks are open, but none is ready now",
            _ => "tasks are ready, but none for this agent and what it asked for",
        };
        let said = nothing.detail.as_deref().unwrap_or(said);
        line(out, format_args!("nothing to claim: {said}"));
        if let Some(time) = &nothing.next_ready_at {
            line(out, format_args!("something may change at {time}"));
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use taskhost::wire::{self, WireTask};
    use taskhost::{Millis, NothingWhy};
    use taskhost_answers::sample;

    use super::*;

    #[test]
    fn claimed_task_has_the_names_that_are_published() {
        let claimed =
            Claimed { task: WireTask::from(&sample::task()), token: Some(7), repeated: false };
        assert_eq!(
            serde_json::to_value(claimed).unwrap(),
            json!({
                "task": {
                    "id": "build_1", "type": "build", "status": "in_progress", "reason": null, "parent": null,
                    "after": [], "priority": 0, "labels": [], "needs": [], "assignee": null, "data": null,
                    "key": null, "attempts": 1,
                    "claim": {
                        "agent": "alice", "kind": "agent", "hostname": null, "session": "s-1", "token": 7,
                        "since": "1970-01-01T00:00:00.000Z", "lease_until": "1970-01-01T00:00:01.000Z",
                    },
                    "result": null, "error": null, "not_before": null,
                    "created_at": "1970-01-01T00:00:00.000Z", "updated_at": "1970-01-01T00:00:00.000Z",
                    "completed_at": null,
                },
                "token": 7,
                "repeated": false,
            })
        );
    }

    #[test]
    fn nothing_to_claim_says_why_and_until_when() {
        let nothing = Nothing {
            task: None,
            reason: NothingWhy::NoMatch.as_str(),
            detail: None,
            next_ready_at: Some(wire::time(Millis(0))),
        };
        assert_eq!(
            crate::output::json(&nothing).unwrap(),
            r#"{"schema":1,"task":null,"reason":"no_match","detail":null,"next_ready_at":"1970-01-01T00:00:00.000Z"}"#
        );
    }
}
