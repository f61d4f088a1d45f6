//! Edits inside a JSON value.

use serde_json::{Map, Number, Value};

use crate::Choices;

/// Numbers at the edges of what numbers of the board's types can be.
const NUMBERS: [&str; 16] = [
    "0",
    "1",
    "2",
    "-1",
    "255",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551614",
    "18446744073709551615",
    "18446744073709551616",
    "1.5",
    "1e400",
];

/// Texts that are no names, or unusual ones; and words that the formats have.
const TEXTS: [&str; 16] = [
    "",
    " ",
    "a",
    "../a",
    "a/b",
    "\0",
    "\u{fffd}\u{202e}\u{1f600}",
    "pending",
    "in_progress",
    "completed",
    "unasked",
    "standard",
    "ffffffffffffffff",
    "9999-12-31T23:59:59.999Z",
    "$serde_json::private::Number",
    "$serde_json::private::RawValue",
];

/// Edits a place in `value`: another value there, a field less, one more, one of another name, a list longer or
/// shorter, a number next to the one there; or a part of `others` put in.
pub fn json(value: &mut Value, others: &[Value], choices: &mut Choices<'_>) {
    let place = choices.below(count(value));
    let Some(at) = nth(value, &mut place.clone()) else { return };
    match choices.below(8) {
        0 => *at = atom(choices),
        1 => step(at, choices),
        2 => remove(at, choices),
        3 => insert(at, choices),
        4 => {
            if let Some(other) = choices.pick(others) {
                let mut other = other.clone();
                let mut index = choices.below(count(&other));
                if let Some(part) = nth(&mut other, &mut index) {
                    *at = part.take();
                }
            }
        }
        5 => nest(at, choices),
        6 => rename(at, choices),
        _ => double(at, choices),
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0_usize,
    }
}

/// The value of this number in the order in which they are written.
fn nth<'a>(value: &'a mut Value, index: &mut usize) -> Option<&'a mut Value> {
    if *index == 0 {
        return Some(value);
    }
    *index -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, index)),
        Value::Object(fields) => fields.values_mut().find_map(|field| nth(field, index)),
        _ => None,
    }
}

fn atom(choices: &mut Choices<'_>) -> Value {
    match choices.below(7) {
        0 => Value::Null,
        1 => Value::Bool(choices.byte() & 1 == 1),
        2 => number(choices.pick(&NUMBERS).copied().unwrap_or("0")),
        3 => Value::from(choices.pick(&TEXTS).copied().unwrap_or_default()),
        4 => Value::from(String::from_utf8_lossy(choices.some()).into_owned()),
        5 => Value::Array(Vec::new()),
        _ => Value::Object(Map::new()),
    }
}

fn number(text: &str) -> Value {
    serde_json::from_str::<Number>(text).map_or(Value::Null, Value::Number)
}

/// A number next to the one there; another letter in a text.
fn step(at: &mut Value, choices: &mut Choices<'_>) {
    match at {
        Value::Number(now) => {
            let by = i128::from(choices.byte() as i8);
            let now: i128 = now.to_string().parse().unwrap_or_default();
            *at = number(&(now + by).to_string());
        }
        Value::String(text) => {
            let mut bytes = text.clone().into_bytes();
            crate::bytes(&mut bytes, choices);
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
        Value::Bool(is) => *is = !*is,
        _ => *at = atom(choices),
    }
}

fn remove(at: &mut Value, choices: &mut Choices<'_>) {
    match at {
        Value::Array(items) if !items.is_empty() => drop(items.remove(choices.below(items.len()))),
        Value::Object(fields) => {
            let index = choices.below(fields.len());
            if let Some(name) = fields.keys().nth(index).cloned() {
                fields.remove(&name);
            }
        }
        _ => *at = Value::Null,
    }
}

fn insert(at: &mut Value, choices: &mut Choices<'_>) {
    match at {
        Value::Array(items) => items.insert(choices.below(items.len() + 1), atom(choices)),
        Value::Object(fields) => {
            let name = choices.pick(&TEXTS).copied().unwrap_or_default();
            fields.insert(name.to_owned(), atom(choices));
        }
        _ => *at = atom(choices),
    }
}

/// Deeper than any reader goes down.
fn nest(at: &mut Value, choices: &mut Choices<'_>) {
    for _ in 0..choices.byte() {
        *at = Value::Array(vec![at.take()]);
    }
}

fn rename(at: &mut Value, choices: &mut Choices<'_>) {
    if let Value::Object(fields) = at {
        let index = choices.below(fields.len());
        if let Some(old) = fields.keys().nth(index).cloned()
            && let Some(value) = fields.remove(&old)
        {
            let name = choices.pick(&TEXTS).copied().unwrap_or_default();
            fields.insert(name.to_owned(), value);
        }
    }
}

/// A list with one of its items twice, or with many of them.
fn double(at: &mut Value, choices: &mut Choices<'_>) {
    if let Value::Array(items) = at
        && let Some(item) = choices.pick(items).cloned()
    {
        let times = usize::from(choices.byte());
        items.extend(std::iter::repeat_n(item, times));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_bytes_are_same_edits_and_none_is_no_edit_out_of_place() {
        let original: Value = serde_json::json!({ "a": [1, { "b": "text" }], "c": null });
        for seed in 0..=255_u8 {
            let bytes: Vec<u8> =
                (0..12).map(|at: u8| seed.wrapping_mul(31) ^ at.wrapping_mul(seed)).collect();
            let edited = || {
                let mut value = original.clone();
                json(&mut value, std::slice::from_ref(&original), &mut Choices::new(&bytes));
                value
            };
            assert_eq!(edited(), edited());
        }
    }

    #[test]
    fn every_place_can_be_reached() {
        let mut value: Value = serde_json::json!({ "a": [1, { "b": "text" }], "c": null });
        let places = count(&value);
        assert_eq!(places, 6);
        for place in 0..places {
            assert!(nth(&mut value, &mut place.clone()).is_some(), "{place}");
        }
        assert!(nth(&mut value, &mut places.clone()).is_none());
    }
}
