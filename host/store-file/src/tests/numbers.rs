//! Processes with one number, as the first ones of two containers are: LMDB lets only one of them read an index.

#![expect(unsafe_code, reason = "a lock on a single byte is a bare call")]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::os::fd::AsRawFd as _;
use std::process::{Child, ChildStdin, ChildStdout};

use super::locks::{kill, program, spawn, start};
use super::namespaces::{NUMBERS, inside, may_unshare};
use super::words::words;
use super::*;

/// A program that works on a board as the first process of a container.
struct Container {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Container {
    fn start(path: &Path) -> Self {
        let mut child = inside(NUMBERS, &program("number-first", path)).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut container = Self { child, input, output };
        assert_eq!(container.answer(), "1", "it is the first process");
        container
    }

    fn answer(&mut self) -> String {
        let mut said = self.output.by_ref().map(Result::unwrap);
        said.find_map(|line| line.strip_prefix("said: ").map(str::to_owned)).expect("an answer")
    }

    fn ask(&mut self, what: &str) -> String {
        writeln!(self.input, "{what}").unwrap();
        self.answer()
    }

    /// Ends it as a container is ended that isn't waited for.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Starts a process that has, in every index that is there, what is a reader's with the number of this one, which
/// must not have the board open.
fn take_number(path: &Path) -> Child {
    start(program("taken-number", path).env("TASKHOST_TEST_GIVEN", std::process::id().to_string()))
        .0
}

/// Not a test by itself: what [`take_number`] starts.
pub(super) fn taker(path: &Path) {
    let number = std::env::var("TASKHOST_TEST_GIVEN").unwrap().parse().unwrap();
    let mut held = Vec::new();
    for entry in std::fs::read_dir(path.join("index")).unwrap() {
        let table = entry.unwrap().path().join("lock.mdb");
        let Ok(file) = File::options().read(true).write(true).open(table) else { continue };
        // SAFETY: all zeros are one of its values.
        let mut byte: libc::flock = unsafe { std::mem::zeroed() };
        (byte.l_type, byte.l_start, byte.l_len) = (libc::F_WRLCK as _, number, 1);
        // SAFETY: the descriptor is open, and what it is given lives until it returns.
        assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const byte) }, 0);
        held.push(file);
    }
    assert_eq!(held.len(), 1, "one index");
    println!("\nsaid: taken");
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// A board with a task in it, opened by a process whose number is taken.
fn with_own() -> (tempfile::TempDir, FileStore, Child) {
    let (directory, store) = fresh();
    let path = board(&directory);
    remember(&store, "before").unwrap();
    drop(store);
    let taker = take_number(&path);
    let own = open(&path);
    assert!(has_own(&own));
    (directory, own, taker)
}

fn sees(store: &FileStore, key: &str) -> bool {
    recalls(&*store.snapshot().unwrap().0, key)
}

/// What another process finds, which reads the index that all share.
fn another_sees(path: &Path, key: &str) -> bool {
    let (child, said) = spawn(&format!("number-sees {key}"), path);
    kill(child);
    said.parse().unwrap()
}

/// Not a test by itself: what a [`Container`] does, and [`another_sees`].
pub(super) fn role(role: &str, store: &FileStore) {
    if let Some(key) = role.strip_prefix("number-sees ") {
        assert!(!has_own(store));
        println!("\nsaid: {}", sees(store, key));
        return;
    }
    if let Some(key) = role.strip_prefix("number-writes ") {
        assert!(!has_own(store));
        println!("\nsaid: {}", remember(store, key).unwrap());
        return;
    }
    println!("\nsaid: {}", std::process::id());
    let engine = engine(store);
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let (what, given) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match what {
            "add" => {
                add(&engine, given, &[]);
                "added".to_owned()
            }
            "claim" => claim(&engine, given).map_or("nothing".into(), |(id, _)| id.to_string()),
            "has" => has(store, given).to_string(),
            "compact" => format!("{:?}", store.compact(far())),
            "doctor" => format!("{:?}", store.doctor().findings),
            "has-own" => has_own(store).to_string(),
            other => panic!("{other}"),
        };
        println!("\nsaid: {answer}");
    }
}

fn has(store: &FileStore, task: &str) -> bool {
    store.snapshot().unwrap().0.task(&id(task)).unwrap().is_some()
}

fn has_own(store: &FileStore) -> bool {
    store.inner.current(far()).unwrap().index.is_own()
}

