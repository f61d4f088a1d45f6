//! A tool's arguments: read strictly, so that what is misspelt isn't taken for absent.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use taskhost_answers::Failure;

/// The arguments as `T` names them.
///
/// # Errors
///
/// Which of them is wrong, and how.
pub fn read<T: DeserializeOwned>(arguments: Map<String, Value>) -> Result<T, Failure> {
    // By way of text, as data is kept as it was written.
    let text = Value::Object(arguments).to_string();
    let mut reader = serde_json::Deserializer::from_str(&text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let place = error.path().to_string();
        let why = error.inner().to_string();
        // Where it stands in the text that was made here is nothing to the caller.
        let why = why.rsplit_once(" at line ").map_or(why.as_str(), |(why, _)| why);
        let place = if place == "." { String::new() } else { format!("`{place}`: ") };
        Failure::usage(format!("{place}{why}; the tool's schema says what it takes"))
    })
}

/// A length of time in seconds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub struct Seconds(f64);

impl Seconds {
    /// As a duration of at most `most` seconds.
    ///
    /// # Errors
    ///
    /// If it is negative, or longer.
    pub fn at_most(self, name: &str, most: u32) -> Result<std::time::Duration, Failure> {
        let can_be = (0.0..=f64::from(most)).contains(&self.0);
        can_be.then(|| std::time::Duration::from_secs_f64(self.0)).ok_or_else(|| {
            Failure::usage(format!(
                "`{name}` is a number of seconds from 0 to {most}, not {}",
                self.0
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use taskhost::TaskId;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only how they are read is looked at")]
    struct Sample {
        id: TaskId,
        #[serde(default)]
        labels: Vec<String>,
        wait_s: Option<Seconds>,
    }

    #[track_caller]
    fn check(arguments: Value, why: &str) {
        let Value::Object(arguments) = arguments else { panic!("not an object") };
        let failure = read::<Sample>(arguments).unwrap_err();
        assert!(failure.message.starts_with(why), "{}", failure.message);
        assert_eq!((failure.code, failure.retryable), ("usage", false));
    }

    #[test]
    fn what_is_wrong_is_named() {
        check(json!({}), "missing field `id`");
        check(json!({ "id": 5 }), "`id`: ");
        check(json!({ "id": "../x" }), "`id`: ");
        check(json!({ "id": "a", "lables": ["x"] }), "`lables`: unknown field `lables`");
        check(json!({ "id": "a", "labels": ["x", 1] }), "`labels[1]`: invalid type");
        check(json!({ "id": "a", "wait_s": "10" }), "`wait_s`: invalid type");
    }

    #[test]
    fn seconds_have_bounds() {
        assert_eq!(Seconds(0.5).at_most("wait_s", 60).unwrap().as_millis(), 500);
        for out in [-1.0, 61.0, f64::NAN, f64::INFINITY] {
            assert!(Seconds(out).at_most("wait_s", 60).unwrap_err().message.contains("`wait_s`"));
        }
    }
}
