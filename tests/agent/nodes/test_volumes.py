"""Volumes of nodes; that they are held is tried with hosts, tests/lab/test_declared_files.py."""

from __future__ import annotations

import subprocess
import sys
import textwrap
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
    assert {"nosuid", "nodev"} <= options_of(h1)["/mnt"]


def options_of(node: Namespaces) -> dict[str, set[str]]:
    """Return the options of a node's mounts below /mnt, by their places."""
    rows = [line.split() for line in Path(f"/proc/{node.pid}/mountinfo").read_text().splitlines()]
    return {row[4]: set(row[5].split(",")) for row in rows if row[4].startswith("/mnt")}


def test_a_neighbour_that_changes_the_way_meanwhile_moves_no_flags(
    agent: Client, h1: Namespaces
) -> None:
    run(
        agent,
        h1.pid,
        "mount -t tmpfs shared /mnt && mkdir -p /mnt/a/x /mnt/b/x && "
        "mount -t tmpfs ours /mnt/a/x && mount -t tmpfs -o ro theirs /mnt/b/x",
    )
    # In a process of its own, which has one thread, and is the neighbour as well.
    program = """
        import os, sys
        from playground.agent.nodes import volumes

        def changed_after(look):
            def wrapped(what):
                found = look(what)
                os.rename("/mnt/a", "/mnt/c")
                os.symlink("b", "/mnt/a")
                return found
            return wrapped

        os.statvfs, os.fstatvfs = changed_after(os.statvfs), changed_after(os.fstatvfs)
        volumes.volumes(int(sys.argv[1]), ["/mnt/a/x"])
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(h1.pid)]
    subprocess.run(command, check=True, timeout=60)
    options = options_of(h1)
    assert {"nosuid", "nodev", "rw"} <= options["/mnt/c/x"]
    assert "ro" in options["/mnt/b/x"]
    assert not {"nosuid", "nodev"} & options["/mnt/b/x"]


def test_a_file_that_is_a_volume_is_held_as_well(
    agent: Client, h1: Namespaces, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    run(agent, h1.pid, f"touch /mnt/file && mount --bind {tmp_path}/file /mnt/file")
    agent.call("volumes", pid=h1.pid, targets=["/mnt/file"])
    assert {"nosuid", "nodev"} <= options_of(h1)["/mnt/file"]


def test_what_is_no_node_is_left_alone(agent: Client) -> None:
    with pytest.raises(AgentError):
        agent.call("volumes", pid=1, targets=["/"])
