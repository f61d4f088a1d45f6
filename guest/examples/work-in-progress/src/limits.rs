//! The setting `limits`, read.

/// How many tasks with a label may be in progress.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    pub label: String,
    pub count: usize,
}

impl Limit {
    /// Where the tasks with this label are remembered.
    pub fn key(&self) -> String {
        format!("held:{}", self.label)
    }
}

/// Reads `db:1,gpu:2`. A label may have colons in it, but no comma.
pub fn limits(text: &str) -> Result<Vec<Limit>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let limits = parts.map(|part| {
        let (label, count) = part.rsplit_once(':')?;
        Some(Limit { label: label.trim().to_owned(), count: count.trim().parse().ok()? })
    });
    limits.collect::<Option<_>>().ok_or_else(|| {
        format!("`limits`: `{text}` isn't `LABEL:NUMBER`, with commas between several")
    })
}

#[cfg(test)]
mod tests {
    use super::{Limit, limits};

    #[test]
    fn limits_are_read_and_what_is_none_is_refused() {
        let limit = |label: &str, count| Limit { label: label.to_owned(), count };
        assert_eq!(limits("db:1, a:b:0"), Ok(vec![limit("db", 1), limit("a:b", 0)]));
        assert_eq!(limits(""), Ok(vec![]));
        for wrong in ["db", "db:", "db:-1", "db:1,gpu"] {
            assert!(limits(wrong).is_err(), "{wrong}");
        }
    }
}
