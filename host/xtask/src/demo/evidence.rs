//! What each digested crate leaves behind: a file of its own, which nobody writes a second time.

use super::moment::Moment;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// That a crate was digested: by whom, when, under which claim, and with which result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub task: String,
    pub agent: String,
    /// The claim's.
    pub token: u64,
    pub started_at: Moment,
    pub finished_at: Moment,
    pub files: u64,
    pub bytes: u64,
    pub sha256: String,
}

impl Evidence {
    fn file_name(&self) -> String {
        format!("{}-{}.json", self.task, self.token)
    }

    /// Writes it into `directory`, whole or not at all.
    ///
    /// # Errors
    ///
    /// If there is evidence of the same claim already.
    pub fn leave(&self, directory: &Path) -> Result<()> {
        let path = directory.join(self.file_name());
        let whole = directory.join(format!(".{}.{}", self.file_name(), std::process::id()));
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(&whole, text).with_context(|| format!("can't write `{}`", whole.display()))?;
        // Unlike a rename, a link fails where something is in the way.
        let left = fs::hard_link(&whole, &path);
        fs::remove_file(&whole).with_context(|| format!("can't remove `{}`", whole.display()))?;
        left.with_context(|| format!("can't leave evidence as `{}`", path.display()))
    }

    /// All of the evidence in `directory`.
    pub fn read_all(directory: &Path) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let evidence: Self = fs::read(&path)
                .map_err(anyhow::Error::from)
                .and_then(|text| Ok(serde_json::from_slice(&text)?))
                .with_context(|| format!("`{}` isn't evidence", path.display()))?;
            ensure!(
                path.file_name().is_some_and(|name| *name == *evidence.file_name()),
                "`{}` is evidence of another claim: it should be `{}`",
                path.display(),
                evidence.file_name()
            );
            found.push(evidence);
        }
        found.sort_by_key(|evidence| evidence.started_at);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::tempdir;

    #[test]
    fn evidence_of_a_claim_is_never_written_over() {
        let scratch = tempdir().expect("a directory");
        let started_at = Moment::now();
        let evidence = Evidence {
            task: "a-1.0.0".into(),
            agent: "agent-1".into(),
            token: 7,
            started_at,
            finished_at: started_at,
            files: 1,
            bytes: 2,
            sha256: "00".into(),
        };
        evidence.leave(scratch.path()).expect("the first");

        let second = Evidence { agent: "agent-2".into(), ..evidence.clone() };
        assert!(second.leave(scratch.path()).is_err());

        assert_eq!(Evidence::read_all(scratch.path()).expect("readable"), [evidence]);
    }
}
