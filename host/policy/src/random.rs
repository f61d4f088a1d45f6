//! Random numbers that are the same when a hook is run again.

use taskhost_board::{Space, TaskId};

use crate::contract::Hook;

/// SplitMix64: small, well spread, and fixed for ever, since a replay must draw what the commit drew.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of one hook call. They depend on the transaction's seed and on which hook of which policy
    /// is called for which task, but not on what other hooks drew before.
    pub(crate) fn new(seed: u64, space: Space, hook: Hook, task: Option<&TaskId>) -> Self {
        let mut random = Self(seed);
        for byte in hook.name().bytes().chain(task.map_or("", |task| task.as_str()).bytes()) {
            random.0 = random.next_u64() ^ u64::from(byte);
        }
        random.0 = random.next_u64() ^ u64::from(space == Space::Standard);
        random
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 7);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.next_u64().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(seed: u64, space: Space, hook: Hook, task: &str) -> u64 {
        let task = TaskId::new(task).expect("a valid id");
        Random::new(seed, space, hook, Some(&task)).next_u64()
    }

    #[test]
    fn numbers_depend_on_seed_policy_hook_and_task_only() {
        let base = first(7, Space::Custom, Hook::Readiness, "a");
        assert_eq!(base, first(7, Space::Custom, Hook::Readiness, "a"));
        assert_ne!(base, first(8, Space::Custom, Hook::Readiness, "a"));
        assert_ne!(base, first(7, Space::Standard, Hook::Readiness, "a"));
        assert_ne!(base, first(7, Space::Custom, Hook::Recovery, "a"));
        assert_ne!(base, first(7, Space::Custom, Hook::Readiness, "b"));
    }
}
