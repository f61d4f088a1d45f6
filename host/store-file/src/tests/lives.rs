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
