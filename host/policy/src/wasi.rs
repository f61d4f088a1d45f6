//! An empty WASI, for languages whose runtimes want one: no files, no environment, no arguments, no network;
//! the clocks are the transaction's, and so are the random numbers; what is written to standard output and
//! error goes to the log.
//!
//! Nothing here waits. Where wasmtime-wasi would start a thread pool and block, the operation is tried once,
//! and if it isn't done then, the hook ends: nothing could ever finish it, since a policy's time stands still
//! during a hook.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wasmtime::component::{HasData, HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::io::{error as io_error, poll as later_poll, streams as later};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::p2::bindings::sockets::network;
use wasmtime_wasi::p2::bindings::sync::io::{poll, streams};
use wasmtime_wasi::p2::bindings::sync::sockets::udp_create_socket;
use wasmtime_wasi::p2::bindings::{cli, filesystem, sockets, sync};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, SocketError, SocketResult, StreamError,
    StreamResult, UdpSocket,
};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsCtxView, WasiSocketsView};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::failure::Abort;
use crate::log::{LOG_BYTES_MAX, Log};
use crate::state::State;

/// How many random bytes one call gives.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// The WASI of one instance.
pub(crate) struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
    printed: MemoryOutputPipe,
    /// How much of what was printed is in the log already.
    logged: usize,
}

impl Wasi {
    pub(crate) fn new(handles_max: u32) -> Self {
        let printed = MemoryOutputPipe::new(LOG_BYTES_MAX);
        let ctx = WasiCtx::builder()
            .stdout(printed.clone())
            .stderr(printed.clone())
            .allow_blocking_current_thread(false)
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles_max as usize);
        Self { ctx, table, printed, logged: 0 }
    }

    /// Moves what was printed since the last time to the log, and says whether there is room for more: what
    /// an instance prints is kept for its whole life.
    pub(crate) fn drain(&mut self, log: &mut Log) -> bool {
        let printed = self.printed.contents();
        String::from_utf8_lossy(&printed[self.logged..]).lines().for_each(|line| log.write(line));
        self.logged = printed.len();
        self.logged < LOG_BYTES_MAX / 2
    }
}

/// Defines WASI 0.2, for a component that imports some of it.
pub(crate) fn link(l: &mut Linker<State>) -> wasmtime::Result<()> {
    type Own = HasSelf<State>;
    wall_clock::add_to_linker::<State, Own>(l, |state| state)?;
    monotonic_clock::add_to_linker::<State, Own>(l, |state| state)?;
    random::add_to_linker::<State, Own>(l, |state| state)?;
    insecure::add_to_linker::<State, Own>(l, |state| state)?;
    insecure_seed::add_to_linker::<State, Own>(l, |state| state)?;

    io_error::add_to_linker::<State, Tables>(l, |state| state.ctx().table)?;
    poll::add_to_linker::<State, Once>(l, |state| AtOnce(state.ctx().table))?;
    streams::add_to_linker::<State, Once>(l, |state| AtOnce(state.ctx().table))?;

    cli::exit::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::environment::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;

    // Nothing is preopened, so no descriptor of a file ever comes to be.
    filesystem::preopens::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
    sync::filesystem::types::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;

    // And nobody gets a socket.
    let options = network::LinkOptions::default();
    network::add_to_linker::<State, WasiSockets>(l, &options, State::sockets)?;
    sockets::instance_network::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sync::sockets::tcp::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    udp_create_socket::add_to_linker::<State, NoUdp>(l, |state| Refusing(state.sockets()))?;
    sync::sockets::udp::add_to_linker::<State, WasiSockets>(l, State::sockets)
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.as_mut().expect("WASI is linked only to components that import it");
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

impl wall_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        let ms = self.call.as_ref().map_or(0, |call| call.tx.now().wall.0);
        let nanoseconds = (ms % 1000) as u32 * 1_000_000;
        Ok(wall_clock::Datetime { seconds: ms / 1000, nanoseconds })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1_000_000 })
    }
}

impl monotonic_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        let ms = self.call.as_ref().map_or(0, |call| call.tx.now().boot_ms);
        Ok(ms.saturating_mul(1_000_000))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1_000_000)
    }

    fn subscribe_instant(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        Err(Abort::Waiting("monotonic-clock.subscribe-instant").into())
    }

    fn subscribe_duration(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        Err(Abort::Waiting("monotonic-clock.subscribe-duration").into())
    }
}

impl State {
    /// The same numbers whenever the hook is run again; while a component starts, the same for everybody.
    fn wasi_random(&mut self) -> u64 {
        self.call.as_mut().map_or(0, |call| call.random.next_u64())
    }

    fn wasi_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        if len > RANDOM_BYTES_MAX {
            let text = format!("it asked for {len} random bytes: {RANDOM_BYTES_MAX} is the most");
            return Err(Abort::Misuse(text).into());
        }
        let len = len as usize;
        self.charge(len)?;
        Ok(self.call.as_mut().map_or_else(|| vec![0; len], |call| call.random.bytes(len)))
    }
}

impl random::Host for State {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.wasi_random_bytes(len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.wasi_random())
    }
}

