"""The map of rooms in CONTRIBUTING.md is true, and imports go in one direction."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
PACKAGE = TOP / "playground"


AGENT = PACKAGE / "agent"


def rooms(heading: str = "## The map of rooms") -> list[str]:
    """Return the rooms of the table below a heading, from the top."""
    text = (TOP / "CONTRIBUTING.md").read_text().partition(f"\n{heading}\n")[2]
    text = re.split(r"^##", text, maxsplit=1, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| ((?:`\w+` ?)+)\|", text, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"\w+", row)]


def agent_rooms() -> list[str]:
    return rooms("### The agent's rooms")


def imported(path: Path, package: str = "playground") -> Iterator[str]:
    """Yield the rooms of a package that a module imports when it is imported itself."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module == package:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}."):
            yield (node.module or "").removeprefix(f"{package}.").split(".")[0]


def test_every_module_is_on_the_map_once() -> None:
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert sorted(rooms()) == sorted(modules | packages)
    assert sorted(agent_rooms()) == sorted(
        path.stem for path in AGENT.glob("*.py") if path.stem != "__init__"
    )


@pytest.mark.parametrize("room", rooms())
def test_a_room_imports_only_from_rooms_above_it(room: str) -> None:
    order = rooms()
    path = AGENT / "__init__.py" if room == "agent" else PACKAGE / f"{room}.py"
    below = [name for name in imported(path) if order.index(name) >= order.index(room)]
    assert below == []


@pytest.mark.parametrize("room", agent_rooms())
def test_a_room_of_the_agent_imports_only_from_those_above_it(room: str) -> None:
    order = agent_rooms()
    names = imported(AGENT / f"{room}.py", "playground.agent")
    assert [name for name in names if order.index(name) >= order.index(room)] == []


def test_only_the_docker_rooms_import_docker() -> None:
    for path in PACKAGE.rglob("*.py"):
        names = {
            alias.name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert "docker" not in names or path.stem.startswith("docker_")


def test_the_agent_imports_nothing_of_ours_but_itself() -> None:
    for path in AGENT.glob("*.py"):
        # In functions, too: in the helper there is nothing else.
        names = {
            (alias.name if isinstance(node, ast.Import) else node.module or "")
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        ours = {name for name in names if name.partition(".")[0] == "playground"}
        assert {name for name in ours if not name.startswith("playground.agent")} == set()
