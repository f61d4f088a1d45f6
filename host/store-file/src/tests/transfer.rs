//! Whole boards on their way from place to place.

use taskhost_board::image::Record;
use taskhost_board::transfer::{Seal, TransferLine};
use taskhost_board::{Keeper, Retention};

use super::*;
use crate::ImportError;
use crate::simulation::{Counted, Fault, World};

fn commit(store: &FileStore, changes: Vec<Change>) {
    let opened = store.begin(far()).unwrap();
    let entry =
        Entry { time: opened.now().wall, request: Request::of(Command::Upkeep), seed: 3, changes };
    opened.commit(entry).unwrap();
}

/// A board with something of everything, and a history in three journals.
fn rich(store: &FileStore) {
    let engine = engine(store);
    for (task, after) in [("a", &[][..]), ("b", &["a"]), ("c", &["b"]), ("d", &[]), ("e", &[])] {
        add(&engine, task, after);
    }
    let keyed = NewTask { key: Some("once".into()), ..new_task("keyed", &[]) };
    engine.add(&[keyed], far()).unwrap();
    let (task, token) = claim(&engine, "x").unwrap();
    complete(&engine, "x", &task, token);
    store.compact(far()).unwrap();
    claim(&engine, "y").unwrap();
    let request = ClaimRequest { key: Some("claimed".into()), ..claim_request("z") };
    engine.claim(&request, far()).unwrap();
    set_policy(&engine, OTHER).unwrap();
    remember(store, "k").unwrap();
    let json = |text: &str| serde_json::from_str(text).unwrap();
    commit(
        store,
        vec![
            Change::MetaSet { key: id("name"), value: Some(json("{\"n\":1.50}")) },
            Change::Remembered { space: Space::Custom, key: "c".into(), value: Some(vec![0, 255]) },
            Change::Wake { on: id("a"), past: Some(id("b")) },
            Change::SettingsSet(BoardSettings { compact_bytes: Some(5), ..Default::default() }),
        ],
    );
}

fn import(lines: &[u8]) -> Result<(tempfile::TempDir, FileStore), ImportError> {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::import(&board(&directory), lines, OpenOptions::default())?;
    Ok((directory, store))
}

fn lines_of(stream: &[u8]) -> Vec<TransferLine> {
    stream
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// The stream of these lines, with an end that fits them.
fn sealed(lines: &[TransferLine]) -> Vec<u8> {
    let (mut seal, mut all) = (Seal::default(), Vec::new());
    for line in lines.iter().filter(|line| !matches!(line, TransferLine::End { .. })) {
        let bytes = line.encode().unwrap();
        seal.add(&bytes);
        all.extend(bytes);
    }
    all.extend(seal.end().encode().unwrap());
    all
}

#[test]
fn a_board_that_was_exported_and_imported_exports_the_same_again() {
    let (_directory, store) = fresh();
    rich(&store);
    let stream = export(&store);
    let (directory, twin) = import(&stream).unwrap();
    assert_eq!(export(&twin), stream);
    assert_eq!(entries(&twin), entries(&store));
    assert_eq!(records(&twin), records(&store));
    assert_eq!(twin.component(Digest::of(OTHER)).unwrap(), OTHER);
    assert_clean(&twin);
    for what in ["task", "key", "memory", "meta", "wake"] {
        let record = format!("{{\"record\":{{\"{what}\":");
        assert!(
            stream.split(|byte| *byte == b'\n').any(|line| line.starts_with(record.as_bytes())),
            "{what}"
        );
    }

    // Tokens, claims and keys go on where they were.
    let engine = engine(&open(&board(&directory)));
    let last = store.snapshot().unwrap().0.head().unwrap().token;
    let request = ClaimRequest { key: Some("claimed".into()), ..claim_request("z") };
    let ClaimOutcome::Claimed { task, .. } = engine.claim(&request, far()).unwrap() else {
        panic!()
    };
    assert_eq!(task.claim.unwrap().token, last);
    let (_, token) = claim(&engine, "new").unwrap();
    assert_eq!(token, Token(last.0 + 1));
    assert_eq!(history(&twin), numbers(history(&twin).len() as u64));
    twin.compact(far()).unwrap();
    assert_clean(&twin);
    // The first one went its own way.
    assert_eq!(export(&store), stream);
}

#[test]
fn a_board_whose_history_was_trimmed_travels_with_what_is_left_of_it() {
    for all in [false, true] {
        let (_directory, store) = fresh();
        rich(&store);
        let bytes = if all { 0 } else { 3_000 };
        let history = Retention { age_ms: None, bytes: Some(bytes) };
        commit(&store, vec![Change::SettingsSet(BoardSettings { history, ..Default::default() })]);
        store.compact(far()).unwrap();
        let kept = entries(&store);
        assert!(
            kept.is_empty() == all && kept.first().is_none_or(|(first, _)| *first > Sequence(1))
        );
        let stream = export(&store);
        let (_twin_directory, twin) = import(&stream).unwrap();
        assert_eq!(entries(&twin), kept);
        assert_eq!(export(&twin), stream);
        assert_clean(&twin);
        remember(&twin, "more").unwrap();
        assert_clean(&twin);
    }
}

#[test]
fn an_export_is_of_one_instant_while_others_work() {
    let (directory, store) = fresh();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (path, done) = (board(&directory), &done);
        let writer = scope.spawn(move || {
            let store = open(&path);
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                remember(&store, &format!("{number}")).unwrap();
                number += 1;
                if number % 20 == 0 {
                    store.compact(far()).unwrap();
                }
            }
        });
        for _ in 0..12 {
            let stream = export(&store);
            let memories = lines_of(&stream).iter().filter(|line| matches!(line, TransferLine::Record(record) if matches!(**record, Record::Memory { .. }))).count();
            let (_directory, twin) = import(&stream).unwrap();
            assert_eq!(whole_history(&twin), memories as u64);
            assert_eq!(export(&twin), stream);
        }
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap();
    });
}

