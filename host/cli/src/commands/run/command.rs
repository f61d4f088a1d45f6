//! What a command is called with: its arguments, with the task's values in their places, and its environment.
//!
//! Whoever adds a task chooses its type and data, and shall not choose the command's options with them: an argument that
//! begins with such a value doesn't begin with `-`, unless a `--` before it says that no options follow. An id never does.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use rustix::fs::{Access, access};
use serde_json::Value;
use taskhost::Task;

use crate::exit::Usage;

/// A command with places for the values of a task.
#[derive(Debug)]
pub struct Template {
    program: Arg,
    args: Vec<Arg>,
}

#[derive(Debug)]
enum Arg {
    /// Not UTF-8, so nothing is replaced in it.
    Verbatim(OsString),
    Pieces(Vec<Piece>),
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Id,
    Type,
    /// What stands at this path in the task's data.
    Data(String),
}

impl Template {
    /// Reads `command`; a program that can't be found is refused before anything is claimed for it.
    pub fn new(command: &[OsString]) -> Result<Self> {
        let mut args =
            command.iter().map(|arg| Arg::parse(arg)).collect::<Result<Vec<_>, _>>()?.into_iter();
        let program =
            args.next().ok_or_else(|| Usage("give the command to run after `--`".into()))?;
        if let (true, Some(name)) = (program.is_fixed(), command.first()) {
            check_program(name)?;
        }
        Ok(Self { program, args: args.collect() })
    }

    /// Whether the program is the same for every task, so that its absence is no task's fault.
    pub fn program_is_fixed(&self) -> bool {
        self.program.is_fixed()
    }

    /// The command for this task; the error says which value the task doesn't have.
    pub fn fill(&self, task: &Task) -> Result<Command, String> {
        let data: Value = serde_json::from_str(task.data.as_str()).unwrap_or_default();
        let mut command = Command::new(self.program.fill(task, &data)?);
        let mut may_be_option = true;
        for arg in &self.args {
            let filled = arg.fill(task, &data)?;
            if may_be_option && filled.as_encoded_bytes().starts_with(b"-") {
                arg.check_first()?;
            }
            may_be_option &= !arg.ends_options();
            command.arg(filled);
        }
        Ok(command)
    }
}

impl Arg {
    fn parse(arg: &OsStr) -> Result<Self, Usage> {
        let Some(text) = arg.to_str() else { return Ok(Self::Verbatim(arg.to_owned())) };
        pieces(text).map(Self::Pieces)
    }

    fn is_fixed(&self) -> bool {
        match self {
            Self::Verbatim(_) => true,
            Self::Pieces(pieces) => pieces.iter().all(|piece| matches!(piece, Piece::Text(_))),
        }
    }

    /// Whether it is `--`, as it was typed.
    fn ends_options(&self) -> bool {
        matches!(self, Self::Pieces(pieces) if matches!(&pieces[..], [Piece::Text(text)] if text == "--"))
    }

    /// Refuses a value of a task in the place where the command looks for an option.
    fn check_first(&self) -> Result<(), String> {
        let Self::Pieces(pieces) = self else { return Ok(()) };
        let what = match pieces.first() {
            Some(Piece::Type) => "type".to_owned(),
            Some(Piece::Data(path)) => format!("data's `{path}`"),
            Some(Piece::Text(_) | Piece::Id) | None => return Ok(()),
        };
        Err(format!(
            "its {what} begins with `-`, which the command could take for an option: if it knows `--`, call it with \
             that before the value"
        ))
    }

    fn fill(&self, task: &Task, data: &Value) -> Result<OsString, String> {
        let pieces = match self {
            Self::Verbatim(text) => return Ok(text.clone()),
            Self::Pieces(pieces) => pieces,
        };
        let mut filled = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Id => filled.push_str(task.id.as_str()),
                Piece::Type => filled.push_str(task.task_type.as_str()),
                Piece::Data(path) => filled.push_str(&value_at(data, path)?),
            }
        }
        if filled.contains('\0') {
            return Err("a value from its data has a zero byte, which no argument can have".into());
        }
        Ok(filled.into())
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, Usage> {
    const DATA: &str = "{data.";
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let (piece, length) = if rest.starts_with("{id}") {
            (Piece::Id, "{id}".len())
        } else if rest.starts_with("{type}") {
            (Piece::Type, "{type}".len())
        } else if let Some(after) = rest.strip_prefix(DATA) {
            let path = after
                .split_once('}')
                .map(|(path, _)| path)
                .filter(|path| is_path(path))
                .ok_or_else(|| {
                    Usage(format!(
                        "`{text}` has a `{{data.` that names no field: write `{{data.FIELD}}`"
                    ))
                })?;
            (Piece::Data(path.to_owned()), DATA.len() + path.len() + 1)
        } else {
            literal.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        if !literal.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
        }
        pieces.push(piece);
        rest = &rest[length..];
    }
    if !literal.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    Ok(pieces)
}

fn is_path(path: &str) -> bool {
    path.split('.').all(|field| !field.is_empty() && !field.contains(['{', '\n']))
}

/// What stands at `path`: a text as it is, anything else as JSON.
fn value_at(data: &Value, path: &str) -> Result<String, String> {
    let mut value = data;
    for field in path.split('.') {
        let inside = match value {
            Value::Object(fields) => fields.get(field),
            Value::Array(items) => field.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        };
        value = inside
            .ok_or_else(|| format!("its data has no `{path}`, which the command asks for"))?;
    }
    match value {
        Value::Null => Err(format!("its data has `null` for `{path}`, which the command asks for")),
        Value::String(text) => Ok(text.clone()),
        other => Ok(other.to_string()),
    }
}

