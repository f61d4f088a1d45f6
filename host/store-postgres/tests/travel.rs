//! Whole boards on their way into PostgreSQL and out of it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on should stop")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant as Deadline};

use serde_json::{Value, json};
use taskhost_board::{
    Aim, BeginError, BoardSettings, Change, Coming, Command, ContextFailure, Digest, Elsewhere,
    Entry, InitPlan, Keeper, Place, PolicyPin, PolicySet, ReadError, Request, SessionId, Store,
    Token, Vital,
};
use taskhost_store_file::FileStore;
use taskhost_store_postgres::{Address, ImportError, OpenOptions, PostgresStore};
use taskhost_test_postgres::{Cutter, Ending, Fault, Trigger};

const POLICY: &[u8] = b"a policy, as far as stores are concerned";

fn soon() -> Deadline {
    Deadline::now() + Duration::from_secs(20)
}

fn policies() -> PolicySet {
    let digest = Digest::of(POLICY);
    PolicySet { custom: None, standard: PolicyPin { digest, settings: BTreeMap::new() } }
}

fn components() -> BTreeMap<Digest, Vec<u8>> {
    BTreeMap::from([(Digest::of(POLICY), POLICY.to_vec())])
}

fn vacant() -> Address {
    Address::parse(&taskhost_test_postgres::fresh_board()).unwrap()
}

fn open(address: &Address) -> Result<PostgresStore, taskhost_store_postgres::OpenError> {
    PostgresStore::open(address, &OpenOptions::default())
}

fn init(address: &Address) -> PostgresStore {
    let settings = BoardSettings::default();
    let plan = InitPlan { policies: policies(), components: components(), settings };
    PostgresStore::init(address, &plan, &OpenOptions::default()).unwrap()
}

fn import(address: &Address, lines: &[u8]) -> Result<PostgresStore, ImportError> {
    PostgresStore::import(address, lines, &OpenOptions::default())
}

fn export(store: &dyn Keeper) -> Vec<u8> {
    let mut all = Vec::new();
    store
        .export(&mut |line| {
            all.extend(line.encode()?);
            Ok(())
        })
        .unwrap();
    all
}

fn in_files(directory: &tempfile::TempDir) -> FileStore {
    let settings = BoardSettings::default();
    let plan = InitPlan { policies: policies(), components: components(), settings };
    FileStore::init(&directory.path().join("board"), &plan, Default::default()).unwrap()
}

fn commit(store: &dyn Store, changes: Value) {
    let opened = store.begin(soon()).unwrap();
    let changes: Vec<Change> = serde_json::from_value(changes).unwrap();
    let (time, request) = (opened.now().wall, Request::of(Command::Upkeep));
    opened.commit(Entry { time, request, seed: u64::MAX - 3, changes }).unwrap();
}

fn task(id: &str, born: u64) -> Value {
    json!({ "id": id, "type": "work", "status": "pending", "created_at": 1, "updated_at": 1, "born": born })
}

fn with(mut task: Value, more: Value) -> Value {
    let Value::Object(more) = more else { unreachable!() };
    task.as_object_mut().unwrap().extend(more);
    task
}

/// Adds a task with a place that the board draws.
fn add(store: &PostgresStore, id: &str) {
    let mut opened = store.begin(soon()).unwrap();
    let born = opened.numbers().unwrap().born().unwrap();
    let changes = serde_json::from_value(json!([{ "added": task(id, born) }])).unwrap();
    let (time, request) = (opened.now().wall, Request::of(Command::Upkeep));
    opened.commit(Entry { time, request, seed: born, changes }).unwrap();
}

