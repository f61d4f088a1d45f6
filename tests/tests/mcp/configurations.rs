//! The configurations that README gives to be copied: each is read as its client reads it, and the server that it says is
//! started by a client.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use taskhost_tests::{Answer, TestBoard, clients, taskhost, workspace};

use crate::client::{Client, Library};
use crate::server::{Server, environment};

/// README's block of this language that follows a paragraph with this word.
fn block(word: &str, language: &str) -> String {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let (_, section) = readme.split_once("\n## Agents over MCP\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let fence = format!("```{language}\n");
    let paragraphs: Vec<&str> = section.split("\n\n").collect();
    let at = paragraphs.iter().position(|paragraph| paragraph.contains(word)).unwrap();
    let after = paragraphs[at + 1..].join("\n\n");
    let inside =
        after.strip_prefix(&fence).unwrap_or_else(|| panic!("no {language} after `{word}`"));
    inside.split_once("\n```").unwrap().0.to_owned()
}

/// A project with a board in it, as `taskhost init` makes it there.
fn project() -> TestBoard {
    let board = TestBoard::missing();
    let mut init = Command::new(taskhost());
    init.arg("init").current_dir(board.folder()).envs(environment()).env_remove("TASKHOST_BOARD");
    Answer::of(init.output().unwrap()).exits(0);
    board
}

/// The path with `taskhost` in front, and with `claude`, which notes what it is called with.
fn path(more: Option<&Path>) -> String {
    let taskhost = taskhost().parent().unwrap().to_owned();
    let usual = env::var_os("PATH").unwrap();
    let folders = more.map(Path::to_owned).into_iter().chain([taskhost]);
    env::join_paths(folders.chain(env::split_paths(&usual))).unwrap().into_string().unwrap()
}

/// The server that an object of a configuration says.
fn server(configured: &Value, cwd: &Path) -> Server {
    let known = ["type", "command", "args", "env", "tool_timeout_sec"];
    let fields = configured.as_object().unwrap();
    assert!(fields.keys().all(|field| known.contains(&field.as_str())), "{configured}");
    assert!(matches!(configured["type"].as_str(), None | Some("stdio")), "{configured}");
    let mut env: BTreeMap<String, String> = environment();
    env.insert("PATH".into(), path(None));
    let more: Option<BTreeMap<String, String>> =
        fields.get("env").map(|env| serde_json::from_value(env.clone()).unwrap());
    env.extend(more.unwrap_or_default());
    Server {
        command: configured["command"].as_str().unwrap().to_owned(),
        args: serde_json::from_value(configured["args"].clone()).unwrap(),
        env,
        cwd: cwd.to_owned(),
    }
}

/// Starts the server by a client of each library, and says as whom it works on the project's board.
fn works(server: &Server, project: &TestBoard) -> String {
    let board = project.folder().join(".taskhost");
    let mut agents = Vec::new();
    for library in Library::ALL {
        let mut client = Client::of(library, server, "some-client");
        client.call("board_add", &json!({ "tasks": [{ "type": "work" }] }));
        let got = client.call("board_next", &json!({}));
        let id = got["task"]["id"].as_str().unwrap();
        let kept = taskhost::Board::open(&board).unwrap().task(&taskhost::TaskId::new(id).unwrap());
        assert_eq!(kept.unwrap().status.to_string(), "in_progress", "it is this board");
        agents.push(got["task"]["claim"]["agent"].as_str().unwrap().to_owned());
        client.call("board_finish", &json!({ "id": id, "outcome": "complete" }));
        client.close();
    }
    assert_eq!(agents[0], agents[1]);
    agents.swap_remove(0)
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// As editors do it that know the project's folder.
fn expanded(text: &str, project: &TestBoard) -> String {
    let text = text.replace("${workspaceFolder}", &project.folder().to_string_lossy());
    assert!(!text.contains("${"), "a variable that isn't known: {text}");
    text
}

/// Where a client may start its servers that doesn't start them in the project.
fn elsewhere() -> PathBuf {
    env::temp_dir()
}

#[test]
fn claude_codes_command_adds_a_server_that_works() {
    let project = project();
    let bin = project.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    let claude = bin.join("claude");
    fs::write(&claude, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
    fs::set_permissions(&claude, fs::Permissions::from_mode(0o755)).unwrap();
    let mut shell = Command::new("sh");
    shell.arg("-euc").arg(block("for yourself", "sh")).env("PATH", path(Some(&bin)));
    let said = Answer::of(shell.output().unwrap()).exits(0).stdout;
    let (options, command) = said.split_once("\n--\n").unwrap();
    assert_eq!(options.lines().collect::<Vec<_>>(), ["mcp", "add", "taskhost"]);
    let words: Vec<&str> = command.lines().collect();
    let configured = json!({ "command": words[0], "args": words[1..] });
    assert_eq!(works(&server(&configured, project.folder()), &project), "some-client");
}

#[test]
fn claude_codes_file_starts_a_server_that_works() {
    let project = project();
    let file = parsed(&block("`.mcp.json`", "json"));
    let server = server(&file["mcpServers"]["taskhost"], project.folder());
    assert_eq!(works(&server, &project), "some-client");
}

#[test]
fn codexs_file_starts_a_server_that_works() {
    let project = project();
    // Python's own reader of TOML; before 3.11 the one that `pip` brings along.
    let reader = "import json, sys
try:
    import tomllib
except ImportError:
    from pip._vendor import tomli as tomllib
print(json.dumps(tomllib.loads(sys.argv[1])))";
    let mut python = Command::new(clients().python);
    python.args(["-c", reader, &block("`~/.codex/config.toml`", "toml")]);
    let file = parsed(&Answer::of(python.output().unwrap()).exits(0).stdout);
    let configured = &file["mcp_servers"]["taskhost"];
    assert!(configured["tool_timeout_sec"].as_u64().unwrap() > 60, "an agent may wait a minute");
    assert_eq!(works(&server(configured, project.folder()), &project), "some-client");
}

#[test]
fn cursors_file_starts_a_server_that_works() {
    let project = project();
    let file = parsed(&expanded(&block("`.cursor/mcp.json`", "json"), &project));
    let server = server(&file["mcpServers"]["taskhost"], &elsewhere());
    assert_eq!(works(&server, &project), "some-client");
}

#[test]
fn vs_codes_file_starts_a_server_that_works() {
    let project = project();
    let file = parsed(&expanded(&block("`.vscode/mcp.json`", "json"), &project));
    assert_eq!(file["servers"]["taskhost"]["type"], "stdio", "it wants to be told");
    let server = server(&file["servers"]["taskhost"], &elsewhere());
    assert_eq!(works(&server, &project), "some-client");
}

#[test]
fn file_for_any_other_client_starts_a_server_that_works() {
    let project = project();
    let block = block("Any other client", "json");
    let file = parsed(&block.replace("/path/to/project", &project.folder().to_string_lossy()));
    let server = server(&file["mcpServers"]["taskhost"], &elsewhere());
    assert_eq!(works(&server, &project), "ada");
}
