//! The benchmark itself, made as small as it goes: that it works, and not how fast anything is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Those that take a moment.
const PARTS: [&str; 4] = ["claims", "one-shot", "policy", "postgres"];

fn measure(out: &Path) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.args(["--quick", "--rounds", "1", "--out"]).arg(out);
    command.args(PARTS.map(|part| format!("--only={part}")));
    // Compiled policies are kept, but not where the user's are.
    command.env("XDG_CACHE_HOME", out.join("cache"));
    let output = command.output().expect("the program can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).expect("the table is text");
    assert_eq!(table, fs::read_to_string(out.join("results.md")).expect("it was written"));
    let text = fs::read_to_string(out.join("results.json")).expect("it was written");
    serde_json::from_str(&text).expect("it is JSON")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("`{name}` is a text in {value}"))
}

/// All elements of a picture are closed where they were opened, so that a browser shows it.
fn expect_svg(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let end = at + rest[at..].find('>').expect("every `<` has its `>`");
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if tag.starts_with(['?', '!']) {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name.trim()));
            continue;
        }
        let name = tag.split([' ', '\n', '/']).next().expect("an element has a name");
        seen.insert(name);
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} is still open");
    assert!(seen.contains("svg") && seen.contains("polyline"), "{seen:?}");
}

#[test]
fn quick_run_measures_each_figure_and_draws_it() {
    let out = tempfile::tempdir().expect("there is room for a temporary directory");
    let results = measure(out.path());

    assert_eq!(results["quick"], Value::Bool(true), "nobody takes these figures for measured ones");
    let figures = results["figures"].as_array().expect("there are figures");
    let of = |part| figures.iter().filter(move |figure| text(figure, "part") == part);
    // At 1, 4 and 16 processes: to the bare loop, to SQLite, a JSON file; and the share of the slowest of several.
    assert_eq!(of("claims").count(), 3 + 3 + 3 + 2);
    // To a small board; and to `sqlite3` where it is installed, once with the database open elsewhere and once without.
    assert!((2..=3).contains(&of("one-shot").count()));
    assert_eq!(of("policy").count(), 3);
    // Agents of one process, alone and four, and four processes; what claims leave behind, and what that costs. Or that there
    // is no PostgreSQL here.
    assert!([5, 1].contains(&of("postgres").count()));
    let whats: BTreeSet<&str> = figures.iter().map(|figure| text(figure, "what")).collect();
    assert_eq!(whats.len(), figures.len(), "each figure has a name of its own");
    for figure in figures {
        let is_measured = figure["measured"].is_object();
        assert_eq!(is_measured, text(figure, "verdict") != "not_measured", "{figure}");
        if !is_measured {
            assert!(!text(figure, "note").is_empty(), "it is said why: {figure}");
            continue;
        }
        for series in figure["beside"].as_array().expect("there are absolute figures") {
            let rounds = series["rounds"].as_array().expect("there are rounds");
            let rounds: Vec<f64> = rounds.iter().filter_map(Value::as_f64).collect();
            assert_eq!(rounds.len(), 1, "{figure}");
            // Of many processes in a short run, one may come too late to get anything.
            let is_share = text(series, "unit") == "ratio";
            assert!(rounds.iter().all(|value| is_share || *value > 0.0), "{figure}");
        }
    }
    let syncs = results["syncs"]["rounds"].as_array().expect("there are syncs");
    assert_eq!(syncs.len(), PARTS.len() + 1);
    // All of the rules were measured, with and without WebAssembly.
    assert!(of("policy").any(|figure| figure["measured"].is_object()));
    assert!(of("claims").all(|figure| figure["measured"].is_object()));

    let picture = fs::read_to_string(out.path().join("throughput.svg")).expect("it was drawn");
    expect_svg(&picture);
    let lines = results["plots"]["throughput"].as_array().expect("there are lines");
    assert_eq!(lines.len(), 4);
    for line in lines {
        assert_eq!(line["points"].as_array().map(Vec::len), Some(3));
        assert!(picture.contains(text(line, "name")), "{line}");
    }
}

#[test]
fn parts_are_listed_and_an_unknown_one_is_refused() {
    let bench = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
        command.args(arguments).output().expect("the program can be started")
    };
    let listed = bench(&["--list"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(PARTS.iter().all(|part| listed.contains(part)), "{listed}");

    let refused = bench(&["--only", "nothing"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("`nothing`"));
}
