//! A task is given to one agent, and what a stale one says changes nothing.

use std::time::Duration;

use crate::Kind;
use crate::board::{agent, board, board_with, id, name, proof, request, soon, task, token};
use taskhost_board::{BoardSettings, ClaimOutcome, Error, Finish, Json, NothingWhy, Proof, Status};

pub(crate) fn each_of_many_threads_gets_tasks_that_nobody_else_has(kind: &Kind) {
    let board = board(kind);
    let tasks: Vec<_> = (0..200).map(|n| task(&format!("t{n}"))).collect();
    board.add(&tasks).unwrap();
    let got: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|n| {
                let board = &board;
                scope.spawn(move || {
                    std::iter::from_fn(|| board.next(&format!("a{n}")))
                        .map(|t| t.id.to_string())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let distinct: std::collections::BTreeSet<_> = got.iter().collect();
    assert_eq!((got.len(), distinct.len()), (200, 200));
    board.assert_sound();
}

pub(crate) fn second_agent_of_one_name_neither_wins_nor_completes(kind: &Kind) {
    // Two agents under one name shared work, because a claim by the same name counted as a repetition.
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    let first = board.next("twin").unwrap();
    assert!(matches!(board.claim_id("twin", "t"), Err(Error::Held { .. })));
    let guess = Proof { agent: name("twin"), token: Some(token(&first.claim).next()) };
    assert!(matches!(board.finish("t", &guess, &Finish::Complete(None)), Err(Error::Stale { .. })));
    let none = Proof { agent: name("twin"), token: None };
    assert!(matches!(
        board.finish("t", &none, &Finish::Complete(None)),
        Err(Error::TokenNeeded { .. })
    ));
    assert_eq!(board.complete(&first).status, Status::Completed);
}

pub(crate) fn late_holder_changes_nothing_once_its_task_was_given_away(kind: &Kind) {
    // A stale worker completed the claim of the one that had taken over.
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    let mut short = request(&agent("slow"));
    short.lease_ms = Some(100_000);
    let ClaimOutcome::Claimed { task: first, .. } = board.claim(&short).unwrap() else {
        panic!("nothing to claim")
    };
    assert!(board.next("fast").is_none(), "a lease that holds is respected");
    board.advance(Duration::from_millis(100_001));
    let second = board.next("fast").unwrap();
    assert!(token(&second.claim) > token(&first.claim));
    assert_eq!(second.attempts, 2, "a recovery leaves its attempt counted");

    for how in [Finish::Complete(None), Finish::Fail(None), Finish::Release(None)] {
        let late = board.finish("t", &proof(&first), &how);
        assert!(matches!(&late, Err(Error::Stale { claim: Some(_), .. })), "{late:?}");
    }
    assert!(matches!(
        board.engine.heartbeat(&id("t"), &proof(&first), None, soon()),
        Err(Error::Stale { .. })
    ));
    assert_eq!(board.task("t"), second);
    board.assert_sound();
}

pub(crate) fn heartbeat_extends_the_lease_by_its_own_length(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    let mut short = request(&agent("a"));
    short.lease_ms = Some(100_000);
    let ClaimOutcome::Claimed { task: first, .. } = board.claim(&short).unwrap() else {
        panic!("nothing to claim")
    };
    board.advance(Duration::from_secs(90));
    board.engine.heartbeat(&first.id, &proof(&first), None, soon()).unwrap();
    board.advance(Duration::from_secs(90));
    assert!(board.next("b").is_none());
    board.advance(Duration::from_millis(10_001));
    assert!(board.next("b").is_some());
}

pub(crate) fn dead_holders_task_comes_back_without_waiting_for_its_lease(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    let mut living = agent("a");
    living.living = true;
    let life = board.live(&living);
    assert!(matches!(board.claim(&request(&living)).unwrap(), ClaimOutcome::Claimed { .. }));
    assert!(board.next("b").is_none(), "a living holder keeps it");
    board.let_die(life);
    let again = board.next("b").unwrap();
    assert_eq!((again.id, again.attempts), (id("t"), 2));
    board.assert_sound();
}

pub(crate) fn repeated_claim_with_its_key_gives_the_same_claim(kind: &Kind) {
    // The reply to a claim was lost; the retry took a second task and stranded the first.
    let board = board(kind);
    board.add(&[task("one"), task("two")]).unwrap();
    let mut keyed = request(&agent("a"));
    keyed.key = Some("k".into());
    let ClaimOutcome::Claimed { task: first, repeated: false } = board.claim(&keyed).unwrap()
    else {
        panic!("not claimed")
    };
    let ClaimOutcome::Claimed { task: second, repeated: true } = board.claim(&keyed).unwrap()
    else {
        panic!("not repeated")
    };
    assert_eq!(first, second);

    let mut other = request(&agent("b"));
    other.key = Some("k".into());
    assert!(matches!(board.claim(&other), Err(Error::KeyReused(_))));

    board.complete(&first);
    assert!(matches!(board.claim(&keyed), Err(Error::KeyEnded { .. })));
    board.advance(Duration::from_secs(8 * 24 * 60 * 60));
    assert!(
        matches!(board.claim(&keyed).unwrap(), ClaimOutcome::Claimed { repeated: false, .. }),
        "keys are kept 7 days"
    );
}

pub(crate) fn repeated_complete_is_answered_the_same_and_another_result_is_not(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    let held = board.next("a").unwrap();
    let done = Finish::Complete(Some(Json::parse("{\"n\": 1}").unwrap()));
    let first = board.finish("t", &proof(&held), &done).unwrap();
    let again = board.finish("t", &proof(&held), &done).unwrap();
    assert_eq!((first.repeated, again.repeated), (false, true));
    assert_eq!(first.task, again.task);
    let other = Finish::Complete(Some(Json::parse("2").unwrap()));
    assert!(matches!(board.finish("t", &proof(&held), &other), Err(Error::Transition { .. })));
    assert!(matches!(
        board.finish("t", &proof(&held), &Finish::Fail(None)),
        Err(Error::Transition { .. })
    ));
}

pub(crate) fn voluntary_release_gives_its_attempt_back(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    let held = board.next("a").unwrap();
    assert_eq!(held.attempts, 1);
    let back =
        board.finish("t", &proof(&held), &Finish::Release(Some("lunch".into()))).unwrap().task;
    assert_eq!(
        (back.status, back.attempts, back.reason.as_deref()),
        (Status::Pending, 0, Some("lunch"))
    );
    assert_eq!(board.next("b").unwrap().attempts, 1);
    board.assert_sound();
}

pub(crate) fn claim_by_id_says_what_stands_in_its_way(kind: &Kind) {
    let board = board(kind);
    let mut child = task("child");
    child.after = vec![id("first")];
    let mut reserved = task("reserved");
    reserved.assignee = Some(taskhost_board::Assignee {
        name: name("boss"),
        kind: taskhost_board::AgentKind::Agent,
        hostname: None,
        by: None,
    });
    board.add(&[task("first"), child, reserved]).unwrap();
    assert!(matches!(
        board.claim_id("a", "child").unwrap(),
        ClaimOutcome::Nothing { why: NothingWhy::Waiting, .. }
    ));
    assert!(matches!(board.claim_id("a", "reserved"), Err(Error::Reserved { .. })));
    assert!(matches!(board.claim_id("boss", "reserved").unwrap(), ClaimOutcome::Claimed { .. }));
    assert!(matches!(board.claim_id("a", "nowhere"), Err(Error::NoSuchTask(_))));
    let ClaimOutcome::Claimed { task: first, .. } = board.claim_id("a", "first").unwrap() else {
        panic!("not claimed")
    };
    assert!(matches!(board.claim_id("b", "first"), Err(Error::Held { .. })));
    board.complete(&first);
    assert!(matches!(board.claim_id("b", "first"), Err(Error::Transition { .. })));
}

pub(crate) fn nothing_says_whether_the_board_is_empty_waiting_or_not_for_the_asker(kind: &Kind) {
    let board = board(kind);
    let why = |who: &str| match board.claim(&request(&agent(who))).unwrap() {
        ClaimOutcome::Nothing { why, .. } => why,
        ClaimOutcome::Claimed { task, .. } => panic!("got {}", task.id),
    };
    assert_eq!(why("a"), NothingWhy::Empty);
    let mut picky = task("picky");
    picky.needs = vec![name("gpu")];
    board.add(&[picky]).unwrap();
    assert_eq!(why("a"), NothingWhy::NoMatch);
    let mut able = agent("b");
    able.capabilities = vec![name("gpu"), name("cpu")];
    assert!(matches!(board.claim(&request(&able)).unwrap(), ClaimOutcome::Claimed { .. }));
    assert_eq!(why("a"), NothingWhy::Waiting);
}

pub(crate) fn unfenced_board_takes_the_name_for_the_token(kind: &Kind) {
    let board = board_with(kind, &BoardSettings { unfenced: true, ..BoardSettings::default() });
    board.add(&[task("t")]).unwrap();
    board.next("old").unwrap();
    let stranger = Proof { agent: name("other"), token: None };
    assert!(matches!(
        board.finish("t", &stranger, &Finish::Complete(None)),
        Err(Error::Held { .. })
    ));
    let holder = Proof { agent: name("old"), token: None };
    assert_eq!(
        board.finish("t", &holder, &Finish::Complete(None)).unwrap().task.status,
        Status::Completed
    );
}
