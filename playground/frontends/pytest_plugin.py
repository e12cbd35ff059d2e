"""The pytest plugin: students' networks, marked by tests.

``pytest --lab student.py exercise_test.py`` runs tests with the fixture `lab`, which is
the running lab that ``student.py`` declares.  Each test is one fact, and one point, or
``@pytest.mark.points(2)``; what the student reads of a test that fails is what
`CheckFailed` says.  ``playground grade`` runs the same tests for a whole class.  pytest finds
this by the entry point ``pytest11``; of playground it imports next to nothing before a test asks
for a lab.

"""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

from playground.frontends.grading.marks import BROKEN, FAILED, PASSED, Mark, Points, refuse_number

if TYPE_CHECKING:
    from playground.lab.exercises.exercise import Exercise
    from playground.lab.lab import Lab

_OPTION = "--lab"
_LIMIT = "--lab-timeout"
_LONGEST_S = 86_400.0
_STUDENT = "--student"

# The marks of all tests, by their ids.
MARKS = pytest.StashKey[dict[str, Mark]]()
# What `playground grade` sets: how to get the student's lab, and who it is.
HANDED_OVER = pytest.StashKey[Callable[[], Any]]()
STUDENT = pytest.StashKey[str]()

_MARKERS = (
    "points(n): what a test is worth where a lab is marked (see --lab); by default 1",
    "hidden: a check of which students are not told what it checks",
    "feedback(text): what a student reads who does not earn all points of this check",
    "time_limit(seconds): how long this check may take before it has failed",
)


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
    group.addoption(
        _STUDENT,
        metavar="NAME",
        default="student",
        help='whose exercise the fixture `exercise` is; by default that of "student"',
    )


def _seconds(text: str) -> float:
    # argparse says what a ValueError is of.
    if not 0 < (seconds := float(text)) < _LONGEST_S:
        raise ValueError(text)
    return seconds


def pytest_configure(config: pytest.Config) -> None:
    """Say what the markers mean."""
    for text in _MARKERS:
        config.addinivalue_line("markers", text)
    config.stash[MARKS] = {}


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


@pytest.fixture(scope="session")
def exercise(request: pytest.FixtureRequest) -> Exercise:
    """The exercise of this student: `playground.exercise`, with the student's name as its seed."""
    from playground.lab.exercises.exercise import exercise as make

    config = request.config
    return make(seed=config.stash.get(STUDENT, config.getoption(_STUDENT)))


@pytest.fixture
def points(request: pytest.FixtureRequest) -> Points:
    """Parts of a check's points: ``with points(1, "h1 reaches www"):``, see `Points`."""
    return Points(mark_of(request.node))


def _find(request: pytest.FixtureRequest) -> Lab:
    from playground.errors import BadArgument
    from playground.lab.lab import Lab

    if (handed_over := request.config.stash.get(HANDED_OVER, None)) is not None:
        found: Lab = handed_over()
        return found
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


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse wrong markers of the tests that take a lab of ours, before any is run."""
    from playground.errors import BadArgument

    if HANDED_OVER in session.config.stash:  # `playground grade` tells of them itself
        return
    for item in session.items:
        if _is_ours(item):
            try:
                mark_of(item)
            except BadArgument as error:
                raise pytest.UsageError(str(error)) from None


def _is_ours(item: pytest.Item) -> bool:
    """Whether the markers of a test are surely ours: other plugins may call theirs the same."""
    stashed = HANDED_OVER in item.config.stash or item.config.getoption(_OPTION) is not None
    return stashed or not {"lab", "points"}.isdisjoint(getattr(item, "fixturenames", ()))


def mark_of(item: pytest.Item) -> Mark:
    """Return the mark of a test, by what its markers say; raises `BadArgument` if they are wrong.

    Wrong ones of a test that has nothing to do with us are passed over.

    """
    marks = item.config.stash[MARKS]
    if item.nodeid not in marks:
        text = getattr(getattr(item, "obj", None), "__doc__", None) or ""
        marks[item.nodeid] = Mark(
            text.strip().partition("\n")[0].rstrip(".") or item.name,
            _said(item, "points", "n", 1),
            hidden=item.get_closest_marker("hidden") is not None,
            feedback=str(_said(item, "feedback", "text", "")),
            limit_s=_said(item, "time_limit", "seconds", None),
        )
    return marks[item.nodeid]


def _said(item: pytest.Item, name: str, keyword: str, default: Any) -> Any:
    """Return the one thing that a marker says, by position or by ``keyword``."""
    from playground.errors import BadArgument

    marker = item.get_closest_marker(name)
    if marker is None:
        return default
    said = [*marker.args, *marker.kwargs.values()]
    try:
        if len(said) != 1 or {*marker.kwargs} - {keyword}:
            raise BadArgument(f"{name} takes one thing: write {name}({keyword})")
        if name != "feedback":
            refuse_number(name, said[0], zero=name == "points")
    except BadArgument as error:
        if _is_ours(item):
            raise BadArgument(f"the marker of {item.name}: {error}") from None
        return default
    return said[0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """End a test that takes longer than its marker ``time_limit`` says."""
    limit_s = mark_of(item).limit_s
    if limit_s is None:
        return (yield)
    with _limited(limit_s):
        return (yield)


@contextmanager
def _limited(limit_s: float) -> Iterator[None]:
    """Raise `_TimeIsOver` in a block that takes longer; only where Python handles signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(number: int, frame: FrameType | None) -> None:
        raise pytest.fail.Exception(f"it took longer than {limit_s:g} s", pytrace=False)

    before = signal.signal(signal.SIGALRM, over)
    left_s, _ = signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        # Another's timer, such as that of pytest-timeout, goes on.
        signal.setitimer(signal.ITIMER_REAL, left_s)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show of a check that fails what it says, and no traceback; write down the mark."""
    report = yield
    mark = mark_of(item)
    if call.excinfo is not None and call.excinfo.typename == "CheckFailed":
        report.longrepr = str(call.excinfo.value)
    if call.excinfo is not None and call.when != "teardown":
        mark.said = mark.said or _sentence(call.excinfo)
        mark.state = FAILED if _is_verdict(call.excinfo) else BROKEN
    elif call.when == "call":
        mark.state = PASSED
        if lost := [part for part in mark.parts if not part.earned]:
            report.outcome = "failed"
            report.longrepr = "\n".join(f"{part.title}: {part.said}" for part in lost)
    return report


def _is_verdict(error: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether an error speaks of the network, and not of a check that has a mistake itself."""
    from playground.errors import BadArgument, PlaygroundError

    kinds = (AssertionError, PlaygroundError, pytest.fail.Exception)
    return isinstance(error.value, kinds) and not isinstance(error.value, BadArgument)


def _sentence(error: pytest.ExceptionInfo[BaseException]) -> str:
    if _is_verdict(error):
        return str(error.value) or "it is not so"
    return f"{error.typename}: {error.value}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the marks, a line a test, where a network was given with ``--lab``."""
    config = terminalreporter.config
    marks = config.stash[MARKS].values() if config.getoption(_OPTION) is not None else ()
    if not marks:
        return
    terminalreporter.section(f"marks of {config.getoption(_OPTION)}")
    for mark in marks:
        terminalreporter.write_line(
            f"{'+' if mark.whole else '-'} {mark.got:g} of {mark.points:g}  {mark.title}",
            green=mark.whole,
            red=not mark.whole,
        )
    all_ = sum(mark.points for mark in marks)
    got = sum(mark.got for mark in marks)
    terminalreporter.write_line(f"  {got:g} of {all_:g}", bold=True)
