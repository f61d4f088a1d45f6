//! `policy replay FILE`: one recorded decision, made again.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Map, Value, json};
use taskhost::domain::{Choice, Classified, ReadError, Rescue, Verdict};
use taskhost::recording::{Answer, Came, Ending, HookCall, Recording};
use taskhost::{Change, Digest, Readiness, STANDARD_POLICY, wire};
use taskhost_trial::{Instead, Replayed};

use super::check;
use super::subject::runner;
use crate::context::Context;
use crate::exit::{Code, NoSuchValue, Usage};
use crate::output::line;
use taskhost_answers::events;

/// `same`: whether what came is what was recorded. `came` and `recorded.ending` say `outcome`: `answered` (with
/// `answer`), `refused` (with `reason`), `failed` (with `kind`, `policy`, `hook`, `detail`), or `unknown` (with the
/// `question` that the recording doesn't answer).
#[derive(Serialize)]
struct Told {
    recorded: Recorded,
    policy: Policy,
    came: Value,
    same: bool,
    log: Vec<String>,
    staged: Vec<Staged>,
}

#[derive(Serialize)]
struct Recorded {
    taskhost: String,
    at: String,
    transaction: String,
    dry: bool,
    hook: &'static str,
    /// The hook's own arguments.
    asked: Value,
    /// How many changes were staged before.
    staged: usize,
    /// How many of the board's answers were noted.
    answers: usize,
    log: Vec<String>,
    ending: Value,
}

#[derive(Serialize)]
struct Policy {
    name: String,
    version: String,
    digest: String,
    settings: taskhost_trial::Values,
    /// Settings of the recorded policy that this one doesn't have.
    left_out: Vec<String>,
    /// Whether this is what was recorded, and not something instead of it.
    recorded: bool,
}

#[derive(Serialize)]
struct Staged {
    event: &'static str,
    task: Option<String>,
    details: Map<String, Value>,
}

/// Whether somebody who names this means a policy.
fn is_policy(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "wasm")
        || file == Path::new("standard")
        || file == Path::new("current")
}

fn component(policy: &Path) -> Result<Vec<u8>> {
    if policy == Path::new("standard") {
        return Ok(STANDARD_POLICY.to_vec());
    }
    check::read(policy)
}

pub fn exec(
    context: &Context,
    file: &Path,
    policy: Option<&Path>,
    settings: Vec<(String, String)>,
) -> Result<Code> {
    let recording = taskhost::read_recording(file).map_err(|error| {
        let hint = if is_policy(file) {
            "; through a policy, the board's history is replayed: add `--history`"
        } else {
            ""
        };
        Usage(format!("`{}` can't be replayed: {error}{hint}", file.display()))
    })?;
    let component = policy.map(component).transpose()?;
    let instead = Instead { component, settings: settings.into_iter().collect() };
    let replayed = replay(context, &recording, &instead)?;
    let told = told(&recording, &instead, &replayed);
    context.output.answer(&told, |out| write(out, &recording, &replayed, &told))?;
    Ok(match &replayed.reran.came {
        Came::Answered(_) => Code::Done,
        Came::Ended(Ending::Refused(_)) => Code::Refused,
        Came::Ended(Ending::Failed(_)) => Code::PolicyFailed,
        Came::Unknown(_) => Code::Unexpected,
    })
}

fn replay(context: &Context, recording: &Recording, instead: &Instead) -> Result<Replayed> {
    let mut missing = None;
    let mut fetch = |digest: Digest| {
        if Digest::of(STANDARD_POLICY) == digest {
            return Ok(STANDARD_POLICY.to_vec());
        }
        let found =
            context.open().ok().and_then(|board| board.engine().store().component(digest).ok());
        found.ok_or_else(|| {
            missing = Some(digest);
            ReadError::Failed("a policy is missing".into())
        })
    };
    let replayed = taskhost_trial::replay_recorded(recording, instead, &mut fetch, &runner);
    match (replayed, missing) {
        (Err(_), Some(digest)) => Err(NoSuchValue(format!(
            "the policy `{}` isn't in the recording, which has small ones only: name the board that has it with \
             `--board`, or a build of it with `--policy`",
            digest.short()
        ))
        .into()),
        (replayed, _) => Ok(replayed?),
    }
}

