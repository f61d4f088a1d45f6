//! The published versions of the contract that are still run, besides the present one.
//!
//! `cargo xtask freeze` puts a version's files under `wit/published/`, and they never change again. To run policies
//! that were built against one, name it in [`SUPPORTED`]; the tests here say what keeps it from being run.

use super::Files;

/// The files of each older version, by name and text, as in
/// `&[("board.wit", include_str!("../../../../wit/published/1.0.0/board.wit")), …]`.
pub(super) const SUPPORTED: &[Files] = &[];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::{fs, io};

    use taskhost_board::Digest;

    use crate::contract::{Contract, Contracts, OlderContract, compare_function, compare_shape};

    fn root(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
    }

    /// Where versions are frozen: those that were published, and one that was made up for the tests.
    fn frozen() -> Vec<PathBuf> {
        let mut found = Vec::new();
        for place in ["../../wit/published", "tests/fixtures/published"] {
            match fs::read_dir(root(place)) {
                Ok(versions) => found.extend(versions.map(|entry| entry.expect("readable").path())),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound, "{place}"),
            }
        }
        assert!(!found.is_empty(), "at least the one for the tests is there");
        found
    }

    fn files(folder: &Path) -> BTreeMap<String, String> {
        let entries = fs::read_dir(folder).expect("a directory");
        let entries = entries.map(|entry| entry.expect("readable").path());
        let wit = entries.filter(|path| path.extension().is_some_and(|ending| ending == "wit"));
        wit.map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(path).expect("a text"))
        })
        .collect()
    }

    fn parsed(files: &BTreeMap<String, String>) -> Arc<Contract> {
        let files = files.iter().map(|(name, text)| (&**name, &**text));
        OlderContract::parse(files).expect("a contract").0
    }

    #[test]
    fn published_files_are_as_they_were_published() {
        for folder in frozen() {
            let sums = fs::read_to_string(folder.join("SHA256SUMS")).expect("its hashes");
            let files = files(&folder);
            let found: Vec<String> = files
                .iter()
                .map(|(name, text)| format!("{}  {name}", Digest::of(text.as_bytes())))
                .collect();
            assert_eq!(
                sums.lines().collect::<Vec<_>>(),
                found,
                "{}: a published contract never changes: undo the change, and give the present one \
                 a new version instead",
                folder.display()
            );
            let version = parsed(&files).version.to_string();
            assert_eq!(folder.file_name().and_then(|name| name.to_str()), Some(&*version));
        }
    }

    #[test]
    fn present_contract_has_all_that_supported_versions_have() {
        let contracts = Contracts::with(&[]);
        let present = contracts.present();
        let made_up = parsed(&files(&root("tests/fixtures/published/0.0.9")));
        let supported = contracts.all()[1..].iter().map(|contract| &**contract);
        for older in supported.chain([&*made_up]) {
            let lost = lost(older, present);
            assert!(
                lost.is_empty(),
                "policies that were built against {} could not be run any more: {}; add to the \
                 contract instead of changing what is there, or give up that version",
                older.version,
                lost.join("; ")
            );
        }
    }

    #[test]
    fn supported_versions_are_published() {
        let published = root("../../wit/published");
        for older in &Contracts::with(&[]).all()[1..] {
            assert!(published.join(older.version.to_string()).is_dir(), "{}", older.version);
        }
    }

    #[test]
    fn what_a_version_lost_is_told() {
        let contracts = Contracts::with(&[]);
        let present = contracts.present();
        let mut files = files(&root("../../wit"));
        let edits = [
            ("types.wit", "priority: s32,", "priority: s64,"),
            ("hooks.wit", "    staged,\n", ""),
            ("host.wit", "next: func() -> u32;", "next-number: func() -> u32;"),
        ];
        for (file, from, to) in edits {
            let text = files.get_mut(file).expect("a file of the contract");
            assert!(text.contains(from), "{from}");
            *text = text.replacen(from, to, 1);
        }
        let lost = lost(present, &parsed(&files));
        for words in [
            "whose `priority` is `s32`, and is `s64`",
            "has the cases `staged`",
            "`next` of `random` is gone",
        ] {
            assert!(lost.iter().any(|text| text.contains(words)), "{words}: {lost:#?}");
        }
    }

    // wit-parser and the guests' bindings read a directory's own files and `deps`, and nothing below them.
    #[test]
    fn published_versions_are_not_read_as_the_present_one() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let old = home.path().join("published/0.0.9");
        fs::create_dir_all(&old).expect("a fresh directory");
        for (from, to) in [("../../wit", home.path()), ("tests/fixtures/published/0.0.9", &old)] {
            for (name, text) in files(&root(from)) {
                fs::write(to.join(name), text).expect("a fresh file");
            }
        }
        let mut resolve = wit_parser::Resolve::default();
        resolve.push_dir(home.path()).expect("a contract");
        assert_eq!(resolve.packages.len(), 1);
    }

    /// What policies that were built against `older` would miss in `newer`.
    fn lost(older: &Contract, newer: &Contract) -> Vec<String> {
        let mut lost = Vec::new();
        for (old, new) in [(older.imports(), newer.imports()), (older.hooks(), newer.hooks())] {
            for (name, was) in old {
                let Some(is) = new.get(name) else {
                    lost.push(format!("`{name}` is gone"));
                    continue;
                };
                for (function, was) in &was.functions {
                    match is.functions.get(function) {
                        None => lost.push(format!("`{function}` of `{name}` is gone")),
                        Some(is) => lost.extend(compare_function(
                            &format!("they have `{function}` of `{name}`"),
                            was,
                            is,
                            "the present contract",
                        )),
                    }
                }
                for (called, was) in &was.types {
                    match is.types.get(called) {
                        None => lost.push(format!("the type `{called}` of `{name}` is gone")),
                        Some(is) => lost.extend(compare_shape(was, is).map(|difference| {
                            let subject = format!("they have `{name}`");
                            let (was, is) = (was.to_string(), is.to_string());
                            difference.told(&subject, "the type", &was, &is, "the present contract")
                        })),
                    }
                }
                for resource in &was.resources {
                    if !is.resources.contains(resource) {
                        lost.push(format!("the resource `{resource}` of `{name}` is gone"));
                    }
                }
            }
        }
        lost
    }
}
