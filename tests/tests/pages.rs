//! What the pages of this project claim about tests: each row of a table names at least one, and each named one exists.
//! And each bug that can be planted has a row, whose tests plant it.
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

/// The same of a test of the contract: one that its suite lists is run on every store.
fn what_is_wrong_in_the_contract(source: &str, module: &str, test: &str) -> Option<String> {
    let suite = source_of("tests/contract/src/lib.rs");
    let module = module.trim_end_matches(".rs");
    let listed = suite.split_once(&format!("            {module} {{")).map(|(_, rest)| rest);
    let listed = listed.and_then(|rest| rest.split_once('}')).map_or("", |(tests, _)| tests);
    let is_test = source.contains(&format!("fn {test}("))
        && listed.split_whitespace().any(|name| name == test);
    (!is_test).then(|| format!("the contract has no test `{module}::{test}`"))
}

/// Why this is not a test; nothing if it is one.
fn what_is_wrong(named: &Named<'_>) -> Option<String> {
    let Named { file, test } = named;
    let Ok(source) = fs::read_to_string(workspace().join(file)) else {
        return Some(format!("there is no `{file}`"));
    };
    if file.ends_with(".py") {
        // What pytest collects: a function of the module that is called so.
        let is_test = test.starts_with("test_") && source.contains(&format!("\ndef {test}("));
        return (!is_test).then(|| format!("`{file}` has no test `{test}`"));
    }
    if let Some(module) = file.strip_prefix("tests/contract/src/") {
        return what_is_wrong_in_the_contract(&source, module, test);
    }
    let head = format!("fn {test}(");
    let Some(at) = source.find(&head) else {
        let is_made = is_made_by_a_macro(&source, test);
        return (!is_made).then(|| format!("`{file}` has no test `{test}`"));
    };
    // The attribute stands above it, with nothing but other attributes, comments and empty lines between.
    let above = source[..at].lines().rev().skip(usize::from(!source[..at].ends_with('\n')));
    let mut above = above.map(str::trim).take_while(|line| !line.ends_with(['}', ';']));
    let is_test = above.any(|line| line == "#[test]") || source[..at].contains("proptest!");
    (!is_test).then(|| format!("`{test}` in `{file}` is not a test"))
}

/// Whether a macro makes this test, of a line such as `test_name: "what it is given",`.
fn is_made_by_a_macro(source: &str, test: &str) -> bool {
    let words: Vec<&str> = source.split_whitespace().collect();
    let makes = words.join(" ").contains("#[test] fn $test() {");
    let line = format!("{test}: \"");
    makes && source.lines().any(|known| known.trim_start().starts_with(&line))
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
    let page = source_of(path);
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
    // The seven of other designs, and the thirty-three of systems in use.
    assert!(check("tests/HAZARDS.md") >= 30);
}

/// Where bugs that can be planted are listed.
const PLANTED: [&str; 2] = ["host/board/src/engine/planted.rs", "host/store-file/src/options.rs"];

fn source_of(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).expect("the source is there")
}

/// The variants of the enum `PlantedBug` in this source.
fn planted(source: &str) -> Vec<&str> {
    let body = source.split_once("pub enum PlantedBug {").map_or("", |(_, after)| after);
    let lines = body.lines().map(str::trim).take_while(|line| *line != "}");
    lines
        .filter(|line| !line.starts_with(['/', '#']))
        .filter_map(|line| line.strip_suffix(','))
        .collect()
}

/// The source of one test, up to the end of its function.
fn body(named: &Named<'_>) -> String {
    let source = source_of(named.file);
    let from = source.split_once(&format!("fn {}(", named.test)).map_or("", |(_, after)| after);
    from.split_once("\n}\n").map_or(from, |(body, _)| body).to_owned()
}

// A bug could be planted that no check was shown to find: what the check was for stayed a hope.
#[test]
fn every_bug_that_can_be_planted_has_a_row_and_tests_that_plant_it() {
    let page = source_of("tests/HAZARDS.md");
    let section = page.split_once("## Bugs that are planted").map_or("", |(_, after)| after);
    let rows: Vec<(&str, &str)> = rows(section)
        .into_iter()
        .map(|row| (row.split('`').nth(1).unwrap_or_default(), row))
        .collect();
    let sources = PLANTED.map(source_of);
    let mut bugs: Vec<&str> = sources.iter().flat_map(|source| planted(source)).collect();
    for (bug, row) in &rows {
        for test in named(row) {
            assert!(body(&test).contains(&format!("::{bug}")), "{test:?} does not plant `{bug}`");
        }
    }
    let mut listed: Vec<&str> = rows.iter().map(|(bug, _)| *bug).collect();
    listed.sort_unstable();
    bugs.sort_unstable();
    assert_eq!(listed, bugs);
    assert!(sources.iter().all(|source| !planted(source).is_empty()));
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
    assert!(wrong("tests/simulated/tests/crashes.rs", "claim").is_none(), "one that a macro makes");
    assert!(wrong("tests/simulated/tests/crashes.rs", "no_such_operation").is_some());
    let this = "row_that_names_no_test_and_test_that_is_none_are_found_out";
    assert_eq!(wrong("tests/tests/pages.rs", this), None);
}
