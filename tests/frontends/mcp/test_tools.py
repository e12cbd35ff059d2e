"""The table of tools: each is a function of the API, in its own words."""

from __future__ import annotations

import jsonschema
import pytest

from playground.errors import BadArgument, LabNotFound, UnknownName
from playground.frontends.mcp.tools import TOOLS, AssistantTool, Effect
from playground.frontends.mcp.workshop import Workshop


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_a_tool_says_what_it_does_and_takes(tool: AssistantTool) -> None:
    jsonschema.Draft202012Validator.check_schema(tool.schema)
    assert len(tool.description) > 20
    assert ">>>" not in tool.description
    assert "``" not in tool.description
    assert not {*tool.schema["properties"]} & {*tool.fixed}


def test_what_destroys_something_is_marked() -> None:
    def named(effect: Effect) -> set[str]:
        return {name for name, tool in TOOLS.items() if tool.effect is effect}

    assert {"run", "stop", "forget", "change", "write_file", "service_stop"} <= named(
        Effect.CHANGES
    )
    assert {"explain", "ping", "picture", "state", "how_to", "routes"} <= named(Effect.READS)
    assert {"declare", "start", "save"} <= named(Effect.ADDS)


def test_all_tools_together_are_short() -> None:
    # A language model reads them all before its first word: some 10,000 of its tokens at most.
    assert sum(len(str(tool.schema)) + len(tool.description) for tool in TOOLS.values()) < 40_000


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("ping", {"node": "h1", "target": "h2", "count": 10**9}, "say a number from 0 to 100"),
        ("run", {"node": "h1", "command": "x", "timeout_s": None}, "timeout_s=None: say a number"),
        ("run", {"node": "h1", "command": "x", "output_limit_mb": 99}, "has no argument"),
        ("explain", {"source": "h1"}, "explain needs the argument target"),
    ],
)
def test_nothing_takes_longer_or_more_than_it_may(
    name: str, arguments: dict[str, object], words: str
) -> None:
    with Workshop() as workshop, pytest.raises(BadArgument, match=words):
        TOOLS[name].call(workshop, arguments)


def test_a_tool_without_a_lab_says_so() -> None:
    with Workshop() as workshop, pytest.raises(LabNotFound, match="there is no lab yet"):
        TOOLS["explain"].call(workshop, {"source": "h1", "target": "h2"})


def test_a_switch_is_a_switch() -> None:
    with Workshop() as workshop:
        workshop.declare("x", {"h1": {}}, [])
        with pytest.raises(BadArgument, match="h1 is no switch"):
            TOOLS["learned_addresses"].call(workshop, {"switch": "h1"})
        with pytest.raises(UnknownName, match="there is no example 'moon'"):
            TOOLS["declare_example"].call(workshop, {"name": "moon"})
