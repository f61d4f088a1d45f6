//! What a component was made of, kept beside it: if neither has changed, a build would be in vain.

use std::fs;
use std::path::Path;

use super::{Workshop, c, javascript, python};
use crate::carried;
use crate::digest::{self, Digest};
use crate::error::Result;
use crate::files::{includable, replace, sources};
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
        match language {
            Language::JavaScript => {
                javascript::parts().for_each(|part| digest.add(part.as_bytes()));
            }
            Language::C => {
                c::FLAGS.iter().for_each(|flag| digest.add(flag.as_bytes()));
                digest.add(c::ASSERT.as_bytes());
            }
            Language::Python => digest.add(python::ENTRY_SOURCE.as_bytes()),
            Language::Rust => {}
        }
        digest.add_carried(carried::CONTRACT);
        let directory = &at.project.directory;
        digest.add_files(directory, &[world::FILE.into()])?;
        let files = match language {
            // It is built from copies of these, and so of nothing else.
            Language::Python | Language::JavaScript => sources(directory, extensions(language))?,
            // A source includes whatever it likes.
            Language::C | Language::Rust => includable(directory)?,
        };
        digest.add_files(directory, &files)?;
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

/// Which files of a project it is built of.
pub fn extensions(language: Language) -> &'static [&'static str] {
    match language {
        Language::Rust => &["rs", "toml", "wit"],
        Language::Python => &["py"],
        Language::JavaScript => &["js", "mjs", "json"],
        Language::C => &["c"],
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::files::write;
    use crate::project::Project;
    use crate::tools::{Installing, Tools};

    struct Made {
        folder: tempfile::TempDir,
        project: Project,
    }

    impl Made {
        fn new(language: Language) -> Self {
            let folder = tempfile::tempdir().expect("there is room");
            let project = Project::create(&folder.path().join("mine"), language);
            Self { folder, project: project.expect("it can be made") }
        }

        fn stamp(&self) -> String {
            let tools = Tools::in_directory(self.folder.path(), Installing::Forbidden, &|_| ());
            let work = PathBuf::from("build");
            Stamp::of(&Workshop { project: &self.project, tools: &tools, work })
                .expect("it is whole")
                .0
        }

        /// Whether a project with this file, or another content of it, is another one.
        fn depends_on(&self, path: &str) -> bool {
            let path = self.project.directory().join(path);
            let mut stamps = vec![self.stamp()];
            for content in ["one", "two"] {
                write(&path, content.as_bytes()).expect("it can be written");
                stamps.push(self.stamp());
            }
            stamps.dedup();
            assert!([1, 3].contains(&stamps.len()), "{} counts always or never", path.display());
            stamps.len() == 3
        }
    }

    /// Only `.c` and `.h` were looked at, so a table in an `.inc` could be changed and the component stayed as it was,
    /// "up to date".
    #[test]
    fn whatever_c_can_include_is_part_of_it() {
        let made = Made::new(Language::C);
        for path in ["policy.c", "more.c", "a.h", "table.inc", "sub/data", "scenarios/cases.inc"] {
            assert!(made.depends_on(path), "{path}");
        }
        for path in ["scenarios/new.scenario", "mine.wasm", "build/c/policy.h", ".cache/index"] {
            assert!(!made.depends_on(path), "{path}");
        }
    }

    #[test]
    fn python_and_javascript_are_built_of_what_is_copied() {
        for (language, source) in [(Language::Python, "a/b.py"), (Language::JavaScript, "a/b.mjs")]
        {
            let made = Made::new(language);
            assert!(made.depends_on(source), "{source}");
            assert!(!made.depends_on("notes.txt") && !made.depends_on("scenarios/b.py"));
        }
    }
}
