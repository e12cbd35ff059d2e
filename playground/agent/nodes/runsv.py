"""Starting a node's programs.

By runsv(8) alone: runsvdir, which would start it, looks for new programs only
every five seconds, and sleeps a second before its first look.

"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Sequence

from playground.agent.nodes.regular_files import open_regular


def boot_program(programs: Sequence[str]) -> Callable[[], list[str]]:
    """Return what finds, inside a node, the programs that have no supervisor yet."""

    def prepare() -> list[str]:
        os.makedirs("/run/service", 0o755, exist_ok=True)
        os.makedirs("/run/playground", 0o755, exist_ok=True)
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        log = open_regular("/run/playground/boot.log", os.O_APPEND)
        os.fchmod(log, 0o644)
        for target, source in enumerate((null, log, log)):
            os.dup2(source, target)
        os.chdir("/")
        for program in programs:
            if not os.path.isdir(f"/etc/sv/{program}"):
                raise FileNotFoundError(
                    errno.ENOENT,
                    f"there is no program {program!r} on the node: it has no /etc/sv/{program}",
                )
        for program in programs:
            with contextlib.suppress(FileExistsError):
                os.symlink(f"/etc/sv/{program}", f"/run/service/{program}")
        return [program for program in programs if not _supervised(program)]

    return prepare


def _supervised(program: str) -> bool:
    # runsv holds this lock as long as it runs.
    try:
        fd = os.open(
            f"/etc/sv/{program}/supervise/lock", os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK
        )
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
