"""A topology of containerlab as checked data: variables put in, defaults handed down.

https://containerlab.dev/manual/topo-def-file/ says what may stand in such a file: ``defaults``,
then ``kinds``, then ``groups`` give a node what it does not say itself.

"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from playground.errors import TopologyError
from playground.lab.declarations.shapes import FilePlace
from playground.lab.declarations.user_paths import expanded
from playground.lab.files.yaml_document import Document, Way, read_document
from playground.lab.formats.foreign.folder_paths import is_within
from playground.lab.formats.foreign.notes import Notes
from playground.model.arguments import shown

# What is put together of all levels; of all else the nearest level counts.
_MAPPINGS = ("env", "labels", "sysctls", "dns", "config")
_LISTS = ("binds", "exec", "env-files", "cap-add", "devices")

_VARIABLE = re.compile(
    r"\$\$|\$\{(?P<name>[A-Za-z_]\w*)(?:(?P<how>:?[-=])(?P<else>[^}]*))?\}|\$(?P<bare>[A-Za-z_]\w*)"
)

# Fields with text for a shell, or another program, which has variables of its own.
_READ_ELSEWHERE = frozenset(("exec", "cmd", "entrypoint", "startup-config", "healthcheck"))


class NodeFile:
    """What a file says of one node, with what it is given by defaults, its kind and its group."""

    def __init__(self, file: ContainerlabFile, name: str) -> None:
        self.file = file
        self.name = name
        levels = [*self._levels(name)]
        self.said: dict[str, Any] = {}
        self.ways: dict[str, Way] = {}
        for way in reversed(levels):
            data = file.mapping(way)
            for key, value in data.items():
                self._take(_with_hyphens(str(key)), value, (*way, key))
        self.said["kind"] = _kind(str(self.said.get("kind") or "linux"))

    def _levels(self, name: str) -> Iterator[Way]:
        """Yield where a node is spoken of, the nearest first."""
        file = self.file
        own: Way = ("topology", "nodes", name)
        yield own
        group = file.mapping(own).get("group") or self._group_of_kind(own)
        if isinstance(group, (dict, list)):
            raise file.document.refuse(
                (*own, "group"), f"group: {shown(group)} is no name of a group"
            )
        kind = None
        if group is not None and group in file.mapping(("topology", "groups")):
            way: Way = ("topology", "groups", group)
            yield way
            kind = file.mapping(way).get("kind")
        kind = file.mapping(own).get("kind") or kind
        kind = kind or file.mapping(("topology", "defaults")).get("kind")
        kinds = file.mapping(("topology", "kinds"))
        known = {_kind(str(one)): one for one in kinds}
        if kind is not None and _kind(str(kind)) in known:
            yield ("topology", "kinds", known[_kind(str(kind))])
        yield ("topology", "defaults")

    def _group_of_kind(self, own: Way) -> Any:
        return self.file.mapping(("topology", "defaults")).get("group")

    def _take(self, key: str, value: Any, way: Way) -> None:
        if value is None:
            return
        self.ways[key] = way
        before = self.said.get(key)
        if key in _MAPPINGS and isinstance(value, dict) and isinstance(before, dict):
            value = before | value
        elif key in _LISTS and isinstance(value, list) and isinstance(before, list):
            value = [*before, *value]
        self.said[key] = value

    def place(self, key: str = "") -> FilePlace:
        """Return where something of it is said."""
        way = self.ways.get(key, ("topology", "nodes", self.name))
        return self.file.document.at(*way)

    def note(self, key: str, why: str) -> None:
        """Note that something of it is not done."""
        self.file.notes.add(self.place(key), f"{self.name}: {key} {why}")

    def text(self, key: str) -> str | None:
        """Return a text or a number as a text; None where nothing is said."""
        value = self.said.get(key)
        if value is None:
            return None
        if isinstance(value, (dict, list)):
            raise TopologyError(f"{self.place(key)}: {key}: {shown(value)} is no text")
        return str(value)

    def texts(self, key: str) -> list[str]:
        """Return a list of texts."""
        value = self.said.get(key)
        if value is None:
            return []
        items = value if isinstance(value, list) else [value]
        if any(isinstance(item, (dict, list)) or item is None for item in items):
            raise TopologyError(f"{self.place(key)}: {key}: {shown(value)} is no list of texts")
        return [str(item) for item in items]

    def pairs(self, key: str) -> dict[str, Any]:
        """Return a mapping."""
        value = self.said.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise TopologyError(f"{self.place(key)}: {key}: {shown(value)} is no mapping")
        return {str(name): item for name, item in value.items()}

    def path(self, text: str | None) -> Path | None:
        """Return a path of the file; None for what is none, such as a URL."""
        if not text or "\n" in text or "\0" in text or "://" in text:
            return None
        lab = f"clab-{self.file.document.data.get('name')}"
        for word, value in (
            ("__clabNodeName__", self.name),
            ("__clabDir__", lab),
            ("__clabNodeDir__", f"{lab}/{self.name}"),
        ):
            text = text.replace(word, value)
        return self.file.folder / expanded(text)

    def own_file(self, key: str, path: Path) -> Path | None:
        """Return a path if it is a file of the lab's folder; None, and a note, where it is not."""
        if not path.is_file():
            return None
        if not is_within(self.file.folder, path):
            outside = f"{shown(str(path))} lies outside of the lab's folder, and is not read"
            self.note(key, outside)
            return None
        return path


