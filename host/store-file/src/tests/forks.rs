//! What a forked child takes along from its parent, and what it may do.
//!
//! The parents are processes of their own ([`parent`]), so that they can be killed.

#![expect(unsafe_code, reason = "what happens at a fork is what is tested")]

use std::process::{Child, Command as Program};
use std::sync::atomic::AtomicBool;

use taskhost_board::Vital;

use super::locks::{kill, program, soon, start};
use super::*;

/// Forks; the child runs `act` and then only lives on, for a minute at most. Gives its number.
fn fork(act: impl FnOnce()) -> u32 {
    // SAFETY: what the child does first is what is tested, and then it only waits for a signal.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: as above; the child must not end up in the test harness again.
        unsafe {
            libc::alarm(60);
            act();
            loop {
                libc::pause();
            }
        }
    }
    u32::try_from(child).unwrap()
}

fn end(pid: &str) {
    let pid = pid.parse().unwrap();
    // SAFETY: the number is of a child of a child of this test, which lives until now.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn session() -> SessionId {
    SessionId::new("s").unwrap()
}

fn is_dead(store: &FileStore) -> bool {
    let mut opened = store.begin(far()).unwrap();
    let vital = Vital::Session(session());
    opened.dead(std::slice::from_ref(&vital)) == [vital]
}

/// Starts a parent that forks, and gives the number of its child.
fn forking(role: &str, path: &Path) -> (Child, String) {
    start(&mut program(role, path))
}

/// Not a test by itself: what [`forking`] starts.
pub(super) fn parent(role: &str, store: FileStore, directory: &Path) {
    match role {
        "fork-refused" => return println!("\nsaid: {}", is_refused_everything(&store, directory)),
        "fork-few" => return println!("\nsaid: {}", opens_with_few_numbers(store, directory)),
        "fork-reader" => return println!("\nsaid: {}", takes_no_readers_place(store, directory)),
        "fork-anew" => return println!("\nsaid: {}", opens_anew(store, directory)),
        _ => {}
    }
    let store = &store;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut held: Vec<Box<dyn std::any::Any>> = Vec::new();
        match role {
            "fork-board" => held.push(Box::new(store.begin(far()).unwrap())),
            "fork-life" => held.push(Box::new(store.live(&session()).unwrap())),
            "fork-task" => held.push(Box::new(store.hold_task(&id("t"), None, far()).unwrap())),
            "fork-policy" => {
                held.push(Box::new(store.powers().lock("q", Duration::from_secs(5)).unwrap()));
            }
            "fork-full" => {
                held.push(Box::new(store.begin(far()).unwrap()));
                take_all_numbers();
            }
            "fork-threads" => {
                for n in 0..4 {
                    let done = &done;
                    scope.spawn(move || busy(store, n, done));
                }
            }
            other => panic!("{other}"),
        }
        let mut children = Vec::new();
        if role == "fork-threads" {
            for _ in 0..200 {
                children.push(fork(|| ()).to_string());
            }
        } else {
            children.push(fork(|| ()).to_string());
        }
        println!("\nsaid: {}", children.join(" "));
        let _ = std::io::stdin().read_line(&mut String::new());
        done.store(true, Ordering::Relaxed);
        drop(held);
    });
}

/// Takes and lets go locks of every kind.
fn busy(store: &FileStore, n: u64, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        drop(store.begin(far()).unwrap());
        drop(store.live(&SessionId::new(format!("s{n}")).unwrap()).unwrap());
        drop(store.hold_task(&id(&format!("t{n}")), None, far()).unwrap());
        drop(store.powers().lock(&format!("q{n}"), Duration::from_secs(5)).unwrap());
    }
}

/// A child that never execs kept its dead parent's lock of the board for as long as it lived: nobody else could work.
#[test]
fn the_boards_lock_of_a_killed_parent_is_free_though_its_forked_child_lives_on() {
    let (directory, store) = fresh();
    let (parent, child) = forking("fork-board", &board(&directory));
    assert!(store.begin(soon(100)).is_err(), "the fork let nothing go");
    kill(parent);
    remember(&store, "k").unwrap();
    assert!(lives(&child));
    end(&child);
    assert_clean(&store);
}

