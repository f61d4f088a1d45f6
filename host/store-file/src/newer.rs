//! Reading a board of a newer format, as far as it can be read: into memory, without writing anything.

use taskhost_board::image::{self, ImageView};
use taskhost_board::memory::MemoryMap;
use taskhost_board::{ReadError, View};

use crate::disk::How;
use crate::format::{Checksum, names, snapshot};
use crate::journal::{End, replay};
use crate::mend::beginning;
use crate::state::{Inner, failed};

impl Inner {
    /// The board as it is, if its files are still those that this version knows.
    pub(crate) fn read_newer(&self) -> Result<Box<dyn View>, ReadError> {
        let file = self.any_board_file()?;
        let (tasks, name) = (names::tasks(file.generation), names::journal(file.generation));
        let boot = self.platform.now().boot;
        let map = std::cell::RefCell::new(MemoryMap::default());
        let snapshot = self.disk.open(&tasks, How::Read).map_err(failed(&tasks))?;
        let (header, sum) = snapshot::read(
            &*snapshot,
            &tasks,
            |header| {
                let map = &mut *map.borrow_mut();
                image::start(map, &boot, &header.head(), &header.policies, &header.settings)
            },
            |record| image::load(&mut *map.borrow_mut(), &record),
        )?;
        let journal = self.disk.open(&name, How::Read).map_err(failed(&name))?;
        journal.sync().map_err(failed(&name))?;
        let seed = Checksum::seed(&file.board, file.generation, sum);
        let from = beginning(header.base, seed);
        let (_, end) = replay(&*journal, &name, file.generation, from, |line, _| {
            image::apply(&mut *map.borrow_mut(), line.place.sequence, &line.entry)
        })?;
        match end {
            End::Clean => Ok(Box::new(ImageView::new(map.into_inner()))),
            // It may be torn, or only new: that can't be told by an old version.
            End::Bad(why) => Err(ReadError::Failed(why)),
        }
    }
}
