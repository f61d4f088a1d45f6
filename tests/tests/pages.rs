//! What the pages of this project claim about tests: each row of a table names at least one, and each named one exists.
//!
//! A page names a test as `path :: test_name`, the path from the workspace's directory.

use std::fs;
use std::path::Path;

/// The workspace's directory.
fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A test that a page names.
#[derive(Debug, PartialEq, Eq)]
struct Named<'a> {
    file: &'a str,
    test: &'a str,
}

/// The tests that a text names.
fn named(text: &str) -> Vec<Named<'_>> {
    let inside = text.split('`').skip(1).step_by(2);
    let parts = inside.filter_map(|code| code.split_once(" :: "));
    parts.map(|(file, test)| Named { file, test }).collect()
}

/// Why this is not a test; nothing if it is one.
fn what_is_wrong(named: &Named<'_>) -> Option<String> {
    let Named { file, test } = named;
    let Ok(source) = fs::read_to_string(workspace().join(file)) else {
        return Some(format!("there is no `{file}`"));
    };
    let head = format!("fn {test}(");
    let Some(at) = source.find(&head) else {
        return Some(format!("`{file}` has no test `{test}`"));
    };
    // The attribute stands above it, with nothing but other attributes, comments and empty lines between.
    let above = source[..at].lines().rev().skip(usize::from(!source[..at].ends_with('\n')));
    let mut above = above.map(str::trim).take_while(|line| !line.ends_with(['}', ';']));
    let is_test = above.any(|line| line == "#[test]") || source[..at].contains("proptest!");
    (!is_test).then(|| format!("`{test}` in `{file}` is not a test"))
}

/// The rows of a page's tables, without their heads.
fn rows(page: &str) -> Vec<&str> {
    let mut rows = Vec::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let is_head = lines.peek().is_some_and(|next| next.starts_with("| ---"));
        if line.starts_with('|') && !line.starts_with("| ---") && !is_head {
            rows.push(line);
        }
    }
    rows
}

/// Checks a page whose every row says by which tests it is shown, and gives the number of its rows.
fn check(path: &str) -> usize {
    let page = fs::read_to_string(workspace().join(path)).expect("the page is there");
    let rows = rows(&page);
    let unshown = rows.iter().filter(|row| named(row).is_empty());
    let mut wrong: Vec<String> =
        unshown.map(|row| format!("no test is named in the row: {row}")).collect();
    wrong.extend(named(&page).iter().filter_map(what_is_wrong));
    assert!(wrong.is_empty(), "{path}:\n{}", wrong.join("\n"));
    rows.len()
}

// A page went on promising what a test had once shown, long after the test had another name.
#[test]
fn every_hazard_is_shown_by_tests_that_exist() {
    // The seven of other designs, and the thirty-two of systems in use.
    assert!(check("tests/HAZARDS.md") >= 30);
}

#[test]
fn every_boundary_of_the_security_model_is_shown_by_tests_that_exist() {
    assert!(check("host/SECURITY.md") >= 20);
}

#[test]
fn row_that_names_no_test_and_test_that_is_none_are_found_out() {
    let page = "| what | shown by |\n| --- | --- |\n| a | `tests/tests/pages.rs :: no_such_test` |\n| b | - |";
    assert_eq!(rows(page).len(), 2);
    assert!(named(rows(page)[1]).is_empty());
    let wrong = |file, test| what_is_wrong(&Named { file, test });
    assert!(wrong("tests/tests/pages.rs", "no_such_test").is_some());
    assert!(wrong("tests/tests/pages.rs", "workspace").is_some(), "a function, and no test");
    assert!(wrong("no/such/file.rs", "x").is_some());
    let this = "row_that_names_no_test_and_test_that_is_none_are_found_out";
    assert_eq!(wrong("tests/tests/pages.rs", this), None);
}
