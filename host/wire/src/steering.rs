//! Characters that do something to whoever reads a text, instead of being read.

/// Whether a character would steer a terminal, break a line, or turn the direction of what stands beside it. What agents
/// wrote is never shown with one.
pub fn steers(c: char) -> bool {
    let turns_direction = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks_line = matches!(c, '\u{2028}' | '\u{2029}');
    c.is_control() || turns_direction || breaks_line
}
