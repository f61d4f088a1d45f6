//! Where it was measured: figures of durable writes say little without the disk and the file system.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::programs;

/// A machine, and the directory that was worked in.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    processor: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
    /// As in `ext4 on /dev/vda, mounted at / (rw,relatime)`.
    file_system: String,
    rustc: String,
    taskhost: String,
    /// The library that was measured.
    sqlite: String,
    /// The command that was measured.
    sqlite_command: Option<String>,
    python: Option<String>,
}

impl Machine {
    /// This one.
    pub fn here(dir: &Path) -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let unknown = || "unknown".to_owned();
        let memory_kib = field(&read("/proc/meminfo"), "MemTotal")
            .and_then(|text| text.trim_end_matches(" kB").parse::<f64>().ok());
        let release = rustix::system::uname();
        let sqlite_command = programs::version("sqlite3");
        Ok(Self {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: memory_kib.unwrap_or_default() / f64::from(1 << 20),
            kernel: format!(
                "{} {}",
                release.sysname().to_string_lossy(),
                release.release().to_string_lossy()
            ),
            file_system: file_system(dir).unwrap_or_else(unknown),
            rustc: env!("BENCH_RUSTC").to_owned(),
            taskhost: env!("CARGO_PKG_VERSION").to_owned(),
            sqlite: rusqlite::version().to_owned(),
            sqlite_command: sqlite_command
                .and_then(|text| text.split_whitespace().next().map(str::to_owned)),
            python: programs::version("python3"),
        })
    }

    /// Name and value of each thing, as people read them.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let none = || "not there".to_owned();
        vec![
            (
                "Machine",
                format!(
                    "{}, {} cores, {:.0} GiB of memory, {}",
                    self.processor, self.cores, self.memory_gib, self.kernel
                ),
            ),
            ("File system", self.file_system.clone()),
            (
                "Versions",
                format!(
                    "taskhost {}, {}, SQLite {} (command: {}), {}",
                    self.taskhost,
                    self.rustc,
                    self.sqlite,
                    self.sqlite_command.clone().unwrap_or_else(none),
                    self.python.clone().unwrap_or_else(|| "no Python".to_owned())
                ),
            ),
        ]
    }
}

/// The value behind `name :` in a file of such lines.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// What a directory is kept on.
fn file_system(dir: &Path) -> Option<String> {
    let device = fs::metadata(dir).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let dir = dir.canonicalize().ok()?;
    // Where the device is mounted more than once, the mount that the directory is below.
    let mount = mounts
        .lines()
        .filter_map(Mount::parse)
        .filter(|mount| mount.device == format!("{major}:{minor}") && dir.starts_with(mount.at))
        .max_by_key(|mount| mount.at.len())?;
    let Mount { at, kind, source, options, .. } = mount;
    let journal = if kind == "ext4" && !has_journal(source) { ", WITHOUT a journal" } else { "" };
    let memory = if kind == "tmpfs" { ", in memory: nothing is durable" } else { "" };
    Some(format!("{kind} on {source}, mounted at {at} ({options}){journal}{memory}"))
}

/// A line of `/proc/self/mountinfo`.
struct Mount<'a> {
    device: &'a str,
    at: &'a str,
    kind: &'a str,
    source: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(2);
        let (device, _, at, options) = (mount.next()?, mount.next()?, mount.next()?, mount.next()?);
        let mut system = system.split(' ');
        Some(Self { device, at, options, kind: system.next()?, source: system.next()? })
    }
}

/// Whether the kernel keeps a journal for an ext4 file system on this device.
fn has_journal(source: &str) -> bool {
    let name = source.rsplit('/').next().unwrap_or(source);
    let journals = fs::read_dir("/proc/fs/jbd2").into_iter().flatten().flatten();
    journals.into_iter().any(|entry| {
        // As in `vda-8`: the device, and the inode of the journal.
        let journal = entry.file_name();
        let journal = journal.to_string_lossy();
        journal.rsplit_once('-').is_some_and(|(device, _)| device == name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_as_the_kernel_writes_them() {
        let line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext4 /dev/root rw,errors=continue";
        let mount = Mount::parse(line).unwrap();
        assert_eq!((mount.device, mount.at, mount.kind), ("98:0", "/mnt2", "ext4"));
        assert_eq!((mount.source, mount.options), ("/dev/root", "rw,noatime"));
    }

    #[test]
    fn fields_are_what_stands_behind_the_colon() {
        let text = "model name\t: Some CPU @ 2.0GHz\nflags : a b\n";
        assert_eq!(field(text, "model name").as_deref(), Some("Some CPU @ 2.0GHz"));
        assert_eq!(field(text, "bogomips"), None);
    }
}
