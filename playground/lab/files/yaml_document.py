"""YAML of strangers as plain data, each part with its line and column.

ruamel.yaml (https://pypi.org/project/ruamel.yaml/) reads YAML 1.2 into nodes; data is made of them
here, so that no tag makes an object, and a file is bounded in bytes, depth, and parts.

"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import field
from pathlib import Path
from typing import Any

from playground.errors import TopologyError
from playground.lab.declarations.shapes import FilePlace
from playground.lab.files.bounded_files import read_bounded
from playground.model.arguments import shown
from playground.model.records import dataclass

# A lab of 10,000 nodes has some 3 MB; Python's own stack ends at about 1,000 frames, and a part
# of a document takes several.
MOST_BYTES = 16 * 2**20
MOST_DEPTH = 40
# With all aliases (*name) written out: nine in each of nine lines are 9^9.
MOST_PARTS = 100_000

# The way to a part: keys of mappings, and numbers in lists from 0.
Way = tuple[Any, ...]


@dataclass
class Document:
    """A YAML document: its data, and the place of each part; a key's place is its mapping's."""

    path: Path
    data: Any
    places: dict[Way, FilePlace] = field(default_factory=dict)

    def at(self, *way: Any) -> FilePlace:
        """Return the place of a part, or of the nearest around it."""
        while way and way not in self.places:
            way = way[:-1]
        return self.places.get(way, FilePlace(self.path, 1))

    def refuse(self, way: Way, why: str) -> TopologyError:
        """Return an error that tells of a part's place."""
        return TopologyError(f"{self.at(*way)}: {why}")


def read_document(path: Path) -> Document:
    """Read a file of YAML, or JSON, of one document.

    Raises `TopologyError`, with line and column, for what cannot be read, is no YAML, has a key
    twice or a tag of a stranger's, or is larger than anybody writes.

    """
    return parse_document(read_bounded(path, MOST_BYTES), path)


def parse_document(content: bytes, path: Path) -> Document:
    """Return what `read_document` does, of a file's content."""
    from ruamel.yaml import YAML  # only whoever reads a file waits for it

    text = _decoded(content, path)
    yaml = YAML(typ="safe", pure=True)
    document = Document(path, None)
    with _told_with_line(path, text):
        for _ in _checked_events(path, yaml.parse(text)):
            pass
        node = yaml.compose(text)
    if node is not None:
        document.data = _Maker(document).make(node, ())
    return document


def first_key(path: Path, keys: Collection[str]) -> str | None:
    """Return which of these keys a file's mapping has first; None where it has none of them.

    No more is looked at than its keys, whatever tags its parts have.  Raises `TopologyError` as
    `read_document` does for what is no YAML.

    """
    from ruamel.yaml import YAML

    text = _decoded(read_bounded(path, MOST_BYTES), path)
    with _told_with_line(path, text):
        return next(
            (
                key
                for key in _keys(_checked_events(path, YAML(pure=True).parse(text)))
                if key in keys
            ),
            None,
        )


def _keys(events: Iterable[Any]) -> Iterator[str]:
    """Yield the keys of the mapping that a document is, from its events."""
    depth, is_key = 0, False
    for event in events:
        kind = type(event).__name__
        if kind.endswith(("MappingEndEvent", "SequenceEndEvent")):
            depth -= 1
        if depth == 1 and not kind.endswith("EndEvent"):
            is_key = not is_key
            if is_key and kind == "ScalarEvent":
                yield event.value
        if kind.endswith(("MappingStartEvent", "SequenceStartEvent")):
            depth += 1
            if depth == 1 and kind.endswith("SequenceStartEvent"):
                return


