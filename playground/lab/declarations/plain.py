"""Arguments of declarations as plain data, which JSON and YAML can hold, and back.

What is more than a text or a number is a mapping with one word: {path: site} is a `Path`,
{base64: ...} bytes, {slaac: {}} is `SLAAC`, {prefix_list: ..., lines: [...]} and {route_map: ...,
clauses: [...]} are policies.  Services are their names, or {http: {files: ...}}; one of a user's
own is {service: {name: ..., command: ...}}.

"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from playground.errors import TopologyError
from playground.lab.declarations.shapes import LinkName, NodeName
from playground.lab.declarations.signatures import Argument, settings_arguments
from playground.lab.declarations.user_paths import expanded
from playground.model.arguments import shown
from playground.model.containers.container import Volume
from playground.model.containers.image_sources import is_dockerfile_text
from playground.model.containers.own_service import Service
from playground.model.ipv6.slaac import SLAAC
from playground.model.queues.classes import TrafficClass
from playground.model.queues.discipline import Queue
from playground.model.records import dataclass
from playground.model.routing.policy import Clause, Deny, Permit, PrefixList, RouteMap
from playground.model.services.settings import ServiceSettings
from playground.model.services.table import SERVICES, service

_VOLUME = "volume:"
_A_VLAN = re.compile(r"(?P<id>.*)\[(?P<vlan>[0-9]{1,4})\]")

# -- to plain data -----------------------------------------------------------


def to_plain(value: Any, folder: Path | None = None) -> Any:
    """Return an argument as plain data; paths are relative to ``folder`` where they lie in it.

    Raises `TopologyError` for what no file can hold, such as a function.

    >>> to_plain(SLAAC(temporary=True))
    {'slaac': {'temporary': True}}

    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case NodeName() | LinkName():
            return str(value)
        case bytes():
            return _bytes(value)
        case Path():
            return {"path": _relative(value, folder)}
        case TrafficClass() | Queue():
            return _said(value, folder)
        case SLAAC():
            return {"slaac": _said(value)}
        case PrefixList():
            lines = [str(rule) for rule in value.rules]
            return {"prefix_list": value.name, "lines": lines} if value.name else lines
        case RouteMap():
            return {"route_map": value.name, "clauses": [_clause(one) for one in value.clauses]}
        case ServiceSettings():
            return _service(value, folder)
        case Mapping():
            return {_key(key, folder): to_plain(item, folder) for key, item in value.items()}
        case list() | tuple():
            return [to_plain(item, folder) for item in value]
    if callable(value):
        raise TopologyError(
            f"{shown(value)} is a function, which no file can hold; name a command in its place"
        )
    return str(value)


def _bytes(value: bytes) -> Any:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    # What YAML cannot hold as it is, or would read as other line ends.
    if re.search(r"[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]", text):
        return {"base64": base64.b64encode(value).decode()}
    return text


def _relative(path: Path, folder: Path | None) -> str:
    if folder is not None and path.is_relative_to(folder):
        return str(path.relative_to(folder))
    return str(path)


def _key(key: Any, folder: Path | None) -> Any:
    if isinstance(key, Volume):
        return _VOLUME + key.name
    if isinstance(key, Path):
        return _relative(key, folder)
    return key if isinstance(key, int) else str(key)


def _said(settings: Any, folder: Path | None = None) -> dict[str, Any]:
    """Return the fields of a dataclass that differ from its defaults."""
    found = {}
    for one in dataclasses.fields(settings):
        value = getattr(settings, one.name)
        default = one.default
        if one.default_factory is not dataclasses.MISSING:
            default = one.default_factory()
        if one.init and not (default is not dataclasses.MISSING and value == default):
            found[one.name] = to_plain(value, folder)
    return found


def _clause(clause: Clause) -> dict[str, Any]:
    return {"permit" if clause.permit else "deny": _said(clause)}


def _service(settings: ServiceSettings, folder: Path | None) -> Any:
    said = _said(settings, folder)
    if isinstance(settings, Service):
        return {"service": said}
    return {settings.service: said} if said else settings.service


