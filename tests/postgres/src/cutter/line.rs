//! One connection of a client through a [`Cutter`](super::Cutter): a thread for each direction.

use super::Shared;
use super::messages::{Client, Said, Splitter};
use super::plan::{Ending, Fault};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;

/// What both threads know of it.
#[derive(Debug)]
pub struct Line {
    client: TcpStream,
    /// None yet, while the cutter is paused.
    server: Option<TcpStream>,
    ended: Option<Ending>,
    /// It is to be given up: nothing is waited for any more.
    dropped: bool,
    /// How often the server will have said "ready" when it has done all that it was sent.
    readies_asked: u64,
    readies: u64,
    /// The "ready" up to which the server's answers don't arrive, from the one before it on.
    lost: Option<(u64, Ending)>,
    /// How many answers come that are a byte and no message.
    single_bytes: usize,
    /// Nothing can be understood.
    encrypted: bool,
}

impl Line {
    pub fn new(client: TcpStream) -> Self {
        Self {
            client,
            server: None,
            ended: None,
            dropped: false,
            readies_asked: 0,
            readies: 0,
            lost: None,
            single_bytes: 0,
            encrypted: false,
        }
    }

    /// Ends it. What the server was sent it still gets: closing at once could take it away again.
    pub fn end(&mut self, ending: Ending) {
        if self.ended == Some(Ending::Closed) {
            return;
        }
        self.ended = Some(ending);
        if ending == Ending::Closed {
            // Errors mean that the other side was faster.
            let _ = self.client.shutdown(Shutdown::Both);
            if let Some(server) = &self.server {
                let _ = server.shutdown(Shutdown::Write);
            }
        }
    }

    /// Ends it without waiting for anybody.
    pub fn drop_now(&mut self) {
        self.end(Ending::Closed);
        self.dropped = true;
        if let Some(server) = &self.server {
            let _ = server.shutdown(Shutdown::Both);
        }
    }

    fn is_silent(&self) -> bool {
        self.ended == Some(Ending::Silent)
    }
}

/// A line by its number.
#[derive(Clone)]
pub struct Lines {
    pub shared: Arc<Shared>,
    pub number: u64,
}

impl Lines {
    /// Passes on what is said in both directions, until it has ended.
    pub fn run(self, client: TcpStream) {
        if let Some(server) = self.connect() {
            let back = {
                let (lines, server, client) =
                    (self.clone(), server.try_clone(), client.try_clone());
                thread::spawn(move || {
                    if let (Ok(server), Ok(client)) = (server, client) {
                        lines.backward(server, client);
                    }
                })
            };
            self.forward(client, server);
            let _ = back.join();
        } else {
            let _ = client.shutdown(Shutdown::Both);
        }
        self.shared.state().lines.remove(&self.number);
    }

    fn connect(&self) -> Option<TcpStream> {
        if !self.may_pass() {
            return None;
        }
        let server = TcpStream::connect((self.shared.host.as_str(), self.shared.port)).ok()?;
        let _ = server.set_nodelay(true);
        let ours = server.try_clone().ok()?;
        let passes = self.on_line(|line| {
            line.server = Some(ours);
            line.ended.is_none()
        });
        passes.unwrap_or(false).then_some(server)
    }

    fn on_line<T>(&self, act: impl FnOnce(&mut Line) -> T) -> Option<T> {
        self.shared.state().lines.get_mut(&self.number).map(act)
    }

    /// Waits while nothing passes. Whether anything ever will.
    fn may_pass(&self) -> bool {
        let mut state = self.shared.state();
        loop {
            let paused = state.paused;
            let Some(line) = state.lines.get(&self.number) else { return false };
            match line.ended {
                Some(Ending::Closed) => return false,
                None if !paused => return true,
                None | Some(Ending::Silent) => state = self.shared.wait(state),
            }
        }
    }

