//! The words of other systems for where a task stands and how urgent it is.

use serde_json::Value;
use taskhost_board::Status;

/// The status that a word stands for, in any case, with spaces, dashes or underscores; `None` for one that isn't known.
pub(crate) fn status(word: &str) -> Option<Status> {
    let word: String = word
        .trim()
        .chars()
        .map(|c| if c == ' ' || c == '-' { '_' } else { c.to_ascii_lowercase() })
        .collect();
    Some(match word.as_str() {
        "pending" | "todo" | "to_do" | "open" | "new" | "available" | "queued" | "ready"
        | "created" | "backlog" | "waiting" | "not_started" | "unassigned" => Status::Pending,
        "in_progress" | "inprogress" | "doing" | "started" | "claimed" | "assigned" | "active"
        | "running" | "working" | "wip" => Status::InProgress,
        "in_review" | "review" | "reviewing" => Status::InReview,
        "blocked" | "on_hold" | "paused" | "parked" => Status::Blocked,
        "completed" | "complete" | "done" | "finished" | "closed" | "success" | "succeeded"
        | "resolved" => Status::Completed,
        "failed" | "failure" | "error" => Status::Failed,
        "cancelled" | "canceled" | "aborted" | "abandoned" | "skipped" => Status::Cancelled,
        _ => return None,
    })
}

/// The priority that a number or a word stands for.
pub(crate) fn priority(value: &Value) -> Option<i32> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(word) => match word.trim().to_ascii_lowercase().as_str() {
            "low" => Some(-1),
            "medium" | "normal" => Some(0),
            "high" => Some(1),
            "critical" | "urgent" => Some(2),
            _ => None,
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The word for a priority, if there is one.
pub(crate) fn priority_word(priority: i32) -> Option<&'static str> {
    match priority {
        -1 => Some("low"),
        0 => Some("medium"),
        1 => Some("high"),
        2 => Some("critical"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_any_case_and_with_any_gap_say_where_a_task_stands() {
        for (word, meant) in [
            ("Todo", Status::Pending),
            ("In Progress", Status::InProgress),
            ("in-progress", Status::InProgress),
            ("IN_REVIEW", Status::InReview),
            (" Done ", Status::Completed),
            ("Canceled", Status::Cancelled),
        ] {
            assert_eq!(status(word), Some(meant), "{word}");
        }
        for own in Status::ALL {
            assert_eq!(status(own.as_str()), Some(own));
        }
        assert_eq!(status("frobnicated"), None);
    }

    #[test]
    fn words_for_a_priority_come_back() {
        for number in -1..=2 {
            let word = priority_word(number).expect("it has a word");
            assert_eq!(priority(&Value::from(word)), Some(number));
        }
        assert_eq!(priority(&Value::from(7)), Some(7));
        assert_eq!(priority(&Value::from(1_u64 << 40)), None);
    }
}
