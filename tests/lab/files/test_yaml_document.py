"""YAML of strangers: data, places, limits."""

from pathlib import Path

import pytest

from playground.errors import TopologyError
from playground.lab.files import yaml_document
from playground.lab.files.yaml_document import first_key, parse_document, read_document

HERE = Path("x.yaml")


def test_each_part_has_its_line_and_column() -> None:
    document = parse_document(b"a:\n  b: [1, 2]\nc: {d: x}\n", HERE)
    assert document.data == {"a": {"b": [1, 2]}, "c": {"d": "x"}}
    assert str(document.at("a", "b", 1)) == "x.yaml:2:10"
    assert str(document.at("c", "d")) == "x.yaml:3:5"
    assert str(document.at("c", "e", "f")) == "x.yaml:3:1"


def test_words_of_yaml_1_1_are_texts() -> None:
    text = b"[no, on, 12:30, 2020-01-01, 0x10, 1_000, 1e3, .5, ~, 'null', 02:00:00:00:00:11]"
    assert parse_document(text, HERE).data == [
        *("no", "on", "12:30", "2020-01-01", 16, 1000, 1000.0, 0.5, None, "null"),
        "02:00:00:00:00:11",
    ]


def test_keys_are_merged() -> None:
    text = b"base: &b {kind: linux, image: a}\nh1: {<<: *b, image: c}\n"
    assert parse_document(text, HERE).data["h1"] == {"kind": "linux", "image": "c"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"a: [1, 2", "x.yaml:1:"),
        (b"a: b: c\n", "x.yaml:1:5: this is no YAML"),
        (b"a: 1\na: 2\n", "x.yaml:2:1: the key 'a' is there twice"),
        (b"a: !!python/object/apply:os.system ['id']\n", "x.yaml:1:4: the tag"),
        (b"a: !secret x\n", "x.yaml:1:4: the tag"),
        (b"? [1, 2]\n: 3\n", "x.yaml:1:3: a key is a text"),
        (b"a: 1\n---\nb: 2\n", "x.yaml:2: a second document"),
        (b"a: 1\nb: \xff\n", "x.yaml:2: this is no text in UTF-8"),
        (b"a: x\x01y\n", "x.yaml:1:5: this is no YAML"),
        (b"a: *b\n", "x.yaml:1:4: this is no YAML"),
        (b"a: &a [*a]\n", "x.yaml:1:"),
        (b"<<: [1]\n", "x.yaml:1:6: << takes the keys of a mapping"),
        (b"[" * 100 + b"]" * 100, "x.yaml:1:41: this is more than 40 deep"),
        (b"a: " + b"9" * 5000 + b"\n", "x.yaml:1:4: a number of 5,000 digits"),
        (b"a: .inf\n", "x.yaml:1:4: .inf is no number"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_is_no_yaml_of_a_lab_is_told_with_its_line(text: bytes, told: str) -> None:
    with pytest.raises(TopologyError) as error:
        parse_document(text, HERE)
    assert str(error.value).startswith(told)


def test_aliases_of_aliases_do_not_make_a_file_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_document, "MOST_PARTS", 10_000)
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(TopologyError, match="with all its aliases"):
        parse_document("\n".join(lines).encode(), HERE)


def test_a_file_that_nobody_wrote_by_hand_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml_document, "MOST_BYTES", 10)
    path = tmp_path / "x.yaml"
    path.write_text("# a comment of more than ten bytes\n")
    with pytest.raises(TopologyError, match="has more than 10 bytes: is it another file"):
        read_document(path)
    with pytest.raises(TopologyError, match="cannot be read: No such file"):
        read_document(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a: {topology: 1}\n", None),
        ("a: [topology]\ntopology: 1\n", "topology"),
        ("a: !reset null\nb: *x\n? {playground: 1}\n: x\nplayground: 1\n", "playground"),
        ("topology\n", None),
        ("[topology, 1]\n", None),
        ("a: topology\n", None),
        ("", None),
        ('{"playground": 1}', "playground"),
    ],
)
def test_the_first_key_tells_kinds_of_files_apart(tmp_path: Path, text: str, key: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    assert first_key(path, ("playground", "topology")) == key


def test_a_file_that_is_no_yaml_has_no_keys(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: 1\nb: [\n")
    with pytest.raises(TopologyError, match=r"x\.yaml:3:1: this is no YAML"):
        first_key(path, ("playground",))
