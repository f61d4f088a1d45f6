//! Agents on hosts of their own: network namespaces with an address, a link that can be cut, and a clock that is wrong.
//!
//! It takes root, and a machine that lets root make them. Elsewhere it is said that nothing was tried; but where the CI is
//! root (`CI` is set), it must have been.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on should stop")]

use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use taskhost_board::{Cause, Change, Entry, Sequence, Status, Store as _};
use taskhost_faults::{Bench, Hand, task_id};
use taskhost_test_postgres::{Options, Server};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_faults");
const HOSTS: u8 = 3;
/// Longer than it takes until an idle connection with short keepalives is given up, and the grace after that.
const LEASE: Duration = Duration::from_secs(45);

/// Tells every program that loads it a time that is wrong.
const WRONG_CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, time);
    const char *wrong = getenv("WRONG_BY_SECONDS");
    if (result == 0 && clock == CLOCK_REALTIME && wrong) time->tv_sec += atol(wrong);
    return result;
}
"#;

fn run(program: &str, arguments: &[&str]) {
    let ended = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{program} {}: {said}", arguments.join(" "));
}

fn ip(arguments: &str) {
    run("ip", &arguments.split(' ').collect::<Vec<_>>());
}

/// Hosts that reach this one over a switch. All of it goes when this does.
struct Network {
    /// Part of all names, so that two such tests don't meet.
    number: u8,
    clock: TempDir,
}

impl Network {
    /// `None` where nobody may make one.
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("nothing was tried: making network namespaces takes root");
            return None;
        }
        let tried = Command::new("unshare").args(["--net", "ip", "link"]).output().unwrap();
        if !tried.status.success() {
            let why = String::from_utf8_lossy(&tried.stderr).trim().to_owned();
            assert!(std::env::var_os("CI").is_none(), "no network namespace can be made: {why}");
            println!("nothing was tried: no network namespace can be made here: {why}");
            return None;
        }
        let number = u8::try_from(std::process::id() % 250).unwrap();
        let clock = TempDir::new().unwrap();
        let network = Self { number, clock };
        let source = network.clock.path().join("clock.c");
        std::fs::write(&source, WRONG_CLOCK).unwrap();
        let (source, library) = (source.display().to_string(), network.library());
        run("cc", &["-shared", "-fPIC", "-o", &library, &source, "-ldl"]);
        let switch = network.switch();
        ip(&format!("link add {switch} type bridge"));
        ip(&format!("addr add {}/24 dev {switch}", network.address()));
        ip(&format!("link set {switch} up"));
        for host in 1..=HOSTS {
            network.add(host);
        }
        Some(network)
    }

    fn library(&self) -> String {
        self.clock.path().join("clock.so").display().to_string()
    }

    fn switch(&self) -> String {
        format!("thsw{}", self.number)
    }

    fn space(&self, host: u8) -> String {
        format!("th{}h{host}", self.number)
    }

    fn line(&self, host: u8) -> String {
        format!("thl{}h{host}", self.number)
    }

    /// This host's address.
    fn address(&self) -> String {
        format!("10.213.{}.254", self.number)
    }

    fn add(&self, host: u8) {
        let (space, line, switch) = (self.space(host), self.line(host), self.switch());
        ip(&format!("netns add {space}"));
        ip(&format!("link add {line} type veth peer name eth0 netns {space}"));
        ip(&format!("link set {line} master {switch} up"));
        ip(&format!("-n {space} addr add 10.213.{}.{host}/24 dev eth0", self.number));
        ip(&format!("-n {space} link set eth0 up"));
        ip(&format!("-n {space} link set lo up"));
    }

    /// A process on a host, whose clock is wrong by so many seconds.
    fn hand(&self, host: u8, wrong_by: i64, address: &str) -> Hand {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space(host), "env"]);
        command.arg(format!("LD_PRELOAD={}", self.library()));
        command.arg(format!("WRONG_BY_SECONDS={wrong_by}")).arg(PROGRAM);
        Hand::start_by(command, address, &format!("host-{host}")).unwrap()
    }

    fn cut(&self, host: u8) {
        ip(&format!("link set {} down", self.line(host)));
    }

    fn mend(&self, host: u8) {
        ip(&format!("link set {} up", self.line(host)));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // What wasn't made can't be taken away.
        for host in 1..=HOSTS {
            let _ = Command::new("ip").args(["netns", "del", &self.space(host)]).output();
            let _ = Command::new("ip").args(["link", "del", &self.line(host)]).output();
        }
        let _ = Command::new("ip").args(["link", "del", &self.switch()]).output();
    }
}

