"""How the Python client of these tests begins: the server's command line comes as JSON in the first argument."""

import json
import sys

from mcp import Client, StdioServerParameters
from mcp.types import Implementation


def connect() -> Client:
    """A client, not yet entered: `{"command", "args", "env", "cwd", "name"}` says of which server, and its own name."""
    given = json.loads(sys.argv[1])
    server = StdioServerParameters(
        command=given["command"], args=given["args"], env=given["env"], cwd=given["cwd"]
    )
    return Client(server, client_info=Implementation(name=given["name"], version="1.0"))