impl insecure::Host for State {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.wasi_random_bytes(len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.wasi_random())
    }
}

impl insecure_seed::Host for State {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.wasi_random(), self.wasi_random()))
    }
}

struct NoUdp;

impl HasData for NoUdp {
    type Data<'a> = Refusing<'a>;
}

/// wasmtime-wasi refuses a socket too, but starts a thread pool to do so.
struct Refusing<'a>(WasiSocketsCtxView<'a>);

impl udp_create_socket::Host for Refusing<'_> {
    fn create_udp_socket(
        &mut self,
        _: sync::sockets::udp::IpAddressFamily,
    ) -> SocketResult<Resource<UdpSocket>> {
        Err(network::ErrorCode::AccessDenied.into())
    }
}

impl network::Host for Refusing<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<network::ErrorCode> {
        self.0.convert_error_code(error)
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<network::ErrorCode>> {
        self.0.network_error_code(error)
    }
}

impl network::HostNetwork for Refusing<'_> {
    fn drop(&mut self, network: Resource<network::Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.0, network)
    }
}

struct Tables;

impl HasData for Tables {
    type Data<'a> = &'a mut ResourceTable;
}

struct Once;

impl HasData for Once {
    type Data<'a> = AtOnce<'a>;
}

/// The operations that might wait, each tried once.
struct AtOnce<'a>(&'a mut ResourceTable);

/// What `operation` gives without waiting, or an end to the hook.
fn now<T>(name: &'static str, operation: impl Future<Output = T>) -> Result<T, Abort> {
    match pin!(operation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => Err(Abort::Waiting(name)),
    }
}

fn now_stream<T>(
    name: &'static str,
    operation: impl Future<Output = StreamResult<T>>,
) -> StreamResult<T> {
    now(name, operation).map_err(|waiting| StreamError::Trap(waiting.into()))?
}

impl poll::Host for AtOnce<'_> {
    fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        now("poll.poll", later_poll::Host::poll(self.0, pollables))?
    }
}

impl poll::HostPollable for AtOnce<'_> {
    fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        now("pollable.ready", later_poll::HostPollable::ready(self.0, pollable))?
    }

    fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        now("pollable.block", later_poll::HostPollable::block(self.0, pollable))?
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        later_poll::HostPollable::drop(self.0, pollable)
    }
}

impl streams::Host for AtOnce<'_> {
    fn convert_stream_error(
        &mut self,
        error: StreamError,
    ) -> wasmtime::Result<streams::StreamError> {
        streams::Host::convert_stream_error(self.0, error)
    }
}

impl streams::HostInputStream for AtOnce<'_> {
    fn drop(&mut self, stream: Resource<DynInputStream>) -> wasmtime::Result<()> {
        now("input-stream", later::HostInputStream::drop(self.0, stream))?
    }

    fn read(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<Vec<u8>> {
        later::HostInputStream::read(self.0, stream, len)
    }

    fn blocking_read(
        &mut self,
        stream: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<Vec<u8>> {
        now_stream("blocking-read", later::HostInputStream::blocking_read(self.0, stream, len))
    }

    fn skip(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64> {
        later::HostInputStream::skip(self.0, stream, len)
    }

    fn blocking_skip(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64> {
        now_stream("blocking-skip", later::HostInputStream::blocking_skip(self.0, stream, len))
    }

    fn subscribe(
        &mut self,
        stream: Resource<DynInputStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        later::HostInputStream::subscribe(self.0, stream)
    }
}

impl streams::HostOutputStream for AtOnce<'_> {
    fn drop(&mut self, stream: Resource<DynOutputStream>) -> wasmtime::Result<()> {
        now("output-stream", later::HostOutputStream::drop(self.0, stream))?
    }

    fn check_write(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<u64> {
        later::HostOutputStream::check_write(self.0, stream)
    }

    fn write(&mut self, stream: Resource<DynOutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        later::HostOutputStream::write(self.0, stream, bytes)
    }

    fn blocking_write_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        let write = later::HostOutputStream::blocking_write_and_flush(self.0, stream, bytes);
        now_stream("blocking-write-and-flush", write)
    }

    fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        len: u64,
    ) -> StreamResult<()> {
        let write = later::HostOutputStream::blocking_write_zeroes_and_flush(self.0, stream, len);
        now_stream("blocking-write-zeroes-and-flush", write)
    }

    fn subscribe(
        &mut self,
        stream: Resource<DynOutputStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        later::HostOutputStream::subscribe(self.0, stream)
    }

    fn write_zeroes(&mut self, stream: Resource<DynOutputStream>, len: u64) -> StreamResult<()> {
        later::HostOutputStream::write_zeroes(self.0, stream, len)
    }

    fn flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        later::HostOutputStream::flush(self.0, stream)
    }

    fn blocking_flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        now_stream("blocking-flush", later::HostOutputStream::blocking_flush(self.0, stream))
    }

    fn splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        later::HostOutputStream::splice(self.0, to, from, len)
    }

    fn blocking_splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        now_stream(
            "blocking-splice",
            later::HostOutputStream::blocking_splice(self.0, to, from, len),
        )
    }
}
