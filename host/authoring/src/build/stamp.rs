//! What a component was made of, kept beside it: if neither has changed, a build would be in vain.

use std::fs;
use std::path::Path;

use super::{Workshop, javascript};
use crate::carried;
use crate::digest::{self, Digest};
use crate::error::Result;
use crate::files::{replace, sources};
use crate::languages::Language;
use crate::tools::{NODE_TOOL_VERSION, PythonTool};
use crate::world;

/// The file that keeps it.
const FILE: &str = "stamp";

/// A digest of all that goes into a component.
pub struct Stamp(String);

impl Stamp {
    /// Of what is there now.
    pub fn of(at: &Workshop<'_>) -> Result<Self> {
        let language = at.project.language;
        let mut digest = Digest::default();
        digest.add(env!("CARGO_PKG_VERSION").as_bytes());
        digest.add(language.word().as_bytes());
        digest.add(tool(language).as_bytes());
        if language == Language::JavaScript {
            javascript::parts().for_each(|part| digest.add(part.as_bytes()));
        }
        digest.add_carried(carried::CONTRACT);
        let directory = &at.project.directory;
        digest.add_files(directory, &[world::FILE.into()])?;
        digest.add_files(directory, &sources(directory, extensions(language))?)?;
        Ok(Self(digest.hex()))
    }

    /// Whether this component was made of just that, and is still what was made then.
    pub fn is_on(&self, at: &Workshop<'_>, component: &Path) -> bool {
        let kept = fs::read_to_string(at.work.join(FILE));
        let now = || fs::read(component).map(|bytes| self.with(&bytes));
        kept.is_ok_and(|kept| now().is_ok_and(|now| now == kept))
    }

    /// Keeps it for the next build.
    pub fn put(&self, at: &Workshop<'_>, component: &[u8]) -> Result<()> {
        replace(&at.work.join(FILE), self.with(component).as_bytes())
    }

    fn with(&self, component: &[u8]) -> String {
        format!("made of {}\nmade {}\n", self.0, digest::of(component))
    }
}

/// Which files of a project are its source.
pub fn extensions(language: Language) -> &'static [&'static str] {
    match language {
        Language::Rust => &["rs", "toml", "wit"],
        Language::Python => &["py"],
        Language::JavaScript => &["js", "mjs", "json"],
        Language::C => &["c", "h"],
    }
}

/// What makes the component, with its version.
fn tool(language: Language) -> &'static str {
    match language {
        Language::Rust => "cargo",
        Language::Python => PythonTool::ComponentizePy.version(),
        Language::JavaScript => NODE_TOOL_VERSION,
        Language::C => PythonTool::Zig.version(),
    }
}
