//! The table in `guest/examples/README.md`: it leaves nothing of the contract out, and says only what is so.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use taskhost_tests::workspace;

/// Each row: what is shown, and the examples that show it.
fn table() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(workspace().join("guest/examples/README.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.trim().trim_matches('|').split('|').map(str::trim);
        let shown = cells.next()?.strip_prefix('`')?.strip_suffix('`')?.to_owned();
        Some((shown, cells.next()?.split(", ").map(str::to_owned).collect()))
    });
    rows.collect()
}

/// The interfaces and resources of a file of the contract, each with its functions, as `transaction.claim`.
fn functions(file: &str) -> Vec<String> {
    let text = fs::read_to_string(workspace().join("wit").join(file)).unwrap();
    let mut owner = String::new();
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        let mut words = line.split([' ', ':', '{']);
        match (words.next(), line.contains(": func(")) {
            // A resource without methods has nothing to show.
            (Some("interface" | "resource"), _) if !line.ends_with("{}") => {
                owner = words.next().unwrap_or_default().to_owned();
            }
            (Some(name), true) => found.push(format!("{owner}.{name}")),
            _ => {}
        }
    }
    found
}

/// What an example is written in, its sources one after the other.
fn source(example: &str) -> String {
    fn read(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if path.is_dir() && !path.ends_with("build") && !path.ends_with("scenarios") {
                read(&path, text);
            } else if let Some("rs" | "py" | "js" | "c" | "wit") = extension {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut text = String::new();
    read(&workspace().join("guest/examples").join(example), &mut text);
    text
}

/// Whether a source calls this function of the contract, in the way of its language.
fn shows(source: &str, shown: &str) -> bool {
    let (owner, function) = shown.split_once('.').unwrap_or(("", shown));
    let snake = function.replace('-', "_");
    let camel: String = function
        .split('-')
        .enumerate()
        .map(
            |(n, word)| {
                if n == 0 { word.to_owned() } else { word[..1].to_uppercase() + &word[1..] }
            },
        )
        .collect();
    match owner {
        // A hook: what the SDK's macro names, or the author's world exports.
        "" => {
            let macro_line = source.lines().find(|line| line.contains("taskhost_sdk::policy!("));
            macro_line.is_some_and(|line| line.contains(function))
                || source.contains(&format!("export taskhost:policy/{function}@"))
        }
        "view" => [format!("view.{snake}("), format!("view.{camel}("), format!("view_{snake}(")]
            .iter()
            .any(|call| source.contains(call)),
        "transaction" => {
            [format!("tx.{snake}("), format!("tx.{camel}("), format!("transaction_{snake}(")]
                .iter()
                .any(|call| source.contains(call))
                // What the SDK has for the usual claim.
                || (shown == "transaction.claim" && source.contains(".claim_first("))
        }
        "settings" => {
            source.contains("Setting<")
                || source.contains("settings.get(")
                || source.contains("taskhost:policy/settings@")
                || source.contains("policy_settings_get(")
        }
        _ => {
            [
                format!("{owner}::{snake}("),
                format!("{owner}.{snake}("),
                format!("policy_{owner}_{snake}("),
            ]
            .iter()
            .any(|call| source.contains(call))
                || source.contains(&format!("taskhost:policy/{owner}@"))
        }
    }
}

#[test]
fn table_of_examples_says_what_each_shows_and_leaves_nothing_out() {
    let table = table();
    let mut all = functions("host.wit");
    all.extend(functions("transactions.wit"));
    all.extend(functions("board.wit").into_iter().filter(|name| name.starts_with("view.")));
    let hooks = ["readiness", "assignment", "lifecycle", "recovery"].map(str::to_owned);
    all.extend(hooks);
    let missing: Vec<_> = all.iter().filter(|shown| !table.contains_key(*shown)).collect();
    assert!(missing.is_empty(), "the table has no row for {missing:?}");

    for (shown, examples) in &table {
        assert!(all.contains(shown), "the contract has no `{shown}`");
        assert!(!examples.is_empty(), "nothing shows `{shown}`");
        for example in examples {
            assert!(shows(&source(example), shown), "`{example}` doesn't show `{shown}`");
        }
    }
    for example in fs::read_dir(workspace().join("guest/examples")).unwrap() {
        let example = example.unwrap();
        if !example.path().is_dir() {
            continue;
        }
        let name = example.file_name().to_string_lossy().into_owned();
        let source = source(&name);
        for (shown, examples) in &table {
            let says = examples.contains(&name);
            assert_eq!(shows(&source, shown), says, "`{name}` and `{shown}`");
        }
    }
}
