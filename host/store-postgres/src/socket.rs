//! The socket below a connection, driven by whoever waits.
//!
//! There is no runtime: a [`Wire`] never sleeps, and [`run`] polls what is to be done, then waits in `poll(2)` until the
//! socket has something to say. So a statement's round trip costs a write, a wait and a read, in the caller's thread, in
//! whatever context that is.
//!
//! A forked child has nothing of it: what the connection holds would be held for as long as the child lives, though its parent
//! were long dead.

use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::FdFlags;
use rustix::net::sockopt;
use taskhost_forks::Entered;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Config;

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// How long a moment is waited for in which this process doesn't fork.
const QUIET: Duration = Duration::from_secs(1);

/// A socket, and what is known of it.
pub(crate) struct Socket {
    /// Forked children get nothing in its place. Before the stream, so that nobody else has its number yet when it leaves.
    entered: Entered,
    stream: Stream,
    /// Whether a read may find something.
    readable: AtomicBool,
    /// Whether something is left to be written, as soon as there is room.
    writing: AtomicBool,
}

impl Socket {
    pub(crate) fn tcp(at: SocketAddr, timeout: Duration, config: &Config) -> io::Result<Arc<Self>> {
        let (entered, stream) =
            taskhost_forks::opened(|| TcpStream::connect_timeout(&at, timeout), QUIET)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        if config.get_keepalives() {
            sockopt::set_socket_keepalive(&stream, true)?;
            sockopt::set_tcp_keepidle(&stream, config.get_keepalives_idle())?;
            if let Some(interval) = config.get_keepalives_interval() {
                sockopt::set_tcp_keepintvl(&stream, interval)?;
            }
            if let Some(retries) = config.get_keepalives_retries() {
                sockopt::set_tcp_keepcnt(&stream, retries)?;
            }
        }
        if let Some(timeout) = config.get_tcp_user_timeout() {
            let ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
            sockopt::set_tcp_user_timeout(&stream, ms)?;
        }
        Ok(Self::new(entered, Stream::Tcp(stream)))
    }

    pub(crate) fn unix(directory: &Path, port: u16) -> io::Result<Arc<Self>> {
        let at = directory.join(format!(".s.PGSQL.{port}"));
        let (entered, stream) = taskhost_forks::opened(|| UnixStream::connect(&at), QUIET)?;
        stream.set_nonblocking(true)?;
        Ok(Self::new(entered, Stream::Unix(stream)))
    }

    fn new(entered: Entered, stream: Stream) -> Arc<Self> {
        let (readable, writing) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { entered, stream, readable, writing })
    }

    /// From now on forked children get it, and what this process starts inherits it: the server takes the connection for alive
    /// as long as any of them has it.
    pub(crate) fn hand_on(&self) -> io::Result<()> {
        self.entered.leave();
        Ok(rustix::io::fcntl_setfd(self, FdFlags::empty())?)
    }

    /// Whether something is left to be written.
    pub(crate) fn is_writing(&self) -> bool {
        self.writing.load(SeqCst)
    }

    /// What is to be waited for.
    pub(crate) fn interest(&self) -> PollFlags {
        if self.is_writing() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN }
    }

    /// What the kernel said.
    pub(crate) fn heard(&self, flags: PollFlags) {
        // An error, or the end, is found by reading.
        if flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            self.readable.store(true, SeqCst);
        }
    }

    /// What the kernel says at this instant, if it is anything.
    pub(crate) fn look(&self) -> Option<PollFlags> {
        let mut asked = [PollFd::from_borrowed_fd(self.as_fd(), self.interest())];
        match poll(&mut asked, Some(&timespec(Duration::ZERO))) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(asked[0].revents()),
        }
    }

    /// Waits until there is something to read, or room to write what is left. `false` if `until` comes first.
    pub(crate) fn wait(&self, until: Instant) -> io::Result<bool> {
        loop {
            let mut asked = [PollFd::from_borrowed_fd(self.as_fd(), self.interest())];
            let left = until.saturating_duration_since(Instant::now());
            match poll(&mut asked, Some(&timespec(left))) {
                Ok(0) if left.is_zero() => return Ok(false),
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => {
                    self.heard(asked[0].revents());
                    return Ok(true);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

pub(crate) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}

/// The socket as the client's library reads and writes it. Whoever polls it must wait by [`run`].
pub(crate) struct Wire(pub(crate) Arc<Socket>);

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.0.readable.load(SeqCst) {
            return Poll::Pending;
        }
        let room = buffer.initialize_unfilled();
        let size = room.len();
        let result = loop {
            let result = match &self.0.stream {
                Stream::Tcp(stream) => (&mut &*stream).read(room),
                Stream::Unix(stream) => (&mut &*stream).read(room),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        match result {
            Ok(count) => {
                // Less than there was room for: that was all. If more has come since, `poll` says so.
                if count < size && count > 0 {
                    self.0.readable.store(false, SeqCst);
                }
                buffer.advance(count);
                Poll::Ready(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.0.readable.store(false, SeqCst);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let result = match &self.0.stream {
                Stream::Tcp(stream) => (&mut &*stream).write(bytes),
                Stream::Unix(stream) => (&mut &*stream).write(bytes),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.0.writing.store(true, SeqCst);
                    return Poll::Pending;
                }
                other => {
                    self.0.writing.store(false, SeqCst);
                    return Poll::Ready(other);
                }
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Remembers that something is to be polled again.
struct Again(AtomicBool);

impl Wake for Again {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// Why [`run`] gave up.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The time was over.
    Timeout,
    /// The socket can't be waited for.
    Io(io::Error),
}

/// Polls `work` until it is done, waiting for the socket between. Nothing else can wake it.
pub(crate) fn run<T>(
    socket: &Socket,
    until: Instant,
    mut work: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Result<T, Halt> {
    let again = Arc::new(Again(AtomicBool::new(false)));
    let waker = Waker::from(again.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(done) = work(&mut context) {
            return Ok(done);
        }
        if again.0.swap(false, SeqCst) {
            continue;
        }
        match socket.wait(until) {
            Ok(true) => {}
            Ok(false) => return Err(Halt::Timeout),
            Err(error) => return Err(Halt::Io(error)),
        }
    }
}

/// The same for a future that drives itself.
pub(crate) fn run_future<T>(
    socket: &Socket,
    until: Instant,
    future: impl Future<Output = T>,
) -> Result<T, Halt> {
    let mut future = std::pin::pin!(future);
    run(socket, until, |context| future.as_mut().poll(context))
}