fn told(recording: &Recording, instead: &Instead, replayed: &Replayed) -> Told {
    let leading = replayed.policies.leading();
    Told {
        recorded: Recorded {
            taskhost: recording.taskhost.clone(),
            at: wire::time(recording.at()),
            transaction: recording.transaction().to_owned(),
            dry: recording.dry,
            hook: recording.call.hook(),
            asked: asked(&recording.call),
            staged: recording.staged.len(),
            answers: recording.notes.len(),
            log: recording.log.clone(),
            ending: ending(&recording.ending),
        },
        policy: Policy {
            name: replayed.about.name.clone(),
            version: replayed.about.version.clone(),
            digest: leading.digest.to_string(),
            settings: leading.settings.clone(),
            left_out: replayed.left_out.clone(),
            recorded: instead.is_nothing(),
        },
        came: came(&replayed.reran.came),
        same: replayed.same,
        log: replayed.reran.log.clone(),
        staged: replayed.reran.staged.iter().map(staged).collect(),
    }
}

fn asked(call: &HookCall) -> Value {
    match call {
        HookCall::Readiness { task } => json!({ "task": task.as_str() }),
        HookCall::Assignment { asker, filter, lease_ms } => json!({
            "agent": asker.name.as_str(),
            "kind": wire::kind(asker.kind),
            "session": asker.session.as_str(),
            "hostname": asker.hostname.as_ref().map(taskhost::Name::as_str),
            "types": filter.types,
            "labels": filter.labels,
            "capabilities": filter.capabilities,
            "only": filter.only,
            "lease_ms": lease_ms,
        }),
        HookCall::Lifecycle { task, event, detail } => {
            json!({ "task": task.as_str(), "event": event.as_str(), "detail": detail })
        }
        HookCall::Recovery { task, cause } => json!({ "task": task.as_str(), "cause": cause }),
    }
}

fn ending(ending: &Ending) -> Value {
    match ending {
        Ending::Refused(why) => json!({ "outcome": "refused", "reason": why }),
        Ending::Failed(failure) => json!({
            "outcome": "failed",
            "kind": failure.kind.as_str(),
            "policy": failure.policy,
            "hook": failure.hook,
            "detail": failure.detail,
        }),
    }
}

fn came(came: &Came) -> Value {
    match came {
        Came::Ended(ended) => ending(ended),
        Came::Answered(answer) => json!({ "outcome": "answered", "answer": in_words(answer) }),
        Came::Unknown(question) => json!({ "outcome": "unknown", "question": question }),
    }
}

/// The answer, in the contract's words.
fn in_words(answer: &Answer) -> String {
    match answer {
        Answer::Readiness(Classified::Is(readiness)) => match readiness {
            Readiness::Unasked => "unasked".into(),
            Readiness::Ready(rank) => format!("ready, rank {rank}"),
            Readiness::Waiting { on, .. } => {
                let on: Vec<String> = on.iter().map(|id| format!("`{id}`")).collect();
                format!("waiting on {}", on.join(", "))
            }
            Readiness::Until(at) => format!("until {}", wire::time(*at)),
            Readiness::Never(why) => format!("never: {why}"),
        },
        Answer::Readiness(Classified::Cancel(why)) => format!("cancel: {why}"),
        Answer::Assignment(Choice::Staged) => "staged".into(),
        Answer::Assignment(Choice::Nothing(None)) => "nothing".into(),
        Answer::Assignment(Choice::Nothing(Some(why))) => format!("nothing: {why}"),
        Answer::Assignment(Choice::Refused(why)) | Answer::Lifecycle(Verdict::Refused(why)) => {
            format!("refused: {why}")
        }
        Answer::Lifecycle(Verdict::Accept) => "accept".into(),
        Answer::Lifecycle(Verdict::Review) => "review".into(),
        Answer::Lifecycle(Verdict::Retry(None)) => "retry".into(),
        Answer::Lifecycle(Verdict::Retry(Some(at))) => format!("retry at {}", wire::time(*at)),
        Answer::Recovery(Rescue::Release) => "release".into(),
        Answer::Recovery(Rescue::KeepUntil(at)) => format!("keep until {}", wire::time(*at)),
        Answer::Recovery(Rescue::Fail(why)) => format!("fail: {why}"),
    }
}