/// Neither finds anything wrong, and nor does whoever comes after them: there are so many entries.
fn end_both(mut one: Container, mut two: Container, path: &Path, entries: u64) {
    for container in [&mut one, &mut two] {
        assert_eq!(container.ask("doctor"), "[]");
    }
    one.kill();
    two.kill();
    let store = open(path);
    assert_clean(&store);
    assert_eq!(whole_history(&store), entries);
}

/// The first processes of two containers have one number, and LMDB lets only one of them read: the board could not be
/// opened in the second container for as long as the first one's agent lived.
#[test]
fn first_processes_of_two_containers_work_on_one_board_at_once() {
    if !may_unshare(NUMBERS) {
        return;
    }
    let (directory, store) = fresh();
    let path = board(&directory);
    add(&engine(&store), "before", &[]);
    drop(store);
    let (mut one, mut two) = (Container::start(&path), Container::start(&path));
    assert_eq!(one.ask("has-own"), "false");
    assert_eq!(two.ask("has-own"), "true");
    assert_eq!(two.ask("has before"), "true");
    for round in 0..5 {
        let (a, b) = (format!("a{round}"), format!("b{round}"));
        one.ask(&format!("add {a}"));
        assert_eq!(two.ask(&format!("has {a}")), "true", "what one has written the other reads");
        two.ask(&format!("add {b}"));
        assert_eq!(one.ask(&format!("has {b}")), "true", "and the other way round");
    }
    let mut claimed: Vec<String> =
        (0..6).flat_map(|_| [one.ask("claim one"), two.ask("claim two")]).collect();
    assert_eq!(claimed.pop().unwrap(), "nothing", "there were eleven");
    claimed.sort();
    claimed.dedup();
    assert_eq!(claimed.len(), 11, "each was claimed once");
    end_both(one, two, &path, 22);
}

/// Whoever begins a generation makes its index, and reads it: so the agent that had the shared one was shut out as soon
/// as one with its number switched.
#[test]
fn the_first_processes_of_two_containers_go_on_whichever_of_them_begins_the_next_generation() {
    if !may_unshare(NUMBERS) {
        return;
    }
    let (directory, store) = fresh();
    let path = board(&directory);
    drop(store);
    let (mut one, mut two) = (Container::start(&path), Container::start(&path));
    for round in 0..3 {
        let (now, then) = if round % 2 == 0 { (&mut two, &mut one) } else { (&mut one, &mut two) };
        assert_eq!(now.ask("compact"), "Ok(Done)");
        assert_eq!(now.ask("has-own"), "false");
        assert_eq!(then.ask("has-own"), "true", "the other one has it open");
        now.ask(&format!("add now{round}"));
        then.ask(&format!("add then{round}"));
        assert_eq!(now.ask(&format!("has then{round}")), "true");
        assert_eq!(then.ask(&format!("has now{round}")), "true");
    }
    end_both(one, two, &path, 6);
}

#[test]
fn an_index_of_ones_own_leaves_the_shared_one_as_it_is_and_nothing_behind() {
    let (directory, own, taker) = with_own();
    let path = board(&directory);
    let (epoch, indexes) = (words(&own).epoch(), names_in(&path.join("index")));
    remember(&own, "here").unwrap();
    assert!(sees(&own, "before") && sees(&own, "here"));
    assert_clean(&own);
    assert!(own.notices().is_empty(), "nothing is wrong with the board");
    assert_eq!((words(&own).epoch(), names_in(&path.join("index"))), (epoch, indexes));
    assert!(another_sees(&path, "here"), "it finds what the shared index lacks");
    // At the next generation nobody has the number.
    kill(taker);
    assert!(has_own(&own));
    own.compact(far()).unwrap();
    assert!(!has_own(&own) && sees(&own, "here"));
}

/// A switch that died left the words pointing nowhere, and whoever mended that counted only what the shared index had:
/// what was written and acknowledged through an own one was not seen.
#[test]
fn what_was_written_beside_the_shared_index_is_seen_after_a_switch_that_died() {
    let (directory, own, _taker) = with_own();
    for key in ["one", "two"] {
        remember(&own, key).unwrap();
    }
    let current = own.inner.open_generation().unwrap();
    words(&own).begin_switch(current.generation.next());
    assert!(another_sees(&board(&directory), "two"));
    assert!(sees(&own, "two") && remember(&own, "three").is_ok());
    assert!(another_sees(&board(&directory), "three"));
}

