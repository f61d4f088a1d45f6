//! Moments, written as RFC 3339 in UTC: what taskhost's history and the demo's evidence have in common.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment by the wall clock, to the nanosecond, from 1970 to 2554.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment {
    since_1970_ns: u64,
}

impl Moment {
    pub fn now() -> Self {
        Self::after_1970(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    pub fn after_1970(time: Duration) -> Self {
        Self { since_1970_ns: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) }
    }

    /// Nothing, if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.since_1970_ns.saturating_sub(earlier.since_1970_ns))
    }

    /// The beginning of its millisecond: the history knows no smaller unit.
    pub fn to_ms(self) -> Self {
        Self { since_1970_ns: self.since_1970_ns / 1_000_000 * 1_000_000 }
    }
}

/// As in `2025-11-21T09:34:05.123456789Z`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ns) =
            (self.since_1970_ns / 1_000_000_000, self.since_1970_ns % 1_000_000_000);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ns:09}Z")
    }
}

/// Takes what [`Moment`] and taskhost write: UTC, with any number of decimals up to nine.
impl FromStr for Moment {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
        let parse = || {
            let (date, time) = (text.get(..10)?, text.get(10..)?.strip_suffix('Z')?);
            let well_formed = date.split('-').map(str::len).eq([4, 2, 2])
                && time.starts_with('T')
                && time.get(1..9)?.split(':').map(str::len).eq([2, 2, 2]);
            let decimals = match time.get(9..)? {
                "" => 0,
                rest => {
                    let digits = rest.strip_prefix('.').filter(|digits| digits.len() <= 9)?;
                    format!("{digits:0<9}").parse().ok()?
                }
            };
            let days = days(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
            let second = number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
            let seconds = days * 86_400 + second;
            well_formed.then(|| Self::after_1970(Duration::new(seconds, decimals)))
        };
        parse().with_context(|| format!("`{text}` is no moment in RFC 3339, UTC"))
    }
}

impl TryFrom<String> for Moment {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

/// Year, month and day of a day after 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    // Years are taken to begin in March, so that the leap day is a year's last. 719,468 days lie between
    // 0000-03-01 and 1970-01-01; an era has 400 years.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// The inverse of [`date`]; `None` for a date before 1970, or one that there isn't.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let from_march = (month + 9) % 12;
    let of_era = year.checked_sub(u64::from(month <= 2))?;
    let (era, of_era) = (of_era / 400, of_era % 400);
    let day_of_year = (153 * from_march + 2) / 5 + day.checked_sub(1)?;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
    let days = days.checked_sub(719_468)?;
    (date(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::Moment;
    use std::time::Duration;

    #[track_caller]
    fn check(text: &str, since_1970: Duration) {
        let moment = Moment::after_1970(since_1970);
        assert_eq!(moment.to_string(), text);
        assert_eq!(text.parse::<Moment>().expect("a moment"), moment);
    }

    #[test]
    fn moments_are_written_in_rfc_3339_and_read_back() {
        check("1970-01-01T00:00:00.000000000Z", Duration::ZERO);
        check("2000-02-29T23:59:59.000000001Z", Duration::new(951_868_799, 1));
        check("2023-11-14T22:13:20.123000000Z", Duration::from_millis(1_700_000_000_123));
        check("2100-03-01T00:00:00.000000000Z", Duration::from_secs(4_107_542_400));
    }

    #[test]
    fn decimals_may_be_left_out() {
        let moment = |text: &str| text.parse::<Moment>().expect("a moment");
        assert_eq!(moment("2023-11-14T22:13:20.5Z"), moment("2023-11-14T22:13:20.500000000Z"));
        assert_eq!(moment("2023-11-14T22:13:20Z"), moment("2023-11-14T22:13:20.000Z"));
    }

    #[test]
    fn what_is_no_moment_in_utc_is_refused() {
        for text in
            ["", "now", "2023-11-14T22:13:20+01:00", "2023-02-29T00:00:00Z", "1969-12-31T00:00:00Z"]
        {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
