//! How a connection is made: the hosts one after the other, what is set on it, and what is asked first.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio_postgres::config::{Host, LoadBalanceHosts, SslMode};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, SimpleQueryMessage, SimpleQueryRow};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::{Address, Trust};
use crate::fault::LinkError;
use crate::socket::{Halt, Socket, Wire, run, run_future};
use crate::tls::connector;

type Encrypted = <MakeRustlsConnect as MakeTlsConnect<Wire>>::Stream;
/// The library's half that reads and writes.
pub(crate) type Driver = Connection<Wire, Encrypted>;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Transactions: both sides notice soon that the other one has gone, because locks are held meanwhile.
    Work,
    /// To show that its process lives. A host that is cut off may come back, and until then its leases decide: so the server
    /// waits for it longer than leases usually last. The client notices within seconds that the server's host is another one,
    /// or was started anew, and has forgotten the connection: it must show that it lives before somebody misses it.
    Life,
}

/// When a connection that says nothing is asked whether it is there, unless the address says so. The client's library
/// says two hours.
const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVE_UNSET: Duration = Duration::from_secs(2 * 60 * 60);

/// What is set before anything else, by the first message. Statements are point look-ups: a plan made once is the plan. One
/// that was made while a table was nearly empty, before the server has counted its rows, must serve it when it is full: so
/// it goes by indexes wherever there is one.
const SETTINGS: &str = "-c jit=off -c plan_cache_mode=force_generic_plan -c enable_seqscan=off \
     -c enable_hashjoin=off -c enable_mergejoin=off";

/// What is set besides where there are transactions: a stopped process must not hold its locks for ever, nor one whose
/// machine has gone.
const SETTINGS_OF_WORK: &str = "-c idle_in_transaction_session_timeout=15s \
     -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=20s";

/// How long a host may be silent, in milliseconds, before what it holds is let go: a day. Without this it is what the server's
/// system or its administrator thinks: by default, 15 minutes after the first notification that isn't acknowledged, which is
/// less than a lease. Where it is too long, dead hosts' connections stay where others could be.
const SETTINGS_OF_LIFE: &str = "-c tcp_user_timeout=86400000";
/// How the client asks on such a connection, where it hears nothing: within the grace it knows.
const KEEPALIVE_OF_LIFE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(1));

/// What is asked first, and set where the server's own setting isn't enough. An acknowledged change is on the server's
/// disk; and a server that has learnt to (from version 14) looks after clients that are gone while it works for them.
const GREETING: &str = "SELECT pg_catalog.pg_is_in_recovery(), \
     pg_catalog.current_setting('transaction_read_only'), \
     (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint, \
     pg_catalog.pg_backend_pid(), \
     (SELECT sender_host || ':' || sender_port FROM pg_catalog.pg_stat_get_wal_receiver()), \
     CASE WHEN pg_catalog.current_setting('synchronous_commit') IN ('off', 'local') \
     THEN pg_catalog.set_config('synchronous_commit', 'on', false) END, \
     CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 140000 \
     THEN pg_catalog.set_config('client_connection_check_interval', '2s', false) END, \
     (SELECT (extract(epoch FROM a.backend_start) * 1000000)::bigint \
     FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a)";

/// A connection that was just made.
pub(crate) struct Made {
    pub(crate) client: Client,
    pub(crate) driver: Driver,
    pub(crate) socket: Arc<Socket>,
    pub(crate) server: Server,
}

/// The server at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// When it was started, in its own microseconds since 1970: another one after a restart.
    pub started_us: i64,
    /// The number of the process that serves this connection.
    pub backend: i32,
    /// When that process was started, in the same way: one that comes later may have its number.
    pub backend_started_us: i64,
}

/// Connects to the first host that lets boards be changed.
pub(crate) fn connect(
    address: &Address,
    purpose: Purpose,
    deadline: Instant,
) -> Result<Made, LinkError> {
    let config = configured(address, purpose);
    let mut failed = None;
    for place in places(&config)? {
        match connect_place(&place, &config, address.trust(), deadline) {
            Ok(made) => return Ok(made),
            // One that refuses the user would be passed over for one that doesn't; the first reason is the one to tell,
            // unless a later host is at least there.
            Err(error) => {
                failed = match failed {
                    Some(earlier) if error.is_unreachable() => Some(earlier),
                    _ => Some(error),
                };
            }
        }
    }
    Err(failed.unwrap_or_else(|| LinkError::Unreachable("the address names no host".into())))
}

/// What the server is told with the first message.
fn configured(address: &Address, purpose: Purpose) -> Config {
    let mut config = address.config().clone();
    let mut options = config.get_options().map(|own| format!("{own} ")).unwrap_or_default();
    options.push_str(&format!("-c search_path={} {SETTINGS}", address.schema()));
    let (settings, (idle, interval)) = match purpose {
        Purpose::Work => (SETTINGS_OF_WORK, (KEEPALIVE, KEEPALIVE / 2)),
        Purpose::Life => (SETTINGS_OF_LIFE, KEEPALIVE_OF_LIFE),
    };
    options.push_str(&format!(" {settings}"));
    if config.get_keepalives_idle() == KEEPALIVE_UNSET {
        config.keepalives_idle(idle).keepalives_interval(interval).keepalives_retries(3);
    }
    config.options(options);
    if config.get_application_name().is_none() {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        config.application_name(format!("taskhost {}@{host}", std::process::id()));
    }
    config
}

/// One of the hosts of an address.
struct HostPlace {
    host: Option<Host>,
    address: Option<IpAddr>,
    port: u16,
}

