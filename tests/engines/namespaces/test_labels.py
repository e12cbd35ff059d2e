"""Labs are found by what /proc shows of their processes, and by nothing else."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from playground.engines import owners
from playground.engines.choice import RunningLabs
from playground.engines.namespaces.labels import (
    Found,
    find_keeper,
    find_labs,
    find_nodes,
    keepers,
)
from playground.engines.seam import LabLabels
from tests.support_agent import needs_root

LAB = LabLabels("shop-1", "shop", "ada@desk:17", keep=True)
NODE = {"playground.lab": "shop-1", "playground.role": "node", "playground.node": "h1"}


def process(proc: Path, pid: int, environ: dict[str, str], *inner: int) -> None:
    """Put a process into a folder like /proc; ``inner`` are its numbers further in."""
    folder = proc / str(pid)
    folder.mkdir()
    words = [f"{name}={value}\0" for name, value in environ.items()]
    (folder / "environ").write_bytes("".join(words).encode())
    numbers = "\t".join(map(str, (pid, *inner)))
    (folder / "status").write_text(f"Name:\tpython3\nUid:\t7\t7\t7\t7\nNSpid:\t{numbers}\n")
    (folder / "exe").symlink_to(sys.executable)
    (folder / "ns").mkdir()
    (folder / "ns" / "pid").symlink_to("/proc/self/ns/pid")


def test_a_keeper_is_found_by_its_labels(tmp_path: Path) -> None:
    process(tmp_path, 100, {"PATH": "/bin", **LAB.as_labels("keeper")})
    process(tmp_path, 102, {"PATH": "/bin", **NODE}, 5, 1)
    assert list(keepers(tmp_path)) == [Found(100, LAB.as_labels("keeper"), 7)]


@pytest.mark.parametrize(
    ("environ", "inner"),
    [
        ({"PATH": "/bin"}, ()),
        ({"playground.lab": "shop-1"}, ()),
        (LAB.as_labels("keeper"), (1,)),
        (LAB.as_labels("helper"), ()),
        (NODE, ()),
        (NODE, (5, 1)),
        (LAB.as_labels("keeper"), (5, 2)),
    ],
    ids=[
        "a stranger",
        "a lab and no role",
        "the first process of a lab, a fork of its keeper",
        "another role",
        "a host's labels outside of any lab",
        "a host's labels, which a host may write itself",
        "a keeper's labels, put on by a command on a host",
    ],
)
def test_nothing_else_is_taken_for_one(
    tmp_path: Path, environ: dict[str, str], inner: tuple[int, ...]
) -> None:
    process(tmp_path, 200, environ, *inner)
    assert list(keepers(tmp_path)) == []


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    process(tmp_path, 100, LAB.as_labels("keeper"))
    (tmp_path / "101").mkdir()  # it has ended since the folder was listed
    (tmp_path / "sys").mkdir()
    (tmp_path / "uptime").write_text("1 1\n")
    process(tmp_path, 102, NODE, 5, 1)
    (tmp_path / "102" / "status").unlink()
    assert [found.pid for found in keepers(tmp_path)] == [100]


def test_of_what_runs_in_a_lab_nothing_is_read(tmp_path: Path) -> None:
    """Its memory may be without end, or be a keeper's, word for word."""
    process(tmp_path, 100, LAB.as_labels("keeper"))
    process(tmp_path, 101, LAB.as_labels("keeper"))
    (tmp_path / "101" / "ns" / "pid").unlink()
    (tmp_path / "101" / "ns" / "pid").touch()
    assert [found.pid for found in keepers(tmp_path)] == [100]


def test_labels_are_read_whatever_their_values_hold(tmp_path: Path) -> None:
    labels = LabLabels("x-1", "a=b, \u00e9t\u00e9", "", keep=False).as_labels("keeper")
    process(tmp_path, 100, labels)
    (found,) = keepers(tmp_path)
    assert found.labels == labels


def test_an_id_that_no_lab_has_is_no_labs(tmp_path: Path) -> None:
    process(tmp_path, 100, LabLabels("../shop", "shop", "").as_labels("keeper"))
    assert list(keepers(tmp_path)) == []


