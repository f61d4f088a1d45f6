//! Many processes that work on one board, for as long as one likes, while they are killed and stopped, their connections
//! are cut or fall silent, and the server is killed and restarted.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use taskhost_test_postgres::{Cutter, Ending, Fault, Options, Server, Trigger};

use crate::bench::Bench;
use crate::ledger::Ledger;
use crate::said::Said;

/// How many work at once.
const WORKERS: usize = 8;
/// How often something small fails.
const FAULT_EVERY: Duration = Duration::from_millis(60);
/// How often the server fails.
const SERVER_EVERY: Duration = Duration::from_secs(4);
/// How long one that was told to end may take.
const END_WITHIN: Duration = Duration::from_secs(90);
/// Boards of more entries than this aren't folded once more: the ledger has read each of them already.
const FOLDED_MAX: u64 = 60_000;

/// What was done, and what was found.
#[derive(Debug, Default)]
pub struct Report {
    /// How often each thing was done.
    pub done: BTreeMap<&'static str, u64>,
    /// What is wrong.
    pub wrong: Vec<String>,
}

impl Report {
    fn count(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, times) in &self.done {
            writeln!(f, "{times:>10} {what}")?;
        }
        for wrong in &self.wrong {
            writeln!(f, "wrong: {wrong}")?;
        }
        write!(f, "{:>10} wrong", self.wrong.len())
    }
}

/// One that works, in its place.
struct Post {
    name: String,
    child: Child,
    /// Closed to tell it that it is over.
    tell: Option<ChildStdin>,
    listener: JoinHandle<()>,
    last_key: Arc<Mutex<Option<String>>>,
}

struct Fleet<'a> {
    program: &'a Path,
    board: String,
    hear: Sender<Said>,
    started: u64,
    posts: Vec<Post>,
    listeners: Vec<JoinHandle<()>>,
}

impl Fleet<'_> {
    fn start(&mut self, again: Option<String>) -> Result<Post> {
        self.started += 1;
        let name = format!("w{}", self.started);
        let mut command = Command::new(self.program);
        command.args(["work", &name]).env("TASKHOST_TEST_BOARD", &self.board);
        command.args(again.iter().flat_map(|key| ["--again", key]));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("a worker can't be started")?;
        let tell = child.stdin.take();
        let out = BufReader::new(child.stdout.take().context("it speaks")?);
        let last_key = Arc::new(Mutex::new(None));
        let (hear, asked) = (self.hear.clone(), last_key.clone());
        let listener = std::thread::spawn(move || {
            for said in out.lines().map_while(Result::ok).filter_map(|line| Said::parse(&line)) {
                if let Said::Asking { key } = &said {
                    *asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
                }
                let _ = hear.send(said);
            }
        });
        Ok(Post { name, child, tell, listener, last_key })
    }

    /// Kills one; another one takes its place, and asks for what that one asked for last.
    fn replace(&mut self, at: usize, ledger: &mut Ledger, inherits: bool) -> Result<()> {
        let post = &mut self.posts[at];
        ledger.ending(&format!("s-{}", post.name));
        post.child.kill()?;
        post.child.wait()?;
        let key = post.last_key.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let next = self.start(key.filter(|_| inherits))?;
        let post = std::mem::replace(&mut self.posts[at], next);
        self.listeners.push(post.listener);
        Ok(())
    }

    /// Tells all that it is over, and waits for them.
    fn end(mut self, ledger: &mut Ledger, wrong: &mut Vec<String>) -> Result<()> {
        for post in &mut self.posts {
            ledger.ending(&format!("s-{}", post.name));
            drop(post.tell.take());
        }
        let until = Instant::now() + END_WITHIN;
        for post in &mut self.posts {
            while post.child.try_wait()?.is_none() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(10));
            }
            match post.child.try_wait()? {
                Some(status) if status.success() => {}
                Some(status) => wrong.push(format!("`{}` ended with {status}", post.name)),
                None => {
                    wrong.push(format!("`{}` doesn't end", post.name));
                    post.child.kill()?;
                    post.child.wait()?;
                }
            }
        }
        let posts = self.posts.drain(..).map(|post| post.listener);
        for listener in posts.chain(self.listeners.drain(..)) {
            let _ = listener.join();
        }
        Ok(())
    }

    fn signal(&self, at: usize, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.posts[at].child.id()).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.context("no process's number")?, signal)?)
    }
}

