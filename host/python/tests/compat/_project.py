"""A Todo2 project, as the tests of its two modules make one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import taskhost


class Project:
    """A Todo2 project in the current directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / ".todo2" / "state.todo2.json"
        self.path.parent.mkdir()

    def write(self, *todos: dict[str, Any], **others: Any) -> None:
        state = {**others, "todos": [{"content": "…", **todo} for todo in todos]}
        self.path.write_text(json.dumps(state))

    def todo(self, id: str) -> dict[str, Any]:
        todos: list[dict[str, Any]] = json.loads(self.path.read_text())["todos"]
        return next(todo for todo in todos if todo["id"] == id)

    @property
    def board(self) -> taskhost.Board:
        return taskhost.Board(self.path.with_name("state.todo2.json.taskhost"))


@pytest.fixture
def project(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("TODO2_ROOT", raising=False)
    project = Project(elsewhere)
    project.write({"id": "T-1"}, {"id": "T-2"}, {"id": "T-3"}, version="1.2")
    return project
