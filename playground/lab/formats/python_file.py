"""The lab that a Python file declares.

The file is run as a program of its own would be: with its folder where Python looks
for modules, and, where it stands in a package, as a module of that, so that
``from .homes import home`` works.  What it imported from there is forgotten
afterwards: whoever loads it again gets hosts of its own.

"""

from __future__ import annotations

import runpy
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from playground.errors import PlaygroundError, TopologyError
from playground.lab.lab import Lab
from playground.operations.network import Host, Router, Switch

# When somebody who waits would like to know what for, and how often after that.
_LONG_S = 5.0
_AGAIN_S = 30.0

# The name that a file has for itself, so that what stands under `__main__` is left out.
_RUN_NAME = "playground_up"


def load_lab(
    path: Path,
    name: str | None,
    *,
    quiet: bool = False,
    say: Callable[[str], object] = lambda text: None,
    limit_s: float | None = None,
) -> Lab:
    """Run a Python file and return the one lab that it declares, not started.

    Of a folder that is a package its ``__init__.py`` is run.  Takes the `Lab` that a
    global name of it holds, or, if there is none, makes one of all hosts, routers and
    switches that its global names hold; without a name of its own it is called as the file is.
    With ``name`` it takes the lab of that name.

    ``say`` is told, in a sentence, that the file still runs after some seconds, and
    that it started its lab itself.  With ``limit_s`` it is ended after so many seconds.

    Raises `PlaygroundError` with the file's line if it fails, or if there is no lab or
    more than one.

    """
    file = path / "__init__.py" if path.is_dir() else path
    if not file.exists():
        raise TopologyError(
            f"{path} is no package: it has no __init__.py; give the file in it that makes the lab"
        )
    lab = _choose(_globals_of(file, say, limit_s), path, name, quiet)
    if lab.id:
        say(
            f"{path} has started lab {lab.name} itself, while it was read for what it declares; "
            'put what starts and uses the lab under `if __name__ == "__main__":`'
        )
    return lab


def _choose(values: list[Any], file: Path, name: str | None, quiet: bool) -> Lab:
    labs = list(dict.fromkeys(value for value in values if isinstance(value, Lab)))
    if name is not None:
        fitting = [lab for lab in labs if lab.name == name]
        if len(fitting) != 1:
            names = ", ".join(lab.name for lab in labs) or "none"
            raise TopologyError(f"{file} has no lab named {name!r}; the labs in it: {names}")
        return fitting[0]
    if len(labs) > 1:
        names = ", ".join(lab.name for lab in labs)
        raise TopologyError(f"{file} makes more than one lab: choose one of {names} with --lab")
    if labs:
        _name_after(labs[0], file)
        return labs[0]
    nodes = [value for value in _flat(values) if isinstance(value, Host | Router | Switch)]
    if not nodes:
        raise TopologyError(
            f"{file} makes no lab: write `lab = Lab(...)` in it, or declare hosts, at its top level"
        )
    return Lab(*dict.fromkeys(nodes), name=file.stem, quiet=quiet)


def _name_after(lab: Lab, file: Path) -> None:
    """Give a lab without a name its file's, as one made of a file's hosts has it."""
    if not (lab._state.named or lab.id):
        lab._state.take_name(file.stem)


def _globals_of(file: Path, say: Callable[[str], object], limit_s: float | None) -> list[Any]:
    """Run the file and return the values of its public global names."""
    _refuse_binary(file)
    try:
        with _limited(file, limit_s), _watched(file, say):
            names = _run(file)
    except SystemExit as error:
        if error.code not in (None, 0):
            raise PlaygroundError(f"{file} ended with {error.code}") from error
        raise PlaygroundError(f"{file} calls exit() before its end") from error
    except _TookTooLong as error:
        where = _line_in(file, traceback.walk_tb(error.__traceback__))
        raise PlaygroundError(
            f"{where} still ran after {limit_s:g} s: it should only declare a network; put what "
            'waits or asks under `if __name__ == "__main__":`'
        ) from None
    except SyntaxError as error:
        if error.filename is None or error.lineno is None:
            raise PlaygroundError(f"{file} is no Python file: {error.msg}") from error
        raise PlaygroundError(f"{error.filename}, line {error.lineno}: {error.msg}") from error
    except Exception as error:
        where = _line_in(file, traceback.walk_tb(error.__traceback__))
        kind = "" if isinstance(error, PlaygroundError) else f"{type(error).__name__}: "
        raise PlaygroundError(f"{where}: {kind}{error}{_advice(error, file)}") from error
    return [value for name, value in names.items() if not name.startswith("__")]


def _refuse_binary(file: Path) -> None:
    # A file that is not regular can be read only once.
    if file.is_file():
        with file.open("rb") as opened:
            if b"\0" in opened.read(1 << 16):
                raise PlaygroundError(f"{file} holds no text, so it is no Python file")


