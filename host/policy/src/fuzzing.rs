//! What fuzzing does with files that are said to be policies.
//!
//! What must hold: whatever the bytes are, checking them ends, in one error or in a policy; the same bytes get the same
//! answer again; and an answer is one that a board can be set by.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use taskhost_board::{
    Description, Digest, FailureKind, NoPowers, Policies as _, PolicyFailure, PolicyPin,
};

use crate::anatomy;
use crate::contract::Contracts;
use crate::{HookLimits, Runtime, RuntimeOptions};

/// What every policy must export, as it stands in the contract.
const ABOUT: &str = "taskhost:policy/about@0.1.0";
/// Small, so that a policy that runs away is stopped soon.
const DEADLINE: Duration = Duration::from_millis(200);
const MEMORY_BYTES_MAX: usize = 16 << 20;

/// Checks bytes as `taskhost policy check` does, and looks at the answer.
pub fn component(data: &[u8]) {
    let one = check(data);
    let two = check(data);
    match (&one, &two) {
        (Ok(one), Ok(two)) => {
            assert_eq!(one.name, two.name, "a policy has two names");
            assert!(
                !one.name.is_empty() && !one.version.is_empty(),
                "a policy has no name: {one:?}"
            );
            let names = anatomy::names(data, &limits(), &Contracts::with(&[]));
            assert!(names.is_ok(), "a policy was taken whose names aren't the contract's");
            let says_so = data.windows(ABOUT.len()).any(|bytes| bytes == ABOUT.as_bytes());
            assert!(says_so, "a policy was taken that doesn't export `{ABOUT}`");
            // Without settings of its own it must be possible to set it.
            let pin = PolicyPin { digest: Digest::of(data), settings: Default::default() };
            let settings = runtime().check_settings(&pin, one);
            assert!(settings.is_ok(), "its own defaults aren't taken: {settings:?}");
        }
        (Err(one), Err(two)) => {
            assert!(
                !one.detail.is_empty() && !one.policy.is_empty(),
                "an error says nothing: {one:?}"
            );
            // How long it may take is a matter of the clock.
            let is_timed = |failure: &PolicyFailure| failure.kind == FailureKind::Deadline;
            assert!(one.kind == two.kind || is_timed(one) || is_timed(two), "{one}, then {two}");
        }
        // What ran into the deadline once may be faster the next time.
        (Err(failure), Ok(_)) | (Ok(_), Err(failure)) => {
            assert_eq!(failure.kind, FailureKind::Deadline, "refused and taken: {failure}");
        }
    }
}

fn check(data: &[u8]) -> Result<Description, PolicyFailure> {
    runtime().check(data)
}

fn limits() -> HookLimits {
    HookLimits { deadline: DEADLINE, memory_bytes_max: MEMORY_BYTES_MAX, ..HookLimits::default() }
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let options = RuntimeOptions {
            limits: limits(),
            cache_dir: None,
            ..RuntimeOptions::new(Arc::new(NoPowers))
        };
        Runtime::new(options).expect("WebAssembly can be run here")
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]
mod tests {
    use std::fs;
    use std::path::Path;

    use taskhost_mutate::Choices;

    use super::*;

    const ROUNDS: u64 = 100;

    #[test]
    fn what_isnt_a_policy_is_refused_with_one_error() {
        assert!(taskhost_mutate::replay("component", ROUNDS, component) > ROUNDS);
    }

    /// Policies as they are built, edited in a place or cut off.
    #[test]
    fn built_policies_that_were_damaged_are_refused_or_are_policies() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = taskhost_guest_build::target_dir(&root);
        let packages = ["newest-first", "hostile"];
        for policy in taskhost_guest_build::build_all(&packages, &root, &target).unwrap() {
            assert!(check(&policy).is_ok());
            for seed in 0..30_u32 {
                let choices: Vec<u8> = Digest::of(&seed.to_be_bytes()).to_string().into_bytes();
                let mut damaged = policy.clone();
                taskhost_mutate::bytes(&mut damaged, &mut Choices::new(&nibbles(&choices)));
                component(&damaged);
            }
        }
        let peak = peak_bytes();
        assert!(peak < 2 << 30, "checking took {} MiB", peak >> 20);
    }

    /// Pairs of hex digits as the bytes they stand for.
    fn nibbles(text: &[u8]) -> Vec<u8> {
        let digits: Vec<u8> =
            text.iter().map(|digit| (*digit as char).to_digit(16).unwrap() as u8).collect();
        digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// The most memory that this process ever had.
    fn peak_bytes() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kilobytes * 1024
    }
}
