//! How a command ended, from its exit status and what it left behind.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use rustix::fs::OFlags;
use signal_hook::low_level::signal_name;
use taskhost::Json;

/// The largest result that a command may leave, in bytes.
const RESULT_BYTES_MAX: u64 = 1 << 20;
/// How much of the end of standard error is looked at for its last line, in bytes.
const TAIL_BYTES: u64 = 4096;
/// The longest last line that is reported, in characters.
const LAST_LINE_CHARS_MAX: usize = 500;

/// What a command left: its result, or what went wrong.
pub fn of(status: ExitStatus, result: &Path, stderr: &Path) -> Result<Json, String> {
    if status.success() {
        return read_result(result);
    }
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => {
            format!(
                "killed by signal {signal}{}",
                signal_name(signal).map(|name| format!(" ({name})")).unwrap_or_default()
            )
        }
        (None, None) => status.to_string(),
    };
    // Its last words only explain the exit status, which is reported without them too.
    match last_line(stderr).unwrap_or_default() {
        line if line.is_empty() => Err(how),
        line => Err(format!("{how}: {line}")),
    }
}

fn read_result(path: &Path) -> Result<Json, String> {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Json::parse(r#"{"exit_code":0}"#).map_err(|error| error.to_string());
        }
        Err(error) => {
            return Err(format!("it exited with 0, but its result can't be read: {error}"));
        }
    };
    let mut text = String::new();
    let read = file.take(RESULT_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| format!("it exited with 0, but its result can't be read: {error}"))?;
    if text.len() as u64 > RESULT_BYTES_MAX {
        return Err("it exited with 0, but its result is larger than 1 MiB".into());
    }
    Json::parse(&text)
        .map_err(|error| format!("it exited with 0, but its result isn't JSON: {error}"))
}

/// Opens what a command left, which is a file or nothing to wait for: the command may have put anything there, and
/// nobody might ever write to its pipe.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = match file {
        Err(_) if path.is_symlink() => return Err(io::Error::other("it is a symbolic link")),
        file => file?,
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it isn't a file")) }
}

fn last_line(path: &Path) -> io::Result<String> {
    let mut file = open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    let tail = String::from_utf8_lossy(&tail);
    let last = tail.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    Ok(last.chars().take(LAST_LINE_CHARS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[track_caller]
    fn check(wait_status: i32, result: Option<&str>, stderr: &str, ended: Result<&str, &str>) {
        let dir = tempfile::tempdir().unwrap();
        let (result_path, stderr_path) =
            (dir.path().join("result.json"), dir.path().join("stderr"));
        if let Some(result) = result {
            fs::write(&result_path, result).unwrap();
        }
        fs::write(&stderr_path, stderr).unwrap();
        let got = of(ExitStatus::from_raw(wait_status), &result_path, &stderr_path);
        assert_eq!(got.as_ref().map(Json::as_str).map_err(String::as_str), ended);
    }

    #[test]
    fn success_leaves_its_result() {
        check(0, None, "", Ok(r#"{"exit_code":0}"#));
        check(0, Some("{\"n\": [1]}\n"), "", Ok(r#"{"n":[1]}"#));
    }

    #[test]
    fn result_that_is_not_json_fails_the_task() {
        check(
            0,
            Some("done"),
            "",
            Err("it exited with 0, but its result isn't JSON: expected value at line 1 column 1"),
        );
    }

    #[test]
    fn result_that_is_no_file_fails_the_task_at_once() {
        // A named pipe in the result's place was waited for without end, deaf to signals.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("result.json");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        assert!(read_result(&path).unwrap_err().ends_with("it isn't a file"));

        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(read_result(&path).unwrap_err().ends_with("it is a symbolic link"));

        // Not even one to nothing counts as no result.
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("nothing", &path).unwrap();
        assert!(read_result(&path).unwrap_err().ends_with("it is a symbolic link"));
    }

    #[test]
    fn failure_says_how_and_quotes_the_last_line() {
        check(3 << 8, None, "", Err("exit status 3"));
        check(1 << 8, None, "first\n  last words \n\n", Err("exit status 1: last words"));
        check(9, None, "", Err("killed by signal 9 (SIGKILL)"));
    }

    #[test]
    fn last_line_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stderr");
        fs::write(&path, "ä".repeat(1_000_000)).unwrap();
        assert_eq!(last_line(&path).unwrap().chars().count(), LAST_LINE_CHARS_MAX);
    }
}
