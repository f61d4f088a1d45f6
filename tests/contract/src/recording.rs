//! A decision that failed or was refused is kept, and comes out the same when it is made again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::Kind;
use crate::board::{Board, agent, board, id, name, numbers, request, soon, task};
use taskhost_board::plain::{OnlyPolicy, PlainPolicies};
use taskhost_board::recording::{
    Answer, COPIED_TASKS_MAX, Came, Ending, HookCall, InvalidRecording, NOTES_BYTES_MAX, Recorder,
    Recording, Reran, Rerun, TooLarge,
};
use taskhost_board::{
    Agent, Change, Choice, Digest, Engine, Error, Event, FailureKind, Family, Filter, Finish,
    HookError, Hooked, Hooks, Json, NewTask, Order, Place, Policy, PolicyFailure, PolicyPin,
    PolicySet, Powers, ReadyQuery, Reservation, Space, Status, TaskId, Transaction, Verdict,
    delegate_hooks,
};

/// What the policy does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// What the plain one does.
    Plain,
    /// Refuses work, and says everything that it saw.
    RefuseWork,
    /// Fails after it has staged a claim.
    Fail,
    /// Asks for a task that nothing else asks for.
    AskMore,
    /// Reads a file once more than the others.
    ReadMore,
    /// Remembers something and cancels `b` when something happens to `a`; refuses what happens to `b`.
    RefuseEvent,
    /// Reads every task that is ready, and refuses work.
    ReadAll,
}

#[derive(Clone)]
struct Tried {
    mode: Mode,
    powers: Arc<dyn Powers>,
}

struct TriedHooks {
    tried: Tried,
    plain: Box<dyn Hooks>,
    log: Vec<String>,
}

impl Policy for Tried {
    fn enter(&self, dry: bool) -> Box<dyn Hooks> {
        let plain = PlainPolicies::default().enter(dry);
        Box::new(TriedHooks { tried: self.clone(), plain, log: Vec::new() })
    }
}

impl Tried {
    /// Everything that a hook can ask, in words.
    fn see(&self, tx: &mut Transaction) -> String {
        let moment = Duration::from_millis(10);
        let query = ReadyQuery {
            filter: Filter::default(),
            reserved: Reservation::Nobody,
            order: Order::Newest,
        };
        let first = tx.ready(&query, None, 1).unwrap();
        let past = first.first().map(|candidate| candidate.place);
        let rest = tx.ready(&query, past, 10).unwrap();
        let children = tx.children(&id("p"), Family::Every, None, 10).unwrap();
        let other_children = tx.children(&id("p"), Family::Open, Some(&id("p1")), 10).unwrap();
        let tasks = ["a", "b", "p", "missing"].map(|task| tx.task(&id(task)).unwrap());
        let held = tx.claims_held(&name("ann")).unwrap();
        let remembered = tx.recall(Space::Standard, "key").unwrap();
        let steps = tx.steps_staged(Space::Standard);
        let staged = tx.stage_remember(Space::Standard, "other", Some(vec![7]));
        let lock = self.powers.lock("lock", moment).err();
        let read = self.powers.read(Place::Board, "file", moment);
        let wrong = self.powers.replace(Place::Board, "file", b"new", Some(b"other"), moment);
        let replaced = self.powers.replace(Place::Board, "file", b"new", None, moment);
        let again = self.powers.read(Place::Board, "file", moment);
        format!(
            "{steps} steps {first:?} {rest:?} {children:?} {other_children:?} {tasks:?} {held} {remembered:?} \
             {staged:?} {lock:?} {read:?} {wrong:?} {replaced:?} {again:?} {} {:?} {:?}",
            tx.seed(),
            tx.id(),
            tx.now(),
        )
    }
}

impl Hooks for TriedHooks {
    delegate_hooks!(plain: classify recover memory_bytes close);

