//! Each check is shown to be able to fail: bugs that are planted in the store are found.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use taskhost_board::{
    BoardSettings, Change, Command, CommitError, Digest, Entry, InitPlan, PolicyPin, PolicySet,
    Request, Store as _, SwitchPlan,
};
use taskhost_simulated::{Bug, Effort, Harm, Outcome, crash, damage, fault, replay};
use taskhost_store_file::simulation::{Counted, Fault, Testimony, Witnessed, World};
use taskhost_store_file::{OpenOptions, PlantedBug};

fn effort() -> Effort {
    Effort { first_only: true, ..Effort::new(1, Duration::from_secs(60)) }
}

#[track_caller]
fn assert_found(outcome: &Outcome, harm: Harm, what: &str) {
    let found = outcome.wrong.iter().find(|wrong| wrong.what.contains(what));
    assert_eq!(found.map(|wrong| wrong.harm), Some(harm), "{:?}", outcome.wrong);
}

#[test]
fn a_sync_left_out_is_found_by_the_crashes() {
    let found = crash("add", &effort(), Some(Bug::Store(PlantedBug::SyncLeftOut)));
    assert_found(&found, Harm::Lost, "was answered before it was synced");
    assert_found(&found, Harm::Lost, "is missing");
}

#[test]
fn a_directory_sync_left_out_is_found_by_the_crashes() {
    let bug = Some(Bug::Store(PlantedBug::DirectorySyncLeftOut));
    let found = crash("policy set", &effort(), bug);
    assert_found(&found, Harm::Lost, "acknowledged switch");
}

/// It takes two: one that was stopped in its sync, and one that believes that it had ended.
#[test]
fn an_answer_before_the_sync_has_ended_is_found_by_the_crashes_with_several_writers() {
    let bug = Some(Bug::Store(PlantedBug::AnsweredBeforeSync));
    let found = crash("look and find nothing", &effort(), bug);
    assert_found(&found, Harm::Lost, "somebody was told of entry");
}

#[test]
fn a_handle_that_goes_on_with_an_old_generation_is_found_by_the_crashes() {
    let bug = Some(Bug::Store(PlantedBug::GenerationNotRechecked));
    let found = crash("claim by a handle that slept through a switch", &effort(), bug);
    assert!(!found.wrong.is_empty());
}

#[test]
fn an_index_of_an_earlier_boot_that_is_trusted_is_found_by_the_crashes_and_by_the_damage() {
    let bug = Some(Bug::Store(PlantedBug::BootIgnored));
    let found = crash("claim", &effort(), bug);
    assert_found(&found, Harm::Broken, "and must be");
    let found = damage(&effort(), bug);
    assert_found(&found, Harm::Silent, "after a restart");
}

#[test]
fn a_poisoned_generation_used_on_is_found_by_the_faults() {
    // Not only the first thing that it finds, which may be a board that can't be opened any more.
    let effort = Effort { first_only: false, ..effort() };
    let found = fault("add", &effort, Some(Bug::Store(PlantedBug::PoisonIgnored)));
    assert_found(&found, Harm::Lost, "is missing");
    // And in the same boot, by whoever reads what the disk has.
    let in_memory = |what: &str| what.contains("dropped from memory");
    assert!(found.wrong.iter().any(|wrong| in_memory(&wrong.what)), "{:?}", found.wrong);
}

#[test]
fn a_corrupt_middle_taken_for_a_torn_end_is_found_by_the_damage() {
    let bug = Some(Bug::Store(PlantedBug::DurableThroughIgnored));
    let found = damage(&effort(), bug);
    assert_found(&found, Harm::Lost, "after a restart");
    assert_found(&found, Harm::Lost, "is missing");
}

#[test]
fn what_was_found_is_found_again_by_its_name() {
    let bug = Some(Bug::Store(PlantedBug::SyncLeftOut));
    let found = crash("add", &effort(), bug);
    let missing = found.wrong.iter().find(|wrong| wrong.what.contains("is missing")).unwrap();
    let case = missing.what.split('\'').nth(1).unwrap();
    let again = replay(case, &effort(), bug);
    assert!(again.wrong.iter().any(|wrong| wrong.what == missing.what), "{:?}", again.wrong);
    assert!(replay(case, &effort(), None).wrong.is_empty());
    // And one that isn't there isn't taken for one that passes.
    assert!(!replay("add/9/9/9", &effort(), None).wrong.is_empty());
}

