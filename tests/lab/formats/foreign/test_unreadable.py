"""Errors of readers, told with the file's name."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

import playground
from playground.errors import LabWarning, NodeDied, TopologyError
from playground.lab.formats.foreign.unreadable import told_as_unreadable


def test_a_foreign_error_is_told_with_the_file() -> None:
    for error in (KeyError("line"), TypeError("x"), RecursionError("deep"), OverflowError("big")):
        words = pytest.raises(TopologyError, match=r"a\.yaml cannot be read as a lab: ")
        with words as told, told_as_unreadable("a.yaml"):
            raise error
        assert told.value.__cause__ is error
    words = pytest.raises(TopologyError, match="lab: File name too long")
    with words, told_as_unreadable("a.yaml"):
        Path("x" * 300).stat()


def test_our_own_errors_and_warnings_stay_as_they_are() -> None:
    with pytest.raises(NodeDied), told_as_unreadable("a.yaml"):
        raise NodeDied("h1")
    with warnings.catch_warnings(), pytest.raises(LabWarning):
        warnings.simplefilter("error")
        with told_as_unreadable("a.yaml"):
            warnings.warn("x", LabWarning, stacklevel=1)


LONG = "x" * 300


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lab.yaml", "playground: 1\nnodes: {a: , b: }\nlinks: [{nodes: [a, b], id: [1]}]\n"),
        ("lab.yaml", "playground: 1\nnodes: {a: {files: {/x: {path: ~nosuchuser/x}}}}\n"),
        ("lab.conf", f"a[{'1' * 5000}]=A\n"),
        ("x.clab.yml", "topology: {nodes: {a: {kind: frr, startup-config: ~nosuchuser/x}}}\n"),
        ("compose.yaml", f"services: {{a: {{image: x, env_file: {LONG}}}}}\n"),
        ("compose.yaml", "services: {a: {image: x, env_file: ~nosuchuser/x}}\n"),
        ("compose.yaml", "services: {a: {image: x, volumes: ['~nosuchuser/x:/x']}}\n"),
        ("compose.yaml", f"include: [{LONG}]\nservices: {{a: {{image: x}}}}\n"),
    ],
)
def test_no_file_raises_a_foreign_error(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(TopologyError):
        playground.load(tmp_path / name, quiet=True, strict=True)


def test_a_startup_config_of_a_name_too_long_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "x.clab.yml"
    path.write_text(f"topology: {{nodes: {{a: {{kind: frr, startup-config: {LONG}}}}}}}\n")
    with pytest.raises(TopologyError, match="File name too long"):
        playground.load(path, quiet=True)
    with pytest.raises(TopologyError, match="File name too long"):
        playground.load(LONG)
