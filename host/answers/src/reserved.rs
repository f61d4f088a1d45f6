//! For whom a task is reserved, as people read it.

use taskhost::wire::WireAssignee;

/// For whom a task is reserved, in a few words.
pub fn reserved_for(assignee: &WireAssignee) -> String {
    let kind =
        if assignee.kind == "agent" { String::new() } else { format!(" ({})", assignee.kind) };
    let host = assignee.hostname.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
    format!("{}{kind}{host}", assignee.name)
}
