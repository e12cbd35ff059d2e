"""`playground grade`: a class is marked, and its marks are written.

Decides which submissions are marked anew (what changed since), has them marked by processes of
their own, and hands all outcomes to those who write files.

"""

from __future__ import annotations

import ast
import contextlib
import functools
import itertools
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from playground.engines.namespaces import cgroups
from playground.errors import BadArgument, PlaygroundError
from playground.frontends.grading import kept_outcomes, worker
from playground.frontends.grading.outcomes import CheckMark, StudentMarks, check_from
from playground.frontends.grading.pool import ChildEnd, ChildLimits, run_children
from playground.frontends.grading.reader import PACKAGE, refuse_shown
from playground.frontends.grading.submissions import (
    LEFT_OUT,
    Submission,
    digest,
    find_submissions,
    pack,
)
from playground.frontends.grading.write_marks import write_marks
from playground.model.records import dataclass

Say = Callable[[str], object]


@dataclass(frozen=True)
class GradeOptions:
    """How a class is marked; ``jobs`` is how many at once, None as the machine carries."""

    limit_s: float = 300.0
    read_limit_s: int = 10
    memory_mb: int = 1024
    jobs: int | None = None
    engine: str = "namespaces"
    trusted: bool = False
    grants: tuple[str, ...] = ()
    again: bool = False


def grade(
    exercise: Path, submissions: Path, output: Path, options: GradeOptions, say: Say
) -> list[StudentMarks]:
    """Mark each submission in a folder by an exercise, and write the marks into another.

    Returns the outcomes by student.  Raises `BadArgument` for an exercise that cannot be read,
    and where there are no submissions.

    """
    _check_places(exercise, submissions, output, options)
    found = find_submissions(submissions)
    checks = read_exercise(exercise)
    _make_folder(output)
    outcomes: dict[str, StudentMarks] = {}
    jobs, keys = [], {}
    kept = {} if options.again else kept_outcomes.read(output)
    base = _fingerprint(exercise, options, (submissions, output), say)
    for submission in found:
        try:
            # Packed again where it is marked: a class of large ones would fill this process.
            content = digest(pack(submission))
        except PlaygroundError as error:
            outcomes[submission.student] = StudentMarks(
                submission.student, checks, refusal=str(error)
            )
            continue
        key = keys[submission.student] = digest(
            "\0".join([base, submission.student, submission.kind, content]).encode(
                errors="surrogateescape"
            )
        )
        if key in kept:
            outcomes[submission.student] = kept[key]
        else:
            jobs.append(submission)
    if len(found) > len(jobs):
        say(f"{len(found) - len(jobs)} of {len(found)} submissions need not be marked anew")
    try:
        for outcome in _mark_all(jobs, checks, exercise, options, say):
            outcomes[outcome.student] = outcome
    finally:
        # Whatever ended this, what is marked need not be marked again.
        done = [outcomes[one.student] for one in found if one.student in outcomes]
        kept_outcomes.write(output, {keys[one.student]: one for one in done if one.student in keys})
    in_order = [outcomes[submission.student] for submission in found]
    write_marks(output, title_of(exercise), in_order, say)
    return in_order


def _check_places(exercise: Path, submissions: Path, output: Path, options: GradeOptions) -> None:
    if exercise.suffix != ".py" or not exercise.is_file():
        raise BadArgument(
            f"{exercise} is no exercise: name the file of tests (exercise_test.py) that marks"
        )
    if not options.trusted:
        refuse_shown("the exercise", exercise)
        refuse_shown("the folder of submissions", submissions)
        refuse_shown("the folder of marks", output)
    place = output.resolve()
    if place == submissions.resolve() or place.is_relative_to(submissions.resolve()):
        raise BadArgument(
            f"marks in {output} would lie among the submissions: name another folder (--output)"
        )


def _make_folder(output: Path) -> None:
    try:
        output.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadArgument(f"{output} cannot be made: {error.strerror}") from error


def title_of(exercise: Path) -> str:
    """Return what an exercise is called: the first line of its docstring, else its file's name."""
    tree = ast.parse(exercise.read_bytes())
    said = (ast.get_docstring(tree) or "").partition("\n")[0].rstrip(".")
    return said or exercise.stem.removesuffix("_test").removeprefix("test_").replace("_", " ")


