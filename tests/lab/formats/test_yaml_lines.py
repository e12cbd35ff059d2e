"""YAML that is more than it looks like."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from playground.errors import TopologyError
from playground.lab.formats import yaml_lines
from playground.lab.formats.yaml_lines import read_yaml

SEQUENCES = "x0: &x0 [a, a, a, a, a, a, a, a, a]\n" + "".join(
    f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 9)
)
MERGES = "x0: &x0 {a: 1}\n" + "".join(
    f"x{n}: &x{n} {{<<: [{', '.join([f'*x{n - 1}'] * 9)}]}}\n" for n in range(1, 9)
)


@pytest.mark.parametrize("text", [SEQUENCES, MERGES, SEQUENCES + "? *x8\n: x\n"])
def test_aliases_of_aliases_are_not_written_out(tmp_path: Path, text: str) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(text)
    begun = time.process_time()
    with pytest.raises(TopologyError, match=r"compose\.yaml:[56]: .* more than 100,000 parts"):
        read_yaml(file, "compose")
    assert time.process_time() - begun < 2


def test_aliases_are_read_as_what_they_stand_for(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text("a: &a [1, 2]\nb:\n  c: *a\n  d: &d {e: *a}\n  f: {<<: *d}\n")
    data, lines, _ = read_yaml(file, "compose")
    assert data["b"] == {"c": [1, 2], "d": {"e": [1, 2]}, "f": {"e": [1, 2]}}
    assert lines["b", "d"] == 4


def test_tags_of_a_format_are_told_and_others_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(
        'a: !reset\nb: {c: !over [1, 2], d: !over "8"}\ne: !over 8\nf: &f !over {g: x}\nh: *f\n'
    )
    data, _, tags = read_yaml(file, "compose", ("!reset", "!over"))
    f = {"g": "x"}
    assert data == {"a": None, "b": {"c": [1, 2], "d": "8"}, "e": 8, "f": f, "h": f}
    assert tags == {
        ("a",): "!reset",
        **dict.fromkeys([("b", "c"), ("b", "d"), ("e",), ("f",), ("h",)], "!over"),
    }
    with pytest.raises(TopologyError, match=r"compose\.yaml:\d: .*'!over'"):
        read_yaml(file, "compose", ("!reset",))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "compose.yaml")
    with pytest.raises(TopologyError, match="it is no regular file"):
        read_yaml(tmp_path / "compose.yaml", "compose")


def test_a_file_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_lines, "_MOST_BYTES", 10)
    (tmp_path / "a.yaml").write_text("a: 123456789\n")
    with pytest.raises(TopologyError, match="has more than 10 bytes"):
        read_yaml(tmp_path / "a.yaml", "compose")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nx: &x [*x]\n", ":2: an alias (*name) stands within itself"),
        ("a: 1\nx: &x {b: {c: *x}}\n", ":2: an alias (*name) stands within itself"),
        ("a: 1\nx: " + "9" * 5000, ":2: a number of 5,000 digits is none that anybody needs"),
    ],
)
def test_what_stands_in_itself_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "compose.yaml"
    path.write_text(text)
    with pytest.raises(TopologyError) as error:
        read_yaml(path, "compose")
    assert str(error.value) == f"{path}{told}"
