"""The house stands on floors: docs/architecture/floors.md is true, and imports go one way.

An import counts wherever it stands: at the top of a module, in a function, and under
``TYPE_CHECKING``.

"""

from __future__ import annotations

import ast
import configparser
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
PACKAGE = TOP / "playground"
FLOORS = TOP / "docs" / "architecture" / "floors.md"

# Imports that go upwards all the same, as (module, imported): the reason.
EXCEPTIONS: dict[tuple[str, str], str] = {}

# A class name stands for one thing.  These stand in two modules on purpose: a declaration,
# and beside it the same thing with its operations, which `operations.network` joins.
DECLARED, JOINED = "model.topology", "operations.network"
DECLARED_AND_JOINED = {"Host", "Link", "Machine", "Router", "Switch", "VlanLink"}

LINKS_AND_JOINED = {
    "Bond": ["model.links.bond", JOINED],
    "Tunnel": ["model.links.tunnel", JOINED],
}

MOST_EXCEPTIONS = 5
MOST_MODULES = 20
MOST_ENTRIES = 12
MOST_LINES = 300

# Classes that are still longer, and their lines: ceilings that may only sink.
LONG_CLASSES: dict[str, int] = {}


def floors() -> list[str]:
    """Return folders and single modules from the bottom, as the table has them."""
    return re.findall(r"^\| `([\w./]+)` \|", FLOORS.read_text(), re.MULTILINE)


@cache
def modules() -> dict[str, Path]:
    """Return every module with code, by its dotted name below the package."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if path.name != "__init__.py":
            found[name] = path
    return found


def floor_of(module: str) -> int:
    """Return how high a module stands; the module's own row counts before its folder's."""
    order = [name.rstrip("/").replace("/", ".") for name in floors()]
    folders = {name for name, row in zip(order, floors(), strict=True) if row.endswith("/")}
    if module in order and module not in folders:
        return order.index(module)
    folder = module.rpartition(".")[0]
    if folder not in folders:
        raise LookupError(f"{module} is on no floor: give its folder a row in {FLOORS.name}")
    return next(n for n, row in enumerate(floors()) if row == folder.replace(".", "/") + "/")


def imported(path: Path) -> Iterator[str]:
    """Yield the modules of ours that a module imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written whole here"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.partition(".")[0] == "playground":
                yield nearest(name.removeprefix("playground").removeprefix("."))


def nearest(name: str) -> str:
    """Return the module that a dotted name belongs to; "" for the package itself."""
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_imports_only_what_stands_below_it_or_beside_it(module: str) -> None:
    own = floor_of(module)
    above = {
        name
        for name in imported(modules()[module])
        if (name == "" or floor_of(name) > own) and (module, name) not in EXCEPTIONS
    }
    assert above == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: set(imported(path)) - {name, ""} for name, path in modules().items()}
    # A module that imports nothing that is left cannot be in a circle.
    while free := [name for name, needs in graph.items() if not needs & graph.keys()]:
        for name in free:
            del graph[name]
    assert sorted(graph) == []


def test_every_floor_is_there_and_every_module_is_on_one() -> None:
    for row in floors():
        place = PACKAGE / row
        assert place.is_dir() if row.endswith("/") else place.with_suffix(".py").is_file(), row
    assert [floor_of(name) for name in modules()]


def test_exceptions_are_few_and_each_is_needed() -> None:
    assert len(EXCEPTIONS) <= MOST_EXCEPTIONS
    for (module, name), reason in EXCEPTIONS.items():
        assert name in set(imported(modules()[module])), (
            f"{module} does not import {name}: {reason}"
        )


def test_a_folder_is_small_enough_to_be_read() -> None:
    sizes = Counter(name.rpartition(".")[0] for name in modules())
    assert {folder: size for folder, size in sizes.items() if size > MOST_MODULES} == {}
    # Names with two underscores are Python's own, as py.typed is.
    entries = {
        path.name
        for path in PACKAGE.iterdir()
        if not path.name.startswith("_") and path.name != "py.typed"
    }
    assert len(entries) <= MOST_ENTRIES


def test_a_class_is_short_enough_to_be_read() -> None:
    lines = {
        f"{module}.{node.name}": node.end_lineno - node.lineno + 1
        for module, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and node.end_lineno is not None
    }
    long = {name: size for name, size in lines.items() if size > LONG_CLASSES.get(name, MOST_LINES)}
    assert long == {}
    short = [name for name in LONG_CLASSES if lines.get(name, 0) <= MOST_LINES]
    assert short == [], "short enough by now: take them out of the table"


def test_no_two_classes_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for module, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(module)
    twice = {name: sorted(where) for name, where in places.items() if len(where) > 1}
    assert twice == {key: [DECLARED, JOINED] for key in DECLARED_AND_JOINED} | LINKS_AND_JOINED


def test_folders_hold_no_code_of_their_own() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        body = ast.parse(path.read_text()).body
        assert path.parent == PACKAGE or [type(node) for node in body] == [ast.Expr], path


def test_every_folder_goes_into_the_wheel() -> None:
    setup = configparser.ConfigParser()
    setup.read(TOP / "setup.cfg")
    said = {name for name in setup["options"]["packages"].split() if "._" not in name}
    there = {path.parent.relative_to(TOP) for path in PACKAGE.rglob("__init__.py")}
    assert said == {".".join(path.parts) for path in there if "_images" not in path.parts}


def test_only_modules_about_docker_import_docker() -> None:
    for module, path in modules().items():
        names = {
            alias.name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert "docker" not in names or "docker" in module, module


def test_the_agent_imports_nothing_of_ours_but_itself() -> None:
    # In functions, too: in the helper there is nothing else.
    for module, path in modules().items():
        if module.startswith("agent."):
            assert {name for name in imported(path) if not name.startswith("agent.")} == set()


def test_tests_stand_where_their_modules_do() -> None:
    tests = TOP / "tests"
    for path in tests.rglob("test_*.py"):
        folder = path.parent.relative_to(tests)
        assert (PACKAGE / folder).is_dir(), f"there is no playground/{folder}"


def test_a_test_that_is_named_is_there() -> None:
    tests = TOP / "tests"
    named = re.compile(r"\btests/[\w/]+\.py(?:::test_\w+)?")
    missing = []
    for path in tests.rglob("*.py"):
        for name in named.findall(path.read_text()):
            file, _, test = name.partition("::")
            text = (TOP / file).read_text() if (TOP / file).is_file() else ""
            if not text or f"def {test}" not in text:
                missing.append(f"{path.name}: {name}")
    assert missing == []