/// The witness is believed only because it finds what isn't there, and what nobody made.
#[test]
fn a_testimony_that_does_not_fit_the_board_is_found() {
    let world = World::new();
    let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
    let opened = store.begin(Instant::now() + Duration::from_secs(20)).unwrap();
    let changes = vec![Change::SettingsSet(BoardSettings::default())];
    let time = opened.now().wall;
    let entry = Entry { time, request: Request::of(Command::ConfigSet), seed: 1, changes };
    let sequence = opened.commit(entry.clone()).unwrap().sequence;

    let good = Testimony::of(&store).unwrap();
    assert_eq!(good.contradictions(&store), Vec::<String>::new());
    let mut lost = good.clone();
    lost.acknowledged.push((sequence.next(), entry));
    assert!(lost.contradictions(&store)[0].contains("is missing"));
    let made_up = Testimony { attempted: Vec::new(), ..good.clone() };
    assert!(made_up.contradictions(&store)[0].contains("nobody made"));
    let seen = Testimony { seen: sequence.next(), ..good };
    assert!(seen.contradictions(&store)[0].contains("somebody was told"));
}

/// An entry that stood in the history although somebody was told that it wasn't written went unremarked once, because it
/// had been asked for.
#[test]
fn what_stands_although_nothing_was_said_to_be_written_is_found() {
    let world = World::new();
    let process = world.process();
    let store = process.init(&plan(), OpenOptions::default()).unwrap();
    let testimony = Arc::default();
    let witnessed = Witnessed::new(store.clone(), &world, &testimony);
    let deadline = Instant::now() + Duration::from_secs(20);
    let opened = witnessed.begin(deadline).unwrap();
    let changes = vec![Change::SettingsSet(BoardSettings::default())];
    let time = opened.now().wall;
    let entry = Entry { time, request: Request::of(Command::ConfigSet), seed: 1, changes };
    process.plan(Counted::Changes, 0, Fault::Fail(ErrorKind::StorageFull));
    let refused = opened.commit(entry.clone());
    assert!(matches!(refused, Err(CommitError::NotWritten(_))), "{refused:?}");
    assert_eq!(testimony.lock().contradictions(&store), Vec::<String>::new());

    // As if it had been written all the same.
    store.begin(deadline).unwrap().commit(entry).unwrap();
    let found = testimony.lock().contradictions(&store);
    assert!(found[0].contains("nobody made"), "{found:?}");

    // And a switch, of which the store is asked without a witness here.
    let custom = Some(PolicyPin { digest: Digest::of(b"other"), settings: BTreeMap::new() });
    let before = plan().policies;
    let policies = PolicySet { custom, ..before.clone() };
    let components = BTreeMap::from([(Digest::of(b"other"), b"other".to_vec())]);
    let switch = SwitchPlan {
        policies: policies.clone(),
        components,
        derived_from: before,
        expect: None,
        request: Request::of(Command::PolicySet),
    };
    let good = Testimony::of(&store).unwrap();
    let mut ask = |_, _, _| Ok(Vec::new());
    let switched = store.switch(switch, &mut ask, deadline).unwrap().sequence;
    let found = good.contradictions(&store);
    let made_up = format!("entry {switched} is one that nobody made");
    assert_eq!(found, [made_up]);
    let asked = Testimony { switching: vec![policies], ..good };
    assert_eq!(asked.contradictions(&store), Vec::<String>::new());
}

fn plan() -> InitPlan {
    let standard = PolicyPin { digest: Digest::of(b"policy"), settings: BTreeMap::new() };
    InitPlan {
        components: BTreeMap::from([(standard.digest, b"policy".to_vec())]),
        policies: PolicySet { custom: None, standard },
        settings: BoardSettings::default(),
    }
}
