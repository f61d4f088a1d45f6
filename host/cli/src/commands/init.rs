//! `init`: a new board.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use taskhost::domain::BoardSettings;
use taskhost::{Board, Error, InitError, InitOptions};
use taskhost_answers::board_settings as settings;

use super::agents_md::{self, Written};
use crate::context::Context;
use crate::exit::{Code, Conflicting, Usage};
use crate::output::line;
use crate::parse;

const EXAMPLES: &str = "\
Example: a board in `.taskhost`

  taskhost init

Example: one elsewhere, whose tasks are tried three times

  taskhost --board /srv/nightly init --setting retries=2 --setting backoff=10m

Example: one whose project tells its agents about it

  taskhost init --agents-md";

/// Make a board
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A setting of the standard policy, which decides until another is set; may be given several times
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = parse::setting)]
    settings: Vec<(String, String)>,
    /// Accept `complete`, `fail`, `release` and `heartbeat` without a token, for clients that have none
    #[arg(long)]
    unfenced: bool,
    /// A directory, or for a board in PostgreSQL a name, where policies of several boards may read and write
    #[arg(long, value_name = "DIR|NAME")]
    shared_files: Option<String>,
    /// Add a paragraph to AGENTS.md in this directory that tells coding agents how to work with the board; once, and
    /// also for a board that is there already
    #[arg(long)]
    agents_md: bool,
}

#[derive(Serialize)]
struct Answer {
    board: String,
    created: bool,
    policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    agents_md: Option<String>,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    context.board.directory().map_or(Ok(()), check_link)?;
    if args.agents_md {
        agents_md::check(Path::new("."))?;
    }
    let options = options(context, args)?;
    let (board, created) = match Board::init(&context.board, &options) {
        Ok(board) => (board, true),
        Err(Error::Init(InitError::Exists)) => (existing(context, args, &options)?, false),
        Err(error) => return Err(error.into()),
    };
    let told =
        args.agents_md.then(|| agents_md::add(Path::new("."), &context.taskhost())).transpose()?;
    let answer = Answer {
        agents_md: told.as_ref().map(|(path, _)| path.display().to_string()),
        board: context.board.absolute()?.to_string(),
        created,
        policy: board.policies()?.leading().digest.to_string(),
    };
    context.output.answer(&answer, |out| {
        let what = if created { "made a board" } else { "there is such a board already" };
        line(out, format_args!("{what} in `{}`", context.board));
        if let Some((path, written)) = &told {
            let what = match written {
                Written::Created => "made, with a paragraph about the board",
                Written::Added => "given a paragraph about the board",
                Written::Already => "left as it is: it tells of a board already",
            };
            line(out, format_args!("`{}` was {what}", path.display()));
        }
    })?;
    if created {
        context
            .output
            .hint(&format!("next: {} add TYPE, or add --from FILE.jsonl", context.taskhost()));
    }
    Ok(Code::Done)
}

/// A board isn't made behind a link that leads nowhere, and "no such file" wouldn't say why.
fn check_link(board: &Path) -> Result<(), Usage> {
    match std::fs::read_link(board) {
        Ok(target) if !board.exists() => Err(Usage(format!(
            "`{}` is a link to `{}`, where nothing is: make that directory, or remove the link",
            board.display(),
            target.display()
        ))),
        _ => Ok(()),
    }
}

fn options(context: &Context, args: &Args) -> Result<InitOptions> {
    let shared_files =
        args.shared_files.as_deref().map(|text| settings::shared_files(text, &context.board));
    let shared_files =
        shared_files.transpose().map_err(|why| Usage(format!("`--shared-files`: {why}")))?;
    Ok(InitOptions {
        settings: BoardSettings {
            unfenced: args.unfenced,
            shared_files: shared_files.flatten(),
            ..BoardSettings::default()
        },
        policy_settings: args.settings.iter().cloned().collect::<BTreeMap<_, _>>(),
        open: context.open_options(),
    })
}

/// The board that is there, if it is as it was asked for.
fn existing(context: &Context, args: &Args, asked: &InitOptions) -> Result<Board> {
    let board = context.open()?;
    let (settings, policies) = (board.settings()?, board.policies()?);
    let mut other = Vec::new();
    if args.unfenced && !settings.unfenced {
        other.push("`--unfenced`".to_owned());
    }
    if asked.settings.shared_files.is_some() && settings.shared_files != asked.settings.shared_files
    {
        other.push("`--shared-files`".to_owned());
    }
    for (name, value) in &asked.policy_settings {
        if policies.standard.settings.get(name) != Some(value) {
            other.push(format!("`--setting {name}={value}`"));
        }
    }
    if other.is_empty() {
        // It is asked for here too, and may have come with the board.
        board.share_files(&asked.settings)?;
        return Ok(board);
    }
    let what = other.join(", ");
    let at = &context.board;
    Err(Conflicting(format!(
        "there is a board in `{at}` already, made without {what}, and nothing was changed: \
         `taskhost policy set` changes a policy's settings, `--board` names another board"
    ))
    .into())
}