    fn choose(
        &mut self,
        mut tx: Transaction,
        asker: &Agent,
        filter: &Filter,
        lease_ms: Option<u64>,
    ) -> Hooked<Choice> {
        self.log.push(format!("chooses for {}", asker.name));
        match self.tried.mode {
            Mode::Plain | Mode::RefuseEvent => self.plain.choose(tx, asker, filter, lease_ms),
            Mode::RefuseWork => {
                let seen = self.tried.see(&mut tx);
                Hooked { tx, answer: Ok(Choice::Refused(seen)) }
            }
            Mode::Fail => {
                let Hooked { tx, .. } = self.plain.choose(tx, asker, filter, None);
                let failure = PolicyFailure {
                    kind: FailureKind::Trap,
                    policy: "tried".into(),
                    hook: "assignment",
                    detail: "division by zero".into(),
                    task: None,
                    mismatches: Vec::new(),
                };
                Hooked { tx, answer: Err(failure.into()) }
            }
            Mode::AskMore => {
                let answer = tx.task(&id("c")).map(|_| Choice::Nothing(None));
                Hooked { tx, answer: answer.map_err(HookError::from) }
            }
            Mode::ReadMore => {
                self.tried.see(&mut tx);
                let more = self.tried.powers.read(Place::Board, "file", Duration::ZERO);
                Hooked { tx, answer: Ok(Choice::Refused(format!("{more:?}"))) }
            }
            Mode::ReadAll => {
                let query = ReadyQuery {
                    filter: Filter::default(),
                    reserved: Reservation::Nobody,
                    order: Order::Oldest,
                };
                for candidate in tx.ready(&query, None, 1_000).unwrap() {
                    tx.task(&candidate.id).unwrap();
                }
                Hooked { tx, answer: Ok(Choice::Refused("read everything".into())) }
            }
        }
    }

    fn on_event(
        &mut self,
        mut tx: Transaction,
        task: &TaskId,
        event: Event,
        _detail: &str,
    ) -> Hooked<Verdict> {
        let verdict = match (self.tried.mode, event) {
            (Mode::RefuseEvent, Event::Completed) => {
                self.log.push("of the call before".into());
                tx.stage_remember(Space::Standard, "key", Some(vec![1, 2])).unwrap();
                tx.stage_status(&id("b"), Status::Cancelled, "no more").unwrap();
                tx.count_step(Space::Standard);
                tx.count_step(Space::Standard);
                Verdict::Accept
            }
            (Mode::RefuseEvent, Event::Cancelled) => {
                self.log.push(format!("refuses {task}"));
                Verdict::Refused(self.tried.see(&mut tx))
            }
            _ => Verdict::Accept,
        };
        Hooked { tx, answer: Ok(verdict) }
    }

    fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }
}

type Kept = Arc<Mutex<Vec<Result<Box<Recording>, TooLarge>>>>;

/// A board with a few tasks, decided by a policy that is recorded.
struct Recorded {
    board: Board,
    kept: Kept,
}

impl Recorded {
    fn new(kind: &Kind, mode: Mode) -> Self {
        let mut board = board(kind);
        let store = board.store.clone();
        let part = |part: &str| NewTask { parent: Some(id("p")), ..task(part) };
        let all = ["a", "b", "c", "p"].map(task).into_iter().chain(["p1", "p2"].map(part));
        board.add(&all.collect::<Vec<_>>()).unwrap();
        let kept = Kept::default();
        let (keep, lock) = (kept.clone(), store.clone());
        let recorder = Recorder::new(Arc::new(move |recording| {
            // Whoever writes it down mustn't keep others from the board.
            drop(lock.begin(soon()).unwrap());
            keep.lock().unwrap().push(recording);
        }));
        let powers = recorder.powers(store.powers());
        let tried = Tried { mode, powers };
        let policies = recorder.policies(Arc::new(OnlyPolicy::new(tried)));
        board.engine = Engine::new(store, policies, numbers(7));
        Self { board, kept }
    }

    /// What was kept, as it comes out of a file.
    #[track_caller]
    fn only(&self) -> Recording {
        let mut kept = self.kept.lock().unwrap();
        assert_eq!(kept.len(), 1, "{kept:?}");
        let recording = kept.pop().unwrap().unwrap();
        let read = Recording::parse(&recording.encode().unwrap()).unwrap();
        assert_eq!(read, *recording);
        read
    }
}

/// The same call again, of the same policy or another one.
fn again(recording: &Recording, mode: Mode) -> Reran {
    let rerun = Rerun::new(recording).unwrap();
    let tried = Tried { mode, powers: rerun.powers() };
    rerun.call(&tried).unwrap()
}

#[track_caller]
fn refusal(ending: &Ending) -> &str {
    match ending {
        Ending::Refused(why) => why,
        Ending::Failed(failure) => panic!("{failure:?}"),
    }
}

