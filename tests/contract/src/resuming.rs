//! A later session of an agent goes on with what an earlier one claimed, and nobody else does.

use taskhost_board::{Agent, ClaimOutcome, ClaimRequest, Error, Finish, SessionId, Status, Task};

use crate::Kind;
use crate::board::{Board, agent, board, id, proof, request, soon, task, token};

/// Another session of the agent of this name, which holds a life lock of its own.
fn session(name: &str, session: &str) -> Agent {
    Agent { session: SessionId::new(session).unwrap(), living: true, ..agent(name) }
}

fn claimed(board: &Board, agent: &Agent) -> Task {
    match board.claim(&request(agent)).unwrap() {
        ClaimOutcome::Claimed { task, .. } => *task,
        ClaimOutcome::Nothing { why, .. } => panic!("nothing to claim: {why:?}"),
    }
}

pub(crate) fn later_session_goes_on_with_the_claim_of_one_that_has_ended(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    let (first, second) = (session("ada", "s-1"), session("ada", "s-2"));
    let life = board.live(&first);
    let before = claimed(&board, &first);
    board.let_die(life);
    let _life = board.live(&second);
    let resumed = board.engine.resume(&id("t"), token(&before.claim), &second, None, soon());
    let after = *resumed.unwrap().task;
    assert_eq!(after.claim.as_ref().unwrap().session, second.session);
    assert_eq!((token(&after.claim), after.attempts), (token(&before.claim), 1));
    // It stands on the later session's life now.
    assert!(board.next("bob").is_none());
    assert_eq!(board.complete(&after).status, Status::Completed);
    board.assert_sound();
}

pub(crate) fn session_that_lives_keeps_its_claim_whoever_knows_the_token(kind: &Kind) {
    // Two sessions of one agent worked on one task, because a token could be read from the board.
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    let (first, second) = (session("ada", "s-1"), session("ada", "s-2"));
    let _lives = [&first, &second].map(|agent| board.live(agent));
    let held = claimed(&board, &first);
    let refused = board.engine.resume(&id("t"), token(&held.claim), &second, None, soon());
    assert!(matches!(refused, Err(Error::Held { .. })), "{refused:?}");
    assert_eq!(board.task("t").claim, held.claim);
    // Its own session may say so as often as it likes.
    let again = board.engine.resume(&id("t"), token(&held.claim), &first, None, soon()).unwrap();
    assert_eq!(again.task.claim.unwrap().session, first.session);
}

pub(crate) fn claim_that_was_given_away_or_ended_is_not_taken_up_again(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    let (first, second) = (session("ada", "s-1"), session("ada", "s-2"));
    let life = board.live(&first);
    let before = claimed(&board, &first);
    board.let_die(life);
    let _life = board.live(&second);
    // Nobody's guess, and no other agent's.
    for (agent, with) in
        [(&second, token(&before.claim).next()), (&session("eve", "s-3"), token(&before.claim))]
    {
        let refused = board.engine.resume(&id("t"), with, agent, None, soon());
        assert!(matches!(refused, Err(Error::Stale { .. })), "{refused:?}");
    }
    let others = board.next("bob").unwrap();
    let late = board.engine.resume(&id("t"), token(&before.claim), &second, None, soon());
    assert!(matches!(late, Err(Error::Stale { .. })), "{late:?}");
    board.finish("t", &proof(&others), &Finish::Complete(None)).unwrap();
    let ended = board.engine.resume(&id("t"), token(&others.claim), &agent("bob"), None, soon());
    assert!(matches!(ended, Err(Error::Transition { .. })), "{ended:?}");
    board.assert_sound();
}

pub(crate) fn key_gives_nobody_the_claim_of_a_session_that_lives(kind: &Kind) {
    // Two agents whose clients had one name made up one key, and had one task.
    let board = board(kind);
    board.add(&[task("t"), task("u")]).unwrap();
    let (first, second) = (session("ada", "s-1"), session("ada", "s-2"));
    let life = board.live(&first);
    let _life = board.live(&second);
    let keyed = |agent: &Agent| ClaimRequest { key: Some("next-1".into()), ..request(agent) };
    assert!(matches!(
        board.claim(&keyed(&first)),
        Ok(ClaimOutcome::Claimed { repeated: false, .. })
    ));
    assert!(matches!(board.claim(&keyed(&second)), Err(Error::Held { .. })));
    assert!(matches!(
        board.claim(&keyed(&first)),
        Ok(ClaimOutcome::Claimed { repeated: true, .. })
    ));
    // Once the first has ended the claim goes on, and stands on the life of the one that was told so.
    board.let_die(life);
    let ClaimOutcome::Claimed { task, repeated: true } = board.claim(&keyed(&second)).unwrap()
    else {
        panic!("the claim wasn't repeated")
    };
    assert_eq!(task.claim.as_ref().unwrap().session, second.session);
    assert_eq!(board.next("bob").unwrap().id, id("u"));
    assert!(board.next("bob").is_none());
}

pub(crate) fn naming_a_session_is_not_being_it(kind: &Kind) {
    // `claim --token N --session S` from another process took a living session's claim, and its life lock from it.
    let board = board(kind);
    board.add(&[task("t")]).unwrap();
    let first = session("ada", "s-1");
    let _life = board.live(&first);
    let held = claimed(&board, &first);
    let pretended = Agent { living: false, ..first };
    let refused = board.engine.resume(&id("t"), token(&held.claim), &pretended, None, soon());
    assert!(matches!(refused, Err(Error::Held { .. })), "{refused:?}");
    assert_eq!(board.task("t").claim, held.claim);
}
