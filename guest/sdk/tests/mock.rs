//! Hooks that run natively, on a board of the test's making.

use taskhost_sdk::assignment::Answer;
use taskhost_sdk::files::{self, FileError, Place};
use taskhost_sdk::locks::{self, LockError};
use taskhost_sdk::mock::{Board, Step, Task, asker};
use taskhost_sdk::{
    About, Assignment, Description, DurationMs, Family, Lifecycle, Order, Readiness, Request,
    Reservation, Setting, Status, StepError, Transaction, View, clock, lifecycle, log, random,
    readiness,
};

const LEASE: Setting<DurationMs> = Setting::duration("lease", "30m", "How long a claim holds.");

/// Offers in the order of `rank`, and counts what it gives in its memory.
struct Counting;

impl About for Counting {
    fn describe() -> Description {
        Description::new("counting", "1", "Counts what it gives.").with(&LEASE)
    }
}

impl Assignment for Counting {
    fn choose(view: &View, tx: &Transaction, request: Request) -> Answer {
        let given = view.recall("given").map_or(0, |value| value[0]);
        if given == 3 {
            tx.remember("given", None).expect("it was remembered");
            return Answer::Refused("enough".into());
        }
        let ready = view.candidates(&request.filter, Reservation::Either, Order::Rank);
        for task in ready.next(16) {
            match tx.claim(&task.id, Some(LEASE.get())) {
                Ok(()) => {
                    tx.remember("given", Some(&[given + 1])).expect("it is small");
                    log::write(&format!("gave {}", task.id));
                    return Answer::Staged;
                }
                Err(why) => log::write(&why.to_string()),
            }
        }
        Answer::Nothing(None)
    }
}

#[test]
fn steps_are_kept_for_the_hooks_after_it_as_if_they_were_committed() {
    let mut board = Board::new();
    board.add(Task::new("low"));
    board.add(Task::new("high").priority(1));
    board.add(Task::new("later").not_ready());

    assert_eq!(board.choose::<Counting>(asker("ada")), Answer::Staged);
    assert_eq!(
        board.steps(),
        [
            Step::Claim { id: "high".into(), lease: Some(30 * 60 * 1_000) },
            Step::Remember { key: "given".into(), value: Some(vec![1]) },
        ]
    );
    assert_eq!(board.log(), ["gave high"]);
    let claim = board.task("high").and_then(|task| task.claim.clone()).expect("it is claimed");
    assert_eq!((claim.agent.as_str(), claim.token), ("ada", 1));
    assert_eq!(claim.lease_until, board.now() + 30 * 60 * 1_000);

    board.set("lease", "2h");
    assert_eq!(board.choose::<Counting>(asker("bob")), Answer::Staged);
    assert!(board.steps().contains(&Step::Claim { id: "low".into(), lease: Some(7_200_000) }));
    assert_eq!(board.choose::<Counting>(asker("eve")), Answer::Nothing(None));
    assert_eq!(board.recall("given"), Some(&[2][..]));
}

#[test]
fn refusal_leaves_nothing_but_the_log() {
    let mut board = Board::new();
    for id in ["a", "b", "c", "d"] {
        board.add(Task::new(id));
    }
    for _ in 0..3 {
        assert_eq!(board.choose::<Counting>(asker("ada")), Answer::Staged);
    }
    assert_eq!(board.choose::<Counting>(asker("ada")), Answer::Refused("enough".into()));
    assert_eq!(board.steps(), []);
    assert_eq!(board.recall("given"), Some(&[3][..]), "what it staged is forgotten");
}

/// Tries what taskhost refuses, and answers with what it was told.
struct Trying;

impl About for Trying {
    fn describe() -> Description {
        Description::new("trying", "1", "Tries what it may not.")
    }
}

impl Assignment for Trying {
    fn choose(view: &View, tx: &Transaction, request: Request) -> Answer {
        let id = request.filter.only.clone().expect("the test names one");
        let offered = view.candidates(&request.filter, Reservation::Either, Order::Oldest).next(9);
        match tx.claim(&id, None) {
            Ok(()) if offered.is_empty() => Answer::Nothing(Some("given, and not offered".into())),
            Ok(()) => match tx.claim(&id, None) {
                Err(StepError::Limit(_)) => Answer::Staged,
                again => Answer::Nothing(Some(format!("a second claim: {again:?}"))),
            },
            Err(why) if offered.is_empty() => Answer::Nothing(Some(why.to_string())),
            Err(why) => Answer::Nothing(Some(format!("offered, and not given: {why}"))),
        }
    }
}

#[test]
fn claims_that_taskhost_would_refuse_are_refused_with_its_words() {
    let mut board = Board::new();
    board.add(Task::new("free"));
    board.add(Task::new("done").status(Status::Completed));
    board.add(Task::new("waiting").not_ready());
    board.add(Task::new("reserved").assignee("bob"));
    board.add(Task::new("hard").needs(["gpu"]));
    let mut try_for = |name: &str, id: &str| {
        let mut request = asker(name);
        request.filter.only = Some(id.to_owned());
        board.choose::<Trying>(request)
    };
    let nothing = |text: &str| Answer::Nothing(Some(text.to_owned()));

    assert_eq!(try_for("ada", "done"), nothing("`done` is completed and not ready"));
    assert_eq!(try_for("ada", "waiting"), nothing("`waiting` is pending and not ready"));
    assert_eq!(try_for("ada", "reserved"), nothing("`reserved` is reserved for somebody else"));
    assert_eq!(try_for("ada", "hard"), nothing("`hard` isn't what was asked for"));
    assert_eq!(try_for("ada", "gone"), nothing("there is no task `gone`"));
    assert_eq!(try_for("bob", "reserved"), Answer::Staged);
    assert_eq!(try_for("ada", "free"), Answer::Staged);
    assert_eq!(try_for("eve", "free"), nothing("`free` is claimed by `ada`"));
}

