//! A policy's project: one that is there, or a new one.
//!
//! A new project has one hook, `assignment`, and one line in it that decides the order; a scenario that passes; and what
//! editors need to know the contract.

use std::fs;
use std::path::{Path, PathBuf};

use crate::build::prepare;
use crate::carried;
use crate::error::{Error, Result, at};
use crate::files::{write, write_all};
use crate::languages::Language;
use crate::rust_names;

/// The longest name of a policy.
const NAME_LENGTH_MAX: usize = 64;

/// What `policy set` takes for something else than a component's name.
const WORDS: [&str; 2] = ["standard", "current"];

/// A directory with a policy's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    pub(crate) directory: PathBuf,
    pub(crate) language: Language,
    pub(crate) name: String,
}

impl Project {
    /// The project in a directory.
    ///
    /// # Errors
    ///
    /// If there is none, or its language can't be told.
    pub fn open(directory: &Path) -> Result<Self> {
        let language = Language::of(directory)?;
        Ok(Self { directory: directory.to_owned(), language, name: name_of(directory)? })
    }

    /// Makes a new one: the directory's name is the policy's.
    ///
    /// # Errors
    ///
    /// If there is something already, or the name can't be a policy's in this language; then nothing was written. Or if something can't be
    /// written.
    pub fn create(directory: &Path, language: Language) -> Result<Self> {
        let name = name_of(directory)?;
        if !is_a_name(&name) {
            return Err(Error::Name(name));
        }
        if WORDS.contains(&name.as_str()) {
            return Err(Error::Word(name));
        }
        if let (Language::Rust, Some(taken)) = (language, rust_names::taken(&name)) {
            return Err(Error::Taken { name, taken });
        }
        let is_free = match fs::read_dir(directory) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if !is_free {
            return Err(Error::Exists(directory.to_owned()));
        }
        for (path, content) in language.template() {
            let path = path.strip_suffix(".in").unwrap_or(path);
            let content = filled_in(content, &name);
            write(&directory.join(path), content.as_bytes())?;
        }
        let project = Self { directory: directory.to_owned(), language, name };
        if language == Language::Rust {
            let sdk = directory.join("vendor/sdk");
            write_all(&directory.join("wit"), carried::CONTRACT)?;
            write_all(&sdk.join("src"), carried::SDK_SOURCES)?;
            write_all(&sdk.join("wit"), carried::SDK_WORLDS)?;
            write(&sdk.join("LICENSE"), carried::LICENSE.as_bytes())?;
        } else {
            prepare(&project, &project.directory.join("build"))?;
        }
        Ok(project)
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What it is written in.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }

    /// What it is called: the name of its directory.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file whose one line decides the order in a new project.
    #[must_use]
    pub fn source(&self) -> &'static str {
        match self.language {
            Language::Rust => "src/lib.rs",
            other => other.file(),
        }
    }
}

fn name_of(directory: &Path) -> Result<String> {
    let name = match directory.file_name() {
        Some(name) => name.to_owned(),
        // `.`, or the like.
        None => {
            let whole = directory.canonicalize().map_err(at(directory))?;
            whole.file_name().unwrap_or_default().to_owned()
        }
    };
    Ok(name.to_string_lossy().into_owned())
}

/// It becomes the name of a package, of a file and of a policy.
fn is_a_name(name: &str) -> bool {
    let is_in_it = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    name.len() <= NAME_LENGTH_MAX
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(is_in_it)
}

fn filled_in(template: &str, name: &str) -> String {
    template
        .replace("{{name}}", name)
        .replace("{{library}}", &rust_names::library(name))
        .replace("{{version}}", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_a_word_that_a_package_may_have() {
        for name in ["mine", "newest-first", "p2", "My_Policy"] {
            assert!(is_a_name(name), "{name}");
        }
        for name in ["", "2p", "-x", ".x", "a b", "größe", "a/b", "a.b", "{{name}}"] {
            assert!(!is_a_name(name), "{name}");
        }
        assert!(!is_a_name(&"a".repeat(NAME_LENGTH_MAX + 1)));
    }

    #[test]
    fn project_is_made_only_where_there_is_nothing() {
        let folder = tempfile::tempdir().expect("there is room");
        for language in Language::ALL {
            let directory = folder.path().join(language.word());
            fs::create_dir(&directory).expect("an empty directory is as good as none");
            let made = Project::create(&directory, language).expect("it can be made");
            assert_eq!(Project::open(&directory).expect("it is there"), made);
            assert!(directory.join(made.source()).is_file());
            assert!(matches!(Project::create(&directory, language), Err(Error::Exists(_))));
        }
        let file = folder.path().join("file");
        fs::write(&file, "").expect("it can be written");
        assert!(matches!(Project::create(&file, Language::C), Err(Error::Exists(_))));
        // A project of this name was made in Rust, and could never be built.
        let reserved = folder.path().join("self");
        assert!(matches!(Project::create(&reserved, Language::Rust), Err(Error::Taken { .. })));
        assert!(!reserved.exists());
        Project::create(&reserved, Language::C).expect("in C it is a name as any other");
        // A policy of this name could be built, and `policy set standard` didn't set it.
        for word in WORDS {
            let error = Project::create(&folder.path().join(word), Language::C);
            let error = error.expect_err("it is a word of `policy set`").to_string();
            assert!(error.contains(&format!("`taskhost policy set {word}`")), "{error}");
            assert!(!folder.path().join(word).exists());
        }
        let strange = folder.path().join("2nd");
        assert!(matches!(Project::create(&strange, Language::C), Err(Error::Name(_))));
        assert!(!strange.exists());
    }

    #[test]
    fn no_place_for_a_name_is_left_in_a_new_project() {
        let folder = tempfile::tempdir().expect("there is room");
        for language in Language::ALL {
            let directory = folder.path().join(format!("of-{}", language.word()));
            let project = Project::create(&directory, language).expect("it can be made");
            let mut is_named = false;
            for (path, _) in language.template() {
                let path = directory.join(path.strip_suffix(".in").unwrap_or(path));
                let text = fs::read_to_string(&path).expect("it was written");
                assert!(!text.contains("{{"), "{}", path.display());
                // What a policy is called stands in its source, and a crate's in its manifest.
                is_named |= text.contains(&format!("\"{}\"", project.name()));
            }
            assert!(is_named, "{}", language.word());
        }
    }
}
