//! What `policy compare` and `policy replay` share: doing a board's history again through policies, and telling what
//! differs.

mod text;

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;
use taskhost::domain::{Error as BoardError, PolicyPin};
use taskhost::{Board, Progress};
use taskhost_trial::course::Course;
use taskhost_trial::history::Workload;
use taskhost_trial::picture;
use taskhost_trial::replay::{Candidate, replay};
use taskhost_trial::report::Report;

use super::subject::runner;
use super::target::target;
use crate::context::{Context, progress};
use crate::exit::{Code, Usage};

/// What a replay stands on, for the manual.
pub const MODEL: &str = "\
What is taken from the history: tasks come at their recorded times, with all that is said of them; so do reservations, \
updates, cancellations, and what operators parked or took back. A review, an unblocking or a retry by hand comes as \
long after what it answers as it did. Each agent is as many workers as it held tasks at a time; between two tasks a \
worker is away as long as it was, and asks as soon after there is something for it as it did. How long work takes and \
how it ends (completed, failed, handed back, parked, the holder died or fell silent) belongs to the task's n-th try, \
whoever makes it.

What is assumed: a try that the history doesn't have takes the median of that task's tries, or else of its type's, or \
else of all, and ends as the task's last one; where no try was ended, the median of those that go on. Who took a task as soon as it was ready had waited for it; who let one \
pass was away. A worker leaves when it has been there as long as in the history and has got as many tasks, or, where the history ends \
with nothing left for it, when nothing is. Whoever \
lives keeps its lease. The policy begins with no memory and no files. The board's own settings are those of today, and \
the standard policy is the board's.

The same history gives the same answer, byte for byte, unless a policy runs into its deadline, which depends on the \
machine: that is counted and told. A history of which the beginning isn't kept any more begins with \
the tasks that stood on the board then, as far as that can be told.";

/// How the answer is given besides.
#[derive(Debug, clap::Args)]
pub struct Told {
    /// How many differences are told, the first ones
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: usize,
    /// Draw it into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write it as a page with the drawing in it
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// A policy that is tried.
pub struct Tried<'a> {
    /// What its column is called.
    pub column: &'static str,
    /// What is done while it is tried.
    pub doing: &'static str,
    /// A file, or `standard`, or `current`, or a digest.
    pub target: &'a OsStr,
    /// Settings of the one that leads.
    pub settings: &'a [(String, String)],
}

/// `policies` says what the columns after the first are.
#[derive(Serialize)]
struct Answer {
    policies: Vec<Subject>,
    #[serde(flatten)]
    report: Report,
}

#[derive(Serialize)]
struct Subject {
    column: &'static str,
    name: String,
    version: String,
    leading: PolicyPin,
    standard: PolicyPin,
}

/// Does the board's history again through each of `tried`, and tells what differs.
pub fn exec(
    context: &Context,
    tried: &[Tried<'_>],
    standard_settings: &[(String, String)],
    told: &Told,
) -> Result<Code> {
    let board = context.open()?;
    told.check(context.board.directory())?;
    let mut candidates = Vec::new();
    for one in tried {
        candidates.push(candidate(&board, one, standard_settings)?);
    }
    let on_progress = progress();
    let on_step = |doing, done| on_progress(Progress { doing, done });
    let workload = Workload::of(board.store(), &on_step).map_err(BoardError::from);
    let workload = workload.map_err(taskhost::Error::from)?;
    let mut courses: Vec<(String, Course)> = Vec::new();
    let mut policies = Vec::new();
    for (one, candidate) in tried.iter().zip(&candidates) {
        let settings = board.settings()?;
        let course = replay(&workload, candidate, &settings, &runner, one.doing, &on_step);
        let course = course
            .map_err(taskhost::Error::from)
            .with_context(|| format!("`{}` can't be tried", one.target.to_string_lossy()))?;
        courses.push((one.column.to_owned(), course));
        policies.push(subject(one.column, candidate)?);
    }
    let answer = Answer { policies, report: Report::of(&workload, &courses, told.limit) };
    draw(&answer, &workload, &courses, told)?;
    context.output.answer(&answer, |out| text::write(out, &answer))?;
    Ok(Code::Done)
}

/// What would decide if this were set on the board.
fn candidate(
    board: &Board,
    tried: &Tried<'_>,
    standard_settings: &[(String, String)],
) -> Result<Candidate> {
    let target = target(board, tried.target)?;
    let fetch = |digest| board.engine().store().component(digest);
    let now = board.policies()?;
    let made = Candidate::new(&now, target, tried.settings, standard_settings, &fetch);
    Ok(made.map_err(BoardError::from).map_err(taskhost::Error::from)?)
}

fn subject(column: &'static str, candidate: &Candidate) -> Result<Subject> {
    let leading = candidate.set().leading().clone();
    let about = taskhost::check_policy(&candidate.components()[&leading.digest])?;
    Ok(Subject {
        column,
        name: about.name,
        version: about.version,
        leading,
        standard: candidate.set().standard.clone(),
    })
}

fn draw(
    answer: &Answer,
    workload: &Workload,
    courses: &[(String, Course)],
    told: &Told,
) -> Result<()> {
    if told.svg.is_none() && told.html.is_none() {
        return Ok(());
    }
    let labels: Vec<String> =
        answer.policies.iter().map(|of| format!("{}: {}", of.column, of.name)).collect();
    let drawn: Vec<(&str, &Course)> =
        labels.iter().map(String::as_str).zip(courses.iter().map(|(_, course)| course)).collect();
    let svg = picture::svg(&workload.recorded, &drawn)?;
    if let Some(path) = &told.svg {
        write(path, &svg)?;
    }
    if let Some(path) = &told.html {
        let mut text = String::new();
        text::write(&mut text, answer);
        write(path, &picture::page("What a board's history would have been", &text, &svg))?;
    }
    Ok(())
}

impl Told {
    /// Says before anything is done what could not be written in the end.
    fn check(&self, board: Option<&Path>) -> Result<(), Usage> {
        if self.svg.is_some() && self.svg == self.html {
            return Err(Usage("`--svg` and `--html` name the same file: give each its own".into()));
        }
        for path in self.svg.iter().chain(&self.html) {
            let wrong =
                |why: String| Usage(format!("`{}` can't be written: {why}", path.display()));
            if path.is_dir() {
                return Err(wrong("it is a directory".into()));
            }
            let folder = folder(path).canonicalize().map_err(|error| wrong(error.to_string()))?;
            let board = board.and_then(|board| board.canonicalize().ok());
            if board.is_some_and(|board| folder.starts_with(board)) {
                return Err(wrong("what is in there is the board's: write it elsewhere".into()));
            }
        }
        Ok(())
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Puts it in the place of what was there, whole or not at all; of a link, in the link's own place.
fn write(path: &Path, content: &str) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new()
            .permissions(std::fs::Permissions::from_mode(0o666))
            .tempfile_in(folder(path))?;
        file.write_all(content.as_bytes())?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("`{}` can't be written", path.display()))
}
