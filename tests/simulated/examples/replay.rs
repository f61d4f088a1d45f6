//! Runs one case of a crash again: `cargo run -p taskhost-simulated --example replay -- 'claim/2/7/13' SEED`.

use std::process::ExitCode;
use std::time::Duration;

use taskhost_simulated::{Effort, replay};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(case), Some(Ok(seed))) =
        (arguments.first(), arguments.get(1).map(|seed| seed.parse()))
    else {
        eprintln!("usage: replay CASE SEED");
        return ExitCode::from(2);
    };
    let effort = Effort::new(seed, Duration::from_secs(600));
    let outcome = replay(case, &effort, None);
    for wrong in &outcome.wrong {
        println!("{}: {}", wrong.harm, wrong.what);
    }
    println!(
        "{} states examined, {} things wrong",
        outcome.counts.values().sum::<u64>(),
        outcome.wrong.len()
    );
    ExitCode::from(u8::from(!outcome.wrong.is_empty()))
}