def test_another_users_keeper_is_found_and_not_entered() -> None:
    labels = LabLabels(f"theirs-{os.getpid()}", "theirs", "ada@desk:17")
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        env={**os.environ, **labels.as_labels("keeper")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as keeper:
        assert keeper.stdout is not None
        keeper.stdout.readline()
        assert find_keeper(labels.id, own=True) == keeper.pid
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "geteuid", lambda: 4711)
            assert find_keeper(labels.id) == keeper.pid
            assert find_keeper(labels.id, own=True) is None
        keeper.communicate(b"\n")


def test_a_program_that_became_root_is_nobodys_keeper(tmp_path: Path) -> None:
    """Another user started it, with an environment that may say anything."""
    process(tmp_path, 100, LAB.as_labels("keeper"))
    status = (tmp_path / "100" / "status").read_text()
    (tmp_path / "100" / "status").write_text(status.replace("7\t7\t7\t7", "7\t0\t0\t0"))
    process(tmp_path, 101, LAB.as_labels("keeper"))
    program = tmp_path / "sudo"
    program.touch()
    program.chmod(0o4755)
    (tmp_path / "101" / "exe").unlink()
    (tmp_path / "101" / "exe").symlink_to(program)
    assert list(keepers(tmp_path)) == []


@contextlib.contextmanager
def labelled(labels: dict[str, str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A program of some user's that has the labels of a lab in its environment."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", "print(flush=True); input()"],
        env={**os.environ, **labels},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
        **options,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@needs_root
def test_what_another_user_forges_is_not_the_lab() -> None:
    """Neither is a lab taken for a leftover by it, nor is a name taken by it."""
    real = LabLabels(f"real-{os.getpid()}", "real", owners.own_name(), mark=owners.own_mark())
    forged = LabLabels(real.id, "real", f"root@{socket.gethostname()}:999999999", keep=True)
    node = {"playground.lab": real.id, "playground.role": "node", "playground.node": "h1"}
    program = shutil.which("sleep")
    assert program is not None
    with (
        labelled(real.as_labels("keeper")) as keeper,
        subprocess.Popen(
            [program, "1000"], env=forged.as_labels("keeper"), user=65534, cwd="/"
        ) as other,
        subprocess.Popen([program, "1000"], env=node, user=65534, cwd="/") as host,
    ):
        try:
            time.sleep(0.1)  # until they are at their exec
            [record] = [record for record in find_labs() if record.id == real.id]
            assert (record.uid, record.is_own, record.is_strange) == (0, True, False)
            assert not record.is_stale
            assert record.nodes == ()
            assert find_keeper(real.id) == keeper.pid
            labs = RunningLabs("namespaces")
            assert labs.find("real")[1] == record
            keeper.kill()
            keeper.wait()
            [record] = [record for record in find_labs() if record.id == real.id]
            assert (record.uid, record.is_own, record.is_strange) == (65534, False, True)
        finally:
            other.kill()
            host.kill()


def test_a_lab_that_does_not_exist_is_not_found() -> None:
    assert find_keeper("no-such-lab") is None
    assert find_nodes("no-such-lab") == {}


def test_a_lab_is_what_its_keeper_says() -> None:
    labels = LabLabels(f"alone-{os.getpid()}", "alone", "ada@desk:17", keep=True)
    before = time.time()
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        env={**os.environ, **labels.as_labels("keeper")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as keeper:
        assert keeper.stdout is not None
        keeper.stdout.readline()
        assert find_keeper(labels.id) == keeper.pid
        (record,) = (record for record in find_labs() if record.id == labels.id)
        keeper.communicate(b"\n")
    assert (record.name, record.owner, record.nodes, record.keep) == (
        "alone",
        "ada@desk:17",
        (),
        True,
    )
    # proc_pid_stat(5) counts in hundredths of a second, and the boot in seconds.
    assert record.created >= before - 2
    assert find_keeper(labels.id) is None
