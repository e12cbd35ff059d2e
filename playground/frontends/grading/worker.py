"""The worker: a process that marks one submission, and tells the result line by line.

It runs no line of the submission: that is read on a host without links (`reader`), and comes
back as data.  The checks run here, and ask the running network from outside.

"""

from __future__ import annotations

import os
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

from playground.engines.namespaces import cgroups
from playground.engines.namespaces.privileges import is_root
from playground.errors import PlaygroundError
from playground.frontends import pytest_plugin
from playground.frontends.grading.cheating import find_cheats
from playground.frontends.grading.handed_over import (
    LIMITS,
    HandedOver,
    limited,
    memory_mb,
    own_limits,
    understood,
)
from playground.frontends.grading.marks import Mark
from playground.frontends.grading.outcomes import CheckMark, PartMark, Tried, check_data
from playground.frontends.grading.reader import read_in_process, read_on_host
from playground.frontends.grading.recorded_checks import RecordedLab
from playground.frontends.grading.submissions import Submission, pack
from playground.lab.declarations.declare import declare
from playground.lab.declarations.shapes import Declarations
from playground.lab.files.reading import LabFile
from playground.model.records import dataclass

Send = Callable[[dict[str, Any]], None]

_MOST_CHARACTERS = 8_000
_MOST_PICTURE_BYTES = 2 * 2**20


@dataclass(frozen=True)
class MarkJob:
    """One submission to be marked, and how."""

    submission: Submission
    exercise: Path
    name: str
    engine: str
    folder: Path
    read_limit_s: int
    memory_mb: int
    trusted: bool = False
    grants: tuple[str, ...] = ()


def mark(job: MarkJob, send: Send) -> None:
    """Mark one submission, and tell of it: what was handed over, the checks, each mark."""
    # Below a folder of the class's, which is taken away where this process is killed, too.
    folder = job.folder / job.name
    folder.mkdir()
    try:
        _mark_in(folder, job, send)
    finally:
        # A class of large ones would fill the disk otherwise.
        shutil.rmtree(folder, ignore_errors=True)


def _mark_in(folder: Path, job: MarkJob, send: Send) -> None:
    refusal: str | None = None
    handed: HandedOver | None = None
    try:
        handed = _hand_over(job, folder, send)
        refusal = handed.refusal or None
    except PlaygroundError as error:
        refusal = _without_place(str(error), folder)
    if refusal is not None or handed is None or handed.lab is None:
        send({"refusal": refusal})
        return
    send({"warnings": (*handed.warnings, *passed_over(handed.lab.settings))})
    said = handed.lab

    def make_lab() -> RecordedLab:
        try:
            return _lab(said, job, send)
        except PlaygroundError as error:
            raise PlaygroundError(_without_place(str(error), folder)) from error

    run_checks(job.exercise, job.submission.student, send, make_lab)


def _hand_over(job: MarkJob, folder: Path, send: Send) -> HandedOver:
    submission = job.submission
    packed = pack(submission)
    if job.trusted:
        read = read_in_process(
            submission.kind, submission.student, packed, limit_s=job.read_limit_s
        )
    else:
        read = read_on_host(
            submission.kind,
            submission.student,
            packed,
            name=f"{job.name}-reader",
            limit_s=job.read_limit_s,
        )
    send({"printed": read.printed})
    if read.status < 0 and not read.handed_over:
        raise PlaygroundError(
            "the process that read it was killed: it took more memory or more processes than it "
            "may, or killed itself"
        )
    return understood(read.handed_over, folder, job.grants)


def _without_place(text: str, place: Path) -> str:
    """Return a sentence without the place of data that no student has seen."""
    folder = str(place)
    text = re.sub(rf"{re.escape(folder)}/the submission(:\d+)*: ", "", text)
    return text.replace(folder, "the submission")


def _lab(said: LabFile, job: MarkJob, send: Send) -> RecordedLab:
    if (wanted := memory_mb(said.declarations)) > job.memory_mb:
        raise PlaygroundError(
            f"its hosts ask for {wanted} MB of memory in all, and a submission has {job.memory_mb}"
        )
    nodes = declare(_limited(said.declarations, job)).nodes
    kept = {name: said.settings[name] for name in _SETTINGS if name in said.settings}
    lab = RecordedLab(*nodes.values(), name=job.name, engine=job.engine, quiet=True, **kept)
    lab.tried = []
    try:
        picture = lab.picture().svg()
    except PlaygroundError:
        picture = ""  # no package for pictures is installed
    if len(picture) <= _MOST_PICTURE_BYTES:
        send({"picture": picture})
    return lab


