//! Connections that are cut while a change is being committed, or at any other byte.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on should stop")]

use std::thread;
use std::time::{Duration, Instant};

use taskhost_board::{
    Agent, Change, CommitError, Engine, Entry, Error, FileFailure, Finish, Name, NewTask, Place,
    Sequence, Store as _, Task,
};
use taskhost_faults::{Bench, agent, claim, engine, open, proof, soon, task_id};
use taskhost_store_postgres::{Kind, key};
use taskhost_test_postgres::{Cutter, Ending, Fault, Trigger, shared};

/// A board, and commands that reach it through a cutter.
struct Cut {
    bench: Bench,
    cutter: Cutter,
    engine: Engine,
    agent: Agent,
}

impl Cut {
    fn new() -> Self {
        let bench = Bench::new(shared(), 5).unwrap();
        let cutter = Cutter::before(shared()).unwrap();
        let engine = engine(&open(&bench.by(cutter.access())).unwrap());
        let cut = Self { bench, cutter, engine, agent: agent("ada") };
        // What is done once only is done: a class is named, statements are prepared.
        for key in [None, Some("first")] {
            let task = claim(&cut.engine, &cut.agent, key).unwrap().unwrap();
            cut.complete(&task).unwrap();
        }
        cut
    }

    fn claim(&self, key: Option<&str>) -> Result<Task, Error> {
        claim(&self.engine, &self.agent, key).map(Option::unwrap)
    }

    fn complete(&self, task: &Task) -> Result<bool, Error> {
        let proof = proof(task).unwrap();
        let held = self.engine.finish(&task.id, &proof, &Finish::Complete(None), soon())?;
        Ok(held.repeated)
    }

    fn add(&self, key: Option<&str>) -> Result<(), Error> {
        let id = task_id("added");
        let key = key.map(str::to_owned);
        let task = NewTask { id: Some(id), key, ..NewTask::new(Name::new("work").unwrap()) };
        self.engine.add(&[task], soon()).map(|_| ())
    }

    /// How many entries have such a change.
    fn count(&self, is_such: impl Fn(&Change) -> bool) -> usize {
        let mut count = 0;
        let mut take = |_: Sequence, entry: Entry| {
            count += entry.changes.iter().filter(|change| is_such(change)).count();
            true
        };
        self.bench.store.history(Sequence(0), &mut take).unwrap();
        count
    }

    fn claims(&self) -> usize {
        self.count(|change| matches!(change, Change::Claimed { .. }))
    }

    fn completions(&self) -> usize {
        self.count(|change| matches!(change, Change::Finished { .. }))
    }

    #[track_caller]
    fn assert_sound(&self) {
        assert_eq!(self.bench.wrong().unwrap(), Vec::<String>::new());
    }
}

/// What is committed while the connection breaks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    ClaimWithKey,
    Claim,
    Complete,
    Add,
}

const EACH: [What; 4] = [What::ClaimWithKey, What::Claim, What::Complete, What::Add];

fn faults() -> [Fault; 2] {
    let commit = || Trigger::statement("COMMIT");
    [Fault::Before(commit()), Fault::After(commit())]
}

/// Each of all, side by side: a connection that falls silent is waited for.
fn each(check: impl Fn(What, Fault) + Sync) {
    thread::scope(|scope| {
        let check = &check;
        for what in EACH {
            for fault in faults() {
                scope.spawn(move || check(what, fault));
            }
        }
    });
}

/// The server can be reached: whoever asked isn't even told.
fn finds_out_by_itself(what: What, fault: &Fault, ending: Ending) {
    let cut = Cut::new();
    let held = (what == What::Complete).then(|| cut.claim(None).unwrap());
    let before = (cut.claims(), cut.completions());
    cut.cutter.plan(fault.clone(), ending);
    let (claims, completions) = match what {
        What::ClaimWithKey => {
            let task = cut.claim(Some("k")).unwrap();
            assert_eq!(cut.claim(Some("k")).unwrap().claim, task.claim);
            (1, 0)
        }
        What::Claim => {
            cut.claim(None).unwrap();
            (1, 0)
        }
        What::Complete => {
            assert!(!cut.complete(held.as_ref().unwrap()).unwrap());
            assert!(cut.complete(held.as_ref().unwrap()).unwrap());
            (0, 1)
        }
        What::Add => {
            cut.add(None).unwrap();
            cut.bench.engine.task(&task_id("added")).unwrap();
            (0, 0)
        }
    };
    assert_eq!(cut.cutter.happened(), 1, "{what:?} {fault:?} {ending:?}");
    let after = (cut.claims(), cut.completions());
    assert_eq!(after, (before.0 + claims, before.1 + completions), "{what:?} {fault:?} {ending:?}");
    cut.assert_sound();
}

