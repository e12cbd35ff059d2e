"""The map of rooms in CONTRIBUTING.md is true, and imports go in one direction."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
PACKAGE = TOP / "playground"


def rooms() -> list[str]:
    """Return the rooms of the map, from the top."""
    text = (TOP / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| ((?:`\w+` ?)+)\|", text, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"\w+", row)]


def imported(path: Path) -> Iterator[str]:
    """Yield the rooms that a module imports when it is imported itself."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module == "playground":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("playground."):
            yield (node.module or "").split(".")[1]


def test_every_module_is_on_the_map_once() -> None:
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert sorted(rooms()) == sorted(modules)


@pytest.mark.parametrize("room", rooms())
def test_a_room_imports_only_from_rooms_above_it(room: str) -> None:
    order = rooms()
    below = [
        name for name in imported(PACKAGE / f"{room}.py") if order.index(name) >= order.index(room)
    ]
    assert below == []


def test_only_the_docker_rooms_import_docker() -> None:
    for path in PACKAGE.glob("*.py"):
        names = {
            alias.name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert "docker" not in names or path.stem.startswith("docker_")


def test_the_agent_imports_nothing_of_ours() -> None:
    assert list(imported(PACKAGE / "agent.py")) == []
