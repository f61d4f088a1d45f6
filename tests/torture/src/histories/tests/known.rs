//! Histories that are known to have an order, or none.

use super::script::{MS, Script, T, ask, finish, new};
use crate::histories::model::State;
use crate::histories::search::{Verdict, check};
use crate::histories::words::{Action, Agent, Answer, Finish, Id, New, No, Op, Status, Why};

#[test]
fn what_happened_one_after_another_has_an_order() {
    let mut script = Script::new();
    script.right(1, 0, 1, new(T)).right(1, 2, 3, ask(Agent::Ada, 1, 1_000, None));
    script.right(1, 4, 5, finish(Agent::Ada, 1, Finish::Complete(Some(1)))).right(
        2,
        6,
        7,
        Op::Look,
    );
    script.has_order();
}

#[test]
fn task_that_two_hold_at_once_has_none() {
    let mut script = Script::new();
    script.right(1, 0, 1, new(T)).right(1, 2, 6, ask(Agent::Ada, 1, 1_000, None));
    let Answer::Task(mut second, _) = script.last() else { panic!("a claim gives a task") };
    let claim = second.claim.as_mut().expect("it is held");
    (claim.agent, claim.session, claim.token) = (Agent::Bob, 2, 2);
    second.attempts = 2;
    script.said(2, 3, 7, ask(Agent::Bob, 2, 1_000, None), Answer::Task(second, false));
    script.has_none();
}

#[test]
fn token_given_twice_has_none() {
    let mut script = Script::new();
    script.right(1, 0, 1, new(T)).right(1, 0, 1, new(Id(2)));
    script.right(1, 2, 3, ask(Agent::Ada, 1, 1_000, None));
    script.right(2, 4, 5, ask(Agent::Bob, 2, 1_000, None)).has_order();
    script.lie(|task| task.claim.as_mut().expect("it is held").token = 1).has_none();
}

#[test]
fn task_completed_by_two_has_none() {
    let mut script = Script::new();
    script.right(1, 0, 1, new(T)).right(1, 2, 3, ask(Agent::Ada, 1, 1_000, None));
    script.right(1, 4, 8, finish(Agent::Ada, 1, Finish::Complete(Some(1))));
    let Answer::Task(task, _) = script.last() else { panic!("it was completed") };
    let late = finish(Agent::Bob, 1, Finish::Complete(Some(1)));
    script.said(2, 5, 9, late.clone(), Answer::No(No::Taken)).has_order();
    script.history.calls.pop();
    script.said(2, 5, 9, late, Answer::Task(task, false)).has_none();
}

#[test]
fn change_that_was_lost_has_none() {
    let mut script = Script::new();
    script.right(1, 0, 1, new(T));
    let urgent = Op::Change { ids: vec![T], action: Action::Prioritize(5) };
    script.right(1, 2, 3, urgent).right(2, 4, 5, Op::Show(T)).has_order();
    script.lie(|task| task.priority = 0).has_none();
}

#[test]
fn old_value_is_read_beside_the_change_and_never_after_it() {
    for (from_ms, is_right) in [(3, true), (4, true), (5, false)] {
        let mut script = Script::new();
        script.right(1, 0, 1, new(T)).right(2, 1, 2, Op::Show(T));
        let old = script.last();
        let urgent = Op::Change { ids: vec![T], action: Action::Prioritize(5) };
        script.right(1, 2, 4, urgent).said(2, from_ms, 9, Op::Show(T), old);
        if is_right { script.has_order() } else { script.has_none() }
    }
}

#[test]
fn two_reads_of_one_process_never_go_back_in_time() {
    let mut script = Script::new();
    script.right(1, 0, 1, new(T)).right(2, 1, 2, Op::Show(T));
    let old = script.last();
    let urgent = Op::Change { ids: vec![T], action: Action::Prioritize(5) };
    // The change takes long, so each of the reads by itself could be before it or after it.
    script.right(1, 3, 20, urgent).right(2, 4, 5, Op::Show(T)).has_order();
    script.said(3, 6, 7, Op::Show(T), old).has_none();
}

#[test]
fn value_that_nobody_wrote_has_none() {
    let mut script = Script::new();
    script.right(1, 0, 1, new(T)).right(1, 2, 3, Op::Show(T)).lie(|task| task.data = 3).has_none();
}

#[test]
fn answer_before_the_question_has_none() {
    let mut script = Script::new();
    script.said(1, 0, 1, Op::Show(T), Answer::No(No::Missing)).right(2, 2, 3, new(T)).has_order();
    let mut script = Script::new();
    script.right(2, 2, 3, new(T)).right(1, 2, 3, Op::Show(T));
    (script.history.calls[1].from_ns, script.history.calls[1].to_ns) = (0, MS);
    script.has_none();
}

#[test]
fn key_stands_for_one_claim() {
    let mut script = Script::new();
    script.right(1, 0, 1, new(T)).right(1, 2, 3, new(Id(2)));
    script.right(1, 4, 5, ask(Agent::Ada, 1, 1_000, Some(7)));
    script.right(1, 6, 7, ask(Agent::Ada, 1, 1_000, Some(7))).has_order();
    let Answer::Task(first, true) = script.last() else { panic!("the same claim") };
    assert_eq!((first.id, first.claim.expect("it is held").session), (T, 1));
    script.lie(|task| task.id = Id(2)).has_none();
}

