//! A policy of one's own, in each language: made in an empty directory, built, set, changed in one line and set again.

use std::fs;
use std::path::{Path, PathBuf};

use taskhost_tests::{Answer, TestBoard, tools};

/// Runs `taskhost` with what policies are built with.
fn run(board: &TestBoard, arguments: &[&str]) -> Answer {
    let mut command = board.command(&[&["--json"], arguments].concat());
    Answer::of(command.env("TASKHOST_TOOLS", tools()).output().unwrap())
}

/// A language, and what a test has to know of a new project in it.
struct Case {
    language: &'static str,
    source: &'static str,
    /// The line that decides the order, as its author changes it.
    line: [&'static str; 2],
    /// What doesn't compile at the end of the source, and what is said then.
    broken: [&'static str; 2],
    /// How the hook is called, by what it is not found any more, and what is said then.
    hook: [&'static str; 3],
}

impl Case {
    fn edit(&self, board: &TestBoard, from: &str, to: &str) {
        let path = board.folder().join("mine").join(self.source);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {text}");
        fs::write(&path, text.replace(from, to)).unwrap();
    }

    fn check(&self) {
        let board = TestBoard::new();
        let component = board.folder().join("mine/mine.wasm");
        let made = run(&board, &["policy", "new", "mine", "--lang", self.language]).exits(0);
        assert_eq!(made.text("/project/source"), format!("mine/{}", self.source));

        self.refuses_what_is_wrong(&board, &component);

        let built = run(&board, &["policy", "build", "mine"]).exits(0);
        assert_eq!(built.text("/built/component"), "mine/mine.wasm");
        assert_eq!(built.number("/built/size_bytes"), fs::metadata(&component).unwrap().len());
        assert_eq!(built.json()["built"]["unchanged"], false);
        let again = run(&board, &["policy", "build", "mine", "--offline"]).exits(0);
        assert_eq!(again.json()["built"]["unchanged"], true, "nothing has changed");

        let checked = run(&board, &["policy", "check", "mine/mine.wasm"]).exits(0);
        assert_eq!(checked.text("/policy/name"), "mine");
        assert_eq!(checked.json()["policy"]["hooks"], serde_json::json!(["assignment"]));
        assert_eq!(checked.text("/policy/settings/0/value"), "30m");

        let tried = run(&board, &["policy", "test", "mine/mine.wasm", "mine/scenarios"]).exits(0);
        assert_eq!(tried.json()["passed"], true);
        let scenarios = tried.json()["scenarios"].as_array().unwrap().len();
        assert!(scenarios > 1, "the suite, and the project's own: {tried:?}");

        board.add(&["old", "middle", "new"]);
        assert_eq!(board.claim("ada").0, "old", "the standard policy gives the oldest first");
        board.run(&["policy", "set", "mine/mine.wasm"]).exits(0);
        board.add(&["newest"]);
        assert_eq!(board.claim("ada").0, "newest");

        self.edit(&board, self.line[0], self.line[1]);
        let rebuilt = run(&board, &["policy", "build", "mine", "--offline"]).exits(0);
        assert_eq!(rebuilt.json()["built"]["unchanged"], false, "a line has changed");
        board.run(&["policy", "set", "mine/mine.wasm"]).exits(0);
        assert_eq!(board.claim("ada").0, "middle", "now it gives the oldest first");
        board.assert_healthy();
    }

    /// What is wrong with the source is said, and nothing is written.
    fn refuses_what_is_wrong(&self, board: &TestBoard, component: &Path) {
        let source = board.folder().join("mine").join(self.source);
        let whole = fs::read_to_string(&source).unwrap();
        let [broken, said] = self.broken;
        fs::write(&source, format!("{whole}\n{broken}\n")).unwrap();
        let answer = run(board, &["policy", "build", "mine"]).exits(1);
        assert_eq!(answer.text("/error/code"), "does_not_compile");
        let all = format!("{}{}", answer.text("/error/message"), answer.stderr);
        assert!(all.contains(said) && all.contains(self.source), "{all}");
        let home = board.folder().to_string_lossy().into_owned();
        assert!(!answer.text("/error/message").contains(&home), "paths are the project's: {all}");

        fs::write(&source, &whole).unwrap();
        let [name, other, said] = self.hook;
        self.edit(board, name, other);
        let answer = run(board, &["policy", "build", "mine"]).exits(1);
        let all = format!("{}{}", answer.text("/error/message"), answer.stderr);
        assert!(all.contains(said), "{all}");
        fs::write(&source, &whole).unwrap();
        assert!(!component.exists());
    }
}

#[test]
fn policy_in_rust_is_made_built_and_changed() {
    let case = Case {
        language: "rust",
        source: "src/lib.rs",
        line: ["const ORDER: Order = Order::Newest;", "const ORDER: Order = Order::Oldest;"],
        broken: ["fn broken( {}", "this file contains an unclosed delimiter"],
        hook: ["fn choose(", "fn pick(", "not all trait items implemented"],
    };
    case.check();
}

#[test]
fn policy_in_python_is_made_built_and_changed() {
    let case = Case {
        language: "python",
        source: "policy.py",
        line: ["ORDER = Order.NEWEST", "ORDER = Order.OLDEST"],
        broken: ["def broken(:", "SyntaxError: invalid syntax"],
        hook: [
            "def choose(",
            "def pick(",
            "`policy.py` has no class `Assignment` with a method `choose`",
        ],
    };
    case.check();
}

#[test]
fn policy_in_javascript_is_made_built_and_changed() {
    let case = Case {
        language: "javascript",
        source: "policy.js",
        line: ["const ORDER = \"newest\";", "const ORDER = \"oldest\";"],
        broken: ["const = 1;", "Unexpected token"],
        hook: [
            "  choose(",
            "  pick(",
            "`policy.js` exports no `assignment` with a function `choose`",
        ],
    };
    case.check();
}

#[test]
fn policy_in_c_is_made_built_and_changed() {
    let case = Case {
        language: "c",
        source: "policy.c",
        line: [
            "#define ORDER TASKHOST_POLICY_TYPES_ORDER_NEWEST",
            "#define ORDER TASKHOST_POLICY_TYPES_ORDER_OLDEST",
        ],
        broken: ["int broken( {", "error: expected"],
        hook: [
            "exports_taskhost_policy_assignment_choose(",
            "pick(",
            "no function `exports_taskhost_policy_assignment_choose` is in the source",
        ],
    };
    case.check();
}

#[test]
fn project_is_made_only_where_nothing_is() {
    let board = TestBoard::missing();
    run(&board, &["policy", "new", "mine", "--lang", "c"]).exits(0);
    let before = fs::read(board.folder().join("mine/policy.c")).unwrap();
    let again = run(&board, &["policy", "new", "mine", "--lang", "rust"]).exits(2);
    assert_eq!(again.text("/error/code"), "project_exists");
    assert_eq!(fs::read(board.folder().join("mine/policy.c")).unwrap(), before);
    assert!(!board.folder().join("mine/Cargo.toml").exists());

    let name = run(&board, &["policy", "new", "no good", "--lang", "c"]).exits(2);
    assert!(name.text("/error/message").contains("`no good`"), "{name:?}");
    let word = run(&board, &["policy", "new", "standard", "--lang", "c"]).exits(2);
    let said = word.text("/error/message");
    assert!(said.contains("`taskhost policy set standard` means something else"), "{said}");
    for (name, language) in [("in-js", "JS"), ("in-py", "Py")] {
        run(&board, &["policy", "new", name, "--lang", language]).exits(0);
    }
    let language = run(&board, &["policy", "new", "other", "--lang", "cobol"]).exits(2);
    let message = language.text("/error/message");
    assert!(message.contains("cobol") && message.contains("`javascript`"), "{message}");
    assert!(!board.folder().join("no good").exists() && !board.folder().join("other").exists());
}

#[test]
fn build_without_a_project_says_what_would_be_one() {
    let board = TestBoard::missing();
    let none = run(&board, &["policy", "build"]).exits(2);
    assert_eq!(none.text("/error/code"), "no_project");
    assert!(none.text("/error/message").contains("`policy.py`"), "{none:?}");
    for file in ["policy.py", "policy.js"] {
        fs::write(board.folder().join(file), "").unwrap();
    }
    let two = run(&board, &["policy", "build"]).exits(2);
    assert!(two.text("/error/message").contains("leave only one"), "{two:?}");
    fs::remove_file(board.folder().join("policy.js")).unwrap();
    let no_world = run(&board, &["policy", "build"]).exits(1);
    assert!(no_world.text("/error/message").contains("world.wit"), "{no_world:?}");
}

/// A tool of which only a part is there: its own program would fail in ways that say nothing to an author.
fn damaged(tools: &Path, tool: &str) -> PathBuf {
    let place = tools.join(tool);
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("installed"), "what was there").unwrap();
    place
}

#[test]
fn offline_build_without_tools_says_which_are_missing() {
    let board = TestBoard::missing();
    let tools = board.folder().join("tools");
    let cases = [
        ("python", "componentize-py-0.25.1", "componentize-py"),
        ("javascript", "componentize-js-0.23.0", "js"),
        ("c", "ziglang-0.17.1", "ziglang"),
    ];
    for (language, directory, said) in cases {
        let name = format!("in-{language}");
        run(&board, &["policy", "new", &name, "--lang", language]).exits(0);
        let build = || {
            let mut command = board.command(&["--json", "policy", "build", &name, "--offline"]);
            Answer::of(command.env("TASKHOST_TOOLS", &tools).output().unwrap()).exits(1)
        };
        let missing = build();
        assert_eq!(missing.text("/error/code"), "tool_missing");
        let message = missing.text("/error/message");
        assert!(message.contains(said) && message.contains("--offline"), "{message}");
        assert!(!tools.join(directory).exists(), "nothing was installed");
    }
    damaged(&tools, "componentize-py-0.25.1");
    let mut command = board.command(&["--json", "policy", "build", "in-python", "--offline"]);
    let answer = Answer::of(command.env("TASKHOST_TOOLS", &tools).output().unwrap()).exits(1);
    assert!(answer.text("/error/message").contains("is damaged"), "{answer:?}");
}
