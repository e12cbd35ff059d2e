"""`playground mcp` as an assistant's program has it: the package's own client, over stdio."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio.from_thread
import jsonschema
import pytest
from mcp import Client, MCPError, StdioServerParameters

from playground.engines.namespaces.engine import NamespacesEngine
from playground.errors import BadArgument
from playground.frontends.mcp.server import called, check_folder
from playground.frontends.mcp.workshop import Workshop
from tests.test_documents import holds

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "mcp.md"
SERVER = [sys.executable, "-m", "playground", "mcp", "--engine", "namespaces"]


class Assistant:
    """An assistant that calls tools, and reads what they answer."""

    def __init__(self, portal: anyio.from_thread.BlockingPortal, client: Client) -> None:
        self._portal, self.client = portal, client

    def ask(self, name: str, *arguments: Any) -> Any:
        return self._portal.call(getattr(self.client, name), *arguments)

    def call(self, name: str, /, **arguments: Any) -> str:
        result = self.ask("call_tool", name, arguments)
        assert not result.is_error, result.content[0].text
        return str(result.content[0].text)

    def refused(self, name: str, /, **arguments: Any) -> str:
        result = self.ask("call_tool", name, arguments)
        assert result.is_error
        return str(result.content[0].text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labs")


@pytest.fixture(scope="module")
def assistant(folder: Path) -> Iterator[Assistant]:
    command, *arguments = [*SERVER, "--folder", str(folder)]
    server = StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Client(server)) as client,
    ):
        yield Assistant(portal, client)


def test_tools_are_offered_with_schemas_and_hints(assistant: Assistant) -> None:
    tools = {tool.name: tool for tool in assistant.ask("list_tools").tools}
    for tool in tools.values():
        jsonschema.Draft202012Validator.check_schema(tool.input_schema)
        assert tool.annotations.open_world_hint is False
    assert tools["explain"].annotations.read_only_hint
    assert tools["stop"].annotations.destructive_hint
    assert tools["stop"].annotations.idempotent_hint
    assert not tools["declare"].annotations.destructive_hint
    assert tools["run"].input_schema["required"] == ["node", "command"]


def steps(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the steps of the page's session: tool, arguments, lines of the answer."""
    [session] = re.findall(r"^```text\n(> .*?)^```$", text, re.M | re.S)
    for step in session[2:].split("\n> "):
        first, *lines = step.rstrip("\n").split("\n")
        tool, _, arguments = first.partition(" ")
        yield tool, arguments, lines


def test_the_session_of_the_page_is_true(assistant: Assistant, folder: Path) -> None:
    for tool, arguments, lines in steps(PAGE.read_text()):
        answer = assistant.call(tool, **json.loads(arguments))
        for line in lines:
            assert line == "..." or holds(answer, line), f"{line!r} is not in:\n{answer}"
    assert (folder / "office.yaml").is_file()
    assert assistant.call("forget", lab="office") == "lab office is gone"


def test_a_lab_is_examined_while_it_runs(assistant: Assistant, folder: Path) -> None:
    nodes = {"h1": {}, "r1": {"kind": "router"}, "www": {"services": ["http"]}}
    assistant.call("declare", name="looked", nodes=nodes, links=[["h1", "r1"], ["r1", "www"]])
    assistant.call("start", lab="looked")
    assert "received=3" in assistant.call("ping", node="h1", target="www")
    seen = assistant.call(
        "capture", host="h1", command="curl -s http://www/", filter="tcp", file="seen.pcapng"
    )
    assert "GET / HTTP/1.1" in seen
    assert (folder / "seen.pcapng").stat().st_size > 500
    assert "GET" in assistant.call("service_log", node="www", service="http")
    assistant.call("service_stop", node="www", service="http")
    assert assistant.call("service_status", node="www", service="http") == "stopped"
    wrong = assistant.call("explain", source="h1", target="www", port=80)
    assert "server stopped at www" in wrong
    assert "should arrive" in assistant.refused(
        "check_reaches", source="h1", target="www", port=80, within_s=0.1
    )
    assistant.call("service_start", node="www", service="http")
    assistant.call("change", part="r1-www", method="down")
    assert "(link down)" in assistant.call("picture")
    assistant.call("change", part="r1-www", method="up")
    happened = assistant.call("events", kinds=["link"], host="h1", command="ip link set eth0 down")
    assert re.search(r"link +h1 - r1 is down|link +r1 - h1 is down", happened)
    assistant.call(
        "run", node="h1", command="ip link set eth0 up; ip route add default via 10.0.1.1"
    )
    assistant.call("node_stop", node="www", grace_s=1)
    assert "www is stopped" in assistant.refused("run", node="www", command="true")
    assistant.call("node_start", node="www")
    assistant.call("extend", nodes={"h2": {}}, links=[["r1", "h2"]])
    assistant.call("start")
    assert "Cannot" not in assistant.call("ping_all")
    assert "default via" in assistant.call("routes", node="h1") or "0.0.0.0/0" in assistant.call(
        "routes", node="h1"
    )
    uri = "playground://labs/looked/picture.svg"
    assert assistant.ask("read_resource", uri).contents[0].text.startswith("<svg")
    listed = {str(one.uri) for one in assistant.ask("list_resources").resources}
    assert {uri, "playground://how-to/vlans"} <= listed
    with pytest.raises(MCPError, match="there is no resource"):
        assistant.ask("read_resource", "playground://how-to/moon")


