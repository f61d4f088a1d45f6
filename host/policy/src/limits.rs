//! What a hook call may use.
//!
//! [`HookLimits`] are the operator's numbers; [`MemoryLimiter`] is what wasmtime asks before an instance's
//! memory grows. Staged steps are bounded by the transaction itself, and a policy's log in [`crate::log`].

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// How long a hook call may take. Making an instance ready gets as long again: instantiating the component and, where it
/// wants WASI, having it describe itself.
///
/// It is wall-clock time, and time spent in imports counts. It is checked every ten milliseconds while the
/// policy's own code runs. It doesn't interrupt the host: an import that waits bounds its wait by what is
/// left, and a read of the board or a replaced file takes as long as the store takes.
pub const DEADLINE: Duration = Duration::from_secs(1);

/// How much memory one instance may have: its linear memories, and eight bytes for each entry of its tables.
///
/// It doesn't cover the compiled code, which is shared by all instances, the host's own bookkeeping of an
/// instance (tens of kilobytes), or the address space that is reserved for a memory without being used.
pub const MEMORY_BYTES_MAX: usize = 64 << 20;

/// How many bytes of texts and lists may pass between host and policy in one hook call, in both directions
/// together. Numbers and handles cost nothing. What the host holds while it copies is bounded by this too.
pub const BOUNDARY_BYTES_MAX: usize = 8 << 20;

/// How many handles of the host's resources (tasks, cursors, guards) may be open at a time. A policy's own
/// resources, and the handles of the few WASI resources there are, are bounded by twice this number.
pub const HANDLES_MAX: u32 = 1024;

/// How deep a policy may recurse, in bytes of the native stack of the thread that calls the hook. It doesn't
/// cover the stack that a guest's compiler keeps in linear memory, nor the frames of the host: a thread that
/// calls hooks needs about 256 KiB besides.
pub const STACK_BYTES_MAX: usize = 512 << 10;

/// The largest component that is compiled. Compiling takes time and memory by the size of a component, and
/// no other limit covers it: it is done when a policy is set, never while a transaction is open.
pub const COMPONENT_BYTES_MAX: usize = 64 << 20;

/// How many core instances, and how many tables, a component may be made of: Python needs dozens.
const PARTS_MAX: usize = 1000;
/// How many linear memories it may have.
const MEMORIES_MAX: usize = 100;
/// What an entry of a table takes.
const TABLE_ENTRY_BYTES: usize = 8;

/// The limits of every hook call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookLimits {
    /// See [`DEADLINE`].
    pub deadline: Duration,
    /// See [`MEMORY_BYTES_MAX`].
    pub memory_bytes_max: usize,
    /// See [`BOUNDARY_BYTES_MAX`].
    pub boundary_bytes_max: usize,
    /// See [`HANDLES_MAX`].
    pub handles_max: u32,
    /// See [`STACK_BYTES_MAX`].
    pub stack_bytes_max: usize,
    /// See [`COMPONENT_BYTES_MAX`].
    pub component_bytes_max: usize,
}

impl HookLimits {
    /// The longest deadline that a board's settings can give: others wait meanwhile.
    pub const DEADLINE_SETTABLE_MAX: Duration = Duration::from_secs(60);
    /// The most memory that a board's settings can give, in bytes.
    pub const MEMORY_SETTABLE_MAX: u64 = 4 << 30;
}

impl Default for HookLimits {
    fn default() -> Self {
        Self {
            deadline: DEADLINE,
            memory_bytes_max: MEMORY_BYTES_MAX,
            boundary_bytes_max: BOUNDARY_BYTES_MAX,
            handles_max: HANDLES_MAX,
            stack_bytes_max: STACK_BYTES_MAX,
            component_bytes_max: COMPONENT_BYTES_MAX,
        }
    }
}

/// Counts an instance's memory and refuses to let it grow past its limit.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    bytes_max: usize,
    bytes_used: usize,
    /// How much of that is linear memory: none is ever given back.
    linear_bytes: usize,
    /// What the last growth added, to take back if it failed after all.
    bytes_last: usize,
    /// How much there was when the instance was ready.
    fresh_bytes: usize,
    /// Whether growth was refused since the call began: if the call then fails, this is why.
    pub(crate) refused: bool,
}

impl MemoryLimiter {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let (bytes_used, linear_bytes, bytes_last, fresh_bytes) = (0, 0, 0, 0);
        Self { bytes_max, bytes_used, linear_bytes, bytes_last, fresh_bytes, refused: false }
    }

    /// The instance is ready: what it has now, it needs.
    pub(crate) fn is_ready(&mut self) {
        self.fresh_bytes = self.bytes_used;
    }

    /// Whether the instance has used less than half of what it had left when it was ready.
    pub(crate) fn is_roomy(&self) -> bool {
        (self.bytes_used - self.fresh_bytes) * 2 <= self.bytes_max.saturating_sub(self.fresh_bytes)
    }

    /// The most linear memory that the instance had, in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.linear_bytes as u64
    }

    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let more = desired.saturating_sub(current);
        let total = self.bytes_used.saturating_add(more);
        if total > self.bytes_max {
            self.refused = true;
            return false;
        }
        (self.bytes_used, self.bytes_last) = (total, more);
        true
    }

    fn take_back(&mut self) -> usize {
        let bytes = std::mem::take(&mut self.bytes_last);
        self.bytes_used -= bytes;
        bytes
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = self.grow(current, desired);
        if grown {
            self.linear_bytes += self.bytes_last;
        }
        Ok(grown)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.linear_bytes -= self.take_back();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = |entries: usize| entries.saturating_mul(TABLE_ENTRY_BYTES);
        Ok(self.grow(bytes(current), bytes(desired)))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.take_back();
        Ok(())
    }

    fn instances(&self) -> usize {
        PARTS_MAX
    }

    fn tables(&self) -> usize {
        PARTS_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_budget() {
        let mut limiter = MemoryLimiter::new(1000);
        assert!(limiter.grow(0, 600));
        assert!(!limiter.table_growing(0, 51, None).expect("never an error"));
        assert!(limiter.refused);
        assert!(limiter.table_growing(0, 50, None).expect("never an error"));
        assert!(!limiter.grow(600, 601));
    }

    #[test]
    fn room_is_what_was_left_when_the_instance_was_ready() {
        let mut limiter = MemoryLimiter::new(1000);
        assert!(limiter.grow(0, 800));
        limiter.is_ready();
        assert!(limiter.grow(800, 900) && limiter.is_roomy());
        assert!(limiter.grow(900, 901) && !limiter.is_roomy());
    }

    #[test]
    fn growth_that_failed_is_given_back() {
        let mut limiter = MemoryLimiter::new(1000);
        assert!(limiter.memory_growing(0, 600, None).expect("never an error"));
        assert_eq!(limiter.peak_bytes(), 600);
        limiter.memory_grow_failed(wasmtime::format_err!("no room")).expect("never an error");
        assert!(limiter.grow(0, 1000));
        assert_eq!(limiter.peak_bytes(), 0);
    }
}
