//! A history for people: a line for each request, in the order in which they began, and what is wrong with it.

use std::fmt::Write as _;

use super::search::Clash;
use super::words::{Answer, Call, History};

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
            let _ = writeln!(text, "  {task:?}");
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
    let Answer::Whole(whole) = answer else { return format!("{answer:?}") };
    let tasks = whole.tasks.iter().map(|task| {
        let token = task.claim.as_ref().map(|claim| format!(" {}", claim.token));
        format!("{} {:?}{}", task.id, task.status, token.unwrap_or_default())
    });
    let tasks: Vec<String> = tasks.collect();
    format!("{:?}, token {}: {}", whole.settings, whole.token, tasks.join(", "))
}