fn local_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// When and why somebody lost a task.
fn recoveries(bench: &Bench) -> Vec<(String, Cause, u64)> {
    let mut all = Vec::new();
    let mut take = |_: Sequence, entry: Entry| {
        for change in &entry.changes {
            if let Change::Recovered { id, cause, .. } = change {
                all.push((id.to_string(), *cause, entry.time.0));
            }
        }
        true
    };
    bench.store.history(Sequence(0), &mut take).unwrap();
    all
}

#[test]
fn a_host_that_is_cut_off_keeps_its_task_until_its_lease_is_over() {
    // Every connection was asked every ten seconds whether it was still there, also the one that shows that its agent lives.
    // So who was cut off was taken for dead half a minute later, whatever lease it had.
    let Some(network) = Network::new() else { return };
    let server = Server::start(Options::default().listen_also(&network.address())).unwrap();
    let bench = Bench::new(server.access(), 4).unwrap();
    let by_tcp = bench.by(&server.access().by_tcp());
    let address = by_tcp.replace("127.0.0.1", &network.address());
    assert_ne!(address, by_tcp);
    // An hour behind, as it should be, and a day ahead: the server's clock is the one that counts.
    let wrong = [-3_600, 0, 86_400];
    let mut hands: Vec<Hand> =
        (1..=HOSTS).zip(wrong).map(|(host, wrong)| network.hand(host, wrong, &address)).collect();
    for (hand, wrong) in hands.iter_mut().zip(wrong) {
        let clock: i64 = hand.ask("clock").unwrap().parse().unwrap();
        assert!((clock - local_ms() - wrong * 1_000).abs() < 600_000, "the clock isn't wrong");
        assert_eq!(hand.ask("live").unwrap(), "living");
    }
    let [behind, right, ahead] = &mut hands[..] else { panic!("three hosts") };
    let lease_ms = u64::try_from(LEASE.as_millis()).unwrap();
    let (cut_off, token) = behind.claim("k-1", lease_ms, "-").unwrap();
    let claim = bench.engine.task(&task_id(&cut_off)).unwrap().claim.unwrap();
    let (since, until) = (claim.since.0, claim.lease.until.0);
    assert_eq!(until - since, lease_ms);
    network.cut(1);
    // It is told of everything that happens, and so is the connection that shows that it lives; nothing of it arrives.
    for n in 2..=3 {
        let (id, token) = right.claim(&format!("k-{n}"), 600_000, "-").unwrap();
        assert_eq!(right.ask(&format!("complete {id} {token}")).unwrap(), "completed");
    }
    // The others look for it all the while, by clocks that are wrong.
    let mut tries = 0;
    let taken = loop {
        tries += 1;
        match ahead.ask(&format!("claim k-a-{tries} 600000 {cut_off}")).unwrap() {
            answer if answer.starts_with("claimed") => break answer,
            answer => assert!(!answer.starts_with("error the"), "{answer}"),
        }
        thread::sleep(Duration::from_millis(100));
    };
    assert!(tries > 10);
    let recovered = recoveries(&bench);
    assert_eq!(recovered.len(), 1);
    let (id, cause, at) = &recovered[0];
    assert_eq!((id.as_str(), *cause), (cut_off.as_str(), Cause::LeaseOver));
    assert!(*at >= until, "taken at {at}, and held until {until}");
    // It comes back, too late for its task, and goes on with another one.
    network.mend(1);
    let answer = behind.ask(&format!("complete {cut_off} {token}")).unwrap();
    assert!(answer.starts_with("refused"), "{answer}");
    let (other, token) = behind.claim("k-9", 600_000, "-").unwrap();
    assert_eq!(behind.ask(&format!("complete {other} {token}")).unwrap(), "completed");
    let token = taken.rsplit_once(' ').unwrap().1;
    assert_eq!(ahead.ask(&format!("complete {cut_off} {token}")).unwrap(), "completed");
    let stands = bench.engine.task(&task_id(&cut_off)).unwrap();
    assert_eq!(stands.status, Status::Completed);
    assert_eq!(bench.wrong().unwrap(), Vec::<String>::new());
}