class ContainerlabFile:
    """A topology file: its name, nodes and links."""

    def __init__(
        self, path: Path, notes: Notes, environment: Mapping[str, str] | None = None
    ) -> None:
        self.path = path
        self.notes = notes
        self.document: Document = read_document(path)
        self.environment = os.environ if environment is None else environment
        data = self.document.data
        if not isinstance(data, dict) or not isinstance(data.get("topology"), dict):
            raise TopologyError(
                f"{path}:1: this is no topology of containerlab: it has no mapping topology:"
            )
        self.document.data = self._with_variables(data, ())
        nodes = self.mapping(("topology", "nodes"))
        if not nodes:
            raise self.document.refuse(("topology",), "this topology has no nodes")
        self.nodes = {str(name): NodeFile(self, name) for name in nodes}
        self._of_several: dict[tuple[str, str], tuple[FilePlace, list[str]]] = {}

    @property
    def folder(self) -> Path:
        """Where its relative paths begin."""
        return self.path.absolute().parent

    def note_of_several(self, place: FilePlace, node: str, key: str, why: str) -> None:
        """Note what is the same for many nodes, once for all of them."""
        _, names = self._of_several.setdefault((key, why), (place, []))
        if node not in names:
            names.append(node)

    def tell_of_several(self) -> None:
        """Add the notes of several nodes to the others."""
        for (key, why), (place, names) in self._of_several.items():
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            self.notes.add(place, f"{', '.join(names[:3])}{more}: {key} {why}")

    def mapping(self, way: Way) -> Mapping[Any, Any]:
        """Return the mapping at a place, {} where there is none."""
        data: Any = self.document.data
        for step in way:
            data = data.get(step) if isinstance(data, dict) else None
            if data is None:
                return {}
        if not isinstance(data, dict):
            raise self.document.refuse(way, f"{shown(data)} is in the place of a mapping")
        return data

    def _with_variables(self, data: Any, way: Way) -> Any:
        if isinstance(data, str):
            return _VARIABLE.sub(lambda match: self._value(match, way), data)
        if isinstance(data, list):
            return [self._with_variables(item, (*way, n)) for n, item in enumerate(data)]
        if isinstance(data, dict):
            return {key: self._with_variables(item, (*way, key)) for key, item in data.items()}
        return data

    def _value(self, match: re.Match[str], way: Way) -> str:
        if match[0] == "$$":
            return "$"
        name = match["name"] or match["bare"]
        value = self.environment.get(name)
        if value or (value is not None and not (match["how"] or "").startswith(":")):
            return value
        if match["how"] is not None:
            return str(match["else"])
        # Where nothing is called so, containerlab leaves it to whoever reads the text.
        if match["bare"] is not None or not _READ_ELSEWHERE.isdisjoint(way):
            return match[0]
        raise self.document.refuse(
            way,
            f"{match[0]}: no environment variable is called so; set it, or write a value "
            f"behind it: ${{{name}:-value}}",
        )


def _with_hyphens(key: str) -> str:
    """Return a key as it is written now: mgmt_ipv4 was once mgmt-ipv4."""
    return key.replace("_", "-")


_KINDS = {"srl": "nokia_srlinux", "ceos": "arista_ceos", "crpd": "juniper_crpd"}


def _kind(kind: str) -> str:
    return _KINDS.get(kind, kind)
