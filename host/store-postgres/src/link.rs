//! One connection, driven by whoever uses it.
//!
//! - [`Link`]: the connection. [`Call`]: a statement with its parameters.
//!
//! Invariants:
//!
//! - every wait is bounded; a connection that was waited for in vain is broken, since its answer is unknown;
//! - the calls of a pipeline are sent in their order, in one go, and a call that can't be sent keeps those after it from
//!   being sent: a `COMMIT` is never sent without what it is to commit;
//! - a transaction that has failed can't be committed here, though the server would answer that politely.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
pub(crate) use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Error, Statement};

use crate::address::Address;
use crate::connect::{Driver, Made, Purpose, Server, connect};
pub(crate) use crate::fault::LinkError;
use crate::fault::is_outdated;
use crate::socket::{Halt, Socket, run};

/// How long an answer is waited for, unless [`Link::set_patience`] says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How many statements are kept prepared; beyond it all are forgotten.
const STATEMENTS_MAX: usize = 512;

/// A statement and its parameters.
#[derive(Clone)]
pub struct Call<'a> {
    /// The statement's text: prepared once for each connection, and known again by its text.
    pub sql: &'a str,
    /// What `$1` and so on stand for.
    params: Params<'a>,
}

/// Parameters, of whoever sends them or of the call itself.
#[derive(Clone)]
enum Params<'a> {
    Lent(&'a [Param<'a>]),
    Own(Vec<Param<'a>>),
}

/// What stands in the place of `$1`, or of another one.
pub type Param<'a> = &'a (dyn ToSql + Sync);

impl<'a> Call<'a> {
    /// A call.
    pub const fn new(sql: &'a str, params: &'a [Param<'a>]) -> Self {
        Self { sql, params: Params::Lent(params) }
    }

    /// A call that has its list of parameters itself.
    pub fn of(sql: &'a str, params: Vec<Param<'a>>) -> Self {
        Self { sql, params: Params::Own(params) }
    }

    fn params(&self) -> &[Param<'a>] {
        match &self.params {
            Params::Lent(params) => params,
            Params::Own(params) => params,
        }
    }
}

/// What a statement does to the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    Begin,
    Commit,
    Rollback,
}

/// Which transaction a connection is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Nothing,
    Transaction,
    FailedTransaction,
}

/// A connection.
pub struct Link {
    client: Arc<Client>,
    driver: Driver,
    socket: Arc<Socket>,
    server: Server,
    statements: HashMap<Box<str>, Statement>,
    patience: Duration,
    within: Within,
    /// Why it can't be used any more.
    broken: Option<String>,
    /// How many notifications came.
    heard: u64,
    /// How often something was sent and waited for.
    #[cfg(test)]
    turns: u64,
    pid: u32,
}

impl Link {
    /// Connects to the server, until `deadline` at the latest.
    pub fn connect(address: &Address, deadline: Instant) -> Result<Self, LinkError> {
        Self::connect_for(Purpose::Work, address, deadline)
    }

    /// Connects for a purpose.
    pub(crate) fn connect_for(
        purpose: Purpose,
        address: &Address,
        deadline: Instant,
    ) -> Result<Self, LinkError> {
        let Made { client, driver, socket, server } = connect(address, purpose, deadline)?;
        Ok(Self {
            client: Arc::new(client),
            driver,
            socket,
            server,
            statements: HashMap::new(),
            patience: PATIENCE,
            within: Within::Nothing,
            broken: None,
            heard: 0,
            #[cfg(test)]
            turns: 0,
            pid: std::process::id(),
        })
    }

    /// The server at the other end.
    pub fn server(&self) -> Server {
        self.server
    }

    /// How long each following answer is waited for. Says how long it was until now.
    pub fn set_patience(&mut self, patience: Duration) -> Duration {
        std::mem::replace(&mut self.patience, patience)
    }

    /// Sees to it that nobody uses this any more: what it holds goes with it.
    pub fn abandon(&mut self, why: &str) {
        self.broken.get_or_insert_with(|| why.to_owned());
    }

    /// Whether this can't be used any more.
    pub fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Whether a transaction is open.
    pub fn is_in_transaction(&self) -> bool {
        self.within != Within::Nothing
    }

    /// Whether this is the process that made it. A forked child must leave it alone.
    pub(crate) fn is_here(&self) -> bool {
        self.pid == std::process::id()
    }

    /// How many notifications have come until now.
    pub(crate) fn heard(&self) -> u64 {
        self.heard
    }