/// The dead parent's tasks came back only with their leases.
#[test]
fn a_killed_parent_is_proved_dead_though_its_forked_child_lives_on() {
    let (directory, store) = fresh();
    let (parent, child) = forking("fork-life", &board(&directory));
    assert!(!is_dead(&store));
    kill(parent);
    // On a busy machine the child may not have been run since it was forked; whoever wants work looks again and again.
    let deadline = far();
    while !is_dead(&open(&board(&directory))) {
        assert!(Deadline::now() < deadline, "it is never proved dead");
    }
    assert!(lives(&child));
    end(&child);
}

#[test]
fn a_tasks_and_a_policys_lock_of_a_killed_parent_are_free_though_its_forked_child_lives_on() {
    let (directory, store) = fresh();
    let (parent, child) = forking("fork-task", &board(&directory));
    assert!(store.hold_task(&id("t"), None, soon(100)).is_err());
    kill(parent);
    drop(store.hold_task(&id("t"), None, far()).unwrap());
    assert!(lives(&child));
    end(&child);
    let (parent, child) = forking("fork-policy", &board(&directory));
    assert!(store.powers().lock("q", Duration::from_millis(100)).is_err());
    kill(parent);
    drop(store.powers().lock("q", Duration::from_secs(10)).unwrap());
    assert!(lives(&child));
    end(&child);
}

/// What Python's `multiprocessing` does: forks while other threads are just about to take a lock, have it, or let it
/// go. Whatever moment a fork falls into, no child keeps anything.
#[test]
fn children_forked_while_other_threads_take_locks_keep_none_of_them() {
    let (directory, store) = fresh();
    let (parent, children) = forking("fork-threads", &board(&directory));
    kill(parent);
    remember(&store, "k").unwrap();
    for n in 0..4 {
        let session = SessionId::new(format!("s{n}")).unwrap();
        drop(store.live(&session).unwrap());
        drop(store.hold_task(&id(&format!("t{n}")), None, far()).unwrap());
        drop(store.powers().lock(&format!("q{n}"), Duration::from_secs(10)).unwrap());
    }
    let children: Vec<&str> = children.split(' ').collect();
    assert_eq!(children.len(), 200);
    assert!(children.iter().all(|child| lives(child)));
    children.into_iter().for_each(end);
    assert_clean(&store);
}

/// Runs a command so that the library forks and execs, instead of `posix_spawn`.
fn by_fork(program: &mut Program) -> &mut Program {
    use std::os::unix::process::CommandExt as _;
    // SAFETY: the closure does nothing.
    unsafe { program.pre_exec(|| Ok(())) }
}

/// What is handed on to a command on purpose must still get there, whichever way the command is started.
#[test]
fn a_lock_that_is_passed_on_lasts_as_long_as_the_command_however_that_is_started() {
    for forks in [false, true] {
        let (directory, store) = fresh();
        let other = open(&board(&directory));
        let lock = store.hold_task(&id("t"), None, far()).unwrap();
        let mut program = Program::new("sleep");
        lock.pass_on(program.arg("60")).unwrap();
        let program = if forks { by_fork(&mut program) } else { &mut program };
        let command = program.spawn().unwrap();
        drop(lock);
        assert!(other.hold_task(&id("t"), None, soon(50)).is_err(), "the command has it");
        kill(command);
        drop(other.hold_task(&id("t"), None, far()).unwrap());
    }
}

#[test]
fn a_command_started_by_fork_while_locks_are_held_does_not_keep_them() {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    let task = store.hold_task(&id("t"), None, far()).unwrap();
    let opened = store.begin(far()).unwrap();
    let command = by_fork(Program::new("sleep").arg("60")).spawn().unwrap();
    drop((opened, task));
    remember(&other, "k").unwrap();
    drop(other.hold_task(&id("t"), None, far()).unwrap());
    kill(command);
}

/// Forks; the child answers by its exit status whether all went well there.
fn all_is_well_in_a_child(act: impl FnOnce() -> bool) -> bool {
    // SAFETY: this is what a program does that forks and doesn't exec; the C library makes its allocator usable in the
    // child, and nothing else is shared with the test's other threads.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: ends a child that hangs; and the child must not end up in the test harness again.
        unsafe {
            libc::alarm(30);
            let is_well = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
            libc::_exit(if matches!(is_well, Ok(true)) { 0 } else { 1 });
        }
    }
    let mut status = 0;
    // SAFETY: waits for our own child.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    status == 0
}

