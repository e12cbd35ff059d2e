"""Supervisors of several nodes: one reply, when all of them run or are known not to."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from playground.agent.line.booting import boot
from tests.support_agent import Namespaces, apart, needs_root, wait_for, wake_at_childrens_end
from tests.support_line import Line


def _boot(nodes: list[Any]) -> tuple[list[Any], int]:
    """Return what is said, and how many children's channels are watched after it."""
    wake_at_childrens_end()
    line = Line()
    boot(line.selector, line.replies, 7, nodes)
    line.until(1)
    line.turn(0.05)
    return line.said(), len(line.selector.get_map())


def test_no_nodes_are_booted_at_once(line: Line) -> None:
    boot(line.selector, line.replies, 7, [])
    assert line.said() == [{"id": 7, "result": None}]


def test_a_node_that_is_gone_is_an_error(line: Line) -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    boot(line.selector, line.replies, 7, [{"pid": gone.pid, "programs": ["one"]}] * 2)
    [reply] = line.said()
    assert (reply["id"], reply["error"]["type"]) == (7, "ProcessLookupError")


@needs_root
def test_one_reply_for_several_nodes_that_cannot_be_booted(
    pair: tuple[Namespaces, Namespaces],
) -> None:
    [reply], watched = apart(_boot, [{"pid": h.pid, "programs": ["nosuch"]} for h in pair])
    assert reply["id"] == 7
    assert "there is no program 'nosuch' on the node" in reply["error"]["message"]
    assert watched == 0


@needs_root
def test_a_node_that_can_be_booted_is_beside_one_that_cannot(tmp_path: Path) -> None:
    runsv = tmp_path / "runsv"
    runsv.write_text("#!/bin/sh\necho $1 >> /run/started\nexec sleep 60\n")
    runsv.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with Namespaces("h1", env=env) as h1, Namespaces("h2", env=env) as h2:
        Path(f"/proc/{h1.pid}/root/etc/sv/one").mkdir(parents=True)
        started = Path(f"/proc/{h1.pid}/root/run/started")
        good, bad = ({"pid": h.pid, "programs": ["one"]} for h in (h1, h2))
        assert apart(_boot, [good]) == ([{"id": 7, "result": None}], 0)
        wait_for(started.exists)
        [reply], watched = apart(_boot, [bad, good])
        assert "there is no program 'one' on the node" in reply["error"]["message"]
        assert watched == 0
        wait_for(lambda: started.read_text().split() == ["/run/service/one"] * 2)