pub(crate) fn everything_that_a_refused_request_was_decided_on_comes_again(kind: &Kind) {
    let recorded = Recorded::new(kind, Mode::RefuseWork);
    // Taken back by the same transaction that then refuses: the hook reads it as staged.
    let plain = Engine::new(
        recorded.board.store.clone(),
        Arc::new(PlainPolicies::default()),
        Arc::new(|| 1),
    );
    plain.claim(&request(&agent("late")), soon()).unwrap();
    recorded.board.advance(Duration::from_secs(24 * 60 * 60));
    let why = match recorded.board.claim(&request(&agent("ann"))) {
        Err(Error::Refused(why)) => why,
        other => panic!("{other:?}"),
    };
    let recording = recorded.only();
    assert_eq!(refusal(&recording.ending), why);
    assert!(
        matches!(&recording.call, HookCall::Assignment { asker, .. } if asker.name == name("ann"))
    );
    assert!(
        matches!(&recording.staged[..], [Change::Recovered { id: of, .. }, ..] if *of == id("a"))
    );
    assert_eq!(recording.log, ["chooses for ann"]);
    let reran = again(&recording, Mode::RefuseWork);
    assert_eq!(reran.came, Came::Ended(recording.ending.clone()));
    assert_eq!(reran.log, recording.log);
    // It staged what it had staged then.
    assert!(matches!(&reran.staged[..], [Change::Remembered { key, .. }] if key == "other"));
}

pub(crate) fn what_earlier_hooks_staged_is_there_when_a_refused_event_is_told_again(kind: &Kind) {
    let recorded = Recorded::new(kind, Mode::RefuseEvent);
    let task = recorded.board.next("ann").unwrap();
    let proof = crate::board::proof(&task);
    let error = recorded.board.finish("a", &proof, &Finish::Complete(None)).unwrap_err();
    let Error::Refused(why) = error else { panic!("{error:?}") };
    let recording = recorded.only();
    assert!(matches!(
        &recording.call,
        HookCall::Lifecycle { task, event: Event::Cancelled, .. } if *task == id("b")
    ));
    assert!(why.starts_with("2 steps"), "those of the call before: {why}");
    assert!(why.contains("Some([1, 2])"), "what the call before remembered: {why}");
    assert_eq!(recording.log, ["refuses b"], "only what this call wrote");
    let reran = again(&recording, Mode::RefuseEvent);
    assert_eq!(reran.came, Came::Ended(Ending::Refused(why)));
    // Nothing came of it.
    assert_eq!(recorded.board.task("a").status, Status::InProgress);
}

pub(crate) fn failure_is_kept_with_its_kind_and_another_build_can_be_tried_on_it(kind: &Kind) {
    let recorded = Recorded::new(kind, Mode::Fail);
    assert!(matches!(recorded.board.claim(&request(&agent("ann"))), Err(Error::Policy(_))));
    let recording = recorded.only();
    let failed =
        |ending: &Ending| matches!(ending, Ending::Failed(f) if f.kind == FailureKind::Trap);
    assert!(failed(&recording.ending), "{:?}", recording.ending);
    assert_eq!(again(&recording, Mode::Fail).came, Came::Ended(recording.ending.clone()));
    let mended = again(&recording, Mode::Plain);
    assert_eq!(mended.came, Came::Answered(Answer::Assignment(Choice::Staged)));
    assert!(matches!(&mended.staged[..], [Change::Claimed { id: given, .. }] if *given == id("a")));
}

