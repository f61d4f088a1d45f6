//! Ids of other systems as a board's, and their names of agents, types and labels.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use taskhost_board::{Name, TaskId};

/// How much of an id is kept where it has to be changed: as much as leaves room for the digits.
const STEM_BYTES_MAX: usize = 100;

/// The id that a task of this id gets on a board: the same one if it is valid there, else what is valid of it, a dash and
/// eight hex digits of its SHA-256. The same id always gives the same.
pub fn board_id(original: &str) -> TaskId {
    TaskId::new(original).unwrap_or_else(|_| changed_id(original, original))
}

/// An id that looks like `original` and is told apart by `distinct`.
pub(crate) fn changed_id(original: &str, distinct: &str) -> TaskId {
    let stem: String = original
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._:-".contains(c) { c } else { '-' })
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take(STEM_BYTES_MAX)
        .collect();
    let stem = stem.trim_end_matches('-');
    let stem = if stem.is_empty() { "task" } else { stem };
    let digest: [u8; 32] = Sha256::digest(distinct.as_bytes()).into();
    let digits: String = digest[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    TaskId::new(format!("{stem}-{digits}"))
        .expect("a letter or digit, then at most 108 of the letters of ids")
}

/// The text by which tasks name each other: ids may be numbers.
pub(crate) fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A name, if the value is one.
pub(crate) fn name(value: &Value) -> Option<Name> {
    Name::new(id_text(value)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_ids_stay_and_others_are_changed_the_same_way_each_time() {
        for id in ["a", "analyze_12345678", "T-123", "7:b.c"] {
            assert_eq!(board_id(id).as_str(), id);
        }
        let changed = board_id("my task/1");
        assert_eq!(changed, board_id("my task/1"));
        assert!(changed.as_str().starts_with("my-task-1-"), "{changed}");
        assert_ne!(changed, board_id("my task-1"));
        for odd in ["", " ", "..", "---", "ü", "/etc/passwd", &"x".repeat(5_000), "\0"] {
            assert!(TaskId::new(board_id(odd).as_str()).is_ok(), "{odd}");
        }
        assert!(board_id("///").as_str().starts_with("task-"));
    }
}
