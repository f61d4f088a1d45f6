//! Lists the files that the crate carries: the contract, the SDK, bindings, and the files of a new project.
//!
//! A list is an array of paths and contents, and goes to `carried.rs` in `OUT_DIR`. Whole directories are carried, so
//! that a file that is added to one of them can't be forgotten.

#![expect(clippy::expect_used, reason = "a build that can't go on should stop")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What is carried: the name of the list, and the directory.
const LISTS: [(&str, &str); 9] = [
    ("CONTRACT", "../../wit"),
    ("SDK_SOURCES", "../../guest/sdk/src"),
    ("SDK_WORLDS", "../../guest/sdk/wit"),
    ("PYTHON_BINDINGS", "bindings/python"),
    ("JAVASCRIPT_BINDINGS", "bindings/javascript"),
    ("RUST_FILES", "templates/rust"),
    ("PYTHON_FILES", "templates/python"),
    ("JAVASCRIPT_FILES", "templates/javascript"),
    ("C_FILES", "templates/c"),
];

fn main() {
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut source = String::new();
    for (name, directory) in LISTS {
        let directory = package.join(directory).canonicalize().expect("the directory is there");
        println!("cargo::rerun-if-changed={}", directory.display());
        let mut files = Vec::new();
        if name == "CONTRACT" {
            // Beside it stand its guide and what was published of it, which are no part of it.
            files.extend(
                entries(&directory).filter(|path| path.extension() == Some("wit".as_ref())),
            );
        } else {
            collect(&directory, &mut files);
        }
        files.sort();
        writeln!(source, "pub const {name}: &[(&str, &str)] = &[").expect("a text takes all");
        for file in files {
            let relative = file.strip_prefix(&directory).expect("it was found there");
            writeln!(source, "    ({relative:?}, include_str!({file:?})),")
                .expect("a text takes all");
        }
        source += "];\n";
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("carried.rs"), source).expect("the output directory can be written");
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for path in entries(directory) {
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory can be read");
    entries.map(|entry| entry.expect("the directory can be read").path())
}
