//! What jumps of the wall clock, suspended machines and reboots do to leases and to tasks that wait for a time.

use taskhost_board::Millis;

use super::*;
use crate::simulation::World;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
/// The longest lease that may be asked for.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const YEAR_MS: i64 = 365 * 24 * 60 * 60 * 1000;

fn world() -> (Arc<World>, FileStore, Engine) {
    let world = World::new();
    let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
    let engine = engine(&store);
    add(&engine, "t", &[]);
    (world, store, engine)
}

fn claim_for(engine: &Engine, who: &str, lease: Duration) -> Option<TaskId> {
    let mut request = claim_request(who);
    request.lease_ms = Some(u64::try_from(lease.as_millis()).unwrap_or(u64::MAX));
    match engine.claim(&request, far()).unwrap() {
        ClaimOutcome::Claimed { task, .. } => Some(task.id.clone()),
        ClaimOutcome::Nothing { .. } => None,
    }
}

fn attempts(store: &FileStore) -> u32 {
    let (view, _) = store.snapshot().unwrap();
    view.task(&id("t")).unwrap().unwrap().attempts
}

#[test]
fn no_jump_of_the_wall_clock_ends_a_lease_or_makes_it_longer() {
    for jumps in [[YEAR_MS, -2 * YEAR_MS], [-YEAR_MS, 40 * YEAR_MS], [i64::MIN, i64::MAX]] {
        let (world, store, engine) = world();
        assert_eq!(claim_for(&engine, "a", MINUTE), Some(id("t")));
        for jump in jumps {
            world.jump_wall(jump);
            world.advance(29 * SECOND);
            assert_eq!(claim_for(&engine, "b", MINUTE), None, "{jump}");
        }
        world.advance(2 * SECOND);
        assert_eq!(claim_for(&engine, "b", MINUTE), Some(id("t")));
        assert_eq!(attempts(&store), 2, "recovered once");
        assert_clean(&store);
    }
}

#[test]
fn a_suspended_machine_is_time_that_passes() {
    let (world, _store, engine) = world();
    assert_eq!(claim_for(&engine, "a", MINUTE), Some(id("t")));
    world.suspend(59 * SECOND);
    assert_eq!(claim_for(&engine, "b", MINUTE), None);
    world.suspend(SECOND);
    assert_eq!(claim_for(&engine, "b", MINUTE), Some(id("t")));
}

/// A waiter sleeps until the next time that something is due, so that must follow a jump as well.
#[test]
fn what_is_due_next_is_said_by_the_wall_clock_as_it_stands() {
    let (world, store, engine) = world();
    claim_for(&engine, "a", MINUTE);
    for jump in [YEAR_MS, -2 * YEAR_MS, i64::MIN, i64::MAX] {
        world.jump_wall(jump);
        let (view, now) = store.snapshot().unwrap();
        let due = view.next_due(&now).unwrap().unwrap();
        assert_eq!(due, now.wall.plus(60_000), "{jump}");
    }
}

#[test]
fn a_task_that_waits_for_a_time_goes_by_the_wall_clock_and_an_answer_is_not_taken_back() {
    let (world, store, engine) = world();
    assert_eq!(claim_for(&engine, "a", 10 * MINUTE), Some(id("t")));
    let start = store.snapshot().unwrap().1.wall;
    let later = NewTask { not_before: Some(start.plus(60_000)), ..new_task("later", &[]) };
    engine.add(&[later], far()).unwrap();
    world.jump_wall(-YEAR_MS);
    world.advance(2 * MINUTE);
    assert_eq!(claim_for(&engine, "b", MINUTE), None, "set back, it is late");
    world.jump_wall(YEAR_MS);
    assert_eq!(claim_for(&engine, "b", MINUTE), Some(id("later")));
}

/// After a reboot the wall clock is all there is: set back, a lease ends late, and never early.
#[test]
fn a_reboot_with_the_wall_clock_set_back_ends_no_lease_early() {
    let (world, _store, engine) = world();
    assert_eq!(claim_for(&engine, "a", 10 * MINUTE), Some(id("t")));
    let next = World::holding(world.files());
    next.jump_wall(-60 * 60 * 1000);
    let store = rebooted(&next);
    let engine = engine_on(Arc::new(store.clone()));
    for _ in 0..69 {
        next.advance(MINUTE);
        assert_eq!(claim_for(&engine, "b", MINUTE), None);
    }
    next.advance(MINUTE);
    assert_eq!(claim_for(&engine, "b", MINUTE), Some(id("t")));
    // The new lease runs by the new boot's clock.
    next.jump_wall(YEAR_MS);
    assert_eq!(claim_for(&engine, "c", MINUTE), None);
    next.advance(MINUTE);
    assert_eq!(claim_for(&engine, "c", MINUTE), Some(id("t")));
    assert_clean(&store);
}

fn rebooted(world: &Arc<World>) -> FileStore {
    world.restart();
    world.process().open(OpenOptions::default()).unwrap()
}

/// Times at both ends of what can be said overflowed in sums.
#[test]
fn nothing_overflows_at_either_end_of_time() {
    for jump in [i64::MIN, i64::MAX] {
        let (world, store, engine) = world();
        world.jump_wall(jump);
        world.jump_wall(jump);
        world.jump_wall(jump);
        assert_eq!(claim_for(&engine, "a", LONGEST), Some(id("t")));
        add(&engine, "u", &["t"]);
        let mut keyed = claim_request("b");
        keyed.key = Some("k".into());
        engine.claim(&keyed, far()).unwrap();
        let (view, now) = store.snapshot().unwrap();
        assert!(view.next_due(&now).unwrap().is_some_and(|due| due > Millis(0)));
        drop(view);
        store.compact(far()).unwrap();
        store.trim_history().unwrap();
        let (task, token) = (id("t"), Token(1));
        complete(&engine, "a", &task, token);
        assert_eq!(claim(&engine, "b").unwrap().0, id("u"));
        assert_clean(&store);
    }
}

#[test]
fn tasks_are_ordered_by_their_creation_and_not_by_what_the_clock_said() {
    let (world, _store, engine) = world();
    for name in ["u", "v", "w"] {
        world.jump_wall(-YEAR_MS);
        add(&engine, name, &[]);
    }
    for name in ["t", "u", "v", "w"] {
        assert_eq!(claim(&engine, "a").unwrap().0, id(name));
    }
}

/// What waited for a time looked at another clock than the one that the time was given by.
#[test]
fn those_who_wait_go_by_the_clock_that_times_are_given_by() {
    let (world, store, engine) = world();
    let task = |name| engine.task(&id(name)).unwrap();
    for jump in [YEAR_MS, -2 * YEAR_MS] {
        world.jump_wall(jump);
        let name = if jump > 0 { "ahead" } else { "behind" };
        let before = store.wall();
        add(&engine, name, &[]);
        assert!((before..=store.wall()).contains(&task(name).created_at), "{name}");
    }
}
