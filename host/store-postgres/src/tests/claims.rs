//! What a claim costs: how often the server is asked, and how it finds what it is asked for.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use taskhost_board::plain::PlainPolicies;
use taskhost_board::{
    Agent, AgentKind, BoardSettings, ClaimOutcome, ClaimRequest, Digest, Engine, Filter, InitPlan,
    Name, NewTask, Order, PolicyPin, PolicySet, SessionId, TaskId,
};

use super::server::Server;
use super::{connect, one, soon};
use crate::{Address, Call, OpenOptions, PostgresStore, offers, sql};

pub(super) fn board(address: &Address) -> (PostgresStore, Engine) {
    let standard = PolicyPin { digest: Digest::of(b"plain"), settings: Default::default() };
    let policies = PolicySet { custom: None, standard };
    let plan =
        InitPlan { policies, components: Default::default(), settings: BoardSettings::default() };
    let store = PostgresStore::init(address, &plan, &OpenOptions::default()).unwrap();
    let entropy = Arc::new(|| getrandom::u64().unwrap());
    let engine = Engine::new(Arc::new(store.clone()), Arc::new(PlainPolicies::default()), entropy);
    (store, engine)
}

pub(super) fn add(engine: &Engine, count: usize) {
    let task = |number| NewTask {
        id: Some(TaskId::new(format!("t{number}")).unwrap()),
        ..NewTask::new(Name::new("work").unwrap())
    };
    engine.add(&(0..count).map(task).collect::<Vec<_>>(), soon()).unwrap();
}

fn claim(engine: &Engine, name: &str) {
    let agent = Agent {
        name: Name::new(name).unwrap(),
        kind: AgentKind::Agent,
        session: SessionId::new(format!("s-{name}")).unwrap(),
        hostname: None,
        capabilities: Vec::new(),
        living: false,
        process: None,
    };
    let request = ClaimRequest { agent, filter: Filter::default(), lease_ms: None, key: None };
    let outcome = engine.claim(&request, soon()).unwrap();
    assert!(matches!(outcome, ClaimOutcome::Claimed { .. }), "{outcome:?}");
}

/// What was offered ahead was offered only if the agent was the same as the last one: agents that shared a handle and took
/// turns paid a third turn for each claim.
#[test]
fn a_claim_takes_two_turns_also_if_another_agent_of_the_same_handle_claimed_last() {
    let server = Server::start();
    let (store, engine) = board(&server.address("main&pool=1"));
    add(&engine, 8);
    // The first ones find out what is asked for, and prepare statements.
    claim(&engine, "ada");
    claim(&engine, "ada");
    let turns = || store.shared.pool.get(soon()).unwrap().turns();
    for name in ["ada", "bob", "ada", "carol"] {
        let before = turns();
        claim(&engine, name);
        assert_eq!(turns() - before, 2, "{name}");
    }
    assert_eq!(store.examine().unwrap(), Vec::<String>::new());
}

/// The front of what is ready filled up with what was taken: after 150,000 claims within a minute, until the server's own vacuum
/// came, each took twice as long.
#[test]
fn those_who_claim_see_to_it_that_what_was_taken_is_not_passed_over_again_and_again() {
    let server = Server::start();
    let address = server.address("main");
    let (store, engine) = board(&address);
    add(&engine, 8);
    let mut link = connect(&address);
    let seen_to = "SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'ready'";
    let mut times = || one::<i64>(&mut link, seen_to);
    claim(&engine, "ada");
    assert_eq!(times(), 0, "not after each of them");
    store.shared.vacuum.rows.store(1, SeqCst);
    claim(&engine, "ada");
    let until = soon();
    while times() == 0 {
        assert!(Instant::now() < until, "nobody did");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A plan made while a table was empty is kept until the server has counted its rows, and one that read the whole table, which
/// is the best there is for an empty one, was then made use of with everything in it.
#[test]
fn what_claims_read_is_found_by_an_index_also_where_it_was_planned_for_an_empty_board() {
    let server = Server::start();
    let address = server.address("main");
    let (_store, _engine) = board(&address);
    let mut link = connect(&address);
    let opening = offers::opening(Order::Rank);
    for (name, sql, params) in [
        ("opening", opening, "0, 0, 0, 1, '', 0"),
        ("claim", sql::ADD_CLAIM, "0, 0, '', '', 0, '', '', '', '', '', 0, '', '', '', 0"),
        ("leases", sql::LEASES_TO_END, "0, 1"),
        ("tasks", sql::TASKS_TO_CHANGE, "'{}'"),
    ] {
        link.batch(&format!("PREPARE {name} AS {sql}")).unwrap();
        let explain = format!("EXPLAIN (COSTS OFF) EXECUTE {name}({params})");
        let rows = link.query(Call::new(&explain, &[])).unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        for table in ["tasks", "ready", "claims", "timers", "wakes", "journal"] {
            let whole = format!("Seq Scan on {table}");
            assert!(!plan.iter().any(|line| line.contains(&whole)), "{name}: {plan:#?}");
        }
    }
}
