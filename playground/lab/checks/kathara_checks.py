"""The file of kathara-lab-checker (JSON), read: what it wants of a lab, each with its place.

See the README of https://github.com/KatharaFramework/kathara-lab-checker for the format.  Pure:
`file_checks` asks a lab.

"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from playground.errors import TopologyError
from playground.lab.declarations.shapes import FilePlace
from playground.lab.files.bounded_files import read_bounded
from playground.lab.files.yaml_document import MOST_BYTES, Document, Way, parse_document
from playground.model.arguments import shown

# Known, and of no matter to a lab that runs already: which folders are labs, how long is waited.
_PASSED_OVER = ("labs_path", "convergence_time", "default_image")


class FileCheck(NamedTuple):
    """One thing that a file wants: what is asked of which node, and whether it should be so.

    ``kind`` "" is what nobody here can check, and ``value`` says why.

    """

    place: FilePlace
    kind: str
    node: str
    value: Any
    wanted: bool = True

    @property
    def words(self) -> str:
        """It as a line."""
        value = self.value if isinstance(self.value, str) else shown(self.value)
        return " ".join(filter(None, (self.node, "not" * (not self.wanted), self.kind, value)))


def read_checks(path: Path) -> list[FileCheck]:
    """Return what a file wants, in its order; unknown keys are among it, as what is not checked.

    Raises `TopologyError`, with line and column, for what is no JSON or has another shape.

    """
    content = read_bounded(path, MOST_BYTES)
    try:
        json.loads(content)
    except RecursionError:
        raise TopologyError(f"{path}: it is nested deeper than anybody writes") from None
    except json.JSONDecodeError as error:
        where = FilePlace(path, error.lineno, error.colno)
        raise TopologyError(f"{where}: this is no JSON: {error.msg}") from None
    except ValueError as error:  # no text
        raise TopologyError(f"{path}: this is no JSON: {error}") from None
    # JSON is YAML 1.2 but for tabs between its words.
    document = parse_document(content.replace(b"\t", b" "), path)
    return [*_CheckerFile(document).checks()]


class _CheckerFile:
    """A walk through the keys of one file."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def checks(self) -> Iterator[FileCheck]:
        data = self._mapping(self._document.data, ())
        if "test" not in data:
            raise self._document.refuse((), "there is no key 'test', with what is to be checked")
        for key in data:
            if key == "test":
                yield from self._tests()
            elif key not in _PASSED_OVER:
                yield self._unknown((key,), f"{key}: nothing is known of this key")

    def _tests(self) -> Iterator[FileCheck]:
        known = {
            "ip_mapping": self._addresses,
            "daemons": lambda way: self._lists(way, "runs"),
            "kernel_routes": lambda way: self._lists(way, "has the route"),
            "protocols": self._protocols,
            "applications": self._applications,
            "reachability": lambda way: self._lists(way, "reaches"),
            "custom_commands": self._commands,
        }
        for key in self._mapping(self._at(("test",)), ("test",)):
            way = ("test", key)
            if key in known:
                yield from known[key](way)
            elif key == "requiring_startup":
                yield self._unknown(way, f"{key}: a lab that runs has no startup files any more")
            else:
                yield self._unknown(way, f"{key}: nothing is known of this key")

    def _addresses(self, way: Way) -> Iterator[FileCheck]:
        for node, interfaces in self._mapping(self._at(way), way).items():
            for name, addresses in self._mapping(interfaces, (*way, node)).items():
                here = (*way, node, name)
                interface = f"eth{name}" if str(name).isdigit() else str(name)
                several = addresses if isinstance(addresses, list) else [addresses]
                for address in several:
                    wanted = (interface, self._text(address, here))
                    yield FileCheck(self._place(here), "has the address", node, wanted)

    def _lists(self, way: Way, kind: str) -> Iterator[FileCheck]:
        """Yield what stands in lists by node; what begins with ! should not be so."""
        for node, items in self._mapping(self._at(way), way).items():
            here = (*way, node)
            if not isinstance(items, list):
                raise self._document.refuse(here, f"{shown(items)} is no list")
            for number, item in enumerate(items):
                yield self._item((*here, number), kind, node, item)

    def _item(self, way: Way, kind: str, node: str, item: Any) -> FileCheck:
        hops: list[str] = []
        if kind == "has the route" and isinstance(item, list) and len(item) == 2:
            item, listed = item  # the route, and its next hops
            hops = [self._text(hop, way) for hop in (listed if isinstance(listed, list) else [])]
        text = self._text(item, way)
        wanted = not text.startswith("!")
        text = text.removeprefix("!")
        return FileCheck(self._place(way), kind, node, [text, hops] if hops else text, wanted)

    def _protocols(self, way: Way) -> Iterator[FileCheck]:
        for daemon, said in self._mapping(self._at(way), way).items():
            for key in self._mapping(said, (*way, daemon)):
                here = (*way, daemon, key)
                if key == "injections":
                    protocol = str(daemon).removesuffix("d")
                    yield from self._lists(here, f"redistributes into {protocol}")
                elif daemon == "bgpd" and key == "peerings":
                    yield from self._lists(here, "has a BGP session with")
                elif daemon == "bgpd" and key == "networks":
                    yield from self._lists(here, "announces by BGP")
                else:
                    yield self._unknown(here, f"{daemon} {key}: nothing is known of this key")

    def _applications(self, way: Way) -> Iterator[FileCheck]:
        for key, said in self._mapping(self._at(way), way).items():
            if key != "dns":
                yield self._unknown((*way, key), f"{key}: nothing is known of this key")
                continue
            for name, by in self._mapping(said, (*way, key)).items():
                here = (*way, key, name)
                kinds = {
                    "authoritative": "has authority for",
                    "local_ns": "asks the name server",
                    "reachability": "reaches by name",
                }
                if name not in kinds:
                    yield self._unknown(here, f"dns {name}: nothing is known of this key")
                    continue
                for value in self._mapping(by, here):
                    # The other way round: what is asked for stands before who asks.
                    for check in self._lists_below((*here, value)):
                        yield check._replace(kind=kinds[name], value=str(value))

    def _lists_below(self, way: Way) -> Iterator[FileCheck]:
        items = self._at(way)
        several = items if isinstance(items, list) else [items]
        for number, item in enumerate(several):
            check = self._item((*way, number), "", "", item)
            yield check._replace(node=check.value)

    def _commands(self, way: Way) -> Iterator[FileCheck]:
        for node, items in self._mapping(self._at(way), way).items():
            several = items if isinstance(items, list) else [items]
            for number, item in enumerate(several):
                here = (*way, node, number)
                said = self._mapping(item, here)
                for key in said.keys() - {"command", "exit_code", "output", "regex_match"}:
                    yield self._unknown((*here, key), f"{key}: nothing is known of this key")
                if not isinstance(said.get("command"), str):
                    raise self._document.refuse(here, "there is no command, as a text")
                if why := _unsound(said.get("regex_match")):
                    yield self._unknown((*here, "regex_match"), why)
                    continue
                yield FileCheck(self._place(here), "says as it should", node, dict(said))

    # ... parts of the document

    def _at(self, way: Way) -> Any:
        data = self._document.data
        for key in way:
            data = data[key]
        return data

    def _mapping(self, data: Any, way: Way) -> dict[Any, Any]:
        if not isinstance(data, dict):
            raise self._document.refuse(way, f"{shown(data)} has no keys, and should")
        return data

    def _text(self, item: Any, way: Way) -> str:
        if not isinstance(item, str) or not item.strip():
            raise self._document.refuse(way, f"{shown(item)} is no text")
        return item.strip()

    def _unknown(self, way: Way, why: str) -> FileCheck:
        return FileCheck(self._place(way), "", "", why)

    def _place(self, way: Way) -> FilePlace:
        return self._document.at(*way)


def _unsound(pattern: object) -> str:
    """Return why something is no regular expression; "" for one, and for None."""
    if pattern is None:
        return ""
    if not isinstance(pattern, str):
        return f"{shown(pattern)} is no regular expression: write a text"
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"{shown(pattern)} is no regular expression: {error}"
    return ""
