"""Images that a lab needs: layers, chains and tags."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from playground.engines.images import (
    all_images,
    built_layers,
    helper_image,
    image_for,
    images_directory,
    make_image,
)
from playground.errors import ImageError

DOCKERFILE = "ARG BASE\nFROM ${BASE}\n"
CLONE = Path(__file__).resolve().parents[2]
AGENT = CLONE / "playground" / "agent"


def write(directory: Path, **files: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "Dockerfile").write_text(DOCKERFILE)
    for name, content in files.items():
        (directory / name).write_text(content)
    return directory


def names(context: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(context)) as tar:
        return tar.getnames()


def test_the_same_content_elsewhere_has_the_same_tag(tmp_path: Path) -> None:
    one = make_image(write(tmp_path / "a" / "web", page="hello"))
    two = make_image(write(tmp_path / "b" / "web", page="hello"))
    assert one.tag == two.tag
    assert one.context() == two.context()
    assert one.tag.startswith("playground/web:")
    assert len(one.tag.rpartition(":")[2]) == 12


def change_content(directory: Path) -> None:
    (directory / "page").write_text("goodbye")


def add_file(directory: Path) -> None:
    (directory / ".hidden").write_text("")


def rename_file(directory: Path) -> None:
    (directory / "page").rename(directory / "page2")


def make_executable(directory: Path) -> None:
    (directory / "page").chmod(0o755)


@pytest.mark.parametrize("change", [change_content, add_file, rename_file, make_executable])
def test_a_change_gives_another_tag_to_all_above(tmp_path: Path, change) -> None:  # type: ignore[no-untyped-def]
    base, layer = write(tmp_path / "base", page="hello"), write(tmp_path / "layer")
    before = make_image(layer, make_image(base))
    change(base)
    after = make_image(layer, make_image(base))
    assert after.base is not None and before.base is not None
    assert after.base.tag != before.base.tag
    assert after.tag != before.tag


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664], ids=["private", "usual", "group-writable"])
def test_a_umask_gives_no_other_tag(tmp_path: Path, mode: int) -> None:
    directory = write(tmp_path / "base", page="hello")
    before = make_image(directory)
    (directory / "page").chmod(mode)
    assert make_image(directory).tag == before.tag


def test_byte_code_is_no_content(tmp_path: Path) -> None:
    directory = write(tmp_path / "base", page="hello")
    before = make_image(directory)
    (directory / "__pycache__").mkdir()
    (directory / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert make_image(directory) == before
    assert names(before.context()) == ["Dockerfile", "page"]


def test_a_directory_without_dockerfile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="has no Dockerfile"):
        make_image(tmp_path)


@pytest.mark.parametrize(
    ("services", "layers"),
    [
        ([], ["base"]),
        (["ssh"], ["base"]),
        (["http"], ["base", "http"]),
        (["telnet", "ftp"], ["base", "ftp", "telnet"]),
        (["imap", "ssh", "pop", "smtp"], ["base", "smtp", "pop", "imap"]),
        (["ftp", "ftp"], ["base", "ftp"]),
    ],
    ids=lambda value: "-".join(value) or "none",
)
def test_layers_stand_in_the_order_of_the_table(services: list[str], layers: list[str]) -> None:
    image = image_for(services)
    assert [link.layer for link in image.chain] == layers
    assert image.tag.startswith(f"playground/{'-'.join(layers)}:")


def test_the_helper_holds_the_agent() -> None:
    image = helper_image()
    with tarfile.open(fileobj=io.BytesIO(image.context())) as tar:
        modules = {str(path.relative_to(AGENT)): path.read_bytes() for path in AGENT.rglob("*.py")}
        held = {name for name in tar.getnames() if name.startswith("agent/")}
        assert held == {f"agent/{name}" for name in modules}
        for name, content in modules.items():
            module = tar.extractfile(f"agent/{name}")
            assert module is not None
            assert module.read() == content


def test_what_is_built_is_told_by_the_images_that_stand_on_it() -> None:
    """A mail server's image has the layers of three services; one of long ago has none of ours."""
    mail = image_for(["smtp", "imap"]).tag
    assert built_layers([mail]) == {"base", "smtp", "imap"}
    assert built_layers([helper_image().tag, image_for(()).tag]) == {"helper", "base"}
    others = [f"{mail[:-1]}x", "playground/base-nothing:0123456789ab", "debian:trixie-slim", "a/b"]
    assert built_layers(others) == set()


def test_all_images_begin_on_a_base_that_is_given() -> None:
    for image in all_images():
        dockerfile = (image.directory / "Dockerfile").read_text()
        lines = [line for line in dockerfile.splitlines() if line and not line.startswith("#")]
        assert lines[:2] == ["ARG BASE", "FROM ${BASE}"], image.directory


def test_a_wheel_is_whole(tmp_path: Path) -> None:
    """Built away from the clone, unpacked anywhere: every file of every image is in it."""
    source = tmp_path / "source"
    source.mkdir()
    metadata = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")
    for name in ("playground", "images", "docs", *metadata):
        if (CLONE / name).exists():
            subprocess.run(["cp", "-R", str(CLONE / name), str(source)], check=True)
    (source / "README.md").touch()
    # Whatever a layer may hold in time: hidden files and directories too.
    base = source / "images" / "base"
    (base / ".hidden").write_text("x")
    (base / ".hidden.d" / "deep").mkdir(parents=True)
    (base / ".hidden.d" / "deep" / "run").write_text("x")
    (base / ".hidden.d" / "deep" / "run").chmod(0o755)
    build = "import sys; from setuptools.build_meta import build_wheel as b; b(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)],
        cwd=source,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
        # zipfile forgets modes; pip gives a file the executable bit that it had.
        for member in archive.infolist():
            if member.external_attr >> 16 & 0o111:
                (installed / member.filename).chmod(0o755)
    assert tags_of(installed) == tags_of(source)
    assert (installed / "playground" / "_images" / "base" / "Dockerfile").is_file()


def tags_of(path: Path) -> list[str]:
    """The tags of all images, computed by the package that lies in `path`."""
    code = "from playground.engines.images import *; print(*(i.tag for i in all_images()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_clone_finds_its_own_images() -> None:
    assert images_directory() == CLONE / "images"