pub(crate) fn what_was_not_asked_then_is_unknown_and_not_the_policys_failure(kind: &Kind) {
    let recorded = Recorded::new(kind, Mode::RefuseWork);
    // Too large to be copied: only what was asked is there.
    let many: Vec<NewTask> = (0..COPIED_TASKS_MAX).map(|n| task(&format!("t{n}"))).collect();
    recorded.board.add(&many).unwrap();
    recorded.board.claim(&request(&agent("ann"))).unwrap_err();
    let recording = recorded.only();
    assert_eq!(again(&recording, Mode::RefuseWork).came, Came::Ended(recording.ending.clone()));
    let unknown = |mode| match again(&recording, mode).came {
        Came::Unknown(what) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(unknown(Mode::AskMore), "the task `c`");
    assert_eq!(unknown(Mode::ReadMore), "one more reading of the file `file`");
}

/// The mended policy asked for what came after the place where the other one had failed, so that nobody could say
/// whether it was mended.
pub(crate) fn small_board_is_kept_whole_for_a_policy_that_asks_for_more(kind: &Kind) {
    let recorded = Recorded::new(kind, Mode::RefuseEvent);
    let held = recorded.board.next("ann").unwrap();
    let proof = crate::board::proof(&held);
    recorded.board.finish("a", &proof, &Finish::Complete(None)).unwrap_err();
    let mut recording = recorded.only();
    let nothing = Choice::Nothing(None);
    recording.call =
        HookCall::Assignment { asker: agent("ann"), filter: Filter::default(), lease_ms: None };
    assert_eq!(again(&recording, Mode::AskMore).came, Came::Answered(Answer::Assignment(nothing)));
    // Locks and files are nobody's to copy.
    let Came::Ended(Ending::Refused(_)) = again(&recording, Mode::RefuseWork).came else {
        panic!("it refuses, having seen what the other one saw");
    };
    let Came::Unknown(what) = again(&recording, Mode::ReadMore).came else {
        panic!("the file was read twice");
    };
    assert_eq!(what, "one more reading of the file `file`");
}

pub(crate) fn nothing_is_kept_where_nothing_failed_and_only_the_first_where_much_did(kind: &Kind) {
    let recorded = Recorded::new(kind, Mode::Plain);
    recorded.board.next("ann").unwrap();
    recorded.board.engine.explain(&id("b"), Some(&agent("ann"))).unwrap();
    assert!(recorded.kept.lock().unwrap().is_empty());

    let recorded = Recorded::new(kind, Mode::Fail);
    for name in ["ann", "bob"] {
        recorded.board.claim(&request(&agent(name))).unwrap_err();
    }
    let recording = recorded.only();
    assert!(
        matches!(&recording.call, HookCall::Assignment { asker, .. } if asker.name == name("ann"))
    );
}

pub(crate) fn refusal_that_explain_only_tells_of_is_kept_as_a_dry_run(kind: &Kind) {
    let recorded = Recorded::new(kind, Mode::RefuseWork);
    recorded.board.engine.explain(&id("b"), Some(&agent("ann"))).unwrap();
    let recording = recorded.only();
    assert!(recording.dry);
    assert_eq!(again(&recording, Mode::RefuseWork).came, Came::Ended(recording.ending.clone()));
}

pub(crate) fn decision_that_read_more_than_a_recording_holds_is_not_kept_in_part(kind: &Kind) {
    const TASK_BYTES: usize = 1 << 20;
    let recorded = Recorded::new(kind, Mode::ReadAll);
    let data = Json::parse(&format!("{:?}", "x".repeat(TASK_BYTES - 2))).unwrap();
    for n in 0..=NOTES_BYTES_MAX / TASK_BYTES {
        let large = NewTask { data: data.clone(), ..task(&format!("large-{n}")) };
        recorded.board.add(&[large]).unwrap();
    }
    let error = recorded.board.claim(&request(&agent("ann"))).unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "the decision is the same: {error:?}");
    assert!(matches!(&recorded.kept.lock().unwrap()[..], [Err(TooLarge)]));
}

pub(crate) fn what_is_no_recording_is_told_from_one_that_is_damaged_or_newer(kind: &Kind) {
    let recorded = Recorded::new(kind, Mode::Fail);
    recorded.board.claim(&request(&agent("ann"))).unwrap_err();
    let text = recorded.only().encode().unwrap();
    for foreign in ["", "{}", "[1]", "\0asm", r#"{"schema":1,"task":null}"#] {
        let error = Recording::parse(foreign.as_bytes()).unwrap_err();
        assert!(matches!(error, InvalidRecording::Foreign), "{foreign}: {error}");
    }
    for cut in [text.len() / 3, text.len() / 2, text.len() - 3] {
        let error = Recording::parse(&text[..cut]).unwrap_err();
        assert!(matches!(error, InvalidRecording::Damaged(_)), "{error}");
    }
    let newer =
        String::from_utf8(text).unwrap().replacen(r#""recording":1"#, r#""recording":2"#, 1);
    let error = Recording::parse(newer.as_bytes()).unwrap_err();
    assert!(matches!(error, InvalidRecording::Newer { found: 2 }), "{error}");
}

pub(crate) fn component_that_is_small_is_kept_and_a_large_one_is_named_only(kind: &Kind) {
    let recorded = Recorded::new(kind, Mode::Fail);
    recorded.board.claim(&request(&agent("ann"))).unwrap_err();
    let mut recording = recorded.only();
    let large = vec![1; taskhost_board::recording::EMBEDDED_BYTES_MAX + 1];
    recording.embed(b"small".to_vec());
    recording.embed(large.clone());
    let read = Recording::parse(&recording.encode().unwrap()).unwrap();
    assert_eq!(read.component(Digest::of(b"small")), Some(&b"small"[..]));
    assert_eq!(read.component(Digest::of(&large)), None);
    let pin = PolicyPin { digest: Digest::of(b"plain"), settings: Default::default() };
    assert_eq!(read.policies, PolicySet { custom: None, standard: pin });
}
