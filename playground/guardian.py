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
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from playground.engine import Engine

# Leftovers come for a moment still: what the engine had begun when the owner
# died.  After this long without any there are no more.
_QUIET_S = 1.0
_LIMIT_S = 30.0
_WORD = b"done"

# All that runs while the owner lives: no site-packages, no playground, no
# docker; 15 ms to start.  The pipe's other end may be held by a fork of the
# owner too, so where the system has pidfds (Linux 5.3, pidfd_open(2)) the owner
# itself is watched as well.
_WAIT = """
import os, select, sys
owner, word = int(sys.argv[1]), sys.argv[2].encode()
watched, got = [0], b""
try:
    watched.append(os.pidfd_open(owner))
except (AttributeError, OSError):
    pass
while os.getppid() == owner:
    if 0 in select.select(watched, [], [])[0]:
        more = os.read(0, 64)
        got += more
        if word in got:
            sys.exit()
        if more:
            continue
    break
import json, types
sys.path[:] = json.loads(sys.argv[3])
# Its own __init__ would import all of playground, which takes longer than the
# rest of the work, and the engine is all that is needed.
package = sys.modules["playground"] = types.ModuleType("playground")
package.__path__ = [sys.argv[6]]
from playground.guardian import remove_leftovers
remove_leftovers(sys.argv[4], sys.argv[5] or None)
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

    @classmethod
    def start(cls, lab_id: str, url: str | None = None) -> Self:
        """Start watching; returns at once."""
        # An empty entry means the working directory, and the guardian leaves it.
        path = json.dumps([os.path.abspath(entry) for entry in sys.path])
        package = str(Path(__file__).resolve().parent)
        arguments = [str(os.getpid()), _WORD.decode(), path, lab_id, url or "", package]
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

    def abandon(self) -> None:
        """Let the guardian remove the lab now; returns at once."""
        pipe = self._process.stdin
        if pipe is not None:
            pipe.close()
        # Somebody has to wait for it, or it stays a zombie.
        threading.Thread(target=self._process.wait, daemon=True).start()

    def release(self) -> None:
        """Send the guardian home: the lab was stopped, or is to outlive this process.

        May be called again.  Returns when its process has ended.

        """
        pipe = self._process.stdin
        if pipe is not None and not pipe.closed:
            try:
                pipe.write(_WORD)
                pipe.close()
            except BrokenPipeError:
                pipe.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def remove_leftovers(lab_id: str, url: str | None, engine: Engine | None = None) -> None:
    """Remove all containers of a lab until no more have come for a second.

    Gives up after half a minute; an engine that does not answer is asked
    again until then.

    """
    from playground.docker_engine import DockerEngine
    from playground.errors import EngineError

    if engine is None:
        engine = DockerEngine(url)
    begin = last_seen = time.monotonic()
    while (now := time.monotonic()) - last_seen < _QUIET_S and now - begin < _LIMIT_S:
        try:
            if any(record.id == lab_id for record in engine.labs()):
                engine.stop(lab_id)
                last_seen = time.monotonic()
        except EngineError:
            last_seen = time.monotonic()
        time.sleep(0.05)
