//! Crashes at every operation, with everything that a disk may then leave.

use parking_lot::Mutex;

use super::*;
use crate::PlantedBug;
use crate::simulation::{Counted, Fault, Process, Testimony, Witnessed, World};

/// What is done while something goes wrong. Errors are fine; lies aren't.
type Act = fn(&Engine, &FileStore);

const ADD: Act = |engine, _| {
    let _ = engine.add(&[new_task("new", &["open"])], far());
};
const CLAIM: Act = |engine, _| {
    let _ = engine.claim(&claim_request("late"), far());
};
const COMPLETE: Act = |engine, _| {
    let proof = Proof { agent: name("early"), token: Some(Token(1)) };
    let _ = engine.finish(&id("first"), &proof, &Finish::Complete(None), far());
};
const POLICY_SET: Act = |engine, _| {
    let _ = set_policy(engine, OTHER);
};
const COMPACT: Act = |_, store| {
    let _ = store.compact(far());
};
/// What comes after a failed sync must be right as well.
const SEVERAL: Act = |engine, store| {
    for act in [ADD, CLAIM, COMPLETE, COMPACT] {
        act(engine, store);
    }
};

pub(super) struct Trial {
    pub(super) world: Arc<World>,
    pub(super) process: Arc<Process>,
    pub(super) testimony: Arc<Mutex<Testimony>>,
}

/// A board with some tasks on it, and a fresh process that has it open and in which `fault` is planned.
fn trial(planted: Option<PlantedBug>, plan_of: Option<(Counted, u64, Fault)>, act: Act) -> Trial {
    let world = World::new();
    let testimony = Arc::new(Mutex::new(Testimony::default()));
    let options = OpenOptions { planted, ..OpenOptions::default() };
    let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
    let before = engine_on(Arc::new(Witnessed::new(store, &world, &testimony)));
    for task in ["first", "open", "later"] {
        add(&before, task, &[]);
    }
    assert_eq!(claim(&before, "early"), Some((id("first"), Token(1))));
    drop(before);

    let process = world.process();
    let store = process.open(options).unwrap();
    if let Some((counted, at, fault)) = plan_of {
        process.plan(counted, at, fault);
    } else {
        process.plan(Counted::All, u64::MAX, Fault::Stop);
    }
    let engine = engine_on(Arc::new(Witnessed::new(store.clone(), &world, &testimony)));
    act(&engine, &store);
    Trial { world, process, testimony }
}

impl Trial {
    /// What is wrong with the board after the process was killed, or the power failed, at this moment.
    pub(super) fn check(&self, after: &str) -> Vec<String> {
        let mut wrong: Vec<String> = self.world.order_violations();
        let testimony = self.testimony.lock();
        for survivor in self.world.survivors() {
            let world = World::booted(&survivor);
            let found = examine(&world, &testimony);
            wrong.extend(
                found
                    .into_iter()
                    .map(|what| format!("power failure {after}, {}: {what}", survivor.what)),
            );
        }
        let found = examine(&self.world, &testimony);
        wrong.extend(found.into_iter().map(|what| format!("killed {after}: {what}")));
        wrong
    }
}

/// Opens what is there, compares it with what was said, and works on with it.
fn examine(world: &Arc<World>, testimony: &Testimony) -> Vec<String> {
    let store = match world.process().open(OpenOptions::default()) {
        Ok(store) => store,
        Err(error) => return vec![format!("the board doesn't open: {error}")],
    };
    let wrong = testimony.contradictions(&store);
    if !wrong.is_empty() {
        return wrong;
    }
    match remember(&store, "afterwards") {
        Ok(_) if recalls(&*store.snapshot().unwrap().0, "afterwards") => Vec::new(),
        other => vec![format!("the board can't be worked on: {other:?}")],
    }
}

/// Stops the process at every operation of `act` in turn; returns what was wrong, at how many operations it was
/// stopped, and how many states of the disk were looked at.
fn crash_everywhere(planted: Option<PlantedBug>, act: Act) -> (Vec<String>, u64, usize) {
    let mut wrong = Vec::new();
    let (mut at, mut states) = (0, 0);
    loop {
        let trial = trial(planted, Some((Counted::Changes, at, Fault::Stop)), act);
        states += trial.world.survivors().len();
        wrong.extend(trial.check(&format!("before operation {at}")));
        if !trial.process.is_stopped() {
            return (wrong, at, states);
        }
        at += 1;
    }
}

#[track_caller]
fn assert_survives(act: Act, operations_min: u64, states_min: usize) {
    let (wrong, operations, states) = crash_everywhere(None, act);
    println!("stopped at {operations} operations, {states} states of the disk");
    assert_eq!(wrong, Vec::<String>::new());
    // So that nobody believes in a check that has stopped checking.
    assert!(operations >= operations_min && states >= states_min, "{operations}, {states}");
}

#[test]
fn add_survives_a_crash_at_every_operation() {
    assert_survives(ADD, 5, 20);
}