#[test]
fn what_became_of_a_commit_whose_connection_was_closed_is_found_out() {
    each(|what, fault| finds_out_by_itself(what, &fault, Ending::Closed));
}

#[test]
fn what_became_of_a_commit_whose_connection_fell_silent_is_found_out() {
    each(|what, fault| finds_out_by_itself(what, &fault, Ending::Silent));
}

#[test]
fn what_became_of_a_commit_is_unknown_once_its_entry_may_have_been_removed() {
    // A commit's answer was lost, and its entry was removed from the history, which was kept short, before anybody asked for it:
    // it was taken for one that never was, and the claim was made again.
    let cut = Cut::new();
    let before = cut.claims();
    cut.cutter.plan(Fault::After(Trigger::statement("commit")), Ending::Silent);
    thread::scope(|scope| {
        let asked = scope.spawn(|| cut.claim(Some("k")));
        let is_there = || cut.claims() == before + 1;
        comes_true("the claim is there, and nobody knows", || {
            cut.cutter.happened() == 1 && is_there()
        });
        let schema = cut.bench.store.address().schema().to_owned();
        let trim =
            "UPDATE board SET trimmed = (SELECT max(sequence) FROM journal); DELETE FROM journal";
        shared().psql(&format!("BEGIN; SET LOCAL search_path = {schema}; {trim}; COMMIT")).unwrap();
        cut.cutter.cut();
        let error = asked.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::Commit(CommitError::Unknown(_))), "{error}");
    });
    // Whoever asks again with the same key is told.
    cut.claim(Some("k")).unwrap();
    assert_eq!(cut.claims(), 0);
}

#[test]
fn where_the_server_cannot_be_reached_the_outcome_is_unknown_and_the_same_again_is_done_once() {
    each(|what, fault| {
        if what == What::Claim {
            // Without a key another claim is another one.
            return;
        }
        let cut = Cut::new();
        let held = (what == What::Complete).then(|| cut.claim(None).unwrap());
        let before = (cut.claims(), cut.completions());
        // New connections are refused from now on; the one that there is goes on.
        cut.cutter.refuse();
        cut.cutter.plan(fault.clone(), Ending::Closed);
        let ask = || match what {
            What::Complete => cut.complete(held.as_ref().unwrap()).map(|_| ()),
            What::Add => cut.add(Some("k")),
            _ => cut.claim(Some("k")).map(|_| ()),
        };
        let error = ask().unwrap_err();
        assert!(matches!(error, Error::Commit(CommitError::Unknown(_))), "{what:?}: {error}");
        assert_eq!(cut.cutter.happened(), 1, "{what:?} {fault:?}");
        cut.cutter.accept().unwrap();
        ask().unwrap();
        ask().unwrap();
        let (claims, completions) = match what {
            What::Complete => (0, 1),
            What::Add => (0, 0),
            _ => (1, 0),
        };
        let after = (cut.claims(), cut.completions());
        assert_eq!(after, (before.0 + claims, before.1 + completions), "{what:?} {fault:?}");
        cut.assert_sound();
    });
}

#[test]
fn a_new_type_of_tasks_is_named_though_the_connection_for_it_breaks() {
    // What kinds of tasks there are is named beside the transaction, and one lost connection was the end of it: nothing was
    // added, and whoever asked was told of a failure that a second try on another connection didn't have.
    let cut = Cut::new();
    cut.cutter.plan(Fault::Before(Trigger::statement("INSERT INTO classes")), Ending::Closed);
    let task = NewTask { id: Some(task_id("new")), ..NewTask::new(Name::new("other").unwrap()) };
    cut.engine.add(&[task], soon()).unwrap();
    assert_eq!(cut.cutter.happened(), 1);
    cut.assert_sound();
}

#[test]
fn a_replaced_file_whose_answer_is_lost_is_not_said_to_have_been_changed_by_others() {
    // The replacement was asked for again on another connection, found its own new content in the file instead of the one
    // that was expected, and its policy was told that somebody else had changed it, though nobody had.
    let cut = Cut::new();
    let (powers, timeout) = (cut.engine.store().powers(), Duration::from_secs(10));
    let replace = |content: &[u8], expected: Option<&[u8]>| {
        powers.replace(Place::Board, "counter", content, expected, timeout)
    };
    replace(b"1", None).unwrap();
    for (trigger, there) in [("UPDATE files", b"2"), ("INSERT INTO files", b"3")] {
        let expected = powers.read(Place::Board, "counter", timeout).unwrap();
        cut.cutter.plan(Fault::After(Trigger::statement(trigger)), Ending::Closed);
        match trigger {
            "UPDATE files" => {
                let failure = replace(there, Some(&expected)).unwrap_err();
                let FileFailure::Failed(why) = failure else { panic!("{failure}") };
                assert!(why.contains("whether the file was replaced is unknown"), "{why}");
            }
            // What is replaced whatever there is may be replaced again.
            _ => replace(there, None).unwrap(),
        }
        // The server goes on with what it was asked for, for as long as it takes.
        comes_true("the file is replaced", || {
            powers.read(Place::Board, "counter", timeout).unwrap() == there
        });
    }
    assert_eq!(cut.cutter.happened(), 2);
}

