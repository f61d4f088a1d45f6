//! Processes in namespaces of their own, as in containers: their clock since boot, or their numbers, mean nothing
//! outside.

use std::process::{Child, Command as Program};

use taskhost_board::{Process, Vital};

use super::locks::{program, start, wait_until};
use super::*;

const TIME: &[&str] = &["-Ur", "-T", "--boottime", "86400"];
pub(super) const NUMBERS: &[&str] = &["-Urpf", "--mount-proc", "--kill-child"];
const HOUR_MS: u64 = 60 * 60 * 1000;

/// Whether this user may make such namespaces. If not, it is said that nothing was tried.
pub(super) fn may_unshare(what: &[&str]) -> bool {
    let tried = Program::new("unshare").args(what).arg("true").output();
    let may = tried.as_ref().is_ok_and(|tried| tried.status.success());
    if !may {
        let why = tried.map(|tried| String::from_utf8_lossy(&tried.stderr).into_owned());
        eprintln!("NOT TRIED: `unshare {}` isn't permitted here: {why:?}", what.join(" "));
    }
    may
}

/// A program inside new namespaces.
pub(super) fn inside(what: &[&str], plain: &Program) -> Program {
    let mut program = Program::new("unshare");
    program.args(what).arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        program.env(name, value.unwrap());
    }
    program.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    program
}

/// Starts a role inside new namespaces.
fn start_inside(what: &[&str], role: &str, path: &Path, given: &str) -> (Child, String) {
    start(inside(what, &program(role, path)).env("TASKHOST_TEST_GIVEN", given))
}

/// Not a test by itself: what [`inside`] starts.
pub(super) fn role(role: &str, store: &FileStore) {
    let given = std::env::var("TASKHOST_TEST_GIVEN").unwrap();
    let said = match role {
        "namespace-claim" => match claim_for(store, "inner", HOUR_MS, None) {
            Some(task) => task.to_string(),
            None => "nothing".to_owned(),
        },
        "namespace-name" => {
            serde_json::to_string(&crate::process(std::process::id()).unwrap()).unwrap()
        }
        "namespace-ask" => {
            let named: Process = serde_json::from_str(&given).unwrap();
            is_dead(store, &named).to_string()
        }
        other => panic!("{other}"),
    };
    println!("\nsaid: {said}");
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn claim_for(
    store: &FileStore,
    who: &str,
    lease_ms: u64,
    process: Option<Process>,
) -> Option<TaskId> {
    let mut request = claim_request(who);
    request.lease_ms = Some(lease_ms);
    request.agent.process = process;
    match engine(store).claim(&request, far()).unwrap() {
        ClaimOutcome::Claimed { task, .. } => Some(task.id.clone()),
        ClaimOutcome::Nothing { .. } => None,
    }
}

fn is_dead(store: &FileStore, process: &Process) -> bool {
    let vital = Vital::Process(process.clone());
    store.inner.probes.lock().clear();
    store.begin(far()).unwrap().dead(std::slice::from_ref(&vital)) == [vital]
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    child.wait().unwrap();
}

/// A container whose clock since boot was a day ahead took every lease for over, and its own were never over to others.
#[test]
fn leases_mean_the_same_to_processes_whose_boot_clock_was_shifted() {
    if !may_unshare(TIME) {
        return;
    }
    let (directory, store) = fresh();
    let path = board(&directory);
    let engine = engine(&store);
    add(&engine, "t", &[]);
    assert_eq!(claim_for(&store, "outer", HOUR_MS, None), Some(id("t")));
    let (child, said) = start_inside(TIME, "namespace-claim", &path, "");
    end(child);
    assert_eq!(said, "nothing", "the lease isn't over");
    add(&engine, "u", &[]);
    let (child, said) = start_inside(TIME, "namespace-claim", &path, "");
    end(child);
    assert_eq!(said, "u");
    let (view, now) = store.snapshot().unwrap();
    let lease = view.task(&id("u")).unwrap().unwrap().claim.unwrap().lease;
    assert!(!lease.is_over(&now));
    assert!(lease.boot_ms <= now.boot_ms + HOUR_MS, "it is no longer than it was to be");
    assert_eq!(claim_for(&store, "outer", HOUR_MS, None), None);
}

/// `/proc` shows start times by the clock of whoever looks: a living process was taken for another one.
#[test]
fn a_process_is_the_same_one_to_those_whose_boot_clock_was_shifted() {
    if !may_unshare(TIME) {
        return;
    }
    let (directory, store) = fresh();
    let path = board(&directory);
    let (child, said) = start_inside(TIME, "namespace-name", &path, "");
    let named: Process = serde_json::from_str(&said).unwrap();
    assert!(!is_dead(&store, &named), "{said}");
    end(child);
    assert!(is_dead(&store, &named), "{said}");
    let own = crate::process(std::process::id()).unwrap();
    let given = serde_json::to_string(&own).unwrap();
    let (child, said) = start_inside(TIME, "namespace-ask", &path, &given);
    end(child);
    assert_eq!(said, "false");
    let former = Process { started: own.started - 1, ..own };
    let given = serde_json::to_string(&former).unwrap();
    let (child, said) = start_inside(TIME, "namespace-ask", &path, &given);
    end(child);
    assert_eq!(said, "true", "another one had the number before");
}

/// Outside a container its processes' numbers are others' or nobody's: neither may be taken for a death, and the task
/// comes back with its lease.
#[test]
fn a_holder_in_a_container_is_never_called_dead_outside_and_loses_its_task_with_the_lease() {
    if !may_unshare(NUMBERS) {
        return;
    }
    let (directory, store) = fresh();
    let path = board(&directory);
    add(&engine(&store), "t", &[]);
    let (child, said) = start_inside(NUMBERS, "namespace-name", &path, "");
    let named: Process = serde_json::from_str(&said).unwrap();
    assert_eq!(claim_for(&store, "inner", HOUR_MS, Some(named.clone())), Some(id("t")));
    assert!(!is_dead(&store, &named));
    end(child);
    assert!(!is_dead(&store, &named), "nobody outside can tell");
    assert_eq!(claim_for(&store, "outer", HOUR_MS, None), None);

    add(&engine(&store), "u", &[]);
    let short = 300;
    assert_eq!(claim_for(&store, "other", short, Some(named)), Some(id("u")));
    wait_until(|| claim_for(&store, "outer", HOUR_MS, None) == Some(id("u")));
}

#[test]
fn a_holder_outside_is_never_called_dead_in_a_container() {
    if !may_unshare(NUMBERS) {
        return;
    }
    let (directory, _store) = fresh();
    let path = board(&directory);
    let mut sleeper = Program::new("sleep").arg("60").spawn().unwrap();
    let given = serde_json::to_string(&crate::process(sleeper.id()).unwrap()).unwrap();
    for state in ["alive", "dead"] {
        let (child, said) = start_inside(NUMBERS, "namespace-ask", &path, &given);
        end(child);
        assert_eq!(said, "false", "{state}");
        // The second time it is dead already, which is no error.
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
    }
}
