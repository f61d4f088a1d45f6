//! Processes that claims name: which one a number stands for, and whether it has ended.
//!
//! - [`process`]: names a living process, so that it is never taken for another one.
//! - [`has_ended`]: whether a named process is proved dead. [`end_of`]: how the kernel tells that it is time to ask.
//!
//! A number alone proves nothing, since numbers are used again: the start time tells two processes of one number
//! apart, the boot tells two starts of the machine apart, and the namespace says for whom the number means anything.
//! Invariant: what can't be known proves nothing. Where `/proc` doesn't show our own namespace, or hides other users'
//! processes, nobody is called dead because of that; the lease is the last word. Start times are the machine's, also
//! where this process is in a time namespace of its own.

use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open, test_kill_process};
use taskhost_board::{BootId, Process};

/// Names a living process, so that its end can prove its holder's death. An error says that there is none of this
/// number, or that it can't be told.
pub fn process(pid: u32) -> io::Result<Process> {
    let boot = boot()?;
    let namespace = namespace().ok_or_else(|| {
        io::Error::other("`/proc` doesn't show this process's own namespace, so no process can be named by its number")
    })?;
    let found = match stat(pid) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        result => Some(result?),
    };
    match found {
        Some(found) if !found.has_ended => {
            let started = on_the_machine(found.started, boot_clock_offset()).ok_or_else(|| {
                io::Error::other(
                    "no process can be named here: the clock of this time namespace isn't whole seconds from the machine's",
                )
            })?;
            Ok(Process { pid, started, boot, namespace })
        }
        _ => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "there is no process `{pid}` here: name one that is running, in the same container"
            ),
        )),
    }
}

/// The id of this boot.
pub(crate) fn boot() -> io::Result<BootId> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_err(|e| io::Error::new(e.kind(), format!("the boot's id could not be read: {e}")))?;
    Ok(BootId(boot.trim().to_owned()))
}

/// By how much this process's boot clock is ahead of that of the machine, because it is in a time namespace: whole
/// seconds, and the nanoseconds beyond them.
///
/// The clock, and with it the start times that `/proc` shows, are then this namespace's own, and would mean something
/// else to others on the same board. The kernel says the offsets of the namespace that children will be in; where
/// that isn't the process's own yet, its own is the one that it was started in, taken for the machine's.
pub(crate) fn boot_clock_offset() -> (i64, i64) {
    // Without the file, there are no such namespaces here.
    let text = std::fs::read_to_string("/proc/self/timens_offsets").unwrap_or_default();
    let offset = offset_in(&text).unwrap_or_default();
    let namespace = |name: &str| std::fs::read_link(format!("/proc/self/ns/{name}")).ok();
    // Nearly everywhere there is none, and no more needs to be asked.
    if offset == (0, 0) || namespace("time") != namespace("time_for_children") {
        return (0, 0);
    }
    offset
}

/// The boot clock's line in `/proc/self/timens_offsets`: `boottime 86400 0`.
fn offset_in(text: &str) -> Option<(i64, i64)> {
    let line = text.lines().find_map(|line| line.strip_prefix("boottime"))?;
    let mut fields = line.split_whitespace().map(|field| field.parse().ok());
    Some((fields.next()??, fields.next()??))
}

/// A start time as the machine has it, in clock ticks since boot; `None` where that can't be told to the tick.
fn on_the_machine(started: u64, offset: (i64, i64)) -> Option<u64> {
    if offset.1 != 0 {
        return None;
    }
    let ticks = i64::try_from(rustix::param::clock_ticks_per_second()).ok()?;
    started.checked_add_signed(offset.0.checked_mul(ticks)?.checked_neg()?)
}

/// Whether `process` is proved dead, by one who runs in the boot `boot`.
pub(crate) fn has_ended(process: &Process, boot: &BootId) -> bool {
    if process.boot != *boot {
        // Nobody outlives their boot.
        return true;
    }
    if namespace() != Some(process.namespace) {
        return false;
    }
    match stat(process.pid) {
        Ok(found) if found.has_ended => true,
        Ok(found) => on_the_machine(found.started, boot_clock_offset())
            .is_some_and(|started| started != process.started),
        Err(error) if is_gone(&error) => is_unknown_to_the_kernel(process.pid),
        Err(_) => false,
    }
}

