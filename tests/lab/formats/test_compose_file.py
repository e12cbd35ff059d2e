"""Compose files read: variables, lines, and what is none."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from playground.errors import TopologyError
from playground.lab.formats.compose_file import ComposeFile, fill, read_compose, read_variables

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, name: str = "compose.yaml") -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return write


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("$A-$B", "one-"),
        ("${A}", "one"),
        ("$$A", "$A"),
        ("${B:-two}/${B-two}", "two/"),
        ("${C-three}", "three"),
        ("${C:-${A}}", "one"),
        ("${C:-${B:-${A}}}", "one"),
        ("${A:+set}${B:+set}${B+set}", "setset"),
        ("${C:-}", ""),
    ],
)
def test_variables_are_put_in_as_the_specification_says(text: str, filled: str) -> None:
    file = ComposeFile(Path("compose.yaml"), {}, {}, {"A": "one", "B": ""})
    assert fill(file, text, ()) == filled
    assert file.left_out == []


def test_a_variable_that_nobody_set_is_told(write: Write) -> None:
    file = read_compose(write("services:\n  a:\n    image: x\n    command: $WHO"), {})
    assert file.left_out == [
        f"{file.path}:4: services.a.command names $WHO, which is not set, and is empty there"
    ]


def test_a_file_beside_it_sets_variables(write: Write) -> None:
    path = write("services:\n  a:\n    image: x:${TAG}\n    user: ${WHO:?say who}")
    write("TAG=7\nWHO=nobody\n", ".env")
    file = read_compose(path.parent, {"WHO": "me"})
    assert file.data["services"]["a"] == {"image": "x:7", "user": "me"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services: [", r":1: this is no YAML"),
        ("a: 1", "it has no services"),
        ("services: {a: {image: '${X:?say it}'}}", r":1: \$X must be set: say it"),
        ("services: {a: {image: 'x$'}}", r"write \$\$ for one"),
        ("services:\n  a:\n    image: x\n    prts: [80]", r":4: .*did you mean ports"),
        ("services: {a: {image: x}}\nzzzz: 1", r":2: compose files know no zzzz. A key"),
        ("services:\n  a:\n    image: x\n    networks: [nope]", r"nope"),
        ("services:\n  a:\n    extends: b", r":3: extends is not read"),
        ("services:\n  a:\n    image: x\n    cpus: abc", r":4: services\.a\.cpus: .*float"),
        ("include: [b.yaml]\nservices: {a: {image: x}}", r":1: include is not read"),
    ],
    ids=range(10),
)
def test_what_is_no_compose_file_is_refused_with_its_line(
    write: Write, text: str, words: str
) -> None:
    with pytest.raises(TopologyError, match=words):
        read_compose(write(text), {})


def test_a_service_may_be_called_by_a_number(write: Write) -> None:
    file = read_compose(write("services:\n  1:\n    image: x\n    restart: on-failure:3"), {})
    assert file.data["services"]["1"]["restart"] == "on-failure:3"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match="cannot be read: No such file"):
        read_compose(tmp_path / "compose.yaml")
    with pytest.raises(TopologyError, match="there is no compose file in"):
        read_compose(tmp_path)


def test_variables_of_variables_do_not_grow_without_end(write: Write) -> None:
    path = write("services:\n  a:\n    image: busybox:${A29}\n")
    rows = ["A0=xxxxxxxxxx", *(f"A{n}=" + f"${{A{n - 1}}}" * 10 for n in range(1, 30))]
    write("\n".join(rows), ".env")
    with pytest.raises(TopologyError, match=r"\.env comes to more than 4,194,304 characters"):
        read_compose(path, {})


def test_variables_of_a_file_do_not_grow_it_without_end(write: Write) -> None:
    path = write("services:\n  a:\n    image: " + "${A}" * 50)
    with pytest.raises(TopologyError, match=r"compose\.yaml comes to more than"):
        read_compose(path, {"A": "x" * 100_000})


def test_a_variable_of_an_env_file_may_name_those_above_it(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAYGROUND_TEST_OUTSIDE", "out")
    monkeypatch.setenv("B", "not this")
    path = write("A=1\nB=${A}2\nC=${B}${D:-4}${PLAYGROUND_TEST_OUTSIDE}\nE='$A'\nF\n", ".env")
    assert read_variables(path) == {"A": "1", "B": "12", "C": "124out", "E": "$A"}


def test_a_text_that_cannot_be_is_shown_in_short() -> None:
    file = ComposeFile(Path("compose.yaml"), {}, {}, {})
    with pytest.raises(TopologyError, match="begins no variable") as refusal:
        fill(file, "x" * 100_000 + "$(", ())
    assert len(str(refusal.value)) < 300