/// Lets everything fail for so long; workers are processes that play their role in `program`.
///
/// # Errors
///
/// If it could not go on.
pub fn run(program: &Path, time: Duration, seed: u64) -> Result<Report> {
    let server = Server::start(Options::default())?;
    let bench = Bench::new(server.access(), 0)?;
    let cutter = Cutter::before(server.access())?;
    let (hear, heard) = channel();
    let board = format!("{}&pool=3", bench.by(cutter.access()));
    let mut fleet =
        Fleet { program, board, hear, started: 0, posts: Vec::new(), listeners: Vec::new() };
    for _ in 0..WORKERS {
        let post = fleet.start(None)?;
        fleet.posts.push(post);
    }
    let (mut ledger, mut report) = (Ledger::default(), Report::default());
    let mut rng = Rng::with_seed(seed);
    let began = Instant::now();
    let mut server_at = began + SERVER_EVERY;
    while began.elapsed() < time {
        std::thread::sleep(FAULT_EVERY.mul_f64(0.5 + rng.f64()));
        small_fault(&mut fleet, &cutter, &mut ledger, &mut rng, &mut report)?;
        if Instant::now() >= server_at {
            fail_server(&server, &mut rng, &mut report)?;
            server_at = Instant::now() + SERVER_EVERY.mul_f64(0.5 + rng.f64());
        }
        for said in heard.try_iter() {
            hear_one(&mut ledger, &mut report, said);
        }
    }
    cutter.forget_plans();
    report.done.insert("planned cuts that happened", cutter.happened() as u64);
    fleet.end(&mut ledger, &mut report.wrong)?;
    for said in heard.try_iter() {
        hear_one(&mut ledger, &mut report, said);
    }
    settle(&bench, ledger, &mut report)?;
    Ok(report)
}

fn hear_one(ledger: &mut Ledger, report: &mut Report, said: Said) {
    match &said {
        Said::Again { why } if why.contains("unknown") => report.count("unknown outcomes told"),
        Said::Again { .. } => report.count("requests repeated after an error"),
        Said::Refused { .. } => report.count("requests that came too late and were refused"),
        _ => {}
    }
    ledger.said(said);
}

fn settle(bench: &Bench, mut ledger: Ledger, report: &mut Report) -> Result<()> {
    ledger.read(&bench.store)?;
    report.done.insert("transactions", ledger.entries());
    report.done.insert("claims", ledger.claims());
    report.done.insert("claims taken from the dead", ledger.taken());
    report.done.insert("acknowledgements", ledger.acknowledged());
    let entries = ledger.entries();
    report.wrong.extend(ledger.finish());
    report.wrong.extend(bench.store.examine()?);
    if entries <= FOLDED_MAX {
        report.wrong.extend(taskhost_contract::check_history(&bench.store));
    }
    Ok(())
}

/// Something happens to one worker or one connection.
fn small_fault(
    fleet: &mut Fleet<'_>,
    cutter: &Cutter,
    ledger: &mut Ledger,
    rng: &mut Rng,
    report: &mut Report,
) -> Result<()> {
    let at = rng.usize(..WORKERS);
    let commit = || Trigger::statement("commit");
    match rng.u8(..100) {
        0..25 => {
            report.count("workers killed");
            fleet.replace(at, ledger, rng.bool())?;
        }
        25..40 => cutter.plan(Fault::Before(commit()), Ending::Closed),
        40..60 => cutter.plan(Fault::After(commit()), Ending::Closed),
        60..75 => {
            let bytes = rng.u64(..cutter.bytes_max().max(1));
            cutter.plan(Fault::AfterBytes(bytes), Ending::Closed);
        }
        // Each takes a worker half a minute.
        75 => {
            report.count("connections fallen silent");
            let fault = if rng.bool() { Fault::Before(commit()) } else { Fault::After(commit()) };
            cutter.plan(fault, Ending::Silent);
        }
        76..80 => {
            report.count("cuts of all connections");
            cutter.cut();
        }
        80..85 => {
            report.count("networks held up");
            cutter.pause();
            std::thread::sleep(Duration::from_millis(rng.u64(10..400)));
            cutter.resume();
        }
        _ => {
            report.count("workers stopped for a while");
            fleet.signal(at, Signal::STOP)?;
            std::thread::sleep(Duration::from_millis(rng.u64(10..200)));
            fleet.signal(at, Signal::CONT)?;
        }
    }
    Ok(())
}

fn fail_server(server: &Server, rng: &mut Rng, report: &mut Report) -> Result<()> {
    if rng.u8(..4) == 0 {
        report.count("servers restarted");
        return server.restart();
    }
    report.count("servers killed");
    server.kill()?;
    std::thread::sleep(Duration::from_millis(rng.u64(..500)));
    server.start_again()
}