#[test]
fn what_is_not_a_whole_board_is_refused_with_the_line_and_leaves_no_board() {
    let (_directory, store) = fresh();
    rich(&store);
    let stream = export(&store);
    let lines = lines_of(&stream);
    let position = |is: &dyn Fn(&TransferLine) -> bool| lines.iter().position(is).unwrap();
    let entry = position(&|line| matches!(line, TransferLine::Entry { .. }));
    let record = position(&|line| matches!(line, TransferLine::Record(_)));
    let changed = |change: &dyn Fn(&mut Vec<TransferLine>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        sealed(&lines)
    };
    let header = |change: &'static dyn Fn(&mut taskhost_board::transfer::TransferHeader)| {
        changed(&move |lines: &mut Vec<TransferLine>| {
            let TransferLine::Header(header) = &mut lines[0] else { panic!() };
            change(header);
        })
    };
    let cases: Vec<(Vec<u8>, String)> = vec![
        (Vec::new(), "line 1 of what is imported: the stream was cut off here".into()),
        (stream[..stream.len() - 1].to_vec(), format!("line {}", lines.len())),
        (stream[..stream.len() / 2].to_vec(), "cut off".into()),
        (changed(&|lines| drop(lines.remove(1))), "the component of policy".into()),
        (changed(&|lines| drop(lines.remove(entry + 1))), format!("line {}", entry + 2)),
        (changed(&|lines| drop(lines.remove(record - 1))), "the history ends at entry".into()),
        (
            changed(&|lines| lines.insert(record, lines[record].clone())),
            format!("line {}", record + 2),
        ),
        (changed(&|lines| lines.swap(entry, record)), "lines of its kind come earlier".into()),
        (header(&|header| header.token = Token(1)), "the last one given is 1".into()),
        (header(&|header| header.born = 2), "of 2 that were created".into()),
        (
            header(&|header| header.board = "../x".into()),
            "line 1 of what is imported: the board's id".into(),
        ),
    ];
    for (stream, expected) in cases {
        let directory = tempfile::tempdir().unwrap();
        let path = board(&directory);
        let error = FileStore::import(&path, &stream[..], OpenOptions::default()).err().unwrap();
        assert!(error.to_string().contains(&expected), "{error} instead of {expected}");
        assert_eq!(files(&path).keys().collect::<Vec<_>>(), ["board.lock"]);
        assert!(FileStore::open(&path, OpenOptions::default()).is_err());
        FileStore::init(&path, &plan(), OpenOptions::default()).unwrap();
    }
}

#[test]
fn an_import_never_touches_a_board_that_is_there() {
    let (directory, store) = fresh();
    rich(&store);
    let before = all_files(&board(&directory));
    let error = FileStore::import(&board(&directory), &export(&store)[..], OpenOptions::default());
    assert!(error.err().unwrap().to_string().contains("there is a board here already"));
    assert_eq!(all_files(&board(&directory)), before);
    // Nor one that has lost its pointer.
    std::fs::remove_file(board(&directory).join("board.json")).unwrap();
    let before = all_files(&board(&directory));
    let stream = export(&store);
    let error = FileStore::import(&board(&directory), &stream[..], OpenOptions::default());
    assert!(error.err().unwrap().to_string().contains("a board was here"));
    assert_eq!(all_files(&board(&directory)), before);
}

