//! Asking, working, and what operators do.

use taskhost_board::{
    Action, ChangeRequest, ClaimOutcome, ClaimRequest, Error, Finish, Millis, NewTask, Proof,
    Status, Task, TaskId, Token,
};

use super::{Hand, Holding, NOT_RECORDED, Replay, Step, soon};
use crate::course::{Offers, Wish};
use crate::history::{Asked, Ending, Told, Wanted, Worker, median};

/// After how long a worker that got nothing asks again, if nothing happens: as taskhost's waiting does.
const ASK_AGAIN_MS: u64 = 10_000;
/// How often in a row it does so after the history ends: a policy may never give it anything.
const IN_VAIN_MAX: u32 = 100;
/// How often a lease is extended during one try, at most.
const BEATS_MAX: u64 = 10_000;

impl Hand {
    pub(super) fn new(worker: &Worker, offers: &mut Offers) -> Self {
        let wanted = worker.asked.iter().map(|asked| match asked.filter.only {
            Some(_) => Wanted::One,
            None => Wanted::Any(offers.wish(&asked.filter)),
        });
        // The first request comes when the worker does.
        let later = || worker.asked.iter().skip(1);
        let away = median(later().map(|asked| asked.away_ms).collect());
        let reaction = median(later().map(|asked| asked.reaction_ms).collect());
        Self {
            wanted: wanted.collect(),
            next: 0,
            away_until: Millis(0),
            asked_at: None,
            told: None,
            is_working: false,
            asks_again_at: Millis(0),
            in_vain: 0,
            usual_ms: (away, reaction),
        }
    }
}

