//! A client of a library of the protocol's own, in a process that a test drives.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use taskhost_tests::{TestBoard, clients};

use crate::server::Server;

/// Longer than anything here takes: a test that hangs ends and says where.
const PATIENCE: Duration = Duration::from_secs(100);

/// Which library a client is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    Python,
    TypeScript,
}

impl Library {
    pub const ALL: [Self; 2] = [Self::Python, Self::TypeScript];

    /// A script of `clients/` with this name, to be given a server's command line.
    pub fn script(self, name: &str) -> Command {
        let clients = clients();
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mcp/clients");
        let mut command = match self {
            Self::Python => {
                let mut command = Command::new(clients.python);
                // Nothing is left among the sources.
                command.arg("-B").arg(scripts.join(format!("{name}.py")));
                command
            }
            Self::TypeScript => {
                let mut command = Command::new(clients.node);
                command.arg(scripts.join(format!("{name}.cjs")));
                command.env("NODE_PATH", clients.packages.join("node_modules"));
                command
            }
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }
}

/// A client with a server of its own.
pub struct Client {
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<Value>,
    /// Answers that came while another one was waited for.
    early: BTreeMap<u64, Value>,
    requests: u64,
}

impl Client {
    /// A client that names itself, with a server on a board.
    pub fn named(library: Library, board: &TestBoard, name: &str) -> Self {
        Self::of(library, &Server::on(board, &[]), name)
    }

    /// A client that names itself, with this server.
    pub fn of(library: Library, server: &Server, name: &str) -> Self {
        let mut child = library.script("bridge").arg(server.for_client(name)).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (said, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(answer) = serde_json::from_str(&line.unwrap()) else { return };
                if said.send(answer).is_err() {
                    return;
                }
            }
        });
        Self { child, stdin, answers, early: BTreeMap::new(), requests: 0 }
    }

    /// Sends a request to the client, and doesn't wait.
    pub fn send(&mut self, request: Value) -> u64 {
        self.requests += 1;
        let mut request = request;
        request["id"] = self.requests.into();
        self.stdin.write_all(format!("{request}\n").as_bytes()).unwrap();
        self.requests
    }

    /// Waits for the answer to a request that was sent.
    #[track_caller]
    pub fn answer(&mut self, id: u64) -> Result<Value, Value> {
        let deadline = Instant::now() + PATIENCE;
        let mut answer = loop {
            if let Some(answer) = self.early.remove(&id) {
                break answer;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = self.answers.recv_timeout(left).expect("the client answers");
            self.early.insert(answer["id"].as_u64().unwrap(), answer);
        };
        let error = answer["error"].take();
        if error.is_null() { Ok(answer["result"].take()) } else { Err(error) }
    }

    /// Asks the client for something that it gets.
    #[track_caller]
    pub fn ask(&mut self, request: Value) -> Value {
        let id = self.send(request);
        self.answer(id).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Begins a call of a tool.
    pub fn start(&mut self, tool: &str, arguments: &Value) -> u64 {
        self.send(json!({ "do": "call", "tool": tool, "arguments": arguments }))
    }

    /// Calls a tool, which does it, and gives what the command line would print for the same.
    #[track_caller]
    pub fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let id = self.start(tool, arguments);
        self.called(id)
    }

    /// Waits for what a call that was begun gives.
    #[track_caller]
    pub fn called(&mut self, id: u64) -> Value {
        let result = self.answer(id).unwrap_or_else(|error| panic!("{error}"));
        assert_ne!(result["isError"], true, "{result}");
        content(&result)
    }

    /// Calls a tool as soon as a holder that was killed is gone.
    #[track_caller]
    pub fn call_when_free(&mut self, tool: &str, arguments: &Value) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let id = self.start(tool, arguments);
            let result = self.answer(id).unwrap_or_else(|error| panic!("{error}"));
            let is_held = result["structuredContent"]["error"]["code"] == "claimed";
            if !is_held || Instant::now() > deadline {
                assert_ne!(result["isError"], true, "{result}");
                return content(&result);
            }
        }
    }

    /// Calls a tool, which refuses, and gives the error.
    #[track_caller]
    pub fn refused(&mut self, tool: &str, arguments: &Value) -> Value {
        let id = self.start(tool, arguments);
        let result = self.answer(id).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(result["isError"], true, "{tool} {arguments}: {result}");
        let error = content(&result)["error"].take();
        assert!(error["code"].is_string() && error["message"].is_string(), "{error}");
        assert!(error["retryable"].is_boolean(), "{error}");
        error
    }

    /// Ends the session as the library does it.
    #[track_caller]
    pub fn close(mut self) {
        drop(self.stdin);
        assert!(self.child.wait().unwrap().success());
    }

    /// Kills the client and not its server.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The process of the client's server.
    pub fn server(&self) -> Pid {
        server_of(&self.child)
    }
}

/// The structured content of a result, which must be of schema 1 and stand in its text too.
#[track_caller]
fn content(result: &Value) -> Value {
    let structured = result["structuredContent"].clone();
    assert_eq!(structured["schema"], 1, "{result}");
    let text = result["content"][0]["text"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), structured);
    structured
}

/// The process of the server that a client's process has started.
pub fn server_of(client: &Child) -> Pid {
    let mut found = Vec::new();
    for thread in fs::read_dir(format!("/proc/{}/task", client.id())).unwrap() {
        let path: PathBuf = thread.unwrap().path().join("children");
        let children = fs::read_to_string(path).unwrap_or_default();
        found.extend(children.split_whitespace().map(|pid| pid.parse::<i32>().unwrap()));
    }
    assert_eq!(found.len(), 1, "a client has one server");
    Pid::from_raw(found[0]).unwrap()
}

/// Kills a server and not its client.
pub fn kill_server(server: Pid) {
    kill_process(server, Signal::KILL).unwrap();
}
