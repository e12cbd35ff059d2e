"""Contexts of builds: what a builder gets, and what tells one from another."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from playground.engines.docker.build_contexts import build_context, files_archive
from playground.engines.docker.builds import BuildContext
from playground.model.containers.image_sources import check_build


def names(context: BuildContext) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(context.archive)) as tar:
        return set(tar.getnames())


def content(context: BuildContext, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(context.archive)) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read()


@pytest.fixture
def app(tmp_path: Path) -> Path:
    app = tmp_path / "app"
    app.mkdir()
    for name in ("Dockerfile", "Other", "data"):
        (app / name).write_text(f"FROM scratch\n# {name}\n")
    (app / ".dockerignore").write_text("data\nOther\n")
    (tmp_path / "beside").write_text("FROM scratch\n# beside\n")
    return app


def test_another_dockerfile_comes_along_though_it_is_ignored(app: Path) -> None:
    assert names(build_context(check_build("h1", app))) == {"Dockerfile", ".dockerignore"}
    context = build_context(check_build("h1", app, "Other"))
    assert context.dockerfile == "Other"
    assert "Other" in names(context)
    assert "data" not in names(context)


@pytest.mark.parametrize("said", ["../beside", "FROM scratch\n# text\n"], ids=["file", "text"])
def test_a_dockerfile_from_elsewhere_is_put_beside(app: Path, said: str) -> None:
    context = build_context(check_build("h1", app, said))
    assert content(context, context.dockerfile).startswith(b"FROM scratch\n#")
    assert names(context) >= {"Dockerfile", context.dockerfile}


def test_other_words_are_another_image(app: Path) -> None:
    sources = [
        check_build("h1", app),
        check_build("h1", app, "Other"),
        check_build("h1", app, None, "one"),
        check_build("h1", app, None, None, {"A": "1"}),
        check_build("h1", app, None, None, {"A": "2"}),
    ]
    assert len({build_context(source).digest for source in sources}) == len(sources)
    assert build_context(sources[0]).digest == build_context(sources[0]).digest


def test_folders_of_files_are_in_the_archive_too() -> None:
    context = BuildContext(files_archive({"/Dockerfile": b"FROM scratch", "/a/b": b"c"}))
    assert names(context) == {"Dockerfile", "a", "a/b"}
