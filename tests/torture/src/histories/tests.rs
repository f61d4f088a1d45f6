//! What the search accepts and refuses: small histories that are known to be right or wrong, and many made up ones,
//! about which a naive search has the last word.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::model::State;
use super::requests::{Mind, settings};
use super::search::{Verdict, check, when};
use super::words::{
    Action, Agent, Answer, Ask, Call, Finish, History, Id, New, No, Op, ParentRule, Proof,
    Settings, Status, Task, Whole, Why, Words,
};
use crate::dice::Dice;

const T: Id = Id(1);
const MS: u64 = 1_000_000;

fn start() -> Whole {
    let settings = Settings {
        parent: ParentRule::Independent,
        cascade: false,
        max_attempts: 5,
        retries: 0,
        max_claims: 0,
    };
    Whole { token: 0, settings, tasks: Vec::new() }
}

fn new(id: Id) -> Op {
    Op::Add(New {
        id,
        kind: Words(1),
        parent: None,
        after: Vec::new(),
        priority: 0,
        labels: Words(0),
        needs: Words(0),
        assignee: None,
        data: 0,
        key: None,
    })
}

fn ask(agent: Agent, session: u32, lease_ms: u64, key: Option<u32>) -> Op {
    Op::Claim(Ask {
        agent,
        session,
        living: true,
        kinds: Words(0),
        labels: Words(0),
        capabilities: Words(0),
        only: None,
        lease_ms: Some(lease_ms),
        key,
    })
}

fn finish(agent: Agent, token: u64, how: Finish) -> Op {
    Op::Finish { id: T, proof: Proof { agent, token }, how }
}

/// A history that is written down call by call; each call is asked of a model first, so that right answers needn't be
/// spelled out.
struct Script {
    history: History,
    /// The board on which the answers come about.
    state: State,
}

impl Script {
    fn new() -> Self {
        let history = History { start: start(), deaths: BTreeMap::new(), calls: Vec::new() };
        Self { state: State::new(&history.start), history }
    }

    /// Asks between these milliseconds, and is answered rightly, as of everything that was asked before.
    fn right(&mut self, by: u32, from_ms: u64, to_ms: u64, op: Op) -> &mut Self {
        self.call(by, from_ms, to_ms, op, None);
        let (call, state) = (self.history.calls.len() - 1, self.state.clone());
        let asked = &self.history.calls[call];
        // The first is the one in which nothing came due.
        let outcomes = state.outcomes(&asked.op, &when(&self.history, asked));
        let outcome = outcomes.into_iter().next().expect("a request leads to something");
        let answer = exact(outcome.answer(&state));
        let accepted = outcome.accept(&state, &answer).expect("its own answer");
        self.state = accepted.unwrap_or(state);
        self.history.calls[call].answer = Some(answer);
        self
    }

    /// Asks, and is answered this.
    fn said(&mut self, by: u32, from_ms: u64, to_ms: u64, op: Op, answer: Answer) -> &mut Self {
        self.call(by, from_ms, to_ms, op, Some(answer))
    }

    /// Asks, and dies before it is answered.
    fn killed(&mut self, by: u32, from_ms: u64, to_ms: u64, op: Op) -> &mut Self {
        self.call(by, from_ms, to_ms, op, None)
    }

    fn call(
        &mut self,
        by: u32,
        from_ms: u64,
        to_ms: u64,
        op: Op,
        answer: Option<Answer>,
    ) -> &mut Self {
        let (from_ns, to_ns) = (from_ms * MS, to_ms * MS);
        self.history.calls.push(Call { by, op, from_ns, to_ns, answer });
        self
    }

    fn last(&self) -> Answer {
        let last = self.history.calls.last().and_then(|call| call.answer.clone());
        last.expect("the last one was answered")
    }

    /// Changes the task in the last answer.
    fn lie(&mut self, lie: impl FnOnce(&mut Task)) -> &mut Self {
        match self.history.calls.last_mut().and_then(|call| call.answer.as_mut()) {
            Some(Answer::Task(task, _)) => lie(task),
            other => panic!("no task was answered, but {other:?}"),
        }
        self
    }

    #[track_caller]
    fn has_order(&self) {
        assert!(has_order(&self.history), "{:#?}", self.history.calls);
        assert!(naive(&self.history));
    }

    #[track_caller]
    fn has_none(&self) {
        assert!(!has_order(&self.history), "{:#?}", self.history.calls);
        assert!(!naive(&self.history));
    }
}

/// An answer in which every lease ends at one moment.
fn exact(mut answer: Answer) -> Answer {
    let settle = |task: &mut Task| {
        if let Some(claim) = &mut task.claim {
            claim.ends.to_ms = claim.ends.from_ms;
        }
    };
    match &mut answer {
        Answer::Task(task, _) => settle(task),
        Answer::Whole(whole) => whole.tasks.iter_mut().for_each(settle),
        _ => {}
    }
    answer
}

fn has_order(history: &History) -> bool {
    match check(history, 1_000_000).verdict {
        Verdict::Ordered => true,
        Verdict::Clash(_) => false,
        Verdict::Undecided => panic!("a small history is decided"),
    }
}

