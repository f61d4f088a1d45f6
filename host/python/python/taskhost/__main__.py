"""``python -m taskhost``: the command ``taskhost``."""

import os
import sys

from taskhost.command import find_command

if __name__ == "__main__":
    command = find_command()
    os.execv(command, [str(command), *sys.argv[1:]])
