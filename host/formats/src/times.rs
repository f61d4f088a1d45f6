//! Times as other systems write them.
//!
//! A text without an offset is local time: it was written by a program that asked its clock for no zone, on the machine
//! that the file is read on. A number counts seconds since 1970; one that would lie beyond the year 5000 counts
//! milliseconds.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde_json::{Number, Value};
use taskhost_board::Millis;

/// Numbers from here on are milliseconds.
const SECONDS_MAX: f64 = 1e11;

/// How a system writes a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeStyle {
    /// Local time without an offset; a fraction only if there is one, of six digits.
    Local,
    /// RFC 3339, UTC, with milliseconds.
    Utc,
    /// Seconds since 1970, as a number with a fraction.
    Unix,
}

/// The time that a value says; `None` if it says none, or one that a board can't keep.
pub(crate) fn parse(value: &Value) -> Option<Millis> {
    match value {
        Value::String(text) => parse_text(text.trim()),
        Value::Number(number) => parse_number(number),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn parse_text(text: &str) -> Option<Millis> {
    // Numbers in quotes, and weeks, would be taken for dates without dashes.
    if text.as_bytes().get(4) != Some(&b'-') {
        return None;
    }
    let time = text.parse::<Timestamp>().ok().or_else(|| {
        let local: DateTime = text.parse().ok()?;
        Some(local.to_zoned(TimeZone::system()).ok()?.timestamp())
    })?;
    millis(time)
}

fn parse_number(number: &Number) -> Option<Millis> {
    let number: f64 = number.to_string().parse().ok()?;
    if !number.is_finite() || number < 0.0 {
        return None;
    }
    let ms = if number < SECONDS_MAX { number * 1_000.0 } else { number };
    millis(Timestamp::from_millisecond(ms.round() as i64).ok()?)
}

fn millis(time: Timestamp) -> Option<Millis> {
    let whole = TimestampRound::new().smallest(Unit::Millisecond).mode(RoundMode::Floor);
    u64::try_from(time.round(whole).ok()?.as_millisecond()).ok().map(Millis)
}

/// The time as a system writes it. Beyond the year 9999, where the texts end, their end.
pub(crate) fn write(at: Millis, style: TimeStyle) -> Value {
    let time = i64::try_from(at.0)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::MAX);
    match style {
        TimeStyle::Utc => format!("{time:.3}").into(),
        TimeStyle::Local => {
            let local = time.to_zoned(TimeZone::system()).datetime();
            if at.0.is_multiple_of(1_000) { format!("{local:.0}") } else { format!("{local:.6}") }
                .into()
        }
        TimeStyle::Unix => {
            let seconds = at.0 as f64 / 1_000.0;
            Number::from_f64(seconds).map_or(Value::Null, Value::Number)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_with_an_offset_say_so() {
        let at = Some(Millis(1_704_103_200_000));
        for text in
            ["2024-01-01T10:00:00Z", "2024-01-01T12:00:00+02:00", "2024-01-01 10:00:00+00:00"]
        {
            assert_eq!(parse(&json!(text)), at, "{text}");
        }
        assert_eq!(parse(&json!("2024-01-01T10:00:00.123999Z")), at.map(|at| at.plus(123)));
    }

    #[test]
    fn times_without_an_offset_are_local_and_come_back_as_they_were() {
        for text in ["2024-01-01T10:00:00", "2024-07-01T10:00:00.250000"] {
            let at = parse(&json!(text)).expect(text);
            assert_eq!(write(at, TimeStyle::Local), json!(text));
        }
        assert_eq!(parse(&json!("2024-01-01 10:00:00")), parse(&json!("2024-01-01T10:00:00")));
    }

    #[test]
    fn numbers_are_seconds_or_milliseconds_since_1970() {
        assert_eq!(parse(&json!(1_700_000_000)), Some(Millis(1_700_000_000_000)));
        assert_eq!(parse(&json!(1_700_000_000.25)), Some(Millis(1_700_000_000_250)));
        assert_eq!(parse(&json!(1_700_000_000_250_u64)), Some(Millis(1_700_000_000_250)));
        assert_eq!(write(Millis(1_700_000_000_250), TimeStyle::Unix), json!(1_700_000_000.25));
    }

    #[test]
    fn what_is_no_time_of_a_board_is_none() {
        let huge: Value = serde_json::from_str("1e400").expect("it is JSON");
        for value in [
            json!(null),
            json!(true),
            json!(-1),
            json!(""),
            json!("soon"),
            json!("20240101"),
            json!("1700000000"),
            json!("1969-12-31T23:59:59Z"),
            json!("2024-13-01T00:00:00"),
            json!([1]),
            json!(1e300),
            huge,
        ] {
            assert_eq!(parse(&value), None, "{value}");
        }
        assert_eq!(write(Millis(u64::MAX), TimeStyle::Utc), json!("9999-12-30T22:00:00.999Z"));
    }
}
