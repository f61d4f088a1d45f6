//! What a forked child does with what it got from its parent.

#![expect(unsafe_code, reason = "forks")]

use super::server::Server;
use super::{connect, one, soon};
use crate::{Call, Home, Pool};

const WHO: &str = "SELECT pg_backend_pid()";

/// Runs `work` in a forked child; says whether it was true there.
fn in_child(work: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child only does what `work` does, and then ends without running anything of this process's.
    match unsafe { libc::fork() } {
        0 => {
            let work = std::panic::AssertUnwindSafe(work);
            let fine = std::panic::catch_unwind(work).unwrap_or(false);
            // SAFETY: nothing of the parent's is run at this end.
            unsafe { libc::_exit(if fine { 0 } else { 1 }) }
        }
        child => {
            let mut status = 0;
            // SAFETY: waits for the child that was just made.
            let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!(ended, child);
            status == 0
        }
    }
}

#[test]
fn a_child_has_connections_of_its_own_and_leaves_its_parents_alone() {
    let server = Server::start();
    let pool = Pool::new(server.address("main"), 2);
    let (mut out, idle) = (pool.get(soon()).unwrap(), pool.get(soon()).unwrap());
    let (backend, other) = (out.server().backend, idle.server().backend);
    drop(idle);
    // What is taken out in the child stays in the parent.
    let mut own_pool = Some(pool.clone());
    let mut copy = Some(&mut out);
    let fine = in_child(|| {
        let refused = copy.take().unwrap().query(Call::new(WHO, &[])).unwrap_err().is_lost();
        let pool = own_pool.take().unwrap();
        let mut own = pool.get(soon()).unwrap();
        let fresh = one::<i32>(&mut own, WHO);
        drop((own, pool));
        refused && fresh != backend && fresh != other
    });
    assert!(fine);
    // The child's end has closed neither.
    assert_eq!(one::<i32>(&mut out, WHO), backend);
    assert_eq!(one::<i32>(&mut pool.get(soon()).unwrap(), WHO), other);
}

#[test]
fn a_child_has_a_home_of_its_own() {
    let server = Server::start();
    let mut asking = connect(&server.address("main"));
    let home = Home::new(server.address("main"), None);
    let hold = home.live(7).unwrap();
    let (mut home, mut hold) = (Some(home), Some(hold));
    let fine = in_child(|| {
        let home = home.take().unwrap();
        let taken = home.live(7).is_err();
        let own = home.live(8).is_ok();
        drop((hold.take(), home));
        taken && own
    });
    assert!(fine);
    // Neither has let go what the parent holds.
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7";
    assert_eq!(one::<i64>(&mut asking, held), 1);
}

#[test]
fn what_a_dead_process_held_is_free_though_a_child_of_it_lives() {
    // A child that was forked and never began another program had its parent's connection as well. The server took it for alive
    // when the parent was killed, and the parent's tasks came back with their leases only.
    let server = Server::start();
    let mut asking = connect(&server.address("main"));
    let address = server.address("main");
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut writer = Some(writer);
    let fine = in_child(|| {
        let home = Home::new(address.clone(), None);
        let hold = home.live(9).unwrap();
        let mut writer = writer.take().unwrap();
        // SAFETY: the grandchild only waits for its end.
        match unsafe { libc::fork() } {
            0 => loop {
                std::thread::sleep(std::time::Duration::from_secs(60));
            },
            grandchild => {
                std::io::Write::write_all(&mut writer, &grandchild.to_ne_bytes()).unwrap();
                // It ends as one that is killed does: nothing is said to the server.
                std::mem::forget((home, hold));
                grandchild > 0
            }
        }
    });
    assert!(fine);
    let mut number = [0; 4];
    std::io::Read::read_exact(&mut reader, &mut number).unwrap();
    let grandchild = libc::pid_t::from_ne_bytes(number);
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 9";
    let until = soon();
    let mut is_held = || one::<i64>(&mut asking, held) > 0;
    while is_held() && std::time::Instant::now() < until {
        std::thread::yield_now();
    }
    // SAFETY: asks whether it is there, and ends it.
    let lived =
        unsafe { libc::kill(grandchild, 0) == 0 && libc::kill(grandchild, libc::SIGKILL) == 0 };
    assert!(lived && !is_held());
}
