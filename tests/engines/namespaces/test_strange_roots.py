"""Roots of images that nobody has looked at: with almost nothing in them, or with traps."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from playground import Host, Lab, Link
from playground.engines.images import Image
from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.namespaces.filesystems.root_filesystem import RootFilesystem


class RootsEngine(NamespacesEngine):
    """Hosts with the layers that a test has made below them."""

    def __init__(self, layers: Sequence[Path], cwd: str = "/") -> None:
        super().__init__(plain_root="image")
        self._made = RootFilesystem(tuple(map(str, layers)), (("PATH", "/bin"),), (), cwd)

    def ensure_images(self, images: Sequence[Image], progress: object = None) -> None:
        pass

    def _root(self, tag: str | None) -> RootFilesystem:
        return self._made


@pytest.fixture
def started(
    namespaces_engine: NamespacesEngine, request: pytest.FixtureRequest
) -> Callable[..., Host]:
    """Start a host upon layers, linked with another; return the first."""

    def start(*layers: Path, cwd: str = "/") -> Host:
        h1, h2 = Host("h1"), Host("h2")
        Link(h1, h2)
        lab = Lab(h1, name="roots-strange", engine=RootsEngine(layers, cwd), quiet=True)
        request.addfinalizer(lab.stop)
        lab.start()
        return h1

    return start


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A layer with one static program in it, and accounts."""
    found = shutil.which("busybox")
    if found is None:
        pytest.skip("there is no busybox here (apt-get install busybox-static)")
    (tmp_path / "program/bin").mkdir(parents=True)
    etc = tmp_path / "program/etc"
    etc.mkdir()
    for name, line in {"passwd": "root:x:0:0::/:/bin/sh", "shadow": "root:*:::::::"}.items():
        (etc / name).write_text(f"{line}\n")
    (etc / "group").write_text("root:x:0:\nsudo:x:27:\n")
    shutil.copy(found, tmp_path / "program/bin/busybox")
    return tmp_path / "program"


def test_one_static_program_is_enough(started: Callable[..., Host], program: Path) -> None:
    """No shell, no `sleep`, not even the folders that something is mounted on."""
    h1 = started(program)
    assert sorted(h1.run(["busybox", "ls", "/"]).stdout.split()) == [
        *("bin", "dev", "etc", "home", "proc", "run", "sys"),
    ]  # fmt: skip
    assert h1.processes()[0].command == "/run/playground/pause"


def test_links_in_the_places_of_mounts_lead_nowhere(
    started: Callable[..., Host], program: Path, tmp_path: Path
) -> None:
    """The root is put together before it is anybody's root: what a link names is the machine's."""
    outside = tmp_path / "outside"
    outside.mkdir()
    trap = tmp_path / "trap"
    trap.mkdir()
    for name in ("dev", "proc", "sys", "run"):
        (trap / name).symlink_to(outside)
    h1 = started(trap, program)
    assert list(outside.iterdir()) == []
    for name in ("dev", "proc", "sys", "run"):
        assert h1.run(["busybox", "readlink", f"/{name}"], check=False).returncode == 1
    # A cover lies where there is something of the machine to hide.
    assert h1.run(["busybox", "cat", "/proc/interrupts"]).stdout == ""
    assert h1.run(["busybox", "test", "-c", "/dev/null"], check=False).returncode == 0
    assert os.readlink(trap / "proc") == str(outside), "the image itself was changed"


def test_no_place_of_the_labs_leads_out(
    started: Callable[..., Host], program: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    trap = tmp_path / "trap"
    (trap / "run").mkdir(parents=True)
    (trap / "run/playground").symlink_to(outside)
    started(trap, program)
    assert list(outside.iterdir()) == []


def test_files_in_the_places_of_folders(
    started: Callable[..., Host], program: Path, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    for name in ("proc", "sys"):
        (trap / name).write_text("a file")
    os.mkfifo(trap / "dev")
    h1 = started(trap, program)
    assert h1.run(["busybox", "test", "-d", "/proc/1"], check=False).returncode == 0


def test_a_device_file_of_an_image_is_of_no_use(
    started: Callable[..., Host], program: Path, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    disk = os.stat("/").st_dev
    os.mknod(trap / "disk", 0o60666, disk)
    os.mknod(trap / "memory", 0o20666, os.makedev(1, 1))
    h1 = started(trap, program)
    for name in ("disk", "memory"):
        result = h1.run(["busybox", "head", "-c1", f"/{name}"], check=False)
        assert "Permission denied" in result.stderr


def test_as_many_layers_as_an_image_may_have(
    started: Callable[..., Host], program: Path, tmp_path: Path
) -> None:
    """127, whose names do not fit in what mount(2) takes."""
    layers = []
    for number in range(126):
        layer = tmp_path / f"layer-{number:03}-{'x' * 64}"
        layer.mkdir()
        (layer / f"file{number}").write_text(f"{number}\n")
        (layer / "top").write_text(f"{number}\n")
        layers.append(layer)
    h1 = started(*layers, program)
    assert h1.run(["busybox", "cat", "/top", "/file0", "/file125"]).stdout == "0\n0\n125\n"


def test_a_working_directory_that_the_image_lacks_is_made(
    started: Callable[..., Host], program: Path
) -> None:
    assert started(program, cwd="/srv/app").run(["busybox", "pwd"]).stdout == "/srv/app\n"
