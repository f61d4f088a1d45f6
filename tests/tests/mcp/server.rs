//! How `taskhost mcp` is started: by a client, or by a test that writes what goes over the wire itself.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use taskhost_tests::{Answer, TestBoard, cache, taskhost};

/// A server's command line, as configurations of clients have it.
#[derive(Debug, Clone)]
pub struct Server {
    pub command: String,
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub cwd: PathBuf,
}

impl Server {
    /// `taskhost mcp` on a board, with more arguments.
    pub fn on(board: &TestBoard, more: &[&str]) -> Self {
        let address = board.address().as_os_str().to_string_lossy().into_owned();
        let args = ["--board", &address, "mcp"].into_iter().chain(more.iter().copied());
        Self {
            command: taskhost().to_string_lossy().into_owned(),
            args: args.map(str::to_owned).collect(),
            env: environment(),
            cwd: board.folder().to_owned(),
        }
    }

    /// What a client's script is given, with the name that the client gives itself.
    pub fn for_client(&self, name: &str) -> String {
        let Self { command, args, env, cwd } = self;
        json!({ "command": command, "args": args, "env": env, "cwd": cwd, "name": name })
            .to_string()
    }
}

/// What a server needs beside what clients let through of their environment, which is little.
pub fn environment() -> BTreeMap<String, String> {
    let cache = cache().to_string_lossy().into_owned();
    BTreeMap::from([("XDG_CACHE_HOME".to_owned(), cache)])
}

/// A server without a client's library between: what is said to it, and what it says, to the byte.
pub struct Wire {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Wire {
    /// Starts a server, and introduces itself by this name.
    pub fn start(server: &Server, name: &str) -> Self {
        let mut command = Command::new(&server.command);
        command.args(&server.args).envs(&server.env).current_dir(&server.cwd);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TASKHOST_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut wire = Self { child, stdin, stdout: BufReader::new(stdout) };
        let client = json!({ "name": name, "version": "1.0" });
        let initialize =
            json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
        wire.ask(0, "initialize", &initialize);
        wire.notify("notifications/initialized", &json!({}));
        wire
    }

    /// Says something that isn't answered.
    pub fn notify(&mut self, method: &str, params: &Value) {
        self.say(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Asks, and doesn't wait for the answer.
    pub fn request(&mut self, id: u64, method: &str, params: &Value) {
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
    }

    /// Asks, and gives the line that is the answer.
    pub fn ask(&mut self, id: u64, method: &str, params: &Value) -> String {
        self.request(id, method, params);
        loop {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "the server ended");
            let answer: Value = serde_json::from_str(&line).unwrap();
            if answer["id"] == id {
                return line;
            }
        }
    }

    /// Calls a tool, and gives its structured content.
    pub fn call(&mut self, id: u64, tool: &str, arguments: &Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        let answer: Value = serde_json::from_str(&self.ask(id, "tools/call", &params)).unwrap();
        answer["result"]["structuredContent"].clone()
    }

    /// Writes a line that needn't be one of the protocol.
    pub fn say(&mut self, line: &impl ToString) {
        self.stdin.write_all((line.to_string() + "\n").as_bytes()).unwrap();
    }

    /// Closes standard input, and says how the server ended.
    pub fn close(self) -> Answer {
        drop(self.stdin);
        drop(self.stdout);
        Answer::of(self.child.wait_with_output().unwrap())
    }
}
