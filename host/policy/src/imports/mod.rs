//! What a policy may call: one file per interface that has more than a function.
//!
//! Every text and list that crosses is charged to the call ([`State::charge`]); every error that isn't the
//! policy's ends the call ([`crate::failure::Abort`]) instead of being handed to it.

mod board;
mod files;
mod locks;
mod transactions;

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::Everything;
use crate::bindings::taskhost::policy::{clock, log, random, settings, types};
use crate::state::State;

/// Defines everything that the contract lets a policy import.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    Everything::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl types::Host for State {}

impl settings::Host for State {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        self.call("settings.get")?;
        let value = self.settings.get(&name).cloned();
        self.charge(name.len() + value.as_ref().map_or(0, String::len))?;
        Ok(value)
    }
}

impl clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.call("clock.now")?.tx.now().wall.0)
    }
}

impl random::Host for State {
    fn next(&mut self) -> wasmtime::Result<u32> {
        Ok(self.call("random.next")?.random.next_u32())
    }
}

impl log::Host for State {
    fn write(&mut self, line: String) -> wasmtime::Result<()> {
        self.charge(line.len())?;
        self.log.write(&line);
        Ok(())
    }
}