impl Readiness for Trying {
    fn classify(view: &View, task: &taskhost_sdk::Task) -> readiness::Answer {
        assert!(matches!(locks::acquire("l", 1), Err(LockError::Forbidden)));
        assert!(matches!(
            files::replace(Place::Board, "f", b"", None),
            Err(FileError::Forbidden(_))
        ));
        match view.get("parent").map(|parent| parent.children(Family::Open, None, 9)) {
            Some(open) if open.contains(&task.summary().id) => readiness::Answer::Ready(7),
            _ => readiness::Answer::Until(clock::now() + 1),
        }
    }
}

impl Lifecycle for Trying {
    fn on_event(
        _: &View,
        tx: &Transaction,
        task: &taskhost_sdk::Task,
        event: String,
        _: String,
    ) -> lifecycle::Answer {
        assert!(matches!(tx.claim("a", None), Err(StepError::Invalid(_))), "nobody asks");
        {
            let _held = locks::acquire("l", 1).expect("nobody holds it");
            assert!(matches!(locks::acquire("l", 1), Err(LockError::Timeout)));
        }
        let _again = locks::acquire("l", 1).expect("it was let go");
        files::replace(Place::Shared, "f", b"one", Some(b"")).expect("there is no such file");
        let second = files::replace(Place::Shared, "f", b"two", Some(b"other"));
        assert_eq!(second, Err(FileError::Changed));
        assert_eq!(files::read(Place::Shared, "f"), Ok(b"one".to_vec()));
        assert_eq!(files::read(Place::Board, "f"), Err(FileError::NotFound));
        let parent = task.parent().expect("it has one");
        match tx.set_status(&parent, Status::Completed, "all done") {
            Ok(()) if event == "completed" => lifecycle::Answer::Accept,
            other => lifecycle::Answer::Refused(format!("{other:?}")),
        }
    }
}

#[test]
fn every_hook_reads_the_board_and_does_what_it_may() {
    let mut board = Board::new();
    board.add(Task::new("parent").not_ready());
    board.add(Task::new("child").parent("parent").not_ready());
    board.add(Task::new("other").not_ready());

    assert_eq!(board.classify::<Trying>("child"), readiness::Answer::Ready(7));
    assert_eq!(board.task("child").and_then(|task| task.rank), Some(7));
    let later = readiness::Answer::Until(board.now() + 1);
    assert_eq!(board.classify::<Trying>("other"), later);
    board.add(Task::new("child").parent("parent").status(Status::Completed));
    board.put_file(Place::Shared, "f", b"");
    assert_eq!(board.on_event::<Trying>("child", "completed", ""), lifecycle::Answer::Accept);
    assert_eq!(board.task("parent").map(|task| task.status), Some(Status::Completed));
    assert_eq!(board.file(Place::Shared, "f"), Some(&b"one"[..]));
    assert_eq!(board.file(Place::Board, "f"), None);
}

/// Draws two numbers.
struct Drawing;

impl About for Drawing {
    fn describe() -> Description {
        Description::new("drawing", "1", "Draws numbers.")
    }
}

impl Assignment for Drawing {
    fn choose(_: &View, _: &Transaction, _: Request) -> Answer {
        Answer::Nothing(Some(format!("{} {}", random::next(), random::next())))
    }
}

#[test]
fn random_numbers_are_the_same_in_every_run_and_others_in_every_call() {
    let draw = |board: &mut Board| board.choose::<Drawing>(asker("ada"));
    let (mut one, mut other) = (Board::new(), Board::new());
    let first = draw(&mut one);
    assert_eq!(first, draw(&mut other));
    assert_ne!(first, draw(&mut one));
}

/// What the crate's documentation shows: one hook, described by its macro.
struct Oldest;

impl Assignment for Oldest {
    fn choose(view: &View, tx: &Transaction, request: Request) -> Answer {
        let ready = view.candidates(&request.filter, Reservation::Either, Order::Oldest);
        ready.claim_first(tx, request.lease)
    }
}

taskhost_sdk::policy!(Oldest: assignment; "The oldest first.", LEASE);

#[test]
fn policy_described_by_its_macro_has_the_name_of_its_crate_and_its_settings() {
    let about = Oldest::describe();
    assert_eq!(
        (about.name.as_str(), about.summary.as_str()),
        ("taskhost-sdk", "The oldest first.")
    );
    assert_eq!(about.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(about.settings.len(), 1);
}

#[test]
fn first_that_can_be_claimed_is_and_nothing_is_an_answer() {
    let mut board = Board::new();
    assert_eq!(board.choose::<Oldest>(asker("ada")), Answer::Nothing(None));
    board.add(Task::new("old"));
    board.add(Task::new("new").priority(5));
    assert_eq!(board.choose::<Oldest>(asker("ada")), Answer::Staged);
    assert_eq!(board.task("old").map(|task| task.claim.is_some()), Some(true));
}
