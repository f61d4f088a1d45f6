//! The live view of a board, in a terminal of its own: util-linux's `script` stands in for the window.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use taskhost_tests::TestBoard;

/// What takes the screen over, and what gives it back.
const TAKES: &str = "\u{1b}[?1049h";

pub(crate) const GIVES: &str = "\u{1b}[?1049l";

/// A terminal in which a shell runs a script.
pub(crate) struct Terminal {
    child: Child,
    keys: ChildStdin,
    pub(crate) screen: ChildStdout,
    /// Everything that was written on it.
    pub(crate) text: String,
    bytes: Vec<u8>,
}

impl Terminal {
    /// Runs `script`, in which `$TASKHOST` is the command on this board.
    pub(crate) fn run(board: &TestBoard, script: &str) -> Self {
        let taskhost = taskhost_tests::taskhost();
        let mut command = std::process::Command::new("script");
        command
            .args(["--quiet", "--return", "--command", script, "/dev/null"])
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm-256color")
            .env("TASKHOST", taskhost)
            .env("TASKHOST_BOARD", board.address().as_os_str())
            .env_remove("NO_COLOR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let (keys, screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, keys, screen, text: String::new(), bytes: Vec::new() }
    }

    /// Reads on until this was written, as [`plain`] has it; everything until then. What came after it is read next: a
    /// test once waited for ever for what had come together with what it waited for first.
    #[track_caller]
    pub(crate) fn until(&mut self, wanted: &str) -> String {
        loop {
            if let Some(at) = self.text.find(wanted) {
                let rest = self.text.split_off(at + wanted.len());
                return std::mem::replace(&mut self.text, rest);
            }
            if plain(&self.text).contains(wanted) {
                return std::mem::take(&mut self.text);
            }
            assert!(self.read() > 0, "`{wanted}` never came: {}", plain(&self.text));
        }
    }

    fn read(&mut self) -> usize {
        let mut buffer = [0; 4096];
        // Where the other end of a terminal is closed, reading it may fail instead of ending.
        let read = self.screen.read(&mut buffer).unwrap_or_default();
        self.bytes.extend(&buffer[..read]);
        // A character may have come in part.
        let whole = match std::str::from_utf8(&self.bytes) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        self.text.push_str(&String::from_utf8_lossy(&self.bytes[..whole]));
        self.bytes.drain(..whole);
        read
    }

    /// The process that the script said as `PID=… =PID`.
    fn pid(&mut self) -> Pid {
        let said = self.until(" =PID");
        let pid = said.split_whitespace().find_map(|word| word.strip_prefix("PID="));
        let pid = pid.expect("the script says it");
        Pid::from_raw(pid.parse().unwrap()).unwrap()
    }

    /// The whole view, as soon as this is in it: drawn anew, because else it writes only what is new.
    fn screen_with(&mut self, wanted: &str) -> String {
        loop {
            self.press("\u{c}");
            let screen = plain(&self.until("? help"));
            if screen.contains(wanted) {
                return screen;
            }
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// What was written until the script ended, and its code.
    pub(crate) fn end(mut self) -> (String, Option<i32>) {
        while self.read() > 0 {}
        (self.text, self.child.wait().unwrap().code())
    }
}

/// What can be read of what was written: a view writes only what is new, and goes around blanks.
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        plain.push(' ');
        plain.push_str(&part[end..]);
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn live_view_shows_what_others_do_and_gives_the_terminal_back() {
    let board = TestBoard::new();
    board.run(&["add", "build", "--id", "ZZ-QQ-ZZ"]).exits(0);
    // What is set differently afterwards would stay so in the user's shell.
    let script = "stty rows 24 cols 80; stty -a > before; \"$TASKHOST\" watch; code=$?; \
                  stty -a > after; cmp before after && echo CODE=$code";
    let script = format!("cd '{}' && {{ {script}; }}", board.folder().display());
    let mut terminal = Terminal::run(&board, &script);
    terminal.until(TAKES);
    terminal.until("nobody holds anything");
    board.run(&["claim", "--agent", "QUUX"]).exits(0);
    let screen = terminal.screen_with("QUUX claimed ZZ-QQ-ZZ");
    for text in ["1 ready 0", "2 held 1", "nothing is ready"] {
        assert!(screen.contains(text), "`{text}`: {screen}");
    }
    terminal.press("2\r");
    let task = terminal.screen_with("QUUX claimed ZZ-QQ-ZZ hostname");
    assert!(task.contains("Can it be claimed? `ZZ-QQ-ZZ` can't be claimed now"), "{task}");
    terminal.press("q");
    let (rest, code) = terminal.end();
    let after = rest.split_once(GIVES).expect("it leaves the screen").1;
    assert!(rest.contains("\u{1b}[?25h"), "the cursor is shown again: {rest}");
    assert!(after.contains("CODE=0"), "{after}");
    assert_eq!(code, Some(0));
}

#[test]
fn live_view_that_is_asked_to_terminate_gives_the_terminal_back() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let script = "stty rows 24 cols 80; echo PID=$$ =PID; exec \"$TASKHOST\" watch";
    let mut terminal = Terminal::run(&board, script);
    let pid = terminal.pid();
    terminal.until("nobody holds anything");
    kill_process(pid, Signal::TERM).unwrap();
    let (rest, code) = terminal.end();
    assert!(rest.contains(GIVES), "{rest}");
    assert_eq!(code, Some(0));
}

// A terminal window was closed: the view never came to an end of what was typed there, and kept a processor busy for ever.
#[test]
fn live_view_ends_with_its_terminal() {
    let board = TestBoard::new();
    board.add(&["t"]);
    // As under `nohup`: no signal ends it.
    let script = "stty rows 24 cols 80; trap '' HUP; echo PID=$$ =PID; exec \"$TASKHOST\" watch";
    let mut terminal = Terminal::run(&board, script);
    let pid = terminal.pid();
    terminal.until("nobody holds anything");
    terminal.child.kill().unwrap();
    terminal.child.wait().unwrap();
    let is_there = || test_kill_process(pid).is_ok();
    let began = std::time::Instant::now();
    while is_there() {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "it goes on for ever");
        std::thread::yield_now();
    }
}

#[test]
fn lines_are_printed_on_a_terminal_too_where_only_they_can_answer() {
    let board = TestBoard::new();
    board.add(&["t"]);
    for options in ["--lines --for 0s", "--since 0 --for 0s", "--event added --for 0s", "--json"] {
        let options = options.replace("--json", "--json --for 0s");
        let (text, code) = Terminal::run(&board, &format!("\"$TASKHOST\" watch {options}")).end();
        assert!(!text.contains(TAKES), "{text}");
        assert_eq!((code, text.contains("added")), (Some(0), options.contains("since")), "{text}");
    }
    // Nor is anything drawn where nothing can be.
    let plain = "TERM=dumb \"$TASKHOST\" watch & pid=$!; kill $pid; wait $pid";
    let (text, _) = Terminal::run(&board, plain).end();
    assert!(!text.contains(TAKES), "{text}");
}

#[test]
fn colours_are_left_out_where_none_are_wanted() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let drawn = |environment: &str| {
        let script = format!("stty rows 24 cols 80; {environment} \"$TASKHOST\" watch");
        let mut terminal = Terminal::run(&board, &script);
        let screen = terminal.until("nobody holds anything");
        terminal.press("q");
        assert_eq!(terminal.end().1, Some(0));
        screen
    };
    let has_colour = |screen: &str| screen.contains("\u{1b}[38;5;");
    assert!(has_colour(&drawn("NO_COLOR=")) && !has_colour(&drawn("NO_COLOR=1")));
}