/// Whether `process` is proved dead, as far as this machine can tell. For boards that several machines share: one of
/// another boot may run on another machine, so only its lease tells.
pub fn has_ended_here(process: &Process) -> bool {
    boot().is_ok_and(|boot| process.boot == boot && has_ended(process, &boot))
}

/// A descriptor that becomes readable when the process with `process`'s number ends; `None` where there is none to be
/// had, or where the number means another one to us. It proves nothing: the number may have been used again.
pub(crate) fn end_of(process: &Process, boot: &BootId) -> Option<OwnedFd> {
    if process.boot != *boot || namespace() != Some(process.namespace) {
        return None;
    }
    let pid = Pid::from_raw(i32::try_from(process.pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// The file is missing, or its process ended while it was read.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// `/proc` may be mounted so that it hides other users' processes; the kernel doesn't.
pub(crate) fn is_unknown_to_the_kernel(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_none_or(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

/// Our own namespace of process numbers; `None` if it isn't the one that `/proc` shows.
fn namespace() -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let shown = std::fs::read_link("/proc/self").ok()?;
    let is_ours = shown.to_str()?.parse() == Ok(std::process::id());
    is_ours.then(|| std::fs::metadata("/proc/self/ns/pid").ok().map(|found| found.ino()))?
}

/// What `/proc/<pid>/stat` says of a process.
struct Stat {
    started: u64,
    has_ended: bool,
}

fn stat(pid: u32) -> io::Result<Stat> {
    let text = std::fs::read(format!("/proc/{pid}/stat"))?;
    parse(&String::from_utf8_lossy(&text)).ok_or_else(|| {
        io::Error::other(format!("`/proc/{pid}/stat` can't be read: it has another form"))
    })
}

fn parse(text: &str) -> Option<Stat> {
    // The second field is the command in parentheses, and may hold anything, spaces and parentheses as well.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // The first of these is the third field of the file.
    let state = fields.first()?;
    let threads: u64 = fields.get(17)?.parse().ok()?;
    let started = fields.get(19)?.parse().ok()?;
    // A process whose first thread has ended looks like a zombie while the others work on.
    let has_ended = matches!(*state, "X" | "x") || (*state == "Z" && threads <= 1);
    Some(Stat { started, has_ended })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(command: &str, state: &str, threads: u64, started: u64) -> String {
        let before = "1 2 3 4 5 6 7 8 9 10 11 12 13 14";
        format!("4711 ({command}) {state} {before} 15 16 {threads} 0 {started} 123 456")
    }

    #[test]
    fn the_command_may_hold_anything() {
        for command in ["sh", "a b", "x) Z 1 1", "((", ")", ""] {
            let found = parse(&line(command, "S", 1, 99)).unwrap();
            assert!(!found.has_ended && found.started == 99, "{command}");
        }
    }

    #[test]
    fn start_times_are_the_machines_whatever_the_time_namespace() {
        let text = "monotonic           5         1\nboottime        86400         0\n";
        assert_eq!(offset_in(text), Some((86_400, 0)));
        assert_eq!(offset_in("monotonic 5 1\n"), None);
        let ticks = rustix::param::clock_ticks_per_second();
        assert_eq!(on_the_machine(86_400 * ticks + 7, (86_400, 0)), Some(7));
        assert_eq!(on_the_machine(7, (-10, 0)), Some(10 * ticks + 7));
        assert_eq!(on_the_machine(7, (1, 500)), None);
        assert_eq!(on_the_machine(7, (1, 0)), None);
    }

    #[test]
    fn a_zombie_has_ended_unless_other_threads_of_it_work_on() {
        assert!(parse(&line("sh", "Z", 1, 99)).unwrap().has_ended);
        assert!(!parse(&line("sh", "Z", 2, 99)).unwrap().has_ended);
        assert!(parse(&line("sh", "X", 1, 99)).unwrap().has_ended);
        assert!(parse("4711 (sh) S 1").is_none() && parse("").is_none());
    }
}