#[test]
fn key_gives_a_later_session_the_claim_only_of_one_that_may_be_dead() {
    let mut script = Script::new();
    script.right(1, 0, 0, new(T)).right(1, 1, 1, ask(Agent::Ada, 1, 1_000, Some(7)));
    let Answer::Task(mut later, _) = script.last() else { panic!("a claim gives a task") };
    let claim = later.claim.as_mut().expect("it is held");
    claim.session = 2;
    (claim.ends.from_ms, claim.ends.to_ms) = (1_005, 1_005);
    let again = || ask(Agent::Ada, 2, 1_000, Some(7));
    script.said(2, 4, 4, again(), Answer::No(No::Taken)).has_order();
    script.said(2, 5, 5, again(), Answer::Task(later, true)).has_none();
    script.history.deaths.insert(1, 3);
    script.has_order();
}

#[test]
fn what_a_killed_process_asked_was_done_or_not() {
    let claimed = |script: &mut Script| {
        script.right(1, 0, 1, new(T)).killed(1, 2, 3, ask(Agent::Ada, 1, 1_000, None));
    };
    let mut without = Script::new();
    claimed(&mut without);
    without.right(2, 4, 5, ask(Agent::Bob, 2, 1_000, None)).has_order();

    let mut with = Script::new();
    claimed(&mut with);
    with.said(2, 4, 5, ask(Agent::Bob, 2, 1_000, None), Answer::Nothing(Why::Waiting)).has_order();

    // Without it there is no reason to be sent away.
    with.history.calls.remove(1);
    with.has_none();
}

#[test]
fn what_a_killed_process_asked_isnt_done_after_others_who_came_later() {
    let mut script = Script::new();
    let urgent = |priority| Op::Change { ids: vec![T], action: Action::Prioritize(priority) };
    script.right(1, 0, 1, new(T)).killed(1, 2, 3, urgent(5));
    // It shows only now: the one who died had written it down, and nobody had looked.
    script.right(2, 4, 5, Op::Show(T)).right(2, 6, 7, Op::Show(T)).lie(|task| task.priority = 5);
    script.has_order();
    script.right(3, 8, 9, urgent(1)).right(3, 10, 11, Op::Show(T)).lie(|task| task.priority = 5);
    script.has_none();
}

#[test]
fn lease_is_taken_back_when_it_is_over_and_not_before() {
    for (at_ms, is_free) in [(12, Some(false)), (30, Some(true))] {
        let mut script = Script::new();
        script.right(1, 0, 0, new(T)).right(1, 1, 1, ask(Agent::Ada, 1, 20, None));
        let Answer::Task(mut second, _) = script.last() else { panic!("a claim gives a task") };
        let claim = second.claim.as_mut().expect("it is held");
        (claim.agent, claim.session, claim.token) = (Agent::Bob, 2, 2);
        (claim.ends.from_ms, claim.ends.to_ms) = (at_ms + 20, at_ms + 20);
        second.attempts = 2;
        let held = Answer::Nothing(Why::Waiting);
        let given = Answer::Task(second, false);
        for (answer, is_right) in [(given, is_free == Some(true)), (held, is_free == Some(false))] {
            script.said(2, at_ms, at_ms, ask(Agent::Bob, 2, 20, None), answer);
            if is_right {
                script.has_order()
            } else {
                script.has_none()
            }
            script.history.calls.pop();
        }
    }
}

#[test]
fn what_the_dead_held_comes_back_and_what_the_living_hold_doesnt() {
    let mut script = Script::new();
    script.right(1, 0, 0, new(T)).right(1, 1, 1, ask(Agent::Ada, 1, 1_000, None));
    let Answer::Task(mut second, _) = script.last() else { panic!("a claim gives a task") };
    let claim = second.claim.as_mut().expect("it is held");
    (claim.agent, claim.session, claim.token) = (Agent::Bob, 2, 2);
    (claim.ends.from_ms, claim.ends.to_ms) = (1_005, 1_005);
    second.attempts = 2;
    let again = ask(Agent::Bob, 2, 1_000, None);
    script.said(2, 5, 5, again, Answer::Task(second, false)).has_none();
    script.history.deaths.insert(1, 3);
    script.has_order();
}

/// A request that leaves this board as it is may change a later one and be answered the same: taken as early as it
/// fits, an order was missed.
#[test]
fn retry_that_cancels_itself_again_may_have_come_later() {
    let mut script = Script::new();
    script.history.start.settings.cascade = true;
    script.state = State::new(&script.history.start);
    let retry = |id| Op::Change { ids: vec![id], action: Action::Retry { cascade: false } };
    let cancel =
        Op::Change { ids: vec![T], action: Action::Cancel { cascade: false, reason: None } };
    let Op::Add(after) = new(Id(2)) else { panic!("it adds") };
    script.right(1, 0, 1, new(T)).right(1, 2, 3, Op::Add(New { after: vec![T], ..after }));
    script.right(1, 4, 5, cancel).right(1, 6, 20, retry(T));
    script.right(2, 7, 20, retry(Id(2)));
    script.right(3, 8, 10, Op::Show(T));
    script.right(1, 21, 22, Op::Show(Id(2))).lie(|task| task.status = Status::Pending);
    script.has_order();
}

#[test]
fn search_that_takes_too_long_is_undecided() {
    let mut script = Script::new();
    script.right(1, 0, 1, new(T));
    assert!(matches!(check(&script.history, 0).verdict, Verdict::Undecided));
}