    #[cfg(test)]
    pub(crate) fn turns(&self) -> u64 {
        self.turns
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Sends all calls in one go and waits for all answers: the rows of each. The first error counts; those that follow
    /// from it don't. Outside of a transaction each call stands for itself, and those after a failed one are still done.
    pub fn pipeline(&mut self, calls: &[Call<'_>]) -> Result<Vec<Vec<Row>>, LinkError> {
        self.pipeline_and(calls, None)
    }

    /// The same, with a last statement whose answer nobody waits for: a hint to others.
    pub fn pipeline_then_forget(
        &mut self,
        calls: &[Call<'_>],
        last: Call<'_>,
    ) -> Result<Vec<Vec<Row>>, LinkError> {
        self.pipeline_and(calls, Some(last))
    }

    /// The rows of one call.
    pub fn query(&mut self, call: Call<'_>) -> Result<Vec<Row>, LinkError> {
        Ok(self.pipeline(&[call])?.pop().unwrap_or_default())
    }

    /// Runs statements that are separated by `;`, have no parameters and are not to be remembered.
    pub fn batch(&mut self, sql: &str) -> Result<(), LinkError> {
        self.check()?;
        let client = self.client.clone();
        let result = self.drive(client.batch_execute(sql))?;
        match control(sql) {
            Some(Control::Begin) => self.within = Within::Transaction,
            Some(Control::Commit | Control::Rollback) => self.within = Within::Nothing,
            None => {}
        }
        result.map_err(|error| self.failed(&error))
    }

    /// Ends an open transaction without a change, and doesn't wait for the answer.
    pub(crate) fn roll_back_and_forget(&mut self) -> Result<(), LinkError> {
        self.check()?;
        let client = self.client.clone();
        self.send_and_forget(Box::pin(client.batch_execute("ROLLBACK")))?;
        self.within = Within::Nothing;
        Ok(())
    }

    /// Takes in what has come unasked, without waiting. An end of the connection is noticed here.
    pub(crate) fn take_in(&mut self) -> Result<(), LinkError> {
        self.check()?;
        // Again and again: a farewell may come before the end.
        while let Some(flags) = self.socket.look() {
            self.take_in_heard(flags)?;
        }
        Ok(())
    }

    /// The same, where somebody else has asked the kernel.
    pub(crate) fn take_in_heard(&mut self, flags: PollFlags) -> Result<(), LinkError> {
        self.check()?;
        self.socket.heard(flags);
        let mut context = Context::from_waker(std::task::Waker::noop());
        if let Err(error) = pump(&mut self.driver, &mut self.heard, &mut context) {
            return Err(self.lose(&LinkError::of(&error)));
        }
        Ok(())
    }

    /// Runs a future of the library's with the client to itself: for migrations.
    pub(crate) fn with_client<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Client) -> T,
    ) -> Result<T, LinkError> {
        self.check()?;
        let Self { client, driver, socket, heard, patience, .. } = self;
        let client = Arc::get_mut(client)
            .ok_or_else(|| LinkError::Other("the connection is in use already".into()))?;
        let until = Instant::now() + *patience;
        let result = drive(driver, socket, heard, until, work(client));
        self.settle(result)
    }

    fn pipeline_and(
        &mut self,
        calls: &[Call<'_>],
        last: Option<Call<'_>>,
    ) -> Result<Vec<Vec<Row>>, LinkError> {
        self.check()?;
        self.check_commit(calls)?;
        if let Some((first, rest)) = calls.split_first()
            && self.within == Within::FailedTransaction
            && control(first.sql) == Some(Control::Rollback)
            && !calls.iter().all(|call| self.statements.contains_key(call.sql))
        {
            // Nothing can be prepared before the failed transaction has ended.
            self.batch(first.sql)?;
            let mut answers = self.pipeline_and(rest, last)?;
            answers.insert(0, Vec::new());
            return Ok(answers);
        }
        self.prepare(calls.iter().chain(last.as_ref()))?;
        let client = self.client.clone();
        let statement = |call: &Call<'_>| self.statements.get(call.sql).cloned();
        let mut answers = Vec::with_capacity(calls.len());
        for call in calls.iter().chain(last.as_ref()) {
            let Some(statement) = statement(call) else {
                return Err(LinkError::Other(format!("`{}` is not prepared", call.sql)));
            };
            answers.push(Answer::new(rows(client.clone(), statement, call.params())));
        }
        let waited = calls.len();
        let result = self.drive(all(&mut answers, waited))?;
        drop(answers);
        self.follow(calls, &result);
        if last.is_some() {
            self.flush()?;
        }
        match result {
            Done::Rows(rows) => Ok(rows),
            Done::Failed { error, .. } => Err(self.failed(&error)),
        }
    }

    /// Prepares what isn't yet, all in one go.
    fn prepare<'a>(
        &mut self,
        calls: impl Iterator<Item = &'a Call<'a>> + Clone,
    ) -> Result<(), LinkError> {
        let unknown = |statements: &HashMap<Box<str>, Statement>| {
            let mut texts: Vec<&'a str> = Vec::new();
            for call in calls.clone() {
                if !statements.contains_key(call.sql) && !texts.contains(&call.sql) {
                    texts.push(call.sql);
                }
            }
            texts
        };
        let mut texts = unknown(&self.statements);
        if texts.is_empty() {
            return Ok(());
        }
        if self.statements.len() + texts.len() > STATEMENTS_MAX {
            self.statements.clear();
            texts = unknown(&self.statements);
        }
        let client = self.client.clone();
        let mut answers: Vec<_> =
            texts.iter().map(|text| Answer::new(prepared(client.clone(), text))).collect();
        let waited = answers.len();
        let result = self.drive(all(&mut answers, waited))?;
        drop(answers);
        match result {
            Done::Rows(statements) => {
                let texts = texts.into_iter().map(Into::into);
                self.statements.extend(texts.zip(statements));
                Ok(())
            }
            Done::Failed { error, .. } => {
                if self.within == Within::Transaction {
                    self.within = Within::FailedTransaction;
                }
                Err(self.failed(&error))
            }
        }
    }

    /// What the calls have made of the transaction.
    fn follow(&mut self, calls: &[Call<'_>], result: &Done<Vec<Row>>) {
        let (failed_at, sent) = match result {
            Done::Rows(_) => (calls.len(), calls.len()),
            Done::Failed { at, sent, .. } => (*at, *sent),
        };
        for (place, call) in calls[..sent.min(calls.len())].iter().enumerate() {
            match control(call.sql) {
                Some(Control::Begin) if self.within == Within::Nothing => {
                    self.within = Within::Transaction;
                }
                Some(Control::Commit | Control::Rollback) => self.within = Within::Nothing,
                Some(Control::Begin) | None => {}
            }
            if place >= failed_at && self.within == Within::Transaction {
                self.within = Within::FailedTransaction;
            }
        }
    }

    /// The server would answer a commit of what has failed as if all were well.
    fn check_commit(&self, calls: &[Call<'_>]) -> Result<(), LinkError> {
        let first = calls.iter().find_map(|call| control(call.sql));
        if self.within == Within::FailedTransaction && first == Some(Control::Commit) {
            return Err(LinkError::Other(
                "the transaction has failed, and can't be committed".into(),
            ));
        }
        Ok(())
    }

    fn check(&self) -> Result<(), LinkError> {
        if !self.is_here() {
            return Err(LinkError::Lost(
                "it belongs to the process that this one was forked from".into(),
            ));
        }
        match &self.broken {
            Some(reason) => Err(LinkError::Lost(reason.clone())),
            None => Ok(()),
        }
    }

    fn drive<T>(&mut self, work: impl Future<Output = T>) -> Result<T, LinkError> {
        #[cfg(test)]
        {
            self.turns += 1;
        }
        let until = Instant::now() + self.patience;
        let result = drive(&mut self.driver, &self.socket, &mut self.heard, until, work);
        self.settle(result)
    }

    fn settle<T>(&mut self, result: Result<T, Stopped>) -> Result<T, LinkError> {
        result.map_err(|stopped| {
            let error = match stopped {
                Stopped::Halt(Halt::Timeout) => {
                    LinkError::Lost(format!("no answer within {:?}", self.patience))
                }
                Stopped::Halt(Halt::Io(error)) => LinkError::Lost(error.to_string()),
                Stopped::Driver(error) => LinkError::of(&error),
            };
            self.lose(&error)
        })
    }

    /// It can't be used any more, because of this.
    fn lose(&mut self, error: &LinkError) -> LinkError {
        let reason = match error {
            LinkError::Lost(reason) => reason.clone(),
            other => other.to_string(),
        };
        self.broken.get_or_insert_with(|| reason.clone());
        LinkError::Lost(reason)
    }

    /// An answer that says that something failed.
    fn failed(&mut self, error: &Error) -> LinkError {
        if is_outdated(error) {
            // A migration has changed the tables: prepared anew, the same succeeds.
            self.statements.clear();
            return LinkError::Serialization("the board's tables have changed meanwhile".into());
        }
        match LinkError::of(error) {
            lost @ LinkError::Lost(_) => self.lose(&lost),
            other => other,
        }
    }

    /// Sends what is to be sent and leaves its answer to the next use.
    fn send_and_forget(
        &mut self,
        mut work: Pin<Box<dyn Future<Output = Result<(), Error>> + '_>>,
    ) -> Result<(), LinkError> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let at_once = work.as_mut().poll(&mut context);
        drop(work);
        if let Poll::Ready(Err(error)) = at_once {
            return Err(self.failed(&error));
        }
        let result = pump(&mut self.driver, &mut self.heard, &mut context);
        result.map_err(|error| self.lose(&LinkError::of(&error)))?;
        self.flush()
    }

    /// Waits until all that is to be sent is sent.
    fn flush(&mut self) -> Result<(), LinkError> {
        if !self.socket.is_writing() {
            return Ok(());
        }
        let socket = self.socket.clone();
        self.drive(std::future::poll_fn(move |_| {
            if socket.is_writing() { Poll::Pending } else { Poll::Ready(()) }
        }))
    }
}

enum Stopped {
    Halt(Halt),
    Driver(Error),
}

/// Drives the connection until `work` is done.
fn drive<T>(
    driver: &mut Driver,
    socket: &Socket,
    heard: &mut u64,
    until: Instant,
    work: impl Future<Output = T>,
) -> Result<T, Stopped> {
    let mut work = std::pin::pin!(work);
    let result = run(socket, until, |context| {
        // First the work: what it sends is then written at once.
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Ok(done));
        }
        if let Err(error) = pump(driver, heard, context) {
            // What has come before the end is an answer still.
            return match work.as_mut().poll(context) {
                Poll::Ready(done) => Poll::Ready(Ok(done)),
                Poll::Pending => Poll::Ready(Err(error)),
            };
        }
        work.as_mut().poll(context).map(Ok)
    });
    match result {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Stopped::Driver(error)),
        Err(halt) => Err(Stopped::Halt(halt)),
    }
}

