"""The command ``taskhost``, which comes with the package."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

__all__ = ["find_command"]


def find_command() -> Path:
    """Where the command is: beside this Python, or else wherever it is found.

    ``TASKHOST_COMMAND`` names another one.
    """
    named = os.environ.get("TASKHOST_COMMAND")
    if named:
        return Path(named)
    scripts = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent)]
    schemes = [f"{os.name}_user"]
    scripts += [sysconfig.get_path("scripts", scheme) for scheme in schemes]
    for folder in scripts:
        command = Path(folder) / "taskhost"
        if command.is_file():
            return command
    found = shutil.which("taskhost")
    if found is None:
        raise FileNotFoundError(
            "the command `taskhost` isn't there: install the package's wheel again, or name the command "
            "in `TASKHOST_COMMAND`"
        )
    return Path(found)