/// Refuses a program that isn't there, or may not be executed.
fn check_program(name: &OsStr) -> Result<(), Usage> {
    let files = files_of_name(Path::new(name));
    if files.iter().any(|file| access(file, Access::EXEC_OK).is_ok()) {
        return Ok(());
    }
    let shown = name.display();
    Err(Usage(match files.first() {
        None => format!("there is no program `{shown}` to run: check its name, or give its path"),
        Some(file) => {
            format!("`{0}` may not be executed: `chmod +x {0}` allows it", file.display())
        }
    }))
}

/// The files that are meant by the name: the one at this path, or those in `PATH`.
fn files_of_name(path: &Path) -> Vec<PathBuf> {
    let candidates = if path.components().count() > 1 || path.is_absolute() {
        vec![path.to_owned()]
    } else {
        let dirs = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&dirs).map(|dir| dir.join(path)).collect()
    };
    candidates.into_iter().filter(|path| path.is_file()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use taskhost::Json;

    use super::*;
    use taskhost_answers::sample;

    fn task(data: &str) -> Task {
        Task { data: Json::parse(data).unwrap(), ..sample::task() }
    }

    #[track_caller]
    fn check(arg: &str, data: &str, filled: Result<&str, &str>) {
        let template = Template::new(&["true".into(), arg.into()]).unwrap();
        let command = template.fill(&task(data));
        let got =
            command.as_ref().map(|command| command.get_args().next().unwrap().to_str().unwrap());
        match (got, filled) {
            (Ok(got), Ok(filled)) => assert_eq!(got, filled),
            (Err(why), Err(said)) => assert!(why.contains(said), "`{why}` doesn't say `{said}`"),
            (got, filled) => panic!("`{arg}` gave {got:?}, not {filled:?}"),
        }
    }

    #[test]
    fn placeholders_are_replaced() {
        check("{id}-{type}", "null", Ok("build_1-build"));
        check("--name={data.name}", r#"{"name":"a b"}"#, Ok("--name=a b"));
        check("{data.a.b.1}", r#"{"a":{"b":[1,true]}}"#, Ok("true"));
        check("{data.a}", r#"{"a":{"b":[1]}}"#, Ok(r#"{"b":[1]}"#));
        check("{{id}}", "null", Ok("{build_1}"));
    }

    #[test]
    fn what_is_put_in_is_not_replaced_again() {
        check("{data.name}", r#"{"name":"{id}"}"#, Ok("{id}"));
    }

    #[test]
    fn other_braces_are_kept() {
        for text in ["", "{}", "{x}", "{ id }", "{\"data\": 1}", "{data}", "}{", "ä{", "{data_x}"]
        {
            check(text, "null", Ok(text));
        }
    }

    #[test]
    fn value_that_the_task_does_not_have_is_said() {
        check("{data.x}", "null", Err("no `x`"));
        check("{data.a.b}", r#"{"a":1}"#, Err("no `a.b`"));
        check("{data.a}", r#"{"a":null}"#, Err("`null` for `a`"));
        check("{data.a}", r#"{"a":"x\u0000y"}"#, Err("zero byte"));
    }

    // A fetcher's `curl -fsSO {data.url}` was one task away from `curl -fsSO --config=/tmp/mine`, and `make {type}`
    // from `make --eval=…`, which runs anything: who may add a task chose the options of everybody's commands.
    #[test]
    fn value_of_a_task_is_never_an_option_of_the_command() {
        check("{data.url}", r#"{"url":"-K/tmp/mine"}"#, Err("data's `url` begins with `-`"));
        check("{data.a}{data.b}", r#"{"a":"-","b":"x"}"#, Err("data's `a` begins with `-`"));
        check("{data.n}", r#"{"n":-5}"#, Err("begins with `-`"));
        // What was typed before the value says what it is.
        check("--url={data.url}", r#"{"url":"-x"}"#, Ok("--url=-x"));
        check("-{data.url}", r#"{"url":"x"}"#, Ok("-x"));
        let typed = Task { task_type: taskhost::Name::new("--eval=x").unwrap(), ..task("null") };
        let filled = |args: &[&str]| {
            let command: Vec<OsString> = args.iter().map(OsString::from).collect();
            Template::new(&command).unwrap().fill(&typed).map(|_| ())
        };
        assert!(filled(&["true", "{type}"]).unwrap_err().contains("type begins with `-`"));
        assert_eq!(filled(&["true", "--", "{type}"]), Ok(()));
        assert!(filled(&["true", "{type}", "--"]).is_err());
        assert!(filled(&["true", "{data.dash}", "{type}"]).is_err(), "only a typed `--` counts");
    }

    #[test]
    fn placeholder_that_names_no_field_is_refused_at_once() {
        for text in ["{data.}", "{data.a", "{data..a}", "{data.a.}", "x{data.{id}}"] {
            let error = Template::new(&["true".into(), text.into()]).unwrap_err();
            assert!(error.is::<Usage>(), "{text}");
        }
    }

    #[test]
    fn program_that_may_not_be_executed_is_refused_before_anything_is_claimed() {
        // Each task in turn was claimed and handed back for a script without its `x`.
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("script.sh");
        std::fs::write(&script, "#!/bin/sh\n").unwrap();
        let error = Template::new(&[script.clone().into()]).unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().contains("chmod"), "{error}");
        std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
        assert!(Template::new(&[script.into()]).is_ok());
    }

    #[test]
    fn program_that_is_not_there_is_refused_before_anything_is_claimed() {
        assert!(Template::new(&["no-such-program-7a1f".into()]).unwrap_err().is::<Usage>());
        assert!(Template::new(&["./no/such/program".into()]).is_err());
        assert!(!Template::new(&["./{id}.sh".into()]).unwrap().program_is_fixed());
    }
}
