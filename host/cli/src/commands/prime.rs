//! `prime`: what an agent reads at the start of its session.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use taskhost::{Board, Filter, ListQuery, Name, Status, Task};
use taskhost_answers::{Prospects, Standing};

use super::asker::Asker;
use crate::context::{Context, shell_word};
use crate::exit::Code;
use crate::output::line;

/// How many tasks of a kind are named.
const NAMED_MAX: usize = 5;
/// How many tasks that are held are looked at for whether their holders live.
const HELD_MAX: usize = 200;

const EXAMPLES: &str = "\
Example: in a hook that runs when an agent's session starts

  taskhost prime --agent ada

It is short, because an agent reads it each time.";

/// Print what an agent needs at the start of its session: who it is, what it holds, what is ready, how to work
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The agent's name
    #[arg(long, value_name = "NAME", env = "TASKHOST_AGENT", hide_env_values = true)]
    agent: Name,
    #[command(flatten)]
    asker: Asker,
}

/// `ready`: the first that are, and `ready_total` how many are ready for anybody. `ended`: held by sessions that have ended,
/// so that the next claim takes them back.
#[derive(Debug, Serialize)]
struct Answer {
    agent: String,
    holds: Vec<Standing>,
    holds_total: u64,
    reserved_total: u64,
    next: Option<Standing>,
    ready: Vec<Standing>,
    ready_total: u64,
    blocked_total: u64,
    in_review_total: u64,
    open: u64,
    ended: Vec<String>,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let board = context.open()?;
    // An agent that is told what there is to do is told where to do it: nobody waits on a board that was moved.
    board.wait(board.mark()?, Duration::ZERO)?;
    let session = board.session(&args.asker.session(&args.agent, None))?;
    let prospects = Prospects::new(&board, session.agent(), &Filter::default())?;
    let ready = ListQuery { ready: true, limit: NAMED_MAX, ..ListQuery::default() };
    let ready = board.list(&ready)?;
    let count = |status: Status| prospects.counts.get(status.as_str()).copied().unwrap_or_default();
    let answer = Answer {
        agent: args.agent.to_string(),
        ready: ready.tasks.iter().map(Standing::from).collect(),
        ready_total: ready.total,
        blocked_total: count(Status::Blocked),
        in_review_total: count(Status::InReview),
        open: board.head()?.counts.open(),
        ended: ended(&board)?,
        holds: prospects.holds,
        holds_total: prospects.holds_total,
        reserved_total: prospects.reserved_total,
        next: prospects.next,
    };
    context.output.answer(&answer, |out| write(out, context, &args.agent, &answer))?;
    Ok(Code::Done)
}

/// The tasks whose holders are known to have ended; of those that were added first.
fn ended(board: &Board) -> Result<Vec<String>, taskhost::Error> {
    let held =
        ListQuery { statuses: vec![Status::InProgress], limit: HELD_MAX, ..ListQuery::default() };
    let held = board.list(&held)?.tasks.into_iter();
    let has_ended = |task: &Task| task.claim.as_ref().is_some_and(|claim| board.has_ended(claim));
    Ok(held.filter(has_ended).map(|task| task.id.to_string()).collect())
}

fn write(out: &mut String, context: &Context, agent: &Name, answer: &Answer) {
    line(
        out,
        format_args!(
            "You are `{agent}` on a taskhost board that other agents share: {} tasks open, {} ready, {} parked with a \
             question, {} in review.",
            answer.open, answer.ready_total, answer.blocked_total, answer.in_review_total
        ),
    );
    write_holds(out, agent, answer);
    if answer.reserved_total > 0 {
        line(out, format_args!("Reserved for you: {}.", answer.reserved_total));
    }
    match &answer.next {
        Some(next) => line(out, format_args!("You would get next: {}.", named(next))),
        None if answer.ended.is_empty() => line(out, "There is nothing for you to claim now."),
        None => {}
    }
    if !answer.ended.is_empty() {
        let count = answer.ended.len();
        line(
            out,
            format_args!(
                "The sessions of {count} tasks have ended: the next claim takes these back."
            ),
        );
    }
    let others = answer.ready.iter().map(named).collect::<Vec<_>>().join(", ");
    if !others.is_empty() {
        let more = answer.ready_total.saturating_sub(answer.ready.len() as u64);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        line(out, format_args!("Ready: {others}{more}."));
    }
    write_commands(out, context, agent);
}

/// What agents of this name hold may be another session's: its token tells.
fn write_holds(out: &mut String, agent: &Name, answer: &Answer) {
    if answer.holds_total == 0 {
        line(out, format_args!("Nobody called `{agent}` holds a task."));
        return;
    }
    line(out, format_args!("Sessions called `{agent}` hold {}:", answer.holds_total));
    for held in answer.holds.iter().take(NAMED_MAX) {
        let Some(claim) = &held.task.claim else { continue };
        line(
            out,
            format_args!(
                "- {}: token {}, session {}, until {}",
                named(held),
                claim.token,
                claim.session,
                claim.lease_until
            ),
        );
    }
    line(
        out,
        "A task is yours only if you know its token from your own work: leave the others alone.",
    );
}

fn write_commands(out: &mut String, context: &Context, agent: &Name) {
    let (taskhost, agent) = (context.taskhost(), shell_word(agent.as_str()));
    line(out, "");
    let commands = [
        (
            "claim --agent AGENT --json",
            "get a task that nobody else has; keep `token`; exit code 3: nothing now",
        ),
        ("complete ID --agent AGENT --token N --result JSON", "it is done"),
        ("fail ID --agent AGENT --token N --error TEXT", "it went wrong; `release` hands it back"),
        ("block ID --agent AGENT --token N --reason QUESTION", "a human has to answer first"),
        ("add TYPE --data JSON --parent ID --after ID", "what you find to be done besides"),
    ];
    for (command, what) in commands {
        let command = command.replace("AGENT", &agent);
        line(out, format_args!("{taskhost} {command}\n    {what}"));
    }
    line(
        out,
        format_args!(
            "Exit code 4 means that the task is somebody else's now: stop working on it. On long work, \
             `{taskhost} heartbeat ID --agent {agent} --token N` before the lease ends. With the tools `board_…`, use \
             those instead of these commands."
        ),
    );
}

/// As in `` `build` (code) ``, with what was said about it last.
fn named(standing: &Standing) -> String {
    let task = &standing.task;
    let reason = task.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("`{}` ({}){reason}", task.id, task.task_type)
}
