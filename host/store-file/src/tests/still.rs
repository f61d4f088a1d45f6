//! Boards that are moved elsewhere, and those that come.

use std::fs;

use taskhost_board::{BeginError, Coming, Elsewhere, Keeper, Owner, ReadError};

use super::*;
use crate::ImportError;
use crate::format::names;
use crate::repair::RepairOptions;
use crate::simulation::{Counted, Fault, World};

const THERE: &str = "postgres://ada@db/work?board=main";
const HERE: &str = "/srv/old/.taskhost";

fn gone() -> Elsewhere {
    Elsewhere::MovedTo(THERE.into())
}

fn say(store: &FileStore, elsewhere: Option<&Elsewhere>) {
    Keeper::still(store, far()).unwrap().say(elsewhere).unwrap();
}

fn coming(store: &FileStore) -> Coming {
    Coming { board: store.id().unwrap(), from: HERE.into() }
}

fn arrive(path: &Path, lines: &[u8], coming: &Coming) -> Result<FileStore, ImportError> {
    FileStore::import_coming(path, lines, coming, OpenOptions::default())
}

#[track_caller]
fn is_refused<T>(result: Result<T, impl std::fmt::Display>, by: &Elsewhere) {
    let error = result.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains(&by.refusal().to_string()), "`{error}`");
}

#[track_caller]
fn nothing_changes(store: &FileStore, by: &Elsewhere) {
    is_refused(store.begin(far()).map(drop), by);
    is_refused(store.compact(far()), by);
    is_refused(set_policy(&engine(store), b"a third policy"), by);
    is_refused(store.hold_board(None, far()).map(drop), by);
    is_refused(store.hold_task(&id("a"), None, far()).map(drop), by);
    is_refused(store.live(&SessionId::new("s").unwrap()).map(drop), by);
    is_refused(store.wait(store.mark().unwrap(), Duration::ZERO), by);
    is_refused(store.contexts().set(&Owner::Task(id("a")), &id("k"), b"late", far()), by);
    let powers = store.powers();
    let wait = Duration::from_secs(20);
    is_refused(powers.replace(taskhost_board::Place::Board, "f", b"late", None, wait), by);
    assert!(!store.compaction_is_due());
}

#[test]
fn whoever_has_a_board_open_that_is_moved_is_told_where_it_is() {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    add(&engine(&store), "a", &[]);
    other.contexts().set(&Owner::Task(id("a")), &id("k"), b"value", far()).unwrap();
    let still = Keeper::still(&store, far()).unwrap();
    assert_eq!(still.elsewhere().unwrap(), None);
    let brief = || Deadline::now() + Duration::from_millis(100);
    assert!(matches!(other.begin(brief()), Err(BeginError::Timeout { .. })), "it stands still");
    let changed = other.contexts().set(&Owner::Task(id("a")), &id("k"), b"late", brief());
    assert!(changed.unwrap_err().to_string().contains("held by somebody else"));
    assert!(Keeper::still(&other, brief()).is_err());
    let mut told = Vec::new();
    still
        .export(&mut |line| {
            told.extend(line.encode()?);
            Ok(())
        })
        .unwrap();
    still.say(Some(&gone())).unwrap();
    for handle in [&other, &store, &open(&board(&directory))] {
        nothing_changes(handle, &gone());
        // It is read as it was.
        assert_eq!(export(handle), told);
        assert_eq!(records(handle).len(), 1);
        assert_clean(handle);
        assert_eq!(Keeper::still(handle, far()).unwrap().elsewhere().unwrap(), Some(gone()));
    }
    // Nobody takes its place, either.
    assert!(arrive(&board(&directory), &told, &coming(&store)).is_err());
    say(&store, None);
    for handle in [&other, &store, &open(&board(&directory))] {
        remember(handle, "again").unwrap();
        assert_clean(handle);
    }
}

