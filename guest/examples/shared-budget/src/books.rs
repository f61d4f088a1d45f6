//! The books that the boards share: a file with a line for each board, `BOARD SPENT RETURNED`.
//!
//! What a line says only grows. So it makes no difference how often the same is entered, or in which order.

use std::collections::BTreeMap;
use std::fmt;

/// What each board has spent and got back, at most and at least.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Books {
    lines: BTreeMap<String, (i64, i64)>,
}

impl Books {
    /// Reads the file; an empty one is a beginning.
    pub fn parse(content: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(content);
        let mut lines = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split(' ');
            let entry = (|| {
                let board = words.next()?.to_owned();
                Some((board, (words.next()?.parse().ok()?, words.next()?.parse().ok()?)))
            })();
            let Some((board, entry)) = entry else {
                return Err(format!(
                    "the books say `{line}` where `BOARD SPENT RETURNED` should be"
                ));
            };
            lines.insert(board, entry);
        }
        Ok(Self { lines })
    }

    /// Enters what a board has spent and got back since its beginning. A line that says more already stays: a claim that
    /// never came to be has left it, and it covers those that come next.
    pub fn enter(&mut self, board: &str, spent: i64, returned: i64) {
        let line = self.lines.entry(board.to_owned()).or_default();
        *line = (line.0.max(spent), line.1.max(returned));
    }

    /// What is spent altogether, at most.
    pub fn sum(&self) -> i64 {
        self.lines.values().fold(0_i64, |sum, (spent, returned)| {
            sum.saturating_add(spent.saturating_sub(*returned))
        })
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines
            .iter()
            .try_for_each(|(board, (spent, returned))| writeln!(f, "{board} {spent} {returned}"))
    }
}
