//! What options' values may look like, the same for every command.

use std::time::Duration;

use taskhost::domain::Command;
use taskhost::{AgentKind, Change, Millis, Status, TaskId, wire};

/// The longest lease, which the board wouldn't take longer either.
const LEASE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The longest key, which the board wouldn't take longer either.
const KEY_BYTES_MAX: usize = 256;

pub use taskhost::domain::quantity::{duration, show_bytes, show_duration};

/// The length of a lease.
pub fn lease(text: &str) -> Result<Duration, String> {
    let lease = duration(text)?;
    if lease.is_zero() || lease > LEASE_MAX {
        return Err(format!(
            "a lease of `{text}` can't be: it must be longer than nothing and at most `30d`"
        ));
    }
    Ok(lease)
}

/// The key of a request.
pub fn key(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > KEY_BYTES_MAX || text.contains('\0') {
        return Err(format!("a key has 1 to {KEY_BYTES_MAX} bytes, none of them zero"));
    }
    Ok(text.to_owned())
}

/// The key of a value that is kept beside the tasks.
pub fn value_key(text: &str) -> Result<TaskId, String> {
    TaskId::new(text).map_err(|_| {
        format!(
            "`{text}` can't be a key: it is a letter or digit, then up to 127 letters, digits, `.`, `_`, `:` or `-`"
        )
    })
}

/// A time in RFC 3339.
pub fn time(text: &str) -> Result<Millis, String> {
    wire::parse_time(text).map_err(|_| {
        format!("`{text}` isn't a time in RFC 3339: write one such as `2030-01-31T09:00:00Z`")
    })
}

/// A time that has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PastTime {
    At(Millis),
    /// So long ago by the board's clock, which isn't known before the board is open.
    Ago(Duration),
}

impl PastTime {
    /// When that was, if it is `now`.
    pub fn seen_from(self, now: Millis) -> Millis {
        match self {
            Self::At(time) => time,
            Self::Ago(ago) => {
                Millis(now.0.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)))
            }
        }
    }
}

/// A time in RFC 3339, or how long ago it was, such as `2h`.
pub fn past_time(text: &str) -> Result<PastTime, String> {
    if let Ok(time) = wire::parse_time(text) {
        return Ok(PastTime::At(time));
    }
    let ago = duration(text).map_err(|_| {
        format!(
            "`{text}` is no time: write one in RFC 3339 such as `2030-01-31T09:00:00Z`, or how long \
             ago it was, such as `2h`"
        )
    })?;
    Ok(PastTime::Ago(ago))
}

/// The word for something that happens on a board.
pub fn event(text: &str) -> Result<&'static str, String> {
    word(text, "event", Change::EVENTS.into_iter().map(|event| (event, event)))
}

/// The command behind something that happened.
pub fn command(text: &str) -> Result<Command, String> {
    word(text, "command", Command::ALL.into_iter().map(|command| (command.as_str(), command)))
}

/// What `text` is the word for.
fn word<T>(
    text: &str,
    what: &str,
    mut words: impl Iterator<Item = (&'static str, T)> + Clone,
) -> Result<T, String> {
    let known: Vec<String> = words.clone().map(|(word, _)| format!("`{word}`")).collect();
    let found = words.find(|(word, _)| *word == text).map(|(_, value)| value);
    found.ok_or_else(|| format!("there is no {what} `{text}`: there are {}", known.join(", ")))
}

/// A task's status.
pub fn status(text: &str) -> Result<Status, String> {
    word(text, "status", Status::ALL.into_iter().map(|status| (status.as_str(), status)))
}

/// A kind of worker.
pub fn kind(text: &str) -> Result<AgentKind, String> {
    let kinds = [AgentKind::Agent, AgentKind::Host, AgentKind::Human];
    let found = kinds.into_iter().find(|kind| wire::kind(*kind) == text);
    found.ok_or_else(|| format!("there is no kind `{text}`: there are `agent`, `host` and `human`"))
}

/// A setting and its value.
pub fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` isn't a setting: write `NAME=VALUE`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_time_is_a_time_or_how_long_ago_it_was() {
        let seen = |text| past_time(text).map(|time| time.seen_from(Millis(10_000_000)));
        assert_eq!(seen("2h"), Ok(Millis(2_800_000)));
        assert_eq!(seen("30d"), Ok(Millis(0)));
        assert_eq!(seen("1970-01-01T00:00:01Z"), Ok(Millis(1_000)));
        assert!(seen("yesterday").is_err());
    }

    #[test]
    fn words_that_there_are_not_are_refused_with_those_there_are() {
        assert_eq!(event("completed"), Ok("completed"));
        assert!(event("finished").unwrap_err().contains("`completed`"));
        assert_eq!(command("policy set"), Ok(Command::PolicySet));
        assert!(status("done").unwrap_err().contains("`completed`"));
    }

    #[test]
    fn lease_is_longer_than_nothing_and_at_most_30_days() {
        assert!(lease("1ms").is_ok());
        assert!(lease("30d").is_ok());
        assert!(lease("0s").is_err());
        assert!(lease("31d").is_err());
    }

    #[test]
    fn key_is_something_and_not_too_long() {
        // `--key ""`, from a shell variable that was never set, gave every such request the same claim.
        assert!(key("").is_err());
        assert!(key("k").is_ok());
        assert!(key(&"k".repeat(KEY_BYTES_MAX)).is_ok());
        assert!(key(&"k".repeat(KEY_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn value_of_a_setting_may_hold_an_equals_sign() {
        assert_eq!(setting("a=b=c").ok(), Some(("a".into(), "b=c".into())));
        assert!(setting("=b").is_err());
        assert!(setting("a").is_err());
    }
}
