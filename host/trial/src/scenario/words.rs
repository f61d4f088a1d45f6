//! A line of a scenario as words.
//!
//! Words are apart by spaces. One in double quotes, or that begins with `{` or `[`, goes on over spaces: a text, or JSON,
//! both as JSON has them. A `#` where a word may begin makes the rest of the line a comment.

use super::Malformed;

/// A word, and whether it was in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) quoted: bool,
}

pub(super) fn split(line: &str) -> Result<Vec<Word>, Malformed> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next().filter(|first| *first != '#') {
        let length = match first {
            '"' | '{' | '[' => value_length(rest)?,
            _ => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(length);
        if !after.is_empty() && !after.starts_with(char::is_whitespace) {
            return Err(Malformed::new(format!(
                "`{word}` is followed by `{after}`: put a space between them"
            )));
        }
        words.push(match first {
            '"' => Word { text: unquoted(word)?, quoted: true },
            _ => Word { text: word.to_owned(), quoted: false },
        });
        rest = after.trim_start();
    }
    Ok(words)
}

/// How long the JSON value is that the text begins with.
fn value_length(text: &str) -> Result<usize, Malformed> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
    match values.next() {
        Some(Ok(_)) => Ok(values.byte_offset()),
        Some(Err(error)) => {
            Err(Malformed::new(format!("`{text}` is neither a text nor JSON: {error}")))
        }
        None => Ok(0),
    }
}

fn unquoted(word: &str) -> Result<String, Malformed> {
    serde_json::from_str(word).map_err(|error| Malformed::new(format!("{word}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        split(line).unwrap().into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn texts_and_json_go_on_over_spaces_and_comments_end_a_line() {
        assert_eq!(texts("add a  --priority -3 # the first"), ["add", "a", "--priority", "-3"]);
        assert_eq!(
            texts(r#"fail a --error "no \"b\" # c" "#),
            ["fail", "a", "--error", "no \"b\" # c"]
        );
        assert_eq!(
            texts(r#"add a --data {"k": [1, 2]} --label x#y"#)[3..],
            [r#"{"k": [1, 2]}"#, "--label", "x#y"]
        );
        assert!(texts("   # nothing").is_empty());
        assert!(split(r#"add "open"#).is_err());
        assert!(split(r#"add "a"b"#).is_err());
    }
}