# Of each tool that only looks, what it is asked of the lab above.
LOOKS: dict[str, dict[str, Any]] = {
    "labs": {},
    "example_labs": {},
    "how_to": {"topic": "vlans"},
    "describe": {"kind": "router", "method": "bgp_peer"},
    "read_file": {"node": "h1", "path": "/etc/hosts"},
    "service_status": {"node": "www", "service": "http"},
    "service_log": {"node": "www", "service": "http", "lines": 3},
    "ping": {"node": "h1", "target": "r1", "count": 1},
    "traceroute": {"node": "h1", "target": "www"},
    "ping_all": {"nodes": ["h1", "www"]},
    "explain": {"source": "h1", "target": "www"},
    "rtt_under_load": {"source": "h1", "target": "www", "seconds": 1, "streams": 1},
    "wait_converged": {},
    "check_reaches": {"source": "h1", "target": "www"},
    "check_does_not_reach": {"source": "h1", "target": "www", "port": 81, "within_s": 5},
    "check_path": {"source": "h1", "target": "www", "through": ["r1"]},
    "check_serves": {"node": "www", "service": "http", "client": "h1"},
    "check_resolves": {"node": "h1", "name": "www"},
    "state": {"node": "r1"},
    "routes": {"node": "r1"},
    "connections": {"node": "r1"},
    "processes": {"node": "www"},
    "learned_addresses": {"switch": "lan"},
    "link_statistics": {"a": "h1", "b": "r1"},
    "as_shell": {},
    "picture": {},
    "files": {},
}


def test_every_tool_that_looks_has_something_to_say(assistant: Assistant) -> None:
    tools = {tool.name: tool for tool in assistant.ask("list_tools").tools}
    assert LOOKS.keys() == {name for name, tool in tools.items() if tool.annotations.read_only_hint}
    assistant.call("forget", lab="looked")
    nodes = {
        "h1": {},
        "r1": {"kind": "router"},
        "lan": {"kind": "switch"},
        "www": {"services": ["http"]},
    }
    links = [["h1", "r1"], ["r1", "lan"], ["lan", "www"]]
    assistant.call("declare", name="seen", nodes=nodes, links=links)
    assistant.call("start", lab="seen")
    said = {name: assistant.call(name, **arguments) for name, arguments in LOOKS.items()}
    assert [
        name for name, text in said.items() if not text or "mistake in playground" in text
    ] == []
    for name, word in (("learned_addresses", "mac"), ("processes", "nginx"), ("as_shell", "ip ")):
        assert word in said[name], said[name]
    assistant.call("forget", lab="seen")


def test_a_host_sees_nothing_of_this_machine(assistant: Assistant, folder: Path) -> None:
    marker = folder / "marker"
    marker.write_text("of this machine")
    assistant.call("declare", name="apart", nodes={"h1": {}}, links=[])
    assistant.call("start", lab="apart")
    said = assistant.call(
        "run", lab="apart", node="h1", command=f"cat {marker}; ip -br link; id -u"
    )
    assert "of this machine" not in said
    assert [line.split()[0] for line in said.splitlines() if " UNKNOWN " in line] == ["lo"]
    many = assistant.call("run", lab="apart", node="h1", command="seq 100000 200000")
    assert "characters are left out" in many
    assert "printed more than" in assistant.refused(
        "run", lab="apart", node="h1", command="yes", timeout_s=20
    )
    assert "had not ended after 0.2 s" in assistant.refused(
        "run", lab="apart", node="h1", command="sleep 60", timeout_s=0.2
    )
    assistant.call("forget", lab="apart")


def test_what_is_wrong_is_a_sentence(assistant: Assistant) -> None:
    assert "nothing may be read" not in assistant.refused("load", file="../etc/passwd")
    assert "is not in the folder" in assistant.refused("load", file="../etc/passwd")
    assert "there is no lab" in assistant.refused("explain", lab="moon", source="a", target="b")
    assert assistant.refused("fly").startswith("there is no tool 'fly'")


@pytest.mark.parametrize("how", ["its input is closed", "SIGTERM", "SIGKILL"])
def test_labs_end_with_the_program(how: str, namespaces_engine: NamespacesEngine) -> None:
    name = f"ends-{os.getpid()}-{how[:4].lower().strip()}"
    name = re.sub(r"[^a-z0-9-]", "", name)
    source = (
        "import sys; from playground.frontends.mcp.workshop import Workshop; "
        "from playground.frontends.mcp import server; "
        "workshop = Workshop(engine='namespaces'); "
        f"lab = workshop.declare({name!r}, {{'h1': {{}}}}, []).start(); "
        "print('up', file=sys.stderr, flush=True); server.serve(workshop, '1')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", source],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        assert process.stderr.readline() == b"up\n"
        assert name in {record.name for record in namespaces_engine.labs()}
        if how == "SIGTERM":
            time.sleep(0.3)  # until it serves; before that Python's own handler ends it
        with contextlib.suppress(OSError):
            if how == "its input is closed":
                process.stdin.close()
            else:
                process.send_signal(getattr(signal, how))
        process.wait(30)
    deadline = time.monotonic() + 20
    while name in {record.name for record in namespaces_engine.labs()}:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_mistake_of_ours_is_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(workshop: Workshop) -> str:
        raise ZeroDivisionError("by nought")

    from playground.frontends.mcp import tools

    row = tools.AssistantTool("broken", "workshop", broken, tools.Effect.READS)
    monkeypatch.setattr(tools, "TOOLS", {"broken": row})
    monkeypatch.setattr("playground.frontends.mcp.server.TOOLS", {"broken": row})
    result = called(Workshop(), "broken", {})
    assert result.is_error
    assert "ZeroDivisionError: by nought: this is a mistake in playground" in str(result.content)


def test_a_folder_is_one_of_labs(tmp_path: Path) -> None:
    assert check_folder(None) is None
    assert check_folder(tmp_path) == tmp_path
    for wrong, words in ((tmp_path / "none", "is no folder"), (Path("/"), "more than labs")):
        with pytest.raises(BadArgument, match=words):
            check_folder(wrong)