def _limited(declarations: Declarations, job: MarkJob) -> Declarations:
    held = [name for name in LIMITS if cgroups.refusal({name: 1}) is None]
    pids = cgroups.hierarchies().get("pids")
    always, together = own_limits(
        job.engine, root=is_root(), held=held, version=pids.version if pids else 1
    )
    return limited(declarations, job.memory_mb, always, together)


# What a submission says of its lab as a whole, and is heard in.
_SETTINGS = ("users", "ipv6", "converge", "strict", "positions")
# It is called as the marking calls it, and ends with it: nobody need be told.
_UNTOLD = ("name", "keep")


def passed_over(settings: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence for each setting of a submission's lab that marking takes no notice of.

    >>> passed_over(["ipv6", "spread"])
    ("the lab's spread= is passed over: marking says where and how its lab runs",)

    """
    return tuple(
        f"the lab's {name}= is passed over: marking says where and how its lab runs"
        for name in settings
        if name not in (*_SETTINGS, *_UNTOLD)
    )


def run_checks(
    exercise: Path,
    student: str,
    send: Send,
    make_lab: Callable[[], RecordedLab],
    *,
    only_list: bool = False,
) -> int:
    """Run an exercise by pytest, and tell of each check; return pytest's exit status."""
    plugin = _Telling(send, student, make_lab)
    # Nothing of this machine's own settings or plugins has a say in marks.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    sys.dont_write_bytecode = True
    words = [str(exercise), "-q", "-c", os.devnull, f"--rootdir={exercise.parent}"]
    words += ["-p", "no:cacheprovider", "-p", "playground.frontends.pytest_plugin"]
    words += ["--import-mode=importlib", "--tb=short", "-W", "ignore::pytest.PytestWarning"]
    words += ["--collect-only"] * only_list
    return int(pytest.main(words, plugins=[plugin]))


class _Telling:
    """The plugin of pytest that tells of checks, where the marks are kept."""

    def __init__(
        self, send: Send, student: str, make_lab: Callable[[], RecordedLab] | None
    ) -> None:
        self._send = send
        self._student = student
        self._make_lab = make_lab
        self._lab: RecordedLab | None = None
        self._tried: list[Tried] = []
        self._marks: dict[str, Mark] = {}

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[pytest_plugin.STUDENT] = self._student
        config.stash[pytest_plugin.HANDED_OVER] = self._new_lab

    def _new_lab(self) -> RecordedLab:
        assert self._make_lab is not None
        self._lab = self._make_lab()
        self._lab.tried = self._tried
        return self._lab

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any]
    ) -> Generator[None, object, object]:
        try:
            return (yield)
        except PlaygroundError as error:
            self._refuse(fixturedef, str(error))
            raise
        except pytest.fail.Exception as error:
            self._refuse(fixturedef, str(error))
            raise

    def _refuse(self, fixturedef: pytest.FixtureDef[Any], said: str) -> None:
        if fixturedef.argname == "lab":  # it cannot be started, and no check can be made
            self._send({"refusal": said[:_MOST_CHARACTERS]})

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        checks = []
        for item in session.items:
            try:
                self._marks[item.nodeid] = made = pytest_plugin.mark_of(item)
            except PlaygroundError as error:
                self._send({"unreadable": str(error)[-_MOST_CHARACTERS:]})
                raise pytest.UsageError(str(error)) from None
            checks.append(check_data(_check_mark(item.nodeid, made, ())))
        self._send({"checks": checks})

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._send({"unreadable": str(report.longreprtext)[-_MOST_CHARACTERS:]})

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._tried.clear()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        found = _check_mark(nodeid, self._marks[nodeid], tuple(self._tried))
        self._send({"check": check_data(found)})

    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        last = nextitem is None or nextitem.fspath != item.fspath
        if last and self._lab is not None and self._lab.running:
            try:
                self._send({"cheats": find_cheats(self._lab)})
            except PlaygroundError as error:
                self._send({"cheats": [f"it could not be looked at for cheating: {error}"]})


def _check_mark(id_: str, found: Mark, tried: tuple[Tried, ...]) -> CheckMark:
    return CheckMark(
        id=id_.rpartition("/")[2],
        title=found.title,
        points=found.points,
        got=found.got,
        hidden=found.hidden,
        state=found.state,
        said=found.said[:_MOST_CHARACTERS],
        feedback=found.feedback,
        parts=tuple(
            PartMark(part.title, part.points, part.earned, part.said[:_MOST_CHARACTERS])
            for part in found.parts
        ),
        tried=tried,
    )


def broken() -> dict[str, Any]:
    """Return what is told of an error that is a mistake of ours, or of the exercise's."""
    return {"broken": traceback.format_exc()[-_MOST_CHARACTERS:]}
