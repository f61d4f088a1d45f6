//! A tree as people read it.

use crate::output::line;
use taskhost_answers::{Node, Standing, Tally, Tree};

/// How many of the tasks that one comes after are named.
const AFTER_MAX: usize = 5;

/// Draws the tree, and says how much of the whole it is.
pub fn write(out: &mut String, tree: &Tree) {
    for node in &tree.tree {
        line(out, label(node));
        branches(out, "", node);
    }
    if !tree.hidden.is_empty() {
        line(out, counts(&tree.hidden));
    }
    line(out, format_args!("{} of {}", tree.shown, tree.total));
}

fn branches(out: &mut String, margin: &str, node: &Node) {
    let ends = node.hidden.is_empty();
    for (index, child) in node.children.iter().enumerate() {
        let is_last = ends && index + 1 == node.children.len();
        let (joint, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        line(out, format_args!("{margin}{joint}{}", label(child)));
        branches(out, &format!("{margin}{below}"), child);
    }
    if !ends {
        line(out, format_args!("{margin}└─ {}", counts(&node.hidden)));
    }
}

/// As in `… 12 completed, 1 failed`.
fn counts(hidden: &Tally) -> String {
    let counts: Vec<String> =
        hidden.iter().map(|(status, count)| format!("{count} {status}")).collect();
    format!("… {}", counts.join(", "))
}

fn label(node: &Node) -> String {
    let Standing { task, readiness, ready_at, .. } = &node.task;
    let mut text = format!("{}  {}  {}", task.id, task.task_type, task.status);
    match (readiness, ready_at) {
        (_, Some(time)) => text.push_str(&format!(" until {time}")),
        (Some(word), None) => text.push_str(&format!(", {word}")),
        (None, None) => {}
    }
    let is_finished = node.task.task.completed_at.is_some();
    match (&task.claim, &task.assignee) {
        (Some(claim), _) => text.push_str(&format!(" by {}", claim.agent)),
        (None, Some(who)) if !is_finished => text.push_str(&format!(", for {}", who.name)),
        (None, _) => {}
    }
    if !node.open_after.is_empty() {
        let named = &node.open_after[..node.open_after.len().min(AFTER_MAX)];
        text.push_str(&format!(", after {}", named.join(", ")));
        match node.open_after.len() - named.len() {
            0 => {}
            more => text.push_str(&format!(" and {more} more")),
        }
    }
    text
}
