//! A PostgreSQL of this test run's own, in a temporary directory.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Address, Link};

/// A server that is stopped when this is dropped.
pub(super) struct Server {
    directory: tempfile::TempDir,
    child: Child,
    /// What it is told besides.
    more: Vec<String>,
}

impl Server {
    pub(super) fn start() -> Self {
        Self::start_with(Vec::new())
    }

    /// One that also listens on a port of this machine, and encrypts with a key that it has signed itself. Says which.
    pub(super) fn start_encrypted() -> (Self, u16) {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self::start_with(vec![format!("port={port}")]);
        let data = server.directory.path().join("data");
        let mut openssl = as_other(Command::new("openssl"));
        openssl.current_dir(&data).args(["req", "-x509", "-newkey", "rsa:2048", "-nodes"]);
        openssl.args(["-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.crt"]);
        assert!(openssl.output().unwrap().status.success());
        server.crash();
        server.more.extend(["ssl=on".into(), "listen_addresses=127.0.0.1".into()]);
        server.start_again();
        server.await_answer();
        (server, port)
    }

    fn start_with(more: Vec<String>) -> Self {
        let directory = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        if let Some((user, group)) = other_user() {
            std::os::unix::fs::chown(directory.path(), Some(user), Some(group)).unwrap();
        }
        let mut initdb = command("initdb");
        initdb.args(["--auth=trust", "--no-sync", "--username=postgres", "-D"]);
        let made = initdb.arg(directory.path().join("data")).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let child = serve(directory.path(), &more);
        let server = Self { directory, child, more };
        server.await_answer();
        server
    }

    /// A board of this name.
    pub(super) fn address(&self, board: &str) -> Address {
        let directory = self.directory.path().display().to_string().replace('/', "%2F");
        let port = self.more.iter().find_map(|setting| setting.strip_prefix("port="));
        let port = port.unwrap_or("5432");
        let text = format!("postgres://postgres@{directory}:{port}/postgres?board={board}");
        Address::parse(&text).unwrap()
    }

    /// Ends everything at once, as a crash does, and starts it anew.
    pub(super) fn crash_and_start(&mut self) {
        self.crash();
        self.start_again();
        self.await_answer();
    }

    pub(super) fn crash(&mut self) {
        let process = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(process, rustix::process::Signal::QUIT);
        self.child.wait().unwrap();
    }

    pub(super) fn start_again(&mut self) {
        self.child = serve(self.directory.path(), &self.more);
    }

    fn await_answer(&self) {
        let until = Instant::now() + Duration::from_secs(30);
        let address = self.address("main");
        while let Err(error) = Link::connect(&address, until) {
            assert!(Instant::now() < until, "{error}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.crash();
    }
}

fn serve(directory: &Path, more: &[String]) -> Child {
    let mut postgres = command("postgres");
    postgres.arg("-D").arg(directory.join("data")).arg("-k").arg(directory);
    postgres.args([
        "-c",
        "listen_addresses=",
        "-c",
        "max_connections=60",
        "-c",
        "recovery_init_sync_method=syncfs",
    ]);
    for setting in more {
        postgres.arg("-c").arg(setting);
    }
    postgres.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

fn command(name: &str) -> Command {
    let mut command = as_other(Command::new(programs().join(name)));
    command.current_dir("/");
    command
}

fn as_other(mut command: Command) -> Command {
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group);
    }
    command
}

/// PostgreSQL refuses to run as the system's administrator: then as the user of Debian's package.
fn other_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:")).unwrap();
    let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
    Some((fields.next().unwrap(), fields.next().unwrap()))
}

/// The newest of the versions that are installed.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap();
    let mut found: Vec<_> = versions.map(|entry| entry.unwrap().path().join("bin")).collect();
    found.sort();
    found.pop().unwrap()
}
