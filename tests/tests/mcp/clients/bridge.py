"""A client of the Python library, driven from outside: one JSON request a line, one JSON answer a line.

A request is `{"id", "do", …}`; its answer has the same `id` and either `result` or `error`. Requests are worked on side by
side, and `{"do": "cancel", "of": ID}` cancels another one. The end of standard input closes the session.
"""

import json
import sys

import anyio
from jsonschema.validators import validator_for
from mcp import MCPError

from connect import connect


def dumped(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def tools(client):
    """All tools; that their schemas are valid ones is checked by the validator that the library itself uses."""
    found = dumped(await client.list_tools())["tools"]
    for tool in found:
        for schema in (tool["inputSchema"], tool.get("outputSchema")):
            if schema is not None:
                validator_for(schema).check_schema(schema)
    return found


async def fits(client, request):
    """Whether arguments are what the tool's schema asks for."""
    found = await tools(client)
    schema = next(tool["inputSchema"] for tool in found if tool["name"] == request["tool"])
    return validator_for(schema)(schema).is_valid(request["arguments"])


async def done(client, request):
    match request["do"]:
        case "server":
            info, capabilities = client.server_info, client.server_capabilities
            return {"info": dumped(info), "capabilities": dumped(capabilities)}
        case "tools":
            return await tools(client)
        case "fits":
            return await fits(client, request)
        case "resources":
            return dumped(await client.list_resources())["resources"]
        case "templates":
            return dumped(await client.list_resource_templates())["resourceTemplates"]
        case "read":
            return dumped(await client.read_resource(request["uri"]))["contents"]
        case "call":
            return dumped(await client.call_tool(request["tool"], request["arguments"]))


async def main():
    scopes = {}

    async def answer(client, request):
        with anyio.CancelScope() as scope:
            scopes[request["id"]] = scope
            try:
                said = {"result": await done(client, request)}
            except MCPError as error:
                said = {"error": {"code": error.error.code, "message": error.error.message}}
            except Exception as error:
                said = {"error": {"message": f"{type(error).__name__}: {error}"}}
        if scope.cancelled_caught:
            said = {"error": {"message": "cancelled"}}
        print(json.dumps({"id": request["id"], **said}), flush=True)

    async with connect() as client, anyio.create_task_group() as group:
        async for line in anyio.wrap_file(sys.stdin):
            request = json.loads(line)
            if request["do"] == "cancel":
                scopes[request["of"]].cancel()
            else:
                group.start_soon(answer, client, request)
        group.cancel_scope.cancel()


anyio.run(main)
