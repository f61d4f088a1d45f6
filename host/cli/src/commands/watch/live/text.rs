//! Text that fits: cut, padded and wrapped by the columns that it takes up in a terminal.

use ratatui::style::Style;
use ratatui::text::Span;

use crate::output::visible;

/// No more of a text that others wrote is kept for a line.
const LINE_CHARS_MAX: usize = 400;

/// What others wrote as one line that steers nothing.
pub fn tame(text: &str) -> String {
    let short: String = text.chars().take(LINE_CHARS_MAX).collect();
    visible(&short.replace(['\n', '\t'], " "))
}

/// How many columns it takes up.
pub fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// What people take for its characters, each with its columns.
fn graphemes(text: &str) -> Vec<(String, usize)> {
    let span = Span::raw(text);
    let symbols = span.styled_graphemes(Style::new());
    symbols.map(|grapheme| (grapheme.symbol.to_owned(), width(grapheme.symbol))).collect()
}

/// As much of the beginning as fits; `…` says that there is more.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut cut = taken(graphemes(text).into_iter(), columns.saturating_sub(1));
    if columns > 0 {
        cut.push('…');
    }
    cut
}

/// An id's beginning and its end, which tells it from those that begin alike; `…` stands for what is between.
pub fn cut_id(id: &str, columns: usize) -> String {
    if width(id) <= columns || columns < 8 {
        return cut(id, columns);
    }
    let tail = (columns - 1) / 3;
    let graphemes = graphemes(id);
    let end = taken(graphemes.iter().rev().cloned(), tail);
    let end: String = end.chars().rev().collect();
    taken(graphemes.into_iter(), columns - 1 - tail) + "…" + &end
}

fn taken(graphemes: impl Iterator<Item = (String, usize)>, columns: usize) -> String {
    let mut left = columns;
    let fits = graphemes.take_while(|(_, width)| {
        let fits = *width <= left;
        left = left.saturating_sub(*width);
        fits
    });
    fits.map(|(symbol, _)| symbol).collect()
}

/// Cut to `columns`, and filled up with spaces behind.
pub fn left(text: &str, columns: usize) -> String {
    let mut text = cut(text, columns);
    text.push_str(&" ".repeat(columns.saturating_sub(width(&text))));
    text
}

/// Cut to `columns`, and filled up with spaces before.
pub fn right(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    " ".repeat(columns.saturating_sub(width(&text))) + &text
}

/// Lines no longer than `columns`, broken after spaces where there are some.
pub fn wrap(line: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut now, mut taken, mut space) = (String::new(), 0, None);
    for (symbol, width) in graphemes(line) {
        if taken + width > columns.max(2) {
            let rest = space.map_or_else(String::new, |at: usize| now.split_off(at));
            lines.push(std::mem::replace(&mut now, rest));
            taken = self::width(&now);
            space = None;
        }
        now.push_str(&symbol);
        taken += width;
        if symbol == " " && !now.trim().is_empty() {
            space = Some(now.len());
        }
    }
    lines.push(now);
    lines
}

/// A length of time in at most four columns, as in `59s`, `12m`, `3h` or `5d`.
pub fn age(ms: u64) -> String {
    match ms / 1_000 {
        s @ 0..100 => format!("{s}s"),
        s @ 100..6_000 => format!("{}m", s / 60),
        s @ 6_000..172_800 => format!("{}h", s / 3_600),
        s => format!("{}d", (s / 86_400).min(999)),
    }
}

/// A number with its thousands apart, as in `10,000`.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut apart = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_the_columns_it_takes_up() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…", "half of a wide character is none");
        assert_eq!(cut("abc", 0), "");
        assert_eq!((left("日本", 5), right("ab", 4)), ("日本 ".into(), "  ab".into()));
    }

    #[test]
    fn long_id_keeps_the_end_that_tells_it_from_others() {
        assert_eq!(cut_id("build_1a2b3c4d", 20), "build_1a2b3c4d");
        assert_eq!(cut_id("integration-of-everything_1a2b3c4d", 16), "integratio…b3c4d");
        assert_eq!(cut_id("integration", 5), "inte…");
    }

    #[test]
    fn lines_are_broken_after_spaces_and_where_there_are_none() {
        assert_eq!(wrap("one two three", 8), ["one two ", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
        assert_eq!(wrap("", 4), [""]);
        // A line that begins with spaces isn't broken after them for ever.
        assert_eq!(wrap("   abcdef", 5), ["   ab", "cdef"]);
    }

    #[test]
    fn what_others_wrote_is_one_line_that_steers_nothing() {
        assert_eq!(tame("a\nb\x1b[2J\tc"), "a b\\u{1b}[2J c");
        assert!(tame(&"x".repeat(1_000_000)).len() <= LINE_CHARS_MAX);
    }

    #[test]
    fn times_and_numbers_are_short() {
        let ages = [0, 99_000, 100_000, 7_200_000, 172_800_000, u64::MAX].map(age);
        assert_eq!(ages, ["0s", "99s", "1m", "2h", "2d", "999d"]);
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
    }
}