fn is_refused_everything(store: &FileStore, directory: &Path) -> bool {
    remember(store, "k").unwrap();
    let life = store.live(&session()).unwrap();
    let task = store.hold_task(&id("t"), Some("me"), far()).unwrap();
    let (view, _) = store.snapshot().unwrap();
    let opened = store.begin(far()).unwrap();
    let entry = Entry {
        time: opened.now().wall,
        request: Request::of(Command::Upkeep),
        seed: 1,
        changes: Vec::new(),
    };
    let mut own = Some((life, task, view, opened));
    let is_well = all_is_well_in_a_child(|| {
        let (life, task, view, mut opened) = own.take().unwrap();
        let store = store.clone();
        let refused = [
            view.recall(Space::Standard, "k").is_err(),
            opened.view().recall(Space::Standard, "k").is_err(),
            opened.task_locks().try_hold(&id("t")).is_err(),
            opened.dead(&[Vital::Session(session())]).is_empty(),
            matches!(opened.commit(entry), Err(CommitError::NotWritten(_))),
            store.begin(soon(0)).is_err(),
            store.snapshot().is_err(),
            store.mark().is_err(),
            store.live(&session()).is_err(),
            store.lock_task(&id("t"), soon(0)).is_err(),
            store.task_locker(&id("t")).is_err(),
            store.hold_task(&id("u"), None, soon(0)).is_err(),
            store.hold_board(None, soon(0)).is_err(),
            store.powers().lock("q", Duration::ZERO).is_err(),
            store.history(Sequence(0), &mut |_, _| true).is_err(),
            store.compact(soon(0)).is_err(),
            !store.compaction_is_due(),
            store.trim_history().is_err(),
            store.disk_use().is_err(),
            store.figures().is_err(),
            !store.doctor().is_clean(),
            // Beside the parent's copy of the index the child has one of its own, and waits for the parent's lock.
            open(directory).begin(soon(0)).is_err(),
        ];
        store.tidy();
        drop((life, task, view, store));
        if let Some(number) = refused.iter().position(|refused| !refused) {
            println!("number {number} wasn't refused");
        }
        !refused.contains(&false)
    });
    let (life, task, view, opened) = own.take().unwrap();
    assert!(recalls(&*view, "k"), "the child's dropping its copy of the view changed nothing");
    let other = open(directory);
    assert!(other.begin(soon(50)).is_err() && other.hold_task(&id("t"), None, soon(50)).is_err());
    let holder = other.inner.blocked_by(&crate::hand::Lockable::Task(id("t"))).unwrap();
    assert!(holder.contains("`me`"), "the note is still there: {holder}");
    drop(opened);
    // Were the view's place among the readers given up, its pages would be used again.
    for n in 0..100 {
        remember(store, &format!("{n}")).unwrap();
    }
    assert!(recalls(&*view, "k") && (0..100).all(|n| !recalls(&*view, &format!("{n}"))));
    drop(view);
    assert!(!is_dead(&other));
    drop((life, task));
    assert!(is_dead(&open(directory)));
    assert_eq!(whole_history(store), 101);
    assert_clean(store);
    is_well
}

fn takes_no_readers_place(store: FileStore, directory: &Path) -> bool {
    let indexes = || names_in(&directory.join("index"));
    let before = indexes();
    let (view, _) = store.snapshot().unwrap();
    let mut own = Some((view, store));
    let is_well = all_is_well_in_a_child(|| {
        let (view, store) = own.take().unwrap();
        let works = |what: &str| {
            let store = open(directory);
            let sees = recalls(&*store.snapshot().unwrap().0, "before");
            let error = remember(&store, what).err();
            println!("{what}: {sees}, {error:?}");
            sees && error.is_none()
        };
        let with_all = works("with-all");
        drop(view);
        let with_handle = works("with-handle");
        drop(store);
        // The transaction can't be ended here, so LMDB has the parent's environment for good.
        with_all && with_handle && works("with-nothing")
    });
    assert_eq!(indexes(), before, "no child made another index that others could find");
    let (view, store) = own.take().unwrap();
    // Were the view's place among the readers given up, its pages would be used again.
    for n in 0..100 {
        remember(&store, &format!("{n}")).unwrap();
    }
    assert!(recalls(&*view, "before") && (0..100).all(|n| !recalls(&*view, &format!("{n}"))));
    assert_eq!(indexes(), before);
    drop(view);
    let (now, _) = store.snapshot().unwrap();
    assert!(["with-all", "with-handle", "with-nothing"].iter().all(|key| recalls(&*now, key)));
    assert_clean(&store);
    is_well
}

