"""Volumes of nodes; that they are held is tried with hosts, tests/lab/test_declared_files.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.errors import AgentError
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, needs_root, run

pytestmark = needs_root


@pytest.fixture
def h1() -> Iterator[Namespaces]:
    with Namespaces("h1") as made:
        yield made


def test_files_are_told_by_device_and_inode(agent: Client, h1: Namespaces, tmp_path: Path) -> None:
    run(agent, h1.pid, f"mount --bind {tmp_path} /mnt")
    answer = agent.call("volumes", pid=h1.pid, targets=["/mnt"])
    there = tmp_path.stat()
    assert answer["files"] == [[there.st_dev, there.st_ino]]
    assert answer["boot"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    mounts = Path(f"/proc/{h1.pid}/mountinfo").read_text().splitlines()
    (options,) = (line.split()[5] for line in mounts if line.split()[4] == "/mnt")
    assert {"nosuid", "nodev"} <= set(options.split(","))


def test_what_is_no_node_is_left_alone(agent: Client) -> None:
    with pytest.raises(AgentError):
        agent.call("volumes", pid=1, targets=["/"])
