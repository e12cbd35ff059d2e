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
        ("a: 1", "this is no lab file"),
        ("services: {a: {image: '${X:?say it}'}}", r":1: \$X must be set: say it"),
        ("services: {a: {image: 'x$'}}", r"write \$\$ for one"),
        ("services:\n  a:\n    image: x\n    prts: [80]", r":4: .*did you mean ports"),
        ("services: {a: {image: x}}\nzzzz: 1", r":2: compose files know no zzzz. A key"),
        ("services:\n  a:\n    image: x\n    networks: [nope]", r"nope"),
        ("services:\n  a:\n    extends: b", r":3: b is no service of .*; it has a"),
        ("services:\n  a: {extends: b}\n  b: {extends: a}", r":[23]: services extend each other"),
        ("services:\n  a: {extends: {file: no.yaml, service: b}}", r":2: there is no file .*no.y"),
        ("services:\n  a:\n    image: x\n    cpus: abc", r":4: services\.a\.cpus: .*float"),
        ("services:\n  a:\n    image: x\n    ports: 80", r":4: services\.a\.ports: 80 is no list"),
        ("include: [b.yaml]\nservices: {a: {image: x}}", r":1: there is no file .*b\.yaml"),
        ("include: [compose.yaml]\nservices: {a: {image: x}}", r"to each other without end"),
    ],
    ids=range(14),
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


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"A=1\nB='x\nC=2\n", r"\.env:2: \"B='x\" sets no variable; write NAME=VALUE"),
        (b"A=1\n=2\n", r"\.env:2: '=2' sets no variable"),
        (b"A=1\nB=\xff\n", r"\.env:2: this is no text in UTF-8"),
    ],
)
def test_a_line_of_an_env_file_that_sets_nothing_is_told(
    tmp_path: Path, content: bytes, told: str
) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(TopologyError, match=told):
        read_variables(tmp_path / ".env")


def test_a_text_that_cannot_be_is_shown_in_short() -> None:
    file = ComposeFile(Path("compose.yaml"), {}, {}, {})
    with pytest.raises(TopologyError, match="begins no variable") as refusal:
        fill(file, "x" * 100_000 + "$(", ())
    assert len(str(refusal.value)) < 300


def test_a_service_extends_others_of_this_file_and_of_another(write: Write, tmp_path: Path) -> None:
    (tmp_path / "common").mkdir()
    write(
        """
        services:
          base:
            image: x:${TAG}
            env_file: base.env
            environment: [A=1, B=2]
            volumes: ["./data:/data"]
          middle: {extends: base, command: middle}
        """,
        "common/common.yaml",
    )
    path = write(
        """
        services:
          own: {image: y, ports: ["80"]}
          a:
            extends: {file: common/common.yaml, service: middle}
            environment: {B: 3}
          b: {extends: {service: own}, ports: ["90"]}
        """
    )
    services = read_compose(path, {"TAG": "7"}).data["services"]
    folder = tmp_path / "common"
    assert services["a"]["image"] == "x:7"
    assert services["a"]["command"] == "middle"
    assert services["a"]["environment"] == {"A": "1", "B": 3}
    assert services["a"]["env_file"] == [f"{folder}/base.env"]
    assert services["b"]["image"] == "y"
    assert len(services["b"]["ports"]) == 2
    assert "extends" not in services["a"]


def test_lines_of_what_is_extended_are_those_of_its_file(write: Write) -> None:
    write("services:\n  base:\n    image: x\n    pid: host", "common.yaml")
    path = write("services:\n  a:\n    extends: {file: common.yaml, service: base}")
    file = read_compose(path, {})
    assert file.at("services", "a", "pid") == f"{path.parent / 'common.yaml'}:4"
    assert file.at("services", "a") == f"{path}:2"


def test_files_that_are_included_have_folders_and_variables_of_their_own(
    write: Write, tmp_path: Path
) -> None:
    (tmp_path / "part").mkdir()
    write("services: {db: {image: 'x:${TAG}', build: .}}\nnetworks: {back: }", "part/compose.yaml")
    write("TAG=9", "part/.env")
    write("services: {c: {image: z}}", "more.yaml")
    write("services: {c: {command: over}}", "over.yaml")
    path = write(
        """
        include:
          - part/compose.yaml
          - path: [more.yaml, over.yaml]
        services: {a: {image: y, networks: [back], depends_on: [db]}}
        """
    )
    file = read_compose(path, {})
    services = file.data["services"]
    assert set(services) == {"a", "db", "c"}
    assert services["db"]["image"] == "x:9"
    assert services["db"]["build"] in (str(tmp_path / "part"), {"context": str(tmp_path / "part")})
    assert services["c"]["command"] == "over"
    write("services: {a: {image: other}}", "more.yaml")
    with pytest.raises(TopologyError, match=r":4: .*more\.yaml has services\.a too"):
        read_compose(path, {})


def test_a_folder_s_override_counts_and_so_do_several_files(write: Write, tmp_path: Path) -> None:
    path = write("services: {a: {image: x, command: one, ports: ['80']}}")
    other = write("services: {a: {command: [two]}, b: {image: y}}", "compose.override.yaml")
    merged = {"image": "x", "command": ["two"], "ports": ["80"]}
    for paths in (tmp_path, [path, other]):
        services = read_compose(paths, {}).data["services"]
        found = services["a"]
        assert {**found, "ports": [str(port) for port in found["ports"]]} == merged
        assert set(services) == {"a", "b"}
    assert read_compose(path, {}).data["services"]["a"]["command"] == "one"
    with pytest.raises(TopologyError, match="no compose file is named"):
        read_compose([], {})


def test_a_later_file_takes_away_and_replaces(write: Write) -> None:
    below = write("""\
        services:
          a:
            image: x
            ports: ['80', '443']
            environment: [A=1, B=2]
            healthcheck: {test: [CMD, probe], retries: 3}
            networks: [front]
          gone: {image: y}
        networks: {front: {internal: true}}
        """)
    above = write(
        """\
        services:
          a:
            ports: !override ['8080']
            environment: {B: !reset null, C: three}
            healthcheck: !override {disable: true}
            networks: !reset []
          gone: !reset null
        """,
        "test.yaml",
    )
    services = read_compose([below, above], {}).data["services"]
    assert set(services) == {"a"}
    a = services["a"]
    assert [str(port) for port in a["ports"]] == ["8080"]
    assert a["environment"] == {"A": "1", "C": "three"}
    assert a["healthcheck"] == {"disable": True}
    assert "networks" not in a


def test_what_is_extended_is_replaced_too(write: Write) -> None:
    file = read_compose(
        write("""\
        services:
          base: {image: x, ports: ['80'], command: run}
          b: {extends: base, ports: !override ['90'], command: !reset null}
        """),
        {},
    )
    assert [str(port) for port in file.data["services"]["b"]["ports"]] == ["90"]
    assert "command" not in file.data["services"]["b"]
    assert file.at("services", "b", "ports", 0).endswith("compose.yaml:3")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services: {a: {image: x, ports: [!reset '80']}}", r":1: !reset stands before the value"),
        ("services: {a: {image: !vault x}}", r":1: this is no YAML: .*'!vault'"),
    ],
)
def test_a_tag_that_means_nothing_is_refused(write: Write, text: str, words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        read_compose(write(text), {})
