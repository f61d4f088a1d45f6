"""What the tests share: the package as it is installed, and a directory of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import taskhost


@pytest.fixture
def board(tmp_path: Path) -> taskhost.Board:
    """A new board."""
    return taskhost.Board.init(tmp_path / "board")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory that is the current one."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