#[test]
fn a_session_holds_its_lock_by_the_connection_that_it_has() {
    // When a home connection fell silent, another one was made; but the server kept the lock for the first, as long as it
    // took that one for alive. Nobody noticed when the session died after that, and its tasks waited for their leases.
    let cut = Cut::new();
    let store = open(&cut.bench.by(cut.cutter.access())).unwrap();
    let session = cut.agent.session.clone();
    let life = store.live(&session).unwrap();
    let lock = key(store.address().schema(), Kind::Session, session.as_str());
    let first = holder(lock).unwrap();
    let past = store.mark().unwrap();
    // What the home connection asks while somebody waits; others ask more than that.
    let question = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM entries";
    cut.cutter.plan(Fault::Before(Trigger::statement(question)), Ending::Silent);
    comes_true("another connection has the lock", || {
        store.wait(past, Duration::from_secs(1)).unwrap();
        holder(lock).is_some_and(|now| now != first)
    });
    assert_eq!(cut.cutter.happened(), 1);
    drop(life);
    comes_true("nobody has it", || holder(lock).is_none());
}

/// The server's process that holds a lock.
fn holder(lock: i64) -> Option<String> {
    let sql = format!(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND mode = 'ExclusiveLock' \
         AND classid = ({lock}::bigint >> 32 & 4294967295)::oid AND objid = ({lock}::bigint & 4294967295)::oid"
    );
    Some(shared().psql(&sql).unwrap()).filter(|pid| !pid.is_empty())
}

#[track_caller]
fn comes_true(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// How far apart the places are at which a connection is cut.
const STEP: usize = 61;

#[test]
fn a_connection_may_be_cut_at_any_byte() {
    // How much a claim and a completion say, with all that comes before.
    let bytes_max = {
        let bench = Bench::new(shared(), 1).unwrap();
        let cutter = Cutter::before(shared()).unwrap();
        let engine = engine(&open(&bench.by(cutter.access())).unwrap());
        let task = claim(&engine, &agent("ada"), Some("k-1")).unwrap().unwrap();
        let (proof, how) = (proof(&task).unwrap(), Finish::Complete(None));
        engine.finish(&task.id, &proof, &how, soon()).unwrap();
        cutter.bytes_max()
    };
    let places: Vec<u64> = (1..bytes_max).step_by(STEP).collect();
    thread::scope(|scope| {
        for part in places.chunks(places.len().div_ceil(4)) {
            scope.spawn(move || part.chunks(40).for_each(cut_at_each));
        }
    });
}

/// On one board, at one place after the other.
fn cut_at_each(places: &[u64]) {
    let bench = Bench::new(shared(), places.len()).unwrap();
    for &place in places {
        let cutter = Cutter::before(shared()).unwrap();
        cutter.plan(Fault::AfterBytes(place), Ending::Closed);
        let through = bench.by(cutter.access());
        // Whoever can't even open it tries again: a plan happens once.
        let store = open(&through).or_else(|_| open(&through)).unwrap();
        let (engine, agent, key) = (engine(&store), agent("ada"), format!("k-{place}"));
        let task = claim(&engine, &agent, Some(&key)).unwrap().unwrap();
        assert_eq!(claim(&engine, &agent, Some(&key)).unwrap().unwrap().claim, task.claim);
        let (proof, how) = (proof(&task).unwrap(), Finish::Complete(None));
        let held = engine.finish(&task.id, &proof, &how, soon()).unwrap();
        assert!(!held.repeated, "after {place} bytes");
        assert!(engine.finish(&task.id, &proof, &how, soon()).unwrap().repeated);
        assert_eq!(cutter.happened(), 1, "after {place} bytes");
        assert_eq!(bench.store.examine().unwrap(), Vec::<String>::new(), "after {place} bytes");
    }
    // One claim and one completion for each place, no more and no less.
    assert!(claim(&bench.engine, &agent("bob"), None).unwrap().is_none());
    assert_eq!(bench.wrong().unwrap(), Vec::<String>::new());
}
