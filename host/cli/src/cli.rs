//! The command line as it is typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use taskhost::Address;

use crate::commands::Command;
use crate::parse;

const EXAMPLES: &str = "\
Example: a board, a task, and an agent that does it

  taskhost init
  taskhost add build --id hello --data '{\"crate\": \"hello\"}'
  taskhost claim --agent alice
  taskhost complete hello --agent alice --token 1

Example: four agents work off everything on the board

  taskhost run --agents 4 -- ./build.sh {id}

Exit codes:
   0  done, or done before by the same request
   1  unexpected
   2  usage
   3  nothing to claim
   4  somebody else's: claimed, reserved, or the token is stale
   5  no such task or board
   6  the board's lock was held by somebody else all the while, or the board is just being moved here, or another
      build went on
   7  the policy refused
   8  the policy failed, or isn't one
   9  the board is damaged or of a newer format
  10  an invalid transition, a cycle, or a key used for something else
  11  outcome unknown, because the disk failed or the server can't be reached: repeat with the same key
  12  `run`: some tasks failed
  13  the board was moved; the message says where it is now

Environment: `TASKHOST_LOG=taskhost=debug` tells of every operation on standard error when it has ended, with how long it
took, waited, synced and asked the policy; `TASKHOST_LOG_FORMAT=json` as JSON lines. What is in tasks isn't told";

/// A board of tasks that agents share: each gets work that nobody else has, in an order that a policy decides,
/// and a dead agent's work comes back
#[derive(Debug, Parser)]
#[command(name = "taskhost", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// The board: its directory, or `postgres://USER@HOST/DATABASE?board=NAME`
    #[arg(
        long,
        global = true,
        value_name = "DIR|URL",
        env = "TASKHOST_BOARD",
        hide_env_values = true
    )]
    #[arg(default_value = ".taskhost", value_parser = OsStringValueParser::new().map(Address::from))]
    pub board: Address,
    /// Print one JSON object on standard output, errors included
    #[arg(long, global = true)]
    pub json: bool,
    /// How long to wait for the board's lock; by `policy build`, for another build [default: 5s; 10m]
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse::duration)]
    pub timeout: Option<Duration>,
    /// Open the board even if its file system's locks can't be trusted (NFS, SMB, FUSE, 9p)
    #[arg(long, global = true, env = "TASKHOST_ALLOW_UNSAFE_FILE_SYSTEM", hide_env_values = true)]
    pub allow_unsafe_file_system: bool,
    /// If the policy fails or refuses, keep what it was asked and told in this new file, for `policy replay`. What is in
    /// tasks is in it, those of a small board all of them, and secrets with them: only you can read it.
    /// `TASKHOST_RECORD` names a file for many commands, the first of which keeps its decision
    #[arg(long, global = true, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::{ArgMatches, Command as Clap, CommandFactory};

    use super::Cli;

    /// Every command of `command`, with the words that lead to it.
    fn each(command: &Clap, path: &str, look: &mut impl FnMut(&str, String)) {
        look(path, command.clone().render_long_help().to_string());
        for sub in command.get_subcommands() {
            each(sub, &format!("{path} {}", sub.get_name()), look);
        }
    }

    /// Splits as a shell does, as far as the examples need it: blanks, and single quotes.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        for (index, part) in line.split('\'').enumerate() {
            if index % 2 == 1 {
                words.last_mut().unwrap().push_str(part);
                continue;
            }
            for (index, piece) in part.split(' ').enumerate() {
                if index > 0 {
                    words.push(String::new());
                }
                words.last_mut().unwrap().push_str(piece);
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    /// The words that lead to the command that is called, whatever flags stand between them.
    fn called(matches: &ArgMatches) -> String {
        let (mut path, mut matches) = ("taskhost".to_owned(), matches);
        while let Some((name, below)) = matches.subcommand() {
            path = format!("{path} {name}");
            matches = below;
        }
        path
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_has_an_example_that_parses() {
        let mut command = Cli::command();
        command.build();
        each(&command, "taskhost", &mut |path, help| {
            let (_, examples) =
                help.split_once("Example").unwrap_or_else(|| panic!("`{path}` has no example"));
            let lines =
                examples.lines().map(str::trim).filter(|line| line.starts_with("taskhost "));
            let mut own = 0;
            for line in lines {
                // What other programs make of it is theirs to parse.
                for stage in line.split(" | ").filter(|stage| stage.starts_with("taskhost ")) {
                    let words = words(stage.split(" > ").next().unwrap());
                    let parsed = Cli::command().try_get_matches_from(&words);
                    let parsed = parsed.unwrap_or_else(|error| {
                        panic!("the example `{line}` of `{path}` doesn't parse: {error}")
                    });
                    own += usize::from(called(&parsed).starts_with(path));
                }
            }
            assert!(own > 0, "`{path}` has no example of itself:\n{help}");
        });
    }
}
