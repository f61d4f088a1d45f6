//! What the directories of large values are called.
//!
//! A task's id and a key are names of files as they are. An agent's name may hold anything but control characters, so
//! it is encoded: letters, digits and `-_.@+` stand for themselves, every other byte is `%` and two hex digits, and so is
//! a dot at the beginning. What would be longer than a file's name may be is `%~` and its SHA-256 instead; the name then
//! stands in the directory's `.name`, which is no key.
//!
//! Invariant: two names are never encoded alike, and no name leads out of its directory.

use taskhost_board::{Digest, Name, Owner, TaskId};

pub(super) const TASKS: &str = "context/task";
pub(super) const AGENTS: &str = "context/agent";
/// In a directory whose own name doesn't say it.
pub(super) const NAME: &str = ".name";

/// What a name that had to be hashed begins with.
const HASHED: &str = "%~";
const ENCODED_MAX: usize = 200;

/// The directories of an owner, outermost first.
pub(super) fn directories(owner: &Owner) -> (&'static str, String) {
    match owner {
        Owner::Task(id) => (TASKS, format!("{TASKS}/{id}")),
        Owner::Agent(name) => (AGENTS, format!("{AGENTS}/{}", encode(name))),
    }
}

/// A value's file.
pub(super) fn file(owner: &Owner, key: &TaskId) -> String {
    format!("{}/{key}", directories(owner).1)
}

/// Whether the directory's name doesn't say whose it is.
pub(super) fn is_hashed(directory: &str) -> bool {
    directory.starts_with(HASHED)
}

pub(super) fn encode(name: &Name) -> String {
    let mut encoded = String::new();
    for (at, char) in name.as_str().char_indices() {
        let is_plain = char.is_alphanumeric()
            || matches!(char, '-' | '_' | '@' | '+')
            || (char == '.' && at > 0);
        if is_plain {
            encoded.push(char);
        } else {
            let mut bytes = [0; 4];
            for byte in char.encode_utf8(&mut bytes).bytes() {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    if encoded.len() > ENCODED_MAX {
        return format!("{HASHED}{}", Digest::of(name.as_str().as_bytes()));
    }
    encoded
}

/// The name that is encoded so; `None` if none is.
pub(super) fn decode(encoded: &str) -> Option<Name> {
    let mut bytes = Vec::new();
    let mut rest = encoded;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    let name = Name::new(String::from_utf8(bytes).ok()?).ok()?;
    // A stranger's directory may decode and still be nobody's.
    (encode(&name) == encoded).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_names_stay_readable_and_none_is_a_path() {
        let encoded = |text: &str| encode(&Name::new(text).unwrap());
        assert_eq!(encoded("alice"), "alice");
        assert_eq!(encoded("build-7.example_org@eu"), "build-7.example_org@eu");
        assert_eq!(encoded("Jürgen"), "Jürgen");
        assert_eq!(encoded("."), "%2E");
        assert_eq!(encoded(".."), "%2E.");
        assert_eq!(encoded("../x"), "%2E.%2Fx");
        assert_eq!(encoded("a b%20"), "a%20b%2520");
        let long = "/".repeat(128);
        assert!(is_hashed(&encoded(&long)) && encoded(&long).len() < 100);
        assert_ne!(encoded(&long), encoded(&"~".repeat(128)));
    }

    #[test]
    fn what_is_no_encoded_name_is_nobodys() {
        for stranger in ["%", "%2", "%zz", "%2f", "%41", ".tmp", "a b", "%~00", "lost+found/x"] {
            assert_eq!(decode(stranger), None, "{stranger}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_read_back_from_its_encoding(text in "\\PC{1,40}") {
            let Ok(name) = Name::new(text) else { return Ok(()) };
            let encoded = encode(&name);
            prop_assert!(encoded.len() <= ENCODED_MAX + 60);
            prop_assert!(!encoded.contains('/') && !encoded.starts_with('.'));
            if !is_hashed(&encoded) {
                prop_assert_eq!(decode(&encoded), Some(name));
            }
        }
    }
}
