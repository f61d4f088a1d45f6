//! Who lives and who doesn't.

use super::locks::{kill, spawn_living};
use taskhost_board::Vital;

use super::*;

fn session() -> SessionId {
    SessionId::new("s").unwrap()
}

fn is_dead(store: &FileStore) -> bool {
    let mut opened = store.begin(far()).unwrap();
    let vital = Vital::Session(session());
    opened.dead(std::slice::from_ref(&vital)) == [vital]
}

#[test]
fn a_session_lives_until_its_guard_is_dropped_and_may_live_again() {
    let (directory, store) = fresh();
    let path = board(&directory);
    assert!(!is_dead(&open(&path)), "of one who never lived nothing is known");
    for _ in 0..3 {
        let life = store.live(&session()).unwrap();
        assert!(!is_dead(&open(&path)));
        drop(life);
        assert!(is_dead(&open(&path)));
        assert!(is_dead(&open(&path)), "asking once doesn't take the proof away");
    }
}

/// Lock age as proof of death steals from paused processes; only the kernel's release proves anything.
#[test]
fn a_killed_process_is_dead_at_once_and_a_stopped_one_lives() {
    let (directory, store) = fresh();
    let child = spawn_living(&board(&directory));
    let signal = |name: &str| {
        let status =
            std::process::Command::new("kill").args([name, &child.id().to_string()]).status();
        assert!(status.unwrap().success());
    };
    signal("-STOP");
    assert!(!is_dead(&store));
    signal("-CONT");
    kill(child);
    assert!(is_dead(&open(&board(&directory))));
}

#[test]
fn a_session_found_alive_is_not_asked_about_again_at_once() {
    let (_directory, store) = fresh();
    let life = store.live(&session()).unwrap();
    assert!(!is_dead(&store));
    drop(life);
    assert!(!is_dead(&store), "this handle has just asked");
    std::thread::sleep(Duration::from_millis(110));
    assert!(is_dead(&store));
}