fn staged(change: &Change) -> Staged {
    let mut details = events::details(change);
    if let Change::Remembered { key, value, .. } = change {
        details.insert("key".into(), json!(key));
        details.insert("bytes".into(), json!(value.as_ref().map(Vec::len)));
    }
    Staged {
        event: change.event().unwrap_or("remembered"),
        task: change.task().map(ToString::to_string),
        details,
    }
}

fn write(out: &mut String, recording: &Recording, replayed: &Replayed, told: &Told) {
    let Recorded { at, transaction, taskhost, .. } = &told.recorded;
    line(out, format_args!("asked     {}", question(&recording.call)));
    let dry = if recording.dry { ", a dry run" } else { "" };
    line(out, format_args!("then      {at}, transaction {transaction}{dry}, taskhost {taskhost}"));
    let Recorded { staged, answers, .. } = &told.recorded;
    line(
        out,
        format_args!("found     {staged} changes staged before, {answers} answers of the board"),
    );
    let Policy { name, version, left_out, .. } = &told.policy;
    let digest = replayed.policies.leading().digest.short();
    let instead = if told.policy.recorded { "" } else { ", instead of what was recorded" };
    line(out, format_args!("policy    {name} {version} ({digest}){instead}"));
    for (name, value) in &told.policy.settings {
        line(out, format_args!("  {name}={value}"));
    }
    for name in left_out {
        line(out, format_args!("  it has no setting `{name}`, which is left out"));
    }
    line(out, format_args!("recorded  {}", ended(&recording.ending)));
    let came = match &replayed.reran.came {
        Came::Ended(ending) => ended(ending),
        Came::Answered(answer) => in_words(answer),
        Came::Unknown(question) => {
            format!("unknown: it asked for {question}, which isn't in the recording")
        }
    };
    line(out, format_args!("came      {came}"));
    for Staged { event, task, .. } in &told.staged {
        let task = task.as_ref().map(|id| format!(" `{id}`")).unwrap_or_default();
        line(out, format_args!("  staged: {event}{task}"));
    }
    for said in &told.log {
        line(out, format_args!("log       {said}"));
    }
    line(out, format_args!("\n{}", conclusion(replayed, told)));
}

fn question(call: &HookCall) -> String {
    let hook = call.hook();
    match call {
        HookCall::Readiness { task } => format!("{hook} of `{task}`"),
        HookCall::Assignment { asker, filter, lease_ms } => {
            let mut said = format!("{hook} for {}", asker.name);
            let lists = [("type", &filter.types), ("label", &filter.labels)];
            let lists = lists.into_iter().chain([("capability", &filter.capabilities)]);
            for (what, names) in lists {
                names.iter().for_each(|name| said += &format!(", {what} {name}"));
            }
            if let Some(only) = &filter.only {
                said += &format!(", only `{only}`");
            }
            if let Some(ms) = lease_ms {
                said += &format!(", lease {}", taskhost::domain::quantity::show_duration(*ms));
            }
            said
        }
        HookCall::Lifecycle { task, event, detail } if detail.is_empty() => {
            format!("{hook} of `{task}`: {}", event.as_str())
        }
        HookCall::Lifecycle { task, event, detail } => {
            format!("{hook} of `{task}`: {}: {detail}", event.as_str())
        }
        HookCall::Recovery { task, cause } => {
            let cause = match cause {
                taskhost::domain::Cause::HolderDead => "its holder is dead",
                _ => "its lease is over",
            };
            format!("{hook} of `{task}`: {cause}")
        }
    }
}

fn ended(ending: &Ending) -> String {
    match ending {
        Ending::Refused(why) => format!("refused: {why}"),
        Ending::Failed(failure) => {
            let kind = failure.kind.as_str();
            format!("failed ({kind}) in `{}`: {}", failure.hook, failure.detail)
        }
    }
}

fn conclusion(replayed: &Replayed, told: &Told) -> &'static str {
    match (&replayed.reran.came, replayed.same) {
        (Came::Unknown(_), _) => {
            "nobody can say what would have come: of locks, files and large boards, only what was asked for is recorded"
        }
        (_, true) => "it came out as recorded",
        (Came::Answered(_), false) if !told.policy.recorded => "it decides now",
        (_, false) if told.policy.recorded => {
            "something else came than was recorded: the decision may depend on how fast the machine is, or on what the \
             policy keeps in its globals"
        }
        (_, false) => "something else came than was recorded",
    }
}
