"""The server of `playground mcp`: requests of the Model Context Protocol, on two streams.

Here alone the package `mcp` is known (https://modelcontextprotocol.io, revision 2025-11-25).  Every
tool runs in a thread, so that one that waits holds up no other; what it raises becomes a sentence
that the assistant reads.

"""

from __future__ import annotations

import base64
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from playground.errors import BadArgument, PlaygroundError
from playground.frontends.mcp.answers import answer_text, bounded
from playground.frontends.mcp.resources import read_resource, resources
from playground.frontends.mcp.tools import TOOLS, AssistantTool, Effect
from playground.frontends.mcp.workshop import Workshop
from playground.model.arguments import shown

try:
    import anyio
    import mcp_types as types
    from mcp.server.lowlevel import Server
    from mcp.server.stdio import stdio_server
    from mcp.shared.exceptions import MCPError
except ImportError:
    raise PlaygroundError(
        "`playground mcp` needs the package mcp: pip install 'network-playground[mcp]'"
    ) from None

T = TypeVar("T")

INSTRUCTIONS = """\
Small real networks on this machine: hosts, routers, switches and links, with real daemons.
Declare a lab, or take one of example_labs; start it; then run commands on its hosts, capture
packets, and ask explain why something does not arrive. how_to and describe tell how things are
declared. Labs are isolated: they reach neither this machine nor its network, and end with this
program."""

# More than these at a time wait.
_MOST_THREADS = 8


def serve(workshop: Workshop, version: str) -> None:
    """Serve an assistant on standard input and output, until it closes them; then labs stop.

    SIGTERM and SIGINT, by which programs end others, stop them too.

    """

    def end(number: int, frame: object) -> None:
        # Whoever waits for the next line of the input would wait on: only an exit ends that.
        signal.signal(number, signal.SIG_DFL)
        threading.Thread(target=_stop_and_exit, args=(workshop, 128 + number)).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        with workshop:
            anyio.run(_serve, workshop, version)
    finally:
        # What a tool still waits for is in a thread, and its lab is gone.
        sys.stderr.flush()
    os._exit(0)


def _stop_and_exit(workshop: Workshop, status: int) -> None:
    try:
        workshop.close()
    finally:
        os._exit(status)


async def _serve(workshop: Workshop, version: str) -> None:
    server = make_server(workshop, version)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


def make_server(workshop: Workshop, version: str) -> Server[Any]:
    """Return a server that has the tools and resources of a workshop."""
    limiter: list[anyio.CapacityLimiter] = []

    async def in_thread(function: Callable[[], T]) -> T:
        if not limiter:
            limiter.append(anyio.CapacityLimiter(_MOST_THREADS))
        # One that is waited for no longer goes on to its own limit, and its labs stop under it.
        return await anyio.to_thread.run_sync(function, abandon_on_cancel=True, limiter=limiter[0])

    async def list_tools(context: Any, parameters: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[as_tool(tool) for tool in TOOLS.values()])

    async def call_tool(
        context: Any, parameters: types.CallToolRequestParams
    ) -> types.CallToolResult:
        return await in_thread(
            partial(called, workshop, parameters.name, parameters.arguments or {})
        )

    async def list_resources(context: Any, parameters: Any) -> types.ListResourcesResult:
        return types.ListResourcesResult(
            resources=[
                types.Resource(uri=one.uri, name=one.uri, title=one.title, mime_type=one.media_type)
                for one in resources(workshop)
            ]
        )

    async def read(
        context: Any, parameters: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        uri = str(parameters.uri)
        try:
            media_type, text = await in_thread(partial(read_resource, workshop, uri))
        except PlaygroundError as error:
            raise MCPError(code=types.INVALID_PARAMS, message=str(error)) from None
        contents = types.TextResourceContents(uri=uri, mime_type=media_type, text=text)
        return types.ReadResourceResult(contents=[contents])

    return Server(
        "playground",
        version=version,
        title="Network playground",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_read_resource=read,
    )


def as_tool(tool: AssistantTool) -> types.Tool:
    """Return a tool as the protocol tells of it, with hints of what it does."""
    reads = tool.effect is Effect.READS
    return types.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=tool.schema,
        annotations=types.ToolAnnotations(
            title=tool.name.replace("_", " "),
            read_only_hint=reads,
            destructive_hint=tool.effect is Effect.CHANGES,
            idempotent_hint=reads or tool.idempotent,
            # Nothing that it does leaves its labs.
            open_world_hint=False,
        ),
    )


def called(workshop: Workshop, name: str, arguments: Mapping[str, Any]) -> types.CallToolResult:
    """Call a tool, and return what it says, or the sentence of its error."""
    try:
        if name not in TOOLS:
            raise BadArgument(f"there is no tool {shown(name)}: there is {', '.join(TOOLS)}")
        answer = TOOLS[name].call(workshop, arguments)
        if isinstance(answer, bytes):
            image = types.ImageContent(
                data=base64.b64encode(answer).decode(), mime_type="image/png"
            )
            return types.CallToolResult(content=[image])
        return _said(answer_text(answer))
    except PlaygroundError as error:
        return _said(bounded(str(error)), failed=True)
    except Exception as error:
        return _said(
            bounded(f"{type(error).__name__}: {error}: this is a mistake in playground itself"),
            failed=True,
        )


def _said(text: str, failed: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=failed)


def check_folder(folder: Path | None) -> Path | None:
    """Return the folder that an assistant may use; raise `BadArgument` where it is none."""
    if folder is not None and not folder.is_dir():
        raise BadArgument(f"{folder} is no folder: make it first, with mkdir")
    if folder is not None and folder.resolve() in (Path("/"), Path.home().resolve()):
        raise BadArgument(
            f"{folder} holds more than labs: name a folder of its own, such as ~/labs"
        )
    return folder
