"""Docker's images as directories: used where they lie, or copied out once."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from playground.display.progress import Silent
from playground.engines.docker.engine import DockerEngine
from playground.engines.images import image_for
from playground.engines.namespaces.images import docker_roots
from playground.engines.namespaces.images.docker_roots import DockerRoots
from playground.errors import ImageError
from tests import machine

SMALL = "playground/small-root:test"
# A capability of a file as the kernel stores it, of version 2 with cap_net_raw: linux/capability.h.
NET_RAW = bytes.fromhex("0100000200200000000000000000000000000000")


@pytest.fixture
def small_image(docker_engine: DockerEngine) -> Iterator[str]:
    """An image of a few files: a page, a program with a capability, somebody's folder."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        page = tarfile.TarInfo("srv/page")
        page.size = 5
        tar.addfile(page, io.BytesIO(b"hello"))
        able = tarfile.TarInfo("able")
        able.mode = 0o4755
        able.pax_headers = {
            "SCHILY.xattr.security.capability": NET_RAW.decode("utf-8", "surrogateescape")
        }
        tar.addfile(able)
        folder = tarfile.TarInfo("home")
        folder.type, folder.uid, folder.gid, folder.mode = tarfile.DIRTYPE, 1234, 1235, 0o750
        tar.addfile(folder)
    client = docker.from_env()
    changes = ["ENV PAGE=/srv/page", "WORKDIR /srv", 'CMD ["cat"]']
    client.api.import_image_from_data(archive.getvalue(), SMALL, changes=changes)
    client.close()
    yield SMALL
    client.images.remove(SMALL)
    client.close()


def need_root() -> None:
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("CI has to read Docker's directories, which takes root")
        pytest.skip("only root may read Docker's directories")


def check_small(layers: tuple[str, ...]) -> None:
    (root,) = map(Path, layers)
    assert (root / "srv" / "page").read_text() == "hello"
    assert (root / "able").stat().st_mode & 0o7777 == 0o4755
    assert os.getxattr(root / "able", "security.capability") == NET_RAW
    home = (root / "home").stat()
    assert (home.st_uid, home.st_gid, home.st_mode & 0o777) == (1234, 1235, 0o750)


def test_a_root_lies_where_the_engine_keeps_it_or_is_copied_out(
    docker_engine: DockerEngine, small_image: str, tmp_path: Path
) -> None:
    need_root()
    roots = DockerRoots(tmp_path, docker_engine)
    found = roots.find(small_image) or roots.export(small_image, Silent())
    check_small(found.layers)
    assert dict(found.environ)["PAGE"] == "/srv/page"
    assert (found.command, found.cwd) == (("cat",), "/srv")


@pytest.mark.parametrize(
    "hidden",
    [{"_shifted": True}, {}],
    ids=["an engine that shifts user ids", "an engine without directories"],
)
def test_an_image_that_does_not_lie_there_is_copied_out_and_no_container_stays(
    docker_engine: DockerEngine,
    small_image: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hidden: dict[str, bool],
) -> None:
    need_root()
    roots = DockerRoots(tmp_path, docker_engine)
    assert roots.answers()
    if hidden:
        monkeypatch.setattr(roots, "_shifted", True)
    else:
        monkeypatch.setattr(docker_roots, "_layers", lambda inspected: [])
    before = {record.id for record in docker_engine.labs()}
    assert roots.find(small_image) is None
    found = roots.export(small_image, Silent())
    check_small(found.layers)
    assert (dict(found.environ)["PAGE"], found.command) == ("/srv/page", ("cat",))
    (Path(found.layers[0]) / "srv" / "page").write_text("a lab stands on it")
    assert roots.export(small_image, Silent()) == found
    assert (Path(found.layers[0]) / "srv" / "page").read_text() == "a lab stands on it"
    assert [path.name for path in tmp_path.iterdir()] == ["playground%2Fsmall-root%3Atest"]
    exported = {record.id for record in machine.ours(docker_engine.labs())} - before
    assert not [lab for lab in exported if lab.startswith("export-")]


def test_half_a_copy_is_taken_away(
    docker_engine: DockerEngine, small_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_root()
    roots = DockerRoots(tmp_path, docker_engine)
    assert roots.answers()

    def broken(container: str, directory: Path) -> None:
        (directory / "half").write_text("")
        raise KeyboardInterrupt

    monkeypatch.setattr(roots, "_unpack", broken)
    with pytest.raises(KeyboardInterrupt):
        roots.export(small_image, Silent())
    assert list(tmp_path.iterdir()) == []


def test_what_tar_cannot_unpack_is_an_error(
    docker_engine: DockerEngine, small_image: str, tmp_path: Path
) -> None:
    need_root()
    roots = DockerRoots(tmp_path, docker_engine)
    assert roots.answers()
    lab = docker.from_env().containers.create(small_image, name="playground-small-root-test")
    try:
        with pytest.raises(ImageError, match="could not be copied"):
            roots._unpack(lab.id, tmp_path / "nowhere")
    finally:
        lab.remove()


def test_a_missing_image_is_built_and_found(docker_engine: DockerEngine, tmp_path: Path) -> None:
    need_root()
    image = image_for(())
    root = DockerRoots(tmp_path, docker_engine).ensure([image], Silent())[image.tag]
    assert root.command == ("catatonit", "-P")
    assert dict(root.environ)["SVDIR"] == "/run/service"
    assert any((Path(layer) / "etc" / "playground").is_dir() for layer in root.layers)


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:9", "ssh://nowhere.invalid", "unix:///nowhere/s"])
def test_an_engine_elsewhere_or_nowhere_has_no_directories_here(tmp_path: Path, url: str) -> None:
    roots = DockerRoots(tmp_path, DockerEngine(url))
    assert not roots.answers()
    assert roots.find("playground/base:01") is None
