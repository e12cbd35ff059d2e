"""Roots that are remembered, found anew, and refused."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from playground.display.progress import Progress, Silent
from playground.engines.images import Image, image_for, make_image
from playground.engines.namespaces.filesystems.root_filesystem import RootFilesystem
from playground.engines.namespaces.images import subordinate_ids
from playground.engines.namespaces.images.image_roots import ImageRoots
from playground.engines.seam import OwnImage, WantedImage
from playground.errors import ImageError
from playground.model.containers.image_sources import ImageSource
from playground.planning.program_plans import ImageConfig

NOWHERE = "unix:///nowhere/docker.sock"


class Source:
    """Stands for Docker and for buildah: roots that are there, and what was asked of it."""

    silence = ""

    def __init__(self, answering: bool = True) -> None:
        self.roots: dict[str, RootFilesystem] = {}
        self.asked: list[str] = []
        self.made: list[str] = []
        self.answering = answering

    def answers(self) -> bool:
        return self.answering

    def find(self, tag: str) -> RootFilesystem | None:
        self.asked.append(tag)
        return self.roots.get(tag)

    def ensure(
        self, images: Sequence[Image], progress: Progress, lock: int = -1
    ) -> dict[str, RootFilesystem]:
        self.made += [image.tag for image in images]
        return {tag: root for tag, root in self.roots.items() if tag in self.made}

    def own_image(self, here: str, wanted: WantedImage, progress: Progress) -> OwnImage:
        return OwnImage(wanted.source.value, ImageConfig())


class UsersImages:
    """Stands for what gets a user's image by buildah."""

    def __init__(self, root: RootFilesystem) -> None:
        self.root = root

    def own_image(
        self, here: str, wanted: WantedImage, progress: Progress, lock: int
    ) -> tuple[OwnImage, RootFilesystem]:
        return OwnImage("own", ImageConfig()), self.root


@pytest.fixture
def docker() -> Source:
    return Source()


@pytest.fixture
def buildah() -> Source:
    return Source()


@pytest.fixture
def roots(
    tmp_path: Path, docker: Source, buildah: Source, monkeypatch: pytest.MonkeyPatch
) -> ImageRoots:
    monkeypatch.setattr(ImageRoots, "_docker", lambda self: docker)
    monkeypatch.setattr(ImageRoots, "_buildah", lambda self: buildah)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return ImageRoots(tmp_path / "store")