/// Reads what there is, writes what is to be written.
fn pump(driver: &mut Driver, heard: &mut u64, context: &mut Context<'_>) -> Result<(), Error> {
    loop {
        match driver.poll_message(context) {
            Poll::Ready(Some(Ok(AsyncMessage::Notification(_)))) => *heard += 1,
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(Some(Err(error))) => return Err(error),
            Poll::Ready(None) | Poll::Pending => return Ok(()),
        }
    }
}

async fn rows(
    client: Arc<Client>,
    statement: Statement,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Error> {
    client.query(&statement, params).await
}

async fn prepared(client: Arc<Client>, text: &str) -> Result<Statement, Error> {
    client.prepare(text).await
}

/// An answer that is waited for, or has come.
enum Answer<'a, T> {
    Awaited(Pin<Box<dyn Future<Output = Result<T, Error>> + 'a>>),
    Come(Result<T, Error>),
    Taken,
}

impl<'a, T> Answer<'a, T> {
    fn new(future: impl Future<Output = Result<T, Error>> + 'a) -> Self {
        Self::Awaited(Box::pin(future))
    }

    /// Whether it has come.
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        if let Self::Awaited(future) = self
            && let Poll::Ready(result) = future.as_mut().poll(context)
        {
            *self = Self::Come(result);
        }
        matches!(self, Self::Come(_))
    }
}

