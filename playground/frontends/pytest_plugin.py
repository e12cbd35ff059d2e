"""The pytest plugin: students' networks, marked by tests.

``pytest --lab student.py exercise_test.py`` runs tests with the fixture `lab`, which is
the running lab that ``student.py`` declares.  Each test is one fact, and one point, or
``@pytest.mark.points(2)``; what the student reads of a test that fails is what
`CheckFailed` says.  pytest finds this by the entry point ``pytest11``; of playground it
imports nothing before a test asks for a lab.

"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playground.lab.lab import Lab

_OPTION = "--lab"
_LIMIT = "--lab-timeout"
_LONGEST_S = 86_400.0
_MARKS = pytest.StashKey[dict[str, "_Mark"]]()


class _Mark:
    """The points of one test, and its outcome."""

    def __init__(self, title: str, points: float) -> None:
        self.title = title
        self.points = points
        self.passed = False


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--lab FILE``."""
    group = parser.getgroup("playground")
    group.addoption(
        _OPTION,
        metavar="FILE.py",
        help="the Python file that declares the network for the fixture `lab`",
    )
    group.addoption(
        _LIMIT,
        metavar="SECONDS",
        type=_seconds,
        default=60.0,
        help="how long that file may run before its tests fail; by default 60",
    )


def _seconds(text: str) -> float:
    # argparse says what a ValueError is of.
    if not 0 < (seconds := float(text)) < _LONGEST_S:
        raise ValueError(text)
    return seconds


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marker means."""
    config.addinivalue_line(
        "markers", "points(n): what a test is worth where a lab is marked (see --lab); by default 1"
    )
    config.stash[_MARKS] = {}


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The running lab of ``--lab FILE.py``, or of the test module's ``LAB``.

    ``LAB`` is the path of such a file beside the test module, a `Lab` that is not
    started, or a function that returns one; ``--lab`` comes first.  Each module gets a lab
    of its own.  A file that cannot become a network fails the tests, and says why.

    """
    from playground.errors import PlaygroundError

    try:
        found = _find(request).start()
    except PlaygroundError as error:
        # Without the error behind it, which would say the same once more.
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    try:
        yield found
    finally:
        found.stop()


def _find(request: pytest.FixtureRequest) -> Lab:
    from playground.errors import BadArgument
    from playground.lab.lab import Lab

    named = request.config.getoption(_OPTION)
    declared = getattr(request.module, "LAB", None)
    if named is not None:
        return _load(request.config.invocation_params.dir / named, request.config)
    if isinstance(declared, (str, Path)):
        return _load(request.path.parent / declared, request.config)
    if callable(declared):
        declared = declared()
    if isinstance(declared, Lab):
        return declared
    raise BadArgument(
        "which network? Write `pytest --lab student.py ...`, or set LAB in the test module to "
        "such a file, to a Lab, or to a function that returns one"
    )


def _load(file: Path, config: pytest.Config) -> Lab:
    from playground.errors import TopologyError
    from playground.lab.formats.load import LoadOptions, load_any

    if not file.exists():
        raise TopologyError(f"there is no file {file}: give the one that declares the network")
    said: list[str] = []
    loaded = load_any(file, LoadOptions(quiet=True), said.append, config.getoption(_LIMIT))
    for text in said:
        warnings.warn(pytest.PytestWarning(text), stacklevel=1)
    return loaded


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show of a check that fails what it says, and no traceback; write down the mark."""
    report = yield
    if call.excinfo is not None and call.excinfo.typename == "CheckFailed":
        report.longrepr = str(call.excinfo.value)
    if item.config.getoption(_OPTION) is not None:
        _write_down(item, report)
    return report


def _write_down(item: pytest.Item, report: pytest.TestReport) -> None:
    marks = item.config.stash[_MARKS]
    if item.nodeid not in marks:
        marker = item.get_closest_marker("points")
        points = marker.args[0] if marker is not None and marker.args else 1
        text = getattr(getattr(item, "obj", None), "__doc__", None) or ""
        title = text.strip().partition("\n")[0].rstrip(".") or item.name
        marks[item.nodeid] = _Mark(title, points)
    if report.when == "call":
        marks[item.nodeid].passed = report.passed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the marks, a line a test, where a network was given with ``--lab``."""
    config = terminalreporter.config
    marks = config.stash[_MARKS].values()
    if not marks:
        return
    terminalreporter.section(f"marks of {config.getoption(_OPTION)}")
    for mark in marks:
        got = mark.points if mark.passed else 0
        sign = "+" if mark.passed else "-"
        terminalreporter.write_line(
            f"{sign} {got:g} of {mark.points:g}  {mark.title}",
            green=mark.passed,
            red=not mark.passed,
        )
    all_ = sum(mark.points for mark in marks)
    got = sum(mark.points for mark in marks if mark.passed)
    terminalreporter.write_line(f"  {got:g} of {all_:g}", bold=True)