/// Whether any order at all will do, tried one after another.
fn naive(history: &History) -> bool {
    fn go(history: &History, state: &State, left: &[usize]) -> bool {
        let calls = &history.calls;
        if left.iter().all(|call| calls[*call].answer.is_none()) {
            return true;
        }
        left.iter().any(|call| {
            let asked = &calls[*call];
            // Nothing that is left may have ended before this one began; what a dead process left undone must have
            // been done before anybody who came later changed anything.
            let comes_first = |other: &usize| {
                let other = &calls[*other];
                other.answer.is_some() && other.to_ns < asked.from_ns
            };
            if left.iter().any(|other| comes_first(other)) {
                return false;
            }
            let stays = |other: &&usize| {
                let is_dead =
                    calls[**other].answer.is_none() && calls[**other].to_ns < asked.from_ns;
                **other != *call && (asked.answer.is_none() || asked.op.is_read() || !is_dead)
            };
            let rest: Vec<usize> = left.iter().filter(stays).copied().collect();
            let outcomes = state.outcomes(&asked.op, &when(history, asked)).into_iter();
            let after = outcomes.filter_map(|outcome| match &asked.answer {
                Some(answer) => outcome.accept(state, answer),
                None => Some(outcome.after),
            });
            after.into_iter().any(|after| go(history, after.as_ref().unwrap_or(state), &rest))
        })
    }
    let all: Vec<usize> = (0..history.calls.len()).collect();
    go(history, &State::new(&history.start), &all)
}

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
    script.right(1, 6, 7, ask(Agent::Ada, 2, 1_000, Some(7))).has_order();
    let Answer::Task(first, true) = script.last() else { panic!("the same claim") };
    assert_eq!((first.id, first.claim.expect("it is held").session), (T, 1));
    script.lie(|task| task.id = Id(2)).has_none();
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

/// What several workers may have asked and been answered, in one order that is chosen at random: each request begins
/// before its place in the order and ends after it, as far as its worker's others leave room.
fn made_up(seed: u64, calls: u64, workers: u32) -> History {
    let mut dice = Dice::new(seed);
    let start = Whole { settings: settings(&mut dice), ..start() };
    let mut history = History { start, deaths: BTreeMap::new(), calls: Vec::new() };
    let mut state = State::new(&history.start);
    let mut minds: Vec<Mind> = (0..workers)
        .map(|worker| {
            let agent = Agent::ALL[worker as usize % 2];
            Mind::new(agent, worker, dice.one_in(2), dice.roll())
        })
        .collect();
    let mut free_ms = vec![0; minds.len()];
    for place in 1..=calls {
        let worker = usize::try_from(dice.below(u64::from(workers))).unwrap();
        let (now_ms, mind) = (place * 10, &mut minds[worker]);
        let from_ms = (now_ms - dice.below(30).min(now_ms - 1)).max(free_ms[worker]);
        let op = mind.next();
        let by = mind.session;
        let exactly = Call { by, op, from_ns: now_ms * MS, to_ns: now_ms * MS, answer: None };
        let outcomes = state.outcomes(&exactly.op, &when(&history, &exactly));
        let chosen = usize::try_from(dice.below(outcomes.len() as u64)).unwrap();
        let outcome = outcomes.into_iter().nth(chosen).unwrap();
        let answer = outcome.answer(&state);
        mind.learn(&answer);
        let to_ms = now_ms + dice.below(30);
        free_ms[worker] = to_ms + 1;
        state = outcome.after.unwrap_or(state);
        let (from_ns, to_ns) = (from_ms.min(now_ms) * MS, to_ms * MS);
        history.calls.push(Call { from_ns, to_ns, answer: Some(answer), ..exactly });
    }
    history
}

/// Changes one answer, or forgets one.
fn spoiled(history: &mut History, dice: &mut Dice) {
    let others: Vec<Answer> = history.calls.iter().filter_map(|call| call.answer.clone()).collect();
    let call = usize::try_from(dice.below(history.calls.len() as u64)).unwrap();
    let other = dice.pick(&others).cloned();
    let call = &mut history.calls[call];
    let lie = |task: &mut Task, dice: &mut Dice| match dice.below(5) {
        0 => task.priority += 1,
        1 => task.status = dice.among([Status::Pending, Status::Completed, Status::Failed]),
        2 => task.attempts += 1,
        3 => task.claim = None,
        _ => {
            if let Some(claim) = &mut task.claim {
                claim.token += 1;
            }
        }
    };
    match &mut call.answer {
        _ if dice.one_in(4) => call.answer = other,
        _ if dice.one_in(4) => call.answer = None,
        Some(Answer::Task(task, _)) => lie(task, dice),
        Some(Answer::Whole(whole)) if !whole.tasks.is_empty() => {
            let at = usize::try_from(dice.below(whole.tasks.len() as u64)).unwrap();
            lie(&mut whole.tasks[at], dice);
        }
        Some(Answer::Changed(done)) => done.iter_mut().for_each(|done| *done = !*done),
        answer => *answer = Some(Answer::No(dice.among([No::Taken, No::Missing, No::Invalid]))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_has_an_order_is_found_to_have_one(seed: u64, workers in 1..6_u32) {
        let history = made_up(seed, 120, workers);
        let searched = check(&history, 1_000_000);
        prop_assert!(matches!(searched.verdict, Verdict::Ordered), "{:#?}", searched.verdict);
    }

    #[test]
    fn search_says_what_a_naive_one_says(seed: u64, lies in 0..3_u32) {
        let mut history = made_up(seed, 7, 3);
        let mut dice = Dice::new(!seed);
        for _ in 0..lies {
            spoiled(&mut history, &mut dice);
        }
        prop_assert_eq!(has_order(&history), naive(&history), "{:#?}", history.calls);
    }
}

/// A search that accepts everything would agree with most histories.
#[test]
fn most_spoiled_histories_have_no_order() {
    let spoil = |seed| {
        let mut history = made_up(seed, 40, 3);
        spoiled(&mut history, &mut Dice::new(!seed));
        !has_order(&history)
    };
    let refused = (0..100).filter(|seed| spoil(*seed)).count();
    assert!(refused > 50, "{refused} of 100");
}
