//! A server that was started for a purpose.

use crate::access::Access;
use crate::processes::{children, is_stopped, lives, signal, wait_until};
use crate::programs::{Programs, output};
use crate::random_name;
use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const JANITOR: &str = include_str!("janitor.sh");
const USER: &str = "postgres";
/// As much as a disk may need that several servers sync to at once.
const PATIENCE: Duration = Duration::from_secs(60);
/// Ports are chosen below those that the system gives to clients. Otherwise a connection of somebody else may take a server's
/// port while it is down; and a client that tries again and again may be given the very port that it calls, and then talks to
/// itself.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How often another port is tried.
const PORT_TRIES_MAX: usize = 20;

/// What a server is to be like.
#[derive(Debug, Clone)]
pub struct Options {
    connections_max: u16,
    inside: Option<PathBuf>,
    listen_also: Option<String>,
    settings: Vec<(String, String)>,
}

impl Default for Options {
    /// 200 connections, everything in the directory for temporary files, and all else as PostgreSQL has it: what was committed
    /// is on the disk, and tables are vacuumed.
    fn default() -> Self {
        Self { connections_max: 200, inside: None, listen_also: None, settings: Vec::new() }
    }
}

impl Options {
    /// How many clients there can be at once.
    #[must_use]
    pub fn connections_max(self, connections_max: u16) -> Self {
        Self { connections_max, ..self }
    }

    /// Keeps the data in a directory below this one: on a disk that is to be measured. Whoever the server runs as must be able
    /// to get there.
    #[must_use]
    pub fn inside(self, folder: &Path) -> Self {
        Self { inside: Some(folder.to_owned()), ..self }
    }

    /// Listens at this address beside 127.0.0.1: for clients in another network namespace.
    #[must_use]
    pub fn listen_also(self, address: &str) -> Self {
        Self { listen_also: Some(address.to_owned()), ..self }
    }

    /// A line of `postgresql.conf`; later ones win.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A server, with everything that it has in a directory of its own; stopped, and all of it removed, when this is dropped, and
/// also when this process ends in any other way.
///
/// It listens on a Unix socket, where whoever reaches the socket is let in, and on a port of 127.0.0.1 with a password. By TCP
/// one can be cut off: see [`Cutter`](crate::Cutter).
#[derive(Debug)]
pub struct Server {
    programs: Programs,
    access: Access,
    folder: PathBuf,
    data: PathBuf,
    /// The first of its processes, which starts all others; `None` while it is down.
    running: Mutex<Option<Child>>,
    janitor: Child,
}

impl Server {
    /// Makes a cluster, starts it, and waits until it answers.
    ///
    /// # Errors
    ///
    /// If PostgreSQL isn't installed, or can't run here; with the end of what it said.
    pub fn start(options: Options) -> Result<Self> {
        let programs = Programs::find()?;
        // Short: the whole name of a socket has 107 bytes at most.
        let folder = private_folder(&programs, &std::env::temp_dir())?;
        let data = match &options.inside {
            Some(inside) => private_folder(&programs, inside)?,
            None => folder.join("data"),
        };
        let janitor = janitor(&programs, &data, &folder)?;
        let access = Access {
            socket: Some(folder.clone()),
            host: "127.0.0.1".to_owned(),
            port: 0,
            user: USER.to_owned(),
            password: Some(random_name()),
            database: "postgres".to_owned(),
        };
        let running = Mutex::new(None);
        // From here on it is taken away if anything fails.
        let mut server = Self { programs, access, folder, data, running, janitor };
        server.make_cluster()?;
        server.choose_port_and_start(&options)?;
        Ok(server)
    }