def _decoded(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TopologyError(f"{path}:{line}: this is no text in UTF-8") from error


@contextlib.contextmanager
def _told_with_line(path: Path, text: str) -> Iterator[None]:
    """Raise `TopologyError`, with line and column, for what ruamel.yaml cannot read here."""
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        yield
    except TopologyError:  # which is a ValueError
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = FilePlace(path, mark.line + 1, mark.column + 1) if mark else FilePlace(path)
        reason = " ".join(str(error.problem or error.context or "it cannot be read").split())
        raise TopologyError(f"{where}: this is no YAML: {reason}") from error
    except (YAMLError, ValueError, RecursionError, AssertionError, KeyError) as error:
        # Of a sign that no YAML has ruamel.yaml tells no line.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise TopologyError(f"{_bad_letter(path, text)}: this is no YAML: {reason}") from error


def _bad_letter(path: Path, text: str) -> FilePlace:
    match = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    if match is None:
        return FilePlace(path)
    line = text.count("\n", 0, match.start()) + 1
    return FilePlace(path, line, match.start() - text.rfind("\n", 0, match.start()))


def _checked_events(path: Path, events: Iterator[Any]) -> Iterator[Any]:
    """Yield events, and refuse what is deeper than anybody writes: nothing recurses into it."""
    depth = documents = 0
    for event in events:
        kind = type(event).__name__
        depth += kind.endswith(("MappingStartEvent", "SequenceStartEvent"))
        depth -= kind.endswith(("MappingEndEvent", "SequenceEndEvent"))
        documents += kind == "DocumentStartEvent"
        mark = event.start_mark
        if depth > MOST_DEPTH:
            raise TopologyError(
                f"{FilePlace(path, mark.line + 1, mark.column + 1)}: this is more than "
                f"{MOST_DEPTH} deep, which no lab file is"
            )
        if documents > 1:
            raise TopologyError(
                f"{FilePlace(path, mark.line + 1)}: a second document begins here (---); a lab "
                "file has one"
            )
        yield event


class _Maker:
    """Makes plain data of nodes."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.parts = 0
        self.within: list[int] = []

    def make(self, node: Any, way: Way) -> Any:
        place = self._place(node)
        self.document.places.setdefault(way, place)
        self.parts += 1
        if self.parts > MOST_PARTS:
            raise TopologyError(
                f"{place}: the file has more than {MOST_PARTS:,} parts with all its aliases "
                "(*name) written out; write fewer aliases of what has aliases itself"
            )
        if id(node) in self.within or len(self.within) > MOST_DEPTH:
            raise TopologyError(f"{place}: an alias (*name) here stands within itself")
        self.within.append(id(node))
        try:
            return self._made(node, way, place)
        finally:
            self.within.pop()

    def _made(self, node: Any, way: Way, place: FilePlace) -> Any:
        tag = str(node.tag or "").removeprefix("tag:yaml.org,2002:")
        kind = type(node).__name__
        if kind == "MappingNode" and tag == "map":
            return self._mapping(node, way)
        if kind == "SequenceNode" and tag == "seq":
            return [self.make(item, (*way, number)) for number, item in enumerate(node.value)]
        if kind == "ScalarNode":
            return _scalar(tag, node.value, place)
        raise TopologyError(f"{place}: the tag {shown(tag)} means nothing in a lab file; leave it")

    def _mapping(self, node: Any, way: Way) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            place = self._place(key_node)
            if type(key_node).__name__ != "ScalarNode":
                raise TopologyError(f"{place}: a key is a text or a number, and no list or mapping")
            tag = str(key_node.tag or "").removeprefix("tag:yaml.org,2002:")
            if tag == "merge" or (key_node.value == "<<" and key_node.style is None):
                merged = self._merged(value_node, way) | merged
                continue
            key = _scalar(tag, key_node.value, place)
            if key in found:
                raise TopologyError(f"{place}: the key {shown(key)} is there twice; leave one out")
            self.document.places[*way, key] = place
            found[key] = self.make(value_node, (*way, key))
        return merged | found

    def _merged(self, node: Any, way: Way) -> dict[Any, Any]:
        """Return what a merge key (<<) brings: https://yaml.org/type/merge.html."""
        nodes = node.value if type(node).__name__ == "SequenceNode" else [node]
        found: dict[Any, Any] = {}
        for one in nodes:
            if type(one).__name__ != "MappingNode":
                raise TopologyError(
                    f"{self._place(one)}: << takes the keys of a mapping, and this is none"
                )
            found = self.make(one, way) | found
        return found

    def _place(self, node: Any) -> FilePlace:
        mark = node.start_mark
        return FilePlace(self.document.path, mark.line + 1, mark.column + 1)


def _scalar(tag: str, text: str, place: FilePlace) -> Any:
    match tag:
        case "null":
            return None
        case "bool":
            return text.lower() in ("true", "yes", "on")
        case "int":
            return _whole(text, place)
        case "float":
            return _float(text, place)
        case "str" | "timestamp" | "value" | "merge" | "":
            return text
    raise TopologyError(f"{place}: the tag {shown(tag)} means nothing in a lab file; leave it out")


def _whole(text: str, place: FilePlace) -> int | str:
    digits = text.replace("_", "").lower()
    if len(digits) > 100:
        raise TopologyError(
            f"{place}: a number of {len(digits):,} digits is none that anybody needs"
        )
    try:
        return int(digits, 0) if digits.lstrip("+-").startswith(("0x", "0o", "0b")) else int(digits)
    except ValueError:  # 12:30 of YAML 1.1, and the like
        return text


def _float(text: str, place: FilePlace) -> float | str:
    try:
        number = float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return text
    if not math.isfinite(number):
        raise TopologyError(f"{place}: {text} is no number that can be used; write one")
    return number
