//! A history for people: a line for each request, in the order in which they began, and what is wrong with it.

use std::fmt::Write as _;

use super::search::Clash;
use super::words::{Answer, Call, History, Task};

/// How much of what came before a clash is told.
const LINES_MAX: usize = 40;

/// What happened, up to where there is no order any more.
pub fn told(history: &History, clash: &Clash) -> String {
    let mut text = String::new();
    let at = &history.calls[clash.at];
    let first_ns = history.calls.iter().map(|call| call.from_ns).min().unwrap_or_default();
    let mut calls: Vec<&Call> =
        history.calls.iter().filter(|call| call.from_ns <= at.to_ns).collect();
    calls.sort_by_key(|call| call.from_ns);
    let left_out = calls.len().saturating_sub(LINES_MAX);
    let _ = writeln!(text, "times are in milliseconds; {left_out} earlier requests are left out");
    for call in &calls[left_out..] {
        let mark = if std::ptr::eq(*call, at) { ">" } else { " " };
        let _ = writeln!(text, "{mark} {}", line(call, first_ns));
    }
    let _ = writeln!(text, "the answer marked `>` can't be; boards that there may have been then:");
    for board in &clash.instead {
        let whole = board.state.whole();
        let _ = writeln!(text, "- with {:?}, last token {}", whole.settings, whole.token);
        for task in whole.tasks {
            let _ = writeln!(text, "  {}", brief(&task));
        }
        for (call, answers) in &board.answers {
            let asked = &history.calls[*call];
            let answers: Vec<String> = answers.iter().map(short).collect();
            let (by, answers) = (asked.by, answers.join(", or "));
            let _ = writeln!(text, "  s-{by}  {:?} would be answered {answers}", asked.op);
        }
    }
    text
}

/// As in `  12.345 –   14.001  s-3  Show(t7) → No(Missing)`.
fn line(call: &Call, first_ns: u64) -> String {
    let ms = |ns: u64| ns.saturating_sub(first_ns) as f64 / 1e6;
    let answer = call.answer.as_ref().map_or("killed, nobody knows".to_owned(), short);
    let (from, to) = (ms(call.from_ns), ms(call.to_ns));
    format!("{from:9.3} – {to:9.3}  s-{}  {:?} → {answer}", call.by, call.op)
}

/// An answer on one line.
fn short(answer: &Answer) -> String {
    match answer {
        Answer::Task(task, false) => brief(task),
        Answer::Task(task, true) => format!("as before, {}", brief(task)),
        Answer::Whole(whole) => {
            let tasks: Vec<String> = whole.tasks.iter().map(brief).collect();
            format!("{:?}, token {}: {}", whole.settings, whole.token, tasks.join(", "))
        }
        answer => format!("{answer:?}"),
    }
}

/// A task on one line: what it is, and then what it has that most haven't, as in
/// `t7 Pending after t1 t2, priority 3, attempts 1`.
fn brief(task: &Task) -> String {
    let mut text = format!("{} {:?}", task.id, task.status);
    if let Some(id) = &task.parent {
        let _ = write!(text, " under {id}");
    }
    for id in &task.after {
        let _ = write!(text, " after {id}");
    }
    let numbers = [
        ("priority", i64::from(task.priority)),
        ("type", i64::from(task.kind.0)),
        ("labels", i64::from(task.labels.0)),
        ("needs", i64::from(task.needs.0)),
        ("attempts", i64::from(task.attempts)),
        ("failures", i64::from(task.failures)),
        ("data", i64::from(task.data)),
    ];
    for (name, number) in numbers.into_iter().filter(|(_, number)| *number != 0) {
        let _ = write!(text, ", {name} {number}");
    }
    if let Some(agent) = &task.assignee {
        let _ = write!(text, ", for {}", agent.as_str());
    }
    if let Some(claim) = &task.claim {
        let (agent, ends) = (claim.agent.as_str(), claim.ends);
        let _ = write!(text, ", held by {agent} s-{} with {}", claim.session, claim.token);
        let _ = write!(text, " until {}", ends.from_ms);
        if ends.from_ms != ends.to_ms {
            let _ = write!(text, " to {}", ends.to_ms);
        }
    }
    if let Some(closed) = &task.closed {
        let agent = closed.agent.as_str();
        let _ = write!(text, ", {:?} by {agent} with {}", closed.verb, closed.token);
    }
    let given = [("reason", task.reason), ("result", task.result), ("error", task.error)];
    for (name, number) in given {
        if let Some(number) = number {
            let _ = write!(text, ", {name} {number}");
        }
    }
    if let Some(key) = task.key {
        let _ = write!(text, ", key {key}");
    }
    text
}