/// Something of everything, in several entries.
fn fill(store: &dyn Store) {
    let now = store.snapshot().unwrap().1;
    let long = "a value with a \\u0000 and a ☃".repeat(2_000);
    let ready = json!({ "ready": 3 });
    let needs = json!({
        "labels": ["x", "y"], "needs": ["gpu"], "priority": 7, "parent": "a", "readiness": ready,
        "data": { "n": 1.50, "text": long },
    });
    commit(store, json!([{ "added": task("a", 1) }, { "added": with(task("b", 2), needs) }]));
    let later = json!({ "after": ["a", "b"], "readiness": { "waiting": { "on": ["b"] } } });
    commit(store, json!([{ "added": with(task("c", 3), later) }]));
    let claim = json!({
        "agent": "ada", "session": "s1", "token": 1, "since": now.wall, "lease_ms": 60_000,
        "lease": { "until": now.wall.plus(60_000), "boot": now.boot, "boot_ms": now.boot_ms + 60_000 },
    });
    commit(store, json!([{ "claimed": { "id": "b", "claim": claim } }]));
    commit(
        store,
        json!([
            { "meta_set": { "key": "name", "value": { "n": 1.50 } } },
            { "remembered": { "space": "custom", "key": "k", "value": [0, 255] } },
            { "remembered": { "space": "standard", "key": "é", "value": [1] } },
            { "wake": { "on": "a", "past": "b" } },
            { "keyed": { "command": "add", "key": "Once", "record": { "fingerprint": 5, "task": "a", "at": now.wall } } },
            { "keyed": { "command": "add", "key": "again", "record": { "fingerprint": 6, "task": "b", "at": 1 } } },
        ]),
    );
    let contexts = store.contexts();
    for (owner, key, value) in [
        (json!({ "task": "a" }), "log", &b"\0\xffbytes"[..]),
        (json!({ "agent": "ada" }), "k", b""),
    ] {
        let owner = serde_json::from_value(owner).unwrap();
        let key = serde_json::from_value(json!(key)).unwrap();
        contexts.set(&owner, &key, value, soon()).unwrap();
    }
}

fn is_clean(store: &PostgresStore) {
    assert_eq!(store.examine().unwrap(), Vec::<String>::new());
}

#[test]
fn a_board_goes_from_files_to_postgres_and_back_byte_by_byte() {
    let directory = tempfile::tempdir().unwrap();
    let files = in_files(&directory);
    fill(&files);
    let told = export(&files);
    let address = vacant();
    let store = import(&address, &told).unwrap();
    assert_eq!(String::from_utf8(export(&store)), String::from_utf8(told.clone()));
    is_clean(&store);
    // It is the same board for whoever opens it later, and from one database to the next.
    let store = import(&vacant(), &export(&open(&address).unwrap())).unwrap();
    let again = tempfile::tempdir().unwrap();
    let back = FileStore::import(&again.path().join("b"), &export(&store)[..], Default::default());
    assert_eq!(String::from_utf8(export(&back.unwrap())), String::from_utf8(told));
}

#[test]
fn numbers_go_on_where_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let files = in_files(&directory);
    fill(&files);
    let head = files.snapshot().unwrap().0.head().unwrap();
    let store = import(&vacant(), &export(&files)).unwrap();
    let found = store.snapshot().unwrap().0.head().unwrap();
    assert_eq!((found.sequence, found.token, found.born), (head.sequence, head.token, head.born));
    assert_eq!(found.counts, head.counts);
    let mut opened = store.begin(soon()).unwrap();
    let mut numbers = opened.numbers().unwrap();
    let a = serde_json::from_value(json!("a")).unwrap();
    assert_eq!(numbers.token(&a).unwrap(), Token(head.token.0 + 1));
    assert_eq!(numbers.born().unwrap(), head.born + 1);
    drop(numbers);
    opened.finish().unwrap();
    commit(&store, json!([{ "meta_set": { "key": "more", "value": 1 } }]));
    assert_eq!(store.mark().unwrap().newest, head.sequence.next());
}

/// A stream that is cut off, or that isn't a whole board, must leave no board behind, and no number that was counted on.
#[test]
fn what_is_no_whole_board_leaves_a_place_as_good_as_new() {
    let directory = tempfile::tempdir().unwrap();
    let files = in_files(&directory);
    fill(&files);
    let told = export(&files);
    let lines: Vec<&[u8]> = told.split_inclusive(|byte| *byte == b'\n').collect();
    let address = vacant();
    for cut in 0..lines.len() {
        let error = import(&address, &lines[..cut].concat()).err().unwrap();
        assert!(matches!(error, ImportError::Line(_)), "{cut}: {error}");
        let none = open(&address).err().unwrap().to_string();
        assert!(none.contains("there is no board"), "{cut}: {none}");
    }
    let store = init(&address);
    add(&store, "a");
    let head = store.snapshot().unwrap().0.head().unwrap();
    assert_eq!((head.sequence.0, head.token.0), (1, 0));
    let there = import(&address, &told).err().unwrap().to_string();
    assert!(there.contains("already"), "{there}");
    assert_eq!(store.snapshot().unwrap().0.head().unwrap(), head);
}

