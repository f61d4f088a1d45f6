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
    assert!(is_dead(&open(&path)), "who never lived is dead");
    for _ in 0..3 {
        let life = store.live(&session()).unwrap();
        assert!(!is_dead(&open(&path)));
        drop(life);
        assert!(is_dead(&open(&path)));
        assert!(!path.join("agents/s.lock").exists(), "files of the dead are removed");
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

/// Every session that had ended left its file behind, and the directory grew with every `run`.
#[test]
fn a_session_that_ends_takes_its_file_with_it() {
    let (directory, store) = fresh();
    let file = board(&directory).join("agents/s.lock");
    for _ in 0..2 {
        let life = store.live(&session()).unwrap();
        assert!(file.exists());
        drop(life);
        assert!(!file.exists());
    }
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