def _advice(error: Exception, file: Path) -> str:
    if isinstance(error, ImportError) and "no known parent package" in str(error):
        return (
            f": put an empty file {file.parent / '__init__.py'} beside it, or write the import "
            "without the dot"
        )
    return ""


# -- running it --------------------------------------------------------------


def _run(file: Path) -> dict[str, Any]:
    top, module = _place_in_package(file)
    with ExitStack() as undo:
        undo.enter_context(_found_first(str(file.resolve().parent)))
        undo.enter_context(_forgotten(file.resolve().parent))
        if top is None:
            return runpy.run_path(str(file), run_name=_RUN_NAME)
        undo.enter_context(_found_first(str(top)))
        undo.enter_context(_set_aside(module.partition(".")[0]))
        undo.enter_context(_forgotten(top))
        if file.resolve().name == "__init__.py":
            # As a module of its own: what it imports would import it once more.
            __import__(module)
            return dict(vars(sys.modules[module]))
        return runpy.run_module(module, run_name=_RUN_NAME, alter_sys=True)


def _place_in_package(file: Path) -> tuple[Path | None, str]:
    """Return the folder above the outermost package that a file is in, and its name from there."""
    file = file.resolve()
    folder, is_package = file.parent, file.name == "__init__.py"
    names = [] if is_package else [file.stem]
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        names.insert(0, folder.name)
        folder = folder.parent
    is_module = is_package or (len(names) > 1 and file.suffix == ".py" and "." not in file.stem)
    # Whoever calls a folder as we are called cannot have it imported.
    if not names or not is_module or names[0] == "playground":
        return None, ""
    return folder, ".".join(names)


@contextmanager
def _found_first(folder: str) -> Iterator[None]:
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with suppress(ValueError):  # the file may have changed it too
            sys.path.remove(folder)


@contextmanager
def _set_aside(package: str) -> Iterator[None]:
    """Have no package of this name imported, as far as a block sees."""
    before = {
        name: sys.modules.pop(name)
        for name in list(sys.modules)
        if name.partition(".")[0] == package
    }
    try:
        yield
    finally:
        sys.modules.update(before)


@contextmanager
def _forgotten(folder: Path) -> Iterator[None]:
    """Forget again what a block imports from a folder, as one where Python looks for modules."""
    known = set(sys.modules)
    try:
        yield
    finally:
        for name in set(sys.modules) - known:
            top = name.partition(".")[0]
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and top != "playground":
                found = Path(file).resolve()
                if found == folder / f"{top}.py" or found.is_relative_to(folder / top):
                    del sys.modules[name]


# -- how long it takes -------------------------------------------------------


class _TookTooLong(BaseException):
    """A file has run for longer than it may; no `except Exception` of its own ends this."""


@contextmanager
def _limited(file: Path, limit_s: float | None) -> Iterator[None]:
    """Raise `_TookTooLong` in a block that takes longer; only where Python handles signals."""
    if limit_s is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    # No timer: pytest-timeout and others may have set the one that a process has.
    number, thread, over = signal.SIGUSR2, threading.get_ident(), threading.Event()

    def end_it() -> None:
        wait_s = limit_s
        # Again and again: it may have a bare `except:`.
        while not over.wait(wait_s):
            signal.pthread_kill(thread, number)
            wait_s = 0.5

    def ended(number: int, frame: FrameType | None) -> None:
        if not over.is_set():
            raise _TookTooLong

    before = signal.signal(number, ended)
    watchdog = threading.Thread(target=end_it, name=f"limit of {file}", daemon=True)
    watchdog.start()
    try:
        try:
            yield
        finally:
            over.set()
    finally:
        # Again: the signal may have come just before.
        over.set()
        watchdog.join()
        signal.signal(number, signal.SIG_DFL if before is None else before)


@contextmanager
def _watched(file: Path, say: Callable[[str], object]) -> Iterator[None]:
    """Say where the file is that runs in a block, once it takes long."""
    thread, over, begin = threading.get_ident(), threading.Event(), time.monotonic()

    def look() -> None:
        wait_s = _LONG_S
        while not over.wait(wait_s):
            frames = traceback.walk_stack(sys._current_frames().get(thread))
            where = _line_in(file, reversed(list(frames)))
            say(f"still running {where}, for {time.monotonic() - begin:.0f} s now (Ctrl-C ends it)")
            wait_s = _AGAIN_S

    watcher = threading.Thread(target=look, name=f"watching {file}", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _line_in(file: Path, frames: Iterable[tuple[FrameType, int]]) -> str:
    """Return the file and the innermost line of it, of frames from the outermost on."""
    names = (str(file), str(file.resolve()))
    lines = [line for frame, line in frames if frame.f_code.co_filename in names]
    return f"{file}, line {lines[-1]}" if lines else str(file)


def _flat(values: Iterable[Any]) -> Iterable[Any]:
    """The values, and what stands in lists, tuples, sets and dicts of them."""
    for value in values:
        if isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, list | tuple | set | frozenset):
            yield from value
        else:
            yield value