#[test]
fn one_who_waits_when_the_board_is_moved_is_told() {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    let seen = other.mark().unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| other.wait(seen, Duration::from_secs(60)));
        let deadline = far();
        while !other.inner.waiting.is_watched() {
            assert!(Deadline::now() < deadline, "nobody waits");
            std::thread::yield_now();
        }
        say(&store, Some(&gone()));
        is_refused(waiter.join().unwrap(), &gone());
    });
}

/// A version that didn't know of moved boards appended to one that it had open: it looks at the generation, and finds a
/// format that it leaves alone.
#[test]
fn versions_that_know_of_no_moved_boards_leave_one_alone() {
    let (directory, store) = fresh();
    say(&store, Some(&gone()));
    let pointer = fs::read_to_string(board(&directory).join(names::BOARD)).unwrap();
    assert!(pointer.starts_with("{\"format\":3,") && pointer.contains("\"generation\":2"));
    assert!(pointer.contains(&format!("\"elsewhere\":{{\"moved_to\":\"{THERE}\"}}")), "{pointer}");
    say(&store, None);
    let pointer = fs::read_to_string(board(&directory).join(names::BOARD)).unwrap();
    assert!(pointer.starts_with("{\"format\":2,") && !pointer.contains("elsewhere"), "{pointer}");
}

/// A board whose `board.json` was made again from what else was there worked at two places from then on.
#[test]
fn a_moved_board_stays_one_when_its_pointer_is_repaired() {
    let (directory, store) = fresh();
    remember(&store, "a").unwrap();
    say(&store, Some(&gone()));
    drop(store);
    fs::remove_file(board(&directory).join(names::BOARD)).unwrap();
    FileStore::repair(&board(&directory), RepairOptions::default()).unwrap();
    let store = open(&board(&directory));
    nothing_changes(&store, &gone());
    assert!(recalls(&*store.snapshot().unwrap().0, "a"));
}

#[test]
fn a_board_that_comes_is_not_worked_on_before_it_is_said_to_be_here() {
    let (_old, old) = fresh();
    remember(&old, "a").unwrap();
    let place = tempfile::tempdir().unwrap();
    let (coming, told) = (coming(&old), export(&old));
    let new = arrive(&board(&place), &told, &coming).unwrap();
    let early = open(&board(&place));
    nothing_changes(&early, &coming.elsewhere());
    let asked = early.begin(far()).err().unwrap().to_string();
    assert!(asked.contains(&format!("`taskhost --board {HERE} migrate --to`")), "{asked}");
    assert_eq!(export(&early), told);
    // What the old one has become meanwhile is taken in anew, by whoever moves the same board from the same place.
    remember(&old, "b").unwrap();
    let strange = Coming { from: "/another/place".into(), ..coming.clone() };
    assert!(arrive(&board(&place), &export(&old), &strange).is_err());
    let again = arrive(&board(&place), &export(&old), &coming).unwrap();
    for handle in [&new, &early, &again, &open(&board(&place))] {
        assert_eq!(export(handle), export(&old));
        assert_clean(handle);
    }
    say(&again, None);
    for handle in [&new, &early, &again] {
        remember(handle, "c").unwrap();
        assert_clean(handle);
    }
    assert!(arrive(&board(&place), &export(&old), &coming).is_err(), "it is worked on by now");
}

