//! What policies write for their authors, bounded per transaction.

/// How many bytes of lines are kept of one transaction.
pub(crate) const LOG_BYTES_MAX: usize = 64 << 10;

/// What the last line before a trap begins with if it is the reason, in the words of what runs a policy's hooks: the SDK
/// for Rust logs a panic, and the entry that JavaScript is built with an error, or an answer against the contract.
const ENDINGS: [&str; 3] = ["panicked at", "uncaught ", "wrong answer: "];

/// The lines of one transaction's hook calls, in their order.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Vec<String>,
    bytes_left: usize,
}

impl Default for Log {
    fn default() -> Self {
        Self { lines: Vec::new(), bytes_left: LOG_BYTES_MAX }
    }
}

impl Log {
    /// Keeps a line, or as much of it as there is room for.
    pub(crate) fn write(&mut self, line: &str) {
        if self.bytes_left == 0 {
            return;
        }
        let kept = truncated(line, self.bytes_left);
        self.lines.push(kept.to_owned());
        // An empty line takes room too.
        self.bytes_left = self.bytes_left.saturating_sub(kept.len() + 1);
        if kept.len() < line.len() {
            self.bytes_left = 0;
        }
        if self.bytes_left == 0 {
            self.lines.push(format!("(the rest is left out: a log has {LOG_BYTES_MAX} bytes)"));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Why the policy gave up, if what it wrote after the first `before` lines says so. A last line that begins with one of
    /// [`ENDINGS`] does, whoever runs it. Where a language's runtime `printed` to standard error, its last line is the
    /// reason: Python's is followed by a panic of the runtime itself, and preceded by the place.
    pub(crate) fn last_words(&self, before: usize, printed: bool) -> Option<String> {
        let lines = self.lines.get(before..)?;
        if let Some(last) = lines.last()
            && ENDINGS.iter().any(|ending| last.starts_with(ending))
        {
            return Some(last.clone());
        }
        if !printed {
            return None;
        }
        let is_said = |line: &&String| !line.is_empty();
        let panic = lines.iter().rposition(|line| line.starts_with("thread '"));
        let (said, panic) = lines.split_at(panic.unwrap_or(lines.len()));
        let mut said = said.iter().filter(is_said);
        let Some(reason) = said.next_back() else {
            // It said nothing itself, so what its runtime says must do.
            return panic.iter().filter(is_said).nth(1).cloned();
        };
        // Python counts the calls that are all alike, in brackets, instead of telling each.
        let place = said.rev().find(|line| !line.trim_start().starts_with('['));
        let place = place.filter(|line| line.trim_start().starts_with("File "));
        Some(place.map_or_else(|| reason.clone(), |place| format!("{reason}, {}", place.trim())))
    }

    pub(crate) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }
}

/// The longest beginning of `text` that has at most `bytes_max` bytes.
pub(crate) fn truncated(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_ends_at_its_bound_and_says_so() {
        let mut log = Log::default();
        log.write(&"é".repeat(LOG_BYTES_MAX));
        log.write("more");
        let lines = log.take();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), LOG_BYTES_MAX);
        assert!(lines[1].contains("left out"));
    }

    #[test]
    fn last_words_are_the_reason_and_its_place() {
        let words = |lines: &[&str], printed| {
            let mut log = Log::default();
            lines.iter().for_each(|line| log.write(line));
            log.last_words(1, printed)
        };
        let python = [
            "of an earlier hook",
            "Traceback (most recent call last):",
            "  File \"/0/app.py\", line 15, in choose",
            "ValueError: a bug",
            "",
            "thread '<unnamed>' (1) panicked at runtime/src/lib.rs:1280:25:",
            "Python function threw an unexpected exception",
        ];
        let place = "ValueError: a bug, File \"/0/app.py\", line 15, in choose";
        assert_eq!(words(&python, true).as_deref(), Some(place));
        assert_eq!(words(&["", "panicked at x"], false).as_deref(), Some("panicked at x"));
        for ending in ["uncaught Error: a bug, in choose (policy.js:3:4)", "wrong answer: none"] {
            assert_eq!(words(&["", "a remark", ending], false).as_deref(), Some(ending));
            assert_eq!(words(&["", ending, "a remark"], false), None, "it went on");
        }
        assert_eq!(words(&["", "a remark"], false), None);
        assert_eq!(words(&["of an earlier hook"], true), None);
    }

    // What Python answered against the contract was told by its runtime only, in a panic of its own, and so by nobody.
    #[test]
    fn last_words_of_a_runtime_are_taken_if_the_policy_has_none() {
        let words = |lines: &[&str]| {
            let mut log = Log::default();
            lines.iter().for_each(|line| log.write(line));
            log.last_words(0, true)
        };
        let panic = [
            "",
            "thread '<unnamed>' (1) panicked at runtime/src/lib.rs:780:25:",
            "called `Result::unwrap()` on an `Err` value: KeyError(<class 'NoneType'>)",
            "note: run with `RUST_BACKTRACE=1`",
        ];
        let said = "called `Result::unwrap()` on an `Err` value: KeyError(<class 'NoneType'>)";
        assert_eq!(words(&panic).as_deref(), Some(said));
        assert_eq!(words(&panic[..2]), None);
    }

    #[test]
    fn place_is_told_of_calls_that_are_all_alike() {
        let mut log = Log::default();
        let lines = [
            "  File \"/0/policy.py\", line 11, in recurse",
            "  [Previous line repeated 993 more times]",
            "RecursionError: maximum recursion depth exceeded",
        ];
        lines.iter().for_each(|line| log.write(line));
        let said = "RecursionError: maximum recursion depth exceeded, File \"/0/policy.py\", line 11, in recurse";
        assert_eq!(log.last_words(0, true).as_deref(), Some(said));
    }

    #[test]
    fn empty_lines_take_room() {
        let mut log = Log::default();
        (0..LOG_BYTES_MAX * 2).for_each(|_| log.write(""));
        assert_eq!(log.take().len(), LOG_BYTES_MAX + 1);
    }
}
