//! How a server is reached: addresses, `psql` and `pgbench`.

use crate::programs::{Programs, printed};
use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What one has to know to talk to a database of a server.
///
/// It names a superuser. Derived ones reach the same server in another way: [`by_tcp`](Self::by_tcp),
/// [`to_database`](Self::to_database).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The directory of the server's Unix socket, unless it's to be reached by TCP.
    pub(crate) socket: Option<PathBuf>,
    /// Where it listens for TCP.
    pub(crate) host: String,
    /// The port for TCP; the Unix socket has the same number in its name.
    pub(crate) port: u16,
    pub(crate) user: String,
    /// Needed for TCP: on 127.0.0.1 everybody on this machine could come in.
    pub(crate) password: Option<String>,
    pub(crate) database: String,
}

impl Access {
    /// Reads what [`url`](Self::url) writes.
    ///
    /// # Errors
    ///
    /// If it isn't `postgres://user[:password]@host[:port]/database`, the host a directory with `%2F` for its slashes, or a
    /// name.
    pub fn parse(url: &str) -> Result<Self> {
        let parse = || {
            let rest =
                url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"))?;
            let (login, place) = rest.rsplit_once('@')?;
            let (user, password) = match login.split_once(':') {
                Some((user, password)) => (user, Some(decoded(password)?)),
                None => (login, None),
            };
            let (server, database) = place.split_once('/')?;
            let (host, port) = server.rsplit_once(':').unwrap_or((server, "5432"));
            let host = decoded(host)?;
            let (socket, host) = if host.starts_with('/') {
                (Some(PathBuf::from(host)), "127.0.0.1".to_owned())
            } else {
                (None, host)
            };
            let database = decoded(database)?;
            if database.is_empty() || database.contains('?') {
                return None;
            }
            let (user, port) = (decoded(user)?, port.parse().ok()?);
            Some(Self { socket, host, port, user, password, database })
        };
        parse().with_context(|| {
            format!(
                "`{url}` names no database: write `postgres://user@host:port/database`, nothing behind it, and the \
                 directory of a Unix socket with `%2F` for its slashes"
            )
        })
    }

    /// By TCP, even if there is a Unix socket too.
    #[must_use]
    pub fn by_tcp(&self) -> Self {
        Self { socket: None, ..self.clone() }
    }

    /// By TCP at another port of 127.0.0.1, where something stands between.
    #[must_use]
    pub(crate) fn through(&self, port: u16) -> Self {
        Self { socket: None, host: "127.0.0.1".to_owned(), port, ..self.clone() }
    }

    /// Another database of the same server.
    #[must_use]
    pub fn to_database(&self, name: &str) -> Self {
        Self { database: name.to_owned(), ..self.clone() }
    }

    /// As people may see it. By its Unix socket a server that we started takes everybody who reaches the socket.
    #[must_use]
    pub fn without_password(&self) -> Self {
        Self { password: None, ..self.clone() }
    }

    /// The port for TCP.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password; needed only by TCP.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The database's address, as every client of PostgreSQL understands it.
    pub fn url(&self) -> String {
        let mut url = format!("postgres://{}", encoded(&self.user));
        if let Some(password) = &self.password {
            let _ = write!(url, ":{}", encoded(password));
        }
        let host = match &self.socket {
            Some(folder) => encoded(&folder.to_string_lossy()),
            None => self.host.clone(),
        };
        let _ = write!(url, "@{host}:{}/{}", self.port, encoded(&self.database));
        url
    }

    /// The address of a board in this database, as `--board` takes it.
    pub fn board(&self, name: &str) -> String {
        format!("{}?board={name}", self.url())
    }

    /// The address of a board in this database that has a name of its own.
    pub fn fresh_board(&self) -> String {
        self.board(&format!("test_{}", crate::random_name()))
    }

    /// What `psql` prints for these statements: a line for each row, `|` between columns, nothing else.
    ///
    /// Several statements are one transaction, unless they say otherwise.
    ///
    /// # Errors
    ///
    /// With what the server said, if any statement fails.
    pub fn psql(&self, sql: &str) -> Result<String> {
        let arguments = ["--tuples-only", "--no-align", "--quiet", "--command", sql];
        Ok(self.run_psql(&arguments)?.trim_end().to_owned())
    }

    /// What `psql` prints for a statement, or a command of its own such as `\dt`, as people read it.
    ///
    /// # Errors
    ///
    /// With what the server said, if it fails.
    pub fn psql_for_people(&self, sql: &str) -> Result<String> {
        self.run_psql(&["--pset=footer=off", "--command", sql])
    }

