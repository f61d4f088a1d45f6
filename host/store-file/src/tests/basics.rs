//! A board in real files, when nothing goes wrong.

use super::*;

#[test]
fn tasks_go_from_hand_to_hand_and_are_there_when_the_board_is_opened_again() {
    let (directory, store) = fresh();
    let one = engine(&store);
    add(&one, "a", &[]);
    add(&one, "b", &["a"]);
    let (first, token) = claim(&one, "x").unwrap();
    assert_eq!(first, id("a"));
    assert_eq!(claim(&one, "y"), None);
    complete(&one, "x", &first, token);
    drop((one, store));

    let store = open(&board(&directory));
    let two = engine(&store);
    let (second, token) = claim(&two, "y").unwrap();
    assert_eq!(second, id("b"));
    assert_eq!(token, Token(2));
    assert!(whole_history(&store) >= 5);
    assert!(store.index_pages() > 0);
    assert_clean(&store);
}

#[test]
fn one_handle_sees_what_another_committed() {
    let (directory, one) = fresh();
    let two = open(&board(&directory));
    assert_eq!(remember(&one, "k").unwrap(), Sequence(1));
    assert_eq!(remember(&two, "l").unwrap(), Sequence(2));
    let (view, _) = one.snapshot().unwrap();
    assert!(recalls(&*view, "k") && recalls(&*view, "l"));
    assert_eq!(one.mark().unwrap().newest, Sequence(2));
    assert_clean(&one);
}

#[test]
fn a_second_init_is_refused() {
    let (directory, _store) = fresh();
    let before = files(&board(&directory));
    let again = FileStore::init(&board(&directory), &plan(), OpenOptions::default());
    assert!(matches!(again, Err(crate::InitError::Exists)));
    assert_eq!(files(&board(&directory)), before);
}

#[test]
fn of_two_inits_at_once_one_makes_the_board() {
    let directory = tempfile::tempdir().unwrap();
    let path = board(&directory);
    let results: Vec<bool> = std::thread::scope(|scope| {
        let init = || FileStore::init(&path, &plan(), OpenOptions::default()).is_ok();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(init)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|made| **made).count(), 1);
    assert_clean(&open(&path));
}

#[test]
fn where_there_is_no_board_the_error_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    for path in [directory.path().to_owned(), directory.path().join("missing")] {
        let error = FileStore::open(&path, OpenOptions::default()).err().unwrap();
        assert!(error.to_string().contains("run `taskhost init`"), "{error}");
    }
}

#[test]
fn compaction_makes_the_journal_short_and_keeps_board_and_history() {
    let (directory, store) = fresh();
    let late = open(&board(&directory));
    let engine = engine(&store);
    for number in 0..20 {
        add(&engine, &format!("t{number}"), &[]);
    }
    let (task, token) = claim(&engine, "x").unwrap();
    let entries = history(&store);
    store.compact(far()).unwrap();
    let names = files(&board(&directory));
    assert_eq!(names["journal-2.jsonl"], b"");
    assert!(!names.contains_key("journal-1.jsonl") && !names.contains_key("tasks-1.jsonl"));
    complete(&engine, "x", &task, token);
    assert_eq!(remember(&late, "k").unwrap().0, entries.len() as u64 + 2);
    assert_eq!(history(&late), numbers(entries.len() as u64 + 2));
    assert_clean(&late);
    store.compact(far()).unwrap();
    assert_eq!(history(&late), numbers(entries.len() as u64 + 2));
    assert_clean(&store);
}

#[test]
fn a_new_policy_decides_for_every_handle_at_once() {
    let (directory, store) = fresh();
    let late = open(&board(&directory));
    let engine = engine(&store);
    for number in 0..600 {
        add(&engine, &format!("t{number}"), &[]);
    }
    set_policy(&engine, OTHER).unwrap();
    let (view, _) = late.snapshot().unwrap();
    assert_eq!(view.policies().unwrap().leading().digest, Digest::of(OTHER));
    assert_eq!(view.head().unwrap().counts.ready, 600);
    assert_eq!(late.component(Digest::of(OTHER)).unwrap(), OTHER);
    assert_eq!(whole_history(&late), 601);
    assert_clean(&late);
}

#[test]
fn a_policy_set_that_expects_another_policy_changes_nothing() {
    let (directory, store) = fresh();
    let change = PolicyChange {
        target: PolicyTarget::Component(OTHER.to_vec()),
        settings: BTreeMap::new(),
        standard_settings: BTreeMap::new(),
        expect: Some(Digest::of(b"neither")),
    };
    assert!(engine(&store).set_policy(&change, far()).is_err());
    assert!(files(&board(&directory)).contains_key("journal-1.jsonl"));
    assert_clean(&store);
}

#[test]
fn what_people_read_is_one_json_line_per_entry() {
    let (directory, store) = fresh();
    remember(&store, "k").unwrap();
    remember(&store, "l").unwrap();
    let journal = String::from_utf8(files(&board(&directory))["journal-1.jsonl"].clone()).unwrap();
    let lines: Vec<serde_json::Value> =
        journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["prev"], lines[0]["sum"]);
    assert_eq!(lines[1]["seq"], 2);
    assert_eq!(lines[1]["gen"], 1);
    assert_eq!(lines[1]["durable_through"], 1);
    assert_eq!(lines[1]["policy"], Digest::of(STANDARD).short());
}