impl Replay<'_> {
    /// The worker's next request, how it was made in the history if it is there, and what it wishes for; `None` if
    /// the worker has left.
    fn request(&self, worker: usize) -> Option<(&Asked, Option<&Asked>, Wanted)> {
        let (hand, recorded) = (&self.hands[worker], &self.workload.workers[worker]);
        let index = hand.next.min(recorded.asked.len().checked_sub(1)?);
        let (asked, wanted) = (&recorded.asked[index], hand.wanted[index]);
        if hand.next < recorded.asked.len() {
            return Some((asked, Some(asked), wanted));
        }
        let is_there = self.now < recorded.until || recorded.stays_ms.is_some();
        let stays = is_there && matches!(wanted, Wanted::Any(_));
        stays.then_some((asked, None, wanted))
    }

    fn reaction_ms(&self, worker: usize) -> u64 {
        let (hand, worker) = (&self.hands[worker], &self.workload.workers[worker]);
        let usual = hand.usual_ms.1;
        match worker.asked.get(hand.next) {
            Some(asked) => asked.reaction_ms,
            None if self.now < worker.until => usual,
            None => usual.max(worker.stays_ms.unwrap_or_default()),
        }
    }

    /// A worker may ask: it does, if there is something for it, and it has noticed.
    pub(super) fn ask(&mut self, worker: usize) -> Result<(), Error> {
        let hand = &self.hands[worker];
        if hand.is_working || self.now < hand.away_until {
            return Ok(());
        }
        let was_held_back = self.held_back.remove(&worker);
        let Some((asked, recorded, wanted)) = self.request(worker) else { return Ok(()) };
        let sequence = recorded.map_or(NOT_RECORDED, |asked| asked.sequence);
        let agent = self.workload.workers[worker].agent(asked);
        let Wanted::Any(wish) = wanted else { return self.claim(worker, None) };
        match self.ledger.offers.offer(wish, &agent) {
            None => {
                self.waiting.entry(wish).or_default().insert(worker);
                Ok(())
            }
            Some(offer) => {
                let notices = offer.since.plus(self.reaction_ms(worker));
                if notices > self.now && !was_held_back {
                    self.queue.push(notices, sequence, Step::Ask(worker));
                    return Ok(());
                }
                self.claim(worker, Some(wish))
            }
        }
    }

    fn claim(&mut self, worker: usize, wish: Option<Wish>) -> Result<(), Error> {
        let Some((asked, _, _)) = self.request(worker) else { return Ok(()) };
        let agent = self.workload.workers[worker].agent(asked);
        let filter = asked.filter.clone();
        if agent.living && !self.living.contains_key(&agent.session) {
            let life = taskhost_board::Store::live(&self.store, &agent.session)?;
            self.living.insert(agent.session.clone(), life);
        }
        self.hands[worker].asked_at.get_or_insert(self.now);
        self.asking = Some((worker, wish));
        self.lines.lock().clear();
        let request = ClaimRequest { agent: agent.clone(), filter, lease_ms: None, key: None };
        let answer = self.engine.claim(&request, soon());
        self.follow();
        self.asking = None;
        match answer {
            Ok(ClaimOutcome::Claimed { task, .. }) => {
                self.work(worker, &task);
                return Ok(());
            }
            Ok(ClaimOutcome::Nothing { detail, .. }) => {
                let said = detail.or_else(|| self.said());
                self.hands[worker].told = Some(said.unwrap_or_else(|| "nothing".into()));
            }
            // Somebody else has the task that was asked for, or it has ended.
            Err(Error::Held { .. } | Error::Reserved { .. } | Error::NoSuchTask(_))
            | Err(Error::Transition { .. })
                if wish.is_none() => {}
            Err(error) => {
                self.hands[worker].told = Some(error.to_string());
                self.went_wrong("an agent asked for work", error)?;
            }
        }
        if wish.is_none() {
            // It was about this one task, and is over.
            self.ledger.course.moot += 1;
            self.hands[worker].next += 1;
            self.free(worker);
            return Ok(());
        }
        self.hold_back(worker);
        Ok(())
    }

    /// What the policy wrote about the decision that was just made.
    fn said(&self) -> Option<String> {
        let lines = std::mem::take(&mut *self.lines.lock());
        (!lines.is_empty()).then(|| lines.join("; "))
    }

    /// The worker got nothing: it asks again when something has happened, or after a while.
    fn hold_back(&mut self, worker: usize) {
        self.held_back.insert(worker);
        let again = self.now.plus(ASK_AGAIN_MS);
        let hand = &mut self.hands[worker];
        if hand.asks_again_at > self.now {
            return;
        }
        if self.workload.basis.span.is_none_or(|(_, to)| again > to) {
            hand.in_vain += 1;
        }
        if hand.in_vain <= IN_VAIN_MAX {
            hand.asks_again_at = again;
            self.queue.push(again, NOT_RECORDED, Step::Ask(worker));
        }
    }

    /// A claim is about to be entered in the books.
    pub(super) fn decided(&mut self, id: &TaskId, worker: usize, wish: Option<Wish>) {
        let Some((asked, _, _)) = self.request(worker) else { return };
        let agent = self.workload.workers[worker].agent(asked);
        let Some(mut decision) = self.ledger.decision(self.now, worker, &agent, id, wish) else {
            return;
        };
        let hand = &mut self.hands[worker];
        decision.asked_at = hand.asked_at.take().unwrap_or(self.now);
        decision.held_back = hand.told.take();
        decision.log = std::mem::take(&mut *self.lines.lock());
        self.ledger.course.decisions.push(decision);
    }

    fn work(&mut self, worker: usize, task: &Task) {
        let Some(claim) = &task.claim else { return };
        let hand = &mut self.hands[worker];
        hand.is_working = true;
        hand.in_vain = 0;
        hand.next += 1;
        let tries = self.ledger.tasks.get(&task.id).map_or(1, |known| known.claims) as usize;
        let fate = self.workload.attempts.fate(&task.id, &task.task_type, tries - 1);
        let ends_at = self.now.plus(fate.ms);
        let id = task.id.clone();
        let lease_ends = claim.lease.until;
        let dies = fate.ending == Ending::Died && claim.living;
        if fate.ending == Ending::Silent || (fate.ending == Ending::Died && !dies) {
            self.queue.push(lease_ends, NOT_RECORDED, Step::Due);
        } else {
            let sequence = fate.sequence.unwrap_or(NOT_RECORDED);
            self.queue.push(ends_at, sequence, Step::End(id.clone(), claim.token));
            if lease_ends <= ends_at {
                let step = Step::Beat(id.clone(), claim.token);
                self.queue.push(
                    self.now.plus(beat_ms(claim.lease_ms, fate.ms)),
                    NOT_RECORDED,
                    step,
                );
            }
        }
        let (session, token) = (claim.session.clone(), claim.token);
        self.holdings.insert(id, Holding { worker, session, token, fate, ends_at });
    }

    /// A holder extends its lease, and will again.
    pub(super) fn beat(&mut self, id: &TaskId, token: Token) -> Result<(), Error> {
        let Some(proof) = self.proof(id, token) else { return Ok(()) };
        match self.engine.heartbeat(id, &proof, None, soon()) {
            Ok(held) => {
                let left = self.holdings[id].ends_at.0.saturating_sub(self.now.0);
                if let Some(claim) = held.task.claim.filter(|claim| claim.lease_ms <= left) {
                    let at = self.now.plus(beat_ms(claim.lease_ms, left));
                    self.queue.push(at, NOT_RECORDED, Step::Beat(id.clone(), token));
                }
            }
            Err(error) => self.went_wrong("a holder extended its lease", error)?,
        }
        self.follow();
        Ok(())
    }

    /// What the holder of this claim presents, if it is still held.
    fn proof(&self, id: &TaskId, token: Token) -> Option<Proof> {
        let holding = self.holdings.get(id).filter(|holding| holding.token == token)?;
        let agent = self.workload.workers[holding.worker].name.clone();
        Some(Proof { agent, token: Some(token) })
    }

    /// A try ends.
    pub(super) fn end(&mut self, id: &TaskId, token: Token) -> Result<(), Error> {
        let Some(proof) = self.proof(id, token) else { return Ok(()) };
        let (ending, session) = (&self.holdings[id].fate.ending, &self.holdings[id].session);
        match ending.clone() {
            Ending::Died => {
                self.living.remove(&session.clone());
                self.keep_up()?;
                return Ok(());
            }
            Ending::Parked(reason) => {
                let proof = Some(proof.clone());
                let action = Action::Block { reason, proof, force: false };
                self.change(vec![id.clone()], action, None)?;
            }
            Ending::Completed(result) => {
                self.finish(id, &proof, &Finish::Complete(result), "a task was completed")?;
            }
            Ending::Failed(error) => {
                self.finish(id, &proof, &Finish::Fail(error), "a task failed")?;
            }
            Ending::Released(reason) => {
                self.finish(id, &proof, &Finish::Release(reason), "a task was handed back")?;
            }
            Ending::Silent => return Ok(()),
        }
        // What was refused leaves nobody sitting on it.
        let why = || Some("the policy didn't let it end otherwise".to_owned());
        for finish in [Finish::Fail(why()), Finish::Release(why())] {
            if self.proof(id, token).is_some() {
                self.finish(id, &proof, &finish, "a task was given up")?;
            }
        }
        if let Some(claim) = self.ledger.tasks.get(id).and_then(|known| known.task.claim.as_ref()) {
            self.queue.push(claim.lease.until.max(self.now), NOT_RECORDED, Step::Due);
        }
        Ok(())
    }

    fn finish(
        &mut self,
        id: &TaskId,
        proof: &Proof,
        how: &Finish,
        what: &str,
    ) -> Result<(), Error> {
        if let Err(error) = self.engine.finish(id, proof, how, soon()) {
            self.went_wrong(what, error)?;
        }
        self.follow();
        Ok(())
    }

    /// A worker has nothing to do any more, and will ask again.
    pub(super) fn free(&mut self, worker: usize) {
        let recorded = self.workload.workers[worker].asked.get(self.hands[worker].next);
        let hand = &mut self.hands[worker];
        let (away, sequence) = recorded
            .map_or((hand.usual_ms.0, NOT_RECORDED), |asked| (asked.away_ms, asked.sequence));
        hand.is_working = false;
        hand.asked_at = None;
        hand.told = None;
        hand.away_until = self.now.plus(away);
        self.queue.push(hand.away_until, sequence, Step::Ask(worker));
    }

    /// Calls those for whom something became ready, and, if something happened, those who were held back.
    pub(super) fn wake(&mut self) {
        let (opened, called) = self.ledger.offers.take_calls();
        let mut woken: Vec<usize> = Vec::new();
        for wish in opened {
            woken.extend(self.waiting.remove(&wish).into_iter().flatten());
        }
        if !called.is_empty() {
            for workers in self.waiting.values_mut() {
                let meant = |worker: &usize| called.contains(&self.workload.workers[*worker].name);
                let (calls, stays) = workers.iter().copied().partition(meant);
                *workers = stays;
                let calls: std::collections::BTreeSet<usize> = calls;
                woken.extend(calls);
            }
        }
        for worker in woken {
            let at = self.now.plus(self.reaction_ms(worker));
            self.call(worker, at);
        }
        if std::mem::take(&mut self.is_stirred) {
            for worker in self.held_back.clone() {
                self.call(worker, self.now);
            }
        }
    }

    fn call(&mut self, worker: usize, at: Millis) {
        let recorded = self.workload.workers[worker].asked.get(self.hands[worker].next);
        let sequence = recorded.map_or(NOT_RECORDED, |asked| asked.sequence);
        self.queue.push(at, sequence, Step::Ask(worker));
    }

    /// Something that came at its recorded time.
    pub(super) fn told(&mut self, index: usize) -> Result<(), Error> {
        let workload = self.workload;
        match &workload.events[index].2 {
            Told::Add(tasks) => {
                let mut tasks = tasks.clone();
                self.forget_missing(tasks.iter_mut().collect());
                let added = self.engine.add(&tasks, soon()).map(|_| ());
                self.added(tasks.len(), added)?;
            }
            Told::Adopt(arrivals) => {
                let mut arrivals = arrivals.clone();
                self.forget_missing(arrivals.iter_mut().map(|arrival| &mut arrival.new).collect());
                let adopted = self.engine.adopt(&arrivals, soon()).map(|_| ());
                self.added(arrivals.len(), adopted)?;
            }
            Told::Change(ids, action, by) => {
                self.change(ids.clone(), (**action).clone(), by.clone())?;
            }
            Told::Meta(key, value) => {
                let by = None;
                if let Err(error) = self.engine.set_meta(key, value.as_ref(), None, by, soon()) {
                    self.went_wrong("metadata was set", error)?;
                }
                self.follow();
            }
            Told::End(id, proof, how) => {
                self.finish(id, proof, how, "a task was ended that was claimed before")?;
            }
        }
        Ok(())
    }

    /// What was archived before, or wasn't let onto the board, is waited for by nobody.
    fn forget_missing(&self, tasks: Vec<&mut NewTask>) {
        let added: std::collections::BTreeSet<TaskId> =
            tasks.iter().filter_map(|task| task.id.clone()).collect();
        let there = |id: &TaskId| added.contains(id) || self.ledger.tasks.contains_key(id);
        for task in tasks {
            task.after.retain(there);
            task.parent = task.parent.take().filter(there);
        }
    }

    fn added(&mut self, count: usize, done: Result<(), Error>) -> Result<(), Error> {
        if let Err(error) = done {
            self.ledger.course.not_added += count as u64;
            self.went_wrong("tasks were added", error)?;
        }
        self.follow();
        Ok(())
    }

    /// An operator answers what a task came to.
    pub(super) fn answer(&mut self, id: &TaskId, from: Status, times: usize) -> Result<(), Error> {
        let answers = self.workload.answers.get(id);
        let Some(answer) = answers.and_then(|answers| answers.get(&(from, times))) else {
            return Ok(());
        };
        self.change(vec![id.clone()], answer.action.clone(), answer.by.clone())
    }

    fn change(
        &mut self,
        ids: Vec<TaskId>,
        action: Action,
        by: Option<taskhost_board::Name>,
    ) -> Result<(), Error> {
        let ids: Vec<TaskId> =
            ids.into_iter().filter(|id| self.ledger.tasks.contains_key(id)).collect();
        if ids.is_empty() {
            self.ledger.course.moot += 1;
            return Ok(());
        }
        let what = format!("an operator asked for `{}`", action.command().as_str());
        let request = ChangeRequest { ids, action, by, together: true, dry_run: false };
        match self.engine.change(&request, soon()) {
            Ok(_) => {}
            Err(error @ (Error::Refused(_) | Error::Policy(_))) => self.went_wrong(&what, error)?,
            Err(error @ (Error::Read(_) | Error::Begin(_) | Error::Commit(_))) => {
                return Err(error);
            }
            // It was done already, or can't be where the board stands otherwise.
            Err(_) => self.ledger.course.moot += 1,
        }
        self.follow();
        Ok(())
    }
}

/// After how long a lease of this length is extended, if the try takes `ms` more.
fn beat_ms(lease_ms: u64, ms: u64) -> u64 {
    (lease_ms / 2).max(ms / BEATS_MAX).max(1)
}