/// All answers.
enum Done<T> {
    Rows(Vec<T>),
    Failed {
        /// Which one failed first.
        at: usize,
        /// How many were sent.
        sent: usize,
        error: Error,
    },
}

/// Sends everything in its order, then waits for the first `waited` answers.
fn all<T>(answers: &mut Vec<Answer<'_, T>>, waited: usize) -> impl Future<Output = Done<T>> {
    let mut sent = 0;
    let mut stopped = false;
    let mut next = 0;
    std::future::poll_fn(move |context| {
        // The library sends at the first poll. What fails there wasn't sent, and nothing after it may be.
        while !stopped && sent < answers.len() {
            stopped = answers[sent].poll(context);
            sent += usize::from(!stopped);
        }
        while next < sent.min(waited) {
            if !answers[next].poll(context) {
                return Poll::Pending;
            }
            next += 1;
        }
        Poll::Ready(collect(answers, waited, sent))
    })
}

fn collect<T>(answers: &mut [Answer<'_, T>], waited: usize, sent: usize) -> Done<T> {
    let mut rows = Vec::with_capacity(waited);
    for (at, answer) in answers.iter_mut().take(waited).enumerate() {
        match std::mem::replace(answer, Answer::Taken) {
            Answer::Come(Ok(row)) => rows.push(row),
            Answer::Come(Err(error)) => return Done::Failed { at, sent, error },
            Answer::Awaited(_) | Answer::Taken => unreachable!("one before it failed"),
        }
    }
    Done::Rows(rows)
}

/// Whether a statement begins or ends a transaction. Going back to a savepoint does neither.
fn control(sql: &str) -> Option<Control> {
    let mut words = sql.split(|c: char| c.is_whitespace() || c == ';').filter(|w| !w.is_empty());
    let first = words.next()?;
    let is = |word: &str| first.eq_ignore_ascii_case(word);
    if is("begin") || is("start") {
        Some(Control::Begin)
    } else if is("commit") || is("end") {
        Some(Control::Commit)
    } else if is("abort")
        || is("rollback") && !words.next().is_some_and(|word| word.eq_ignore_ascii_case("to"))
    {
        Some(Control::Rollback)
    } else {
        None
    }
}