#[test]
fn those_who_ask_disturb_neither_each_other_nor_the_session() {
    let (directory, store) = fresh();
    let path = board(&directory);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // A fresh handle asks at once.
                    is_dead(&open(&path));
                }
            });
        }
        for _ in 0..50 {
            let life = store.live(&session()).unwrap();
            assert!(!is_dead(&open(&path)));
            drop(life);
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_session_lives_once() {
    let (_directory, store) = fresh();
    let _life = store.live(&session()).unwrap();
    let again = store.live(&session()).err().unwrap();
    assert!(again.to_string().contains("is living already"), "{again}");
}

/// A missing life lock was taken for the proof of a death: `rm agents/*.lock` gave a living agent's task away.
#[test]
fn a_living_session_whose_lock_was_deleted_is_not_taken_for_dead() {
    let (directory, store) = fresh();
    let file = board(&directory).join("agents/s.lock");
    let life = store.live(&session()).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(!is_dead(&open(&board(&directory))));
    drop(life);
    // Whether it still lives can't be known any more: the lease decides.
    assert!(!is_dead(&open(&board(&directory))));
    drop(store.live(&session()).unwrap());
    assert!(is_dead(&open(&board(&directory))));
}

fn claim_living(store: &FileStore, who: &str) -> TaskId {
    let mut request = claim_request(who);
    request.agent.living = true;
    match engine(store).claim(&request, far()).unwrap() {
        ClaimOutcome::Claimed { task, .. } => task.id.clone(),
        ClaimOutcome::Nothing { .. } => panic!("there is a task"),
    }
}

/// The file is what proves a session dead: if it went before the session's claims had, they were kept until their leases
/// were over.
#[test]
fn the_lock_of_a_dead_session_stays_as_long_as_it_has_claims() {
    let (directory, store) = fresh();
    add(&engine(&store), "t", &[]);
    let file = board(&directory).join("agents/x-session.lock");
    let life = store.live(&SessionId::new("x-session").unwrap()).unwrap();
    assert_eq!(claim_living(&store, "x"), id("t"));
    drop(life);
    store.compact(far()).unwrap();
    assert!(file.exists());
    let again = open(&board(&directory));
    let life = again.live(&SessionId::new("y-session").unwrap()).unwrap();
    assert_eq!(claim_living(&again, "y"), id("t"), "it is given on at once");
    store.compact(far()).unwrap();
    assert!(!file.exists());
    drop(life);
}

/// Every session that had ended left its file behind, and the directory grew with every `run`.
#[test]
fn the_locks_of_sessions_that_ended_do_not_gather() {
    let (directory, store) = fresh();
    let agents = board(&directory).join("agents");
    add(&engine(&store), "t", &[]);
    let begin = |name: &str| store.live(&SessionId::new(name).unwrap()).unwrap();
    let living = begin("living");
    drop(begin("x-session"));
    claim_living(&store, "x");
    for n in 0..200 {
        drop(begin(&format!("s{n}")));
    }
    let count = || std::fs::read_dir(&agents).unwrap().count();
    assert!(count() <= 70, "{}", count());
    assert!(agents.join("living.lock").exists() && agents.join("x-session.lock").exists());
    // While the board is busy it isn't waited for.
    let opened = store.begin(far()).unwrap();
    for n in 0..70 {
        std::fs::write(agents.join(format!("d{n}.lock")), "").unwrap();
    }
    let started = Deadline::now();
    drop(begin("late"));
    assert!(started.elapsed() < Duration::from_secs(1) && count() > 70);
    drop((opened, living));
    drop(begin("later"));
    assert!(count() <= 5, "{}", count());
}

fn process_is_dead(store: &FileStore, process: taskhost_board::Process) -> bool {
    let vital = Vital::Process(process);
    store.begin(far()).unwrap().dead(std::slice::from_ref(&vital)) == [vital]
}

fn sleeper() -> std::process::Child {
    std::process::Command::new("sleep").arg("60").spawn().unwrap()
}

#[test]
fn a_named_process_is_dead_once_it_was_killed_even_before_anybody_has_waited_for_it() {
    let (directory, store) = fresh();
    let mut child = sleeper();
    let named = crate::process(child.id()).unwrap();
    assert_eq!(named.pid, child.id());
    assert!(!process_is_dead(&store, named.clone()));
    child.kill().unwrap();
    // Its number stays taken until it is waited for; it is dead all the same.
    let other = open(&board(&directory));
    locks::wait_until(|| {
        other.inner.probes.lock().clear();
        process_is_dead(&other, named.clone())
    });
    assert!(crate::process(child.id()).is_err());
    child.wait().unwrap();
    assert!(process_is_dead(&open(&board(&directory)), named));
}

/// Numbers are used again: a claim whose holder was long dead was kept by whoever had its number now.
#[test]
fn another_process_that_was_given_the_same_number_is_not_taken_for_the_holder() {
    let (_directory, store) = fresh();
    let named = crate::process(std::process::id()).unwrap();
    let former = taskhost_board::Process { started: named.started - 1, ..named.clone() };
    assert!(process_is_dead(&store, former));
    assert!(!process_is_dead(&store, named));
}

/// Containers share the boot's id while their processes are invisible to each other: the holder looked dead from
/// outside, and its task was given away.
#[test]
fn a_process_of_another_namespace_is_never_proved_dead_and_one_of_another_boot_always_is() {
    let (_directory, store) = fresh();
    let mut child = sleeper();
    let named = crate::process(child.id()).unwrap();
    kill_and_wait(&mut child);
    let elsewhere = taskhost_board::Process { namespace: named.namespace + 1, ..named.clone() };
    assert!(!process_is_dead(&store, elsewhere.clone()));
    let earlier =
        taskhost_board::Process { boot: taskhost_board::BootId("earlier".into()), ..elsewhere };
    assert!(process_is_dead(&store, earlier));
    assert!(process_is_dead(&store, named));
}

fn kill_and_wait(child: &mut std::process::Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_process_that_is_not_there_cannot_be_named() {
    let mut child = sleeper();
    kill_and_wait(&mut child);
    let error = crate::process(child.id()).unwrap_err().to_string();
    assert!(error.contains("there is no process"), "{error}");
    assert!(crate::process(0).is_err() && crate::process(u32::MAX).is_err());
}
