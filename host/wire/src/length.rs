//! Lengths of time as people write them.

use std::time::Duration;

/// The units of lengths of time, the largest first.
const UNITS_MS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A length of time: whole numbers with units, the largest first, as in `500ms`, `30m` or `1h30m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "`{text}` isn't a length of time: write one such as `500ms`, `30m`, `1h30m` or `2d`"
        )
    };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut units = UNITS_MS.as_slice();
    let mut sum_ms: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let (number, unit) = (&rest[..digits], &rest[digits..digits + letters]);
        let place = units.iter().position(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let part_ms = number.checked_mul(units[place].1).ok_or_else(wrong)?;
        sum_ms = sum_ms.checked_add(part_ms).ok_or_else(wrong)?;
        units = &units[place + 1..];
        rest = &rest[digits + letters..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(Duration::from_millis(sum_ms)) }
}

/// A length of time as [`duration`] reads it.
pub fn show_duration(ms: u64) -> String {
    let mut left = ms;
    let mut text = String::new();
    for (unit, unit_ms) in UNITS_MS {
        if left >= unit_ms {
            text += &format!("{}{unit}", left / unit_ms);
            left %= unit_ms;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}
