"""What Python is told of a board's past, and of what is in the way: the same as the command line tells."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import taskhost
from taskhost.command import find_command


def told(board: taskhost.Board, *arguments: str) -> Any:
    """What the command line says."""
    command: list[str | Path] = [find_command(), "--json", "--board", board.path, *arguments]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    del answer["schema"]
    return answer


def worked_on(board: taskhost.Board) -> None:
    board.add("build", id="first")
    board.add("build", id="second", after=["first"])
    with board.agent("ada") as ada, board.agent("bob") as bob:
        claim = ada.claim()
        assert claim is not None and bob.claim() is None
        claim.fail("it broke")
        board.retry("first", by="olga", reason="mended")
        claim = bob.claim()
        assert claim is not None
        claim.complete({"size": 3})


def test_history_is_what_the_command_line_says(board: taskhost.Board) -> None:
    worked_on(board)
    history = board.history()
    said = told(board, "history")
    assert [event["event"] for event in said["events"]] == [event.event for event in history]
    for wire, event in zip(said["events"], history, strict=True):
        time = event.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert {**asdict(event), "time": time} == wire
    assert (history.total, history.next_cursor) == (said["total"], None)
    assert len(history) == said["total"] and history.begins_with == said["begins_with"]


def test_history_is_asked_for_by_what_it_is_about(board: taskhost.Board) -> None:
    worked_on(board)
    assert [e.agent for e in board.history(event="claimed")] == ["ada", "bob"]
    assert [e.event for e in board.history("first", agent="ada")] == ["claimed", "failed"]
    both = board.history("first", event=["failed", "completed"])
    assert [(e.event, e.task) for e in both] == [("failed", "first"), ("completed", "first")]
    last = board.history(limit=2)
    assert last.next_cursor is not None and last.total > 2
    before = board.history(before=last.next_cursor, limit=None)
    assert before.events + last.events == board.history().events
    with pytest.raises(taskhost.UsageError, match="next_cursor"):
        board.history(before="yesterday")


def test_a_board_is_followed_by_what_happened_past_a_look(board: taskhost.Board) -> None:
    worked_on(board)
    seen = board.sequence
    assert len(board.history(past=seen)) == 0 and not board.wait(0, past=seen)
    board.cancel("second", by="olga", reason="not wanted")
    assert board.wait(10, past=seen)
    (event,) = board.history(past=seen)
    assert (event.event, event.agent, event.task) == ("cancelled", "olga", "second")
    assert event.details["reason"] == "not wanted" and event.sequence > seen


def test_explain_is_what_the_command_line_says(board: taskhost.Board) -> None:
    board.add("build", id="first", needs=["gpu"])
    board.add("build", id="second", after=["first"], assignee="ada")
    for id, agent in [("first", None), ("first", "ada"), ("second", None), ("second", "bob")]:
        explained = board.explain(id, agent=agent)
        said = told(board, "explain", id, *(["--agent", agent] if agent else []))
        assert explained.task.as_dict() == said["task"]
        assert (explained.agent, explained.claimable) == (said["agent"], said["claimable"])
        assert [*explained.obstacles] == said["obstacles"] and [*explained.roots] == said["roots"]
        assert [*explained.needs] == said["by"]["needs"] and [*explained.log] == said["log"]
    second = board.explain("second")
    assert not second and second.assignee == taskhost.Assignee("ada")
    assert not board.explain("first", agent="ada")
    assert board.explain("first", agent="ada", capabilities=["gpu"])
    with pytest.raises(taskhost.NotFound):
        board.explain("nowhere")