# -- from plain data ---------------------------------------------------------


@dataclass(frozen=True)
class Reader:
    """Reads plain data as arguments: ``nodes`` and ``links`` are the names that there are.

    Paths begin at ``folder``.  With ``within`` they may lead into these folders alone, and with
    none of them nowhere: for data of strangers, who are not to read what the user can.

    """

    nodes: Collection[str] = ()
    links: Collection[str] = ()
    folder: Path = field(default_factory=Path)
    within: Collection[Path] | None = None

    def argument(self, argument: Argument, data: Any) -> Any:
        """Return the value of an argument that plain data says.

        Raises `TopologyError` for a name that nothing has, or what cannot be.

        """
        if argument.takes_services and isinstance(data, list):
            return [self._service(item) for item in data]
        if argument.takes_classes and isinstance(data, list):
            return [_class(item) for item in data]
        if argument.name == "volumes" and isinstance(data, Mapping):
            return {self._volume(key): item for key, item in data.items()}
        if isinstance(data, str) and argument.is_path and not is_dockerfile_text(data):
            return self.path(data)
        return self._value(argument, data)

    def _value(self, argument: Argument, data: Any) -> Any:
        if isinstance(data, str):
            return self._named(argument, data)
        if isinstance(data, list):
            return [self._value(argument, item) for item in data]
        if not isinstance(data, Mapping):
            return data
        for word, (fits, read) in _TAGGED.items():
            if word in data and fits(argument):
                return read(self, data)
        if argument.names_links:
            return {self._named(argument, key): item for key, item in data.items()}
        found = {key: self._value(argument, item) for key, item in data.items()}
        # JSON has no numbers for keys.
        return {int(key) if _is_number(argument, key) else key: found[key] for key in found}

    def _named(self, argument: Argument, text: Any) -> Any:
        if not isinstance(text, str):
            return text
        if argument.names_links and (link := self._link(text)):
            return link
        if argument.names_nodes and text in self.nodes:
            return NodeName(text)
        if argument.is_text_too:
            return text
        # Whoever declares it says that it is not there.
        if argument.names_links:
            return LinkName(text)
        return NodeName(text) if argument.names_nodes else text

    def _link(self, text: str) -> LinkName | None:
        if text in self.links:
            return LinkName(text)
        match = _A_VLAN.fullmatch(text)
        if match and match["id"] in self.links:
            return LinkName(match["id"], int(match["vlan"]))
        return None

    def path(self, text: Any) -> Path:
        """Return a path of the file, which begins at the file's folder."""
        if not isinstance(text, str) or not text or "\0" in text:
            raise TopologyError(f"{shown(text)} is no path; write a text, such as site/index.html")
        path = self.folder / expanded(text)
        if self.within is not None and not any(
            path.resolve().is_relative_to(folder.resolve()) for folder in self.within
        ):
            where = " or ".join(map(str, self.within))
            raise TopologyError(
                f"{shown(text)} is a path of this machine, "
                + (f"where only {where} may be read" if where else "of which nothing may be read")
                + "; write what the file holds, as {files: {index.html: Hello}}"
            )
        return path

    def _volume(self, key: Any) -> Any:
        text = str(key)
        return Volume(text[len(_VOLUME) :]) if text.startswith(_VOLUME) else self.path(text)

    def _service(self, data: Any) -> Any:
        if isinstance(data, str):
            return data
        if not isinstance(data, Mapping) or len(data) != 1:
            raise TopologyError(
                f"{shown(data)} is no service; write its name, or its name and settings, as in "
                "{http: {files: {path: site}}}"
            )
        [(name, said)] = data.items()
        kind: type[ServiceSettings] | None = Service if name == "service" else None
        if name in SERVICES:
            kind = SERVICES[name].settings
        if kind is None:
            service(name)  # which says what there is
            raise TopologyError(f"the service {name} takes no settings; write its name alone")
        known = settings_arguments(kind)
        said = said or {}
        if not isinstance(said, Mapping) or any(word not in known for word in said):
            raise TopologyError(
                f"{shown(said)} are no settings of {name}; it has {', '.join(known) or 'none'}"
            )
        for word, argument in known.items():
            if argument.needed and word not in said:
                raise TopologyError(
                    f"{name} needs {word}; write it as a setting, {{{name}: {{{word}: ...}}}}"
                )
        return kind(**{word: self.argument(known[word], item) for word, item in said.items()})

    def slaac(self, data: Mapping[str, Any]) -> SLAAC:
        return SLAAC(**_mapping(data["slaac"], ("identifier", "temporary"), "SLAAC"))

    def prefix_list(self, data: Mapping[str, Any]) -> PrefixList:
        lines = data.get("lines", ())
        if not isinstance(lines, list) or set(data) - {"prefix_list", "lines"}:
            raise TopologyError(
                f"{shown(data)} is no list of prefixes; write {{prefix_list: NAME, lines: [...]}}"
            )
        return PrefixList(data["prefix_list"], *lines)

    def route_map(self, data: Mapping[str, Any]) -> RouteMap:
        clauses = data.get("clauses", ())
        if not isinstance(clauses, list) or set(data) - {"route_map", "clauses"}:
            raise TopologyError(
                f"{shown(data)} is no policy; write {{route_map: NAME, clauses: [...]}}"
            )
        return RouteMap(data["route_map"], *(self._clause_of(item) for item in clauses))

    def _clause_of(self, data: Any) -> Clause:
        kinds: Mapping[str, type[Clause]] = {"permit": Permit, "deny": Deny}
        if not isinstance(data, Mapping) or len(data) != 1 or not {*data} <= {*kinds}:
            raise TopologyError(
                f"{shown(data)} is no clause; write {{permit: {{...}}}} or {{deny: {{...}}}}"
            )
        [(word, said)] = data.items()
        known = settings_arguments(kinds[word])
        given = _mapping(said, [*known], word)
        return kinds[word](**{name: self._value(known[name], one) for name, one in given.items()})

    def path_of(self, data: Mapping[str, Any]) -> Path:
        return self.path(data["path"])

    def bytes_of(self, data: Mapping[str, Any]) -> bytes:
        try:
            return base64.b64decode(data["base64"], validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise TopologyError(f"{shown(data['base64'])} is no base64 (RFC 4648)") from None


# A word of a mapping, where it means something, and what it means.
_TAGGED: Mapping[str, tuple[Callable[[Argument], bool], Callable[[Reader, Any], Any]]] = {
    "path": (lambda argument: argument.takes_paths, Reader.path_of),
    "base64": (lambda argument: argument.takes_bytes, Reader.bytes_of),
    "slaac": (lambda argument: argument.takes_addresses, Reader.slaac),
    "prefix_list": (lambda argument: argument.takes_policies, Reader.prefix_list),
    "route_map": (lambda argument: argument.takes_policies, Reader.route_map),
}


def _class(data: Any) -> TrafficClass:
    known = settings_arguments(TrafficClass)
    said = _mapping(data, [*known], "a class of traffic")
    for name, argument in known.items():
        if argument.needed and name not in said:
            raise TopologyError(f"{shown(data)} is a class of traffic without {name}")
    if isinstance(said.get("queue"), Mapping):
        queue = _mapping(said["queue"], [*settings_arguments(Queue)], "a queue")
        said["queue"] = Queue(**queue)
    return TrafficClass(**said)


def _is_number(argument: Argument, key: Any) -> bool:
    return isinstance(key, str) and key.isdecimal() and "Mapping[int" in argument.shape


def _mapping(data: Any, known: Collection[str], what: str) -> dict[str, Any]:
    data = {} if data is None else data
    if not isinstance(data, Mapping) or any(word not in known for word in data):
        raise TopologyError(f"{shown(data)} says nothing of {what}; it has {', '.join(known)}")
    return dict(data)