#[test]
fn of_many_who_import_at_one_place_one_does() {
    let directory = tempfile::tempdir().unwrap();
    let files = in_files(&directory);
    fill(&files);
    let (told, address) = (export(&files), vacant());
    let made = std::thread::scope(|scope| {
        let makers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| import(&address, &told).is_ok())).collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(made.iter().filter(|made| **made).count(), 1);
    assert_eq!(export(&open(&address).unwrap()), told);
}

/// Numbers come from sequences, so one whose transaction came to nothing is missing in the journal. A stream is dense: an
/// import would refuse one that goes from 1 to 3.
#[test]
fn numbers_that_nobody_used_travel_as_entries_that_do_nothing() {
    let address = vacant();
    let store = init(&address);
    add(&store, "a");
    let waste = format!("SELECT nextval('taskhost_{}.entries')", address.board());
    let access = taskhost_test_postgres::shared();
    access.psql(&waste).unwrap();
    access.psql(&waste).unwrap();
    add(&store, "b");
    access.psql(&waste).unwrap();
    let told = export(&store);
    let entries: Vec<(u64, usize)> = String::from_utf8(told.clone())
        .unwrap()
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).unwrap().get("entry").cloned())
        .map(|line| {
            let changes = line["entry"]["changes"].as_array().map_or(0, Vec::len);
            (line["sequence"].as_u64().unwrap(), changes)
        })
        .collect();
    assert_eq!(entries, [(1, 1), (2, 0), (3, 0), (4, 1)]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("b");
    let files = FileStore::import(&path, &told[..], Default::default()).unwrap();
    assert_eq!(export(&files), told);
    assert_eq!(export(&import(&vacant(), &told).unwrap()), told);
}

/// A number that was drawn before the snapshot may be committed after it: unless nobody is between the two, the history of
/// an export lacks an entry whose effect is in the next one, or has one whose effect it lacks.
#[test]
fn an_export_is_one_instant_of_a_board_that_many_change() {
    let address = format!("{}&pool=32", taskhost_test_postgres::fresh_board());
    let address = Address::parse(&address).unwrap();
    let store = init(&address);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (store, is_over) = (&store, &is_over);
            scope.spawn(move || {
                for n in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    add(store, &format!("w{writer}-{n}"));
                }
            });
        }
        for _ in 0..8 {
            let (mut added, mut held) = (Vec::new(), Vec::new());
            for line in String::from_utf8(export(&store)).unwrap().lines() {
                let line: Value = serde_json::from_str(line).unwrap();
                for change in line["entry"]["entry"]["changes"].as_array().into_iter().flatten() {
                    added.push(change["added"]["id"].to_string());
                }
                held.extend(line.pointer("/record/task/id").map(Value::to_string));
            }
            added.sort_unstable();
            held.sort_unstable();
            assert_eq!(added, held);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let told = export(&store);
    assert_eq!(export(&import(&vacant(), &told).unwrap()), told);
}

const HERE: &str = "/srv/old/.taskhost";

fn gone(to: &Address) -> Elsewhere {
    Elsewhere::MovedTo(to.to_string())
}

fn say(store: &PostgresStore, elsewhere: Option<&Elsewhere>) {
    store.still(soon()).unwrap().say(elsewhere).unwrap();
}

fn elsewhere(store: &PostgresStore) -> Option<Elsewhere> {
    store.still(soon()).unwrap().elsewhere().unwrap()
}

#[track_caller]
fn is_refused<T>(result: Result<T, impl std::fmt::Display>, by: &Elsewhere) {
    let error = result.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains(&by.refusal().to_string()), "`{error}`");
}

