//! Everything that can fail, for a while.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::path::Path;
use std::time::Duration;

use taskhost_faults::soak;

#[test]
fn nothing_is_lost_or_doubled_whatever_fails() {
    let seed = fastrand::u64(..1_000_000);
    let program = Path::new(env!("CARGO_BIN_EXE_faults"));
    let report = soak::run(program, Duration::from_secs(20), seed).unwrap();
    println!("{report}");
    assert_eq!(report.wrong, Vec::<String>::new(), "seed {seed}");
    // Something was done, and something went wrong.
    for what in ["claims", "workers killed", "servers killed", "planned cuts that happened"] {
        assert!(report.done.get(what).is_some_and(|times| *times > 0), "no {what}: {report}");
    }
}
