//! Where a board is: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?board=NAME`.
//!
//! Everything that a PostgreSQL address may say is said in the usual words (`postgresql://` too, several hosts, a
//! socket's directory percent-encoded in the place of the host). Three words are ours:
//!
//! - `board`: the board's name, `main` if none is given. Its tables are in the schema `taskhost_NAME`.
//! - `pool`: how many connections a handle may have at once, besides the one that listens; 8 if it isn't said.
//! - `sslmode`: `disable`; `prefer`, the default: encrypted if the server can; `require`: encrypted, but whoever answers
//!   is believed to be the server; `verify-full`: the server also proves its name to one of the system's authorities.
//!   A connection to a socket of this machine is never encrypted.
//!
//! A password may also come from the environment, `PGPASSWORD`.

use std::fmt;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// How many connections a handle may have at once, unless the address says otherwise.
pub const POOL_DEFAULT: usize = 8;
/// And how many it may say.
pub const POOL_MAX: usize = 256;
/// The board that is meant where none is named.
pub const BOARD_DEFAULT: &str = "main";
/// The longest name of a board, in bytes: with its schema's prefix it is still a name in PostgreSQL.
pub const NAME_BYTES_MAX: usize = 50;

/// How long one of several hosts is waited for.
const HOST_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a board is.
#[derive(Clone)]
pub struct Address {
    config: Config,
    board: String,
    schema: String,
    pool: usize,
    /// As it was said, if it was.
    ssl: Option<&'static str>,
    trust: Trust,
}

/// Whom an encrypted connection believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Whoever answers.
    Anybody,
    /// Whoever proves the host's name to one of the system's authorities.
    Proved,
}

/// An address that can't be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It isn't of this kind.
    #[error(
        "a board's address in PostgreSQL starts with `postgres://`: `postgres://user@host/database?board=name`"
    )]
    Kind,
    /// The name of the board.
    #[error(
        "`{0}` can't name a board: it must be a lower-case letter, then up to 49 lower-case letters, digits or `_`"
    )]
    Board(String),
    /// The number of connections.
    #[error("`pool={0}`: a handle has 1 to {POOL_MAX} connections")]
    Pool(String),
    /// How it is encrypted.
    #[error(
        "`sslmode={0}` isn't known here: it must be `disable`, `prefer`, `require` or `verify-full`"
    )]
    Ssl(String),
    /// It asks for a server that lets nobody write.
    #[error("`target_session_attrs={0}`: a board is changed, so leave it out or say `read-write`")]
    ReadOnly(String),
    /// No host.
    #[error(
        "the address names no host: `postgres://user@host/database`, or a socket's directory as `postgres://user@%2Fvar%2Frun%2Fpostgresql/database`"
    )]
    NoHost,
    /// Something else.
    #[error("the address can't be understood: {0}")]
    Other(String),
}

impl Address {
    /// Whether this is an address of a board in PostgreSQL at all.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("postgres://") || text.starts_with("postgresql://")
    }

    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if !Self::is_meant(text) {
            return Err(AddressError::Kind);
        }
        let (base, query) = split(text);
        let mut board = BOARD_DEFAULT.to_owned();
        let mut pool = POOL_DEFAULT;
        let mut said = None;
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "board" => board = value.to_owned(),
                "pool" => pool = connections(value)?,
                "sslmode" => said = Some(encryption(value)?),
                _ => rest.push(pair),
            }
        }
        let plain = format!("{base}?{}", rest.join("&"));
        let mut config: Config =
            plain.trim_end_matches('?').parse().map_err(|error| other(&error, base))?;
        let (word, mode, trust) = said.unwrap_or(ENCRYPTIONS[1]);
        config.ssl_mode(mode);
        complete(&mut config)?;
        let schema = schema(&board)?;
        Ok(Self { config, board, schema, pool, ssl: said.map(|_| word), trust })
    }

    /// The same place, with another board.
    pub fn with_board(&self, board: &str) -> Result<Self, AddressError> {
        let schema = schema(board)?;
        Ok(Self { board: board.to_owned(), schema, ..self.clone() })
    }

    /// The board's name.
    pub fn board(&self) -> &str {
        &self.board
    }

    /// The schema that the board's tables are in. Needs no quotes.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// How many connections a handle may have at once.
    pub fn pool(&self) -> usize {
        self.pool
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn trust(&self) -> Trust {
        self.trust
    }
}