fn set_context(store: &PostgresStore) -> Result<(), ContextFailure> {
    let owner = serde_json::from_value(json!({ "task": "a" })).unwrap();
    let key = serde_json::from_value(json!("k")).unwrap();
    store.contexts().set(&owner, &key, b"late", soon())
}

#[track_caller]
fn nothing_changes(store: &PostgresStore, by: &Elsewhere) {
    is_refused(store.begin(soon()).map(drop), by);
    let aim = Aim { alone: true, ..Aim::default() };
    is_refused(store.begin_for(&aim, soon()).map(drop), by);
    is_refused(set_context(store), by);
    is_refused(store.live(&session("s")).map(drop), by);
    is_refused(store.hold_board(None, soon()).map(drop), by);
    let a = serde_json::from_value(json!("a")).unwrap();
    is_refused(store.hold_task(&a, None, soon()).map(drop), by);
    is_refused(store.wait(store.mark().unwrap(), Duration::from_secs(60)), by);
    is_refused(store.trim_history(), by);
    let (powers, wait) = (store.powers(), Duration::from_secs(20));
    is_refused(powers.replace(Place::Board, "f", b"late", None, wait), by);
    is_refused(powers.replace(Place::Board, "f", b"late", Some(b""), wait), by);
}

fn session(name: &str) -> SessionId {
    SessionId::new(name).unwrap()
}

#[test]
fn whoever_would_change_a_board_that_was_moved_is_told_where_it_is() {
    let (from, to) = (vacant(), vacant());
    let (store, other) = (init(&from), open(&from).unwrap());
    add(&store, "a");
    add(&other, "b");
    let begun = other.begin(soon()).unwrap();
    let brief = || Deadline::now() + Duration::from_millis(300);
    assert!(matches!(store.still(brief()), Err(BeginError::Timeout { .. })));
    begun.finish().unwrap();
    let still = store.still(soon()).unwrap();
    let Some(BeginError::Timeout { holder, .. }) = other.begin(brief()).err() else {
        panic!("it stands still")
    };
    assert!(holder.is_some_and(|holder| holder.contains("moves the board elsewhere")));
    let mut told = Vec::new();
    let copied = still.export(&mut |line| {
        told.extend(line.encode()?);
        Ok(())
    });
    copied.unwrap();
    let copy = import(&to, &told).unwrap();
    still.say(Some(&gone(&to))).unwrap();
    for handle in [&store, &other, &open(&from).unwrap()] {
        nothing_changes(handle, &gone(&to));
        // It is read as it was.
        assert_eq!(handle.snapshot().unwrap().0.head().unwrap().counts.total(), 2);
        assert_eq!(export(handle), told);
        assert_eq!(elsewhere(handle), Some(gone(&to)));
        is_clean(handle);
    }
    add(&copy, "c");
    assert_eq!(export(&store), told);
    say(&store, None);
    for handle in [&store, &other] {
        set_context(handle).unwrap();
    }
    add(&store, "d");
    add(&other, "e");
}

#[test]
fn one_who_waits_when_the_board_is_moved_is_told() {
    let from = vacant();
    let (store, other) = (init(&from), open(&from).unwrap());
    let seen = other.mark().unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut seen = seen;
            loop {
                // Signs that mean nothing come too.
                match other.wait(seen, Duration::from_secs(60)) {
                    Ok(now) => assert!(now != std::mem::replace(&mut seen, now), "nobody said so"),
                    told => return told,
                }
            }
        });
        say(&store, Some(&gone(&vacant())));
        let told = waiter.join().unwrap();
        assert!(matches!(told, Err(BeginError::Read(ReadError::Moved { .. }))), "{told:?}");
    });
}

