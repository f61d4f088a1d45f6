//! [`FileStore`]: a board in files, as the domain wants it.

use std::io::{self, BufRead};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant as Deadline};

use taskhost_board::image::ImageView;
use taskhost_board::{
    Ask, BeginError, Begun, Coming, Committed, Contexts, Digest, Entry, InitPlan, Instant,
    LifeGuard, Mark, Meter, Millis, Opened, PostError, Posting, Powers, ReadError, Sequence,
    SessionId, Store, SwitchError, SwitchPlan, TaskId, View,
};

use crate::contexts::FileContexts;
use crate::disk::read_file;
use crate::format::names;
use crate::import::ImportError;
use crate::init::{self, InitError, OpenError};
use crate::options::{Notice, OpenOptions};
use crate::platform::Platform;
use crate::powers::FilePowers;
use crate::repair::{self, RepairOptions, Repaired};
use crate::state::{Inner, failed};

/// A handle of a board that is kept in files. Clones share the handle; threads may use it at once, a forked child
/// may not use it at all.
#[derive(Clone)]
pub struct FileStore {
    pub(crate) inner: Arc<Inner>,
}

impl FileStore {
    /// Makes a board at `path`, or completes one whose making was cut short.
    pub fn init(path: &Path, plan: &InitPlan, options: OpenOptions) -> Result<Self, InitError> {
        let platform = init::make_directory(path, &options)?;
        Self::init_on(platform, plan, options)
    }

    /// Makes a board at `path` of what [`Keeper::export`](taskhost_board::Keeper::export) has handed over, whole or not at all. It is the same
    /// board: its id, tokens, claims and history go on.
    pub fn import(
        path: &Path,
        lines: impl BufRead,
        options: OpenOptions,
    ) -> Result<Self, ImportError> {
        let platform = init::make_directory(path, &options).map_err(InitError::from)?;
        Self::import_on(platform, lines, None, options)
    }

    /// The same of a board that is about to come here: it is made as one that nobody works on before
    /// [`Still::say`](taskhost_board::Still::say) says that it is here. What an earlier try of the same has made is made anew.
    pub fn import_coming(
        path: &Path,
        lines: impl BufRead,
        coming: &Coming,
        options: OpenOptions,
    ) -> Result<Self, ImportError> {
        let platform = init::make_directory(path, &options).map_err(InitError::from)?;
        Self::import_on(platform, lines, Some(coming), options)
    }

    /// Opens the board at `path`, mending what a crash left.
    pub fn open(path: &Path, options: OpenOptions) -> Result<Self, OpenError> {
        let platform = init::open_directory(path, &options)?;
        Self::open_on(platform, options)
    }

    pub(crate) fn init_on(
        platform: Arc<dyn Platform>,
        plan: &InitPlan,
        options: OpenOptions,
    ) -> Result<Self, InitError> {
        let inner = Arc::new(Inner::new(platform, options));
        inner.init(plan)?;
        Ok(Self { inner })
    }

    pub(crate) fn import_on(
        platform: Arc<dyn Platform>,
        lines: impl BufRead,
        coming: Option<&Coming>,
        options: OpenOptions,
    ) -> Result<Self, ImportError> {
        let inner = Arc::new(Inner::new(platform, options));
        inner.import(lines, coming)?;
        Ok(Self { inner })
    }

    pub(crate) fn open_on(
        platform: Arc<dyn Platform>,
        options: OpenOptions,
    ) -> Result<Self, OpenError> {
        let inner = Arc::new(Inner::new(platform, options));
        // A newer version may have other directories.
        if inner.board_file().is_ok() {
            inner.complete().map_err(BeginError::from)?;
        }
        match inner.current(inner.wait_max()) {
            // It may still be read.
            Ok(_) | Err(BeginError::Newer { .. }) => Ok(Self { inner }),
            Err(error) => Err(OpenError::Begin(error)),
        }
    }

    /// What the store did by itself since it was opened, such as dropping a torn end.
    pub fn notices(&self) -> Vec<Notice> {
        self.inner.notices.lock().clone()
    }