/// A parent that had only opened and read wasn't told from its child: the child's dropping its copy of a view gave up
/// the parent's place among the readers. And a child that opened the board afterwards waited for the environment to be
/// closed, and then made the index anew for everybody.
#[test]
fn a_forked_child_of_one_who_only_reads_takes_nothing_either_and_makes_no_index() {
    let (directory, store) = fresh();
    remember(&store, "before").unwrap();
    let (mut parent, said) = forking("fork-reader", &board(&directory));
    parent.wait().unwrap();
    assert_eq!(said, "true");
    assert!(recalls(&*store.snapshot().unwrap().0, "99"));
}

fn opens_anew(store: FileStore, directory: &Path) -> bool {
    remember(&store, "k").unwrap();
    let mut own = Some(store);
    let is_well = all_is_well_in_a_child(|| {
        drop(own.take());
        remember(&open(directory), "child").is_ok()
    });
    let store = own.take().unwrap();
    remember(&store, "parent").unwrap();
    let (view, _) = store.snapshot().unwrap();
    assert!(recalls(&*view, "child") && recalls(&*view, "parent"));
    assert_eq!(whole_history(&store), 3);
    assert_clean(&store);
    is_well
}

/// A child that had a copy of its parent's transaction could commit it, with the parent's lock, beside the parent.
#[test]
fn a_forked_child_is_refused_everything_and_takes_nothing_from_its_parent() {
    let (directory, store) = fresh();
    drop(store);
    let (mut parent, said) = forking("fork-refused", &board(&directory));
    parent.wait().unwrap();
    assert_eq!(said, "true");
}

/// A child opens the board for itself once it has dropped what it has of its parent's.
#[test]
fn a_forked_child_that_drops_its_parents_handle_may_open_the_board_anew() {
    let (directory, store) = fresh();
    drop(store);
    let (mut parent, said) = forking("fork-anew", &board(&directory));
    parent.wait().unwrap();
    assert_eq!(said, "true");
}

/// A child that has no descriptor to spare had nothing to put in the place of its parent's locks.
#[test]
fn a_child_that_may_open_nothing_keeps_no_lock_either() {
    let (directory, store) = fresh();
    let (parent, child) = forking("fork-full", &board(&directory));
    kill(parent);
    remember(&store, "k").unwrap();
    assert!(lives(&child));
    end(&child);
}

/// Tries to open the board with room for no descriptor, one, two, and so on.
fn opens_with_few_numbers(store: FileStore, directory: &Path) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    drop(store);
    let index = directory.join("index");
    let before = names_in(&index);
    let next = std::os::fd::AsRawFd::as_raw_fd(&std::fs::File::open("/dev/null").unwrap());
    let limit = getrlimit(Resource::Nofile);
    for more in 0_usize..100 {
        let current = Some(u64::try_from(next).unwrap() + more as u64);
        setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
        let opened = FileStore::open(directory, OpenOptions::default());
        setrlimit(Resource::Nofile, limit).unwrap();
        assert_eq!(names_in(&index), before, "with {more} more");
        match opened {
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("Too many open files"), "with {more} more: {error}");
            }
            Ok(store) => {
                assert!(store.notices().is_empty(), "{:?}", store.notices());
                return more;
            }
        }
    }
    panic!("a hundred descriptors were not enough");
}

/// A process that was out of descriptors took a good index for a damaged one, and made it anew for everybody.
#[test]
fn whoever_has_too_few_descriptors_is_told_so_and_makes_no_index() {
    let (directory, store) = fresh();
    remember(&store, "k").unwrap();
    let before = names_in(&board(&directory).join("index"));
    let (mut parent, said) = forking("fork-few", &board(&directory));
    parent.wait().unwrap();
    assert!(said.parse::<usize>().unwrap() > 0, "{said}");
    assert_eq!(names_in(&board(&directory).join("index")), before);
    assert_clean(&store);
}

/// From now on this process may open nothing more.
fn take_all_numbers() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let next = std::os::fd::AsRawFd::as_raw_fd(&std::fs::File::open("/dev/null").unwrap());
    let limit = getrlimit(Resource::Nofile);
    let limit = Rlimit { current: Some(u64::try_from(next).unwrap()), ..limit };
    setrlimit(Resource::Nofile, limit).unwrap();
    assert!(std::fs::File::open("/dev/null").is_err(), "none is left");
}
