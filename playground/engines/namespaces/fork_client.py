"""Keepers, asked of this program's own fork server, see `namespaces.fork_server`.

It is there as long as this program has a lab of bare namespaces, and half a second
longer for the next one.  It ends with the program, however that ends.

"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from playground.engines.namespaces.filesystems.root_filesystem import DEFAULT_PATH
from playground.operations.connection.threads import start_child

# How long it waits for the next lab once there is none.
LINGER_S = 0.5

# Of labels: whatever a lab is called, it is hardly longer.
_ROOM_BYTES = 8192

# No site, no packages, and of ours without the package's own __init__, which
# imports all that users see: a lab's start waits for this.
_START = """
import gc, sys, types
gc.disable()
package = sys.modules["playground"] = types.ModuleType("playground")
package.__path__ = [sys.argv[1]]
from playground.engines.namespaces.fork_server import main
main()
"""


class ForkServer:
    """A fork server that was started, and the line to it."""

    def __init__(self, room_bytes: int) -> None:
        self.room_bytes = room_bytes
        self.place = _place()
        self._line, line = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._stderr = os.fdopen(os.memfd_create("stderr"), "w+b")
        here = str(Path(__file__).resolve().parents[2])
        interpreter = sealed_interpreter()
        owner = os.pidfd_open(os.getpid())
        try:
            settings = {"line": line.fileno(), "owner": owner, "interpreter": interpreter}
            process = start_child(
                [sys.executable, "-I", "-S", "-c", _START, here, json.dumps(settings)],
                executable=f"/proc/self/fd/{interpreter}",
                env={"PATH": DEFAULT_PATH, "LANG": "C.UTF-8", "ROOM": "." * room_bytes},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                pass_fds=list(settings.values()),
                start_new_session=True,
            )
        except BaseException:
            self._line.close()
            self._stderr.close()
            raise
        finally:
            line.close()
            os.close(owner)
            os.close(interpreter)
        self._process = process
        self.pid = process.pid
        # At the end of the program, too.
        self._finally = weakref.finalize(self, _end, process, self._line, self._stderr)

    def ask(self, packet: bytes, descriptors: Sequence[int]) -> None:
        """Ask for a keeper; raises OSError if the server has ended."""
        socket.send_fds(self._line, [packet], descriptors)

    def last_words(self) -> str:
        """Return what it has printed to its standard error, waiting for its end."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
        if self._stderr.closed:
            return ""
        self._stderr.seek(0)
        return self._stderr.read().decode("utf-8", "replace").strip()[-4096:]

    def end(self) -> None:
        self._finally()

    def forget(self) -> None:
        """Close a fork's copies; the server is its parent's child."""
        self._finally.detach()
        self._process.returncode = 0
        self._line.close()
        self._stderr.close()


def _end(process: subprocess.Popen[bytes], line: socket.socket, stderr: Any) -> None:
    # It has nothing that could be left, and its keepers need it no more.
    process.kill()
    process.wait()
    line.close()
    stderr.close()


class Forks:
    """The fork server of this process, started at the first need.

    Any number of threads may use it at once.

    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        # A lab that is dropped is let go of wherever the collector finds it.
        self._lock = threading.RLock()
        self._server: ForkServer | None = None
        self._timer: threading.Timer | None = None
        # The labs whose lines are open; one that the collector takes is no user any more.
        self._users: weakref.WeakSet[object] = weakref.WeakSet()

    @property
    def pid(self) -> int | None:
        """The process id of the fork server, if there is one."""
        return self._server.pid if self._server is not None else None

    def fork_keeper(
        self,
        user: object,
        settings: Mapping[str, Any],
        environ: Mapping[str, str],
        stdio: Sequence[int],
        given: Mapping[str, int],
    ) -> ForkServer:
        """Have a keeper forked with these descriptors; ``user`` is to `let_go` in the end.

        Its settings get the numbers that those in ``given`` have there.  Returns the
        server, which knows why it has ended, if it has.  Raises OSError if there can
        be none.

        """
        environ = {"PATH": DEFAULT_PATH, "LANG": "C.UTF-8", **environ}
        request = {"settings": settings, "environ": environ, "names": list(given)}
        packet = json.dumps(request).encode()
        descriptors = [*stdio, *given.values()]
        with self._lock:
            self._users.add(user)
            self._stay()
            server = self._server
            if server is not None and (server.room_bytes < len(packet) or server.place != _place()):
                self._drop()
                server = None
            if server is not None:
                with suppress(OSError):  # somebody has killed it
                    server.ask(packet, descriptors)
                    return server
                self._drop()
            # A packet holds more than goes into the environment.
            self._server = ForkServer(max(_ROOM_BYTES, len(packet)))
            with suppress(OSError):  # its last words say why
                self._server.ask(packet, descriptors)
            return self._server

    def let_go(self, user: object) -> None:
        """Say that a lab's lines are closed; the server ends soon after the last."""
        with self._lock:
            self._users.discard(user)
            if not self._users and self._server is not None:
                self._stay()
                self._timer = threading.Timer(LINGER_S, self._end_unused)
                self._timer.daemon = True
                try:
                    self._timer.start()
                except RuntimeError:  # the program ends, and no thread can be started
                    self._drop()

    def _stay(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_unused(self) -> None:
        with self._lock:
            if not self._users:
                self._drop()

    def _drop(self) -> None:
        if self._server is not None:
            self._server.end()
            self._server = None

    def forget(self) -> None:
        """Forget all, in a fork of this process."""
        if self._server is not None:
            self._server.forget()
        self._begin()


forks = Forks()

os.register_at_fork(after_in_child=forks.forget)


def _place() -> tuple[object, ...]:
    """Return where this thread is, and as whom: what it starts must be there too."""
    spaces = "/proc/thread-self/ns"
    return os.geteuid(), *(os.readlink(f"{spaces}/{name}") for name in sorted(os.listdir(spaces)))


def sealed_interpreter() -> int:
    """Return a copy of this Python in memory that nobody can change, as a descriptor.

    All of a lab's own processes run from it.  For a moment before a command begins,
    a host's root can reach the file that the command's parent runs from, by a script
    whose first line is ``#!/proc/self/exe`` (CVE-2019-5736): it must be none of the
    machine's.  Labs of one program share it, for nobody can change it.

    See memfd_create(2), "File sealing" in fcntl(2).

    """
    copy = os.memfd_create("python", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with (
            open(os.path.realpath(sys.executable), "rb") as file,
            open(copy, "wb", closefd=False) as memory,
        ):
            shutil.copyfileobj(file, memory, 1 << 20)
        fcntl.fcntl(copy, fcntl.F_ADD_SEALS, _SEALS)
        with suppress(OSError):  # before Linux 6.3
            fcntl.fcntl(copy, fcntl.F_ADD_SEALS, _F_SEAL_EXEC)
    except BaseException:
        os.close(copy)
        raise
    return copy


_F_SEAL_EXEC = 0x20  # linux/fcntl.h
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
