//! The protocol's requests.
//!
//! What a board does may wait for its lock, so it is done on threads beside the one that listens.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, DiscoverResult, Implementation,
    InitializeRequestParams, InitializeResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
    ServerCapabilities,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, ReadBuf};

use crate::seat::Seat;
use crate::tools::Call;
use crate::{ServeError, resources, tools};

/// A server for one client.
pub struct Server {
    seat: Arc<Seat>,
    /// Whether the client has gone, so that nobody is there to be given anything.
    has_gone: Arc<AtomicBool>,
}

impl Server {
    /// A server for the agent that will sit there.
    pub fn new(seat: Seat) -> Self {
        Self { seat: Arc::new(seat), has_gone: Arc::default() }
    }
}

/// Serves until the client goes.
pub async fn run(server: Server) -> Result<(), ServeError> {
    use rmcp::service::ServerInitializeError as Initialize;
    let (input, output) = rmcp::transport::stdio();
    let input = Ending { input, has_ended: server.has_gone.clone() };
    match server.serve((input, output)).await {
        Ok(running) => {
            // How it went is for the client to know: here it is over.
            let _ = running.waiting().await;
            Ok(())
        }
        // Who comes and goes without a word has asked for nothing.
        Err(Initialize::ConnectionClosed(_)) => Ok(()),
        Err(error) => Err(ServeError::Client(error.to_string())),
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> InitializeResult {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().build();
        InitializeResult::new(capabilities)
            .with_server_info(Implementation::new("taskhost", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        context.peer.set_peer_info(request.clone());
        let mut info = self.negotiate_initialize(&request)?;
        info.instructions = Some(self.instructions(Some(request.client_info.name)).await?);
        Ok(info)
    }

    async fn discover(
        &self,
        context: RequestContext<RoleServer>,
    ) -> Result<DiscoverResult, ErrorData> {
        let client = context.client_info().map(|info| info.name);
        let info = self.get_info().with_instructions(self.instructions(client).await?);
        let versions = self.supported_protocol_versions().into_owned();
        Ok(DiscoverResult::from_server_info(versions, info))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::list()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = tools::find(&request.name) else {
            let names: Vec<&str> = tools::ALL.iter().map(|tool| tool.name).collect();
            let message =
                format!("there is no tool `{}`: there are {}", request.name, names.join(", "));
            return Err(ErrorData::invalid_params(message, None));
        };
        // Of this request: a client of a newer protocol says it with each, and never introduces itself.
        let client = context.client_info().map(|info| info.name);
        let (seat, cancelled) = (self.seat.clone(), context.ct.clone());
        let has_gone = self.has_gone.clone();
        let arguments = request.arguments.unwrap_or_default();
        let answer = off_the_ear(move || {
            let is_cancelled = || cancelled.is_cancelled() || has_gone.load(Ordering::Relaxed);
            let call = Call { seat: &seat, client: client.as_deref(), is_cancelled: &is_cancelled };
            tool.call(&call, arguments)
        });
        Ok(match answer.await? {
            Ok(answer) => CallToolResult::structured(answer).into(),
            Err(failure) => CallToolResult::structured_error(tools::failed(&failure)).into(),
        })
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources::list()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let seat = self.seat.clone();
        off_the_ear(move || resources::read(seat.board(), &request.uri)).await?.map(Into::into)
    }
}

impl Server {
    /// What an agent reads before it calls anything: who it is, and how to work.
    async fn instructions(&self, client: Option<String>) -> Result<String, ErrorData> {
        let seat = self.seat.clone();
        let agent = off_the_ear(move || {
            seat.session(client.as_deref()).ok().map(|session| session.agent().clone())
        });
        Ok(match agent.await? {
            Some(agent) => {
                format!("You are `{}`, session `{}`. {INSTRUCTIONS}", agent.name, agent.session)
            }
            // If the session can't begin, each tool says why.
            None => INSTRUCTIONS.to_owned(),
        })
    }
}

/// How to work.
const INSTRUCTIONS: &str = "This board gives each task to one agent. Loop: board_next claims a task; do the work; \
board_finish ends it (complete, fail, release, or block with a question for a human). On long work call \
board_heartbeat before lease_until. A `claimed` or `stale_token` error means that the task is somebody else's now: \
stop working on it. Add what you find to be done with board_add.";

/// What a client says, and whether it has stopped: requests that are being answered then are still waited for, and have
/// to know.
struct Ending<R> {
    input: R,
    has_ended: Arc<AtomicBool>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Ending<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = ready!(Pin::new(&mut self.input).poll_read(context, into));
        if read.is_err() || (into.filled().len() == before && into.remaining() > 0) {
            self.has_ended.store(true, Ordering::Relaxed);
        }
        Poll::Ready(read)
    }
}

/// Does on another thread what may wait.
async fn off_the_ear<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ErrorData> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        ErrorData::internal_error(format!("the request ended unexpectedly: {error}"), None)
    })
}

/// Arguments as they come.
pub type Arguments = Map<String, Value>;