    /// How many pages of the index this handle has read at most: an upper bound made of real operations and
    /// the real depth of the tree at each.
    pub fn index_pages(&self) -> u64 {
        self.inner.pages.load(Ordering::Relaxed)
    }

    /// Repairs the board at `path`, also one that can't be opened. Nothing is deleted or overwritten, and nothing is
    /// given up unless `options` say so; what is in the way is set aside in the history.
    pub fn repair(path: &Path, options: RepairOptions) -> Result<Repaired, OpenError> {
        repair::repair(path, options)
    }

    /// Frees what dead processes left in the index. For long-lived processes, now and then.
    pub fn tidy(&self) {
        if let Some(current) = self.inner.open_generation() {
            current.index.tidy();
        }
    }
}

impl Store for FileStore {
    fn begin(&self, deadline: Deadline) -> Result<Box<dyn Opened>, BeginError> {
        Ok(Box::new(self.inner.begin(deadline)?))
    }

    fn begin_or_post(&self, posting: &Posting<'_>, deadline: Deadline) -> Result<Begun, PostError> {
        self.inner.begin_or_post(posting, deadline)
    }

    fn snapshot(&self) -> Result<(Box<dyn View>, Instant), BeginError> {
        match self.inner.snapshot(self.inner.wait_max()) {
            Ok((_, reading, _)) => {
                Ok((Box::new(ImageView::new(reading)), self.inner.platform.now()))
            }
            Err(error @ BeginError::Newer { .. }) => {
                let view = self.inner.read_newer().map_err(|_| error)?;
                Ok((view, self.inner.platform.now()))
            }
            Err(error) => Err(error),
        }
    }

    fn mark(&self) -> Result<Mark, BeginError> {
        self.inner.mark()
    }

    fn wait(&self, past: Mark, timeout: Duration) -> Result<Mark, BeginError> {
        self.inner.wait(past, timeout)
    }

    fn lock_task(
        &self,
        task: &TaskId,
        deadline: Deadline,
    ) -> Result<Option<Box<dyn LifeGuard>>, BeginError> {
        self.inner.lock_task(task, deadline)
    }

    fn task_locker(&self, task: &TaskId) -> Result<Option<String>, ReadError> {
        self.inner.task_locker(task)
    }

    fn contexts(&self) -> Arc<dyn Contexts> {
        Arc::new(FileContexts { inner: self.inner.clone() })
    }

    fn meter(&self) -> Arc<dyn Meter> {
        self.inner.recorder.clone()
    }

    fn wall(&self) -> Millis {
        self.inner.platform.now().wall
    }

    fn component(&self, digest: Digest) -> Result<Vec<u8>, ReadError> {
        self.inner.component(digest)
    }

    fn live(&self, session: &SessionId) -> Result<Box<dyn LifeGuard>, ReadError> {
        self.inner.live(session)
    }

    fn powers(&self) -> Arc<dyn Powers> {
        Arc::new(FilePowers { inner: self.inner.clone() })
    }

    fn switch(
        &self,
        plan: SwitchPlan,
        ask: &mut Ask<'_>,
        deadline: Deadline,
    ) -> Result<Committed, SwitchError> {
        self.inner.switch(plan, ask, deadline)
    }

    fn history(
        &self,
        past: Sequence,
        each: &mut dyn FnMut(Sequence, Entry) -> bool,
    ) -> Result<(), ReadError> {
        self.inner.history(past, each)
    }
}

impl Inner {
    /// A policy component, which must be what its name says.
    pub(crate) fn component(&self, digest: Digest) -> Result<Vec<u8>, ReadError> {
        let name = names::policy(digest);
        let content = match read_file(&*self.disk, &name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ReadError::Damaged(format!("`{name}` is missing")));
            }
            result => result.map_err(failed(&name))?,
        };
        let found = Digest::of(&content);
        if found != digest {
            let why = format!("`{name}` is not what its name says: its digest is `{found}`");
            return Err(ReadError::Damaged(why));
        }
        Ok(content)
    }
}
