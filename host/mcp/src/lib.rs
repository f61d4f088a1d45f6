//! A board for agents that speak the Model Context Protocol: a server on standard input and output.
//!
//! - [`serve`]: serves one client until it goes. [`Options`]: who the agent is.
//! - `server`: the protocol's requests. `seat`: the agent's session, which the server holds for as long as it runs.
//! - `tools`: what an agent can do, one file for each; `arguments`: how they are read; `resources`: what it can look at.
//!
//! The server is the session: it holds the life lock, so that when the client goes, however it goes, what its agent
//! held comes back at once. Answers are those of `taskhost_answers`, the same as with `taskhost --json`.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that can't go on should stop"))]

mod arguments;
mod resources;
mod seat;
mod server;
mod tools;

use taskhost::{AgentKind, Board};

use crate::seat::Seat;
use crate::server::Server;

/// Who the agent is.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Its name; the client's own if none is given.
    pub agent: Option<String>,
    /// What kind of worker it is.
    pub kind: AgentKind,
    /// The machine it works on; this one unless said otherwise.
    pub hostname: Option<String>,
    /// What it can do, as tasks' needs name it.
    pub capabilities: Vec<String>,
    /// The session's id; one is made if none is given.
    pub session: Option<String>,
}

/// What ends a server before its client does.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The agent's session can't begin.
    #[error(transparent)]
    Session(#[from] taskhost::Error),
    /// The runtime that waits for requests can't be made.
    #[error("requests can't be waited for")]
    Runtime(#[source] std::io::Error),
    /// The client's first words weren't the protocol's.
    #[error("the client can't be understood: {0}")]
    Client(String),
}

/// Serves the client on standard input and output until it goes. What is still being waited for then is given up.
///
/// # Errors
///
/// If the session can't begin, or the client doesn't speak the protocol.
pub fn serve(board: Board, options: Options) -> Result<(), ServeError> {
    let seat = Seat::new(board, options);
    seat.take_if_named()?;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().map_err(ServeError::Runtime)?;
    let served = runtime.block_on(server::run(Server::new(seat)));
    // A claim that waits would keep the process, and with it the life lock.
    runtime.shutdown_background();
    served
}