/// What comes before the `?`, and after it. A password may contain one.
fn split(text: &str) -> (&str, &str) {
    let host = text.find('@').map_or(0, |at| at + 1);
    match text[host..].find('?') {
        Some(place) => (&text[..host + place], &text[host + place + 1..]),
        None => (text, ""),
    }
}

fn connections(value: &str) -> Result<usize, AddressError> {
    let number = value.parse().ok().filter(|number| (1..=POOL_MAX).contains(number));
    number.ok_or_else(|| AddressError::Pool(value.to_owned()))
}

/// What `sslmode` may say, and what that means. The second is what is meant where nothing is said.
const ENCRYPTIONS: [(&str, SslMode, Trust); 4] = [
    ("disable", SslMode::Disable, Trust::Anybody),
    ("prefer", SslMode::Prefer, Trust::Anybody),
    ("require", SslMode::Require, Trust::Anybody),
    ("verify-full", SslMode::Require, Trust::Proved),
];

fn encryption(value: &str) -> Result<(&'static str, SslMode, Trust), AddressError> {
    let found = ENCRYPTIONS.into_iter().find(|(word, ..)| *word == value);
    found.ok_or_else(|| AddressError::Ssl(value.to_owned()))
}

/// The schema of a board of this name.
fn schema(board: &str) -> Result<String, AddressError> {
    let good = (1..=NAME_BYTES_MAX).contains(&board.len())
        && board.starts_with(|c: char| c.is_ascii_lowercase())
        && board.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if good { Ok(format!("taskhost_{board}")) } else { Err(AddressError::Board(board.to_owned())) }
}

/// What isn't said, but should be.
fn complete(config: &mut Config) -> Result<(), AddressError> {
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(AddressError::NoHost);
    }
    if config.get_target_session_attrs() == TargetSessionAttrs::ReadOnly {
        return Err(AddressError::ReadOnly("read-only".into()));
    }
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    if config.get_password().is_none()
        && let Some(password) = std::env::var_os("PGPASSWORD").filter(|word| !word.is_empty())
    {
        config.password(password.as_encoded_bytes());
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(HOST_TIMEOUT);
    }
    Ok(())
}

fn other(error: &dyn std::error::Error, base: &str) -> AddressError {
    let mut reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    if base.contains('@') {
        // It may have been taken apart in the middle of a password.
        reason += "; in a name or a password, `@ : / ? # %` are written percent-encoded, as `%40`";
    }
    AddressError::Other(reason)
}

/// For people and logs, and for those who are told where the board is: without the password and without `pool`, but as
/// encrypted as it was said.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{}@", Encoded(user.as_bytes()))?;
        }
        for (place, (host, port)) in places(&self.config).into_iter().enumerate() {
            f.write_str(if place == 0 { "" } else { "," })?;
            f.write_str(&host)?;
            if port != 5432 {
                write!(f, ":{port}")?;
            }
        }
        if let Some(database) = self.config.get_dbname() {
            write!(f, "/{}", Encoded(database.as_bytes()))?;
        }
        write!(f, "?board={}", self.board)?;
        self.ssl.map_or(Ok(()), |word| write!(f, "&sslmode={word}"))
    }
}

/// As it is displayed: a debugging print must not tell a password either.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// The hosts as an address writes them, with their ports.
fn places(config: &Config) -> Vec<(String, u16)> {
    let hosts: Vec<String> = match config.get_hosts() {
        [] => config.get_hostaddrs().iter().map(ToString::to_string).collect(),
        hosts => hosts.iter().map(host_text).collect(),
    };
    let ports = config.get_ports();
    let port = |place| ports.get(place).or(ports.first()).copied().unwrap_or(5432);
    hosts.into_iter().enumerate().map(|(place, host)| (host, port(place))).collect()
}

fn host_text(host: &Host) -> String {
    match host {
        Host::Tcp(name) if name.contains(':') => format!("[{name}]"),
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => Encoded(path.as_os_str().as_encoded_bytes()).to_string(),
    }
}

/// Percent-encoded, as in an address.
struct Encoded<'a>(&'a [u8]);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0 {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    write!(f, "{}", char::from(byte))?;
                }
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}