/// Without the lock, the last lines may be another process's that is writing them, or about to cut them off again.
#[test]
fn an_index_of_ones_own_is_given_nothing_without_the_lock_that_is_not_counted() {
    let (directory, own, _taker) = with_own();
    let path = board(&directory);
    remember(&own, "written").unwrap();
    let counted = words(&own).appended_through();
    words(&own).set_appended(Sequence(counted.0 - 1));
    let journal = path.join(own.inner.open_generation().unwrap().journal_name());
    let whole = std::fs::read(&journal).unwrap();
    let mut appending = File::options().append(true).open(&journal).unwrap();
    appending.write_all(b"{\"half").unwrap();
    drop(own);

    let own = open(&path);
    let current = own.inner.current(far()).unwrap();
    let reading = crate::index::read(&*current.index).unwrap();
    let meta = crate::index::meta(&reading).unwrap().unwrap();
    assert_eq!((current.index.is_own(), meta.applied.next()), (true, counted));
    assert!(std::fs::read(&journal).unwrap().len() > whole.len(), "it may be going on");
    assert!(own.notices().is_empty());
    // Under the lock nobody is writing.
    assert!(sees(&own, "written"));
    assert_eq!(words(&own).appended_through(), counted, "others see it too");
    remember(&own, "next").unwrap();
    assert!(matches!(own.notices()[..], [crate::Notice::TornEnd { .. }]));
    assert!(std::fs::read(&journal).unwrap().starts_with(&whole));
    assert!(another_sees(&path, "next"));
}

#[test]
fn an_index_of_ones_own_that_does_not_fit_the_journal_is_made_anew_and_the_shared_one_is_not() {
    let (directory, own, _taker) = with_own();
    let (epoch, indexes) = (words(&own).epoch(), names_in(&board(&directory).join("index")));
    let current = own.inner.open_generation().unwrap();
    let (_, _, meta) = own.inner.snapshot(far()).unwrap();
    let mut writing = crate::index::write(&*current.index).unwrap();
    writing.put_meta(&crate::index::Meta { offset: meta.offset + 1000, ..meta }).unwrap();
    writing.commit().unwrap();
    drop(current);
    remember(&own, "after").unwrap();
    assert!(has_own(&own) && sees(&own, "after"));
    assert!(own.notices().is_empty());
    assert_eq!((words(&own).epoch(), names_in(&board(&directory).join("index"))), (epoch, indexes));
    assert!(another_sees(&board(&directory), "after"));
}

/// Making one takes long, and whoever replaces the generation meanwhile takes away what it is made from.
#[test]
fn a_generation_that_is_replaced_while_an_index_is_made_of_it_is_not_called_damaged() {
    let (_directory, own, _taker) = with_own();
    let old = own.inner.board_file().unwrap();
    own.compact(far()).unwrap();
    assert!(own.inner.own_index(&old, words(&own).epoch()).unwrap().is_none());
    let now = own.inner.board_file().unwrap();
    assert!(own.inner.own_index(&now, words(&own).epoch()).unwrap().is_some());
    assert!(own.inner.own_index(&now, words(&own).epoch() + 1).unwrap().is_none());
}

/// A line is in the shared index a moment before it is counted, and who has seen it there may have told others.
#[test]
fn what_somebody_sees_in_the_shared_index_is_seen_by_one_with_an_index_of_its_own() {
    let (directory, own, _taker) = with_own();
    assert!(another_sees(&board(&directory), "before"));
    let counted = words(&own).appended_through();
    let (mut writer, _) = spawn("number-writes there", &board(&directory));
    writer.wait().unwrap();
    words(&own).set_appended(counted);
    assert!(sees(&own, "there"));
    assert_eq!(words(&own).appended_through(), counted.next());
}

/// What nobody can read is damage, also where no index says so.
#[test]
fn damage_in_the_journal_is_refused_with_its_place_by_one_with_an_index_of_its_own() {
    let (directory, own, _taker) = with_own();
    for key in ["one", "two", "three"] {
        remember(&own, key).unwrap();
    }
    let journal = board(&directory).join(own.inner.open_generation().unwrap().journal_name());
    drop(own);
    let mut bytes = std::fs::read(&journal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&journal, &bytes).unwrap();
    let own = open(&board(&directory));
    let error = own.snapshot().err().unwrap().to_string();
    assert!(error.contains("line 2") || error.contains("line 3"), "{error}");
    assert_eq!(std::fs::read(&journal).unwrap(), bytes);
}