#[test]
fn a_board_that_comes_is_not_worked_on_before_it_is_said_to_be_here() {
    let directory = tempfile::tempdir().unwrap();
    let files = in_files(&directory);
    fill(&files);
    let coming = Coming { board: files.id().unwrap(), from: HERE.into() };
    let address = vacant();
    let arrive = |coming: &Coming| {
        let lines = export(&files);
        PostgresStore::import_coming(&address, &lines[..], coming, &OpenOptions::default())
    };
    let new = arrive(&coming).unwrap();
    let early = open(&address).unwrap();
    nothing_changes(&early, &coming.elsewhere());
    assert_eq!(export(&early), export(&files));
    // What the old one has become meanwhile is taken in anew, by whoever moves the same board from the same place.
    commit(
        &files,
        json!([{ "added": with(task("d", 4), json!({ "readiness": { "ready": 1 } })) }]),
    );
    let strange = Coming { from: "/another/place".into(), ..coming.clone() };
    assert!(arrive(&strange).is_err());
    let again = arrive(&coming).unwrap();
    for handle in [&new, &early, &again] {
        assert_eq!(export(handle), export(&files));
        is_clean(handle);
    }
    say(&again, None);
    for (number, handle) in [&new, &early, &again].into_iter().enumerate() {
        add(handle, &format!("new-{number}"));
        is_clean(handle);
    }
    assert!(arrive(&coming).is_err(), "it is worked on by now");
}

/// A session holds a lock for as long as it lives, but where the board was. On a board that had come to PostgreSQL, the
/// same lock was free, and after the grace everything was taken away from agents that lived and worked.
#[test]
fn a_session_that_lived_where_the_board_was_is_not_taken_for_dead() {
    let directory = tempfile::tempdir().unwrap();
    let files = in_files(&directory);
    commit(&files, json!([{ "added": task("a", 1) }]));
    let now = files.snapshot().unwrap().1;
    let claim = json!({
        "agent": "ada", "session": "s1", "living": true, "token": 1, "since": now.wall, "lease_ms": 60_000,
        "lease": { "until": now.wall.plus(60_000), "boot": now.boot, "boot_ms": now.boot_ms + 60_000 },
    });
    commit(&files, json!([{ "claimed": { "id": "a", "claim": claim } }]));
    let (address, told) = (vacant(), export(&files));
    let options = OpenOptions { grace: Duration::ZERO, ..OpenOptions::default() };
    let store = PostgresStore::import(&address, &told[..], &options).unwrap();
    let ada = Vital::Session(session("s1"));
    let is_dead = || {
        // What is found out first is noted by a transaction.
        let mut opened = store.begin(soon()).unwrap();
        let dead = opened.dead(std::slice::from_ref(&ada));
        opened.finish().unwrap();
        !dead.is_empty()
    };
    for _ in 0..3 {
        assert!(!is_dead());
    }
    // Nobody looks again before the lease ends.
    let (view, at) = store.snapshot().unwrap();
    assert_eq!(view.next_due(&at).unwrap(), Some(now.wall.plus(60_000)));
    // It is the same claim, to the letter.
    assert_eq!(export(&store), told);
    is_clean(&store);
    // Whoever goes on by that name here proves by it that they live, and by its end that they don't.
    let life = store.live(&session("s1")).unwrap();
    assert!(!is_dead());
    drop(life);
    assert!(is_dead());
}

/// The connection broke when all was committed and before the answer: the import was said to have failed, and trying
/// again found a board in the way.
#[test]
fn an_import_whose_answer_was_lost_is_found_out() {
    let directory = tempfile::tempdir().unwrap();
    let files = in_files(&directory);
    fill(&files);
    let told = export(&files);
    let commit = || Trigger::statement("COMMIT");
    for (fault, is_made) in [(Fault::After(commit()), true), (Fault::Before(commit()), false)] {
        let direct = vacant();
        // Its tables are made, which takes transactions of their own.
        import(&direct, &told[..told.len() / 2]).err().unwrap();
        let cutter = Cutter::before(taskhost_test_postgres::shared()).unwrap();
        let address = Address::parse(&cutter.access().board(direct.board())).unwrap();
        cutter.plan(fault, Ending::Closed);
        let imported = import(&address, &told);
        assert_eq!(cutter.happened(), 1);
        assert_eq!(imported.is_ok(), is_made, "{:?}", imported.err());
        assert_eq!(open(&direct).is_ok(), is_made);
        let store = if is_made { open(&direct).unwrap() } else { import(&direct, &told).unwrap() };
        assert_eq!(export(&store), told);
    }
}
