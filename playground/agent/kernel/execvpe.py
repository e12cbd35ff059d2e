"""Finding and running a program as execvpe(3) does, and why one does not run."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Sequence

# The PATH of a container that sets none, as Debian's execvp(3) has it.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


# The most of a command's name that an error shows.
_NAME_CHARACTERS = 200

# Python ignores the first two, nohup(1) the third, and a shell whose jobs are not
# controlled INT and QUIT for what it runs beside itself.
OFTEN_IGNORED = (
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
)


def heed_signals() -> None:
    """Let signals do what they do by default: an ignored one would stay so over an exec."""
    for number in OFTEN_IGNORED:
        signal.signal(number, signal.SIG_DFL)


def change_directory(path: str) -> None:
    try:
        os.chdir(path)
    except OSError as error:
        raise type(error)(
            error.errno, f"cannot run in the folder {path!r} of the node: {error.strerror}"
        ) from None


def places(argv: Sequence[str], environ: dict[str, str]) -> list[str]:
    """Return where execvpe(3) looks for a command, in environ's PATH."""
    name = argv[0]
    if "/" in name:
        return [name]
    return [f"{part or '.'}/{name}" for part in environ.get("PATH", DEFAULT_PATH).split(":")]


def execute(argv: list[str], environ: dict[str, str]) -> None:
    """Run a command as execvpe(3) does; returns only by an error."""
    _run(os.execve, argv, environ)


def spawn(argv: list[str], environ: dict[str, str]) -> None:
    """Run a command as a child in a session of its own, found as `execute` finds it.

    The child shares this process's memory until it executes (posix_spawn(3)): a fork of a
    Python copies the tables of all its pages, which takes longer than all else.

    """
    _run(_spawn, argv, environ)


def _spawn(place: str, argv: list[str], environ: dict[str, str]) -> None:
    os.posix_spawn(place, argv, environ, setsid=True)


def _run(
    how: Callable[[str, list[str], dict[str, str]], None], argv: list[str], environ: dict[str, str]
) -> None:
    refused = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for place in places(argv, environ):
        try:
            return how(place, argv, environ)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                # A script without a first line that names its interpreter.
                return how("/bin/sh", ["/bin/sh", place, *argv[1:]], environ)
            refused = error
            if error.errno != errno.EACCES:
                break
    raise explain_exec(refused, argv, environ)


def explain_exec(error: OSError, argv: Sequence[str], environ: dict[str, str]) -> OSError:
    """Return the error of a command that could not be run, in a sentence.

    To be called inside the node.

    """
    name = argv[0] if len(argv[0]) <= _NAME_CHARACTERS else argv[0][:_NAME_CHARACTERS] + "..."
    there = [place for place in places(argv, environ) if os.path.exists(place)]
    if error.errno == errno.EACCES:
        place = there[0] if there else name
        return PermissionError(
            errno.EACCES, f"{place} on the node may not be run: is it an executable file?"
        )
    if error.errno == errno.EAGAIN:
        # fork(2): of the node's limit, or of the machine's own.
        return BlockingIOError(
            errno.EAGAIN,
            f"cannot run {name!r} on the node: it has as many processes as it may have; end some, "
            "or allow it more with processes=",
        )
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        return OSError(error.errno, f"cannot run {name!r} on the node: {error.strerror}")
    if there:
        return FileNotFoundError(
            errno.ENOENT,
            f"{there[0]} on the node names an interpreter that does not exist there: "
            "look at its first line",
        )
    path = "" if "/" in argv[0] else f" (its PATH is {environ.get('PATH', DEFAULT_PATH)})"
    return FileNotFoundError(errno.ENOENT, f"there is no program {name!r} on the node{path}")
