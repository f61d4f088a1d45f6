//! PostgreSQL's own programs: where they are, and as whom they may run.

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::geteuid;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where Debian's packages put a directory for each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// All that is needed; some distributions have them in packages of their own.
const NEEDED: [&str; 4] = ["initdb", "postgres", "pg_ctl", "psql"];
/// What a server or a client would be led astray by.
const VARIABLES: [&str; 9] = [
    "PGDATA",
    "PGDATABASE",
    "PGHOST",
    "PGHOSTADDR",
    "PGOPTIONS",
    "PGPASSWORD",
    "PGPORT",
    "PGSERVICE",
    "PGUSER",
];

/// The programs of one version of PostgreSQL.
#[derive(Debug, Clone)]
pub struct Programs {
    folder: PathBuf,
    /// Whom a server runs as, if not as ourselves: it refuses to run as root.
    user: Option<User>,
}

#[derive(Debug, Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl Programs {
    /// Finds them in `PATH`, where Debian's packages put them (the newest version first), or where `pg_config` says.
    ///
    /// # Errors
    ///
    /// If they aren't here, or if we are root and there is no user `postgres`.
    pub fn find() -> Result<Self> {
        let folder = candidates().into_iter().find(|folder| has_all(folder)).ok_or_else(|| {
            anyhow!(
                "there is no PostgreSQL server here (no `initdb` in `PATH`, nor in `{DEBIAN}/*/bin`, nor where \
                 `pg_config --bindir` says): `cargo xtask setup --for-tests` installs it"
            )
        })?;
        let user = if geteuid().is_root() { Some(User::postgres()?) } else { None };
        Ok(Self { folder, user })
    }

    /// The directory that has them.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What they call themselves: `PostgreSQL 15.18 (Debian 15.18-0+deb12u1)`.
    ///
    /// # Errors
    ///
    /// If `postgres` can't be run.
    pub fn version(&self) -> Result<String> {
        let said = output(self.client("postgres").arg("--version"))?;
        Ok(said.trim().replace("postgres (PostgreSQL)", "PostgreSQL"))
    }

    /// A program that may run as ourselves.
    pub(crate) fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        clean(&mut command);
        command
    }

    /// A program that works on a server's files, as the one whose they are. `folder` is one that it may stand in.
    pub(crate) fn server(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        // A path of its own stays as it is.
        let mut command = Command::new(self.folder.join(program.as_ref()));
        clean(&mut command);
        if let Some(user) = self.user {
            // Our own groups are given up with it.
            command.uid(user.uid).gid(user.gid);
        }
        // What is typed at a terminal to stop a test isn't meant for the server: its janitor stops it.
        command.process_group(0).current_dir(folder);
        command
    }

    /// Gives a directory or file that we made to the one whom servers run as.
    pub(crate) fn hand_over(&self, path: &Path) -> Result<()> {
        let Some(user) = self.user else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid))
            .with_context(|| format!("can't give `{}` to the user `postgres`", path.display()))
    }
}

impl User {
    fn postgres() -> Result<Self> {
        let number = |of: &str| -> Result<u32> {
            Ok(output(Command::new("id").args([of, "postgres"]))?.trim().parse()?)
        };
        let user = || Ok(Self { uid: number("-u")?, gid: number("-g")? });
        user().map_err(|error: anyhow::Error| {
            error.context(
                "PostgreSQL refuses to run as root, and there is no user `postgres` that it could run as: \
                 `cargo xtask setup --for-tests` installs Debian's package, which makes one",
            )
        })
    }
}

fn candidates() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    folders.extend(versions.into_iter().map(|(_, folder)| folder.join("bin")));
    let config = output(Command::new("pg_config").arg("--bindir")).ok();
    folders.extend(config.map(|said| PathBuf::from(said.trim())));
    folders
}

fn has_all(folder: &Path) -> bool {
    NEEDED.iter().all(|program| folder.join(program).is_file())
}

/// Without what the user's own environment says of another server, and with messages in English.
fn clean(command: &mut Command) {
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
}

/// What a program prints, if it ends well.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let ended = command.output().with_context(|| format!("`{name}` can't be started"))?;
    printed(&name, &ended)
}

pub(crate) fn printed(name: &str, ended: &Output) -> Result<String> {
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        bail!("`{name}` ended with {}: {}", ended.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}
