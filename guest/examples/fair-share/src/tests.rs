//! What the README promises, held against agents who ask in any order.

use proptest::prelude::*;
use taskhost_sdk::assignment::Answer;
use taskhost_sdk::mock::{Board, Task, asker};

use crate::FairShare;

/// A board with more tasks than will be asked for.
fn board(shares: &str) -> Board {
    let mut board = Board::new();
    board.set("shares", shares);
    for n in 0..200 {
        board.add(Task::new(&format!("t{n:03}")));
    }
    board
}

fn is_given(board: &mut Board, agent: &str) -> bool {
    match board.choose::<FairShare>(asker(agent)) {
        Answer::Staged => true,
        Answer::Nothing(_) => false,
        other => panic!("{other:?}"),
    }
}

/// Everybody asks once, so that all are known to ask.
fn all_ask(board: &mut Board, agents: &[String]) {
    for agent in agents {
        is_given(board, agent);
    }
}

/// Who got each of the next `count` tasks or a few more. Every second all of them ask, in an order that `order` says, and
/// one of them twice.
fn claims(board: &mut Board, agents: &[String], order: &[usize], count: usize) -> Vec<usize> {
    let mut order = order.iter().cycle();
    let mut next = || order.next().map_or(0, |number| number % agents.len());
    let mut given = Vec::new();
    while given.len() < count {
        board.advance(1_000);
        let (twice, first) = (next(), next());
        let round = (0..agents.len()).map(|n| (n + first) % agents.len());
        let all = [twice].into_iter().chain(round);
        given.extend(all.filter(|agent| is_given(board, &agents[*agent])));
    }
    given
}

/// How far from its share anybody is at worst, over every stretch, in tasks.
fn worst(given: &[usize], shares: &[u32]) -> f64 {
    let sum = f64::from(shares.iter().sum::<u32>());
    let off = |agent: usize, stretch: &[usize]| {
        let had = stretch.iter().filter(|owner| **owner == agent).count() as f64;
        (had - stretch.len() as f64 * f64::from(shares[agent]) / sum).abs()
    };
    let ends = (0..=given.len()).flat_map(|end| (0..=end).map(move |start| (start, end)));
    ends.flat_map(|(start, end)| (0..shares.len()).map(move |agent| (agent, start, end)))
        .map(|(agent, start, end)| off(agent, &given[start..end]))
        .fold(0.0, f64::max)
}

fn named(shares: &[u32]) -> (Vec<String>, String) {
    let names: Vec<_> = (0..shares.len()).map(|n| format!("agent-{n}")).collect();
    let setting: Vec<_> =
        names.iter().zip(shares).map(|(name, share)| format!("{name}:{share}")).collect();
    (names, setting.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn any_shares_are_held_within_less_than_two_tasks_over_any_stretch(
        shares in proptest::collection::vec(1_u32..20, 1..6),
        order in proptest::collection::vec(0_usize..100, 1..50),
    ) {
        let (agents, setting) = named(&shares);
        let mut board = board(&setting);
        all_ask(&mut board, &agents);
        let given = claims(&mut board, &agents, &order, 60);
        prop_assert!(worst(&given, &shares) < 2.0, "{:?}", given);
    }

    #[test]
    fn two_agents_shares_are_held_within_less_than_one_task_over_any_stretch(
        shares in proptest::array::uniform2(1_u32..20),
        order in proptest::collection::vec(0_usize..100, 1..50),
    ) {
        let (agents, setting) = named(&shares);
        let mut board = board(&format!("{setting},*:0"));
        all_ask(&mut board, &agents);
        let given = claims(&mut board, &agents, &order, 60);
        prop_assert!(worst(&given, &shares) < 1.0, "{:?}", given);
    }

    /// With shares of 1 for each, and without any shares at all.
    #[test]
    fn equal_shares_are_held_within_less_than_one_task_over_any_stretch(
        count in 1_usize..7,
        is_named: bool,
        order in proptest::collection::vec(0_usize..100, 1..50),
    ) {
        let (agents, setting) = named(&vec![1; count]);
        let mut board = board(if is_named { &setting } else { "" });
        all_ask(&mut board, &agents);
        let given = claims(&mut board, &agents, &order, 60);
        prop_assert!(worst(&given, &vec![1; count]) < 1.0, "{:?}", given);
    }

    /// Agents come and go in the middle: any two that ask all the while stay in proportion to each other, and somebody
    /// who comes back gets no more than its share from then on.
    #[test]
    fn those_who_stay_keep_their_proportion_while_others_come_and_go(
        shares in proptest::collection::vec(1_u32..10, 3..6),
        away in proptest::collection::vec(any::<bool>(), 1..8),
        order in proptest::collection::vec(0_usize..100, 1..50),
    ) {
        let (agents, setting) = named(&shares);
        let mut board = board(&setting);
        board.set("patience", "5s");
        all_ask(&mut board, &agents);
        let mut given = Vec::new();
        for is_away in away {
            // A second for each claim: long enough for the others to stop waiting for the last one.
            let there = &agents[..agents.len() - usize::from(is_away)];
            given.extend(claims(&mut board, there, &order, 15));
        }
        let count = |agent: usize, stretch: &[usize]| {
            f64::from(u32::try_from(stretch.iter().filter(|o| **o == agent).count()).unwrap_or(0))
        };
        let weight = |agent: usize| f64::from(shares[agent]);
        for start in 0..given.len() {
            for end in start..given.len() {
                let stretch = &given[start..end];
                let off = count(0, stretch) / weight(0) - count(1, stretch) / weight(1);
                prop_assert!(off.abs() < 2.0 / weight(0) + 2.0 / weight(1), "{:?}", stretch);
            }
        }
    }
}

#[test]
fn agent_that_asks_alone_always_gets_work() {
    let mut board = board("ada:1,bob:9");
    for _ in 0..50 {
        assert!(is_given(&mut board, "ada"));
    }
}

/// Only notes that are news are remembered: else those who wait would wake each other without end.
#[test]
fn asking_again_at_once_out_of_turn_changes_nothing() {
    let mut board = board("ada:1,bob:1");
    assert!(is_given(&mut board, "ada"));
    assert!(is_given(&mut board, "bob"));
    assert!(is_given(&mut board, "ada"));
    assert!(!is_given(&mut board, "ada"));
    assert_eq!(board.steps(), []);
    board.advance(5_000);
    assert!(!is_given(&mut board, "ada"));
    assert_eq!(board.steps().len(), 1);
}

/// Whoever had asked before the clock was set back by an hour kept its turn for an hour, and nobody else was given
/// anything meanwhile.
#[test]
fn clock_that_is_set_back_gives_nobody_a_turn_for_long() {
    let mut board = board("ada:1,bob:1");
    assert!(is_given(&mut board, "ada"));
    assert!(is_given(&mut board, "bob"));
    assert!(!is_given(&mut board, "bob"), "it is the turn of ada");
    board.set_back(3_600_000);
    for _ in 0..3 {
        assert!(is_given(&mut board, "bob"), "nobody else has asked since");
    }
    assert!(is_given(&mut board, "ada"));
    assert!(!is_given(&mut board, "ada"), "it is the turn of bob again");
}