@pytest.fixture
def image(tmp_path: Path) -> Image:
    directory = tmp_path / "page"
    directory.mkdir()
    (directory / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    return make_image(directory)


@pytest.fixture
def layered(tmp_path: Path) -> RootFilesystem:
    layers = tmp_path / "upper", tmp_path / "lower"
    for layer in layers:
        layer.mkdir()
    environ = (("PATH", "/bin"), ("LANG", "C.UTF-8"))
    return RootFilesystem(tuple(map(str, layers)), environ, ("catatonit", "-P"), "/srv")


def test_what_was_found_is_remembered(
    roots: ImageRoots, docker: Source, image: Image, layered: RootFilesystem
) -> None:
    docker.roots[image.tag] = layered
    assert roots.find(image.tag) == layered
    docker.asked.clear()
    assert roots.find(image.tag) == layered
    roots.ensure([image], Silent())
    assert (docker.asked, docker.made) == ([], [])


def test_an_image_whose_directories_are_gone_is_looked_for_anew(
    roots: ImageRoots, docker: Source, buildah: Source, image: Image, layered: RootFilesystem
) -> None:
    docker.roots[image.tag] = layered
    roots.find(image.tag)
    os.rmdir(layered.layers[0])
    buildah.roots[image.tag] = RootFilesystem(layered.layers[1:], (), ())
    assert roots.find(image.tag) == buildah.roots[image.tag]


def test_a_broken_record_is_as_none(
    roots: ImageRoots, tmp_path: Path, docker: Source, image: Image, layered: RootFilesystem
) -> None:
    docker.roots[image.tag] = layered
    roots.find(image.tag)
    (record,) = (tmp_path / "store" / "roots").iterdir()
    record.write_text('{"layers": 3')
    assert roots.find(image.tag) == layered


def test_an_image_that_is_nowhere_is_refused(roots: ImageRoots, image: Image) -> None:
    with pytest.raises(ImageError, match="playground build"):
        roots.find(image.tag)


def test_images_are_built_by_docker_where_it_answers(
    roots: ImageRoots, docker: Source, buildah: Source, image: Image
) -> None:
    roots.ensure([image, image], Silent())
    assert (docker.made, buildah.made) == ([image.tag], [])


def test_images_are_built_by_buildah_elsewhere(
    roots: ImageRoots, docker: Source, buildah: Source, image: Image
) -> None:
    docker.answering = False
    roots.ensure([image], Silent())
    assert (docker.made, buildah.made) == ([], [image.tag])


def test_images_that_buildah_has_are_not_built_by_docker(
    roots: ImageRoots, docker: Source, buildah: Source, image: Image, layered: RootFilesystem
) -> None:
    buildah.roots[image.tag] = layered
    roots.ensure([image], Silent())
    assert docker.made == []
    assert roots.find(image.tag) == layered


def test_of_two_at_once_one_builds_and_the_other_finds(
    roots: ImageRoots,
    tmp_path: Path,
    docker: Source,
    image: Image,
    layered: RootFilesystem,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    building, other_waits = threading.Event(), threading.Event()
    ensure = docker.ensure

    def slow(images: Sequence[Image], progress: Progress) -> dict[str, RootFilesystem]:
        building.set()
        assert other_waits.wait(20)
        docker.roots[image.tag] = layered
        return ensure(images, progress)

    class Watching(Silent):
        def step(self, title: str, total: int | None = None):  # type: ignore[no-untyped-def]
            assert "waiting for another program" in title
            other_waits.set()
            return super().step(title, total)

    monkeypatch.setattr(docker, "ensure", slow)
    first = threading.Thread(target=roots.ensure, args=([image], Silent()))
    first.start()
    assert building.wait(20)
    # Two descriptors of one lock exclude each other within a process too: flock(2).
    ImageRoots(tmp_path / "store").ensure([image], Watching())
    first.join(20)
    assert docker.made == [image.tag]


def test_an_image_of_the_user_s_is_copied_out_of_docker_once_by_one_at_a_time(
    roots: ImageRoots,
    tmp_path: Path,
    docker: Source,
    layered: RootFilesystem,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def export(tag: str, progress: Progress) -> RootFilesystem:
        with open(tmp_path / "store" / "lock") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        docker.made.append(tag)
        return layered

    monkeypatch.setattr(docker, "export", export, raising=False)
    wanted = WantedImage(ImageSource("reference", "playground/own:1"))
    for mine in (roots, roots, ImageRoots(tmp_path / "store")):
        assert mine.own_image("h1", wanted, Silent()).tag == "playground/own:1"
        assert mine.find("playground/own:1") == layered
    assert docker.made == ["playground/own:1"]


@pytest.mark.parametrize("kind", ["reference", "dockerfile", "directory", "archive"])
def test_what_a_user_s_image_stands_on_is_there_without_docker(
    roots: ImageRoots,
    docker: Source,
    buildah: Source,
    layered: RootFilesystem,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """That our base is remembered from Docker is of no use to a build by buildah."""
    base = image_for(())
    docker.answering = False
    docker.roots[base.tag] = layered
    assert roots.find(base.tag) == layered
    users = UsersImages(layered)
    monkeypatch.setattr(ImageRoots, "_user_images", lambda self: users)
    text = f"FROM debian AS a\nFROM --platform=linux/amd64 localhost/{base.tag} AS b\n"
    (tmp_path / "Dockerfile").write_text(text)
    value = {"reference": base.tag, "dockerfile": text, "directory": str(tmp_path)}
    source = ImageSource(kind, value.get(kind, "image.tar"))
    roots.own_image("h1", WantedImage(source), Silent())
    assert buildah.made == ([] if kind == "archive" else [base.tag])


def test_a_docker_that_hangs_is_named_where_buildah_fails(
    roots: ImageRoots, docker: Source, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ImageError("docker.io is not reached", "its log")

    monkeypatch.setattr(Source, "ensure", fail)
    docker.answering = False
    with pytest.raises(ImageError, match="is not reached") as plain:
        roots.ensure([image], Silent())
    assert plain.value.args == ("docker.io is not reached",)
    docker.silence = "the container engine did not answer in time"
    with pytest.raises(ImageError, match="Docker, which may have it, was left out: ") as caught:
        roots.ensure([image], Silent())
    assert "did not answer in time" in str(caught.value) and caught.value.log == "its log"


def test_only_who_has_ids_for_their_owners_gets_images(
    roots: ImageRoots, image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(subordinate_ids, "have_ranges", lambda: False)
    with pytest.raises(ImageError, match="for whom this user has no ids"):
        roots.ensure([image], Silent())
    assert not (tmp_path / "store").exists()


def test_an_ordinary_user_s_images_are_buildah_s(
    roots: ImageRoots,
    image: Image,
    docker: Source,
    buildah: Source,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Docker's folders are root's, also for a user whom its daemon lets in.
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(subordinate_ids, "have_ranges", lambda: True)
    roots.ensure([image], Silent())
    assert (docker.made, docker.asked, buildah.made) == ([], [], [image.tag])


def test_a_store_that_cannot_be_written_is_named(image: Image, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    roots = ImageRoots(tmp_path / "file" / "store")
    if os.geteuid() == 0:
        with pytest.raises(ImageError, match="file/store, which cannot be written"):
            roots.ensure([image], Silent())


def test_nobody_else_may_look_into_the_store(
    roots: ImageRoots, tmp_path: Path, docker: Source, image: Image, layered: RootFilesystem
) -> None:
    docker.roots[image.tag] = layered
    roots.find(image.tag)
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700


def test_without_any_builder_it_says_what_to_install(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", NOWHERE)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(ImageError, match="apt-get install buildah util-linux mmdebstrap"):
        ImageRoots(tmp_path / "store").ensure([image], Silent())


def test_a_remembered_image_needs_neither_docker_nor_buildah(
    roots: ImageRoots, tmp_path: Path, docker: Source, image: Image, layered: RootFilesystem
) -> None:
    docker.roots[image.tag] = layered
    roots.find(image.tag)
    program = (
        "import sys; from pathlib import Path;"
        "from playground.engines.namespaces.images.image_roots import ImageRoots;"
        "print(ImageRoots(Path(sys.argv[1])).find(sys.argv[2]).cwd);"
        "print([name for name in sys.modules if name in"
        " ('docker', 'playground.engines.docker.engine',"
        " 'playground.engines.namespaces.images.buildah')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "store", image.tag],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines() == ["/srv", "[]"]