    fn run_psql(&self, arguments: &[&str]) -> Result<String> {
        let mut psql = Programs::find()?.client("psql");
        psql.args(["--no-psqlrc", "--no-password", "--set=ON_ERROR_STOP=1"]);
        // Not in its arguments, which everybody on this machine can see.
        psql.arg("--dbname").arg(self.without_password().url());
        let ended = self.with_password(&mut psql).args(arguments).output();
        printed("psql", &ended.context("`psql` can't be started")?)
    }

    fn with_password<'c>(&self, program: &'c mut Command) -> &'c mut Command {
        match &self.password {
            Some(password) => program.env("PGPASSWORD", password),
            None => program,
        }
    }

    /// How often in a second so many clients of `pgbench` get a statement done, which they prepare once each.
    ///
    /// # Errors
    ///
    /// With what it said, if the statement fails, or it isn't here.
    pub fn pgbench(&self, statement: &str, clients: usize, during: Duration) -> Result<f64> {
        let mut script = tempfile::NamedTempFile::new()?;
        writeln!(script, "{statement};")?;
        let mut pgbench = Programs::find()?.client("pgbench");
        pgbench.args(["--no-vacuum", "--protocol=prepared", "--file"]).arg(script.path());
        pgbench.arg(format!("--client={clients}")).arg(format!("--jobs={}", clients.min(2)));
        pgbench.arg(format!("--time={}", during.as_secs().max(1)));
        pgbench.arg(self.without_password().url());
        let ended = self.with_password(&mut pgbench).output();
        let said = printed("pgbench", &ended.context("`pgbench` can't be started")?)?;
        let line = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let rate = line.and_then(|line| line.split_whitespace().next());
        rate.context("`pgbench` says no rate")?.parse().context("a rate is a number")
    }

    /// Makes a database and says how it's reached.
    ///
    /// # Errors
    ///
    /// If there is one of this name, or the server can't be reached.
    pub fn create_database(&self, name: &str) -> Result<Self> {
        self.create(name, "")
    }

    /// Makes a database that sorts text as people of a language do, and not by its bytes: `en-US`, in which `b` comes before
    /// `C`, and punctuation hardly counts.
    ///
    /// # Errors
    ///
    /// As [`create_database`](Self::create_database), or if the server was built without ICU, or is older than 15.
    pub fn create_database_sorting(&self, name: &str, language: &str) -> Result<Self> {
        let options = format!(
            " TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE {} LOCALE 'C.UTF-8' ENCODING UTF8",
            quoted(language, '\'')?
        );
        self.create(name, &options)
    }

    fn create(&self, name: &str, options: &str) -> Result<Self> {
        self.psql(&format!("CREATE DATABASE {}{options}", quoted(name, '"')?))?;
        Ok(self.to_database(name))
    }

    /// The directory of the server's Unix socket, if that is how it is reached.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }
}

fn quoted(text: &str, quote: char) -> Result<String> {
    ensure!(!text.contains('\0'), "no name in SQL has a zero byte");
    if text.is_empty() {
        bail!("no name in SQL is empty");
    }
    Ok(format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}"))))
}

/// As it stands in an address: everything but what is surely harmless as `%` and two digits.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for url in [
            "postgres://postgres@%2Ftmp%2Fa%20b:5433/postgres",
            "postgres://postgres:s%3Ae%40c%2Fret@%2Ftmp%2Fa:5433/postgres",
            "postgres://ada:pw@db.example:6000/caf%C3%A9",
        ] {
            assert_eq!(Access::parse(url).expect("an address").url(), url);
        }
        let access = Access::parse("postgresql://ada@localhost/work").expect("an address");
        assert_eq!(access.board("main"), "postgres://ada@localhost:5432/work?board=main");
    }

    #[test]
    fn by_tcp_it_is_the_same_server_and_database() {
        let access = Access::parse("postgres://ada:pw@%2Ftmp%2Fa:5433/work").expect("an address");
        assert_eq!(access.by_tcp().url(), "postgres://ada:pw@127.0.0.1:5433/work");
        assert_eq!(access.without_password().url(), "postgres://ada@%2Ftmp%2Fa:5433/work");
    }

    #[test]
    fn what_names_no_database_is_refused() {
        for url in [
            "",
            "work",
            "mysql://ada@localhost/work",
            "postgres://localhost/work",
            "postgres://ada@localhost",
            "postgres://ada@localhost/",
            "postgres://ada@localhost:port/work",
            "postgres://ada@localhost/work?board=x",
            "postgres://ada@%2/work",
        ] {
            assert!(Access::parse(url).is_err(), "{url}");
        }
    }
}
