//! Claims of one handle that share a transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use taskhost_board::{
    Agent, AgentKind, Change, ClaimOutcome, ClaimRequest, Engine, Filter, Name, NewTask, Sequence,
    SessionId, Store as _, TaskId,
};

use super::claims::board;
use super::server::Server;
use super::soon;
use crate::desk::{Asked, Desk, Turn};

fn name(text: impl Into<String>) -> Name {
    Name::new(text.into()).unwrap()
}

fn request(agent: &str, capabilities: &[&str], types: &[&str]) -> ClaimRequest {
    let agent = Agent {
        name: name(agent),
        kind: AgentKind::Agent,
        session: SessionId::new(format!("s-{agent}")).unwrap(),
        hostname: None,
        capabilities: capabilities.iter().copied().map(name).collect(),
        living: false,
        process: None,
    };
    let names = |words: &[&str]| words.iter().copied().map(name).collect();
    let filter =
        Filter { types: names(types), capabilities: names(capabilities), ..Filter::default() };
    ClaimRequest { agent, filter, lease_ms: None, key: None }
}

/// All that these get, each in a thread of its own, until nothing is left for them.
fn claim_all(engine: &Engine, requests: &[ClaimRequest]) -> Vec<BTreeMap<TaskId, u64>> {
    let together = Barrier::new(requests.len());
    let claim = |request: &ClaimRequest| {
        together.wait();
        let mut claimed = BTreeMap::new();
        while let ClaimOutcome::Claimed { task, .. } = engine.claim(request, soon()).unwrap() {
            let claim = task.claim.as_ref().unwrap();
            assert_eq!(claim.agent, request.agent.name);
            assert_eq!(claimed.insert(task.id.clone(), claim.token.0), None, "{}", task.id);
        }
        claimed
    };
    let claim = &claim;
    thread::scope(|scope| {
        let threads: Vec<_> =
            requests.iter().map(|request| scope.spawn(move || claim(request))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn claims_of_many_threads_share_transactions_and_each_has_an_entry_of_its_own() {
    const AGENTS: usize = 16;
    const TASKS: usize = 400;
    let server = Server::start();
    let address = server.address("main");
    let (store, engine) = board(&address);
    let new = |number| NewTask {
        id: Some(TaskId::new(format!("t{number:03}")).unwrap()),
        ..NewTask::new(name("work"))
    };
    engine.add(&(0..TASKS).map(new).collect::<Vec<_>>(), soon()).unwrap();
    let agents: Vec<_> = (0..AGENTS).map(|n| request(&format!("a{n}"), &[], &[])).collect();
    let claimed = claim_all(&engine, &agents);

    let all: BTreeMap<_, _> = claimed.iter().flatten().collect();
    assert_eq!(all.len(), TASKS, "nobody has what another one has");
    assert_eq!(claimed.iter().map(BTreeMap::len).sum::<usize>(), TASKS);
    assert_eq!(all.values().collect::<BTreeSet<_>>().len(), TASKS, "no token was given twice");
    // The history says of each who claimed it, in an entry with a seed of its own.
    let (mut told, mut seeds) = (BTreeMap::new(), BTreeSet::new());
    store
        .history(Sequence(0), &mut |_, entry| {
            for change in &entry.changes {
                if let Change::Claimed { id, claim } = change {
                    assert_eq!(entry.request.agent.as_ref(), Some(&claim.agent));
                    told.insert(id.clone(), claim.token.0);
                    seeds.insert(entry.seed);
                }
            }
            true
        })
        .unwrap();
    assert_eq!(told.iter().collect::<BTreeMap<_, _>>(), all);
    assert_eq!(seeds.len(), TASKS);
    assert_eq!(store.examine().unwrap(), Vec::<String>::new());
    // Rows that one transaction has written say so.
    let mut link = super::connect(&address);
    let rows = link
        .query(crate::Call::of(
            "SELECT count(DISTINCT xmin::text) AS n FROM journal WHERE entry LIKE '%\"claim%'",
            Vec::new(),
        ))
        .unwrap();
    let transactions: i64 = rows[0].get("n");
    assert!(transactions < TASKS as i64, "{transactions} transactions for {TASKS} claims");
}

#[test]
fn those_who_ask_for_different_work_share_transactions_and_get_what_they_may() {
    const OF_EACH: usize = 60;
    let server = Server::start();
    let (store, engine) = board(&server.address("main"));
    let new = |task_type: &str, needs: &[&str], number| NewTask {
        id: Some(TaskId::new(format!("{task_type}-{number:02}")).unwrap()),
        needs: needs.iter().copied().map(name).collect(),
        ..NewTask::new(name(task_type))
    };
    for number in 0..OF_EACH {
        let all = [("build", &["linux"][..]), ("write", &[]), ("check", &[])];
        let all = all.map(|(task_type, needs)| new(task_type, needs, number));
        engine.add(&all, soon()).unwrap();
    }
    let agents = [
        request("linux-1", &["linux"], &[]),
        request("writer-1", &[], &["write"]),
        request("any-1", &[], &[]),
        request("linux-2", &["linux"], &["build"]),
        request("writer-2", &[], &["write"]),
        request("any-2", &[], &[]),
    ];
    let claimed = claim_all(&engine, &agents);
    assert_eq!(claimed.iter().map(BTreeMap::len).sum::<usize>(), 3 * OF_EACH);
    for (agent, claimed) in agents.iter().zip(&claimed) {
        for id in claimed.keys() {
            let task_type = name(id.as_str().split('-').next().unwrap());
            let types = &agent.filter.types;
            assert!(types.is_empty() || types.contains(&task_type), "{id} for {agent:?}");
            let needs = id.as_str().starts_with("build");
            assert!(!needs || !agent.agent.capabilities.is_empty(), "{id} for {agent:?}");
        }
    }
    assert_eq!(store.examine().unwrap(), Vec::<String>::new());
}

/// Somebody who has the only turn, and a desk at which all others have to wait: long, if turns take long.
fn busy(took: Duration) -> (Arc<Desk>, Turn) {
    let desk = Arc::new(Desk::after(took));
    let Asked::Turn(turn) = desk.ask(b"first", soon()) else { panic!("the desk was empty") };
    (desk, turn)
}

/// One who asks in a thread of its own, by the time that it waits.
fn waiter(desk: &Arc<Desk>, turn: &Turn) -> thread::JoinHandle<Asked> {
    let asking = desk.clone();
    let before = turn.waiting();
    let thread = thread::spawn(move || asking.ask(b"later", soon()));
    while turn.waiting() == before {
        assert!(!thread.is_finished(), "it has to wait");
        thread::yield_now();
    }
    thread
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn one_who_waits_is_answered_or_told_once_whatever_becomes_of_the_turn() {
    let (desk, mut turn) = busy(LONG);
    let thread = waiter(&desk, &turn);
    let posts = turn.take_up(7);
    assert_eq!(posts.iter().map(|post| &post.request[..]).collect::<Vec<_>>(), [b"later"]);
    turn.answer(vec![b"answer".to_vec()]);
    assert!(matches!(thread.join().unwrap(), Asked::Answered(answer) if answer == b"answer"));

    let thread = waiter(&desk, &turn);
    assert_eq!(turn.take_up(7).len(), 1);
    turn.leave_unknown("why");
    assert!(matches!(thread.join().unwrap(), Asked::Unknown(why) if why == "why"));

    let thread = waiter(&desk, &turn);
    assert_eq!(turn.take_up(7).len(), 1);
    // As if it had panicked, or lost its connection.
    drop(turn);
    assert!(matches!(thread.join().unwrap(), Asked::Declined));
    // Nobody has a turn any more, so the next one has.
    assert!(matches!(desk.ask(b"next", soon()), Asked::Turn(_)));
}

/// Where there were fewer answers than posts, the rest was forgotten, and its threads waited for ever.
#[test]
fn those_who_were_taken_up_and_have_no_answer_go_on_by_themselves() {
    let (desk, mut turn) = busy(LONG);
    let threads = [waiter(&desk, &turn), waiter(&desk, &turn), waiter(&desk, &turn)];
    assert_eq!(turn.take_up(7).len(), 3);
    turn.answer(vec![b"answer".to_vec()]);
    drop(turn);
    let came = threads.map(|thread| thread.join().unwrap());
    assert!(matches!(&came[0], Asked::Answered(answer) if answer == b"answer"));
    assert!(matches!(came[1..], [Asked::Declined, Asked::Declined]));
}

#[test]
fn whoever_waits_longest_has_the_next_turn() {
    let (desk, turn) = busy(LONG);
    let thread = waiter(&desk, &turn);
    drop(turn);
    assert!(matches!(thread.join().unwrap(), Asked::Turn(_)));
}

/// Whoever has a turn may wait for the server, or for a policy, for long.
#[test]
fn one_who_is_not_taken_up_soon_goes_on_by_itself() {
    let (desk, mut turn) = busy(Duration::ZERO);
    assert!(matches!(desk.ask(b"later", Instant::now() + LONG), Asked::Declined));
    assert!(turn.take_up(7).is_empty(), "nobody does it twice");
}