fn places(config: &Config) -> Result<Vec<HostPlace>, LinkError> {
    let (hosts, addresses, ports) =
        (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let count = hosts.len().max(addresses.len());
    let fits = |length: usize, few: usize| length <= few || length == count;
    if !fits(hosts.len(), 0) || !fits(addresses.len(), 0) || !fits(ports.len(), 1) {
        return Err(LinkError::Other(
            "the address names different numbers of hosts, addresses and ports".into(),
        ));
    }
    let place = |i: usize| HostPlace {
        host: hosts.get(i).cloned(),
        address: addresses.get(i).copied(),
        port: ports.get(i).or(ports.first()).copied().unwrap_or(5432),
    };
    let mut places: Vec<_> = (0..count).map(place).collect();
    if config.get_load_balance_hosts() == LoadBalanceHosts::Random && count > 1 {
        let random = getrandom::u32().unwrap_or(0) as usize;
        places.rotate_left(random % count);
    }
    Ok(places)
}

fn connect_place(
    place: &HostPlace,
    config: &Config,
    trust: Trust,
    deadline: Instant,
) -> Result<Made, LinkError> {
    if let (Some(Host::Unix(directory)), None) = (&place.host, place.address) {
        let socket = Socket::unix(directory, place.port).map_err(|e| not_there(place, &e))?;
        // There is nothing to encrypt.
        let mut config = config.clone();
        config.ssl_mode(SslMode::Disable);
        return greeted(socket, &config, "", trust, deadline);
    }
    let name = match &place.host {
        Some(Host::Tcp(name)) => name.clone(),
        _ => place.address.map(|address| address.to_string()).unwrap_or_default(),
    };
    let mut failed = not_there(place, &io::ErrorKind::AddrNotAvailable.into());
    for at in addresses(place, &name)? {
        let timeout = config.get_connect_timeout().copied().unwrap_or(Duration::from_secs(5));
        let timeout = timeout.min(deadline.saturating_duration_since(Instant::now()));
        match Socket::tcp(at, timeout.max(Duration::from_millis(1)), config) {
            Ok(socket) => return greeted(socket, config, &name, trust, deadline),
            Err(error) => failed = not_there(place, &error),
        }
    }
    Err(failed)
}

fn addresses(place: &HostPlace, name: &str) -> Result<Vec<SocketAddr>, LinkError> {
    if let Some(address) = place.address {
        return Ok(vec![SocketAddr::new(address, place.port)]);
    }
    let found = (name, place.port).to_socket_addrs().map_err(|e| not_there(place, &e))?;
    Ok(found.collect())
}

fn not_there(place: &HostPlace, error: &io::Error) -> LinkError {
    let host = match (&place.host, place.address) {
        (Some(Host::Tcp(name)), _) => name.clone(),
        (Some(Host::Unix(path)), _) => path.display().to_string(),
        (None, Some(address)) => address.to_string(),
        (None, None) => String::new(),
    };
    LinkError::Unreachable(format!("`{host}`, port {}: {error}", place.port))
}

/// Logs in, and asks what is asked first.
fn greeted(
    socket: Arc<Socket>,
    config: &Config,
    name: &str,
    trust: Trust,
    deadline: Instant,
) -> Result<Made, LinkError> {
    let mut connector = connector(trust).map_err(LinkError::Other)?;
    let tls = MakeTlsConnect::<Wire>::make_tls_connect(&mut connector, name)
        .map_err(|never| match never {})?;
    let login = config.connect_raw(Wire(socket.clone()), tls);
    let (client, mut driver) = run_future(&socket, deadline, login)
        .map_err(|halt| halted(&halt))?
        .map_err(|error| LinkError::of_connecting(&error))?;
    let messages = ask(&client, &mut driver, &socket, deadline)?;
    let server = read_greeting(&messages)?;
    Ok(Made { client, driver, socket, server })
}

fn ask(
    client: &Client,
    driver: &mut Driver,
    socket: &Socket,
    deadline: Instant,
) -> Result<Vec<SimpleQueryMessage>, LinkError> {
    let mut answer = std::pin::pin!(client.simple_query(GREETING));
    let asked = run(socket, deadline, |context| {
        if let Poll::Ready(answer) = answer.as_mut().poll(context) {
            return Poll::Ready(answer);
        }
        loop {
            match driver.poll_message(context) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        answer.as_mut().poll(context)
    });
    asked.map_err(|halt| halted(&halt))?.map_err(|error| LinkError::of_connecting(&error))
}

fn halted(halt: &Halt) -> LinkError {
    match halt {
        Halt::Timeout => LinkError::Unreachable("it didn't answer in time".into()),
        Halt::Io(error) => LinkError::Unreachable(error.to_string()),
    }
}

fn read_greeting(messages: &[SimpleQueryMessage]) -> Result<Server, LinkError> {
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let unknown = || LinkError::Other("the server doesn't answer as PostgreSQL does".into());
    let row = row.ok_or_else(unknown)?;
    let text = |row: &SimpleQueryRow, column| row.try_get(column).ok().flatten().map(str::to_owned);
    if text(row, 0).as_deref() == Some("t") {
        let primary = text(row, 4).map(|at| format!(", `{at}`")).unwrap_or_default();
        return Err(LinkError::Denied(format!(
            "it is a replica, which nobody can change: name the primary{primary}"
        )));
    }
    if text(row, 1).as_deref() == Some("on") {
        return Err(LinkError::Denied(
            "it lets nobody change anything: `default_transaction_read_only` is on there".into(),
        ));
    }
    let number = |column| text(row, column).and_then(|word| word.parse::<i64>().ok());
    let started_us = number(2).ok_or_else(unknown)?;
    let backend = number(3).and_then(|n| i32::try_from(n).ok()).ok_or_else(unknown)?;
    let backend_started_us = number(7).ok_or_else(unknown)?;
    Ok(Server { started_us, backend, backend_started_us })
}