def read_exercise(exercise: Path) -> tuple[CheckMark, ...]:
    """Return the checks of an exercise, none of them tried; raises `BadArgument` if it has none."""
    make: Callable[[], Any] = _no_lab
    work = functools.partial(_list_checks, exercise, make)
    [(_, end)] = run_children([work], 1, ChildLimits(60.0, 0))
    for line in end.said:
        if problem := line.get("unreadable") or line.get("broken"):
            raise BadArgument(f"{exercise} cannot be read:\n{problem}")
    checks = [check_from(check) for line in end.said for check in line.get("checks", ())]
    if not checks:
        raise BadArgument(
            f"{exercise} has no checks: write functions whose names begin with test_, which take "
            f"`lab`{_because(end)}"
        )
    return tuple(checks)


def _because(end: ChildEnd) -> str:
    return f" ({end.reason})" if end.reason else ""


def _no_lab() -> Any:
    raise BadArgument("an exercise is only listed here")


def _list_checks(exercise: Path, make: Callable[[], Any], send: worker.Send) -> None:
    worker.run_checks(exercise, "student", send, make, only_list=True)


def _fingerprint(exercise: Path, options: GradeOptions, apart: Collection[Path], say: Say) -> str:
    """Return a text that differs where any mark might: by exercise, version and limits.

    ``apart`` are the folders of submissions and of marks, which may lie beside the exercise.

    """
    try:
        release = version("network-playground")
    except PackageNotFoundError:
        release = ""
    said = [exercise.name, release, _code(), str(options.limit_s), str(options.memory_mb)]
    said += [options.engine, str(options.grants), str(options.read_limit_s), str(options.trusted)]
    folder = exercise.parent.resolve()
    if any(folder.is_relative_to(one.resolve()) for one in apart):
        files = sorted(folder.glob("*.py"))
    else:
        files = list(itertools.islice(_files_below(folder, apart), _MOST_BESIDE + 1))
    if len(files) > _MOST_BESIDE:
        say(
            f"more than {_MOST_BESIDE:,} files lie beside the exercise: where others of them "
            "change, say --again"
        )
    room = _MOST_BESIDE_BYTES
    for file in files[:_MOST_BESIDE]:
        content, room = _looks(file, room)
        said.append(f"{file.relative_to(folder)} {content}")
    return "\0".join(said)


# What an exercise reads lies beside it; a home folder may, too.
_MOST_BESIDE, _MOST_BESIDE_BYTES = 5_000, 64 * 2**20


def _files_below(folder: Path, apart: Collection[Path]) -> Iterator[Path]:
    """Yield the files in a folder and below, in order, but for those that no exercise reads."""
    left_out = {one.resolve() for one in apart}
    for top, folders, files in os.walk(folder):
        # Marks of another exercise, too, change without a change of this one.
        folders[:] = sorted(
            name
            for name in folders
            if name not in LEFT_OUT and not name.startswith(".")
            if Path(top, name) not in left_out
            if not Path(top, name, kept_outcomes.NAME).exists()
        )
        yield from (Path(top, name) for name in sorted(files) if not name.startswith("."))


def _looks(file: Path, room: int) -> tuple[str, int]:
    """Return a hash of a file, or what tells of a change in one that is too large for it."""
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            return "", room
        if found.st_size > room:
            return f"{found.st_size} {found.st_mtime_ns}", room
        return digest(file.read_bytes()), room - found.st_size
    except OSError as error:
        return str(error.strerror), room


@functools.cache
def _code() -> str:
    """Return a hash of the files of this library, for those who work on it."""
    files = sorted(PACKAGE.rglob("*.py"))
    texts = [f"{file.relative_to(PACKAGE)} {file.stat().st_mtime_ns}" for file in files]
    return digest("\n".join(texts).encode())