#[test]
fn wherever_saying_that_a_board_is_gone_is_cut_short_it_is_here_or_gone() {
    let (mut at, mut here, mut away) = (0, 0, 0);
    loop {
        let world = World::new();
        let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
        remember(&store, "a").unwrap();
        let before = export(&store);
        let process = world.process();
        let mover = process.open(OpenOptions::default()).unwrap();
        let still = Keeper::still(&mover, far()).unwrap();
        process.plan(Counted::Changes, at, Fault::Stop);
        let told = still.say(Some(&gone())).is_ok();
        let worlds = world.survivors();
        for world in worlds.iter().map(World::booted).chain([world.clone()]) {
            let found = world.process().open(OpenOptions::default()).unwrap();
            assert_eq!(export(&found), before);
            let elsewhere = Keeper::still(&found, far()).unwrap().elsewhere().unwrap();
            match try_to_remember(&found, "b", far()) {
                Ok(_) => {
                    assert!(!told && elsewhere.is_none());
                    here += 1;
                }
                Err(error) => {
                    assert_eq!(error, gone().refusal().to_string());
                    assert_eq!(elsewhere, Some(gone()));
                    away += 1;
                }
            }
            assert_clean(&found);
        }
        if !process.is_stopped() {
            break;
        }
        at += 1;
    }
    println!("stopped at {at} operations, {here} times it was here, {away} times gone");
    assert!(at >= 8 && here >= 20 && away >= 4, "{at}, {here}, {away}");
}

#[test]
fn wherever_a_board_that_comes_again_is_cut_short_nobody_works_on_it_and_it_can_come_again() {
    let (_directory, old) = fresh();
    remember(&old, "a").unwrap();
    let (first, coming) = (export(&old), coming(&old));
    remember(&old, "b").unwrap();
    let second = export(&old);
    let (mut at, mut states) = (0, 0);
    loop {
        let world = World::new();
        world.process().import_coming(&first[..], &coming, OpenOptions::default()).unwrap();
        let process = world.process();
        process.plan(Counted::Changes, at, Fault::Stop);
        let told = process.import_coming(&second[..], &coming, OpenOptions::default()).is_ok();
        let worlds = world.survivors();
        states += worlds.len();
        for world in worlds.iter().map(World::booted).chain([world.clone()]) {
            match world.process().open(OpenOptions::default()) {
                Ok(found) => {
                    is_refused(found.begin(far()).map(drop), &coming.elsewhere());
                    let is_second = export(&found) == second;
                    assert!(is_second || !told && export(&found) == first);
                }
                Err(error) => assert!(!told, "{error}"),
            }
            let process = world.process();
            let again = process.import_coming(&second[..], &coming, OpenOptions::default());
            let again = again.unwrap();
            assert_eq!(export(&again), second);
            say(&again, None);
            remember(&again, "c").unwrap();
            assert_clean(&again);
        }
        if !process.is_stopped() {
            break;
        }
        at += 1;
    }
    println!("stopped at {at} operations, {states} states of the disk");
    assert!(at >= 25 && states >= 60, "{at}, {states}");
}

#[test]
fn a_failed_sync_leaves_a_moved_board_where_it_was_said_to_be() {
    let (directory, store) = fresh();
    remember(&store, "a").unwrap();
    say(&store, Some(&gone()));
    let current = store.inner.current(far()).unwrap();
    store.inner.poison(current.generation, Some(&current.words));
    let other = open(&board(&directory));
    assert!(other.inner.current(far()).unwrap().generation > current.generation);
    nothing_changes(&other, &gone());
    let error = store.begin(far()).err().unwrap();
    assert!(matches!(error, BeginError::Read(ReadError::Moved { .. })), "{error}");
}

/// A lock was waited for while somebody moved the board, and then had where nobody works any more.
#[test]
fn whoever_waits_for_a_lock_while_the_board_is_moved_is_told() {
    let (directory, store) = fresh();
    for what in [None, Some(id("a"))] {
        let other = open(&board(&directory));
        let still = Keeper::still(&store, far()).unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| match &what {
                None => other.hold_board(None, far()).map(drop),
                Some(task) => other.hold_task(task, None, far()).map(drop),
            });
            // Nothing tells that somebody waits; one who comes later is refused in any case.
            std::thread::sleep(Duration::from_millis(200));
            still.say(Some(&gone())).unwrap();
            is_refused(waiter.join().unwrap(), &gone());
        });
        say(&store, None);
    }
}