#[test]
fn an_import_that_is_cut_short_leaves_no_board_and_is_done_again() {
    let (_directory, store) = fresh();
    rich(&store);
    let stream = export(&store);
    let (mut at, mut states, mut made) = (0, 0, 0);
    loop {
        let world = World::new();
        let process = world.process();
        process.plan(Counted::Changes, at, Fault::Stop);
        let told = process.import(&stream[..], OpenOptions::default()).is_ok();
        let survivors = world.survivors();
        states += survivors.len();
        let worlds = survivors.iter().map(World::booted);
        for (number, world) in worlds.chain([world.clone()]).enumerate() {
            let found = match world.process().open(OpenOptions::default()) {
                Ok(found) => {
                    made += 1;
                    found
                }
                Err(error) => {
                    assert!(!told, "{error}");
                    // Whatever is made there next is whole.
                    if number % 2 == 0 {
                        let made = world.process().init(&plan(), OpenOptions::default()).unwrap();
                        made.compact(far()).unwrap();
                        assert_clean(&made);
                        continue;
                    }
                    world.process().import(&stream[..], OpenOptions::default()).unwrap()
                }
            };
            assert_eq!(export(&found), stream);
            assert_clean(&found);
            // The mark of the import must not outlive it.
            remember(&found, "acknowledged").unwrap();
            assert!(!world.files().contains_key("importing"));
        }
        if !process.is_stopped() {
            break;
        }
        at += 1;
    }
    println!("stopped at {at} operations, {states} states of the disk, {made} boards");
    assert!(at >= 25 && states >= 60 && made >= 10, "{at}, {states}, {made}");
}

/// A history came as one journal, however long, and was longer than what is to be kept: the first time that anybody removed what
/// isn't, all of it went.
#[test]
fn of_a_long_history_the_newest_part_is_kept_where_it_comes() {
    const KEPT: u64 = 200 << 10;
    let (_old, old) = fresh();
    for number in 0..100 {
        let value = vec![b'x'; 4 << 10];
        let key = format!("{number}");
        commit(&old, vec![Change::Remembered { space: Space::Custom, key, value: Some(value) }]);
    }
    let history = Retention { age_ms: None, bytes: Some(KEPT) };
    commit(&old, vec![Change::SettingsSet(BoardSettings { history, ..Default::default() })]);
    let (directory, new) = import(&export(&old)).unwrap();
    let numbers = || {
        let mut numbers = Vec::new();
        let mut take = |Sequence(number), _| {
            numbers.push(number);
            true
        };
        new.history(Sequence(0), &mut take).unwrap();
        numbers
    };
    assert_eq!(numbers(), (1..=101).collect::<Vec<_>>());
    assert!(new.trim_history().unwrap() > 0);
    let left = files(&board(&directory).join("history")).values().map(Vec::len).sum::<usize>();
    let left = left as u64;
    assert!((KEPT * 3 / 4..=KEPT).contains(&left), "{left} of {KEPT}");
    assert_eq!(numbers().last(), Some(&101));
    assert_clean(&new);
    remember(&new, "after").unwrap();
    new.compact(far()).unwrap();
    assert_clean(&new);
}

/// An agent on another machine held a task, and named its process: as soon as the board had come here it was taken for dead,
/// because this machine had another start, and its task was given away.
#[test]
fn a_process_on_another_machine_is_not_dead_because_the_board_came_here() {
    let (_old, old) = fresh();
    let engine = engine(&old);
    add(&engine, "a", &[]);
    let there = taskhost_board::BootId("11111111-2222-3333-4444-555555555555".into());
    let process = taskhost_board::Process { pid: 1, started: 7, boot: there, namespace: 9 };
    let named = Agent { process: Some(process.clone()), ..agent("x") };
    engine.claim(&ClaimRequest { agent: named, ..claim_request("x") }, far()).unwrap();
    let holder = taskhost_board::Vital::Process(process);
    assert!(Keeper::is_dead(&old, &holder), "here it is one of an earlier start");
    let (directory, new) = import(&export(&old)).unwrap();
    for handle in [&new, &open(&board(&directory))] {
        assert!(!Keeper::is_dead(handle, &holder));
        new.compact(far()).unwrap();
    }
    assert_clean(&new);
}
