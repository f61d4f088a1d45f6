//! Lengths of time and sizes, as people write them: on the command line, in JSON, and as settings of policies.

use std::time::Duration;

/// The units of lengths of time, the largest first.
const UNITS_MS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The units of sizes.
const UNITS_BYTES: [(&str, u64); 7] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// A length of time: whole numbers with units, the largest first, as in `500ms`, `30m` or `1h30m`.
///
/// # Errors
///
/// A sentence with examples, if it can't be read.
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

/// A size in bytes: a whole number, with a unit of 1024 as in `64MiB`, of 1000 as in `100MB`, or without one.
///
/// # Errors
///
/// A sentence with examples, if it can't be read.
pub fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!("`{text}` isn't a size: write one such as `64MiB`, `100MB` or `1048576`, in bytes")
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = if unit.is_empty() { "B" } else { unit };
    let found = UNITS_BYTES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
    let (_, unit_bytes) = found.ok_or_else(wrong)?;
    number.checked_mul(*unit_bytes).ok_or_else(wrong)
}

/// A size as [`bytes`] reads it.
pub fn show_bytes(bytes: u64) -> String {
    let whole = |(_, unit): &&(&str, u64)| unit.is_power_of_two() && bytes.is_multiple_of(*unit);
    match UNITS_BYTES.iter().rev().find(whole) {
        Some((name, unit)) if *unit > 1 && bytes > 0 => format!("{}{name}", bytes / unit),
        _ => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, ms: Option<u64>) {
        assert_eq!(duration(text).ok(), ms.map(Duration::from_millis), "{text}");
    }

    #[test]
    fn durations_are_numbers_with_units() {
        check("500ms", Some(500));
        check("1s", Some(1_000));
        check("30m", Some(1_800_000));
        check("2h", Some(7_200_000));
        check("1h30m", Some(5_400_000));
        check("1m30s250ms", Some(90_250));
        check("7d", Some(604_800_000));
        check("0", Some(0));
        check("0s", Some(0));
    }

    #[test]
    fn durations_that_could_be_mistaken_are_refused() {
        for text in
            ["", "5", "s", "1.5h", "-1s", "1 s", "1m1h", "1s1s", "1y", "99999999999999999999s", "ä"]
        {
            check(text, None);
        }
        check(&format!("{}d", u64::MAX), None);
    }

    #[test]
    fn durations_are_shown_as_they_can_be_read() {
        for (ms, text) in [(0, "0s"), (1, "1ms"), (90_250, "1m30s250ms"), (604_800_000, "7d")] {
            assert_eq!(show_duration(ms), text);
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)));
        }
    }

    #[test]
    fn sizes_are_numbers_with_units_of_1024_or_1000() {
        let sizes = [
            ("64MiB", 64 << 20, "64MiB"),
            ("64mib", 64 << 20, "64MiB"),
            ("100MB", 100_000_000, "100000000"),
            ("1048576", 1 << 20, "1MiB"),
            ("1536KiB", 1536 << 10, "1536KiB"),
            ("4GiB", 4 << 30, "4GiB"),
            ("0", 0, "0"),
            ("12B", 12, "12"),
        ];
        for (text, size, shown) in sizes {
            assert_eq!(bytes(text), Ok(size));
            assert_eq!(show_bytes(size), shown);
        }
        for text in ["", "MiB", "64M", "64 MiB", "1.5GiB", "-1", "99999999999GiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
