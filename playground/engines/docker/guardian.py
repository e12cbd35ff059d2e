"""The guardian: removes a lab's containers when its owner dies while starting it.

Once an agent is connected and owns the lab's processes, it sees the end of its
owner itself.  Before that, containers are created and started that nobody
would ever stop if the owner were killed.  So a tiny process of its own is
started first: it holds nothing but one end of a pipe, and waits.

"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from playground.engines.docker.http import Refused
from playground.operations.connection.threads import start_child

# Lines on the pipe: a container that is about to be asked for, one that has been
# answered, and the end.
_COMES, _CAME, _DONE = "+", "-", "done"

_REMOVER = "playground.engines.docker.leftovers"

# All that runs while the owner lives: no site-packages, no playground, no
# docker; 15 ms to start.  The pipe's other end may be held by a fork of the
# owner too, so where the system has pidfds (Linux 5.3, pidfd_open(2)) the owner
# itself is watched as well.  What it wrote before it died is read first.
_WAIT = """
import json, os, select, sys
owner, done, path, lab, url, package, remover = sys.argv[1:]
watched, text, coming = [0], "", set()
try:
    watched.append(os.pidfd_open(int(owner)))
except (AttributeError, OSError):
    pass
while os.getppid() == int(owner) or select.select([0], [], [], 0)[0]:
    if 0 not in select.select(watched, [], [])[0]:
        break
    more = os.read(0, 65536).decode()
    if not more:
        break
    *lines, text = (text + more).split("\\n")
    for line in lines:
        if line == done:
            sys.exit()
        (coming.add if line[0] == "+" else coming.discard)(line[1:])
import types
sys.path[:] = json.loads(path)
# Its own __init__ would import all of playground, which takes longer than the
# rest of the work, and the engine is all that is needed.
module = sys.modules["playground"] = types.ModuleType("playground")
module.__path__ = [package]
import importlib
importlib.import_module(remover).remove_leftovers(lab, url or None, coming=coming)
"""


class Guardian:
    """A process that removes the lab `lab_id` if this one ends without `release`.

    It uses the engine at ``url`` (None: the one that the environment leads to),
    and is in a session of its own, so that Ctrl-C does not reach it.

    >>> with Guardian.start(lab_id, engine.url):
    ...     engine.start_nodes(...)

    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        assert process.stdin is not None
        # Nobody waits for a guardian that does not read.
        os.set_blocking(process.stdin.fileno(), False)

    @classmethod
    def start(cls, lab_id: str, url: str | None = None, remover: str = _REMOVER) -> Self:
        """Start watching; returns at once.  ``remover`` is the module that knows how to remove."""
        # An empty entry means the working directory, and the guardian leaves it.
        path = json.dumps([os.path.abspath(entry) for entry in sys.path])
        package = str(Path(__file__).resolve().parents[2])
        arguments = [str(os.getpid()), _DONE, path, lab_id, url or "", package, remover]
        process = start_child(
            [sys.executable, "-I", "-S", "-c", _WAIT, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            bufsize=0,
        )
        return cls(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    @contextmanager
    def expect(self, container: str) -> Iterator[None]:
        """Note that the engine is asked for a container, until it has answered.

        If the owner dies meanwhile, the guardian waits for that one, however long it
        takes the engine to make it.  Where the answer is lost, it stays noted.

        """
        self._write(_COMES + container)
        try:
            yield
        except Refused:
            self._write(_CAME + container)
            raise
        self._write(_CAME + container)

    def _write(self, line: str) -> bool:
        pipe = self._process.stdin
        assert pipe is not None
        data = f"{line}\n".encode()
        try:
            # Lines of several threads do not mix: they are shorter than PIPE_BUF, pipe(7).
            return not pipe.closed and pipe.write(data) == len(data)
        except BrokenPipeError:
            return False

    def abandon(self) -> None:
        """Let the guardian remove the lab now; returns at once."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        # Somebody has to wait for it, or it stays a zombie.
        threading.Thread(target=self._process.wait, daemon=True).start()

    def release(self) -> None:
        """Send the guardian home: the lab was stopped, or is to outlive this process.

        May be called again.  Returns when its process has ended.

        """
        pipe = self._process.stdin
        assert pipe is not None
        if not pipe.closed:
            if not self._write(_DONE):
                self._process.kill()
            pipe.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