    /// From the client to the server.
    fn forward(&self, mut client: TcpStream, mut server: TcpStream) {
        let (mut parser, mut said, mut chunk) = (Client::default(), 0, [0; 16_384]);
        loop {
            let length = client.read(&mut chunk).unwrap_or(0);
            if !self.may_pass() {
                return;
            }
            if length == 0 {
                let _ = server.write_all(parser.splitter().rest());
                let _ = server.shutdown(Shutdown::Write);
                return;
            }
            parser.splitter().push(&chunk[..length]);
            said += length as u64;
            if let Some((bytes, ending)) = self.shared.count(said) {
                // All before was passed on already, but for what isn't a whole message.
                let waiting = parser.splitter().take_all();
                let passed = said - waiting.len() as u64;
                let some = usize::try_from(bytes.saturating_sub(passed)).unwrap_or(usize::MAX);
                let _ = server.write_all(&waiting[..some.min(waiting.len())]);
                self.end(ending);
                continue;
            }
            if !self.pass_messages(&mut parser, &mut server) {
                self.end(Ending::Closed);
                return;
            }
        }
    }

    /// Whether the server took them.
    fn pass_messages(&self, parser: &mut Client, server: &mut TcpStream) -> bool {
        if self.on_line(|line| line.encrypted).unwrap_or(false) {
            return server.write_all(&parser.splitter().take_all()).is_ok();
        }
        while let Some((said, bytes)) = parser.take() {
            if let Some(ending) = self.before_passing(&said) {
                self.end(ending);
                return true;
            }
            if server.write_all(&bytes).is_err() {
                return false;
            }
        }
        true
    }

    /// Notes what the server is about to be sent; or says how the line ends, because it isn't sent.
    fn before_passing(&self, said: &Said) -> Option<Ending> {
        let mut state = self.shared.state();
        let plan = state.plans.at(said);
        if matches!(&plan, Some(plan) if matches!(plan.fault, Fault::Before(_))) {
            state.happened += 1;
            return plan.map(|plan| plan.ending);
        }
        let line = state.lines.get_mut(&self.number)?;
        if let Some(plan) = plan {
            line.lost = Some((line.readies_asked + 1, plan.ending));
        }
        line.readies_asked += u64::from(said.makes_ready());
        line.single_bytes += usize::from(*said == Said::Encrypt);
        None
    }

    /// From the server to the client.
    fn backward(&self, mut server: TcpStream, mut client: TcpStream) {
        let (mut splitter, mut chunk) = (Splitter::default(), [0; 16_384]);
        loop {
            let length = server.read(&mut chunk).unwrap_or(0);
            if !self.may_pass() {
                // Nothing is lost of what the server was sent only if we read until it has ended.
                self.drain(&mut server, length);
                return;
            }
            if length == 0 {
                let _ = client.write_all(splitter.rest());
                let _ = client.shutdown(Shutdown::Both);
                return;
            }
            splitter.push(&chunk[..length]);
            while let Some((bytes, passes)) = self.take_answer(&mut splitter) {
                if passes && client.write_all(&bytes).is_err() {
                    self.end(Ending::Closed);
                }
            }
        }
    }

    fn drain(&self, server: &mut TcpStream, mut length: usize) {
        let mut chunk = [0; 16_384];
        while length > 0 && !self.on_line(|line| line.dropped).unwrap_or(true) {
            length = server.read(&mut chunk).unwrap_or(0);
        }
    }

    /// The server's next message, and whether it arrives.
    fn take_answer(&self, splitter: &mut Splitter) -> Option<(Vec<u8>, bool)> {
        let mut state = self.shared.state();
        let line = state.lines.get_mut(&self.number)?;
        if line.encrypted {
            let all = splitter.take_all();
            return (!all.is_empty()).then_some((all, true));
        }
        if line.single_bytes > 0 {
            let byte = splitter.take_byte()?;
            line.single_bytes -= 1;
            line.encrypted = byte != b'N';
            return Some((vec![byte], true));
        }
        let message = splitter.take_message()?;
        let passes = line.ended.is_none() && line.lost.is_none_or(|(at, _)| line.readies + 1 < at);
        line.readies += u64::from(message[0] == b'Z');
        if let Some((at, ending)) = line.lost
            && line.readies == at
        {
            line.end(ending);
            line.lost = None;
            state.happened += 1;
            self.shared.notify();
        }
        Some((message, passes))
    }

    fn end(&self, ending: Ending) {
        self.on_line(|line| {
            if !line.is_silent() {
                line.end(ending);
            }
        });
        self.shared.notify();
    }
}
