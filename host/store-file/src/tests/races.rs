//! Several handles at once.

use taskhost_board::{BeginError, Mark, Readiness, SwitchError, SwitchPlan};

use super::*;
use crate::simulation::{Counted, Fault, World};

#[test]
fn eight_handles_commit_at_once_and_every_answer_is_in_the_history_once() {
    let (directory, first) = fresh();
    let path = board(&directory);
    let mut told: Vec<Sequence> = std::thread::scope(|scope| {
        let work = |who: usize| {
            let path = path.clone();
            scope.spawn(move || {
                let store = open(&path);
                (0..25)
                    .map(|n| remember(&store, &format!("{who}-{n}")).unwrap())
                    .collect::<Vec<_>>()
            })
        };
        let threads: Vec<_> = (0..8).map(work).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    told.sort_unstable();
    assert!(told == numbers(200));
    assert_eq!(whole_history(&first), 200);
    assert_clean(&first);
}

#[test]
fn threads_that_share_a_handle_take_turns() {
    let (_directory, store) = fresh();
    let mut told: Vec<Sequence> = std::thread::scope(|scope| {
        let work = |who: usize| {
            let store = &store;
            scope.spawn(move || {
                (0..25).map(|n| remember(store, &format!("{who}-{n}")).unwrap()).collect::<Vec<_>>()
            })
        };
        let threads: Vec<_> = (0..4).map(work).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    told.sort_unstable();
    assert!(told == numbers(100));
    assert_clean(&store);
}

fn plan_of(component: &[u8]) -> SwitchPlan {
    let digest = Digest::of(component);
    let mut policies = plan().policies;
    policies.custom = Some(PolicyPin { digest, settings: BTreeMap::new() });
    SwitchPlan {
        policies,
        components: BTreeMap::from([(digest, component.to_vec())]),
        derived_from: plan().policies,
        expect: None,
        request: Request::of(Command::PolicySet),
    }
}

/// Compaction racing a writer: SQLite's WAL-reset bug lived from 3.7.0 to 3.51.2. Here the race is forced: the
/// writer commits in the middle of the switch, after the switch has read the board and before it has the lock.
#[test]
fn what_is_committed_in_the_middle_of_a_switch_is_in_the_next_generation() {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    let writer = engine(&other);
    for task in ["a", "b", "c"] {
        add(&writer, task, &[]);
    }
    let mut asked = Vec::new();
    let committed = store
        .switch(
            plan_of(OTHER),
            &mut |view, _, ids| {
                add(&writer, "late", &["b"]);
                let (task, token) = claim(&writer, "x").unwrap();
                complete(&writer, "x", &task, token);
                assert!(view.task(&id("late")).unwrap().is_none(), "the switch reads one instant");
                asked.extend(ids.clone());
                // The new policy lets `b` and `c` wait for `a`, which has just been completed.
                let answer = |task: TaskId| match task.as_str() {
                    "a" => (task, Some(Readiness::Ready(0))),
                    _ => (task, Some(Readiness::Waiting { on: vec![id("a")], why: None })),
                };
                Ok(ids.into_iter().map(answer).collect())
            },
            far(),
        )
        .unwrap();
    assert_eq!(asked, [id("a"), id("b"), id("c")]);
    assert_eq!(history(&other), numbers(committed.sequence.0));
    let view = other.snapshot().unwrap().0;
    assert_eq!(view.policies().unwrap().leading().digest, Digest::of(OTHER));
    assert_eq!(view.task(&id("a")).unwrap().unwrap().status, taskhost_board::Status::Completed);
    // What changed meanwhile is asked about again, and so is whatever waits for it.
    assert_eq!(view.task(&id("late")).unwrap().unwrap().readiness, Readiness::Unasked);
    assert_eq!(
        view.wakes(9).unwrap().iter().map(|wake| wake.on.clone()).collect::<Vec<_>>(),
        [id("a")]
    );
    drop(view);
    writer.upkeep(far()).unwrap();
    assert!(claim(&writer, "x").is_some() && claim(&writer, "x").is_some());
    assert_clean(&store);
    assert_clean(&other);
}

#[test]
fn writers_that_never_stop_lose_nothing_to_compactions() {
    let (directory, store) = fresh();
    let path = board(&directory);
    let done = std::sync::atomic::AtomicBool::new(false);
    let told: usize = std::thread::scope(|scope| {
        let work = |who: usize| {
            let (path, done) = (path.clone(), &done);
            scope.spawn(move || {
                let store = open(&path);
                let mut told = 0;
                while !done.load(Ordering::Relaxed) {
                    remember(&store, &format!("{who}-{told}")).unwrap();
                    told += 1;
                }
                told
            })
        };
        let threads: Vec<_> = (0..3).map(work).collect();
        for _ in 0..10 {
            store.compact(far()).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(whole_history(&store), told as u64);
    assert!(files(&path).contains_key("journal-11.jsonl"));
    assert_clean(&store);
}

#[test]
fn writers_killed_at_random_moments_take_nothing_back_that_they_said() {
    let (directory, store) = fresh();
    let path = board(&directory);
    let kills = std::env::var("TASKHOST_TEST_KILLS").map_or(30, |n| n.parse().unwrap());
    let mut told = Vec::new();
    for round in 0..kills / 3_u64 {
        let writers: Vec<_> = (0..3).map(|_| locks::spawn_writer(&path)).collect();
        if round % 3 == 0 {
            store.compact(far()).unwrap();
        }
        std::thread::sleep(Duration::from_millis(20 + round * 7 % 60));
        for (child, said) in writers {
            locks::kill(child);
            told.extend(said.join().unwrap());
        }
    }
    told.sort_unstable();
    assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "one number was given to two entries");
    let through = whole_history(&store);
    assert!(told.len() as u64 > kills && told.last().unwrap().0 <= through);
    // As after a power failure that lost nothing: all is made anew from the journal. It may end in a line whose
    // writer died before its index had it, which nobody was told of.
    std::fs::remove_dir_all(path.join("index")).unwrap();
    let again = open(&path);
    assert!((through..=through + 1).contains(&whole_history(&again)));
    assert_clean(&again);
}

#[test]
fn a_switch_whose_generation_was_poisoned_meanwhile_starts_over() {
    let world = World::new();
    let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
    let writer = engine(&store);
    add(&writer, "a", &[]);
    let mut rounds = 0;
    let other = world.process();
    let unlucky = other.open(OpenOptions::default()).unwrap();
    let committed = store.switch(
        plan_of(OTHER),
        &mut |_, _, ids| {
            rounds += 1;
            if rounds == 1 {
                other.plan(Counted::Changes, 3, Fault::LostSync);
                assert!(remember(&unlucky, "unknown").is_err());
                remember(&unlucky, "told").unwrap();
            }
            Ok(ids.into_iter().map(|task| (task, None)).collect())
        },
        far(),
    );
    assert_eq!(rounds, 2);
    assert!(world.files().contains_key("journal-3.jsonl"));
    assert!(!world.files().keys().any(|name| name.contains(".tmp-")), "{:?}", world.files().keys());
    let view = unlucky.snapshot().unwrap().0;
    assert!(recalls(&*view, "told"));
    assert_eq!(view.task(&id("a")).unwrap().unwrap().readiness, Readiness::Unasked);
    assert_eq!(history(&unlucky), numbers(committed.unwrap().sequence.0));
    assert_clean(&store);
}

/// A writer's line was copied into the next journal before anybody had synced it in the old one. From then on it was
/// durable, so nobody ever did; the old journal was retired, the power failed, and the history ended in half a line:
/// nothing was lost, and yet neither the history nor the doctor could read the board.
#[test]
fn a_line_that_a_switch_has_copied_is_whole_in_the_history_after_a_power_failure() {
    let world = World::new();
    let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
    add(&engine(&store), "a", &[]);
    let writer = world.process();
    let unlucky = writer.open(OpenOptions::default()).unwrap();
    store
        .switch(
            plan_of(OTHER),
            &mut |_, _, ids| {
                // After the append, the index and the words comes the sync.
                writer.plan(Counted::Changes, 3, Fault::Stop);
                assert!(remember(&unlucky, "late").is_err());
                Ok(ids.into_iter().map(|task| (task, None)).collect())
            },
            far(),
        )
        .unwrap();
    for survivor in world.survivors() {
        let again = World::booted(&survivor).process().open(OpenOptions::default()).unwrap();
        assert_eq!(whole_history(&again), 3, "{}", survivor.what);
        assert_clean(&again);
    }
}

#[test]
fn a_policy_that_fails_while_it_is_asked_changes_nothing() {
    let (directory, store) = fresh();
    add(&engine(&store), "a", &[]);
    let before = files(&board(&directory));
    let result = store.switch(plan_of(OTHER), &mut |_, _, _| Err("it trapped".into()), far());
    assert!(matches!(result, Err(SwitchError::Asking(why)) if why == "it trapped"));
    assert_eq!(files(&board(&directory)), before);
    assert_clean(&store);
}

#[test]
fn two_switches_take_turns_and_a_third_that_will_not_wait_is_told() {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    add(&engine(&store), "a", &[]);
    let mut late = None;
    store
        .switch(
            plan_of(OTHER),
            &mut |_, _, ids| {
                late = other.compact(Deadline::now() + Duration::from_millis(50)).err();
                Ok(ids.into_iter().map(|task| (task, None)).collect())
            },
            far(),
        )
        .unwrap();
    assert!(matches!(late, Some(SwitchError::Begin(BeginError::Timeout { .. }))), "{late:?}");
    other.compact(far()).unwrap();
    assert_clean(&other);
}

#[test]
fn waiting_ends_when_somebody_commits() {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| other.wait(Mark::default(), Duration::from_secs(20)).unwrap());
        remember(&store, "k").unwrap();
        assert_eq!(waiter.join().unwrap().newest, Sequence(1));
    });
}

#[test]
fn a_view_keeps_its_instant_while_others_go_on() {
    let (_directory, store) = fresh();
    remember(&store, "a").unwrap();
    let (view, _) = store.snapshot().unwrap();
    remember(&store, "b").unwrap();
    store.compact(far()).unwrap();
    remember(&store, "c").unwrap();
    let read = std::thread::spawn(move || {
        (recalls(&*view, "a"), recalls(&*view, "b"), recalls(&*view, "c"))
    });
    assert_eq!(read.join().unwrap(), (true, false, false));
}

/// A claim must not cost more on a larger board: counted in pages, not timed.
#[test]
fn a_claim_reads_hardly_more_index_pages_on_a_board_fifty_times_as_large() {
    let pages = |tasks: usize| {
        let (directory, store) = fresh();
        let all: Vec<NewTask> = (0..tasks).map(|n| new_task(&format!("t{n}"), &[])).collect();
        let adder = engine(&store);
        for batch in all.chunks(1000) {
            adder.add(batch, far()).unwrap();
            while adder.upkeep(far()).unwrap() {}
        }
        let store = open(&board(&directory));
        let before = store.index_pages();
        assert!(claim(&engine(&store), "x").is_some());
        store.index_pages() - before
    };
    let (small, large) = (pages(100), pages(5000));
    assert!(large <= small * 3, "{small} pages at 100 tasks, {large} at 5,000");
}

/// A child that is added while a new policy is being asked makes the answer about its parent stale, although no
/// change names the parent: `claim` handed out a parent of which `explain` said that it waits for its child.
#[test]
fn a_parent_that_gets_a_child_in_the_middle_of_a_switch_is_asked_about_again() {
    let (directory, store) = fresh();
    let writer = engine(&open(&board(&directory)));
    add(&writer, "pa", &[]);
    add(&writer, "other", &[]);
    let ready = |task: TaskId| (task, Some(Readiness::Ready(0)));
    let mut ask = |_: Box<dyn View>, _: taskhost_board::Instant, ids: Vec<TaskId>| {
        let child = NewTask { parent: Some(id("pa")), ..new_task("c1", &[]) };
        writer.add(&[child], far()).unwrap();
        Ok(ids.into_iter().map(ready).collect())
    };
    store.switch(plan_of(OTHER), &mut ask, far()).unwrap();
    let view = store.snapshot().unwrap().0;
    let readiness = |task: &str| view.task(&id(task)).unwrap().unwrap().readiness;
    assert_eq!(readiness("pa"), Readiness::Unasked);
    assert_eq!(readiness("other"), Readiness::Ready(0));
    assert_clean(&store);
}

/// Two people who each changed a setting derived theirs from the same policies, and the second undid the first's.
#[test]
fn a_switch_derived_from_policies_that_are_no_longer_set_is_told_to_derive_them_anew() {
    let (_directory, store) = fresh();
    let keep = &mut |_: Box<dyn View>, _: taskhost_board::Instant, ids: Vec<TaskId>| {
        Ok(ids.into_iter().map(|task| (task, None)).collect())
    };
    store.switch(plan_of(OTHER), keep, far()).unwrap();
    let moved = store.switch(plan_of(b"a third"), keep, far());
    assert!(matches!(moved, Err(SwitchError::Moved)), "{moved:?}");
    // What was expected explicitly is the better answer.
    let plan = SwitchPlan { expect: Some(Digest::of(STANDARD)), ..plan_of(b"a third") };
    let changed = store.switch(plan, keep, far());
    assert!(matches!(changed, Err(SwitchError::Changed { .. })), "{changed:?}");
    assert_clean(&store);
}

/// The doctor opened the snapshot by its name after it had read the board, and called it damage when a switch had
/// taken it away meanwhile: 20 of 60 doctors, on a healthy board.
#[test]
fn a_doctor_whose_generation_is_retired_meanwhile_looks_at_the_next_one() {
    let (directory, store) = fresh();
    remember(&store, "k").unwrap();
    for switches in [1, 3, u64::MAX] {
        let other = store.clone();
        let progress = move |progress: taskhost_board::Progress| {
            if progress.doing == "examining the board" && progress.done < switches {
                other.compact(far()).unwrap();
            }
        };
        let options = OpenOptions { progress: Some(Arc::new(progress)), ..OpenOptions::default() };
        let report = FileStore::open(&board(&directory), options).unwrap().doctor();
        let damaged =
            report.findings.iter().any(|f| f.severity == taskhost_board::Severity::Damage);
        assert!(!damaged, "{:#?}", report.findings);
        assert_eq!(report.is_clean(), switches != u64::MAX);
    }
    assert_clean(&store);
}

/// A writer was killed while LMDB was finishing its commit: readers still saw the index without its line, but the
/// next writer's change began with it. The line was applied a second time, and the counters of ready tasks were
/// wrong from then on.
#[test]
fn a_line_that_the_index_has_already_is_not_applied_again() {
    let (_directory, store) = fresh();
    let engine = engine(&store);
    add(&engine, "a", &[]);
    let (current, reading, seen) = store.inner.snapshot(far()).unwrap();
    drop(reading);
    add(&engine, "b", &[]);
    let guard = store.inner.lock(far()).unwrap();
    store.inner.apply_rest(&guard, &current, &seen).unwrap();
    drop(guard);
    let (_, _, meta) = store.inner.snapshot(far()).unwrap();
    assert_eq!(meta.applied, seen.applied.next());
    assert_clean(&store);
    add(&engine, "c", &[]);
    assert_clean(&store);
}

/// Somebody threw the index away, as one may at any moment, just while it was being made anew, and whoever was making it
/// was told that a directory isn't there.
#[test]
fn an_index_that_is_thrown_away_again_and_again_keeps_nobody_from_working() {
    let (directory, store) = fresh();
    let path = board(&directory);
    let done = std::sync::atomic::AtomicBool::new(false);
    let told = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for who in 0..3 {
            let (path, done, told) = (path.clone(), &done, &told);
            scope.spawn(move || {
                let store = open(&path);
                while !done.load(Ordering::Relaxed) {
                    let n = told.load(Ordering::Relaxed);
                    remember(&store, &format!("{who}-{n}")).unwrap();
                    told.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..200 {
            // It may be made anew while it is removed, and then be removed in part.
            let _ = std::fs::remove_dir_all(path.join("index"));
            let before = told.load(Ordering::Relaxed);
            let deadline = far();
            while told.load(Ordering::Relaxed) == before && Deadline::now() < deadline {
                std::thread::yield_now();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let told = told.load(Ordering::Relaxed);
    assert!(told >= 200);
    assert_eq!(whole_history(&store), told);
    assert_clean(&store);
}
