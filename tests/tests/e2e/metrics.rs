//! Metrics as Prometheus reads them, by a parser that accepts less than Prometheus does.

use std::collections::{BTreeMap, BTreeSet};

use taskhost_tests::TestBoard;

/// A sample's name and labels.
pub(crate) type Series = (String, BTreeMap<String, String>);

/// What a scrape says.
pub(crate) struct Scrape {
    kinds: BTreeMap<String, String>,
    pub(crate) samples: BTreeMap<Series, f64>,
}

fn is_name(text: &str) -> bool {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    first && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The labels between the braces; escapes are `\\`, `\"` and `\n`.
fn labels(mut text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    loop {
        let (name, rest) = text.split_once("=\"").unwrap();
        assert!(is_name(name), "{name}");
        let (mut value, mut chars) = (String::new(), rest.char_indices());
        let end = loop {
            match chars.next().unwrap() {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next().unwrap().1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    other => panic!("`\\{other}` is no escape"),
                }),
                (_, c) => value.push(c),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "`{name}` is there twice");
        match &rest[end + 1..] {
            "" => return labels,
            more => text = more.strip_prefix(',').unwrap(),
        }
    }
}

/// Each family is its help, its type and its samples, in one piece and once; nothing else is there.
pub(crate) fn parse(text: &str) -> Scrape {
    assert!(text.ends_with('\n') && !text.contains("\n\n") && !text.contains('\r'));
    let mut scrape = Scrape { kinds: BTreeMap::new(), samples: BTreeMap::new() };
    let (mut family, mut has_type) = (String::new(), true);
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            assert!(has_type, "`{family}` has no type");
            let (name, said) = help.split_once(' ').unwrap();
            assert!(
                is_name(name) && name.starts_with("taskhost_") && said.ends_with('.'),
                "{line}"
            );
            assert!(!scrape.kinds.contains_key(name), "`{name}` is there twice");
            (family, has_type) = (name.to_owned(), false);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(name == family && !has_type, "{line}");
            assert!(["counter", "gauge", "summary"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            has_type = true;
            scrape.kinds.insert(family.clone(), kind.to_owned());
        } else {
            let (name, rest) = line.split_once('{').unwrap();
            let (inside, value) = rest.rsplit_once("} ").unwrap();
            let is_summary = scrape.kinds[&family] == "summary";
            let part = name.strip_prefix(&*family).unwrap();
            assert!(
                has_type && (part.is_empty() || is_summary && ["_sum", "_count"].contains(&part)),
                "{line}"
            );
            let labels = labels(inside);
            assert_eq!(labels.contains_key("quantile"), is_summary && part.is_empty(), "{line}");
            let value: f64 = value.parse().unwrap();
            assert!(value >= 0.0 || is_summary && value.is_nan(), "{line}");
            assert!(
                scrape.samples.insert((name.to_owned(), labels), value).is_none(),
                "{line} is there twice"
            );
        }
    }
    scrape
}

impl Scrape {
    fn of(board: &TestBoard) -> Self {
        parse(&board.run_plain(&["stats", "--prometheus"]).exits(0).stdout)
    }

    /// The value of the only series of this name with this label.
    #[track_caller]
    fn value(&self, name: &str, label: Option<(&str, &str)>) -> f64 {
        let wanted = |(it, labels): &&Series| {
            it == name
                && label.is_none_or(|(label, value)| labels.get(label).is_some_and(|v| v == value))
        };
        let found: Vec<&Series> = self.samples.keys().filter(wanted).collect();
        assert_eq!(found.len(), 1, "{name} {label:?}: {found:?}");
        self.samples[found[0]]
    }
}

#[test]
fn metrics_say_what_status_and_stats_say() {
    let board = TestBoard::new();
    board.add(&["a", "b", "c", "d"]);
    board.run(&["add", "work", "--id", "e", "--after", "d"]).exits(0);
    let (id, token) = board.claim("ada");
    board.run(&["complete", &id, "--agent", "ada", "--token", &token]).exits(0);
    board.claim("ada");
    board.claim("bob");
    let scrape = Scrape::of(&board);
    let status = |status| scrape.value("taskhost_tasks", Some(("status", status)));
    assert_eq!((status("completed"), status("in_progress"), status("pending")), (1.0, 2.0, 2.0));
    let state = |state| scrape.value("taskhost_pending_tasks", Some(("state", state)));
    assert_eq!((state("ready"), state("waiting"), state("timed")), (1.0, 1.0, 0.0));
    let value = |name| scrape.value(name, None);
    assert_eq!((value("taskhost_claims_held"), value("taskhost_claims_total")), (2.0, 3.0));
    assert!(
        value("taskhost_oldest_ready_task_age_seconds")
            > value("taskhost_oldest_claim_age_seconds")
    );
    assert!(value("taskhost_oldest_claim_age_seconds") > 0.0);
    assert!(value("taskhost_measured_since_timestamp_seconds") > 1.6e9);
    let stats = board.run(&["stats"]).exits(0).json();
    let journal = scrape.value("taskhost_disk_bytes", Some(("part", "journal")));
    assert_eq!(Some(journal), stats["disk"]["journal_bytes"].as_f64());
    // All of it, but for the figures of the process that asks.
    let total = stats["disk"]["total_bytes"].as_f64().unwrap();
    let parts = scrape.samples.iter().filter(|((name, _), _)| name == "taskhost_disk_bytes");
    let sum: f64 = parts.map(|(_, bytes)| bytes).sum();
    assert!((sum - total).abs() < 256.0 * 1024.0, "{sum} of {total}");
    let assigned = Some(("hook", "assignment"));
    assert!(scrape.value("taskhost_hook_seconds_count", assigned) >= 3.0);
    assert!(scrape.value("taskhost_hook_memory_max_bytes", assigned) > 0.0);
    for part in ["lock_wait", "lock_hold", "sync"] {
        let count = scrape.value(&format!("taskhost_{part}_seconds_count"), None);
        assert!(count > 0.0 && scrape.value(&format!("taskhost_{part}_seconds_sum"), None) >= 0.0);
        let quantile = |q| scrape.value(&format!("taskhost_{part}_seconds"), Some(("quantile", q)));
        let quantiles = ["0.5", "0.9", "0.99", "0.999", "1"].map(quantile);
        assert!(quantiles.is_sorted(), "{part}: {quantiles:?}");
    }
    let boards: BTreeSet<&str> =
        scrape.samples.keys().map(|(_, labels)| &*labels["board"]).collect();
    assert_eq!(boards, BTreeSet::from([&*board.address().to_string()]));
}

#[test]
fn counters_never_go_down() {
    let board = TestBoard::new();
    let ids: Vec<String> = (0..12).map(|n| format!("t{n}")).collect();
    board.add(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let mut before = Scrape::of(&board);
    for _ in 0..6 {
        let (id, token) = board.claim("ada");
        board.run(&["fail", &id, "--agent", "ada", "--token", &token]).exits(0);
        board.run(&["compact"]).exits(0);
        let after = Scrape::of(&board);
        for (series, value) in &before.samples {
            let name = &series.0;
            let counts = ["_total", "_sum", "_count"].iter().any(|end| name.ends_with(end));
            assert!(!counts || after.samples[series] >= *value, "{series:?}");
        }
        assert!(
            after.value("taskhost_claims_total", None)
                > before.value("taskhost_claims_total", None)
        );
        before = after;
    }
}

#[test]
fn json_and_prometheus_at_once_is_a_mistake() {
    let board = TestBoard::new();
    board.run(&["stats", "--prometheus"]).exits(2);
}
