//! What `names` says of boards in files alone.

use std::path::PathBuf;

use taskhost_tests::TestBoard;

use crate::names::below;

// Tasks may be called what the board's own files are called: their names never meet.
#[test]
fn task_may_have_the_name_of_any_file_of_the_board() {
    let board = TestBoard::new();
    let ids = [
        "board.json",
        "board.lock",
        "board",
        "shared",
        "stats",
        "index",
        "locks",
        "journal-1.jsonl",
        "tasks-1.jsonl",
        "task",
        "agent",
        "policy_quota",
        "board-inside",
        "switch",
        "context_0",
        "t",
        "t.lock",
        "t.holder",
        "t.lock.holder",
        "task.json",
        "stdout",
        "T",
        "1",
        "CON",
        "nul",
        "a:b",
    ];
    board.add(&ids);
    for id in ids {
        board.run(&["context", "set", "--task", id, id, id]).exits(0);
        let session = format!("--session={id}");
        let inside = ["lock", "task", id, "--", "true"];
        board.run(&inside).exits(0);
        let claimed = board.run(&["claim", id, "--agent", "a", &session]).exits(0);
        assert_eq!(claimed.text("/task/id"), id);
        board
            .run(&[
                "release",
                id,
                "--agent",
                "a",
                "--token",
                &claimed.number("/task/claim/token").to_string(),
            ])
            .exits(0);
    }
    board.run(&["run", "--agents", "2", "--", "sh", "-c", "echo $TASKHOST_TASK"]).exits(0);
    for id in ids {
        let said = board.run_plain(&["context", "get", "--task", id, "output/1/stdout"]).exits(0);
        assert_eq!(said.stdout, format!("{id}\n"));
        assert_eq!(board.run_plain(&["context", "get", "--task", id, id]).exits(0).stdout, id);
    }
    board.run(&["compact"]).exits(0);
    board.assert_healthy();
}

// An agent's name may hold anything that can be shown, so it is encoded where it becomes a directory's name.
#[test]
fn agents_name_is_no_path() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let outside = |path: &PathBuf| !path.starts_with(board.path());
    let before: Vec<PathBuf> = below(board.folder()).into_iter().filter(outside).collect();
    for name in ["../../../x", "/tmp/x", ".", "..", "a/b", "~", "-x", "$(id)", "．．／x"] {
        let agent = format!("--agent={name}");
        board.run(&["context", "set", &agent, "k", name]).exits(0);
        assert_eq!(board.run_plain(&["context", "get", &agent, "k"]).exits(0).stdout, name);
        let claimed = board.run(&["claim", &agent]).exits(0);
        assert_eq!(claimed.text("/task/claim/agent"), name);
        let token = claimed.number("/task/claim/token").to_string();
        board.run(&["release", "t", &agent, "--token", &token]).exits(0);
    }
    let after: Vec<PathBuf> = below(board.folder()).into_iter().filter(outside).collect();
    assert_eq!(after, before);
    for path in below(&board.path().join("context")) {
        let depth = path.strip_prefix(board.path()).unwrap().components().count();
        assert!(depth <= 4 && !path.file_name().unwrap().to_string_lossy().starts_with(".."));
    }
    board.assert_healthy();
}
