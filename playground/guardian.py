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
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from playground.docker_line import TIMEOUT_S, Refused

if TYPE_CHECKING:
    from playground.docker_engine import DockerEngine

# Leftovers come for a moment still: what the engine had begun when the owner
# died.  After this long without any there are no more, unless one is known to come.
_QUIET_S = 1.0
# What the owner asked for and the engine has not answered may take it as long as it
# takes, on a slow disk say; an engine that hangs may be started again.
_LIMIT_S = 600.0
# What was asked for when the owner died may never have reached the engine.  This is
# twice what the owner itself would have waited for.
_COMING_LIMIT_S = 2 * TIMEOUT_S
# Between two looks: often at first, and then as is no burden to an engine in need.
_LOOK_S = (0.05, 0.5)

# Lines on the pipe: a container that is about to be asked for, one that has been
# answered, and the end.
_COMES, _CAME, _DONE = "+", "-", "done"

# All that runs while the owner lives: no site-packages, no playground, no
# docker; 15 ms to start.  The pipe's other end may be held by a fork of the
# owner too, so where the system has pidfds (Linux 5.3, pidfd_open(2)) the owner
# itself is watched as well.  What it wrote before it died is read first.
_WAIT = """
import json, os, select, sys
owner, done, path, lab, url, package = sys.argv[1:]
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
from playground.guardian import remove_leftovers
remove_leftovers(lab, url or None, coming=coming)
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
        # Of a guardian that reads nothing nobody waits for.
        os.set_blocking(process.stdin.fileno(), False)

    @classmethod
    def start(cls, lab_id: str, url: str | None = None) -> Self:
        """Start watching; returns at once."""
        # An empty entry means the working directory, and the guardian leaves it.
        path = json.dumps([os.path.abspath(entry) for entry in sys.path])
        package = str(Path(__file__).resolve().parent)
        arguments = [str(os.getpid()), _DONE, path, lab_id, url or "", package]
        process = subprocess.Popen(
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


def remove_leftovers(
    lab_id: str, url: str | None, engine: DockerEngine | None = None, coming: Iterable[str] = ()
) -> None:
    """Remove all containers of a lab until no more have come for a second.

    Those of the names ``coming`` are waited for, two minutes long.  An engine that does
    not answer is asked again for ten.

    """
    from playground.docker_engine import DockerEngine
    from playground.errors import EngineError

    if engine is None:
        engine = DockerEngine(url)
    awaited = set(coming)
    begin = last_seen = time.monotonic()
    pause_s, longest_s = _LOOK_S
    while (now := time.monotonic()) - begin < _LIMIT_S:
        if now - last_seen > (_COMING_LIMIT_S if awaited else _QUIET_S):
            break
        try:
            if there := engine.containers(lab_id):
                awaited -= there
                engine.stop(lab_id)
                last_seen, pause_s = time.monotonic(), _LOOK_S[0]
        except EngineError:
            last_seen = time.monotonic()
        time.sleep(pause_s)
        pause_s = min(longest_s, pause_s * 1.1)
