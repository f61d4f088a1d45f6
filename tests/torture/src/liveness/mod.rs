//! How soon a dead holder's task comes back, and that a living one's never does before its lease is over.
//!
//! - [`part`]: what it is and does.
//! - `deaths`: holders are killed while others wait, and the time until one of those is answered is measured.
//! - `stopped`: holders that nobody can prove dead, and what they held.

mod deaths;
mod stopped;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use taskhost::{Board, InitOptions, Name, NewTask, TaskId};
use taskhost_simulated::{Bug, Effort, Harm, Outcome, Part};

use crate::place::{Place, place};
use crate::worker::open_board;

/// What has taken so long won't happen any more.
const NEVER: Duration = Duration::from_secs(60);

/// Real holders that die or seem to.
pub(crate) fn part() -> Part {
    Part {
        name: "liveness",
        does: "kills real holders, and measures how soon what they held comes back; stops others, which keep it",
        share: 4,
        run,
    }
}

/// Kills and stops holders, and looks at when their tasks come back.
fn run(effort: &Effort, bug: Option<Bug>) -> Outcome {
    let mut outcome = Outcome::default();
    let left = effort.until.saturating_duration_since(Instant::now());
    let first = Effort { until: Instant::now() + left * 2 / 3, ..*effort };
    let looks: [(Look, &Effort); 2] = [(deaths::look, &first), (stopped::look, effort)];
    for (look, effort) in looks {
        let scene = match Scene::new(bug) {
            Ok(scene) => scene,
            Err(error) => {
                outcome.wrong(Harm::Broken, format!("there is no board: {error:#}"));
                break;
            }
        };
        if let Err(error) = look(&scene, effort, &mut outcome) {
            outcome.wrong(Harm::Broken, format!("it could not go on: {error:#}"));
        }
        scene.place.keep_if(!outcome.wrong.is_empty() && bug.is_none());
    }
    for wrong in &mut outcome.wrong {
        wrong.what = format!("seed {}: {}", effort.seed, wrong.what);
    }
    outcome
}

/// Looks at something on a board of its own.
type Look = fn(&Scene, &Effort, &mut Outcome) -> Result<()>;

/// A board of its own.
struct Scene {
    place: Place,
    board: Board,
    bug: Option<Bug>,
}

impl Scene {
    fn new(bug: Option<Bug>) -> Result<Self> {
        let place = place()?;
        Board::init(place.board(), &InitOptions::default())?;
        let board = open_board(&place.board(), bug)?;
        Ok(Self { place, board, bug })
    }

    /// Adds a task of this type.
    fn add(&self, task_type: &str) -> Result<TaskId> {
        let added = self.board.add(&[NewTask::new(Name::new(task_type)?)])?;
        Ok(added.first().context("what was added is there")?.task.id.clone())
    }

    fn complaints(&self) -> std::path::PathBuf {
        self.place.path().join("complaints")
    }
}
