"""Handouts of an exercise: for each student the task, the network to begin with, a solution.

An exercise's file says them by functions, beside its checks: ``start(exercise)`` and
``solution(exercise)`` return a `Lab`, ``task(exercise)`` a text.  Each gets the student's own
`Exercise`.  A folder of solutions is a folder of submissions: mark it to test the exercise.

"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from playground.engines.whole_files import write_whole
from playground.errors import BadArgument, PlaygroundError, TransferFailed
from playground.lab.exercises.exercise import Exercise, exercise
from playground.lab.lab import Lab

START, SOLUTION, TASK = "start", "solution", "task"
LAB_FILE, TASK_FILE = "lab.yaml", "task.md"


def read_students(file: Path) -> list[str]:
    """Return the students that a file lists, one a line; "#" begins a remark.

    Raises `BadArgument` for a name that no folder can have, or that stands there twice.

    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadArgument(f"{file} cannot be read: {error}") from error
    students = [name for line in lines if (name := line.partition("#")[0].strip())]
    for number, name in enumerate(students):
        if "/" in name or name.startswith(".") or "\0" in name or len(name.encode()) > 200:
            raise BadArgument(f"{file}: {name!r} cannot be the name of a folder")
        if name in students[:number]:
            raise BadArgument(f"{file}: {name} stands there twice")
    if not students:
        raise BadArgument(f"{file} lists no student: write a name a line")
    return students


def hand_out(
    exercise_file: Path, students: Sequence[str], output: Path, solutions: Path | None
) -> int:
    """Write a folder a student below ``output``, and a solution each below ``solutions``.

    Returns how many files were written.  Raises `BadArgument` where the exercise says nothing of
    this, and what its functions raise, with the student's name.

    """
    module = load_exercise(exercise_file)
    functions = {name: getattr(module, name, None) for name in (START, SOLUTION, TASK)}
    if functions[START] is None and functions[TASK] is None:
        raise BadArgument(
            f"{exercise_file} hands nothing out: write `def start(exercise):` in it, which returns "
            "the Lab to begin with, or `def task(exercise):`, which returns a text"
        )
    if solutions is not None and functions[SOLUTION] is None:
        raise BadArgument(
            f"{exercise_file} has no solution: write `def solution(exercise):` in it, which "
            "returns the Lab"
        )
    written = 0
    for student in students:
        written += _write(functions, (START, TASK), exercise(seed=student), output / student)
        if solutions is not None:
            # Of an exercise of its own: what was drawn for the start is drawn again.
            written += _write(functions, (SOLUTION,), exercise(seed=student), solutions / student)
    return written


def load_exercise(file: Path) -> ModuleType:
    """Run an exercise's file, and return it as a module; raises `BadArgument` where it fails."""
    spec = importlib.util.spec_from_file_location("playground_exercise", file)
    if file.suffix != ".py" or spec is None or spec.loader is None:
        raise BadArgument(f"{file} is no exercise: name a file of Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(file.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BadArgument(f"{file} cannot be read: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(file.resolve().parent))
    return module


def _write(
    functions: Mapping[str, Callable[[Exercise], object] | None],
    names: Sequence[str],
    drawn: Exercise,
    folder: Path,
) -> int:
    written = 0
    for name in names:
        function = functions[name]
        if function is None:
            continue
        try:
            made = function(drawn)
        except PlaygroundError as error:
            raise BadArgument(f"{name}() for {drawn.seed}: {error}") from error
        wanted: type = str if name == TASK else Lab
        if not isinstance(made, wanted):
            raise BadArgument(f"{name}() for {drawn.seed} returns no {wanted.__name__}: {made!r}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if isinstance(made, Lab):
                made.save(folder / LAB_FILE)
            else:
                write_whole(folder / TASK_FILE, str(made))
        except OSError as error:
            raise TransferFailed(f"{folder} cannot be written: {error.strerror}") from error
        written += 1
    return written