#[test]
fn claim_survives_a_crash_at_every_operation() {
    assert_survives(CLAIM, 5, 20);
}

#[test]
fn complete_survives_a_crash_at_every_operation() {
    assert_survives(COMPLETE, 5, 20);
}

#[test]
fn policy_set_survives_a_crash_at_every_operation() {
    assert_survives(POLICY_SET, 25, 100);
}

#[test]
fn compaction_survives_a_crash_at_every_operation() {
    assert_survives(COMPACT, 20, 100);
}

#[test]
fn init_that_was_cut_short_is_completed_by_the_next() {
    let mut at = 0;
    loop {
        let world = World::new();
        let process = world.process();
        process.plan(Counted::Changes, at, Fault::Stop);
        let made = process.init(&plan(), OpenOptions::default());
        let was_made = made.is_ok();
        drop(made);
        let worlds = world.survivors().into_iter().map(|survivor| World::booted(&survivor));
        for world in worlds.chain([world.clone()]) {
            let process = world.process();
            match process.open(OpenOptions::default()) {
                Ok(store) => assert_clean(&store),
                Err(error) => {
                    assert!(!was_made, "{error}");
                    process.init(&plan(), OpenOptions::default()).unwrap();
                }
            }
        }
        if !process.is_stopped() {
            return;
        }
        at += 1;
    }
}

/// A failed `fsync` tried again can report success for lost data, and a process that opens the file after the
/// failure never hears of it, appends, syncs with success, and leaves a hole before its own acknowledged line. So
/// the failure poisons the generation for everybody.
#[test]
fn every_operation_may_fail_and_no_answer_is_a_lie() {
    let faults = [Fault::Fail(std::io::ErrorKind::StorageFull), Fault::ShortWrite, Fault::LostSync];
    for act in [SEVERAL, POLICY_SET] {
        let operations = trial(None, None, act).process.operations(Counted::All);
        assert!(operations > 50);
        for at in 0..operations {
            for fault in faults {
                let trial = trial(None, Some((Counted::All, at, fault)), act);
                assert_eq!(trial.check(&format!("after {fault:?} at {at}")), Vec::<String>::new());
            }
        }
    }
}

/// Stops a process that opens the board at every operation of its recovery, and looks at what that leaves.
fn cut_recovery_short(make: impl Fn() -> (Arc<World>, Arc<Mutex<Testimony>>)) -> u64 {
    let mut at = 0;
    loop {
        let (world, testimony) = make();
        let process = world.process();
        process.plan(Counted::Changes, at, Fault::Stop);
        drop(process.open(OpenOptions::default()));
        let trial = Trial { world, process, testimony };
        assert_eq!(trial.check(&format!("in recovery, before {at}")), Vec::<String>::new());
        if !trial.process.is_stopped() {
            return at;
        }
        at += 1;
    }
}

/// Recovery run by several processes at once, or cut short and run again, corrupted what it should have mended. Here
/// it runs under the lock only, and each of its steps leaves a board that can be recovered again.
#[test]
fn recovery_that_is_itself_cut_short_is_done_again_by_the_next() {
    // Of a torn end, whatever it is like.
    let torn = trial(None, Some((Counted::Changes, 3, Fault::Stop)), ADD);
    for survivor in torn.world.survivors() {
        let operations = cut_recovery_short(|| (World::booted(&survivor), torn.testimony.clone()));
        assert!(operations >= 3);
    }
    // Of a generation whose sync failed.
    let operations = cut_recovery_short(|| {
        let poisoned = trial(None, Some((Counted::Changes, 3, Fault::LostSync)), ADD);
        (poisoned.world, poisoned.testimony)
    });
    assert!(operations >= 20);
}

#[test]
fn a_sync_left_out_is_found_by_the_crashes_and_by_the_recorder() {
    let (wrong, ..) = crash_everywhere(Some(PlantedBug::SyncLeftOut), ADD);
    assert!(wrong.iter().any(|what| what.contains("acknowledged entry 5 is missing")), "{wrong:?}");
    assert!(
        wrong.iter().any(|what| what == "entry 5 was answered before it was synced"),
        "{wrong:?}"
    );
}

#[test]
fn a_directory_sync_left_out_is_found() {
    let (wrong, ..) = crash_everywhere(Some(PlantedBug::DirectorySyncLeftOut), POLICY_SET);
    assert!(
        wrong.iter().any(|what| what.contains("acknowledged switch 5 is missing")),
        "{wrong:?}"
    );
}

#[test]
fn a_poisoned_generation_used_on_is_found() {
    let operations = trial(None, None, SEVERAL).process.operations(Counted::All);
    let found = (0..operations).any(|at| {
        let plan = (Counted::All, at, Fault::LostSync);
        !trial(Some(PlantedBug::PoisonIgnored), Some(plan), SEVERAL).check("").is_empty()
    });
    assert!(found);
}