def _mark_all(
    jobs: Sequence[Submission],
    checks: tuple[CheckMark, ...],
    exercise: Path,
    options: GradeOptions,
    say: Say,
) -> Iterator[StudentMarks]:
    if not jobs:
        return
    run = f"grade-{secrets.token_hex(4)}"
    most = options.jobs or _carried(options.memory_mb)
    limits = _limits(options, run, most, say)
    if options.engine != "namespaces":
        say(f"the disk that a host may fill has no limit on {options.engine}; bare namespaces do")
    with _folder(say) as place:
        work = _work(jobs, exercise, options, run, place)
        try:
            for done, (number, end) in enumerate(run_children(work, most, limits), 1):
                outcome = outcome_of(jobs[number].student, checks, end)
                say(_line(outcome, done, len(jobs)))
                yield outcome
        finally:
            if limits.cgroup is not None:
                with contextlib.suppress(OSError):
                    cgroups.remove_lab(run)


@contextlib.contextmanager
def _folder(say: Say) -> Iterator[Path]:
    """Make a folder for what is handed over; one that will not go costs no marks."""
    place = Path(tempfile.mkdtemp(prefix="playground-grade-"))
    try:
        yield place
    finally:
        try:
            shutil.rmtree(place)
        except (OSError, RecursionError) as error:
            say(f"{place} cannot be removed: {error}; remove it by hand")


def _work(
    jobs: Sequence[Submission],
    exercise: Path,
    options: GradeOptions,
    run: str,
    place: Path,
) -> list[functools.partial[None]]:
    return [
        functools.partial(
            worker.mark,
            worker.MarkJob(
                submission,
                exercise.resolve(),
                f"{run}-{number}",
                options.engine,
                place,
                options.read_limit_s,
                options.memory_mb,
                options.trusted,
                options.grants,
            ),
        )
        for number, submission in enumerate(jobs)
    ]


def _carried(memory_mb: int) -> int:
    """Return how many labs this machine carries at once.

    Each has its memory.  Two share a processor: while one waits for its daemons, or for a check
    to come true, the other works.

    """
    free_mb = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    return max(1, min(2 * len(os.sched_getaffinity(0)), free_mb // memory_mb))


def _limits(options: GradeOptions, run: str, most: int, say: Say) -> ChildLimits:
    cpus = max(1.0, len(os.sched_getaffinity(0)) / most)
    limits = ChildLimits(options.limit_s, options.memory_mb, cpus=cpus, cgroup=run)
    if refusal := cgroups.refusal(limits.kept):
        say(f"limits of memory and processes cannot be kept here, only those of time ({refusal})")
        return ChildLimits(options.limit_s, options.memory_mb)
    return limits


def _line(outcome: StudentMarks, done: int, of: int) -> str:
    from playground.display.safe_text import visible_line

    why = f" ({outcome.refusal})" if outcome.refusal else ""
    words = f"{outcome.student}: {outcome.got:g} of {outcome.points:g}{why}"
    return f"[{done}/{of}] {visible_line(words)}"


def outcome_of(student: str, checks: Sequence[CheckMark], end: ChildEnd) -> StudentMarks:
    """Return what became of a submission, of all that the process that marked it has said."""
    found: dict[str, CheckMark] = {check.id: check for check in checks}
    said: dict[str, Any] = {}
    for line in end.said:
        if (data := line.get("check")) is not None:
            check = check_from(data)
            found[check.id] = check
        else:
            said |= line
    refusal = said.get("refusal") or end.reason
    if problem := said.get("broken", ""):
        refusal = "it could not be marked, which is no mistake of the student's"
    return StudentMarks(
        student,
        tuple(found.values()),
        refusal=refusal or "",
        printed=said.get("printed", ""),
        warnings=tuple(said.get("warnings", ())),
        cheats=tuple(said.get("cheats", _unseen(found.values()))),
        picture=said.get("picture", ""),
        seconds=round(end.seconds, 2),
        problem=problem,
    )


def _unseen(checks: Iterable[CheckMark]) -> list[str]:
    """Return what is told where the process ended before it looked for cheating."""
    if any(check.got for check in checks):
        return ["it could not be looked at for cheating: it ended before"]
    return []


def shown_as_table(outcomes: Sequence[StudentMarks]) -> list[Mapping[str, str]]:
    """Return the marks as rows of a table."""
    return [
        {
            "STUDENT": one.student,
            "POINTS": f"{one.got:g} of {one.points:g}",
            "": one.refusal.partition("\n")[0],
        }
        for one in outcomes
    ]