    /// How it is reached: its database `postgres` by the Unix socket.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Where its data are.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What it logged so far.
    ///
    /// # Errors
    ///
    /// If the log can't be read.
    pub fn log(&self) -> Result<String> {
        let bytes = fs::read(self.folder.join("log"))
            .with_context(|| format!("no log in `{}`", self.folder.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Kills all of its processes, as a power cut would end them: it writes nothing more and says goodbye to nobody.
    ///
    /// # Errors
    ///
    /// If it doesn't run.
    pub fn kill(&self) -> Result<()> {
        let mut running = self.running();
        let child = running.as_mut().context("the server doesn't run")?;
        kill_all(child)?;
        *running = None;
        Ok(())
    }

    /// Stops it as an operator would who doesn't want to wait: transactions are rolled back, clients told.
    ///
    /// # Errors
    ///
    /// If it doesn't run, or doesn't stop.
    pub fn stop_fast(&self) -> Result<()> {
        self.stop(Signal::INT)
    }

    /// Starts it after a stop or a kill, at the same port; after a kill it recovers first. Waits until it answers.
    ///
    /// # Errors
    ///
    /// If it runs already, or doesn't come up: with the end of what it said.
    pub fn start_again(&self) -> Result<()> {
        let mut running = self.running();
        ensure!(running.is_none(), "the server runs already");
        let mut child = self.spawn()?;
        match self.wait_until_ready(&mut child) {
            Ok(()) => {
                *running = Some(child);
                Ok(())
            }
            Err(error) => {
                let _ = kill_all(&mut child);
                Err(error)
            }
        }
    }

    /// Stops it fast and starts it again.
    ///
    /// # Errors
    ///
    /// If it doesn't run, stop or come up.
    pub fn restart(&self) -> Result<()> {
        self.stop_fast()?;
        self.start_again()
    }

    fn make_cluster(&self) -> Result<()> {
        let password = self.folder.join("password");
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&password)?;
        writeln!(file, "{}", self.access.password.as_deref().unwrap_or_default())?;
        self.programs.hand_over(&password)?;
        let mut initdb = self.programs.server("initdb", &self.folder);
        initdb.arg("--pgdata").arg(&self.data).arg("--pwfile").arg(&password);
        initdb.args(["--username", USER, "--encoding=UTF8", "--locale=C.UTF-8"]);
        // Not yet synced: if the machine goes down now, nobody looks for it. The server itself syncs.
        initdb.args(["--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync"]);
        output(&mut initdb).with_context(|| {
            format!("no PostgreSQL could be set up in `{}`", self.data.display())
        })?;
        fs::remove_file(password)?;
        // Who may come from other addresses than 127.0.0.1 is settled by where it listens.
        self.append("pg_hba.conf", "host all all all scram-sha-256\n")
    }

    fn choose_port_and_start(&mut self, options: &Options) -> Result<()> {
        self.append("postgresql.conf", &self.configuration(options))?;
        let mut last = None;
        for _ in 0..PORT_TRIES_MAX {
            self.access.port = free_port()?;
            self.append("postgresql.conf", &format!("port = {}\n", self.access.port))?;
            match self.start_again() {
                Ok(()) => return Ok(()),
                // Somebody was faster.
                Err(error) if format!("{error}").contains("Address already in use") => {
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.context("no port was tried")?)
    }

    fn configuration(&self, options: &Options) -> String {
        let also = options.listen_also.as_ref().map(|address| format!(",{address}"));
        let own = [
            ("listen_addresses", format!("127.0.0.1{}", also.unwrap_or_default())),
            ("unix_socket_directories", self.folder.to_string_lossy().into_owned()),
            ("max_connections", options.connections_max.to_string()),
        ];
        let own = own.iter().map(|(name, value)| (*name, value));
        let others = options.settings.iter().map(|(name, value)| (name.as_str(), value));
        let lines = own.chain(others);
        lines.map(|(name, value)| format!("{name} = '{}'\n", value.replace('\'', "''"))).collect()
    }

    fn append(&self, file: &str, text: &str) -> Result<()> {
        let path = self.data.join(file);
        let mut file = OpenOptions::new().append(true).open(&path)?;
        file.write_all(text.as_bytes()).with_context(|| format!("can't write `{}`", path.display()))
    }

    fn spawn(&self) -> Result<Child> {
        let log = OpenOptions::new().append(true).create(true).open(self.folder.join("log"))?;
        let mut postgres = self.programs.server("postgres", &self.folder);
        postgres.arg("-D").arg(&self.data).stdout(log.try_clone()?).stderr(log);
        postgres.spawn().context("`postgres` can't be started")
    }

    /// As `pg_ctl` does it: the server itself writes into its file that it takes clients.
    fn wait_until_ready(&self, child: &mut Child) -> Result<()> {
        let (file, from) = (self.data.join("postmaster.pid"), self.log()?.len());
        wait_until("the server doesn't come up", PATIENCE, || {
            if let Some(status) = child.try_wait()? {
                let log = self.log()?;
                let said = log.get(from..).unwrap_or(&log).trim();
                bail!("the PostgreSQL server ended with {status}: {said}");
            }
            let text = fs::read_to_string(&file).unwrap_or_default();
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            // An earlier one, if it was killed, has left its file.
            let is_ours = lines.first().is_some_and(|pid| *pid == child.id().to_string());
            Ok(is_ours && lines.get(7) == Some(&"ready"))
        })
    }

    fn stop(&self, how: Signal) -> Result<()> {
        let mut running = self.running();
        let child = running.as_mut().context("the server doesn't run")?;
        signal(child.id(), how)?;
        wait_until("the server doesn't stop", PATIENCE, || Ok(child.try_wait()?.is_some()))?;
        *running = None;
        Ok(())
    }

    fn running(&self) -> MutexGuard<'_, Option<Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The janitor stops the server and removes everything; what it left to do is its only job.
        drop(self.janitor.stdin.take());
        let _ = self.janitor.wait();
        if let Some(child) = self.running().as_mut() {
            // It has ended, unless there was no janitor any more.
            if matches!(child.try_wait(), Ok(None)) {
                let _ = kill_all(child);
            }
        }
        for folder in [&self.data, &self.folder] {
            // In somebody else's directory we may do what the janitor may not.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// Ends all processes of a server at one instant, as far as that can be.
fn kill_all(child: &mut Child) -> Result<()> {
    let first = child.id();
    if child.try_wait()?.is_some() {
        return Ok(());
    }
    // So that it starts no others meanwhile, nor notices that one is missing.
    signal(first, Signal::STOP)?;
    wait_until("the server can't be held", PATIENCE, || Ok(is_stopped(first) || !lives(first)))?;
    let others = children(first);
    for &process in &others {
        // An error means that it has ended already.
        let _ = signal(process, Signal::KILL);
    }
    child.kill()?;
    child.wait()?;
    wait_until("processes of the server live on", PATIENCE, || {
        Ok(!others.iter().any(|&process| lives(process)))
    })
}

fn private_folder(programs: &Programs, inside: &Path) -> Result<PathBuf> {
    let folder = tempfile::Builder::new()
        .prefix("taskhost-pg-")
        .tempdir_in(inside)
        .with_context(|| format!("can't make a directory in `{}`", inside.display()))?
        .keep();
    programs.hand_over(&folder)?;
    // As the server sees it, and so its janitor.
    Ok(folder.canonicalize()?)
}

/// In a process group of its own, as the server: who kills a whole test leaves it alive.
fn janitor(programs: &Programs, data: &Path, folder: &Path) -> Result<Child> {
    let mut shell: Command = programs.server("/bin/sh", Path::new("/"));
    shell.args(["-c", JANITOR, "janitor"]).arg(programs.folder()).arg(data).arg(folder);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.spawn().context("`/bin/sh` can't be started")
}

/// A port of 127.0.0.1 at which nobody listens.
pub(crate) fn free_port() -> Result<u16> {
    (0..PORT_TRIES_MAX).find_map(|_| free_listener().ok()?.local_addr().ok()).map_or_else(
        || bail!("no port between {} and {} is free", PORTS.start, PORTS.end),
        |address| Ok(address.port()),
    )
}

/// Listens at some port of 127.0.0.1.
pub(crate) fn free_listener() -> Result<TcpListener> {
    let random = getrandom::u32()? % u32::from(PORTS.end - PORTS.start);
    let port = PORTS.start + u16::try_from(random)?;
    Ok(TcpListener::bind(("127.0.0.1", port))?)
}
