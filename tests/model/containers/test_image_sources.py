"""Where images come from, as declared: directories, other Dockerfiles, stages, values of ARGs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from playground import Host
from playground.errors import TopologyError
from playground.model.containers.image_sources import ImageSource, check_build, is_reference

TEXT = "FROM scratch AS one\nFROM one AS two\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Dockerfile").write_text(TEXT)
    (tmp_path / "app" / "Dockerfile.test").write_text(TEXT)
    (tmp_path / "beside").write_text(TEXT)
    return tmp_path


def test_a_directory_is_built_by_its_dockerfile_or_by_another(place: Path) -> None:
    app = place / "app"
    assert check_build("h1", app) == ImageSource("directory", str(app))
    assert check_build("h1", app, "./Dockerfile") == ImageSource("directory", str(app))
    named = check_build("h1", app, "Dockerfile.test")
    assert (named.dockerfile_path, named.dockerfile_text) == (app / "Dockerfile.test", None)
    assert check_build("h1", app, "../beside").dockerfile_path == place / "beside"
    text = check_build("h1", app, TEXT)
    assert (text.kind, text.value, text.dockerfile_text) == ("directory", str(app), TEXT)


def test_a_stage_and_values_of_args_are_kept(place: Path) -> None:
    app = place / "app"
    source = check_build("h1", app, None, "two", {"VERSION": 3, "A": "b"})
    assert (source.target, source.args) == ("two", (("A", "b"), ("VERSION", "3")))
    assert source.title == f"the stage two of {app}"
    assert check_build("h1", TEXT, build_target=0).target == "0"
    host = Host("h1", build=TEXT, build_target="one", build_args={"A": "b"})
    words = "build=<2 lines>, build_target='one', build_args={'A': 'b'}"
    assert repr(host) == f"Host('h1', {words})"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"dockerfile": "none"}, r"dockerfile='none': there is no file .*/app/none; name one as"),
        ({"dockerfile": "a\nb"}, "without a FROM"),
        ({"dockerfile": 5}, "is no path"),
        ({"build_target": "a b"}, "is no stage of a Dockerfile"),
        ({"build_target": True}, "is no stage of a Dockerfile"),
        ({"build_args": ["A=b"]}, "says no values of ARGs"),
        ({"build_args": {"A-B": "b"}}, "is no name of an ARG"),
        ({"build_args": {"A": ["b"]}}, "A=.* is no text"),
    ],
    ids=range(8),
)
def test_what_cannot_be_built_is_refused(place: Path, said: dict[str, Any], words: str) -> None:
    with pytest.raises(TopologyError, match=f"^h1: .*{words}"):
        check_build("h1", place / "app", **said)


def test_a_text_has_no_second_dockerfile() -> None:
    with pytest.raises(TopologyError, match="names another one; leave one out"):
        check_build("h1", TEXT, "Dockerfile")


def test_names_with_digests_are_references() -> None:
    assert is_reference(f"registry.example.com:5000/a/b:1@sha256:{'0' * 64}")
    assert not is_reference("a@sha256:0")


def test_a_file_that_is_no_archive_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("hello\n")
    with pytest.raises(TopologyError, match=r"file\.txt is no archive of an image; write one with"):
        Host("h1", image=tmp_path / "file.txt")
    (tmp_path / "packed").write_bytes(b"\x28\xb5\x2f\xfd...")
    assert Host("h1", image=tmp_path / "packed").container.source is not None


def test_an_archive_that_is_there_is_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("web.tar", "nginx"):
        (tmp_path / name).touch()
    with pytest.raises(TopologyError, match=r"for a saved archive write image=Path\('web.tar'\)"):
        Host("h1", image="web.tar")
    assert Host("h1", image="nginx").container.source == ImageSource("reference", "nginx")
