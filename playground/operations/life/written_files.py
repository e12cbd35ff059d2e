"""Files that a host has written since it was made: kept as an archive, and put back.

The host's own find(1) and tar(1) do both, and nobody else looks into the archive: what a hostile
host has put there, links and devices too, comes back to that host alone.  Its bytes and its
time are bounded.

"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from playground.errors import AgentError, EngineError
from playground.operations.connection.client import AgentProcess, Client

# Where people and programs write.  What else is in a root comes with the image.
PLACES = ("etc", "home", "opt", "root", "srv", "tmp", "usr/local", "var")
# Files that an engine may have mounted there, which are of no root file system.
_MOUNTED = ("etc/hosts", "etc/resolv.conf")
# When the host's first process began (proc(5)): what has changed since is newer, a second's rest
# left out.  What the lab itself wrote then is newer too, and is the same again.
_MADE = """
cd / || exit 65
began=$(sed 's/.*) //' proc/1/stat | cut -d ' ' -f 20)
made=$(( $(sed -n 's/^btime //p' proc/stat) + began / $(getconf CLK_TCK) - 1 )) || exit 65
"""

_NAMES = f"""
cd /
for place in {" ".join(PLACES)}; do
  [ -e "$place" ] && find "$place" -xdev -path 'etc/sv/*/supervise' -prune -o -print0
done 2>/dev/null | LC_ALL=C sort -z
"""
_ARCHIVE = f"""
{_MADE}
for place in {" ".join((*PLACES, *_MOUNTED))}; do
  [ -e "$place" ] && find "$place" -xdev -path 'etc/sv/*/supervise' -prune -o -newerct @$made \
    '(' -type f -o -type d -o -type l ')' -print0
done 2>/dev/null | tar --create --null --no-recursion --numeric-owner --ignore-failed-read \
  --warning=none --files-from=-
"""
# Whatever the new host has that was not there then, its files first.
_REMOVE = f"""
cd / && cat > run/playground/names && {{
for place in {" ".join(PLACES)}; do
  [ -e "$place" ] && find "$place" -xdev -depth -path 'etc/sv/*/supervise*' -prune -o -print0
done 2>/dev/null | LC_ALL=C sort -z | LC_ALL=C comm -z -23 - run/playground/names \
  | grep -zv '^etc/sv/[^/]*/supervise' | xargs -0r rm -rf -- ; rm -f run/playground/names; }}
"""
_EXTRACT = "tar --extract --preserve-permissions --numeric-owner --overwrite --directory=/"

_LIMIT_S = 300.0
_PIECE_BYTES = 1 << 18


class LabRoom:
    """The bytes that may be kept of all hosts of a lab together, taken as they come."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Take some of it; raises `EngineError` where there is not so much left."""
        with self._lock:
            self._left -= size
            if self._left < 0:
                raise EngineError(
                    "the hosts of this lab have written more in all than may be kept of it: remove "
                    "what is not needed there, or say limit_mb="
                )


def keep(
    agent: Client,
    pid: int,
    name: str,
    folder: Path,
    limit_bytes: int,
    room: LabRoom | None = None,
) -> int:
    """Write two files about a host into a folder, and return their bytes.

    ``NAME.names`` has the names of all that is in its places, ``NAME.tar`` what it has written
    there.  Raises `EngineError` where that is more than ``limit_bytes``, or than is left of
    ``room``, takes more than five minutes, or the host cannot do it.

    """
    size = 0
    for ending, script in (("names", _NAMES), ("tar", _ARCHIVE)):
        with create(folder / f"{name}.{ending}") as file:
            size += _receive(agent, pid, name, script, file, limit_bytes - size, room)
    return size


def put_back(agent: Client, pid: int, name: str, folder: Path) -> None:
    """Give a host that was made anew the files that `keep` has kept, and no others."""
    for ending, words in (
        ("names", ["/bin/sh", "-c", _REMOVE]),
        ("tar", ["/bin/sh", "-c", _EXTRACT]),
    ):
        with (folder / f"{name}.{ending}").open("rb") as file:
            _send(agent, pid, name, words, file)


def create(path: Path) -> BinaryIO:
    """Open a new file that only this user reads; refuses to follow or to reuse anything."""
    how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, how, 0o600), "wb")


def _receive(
    agent: Client,
    pid: int,
    name: str,
    script: str,
    file: BinaryIO,
    limit_bytes: int,
    room: LabRoom | None,
) -> int:
    process = _spawn(agent, pid, name, ["/bin/sh", "-c", script])
    deadline, size = time.monotonic() + _LIMIT_S, 0
    try:
        while data := process.read_stdout(max(0.001, deadline - time.monotonic())):
            size += len(data)
            if size > limit_bytes:
                raise EngineError(
                    f"{name} has written more than may be kept of it: remove what is not needed "
                    f"there, or say limit_mb="
                )
            if room is not None:
                room.take(len(data))
            file.write(data)
        status = process.wait(max(0.001, deadline - time.monotonic()))
    except TimeoutError:
        raise EngineError(
            f"{name} did not give its files within {_LIMIT_S:g} s: is a program there in the way?"
        ) from None
    finally:
        _end(process)
    # 1 is a file that changed while tar(1) read it.
    if status == 65:
        raise EngineError(
            f"{name} does not tell when it was made: it needs a /proc, sed, cut and getconf"
        )
    if status not in (0, 1):
        raise EngineError(
            f"the files of {name} cannot be kept: its find, sort or tar (GNU's are needed) ended "
            f"with status {status}"
        )
    return size


def _send(agent: Client, pid: int, name: str, words: Sequence[str], file: BinaryIO) -> None:
    process = _spawn(agent, pid, name, words, stdin=True)
    deadline = time.monotonic() + _LIMIT_S
    try:
        while data := file.read(_PIECE_BYTES):
            process.write(data, max(0.001, deadline - time.monotonic()))
        process.close_stdin()
        said, _ = process.communicate(None, max(0.001, deadline - time.monotonic()), 1 << 20)
        status = process.wait(1)
    except (TimeoutError, BufferError, AgentError) as error:
        raise EngineError(f"{name} did not take its files back: {error}") from None
    finally:
        _end(process)
    if status:
        words_ = said.decode(errors="replace").strip().splitlines()[-1:]
        raise EngineError(f"{name} did not take its files back: {' '.join(words_)} ({status})")


def _spawn(
    agent: Client, pid: int, name: str, words: Sequence[str], stdin: bool = False
) -> AgentProcess:
    try:
        return agent.spawn(pid, words, user="0", stdin=stdin, merge_stderr=stdin)
    except AgentError as error:
        raise EngineError(f"the files of {name} cannot be read or written: {error}") from error


def _end(process: AgentProcess) -> None:
    if not process.closed:
        process.signal(signal.SIGKILL)
