//! Bytes that come piece by piece, made into lines that can be shown, each after its agent's name.

use std::mem;

use crate::output::visible;

/// The longest line that is shown, in bytes; what is longer ends in `…`, and is whole in its file.
const LINE_BYTES_MAX: usize = 8 * 1024;
/// What a tabulator is shown as: its own width would depend on the name before it.
const TAB: &str = "    ";

/// The lines of one output.
#[derive(Debug)]
pub struct Lines {
    prefix: String,
    /// The beginning of a line whose end hasn't come yet.
    begun: Vec<u8>,
    /// The line that has begun is too long, and the rest of it isn't shown.
    is_cut: bool,
}

impl Lines {
    /// The lines of an agent of this name.
    pub fn of(name: &str) -> Self {
        Self { prefix: visible(name) + " | ", begun: Vec::new(), is_cut: false }
    }

    /// The lines that end in these bytes, as they are shown.
    pub fn take(&mut self, bytes: &[u8]) -> String {
        let mut shown = String::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (piece, ends) = match piece.strip_suffix(b"\n") {
                Some(piece) => (piece, true),
                None => (piece, false),
            };
            let room = LINE_BYTES_MAX - self.begun.len();
            self.is_cut |= piece.len() > room;
            self.begun.extend_from_slice(&piece[..piece.len().min(room)]);
            if ends {
                self.show(&mut shown);
            }
        }
        shown
    }

    /// What is left at the end, if the last line never ended.
    pub fn end(&mut self) -> String {
        let mut shown = String::new();
        if !self.begun.is_empty() {
            self.show(&mut shown);
        }
        shown
    }

    fn show(&mut self, shown: &mut String) {
        let bytes = mem::take(&mut self.begun);
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_end_matches('\r');
        // What is drawn over itself, as a percentage is, stands on a terminal as it was drawn last.
        let text = text.rsplit('\r').next().unwrap_or_default();
        shown.push_str(&self.prefix);
        shown.push_str(&visible(&text.replace('\t', TAB)));
        if mem::take(&mut self.is_cut) {
            shown.push('…');
        }
        shown.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pieces: &[&str], shown: &str) {
        let mut lines = Lines::of("a-1");
        let mut got: String = pieces.iter().map(|piece| lines.take(piece.as_bytes())).collect();
        got += &lines.end();
        assert_eq!(got, shown);
    }

    #[test]
    fn lines_are_shown_whole_however_they_come() {
        check(&["on", "e\ntw", "o", "\n\nthree"], "a-1 | one\na-1 | two\na-1 | \na-1 | three\n");
        check(&[], "");
    }

    #[test]
    fn nothing_in_a_line_steers_the_terminal() {
        check(&["\x1b[2Jx\ty\r\n"], "a-1 | \\u{1b}[2Jx    y\n");
        check(&["10%\r20%\r", "100%\r\n"], "a-1 | 100%\n");
    }

    #[test]
    fn line_without_end_is_cut() {
        let long = "x".repeat(LINE_BYTES_MAX);
        let shown = format!("a-1 | {long}…\na-1 | y\n");
        check(&[&long, &long, "\ny\n"], &shown);
        check(&[&long, "\n"], &format!("a-1 | {long}\n"));
    }

    #[test]
    fn character_may_come_in_pieces() {
        let mut lines = Lines::of("a");
        assert_eq!(lines.take(&[0xc3]), "");
        assert_eq!(lines.take(&[0xa4, b'\n', 0xff, b'\n']), "a | ä\na | \u{fffd}\n");
    }
}
