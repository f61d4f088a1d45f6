//! What reads the board beside the view: a thread of its own, so that keys are heard while it reads.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use taskhost::{Address, Board, Error, OpenError, TaskId};

use super::opened::{self, History, Opened, Reading};
use super::reader::{Picture, Reader};
use super::rows::Sought;

/// How long a wish, or the end, may go unheard while nothing happens.
const LOOK_UP: Duration = Duration::from_millis(100);
/// A look reads the board's newest journal from its start, so each is followed by a pause of this many times its own
/// length: nobody who only watches is to keep a processor busy.
const PAUSE_TIMES: u32 = 6;
/// Nobody reads faster.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often it is checked that the board is still where it was.
const CHECKED: Duration = Duration::from_secs(1);

/// What the view wants to show besides the board.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    pub sought: Sought,
    pub open: Option<TaskId>,
}

/// How much of a task's history is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What has happened just now.
    News,
    /// All that is kept.
    Whole,
}

/// Something new for the view.
#[derive(Debug)]
pub enum Update {
    Picture(Box<Picture>),
    Opened(TaskId, Box<Opened>),
    History(TaskId, History, Extent),
    /// The board can't be read any more.
    Failed(Error),
}

/// The thread that reads; it ends when this is dropped.
pub struct Feed {
    pub updates: Receiver<Update>,
    wishes: Option<Sender<Wish>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    /// Reads the board, which was opened at `address`.
    pub fn start(board: Board, address: Address) -> Self {
        let ((wish, wishes), (update, updates)) = (mpsc::channel(), mpsc::channel());
        let is_over = Arc::new(AtomicBool::new(false));
        let stop = is_over.clone();
        let thread = thread::spawn(move || {
            let told = update.clone();
            if let Err(error) = Feeding::run(board, &address, wishes, update, &stop) {
                // Nobody is left to be told if the view has ended.
                let _ = told.send(Update::Failed(error));
            }
        });
        Self { updates, wishes: Some(wish), is_over, thread: Some(thread) }
    }

    /// Says what is to be shown from now on.
    pub fn wish(&self, wish: Wish) {
        if let Some(wishes) = &self.wishes {
            // If the thread has ended, its last update says so.
            let _ = wishes.send(wish);
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        drop(self.wishes.take());
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// The board's directory. Its files stay readable to whoever has them open, also once they are gone for everybody else.
struct Place {
    path: PathBuf,
    /// The file there that is never replaced, while it is this board's.
    lock: (u64, u64),
    checked: Instant,
}

impl Place {
    fn new(path: PathBuf) -> Result<Self, Error> {
        let lock = Self::lock(&path)?;
        Ok(Self { path, lock, checked: Instant::now() })
    }

    fn lock(path: &Path) -> Result<(u64, u64), Error> {
        let lock = fs::metadata(path.join("board.lock")).map_err(|_| gone(path))?;
        Ok((lock.dev(), lock.ino()))
    }

    /// Says so if the board isn't there any more, or another one is.
    fn check(&mut self) -> Result<(), Error> {
        if self.checked.elapsed() < CHECKED {
            return Ok(());
        }
        self.checked = Instant::now();
        if Self::lock(&self.path)? == self.lock { Ok(()) } else { Err(gone(&self.path)) }
    }
}

fn gone(path: &Path) -> Error {
    Error::Open(OpenError::NoBoard { board: path.into() })
}

struct Feeding {
    board: Board,
    reader: Reader,
    wish: Wish,
    reading: Option<Reading>,
    wishes: Receiver<Wish>,
    updates: Sender<Update>,
}

impl Feeding {
    fn run(
        board: Board,
        address: &Address,
        wishes: Receiver<Wish>,
        updates: Sender<Update>,
        stop: &AtomicBool,
    ) -> Result<(), Error> {
        let reader = Reader::start(board.clone())?;
        // A server says so itself when a board of its is gone.
        let place = address.directory().map(|path| Place::new(path.to_owned()));
        let mut place = place.transpose()?;
        let (wish, reading) = (Wish::default(), None);
        let mut feeding = Self { board, reader, wish, reading, wishes, updates };
        feeding.show();
        while !stop.load(Ordering::Relaxed) {
            let began = Instant::now();
            if feeding.reader.look(|| !stop.load(Ordering::Relaxed))? {
                feeding.show();
                feeding.open(false)?;
                let pause = (began.elapsed() * PAUSE_TIMES).clamp(PAUSE_MIN, PAUSE_MAX);
                feeding.pause(pause)?;
            }
            feeding.hear()?;
            place.as_mut().map_or(Ok(()), Place::check)?;
            feeding.reader.wait(LOOK_UP)?;
        }
        Ok(())
    }

    fn show(&self) {
        let _ = self.updates.send(Update::Picture(Box::new(self.reader.picture())));
    }

    /// Reads the task that is open; with its history, if it was opened just now.
    fn open(&mut self, is_new: bool) -> Result<(), Error> {
        let Some(id) = self.wish.open.clone() else {
            self.reading = None;
            return Ok(());
        };
        let opened = Box::new(opened::read(&self.board, &id)?);
        let _ = self.updates.send(Update::Opened(id.clone(), opened));
        let _ =
            self.updates.send(Update::History(id.clone(), self.reader.followed(), Extent::News));
        if is_new {
            self.reading = Some(Reading::start(self.board.clone(), id, self.updates.clone()));
        }
        Ok(())
    }

    /// Lets this time pass, and does what is wished meanwhile.
    fn pause(&mut self, time: Duration) -> Result<(), Error> {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.wishes.recv_timeout(left) {
                Ok(wish) => self.grant(wish)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    fn hear(&mut self) -> Result<(), Error> {
        loop {
            match self.wishes.try_recv() {
                Ok(wish) => self.grant(wish)?,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(()),
            }
        }
    }

    fn grant(&mut self, mut wish: Wish) -> Result<(), Error> {
        // Of several, only the last is still wished.
        while let Ok(newer) = self.wishes.try_recv() {
            wish = newer;
        }
        let was = std::mem::replace(&mut self.wish, wish);
        if was.sought != self.wish.sought {
            self.reader.seek(self.wish.sought.clone())?;
            self.show();
        }
        if was.open == self.wish.open {
            return Ok(());
        }
        self.reader.follow(self.wish.open.clone());
        self.open(true)
    }
}
