"""A host that is hostile: what it does is its own affair, and never its neighbours'."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from playground import Host, Lab, Link
from playground.engine import Engine
from playground.errors import PlaygroundError


@pytest.fixture(scope="module")
def lab(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    with Lab(h1, name="hostile", quiet=True) as lab:
        keep_lab(lab.id)
        yield lab


def seconds(operation: Callable[[], object]) -> float:
    """How long something takes, whatever it comes to; what is raised has to be ours."""
    begun = time.monotonic()
    with contextlib.suppress(PlaygroundError):
        operation()
    return time.monotonic() - begun


def test_one_that_stops_all_that_starts_in_it(lab: Lab) -> None:
    """Commands of others go on, and a limit of time holds on this one too."""
    h1, h2 = lab["h1"], lab["h2"]
    stop_all = "import os, time\nend = time.time() + 60\nwhile time.time() < end:\n"
    stop_all += " try: os.kill(-1, 19)\n except OSError: pass\n"
    h1.write("/tmp/stop.py", stop_all)
    with (
        h1.start("python3 /tmp/stop.py & exec python3 /tmp/stop.py") as stopping,
        ThreadPoolExecutor(4) as pool,
        h2.start("sleep 2") as beside,
    ):
        # It stops the other, and may be stopped by none but the other.
        time.sleep(0.5)
        own = [
            pool.submit(seconds, partial(h1.run, "true", timeout_s=1.5, user=user))
            for user in (None, None, "root")
        ]
        time.sleep(0.5)
        took = [seconds(lambda: h2.run("true", timeout_s=20)) for _ in range(5)]
        assert beside.wait(20) == 0
        assert max(future.result(60) for future in own) < 10
        assert max(took) < 1.5
        stopping.kill()
    assert h1.run("echo on", timeout_s=20).stdout == "on\n"
