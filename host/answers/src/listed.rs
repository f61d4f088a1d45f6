//! A page of tasks.

use serde::Serialize;
use taskhost::domain::Page;

use crate::Standing;

/// Tasks in the order in which they were added. `total` counts all that match; `next_cursor` is where the next page
/// begins.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct Listed {
    pub tasks: Vec<Standing>,
    pub total: u64,
    pub next_cursor: Option<String>,
}

impl From<&Page> for Listed {
    fn from(page: &Page) -> Self {
        Self {
            tasks: page.tasks.iter().map(Standing::from).collect(),
            total: page.total,
            next_cursor: page.next.map(|next| next.to_string()),
        }
    }
}
