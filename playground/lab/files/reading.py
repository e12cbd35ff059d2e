"""Our own file, read: plain data as declarations, each with its place.

Only shapes are checked here: names of keys and types of values, as the signatures of the Python
API have them.  What an argument means the API says itself, and `declare` tells where it stood.

"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from playground.lab.declarations.declare import NODE_KINDS, told_where
from playground.lab.declarations.plain import Reader
from playground.lab.declarations.shapes import (
    Call,
    Declarations,
    LinkSaid,
    NodeSaid,
    unused_id,
)
from playground.lab.declarations.signatures import (
    ARRAY,
    BOOLEAN,
    INTEGER,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    Argument,
    constructor_arguments,
    is_of,
    method_arguments,
)
from playground.lab.declarations.told import METHODS
from playground.lab.files.yaml_document import Document, Way
from playground.model.arguments import shown
from playground.model.records import dataclass

# The shape of the file; another number is another shape.
FORMAT = 1
FORMAT_KEY = "playground"

# Of the lab itself: arguments of `Lab`.
SETTINGS: Mapping[str, Argument] = {
    one.name: one
    for one in (
        Argument("name", "str"),
        Argument("users", "Mapping[str, str]"),
        Argument("ipv6", "bool | str"),
        Argument("keep", "bool"),
        Argument("engine", "str"),
        Argument("converge", "bool"),
        Argument("strict", "bool"),
        Argument("spread", "int | Sequence[str]"),
        Argument("reschedule", "bool"),
        Argument("positions", "Mapping[str, Sequence[float]]"),
    )
}
_KEYS = (FORMAT_KEY, *SETTINGS, "nodes", "links")

_WORDS = {
    NULL: "nothing",
    BOOLEAN: "true or false",
    INTEGER: "a whole number",
    NUMBER: "a number",
    STRING: "a text",
    ARRAY: "a list",
    OBJECT: "a mapping",
}


@dataclass(frozen=True)
class LabFile:
    """What a lab file says: the arguments of `Lab`, and the declarations of its nodes."""

    settings: Mapping[str, Any]
    declarations: Declarations


def is_own(data: Any) -> bool:
    """Whether a file's data says that it is ours."""
    return isinstance(data, dict) and FORMAT_KEY in data


def understand(document: Document, within: Collection[Path] | None = None) -> LabFile:
    """Return what a document of ours says; raises `TopologyError`, with line and column.

    With ``within`` its paths may lead into these folders alone.

    """
    return _Understanding(document, within).all()


def understand_call(
    document: Document, kind: str, known: Declarations, within: Collection[Path] | None = None
) -> Call:
    """Return the call that a document is, of a node or link of a lab that has ``known`` parts."""
    understanding = _Understanding(document, within)
    understanding.reader = dataclasses.replace(
        understanding.reader,
        nodes=frozenset(node.name for node in known.nodes),
        links=frozenset(link.id for link in known.links),
    )
    return understanding.call((), kind, document.data)


class _Understanding:
    def __init__(self, document: Document, within: Collection[Path] | None = None) -> None:
        self.document = document
        self.reader = Reader(folder=document.path.absolute().parent, within=within)

    def all(self) -> LabFile:
        data = self.document.data
        if not is_own(data):
            raise self.document.refuse(
                (), f'this is no lab file: it begins with "{FORMAT_KEY}: {FORMAT}"'
            )
        if data[FORMAT_KEY] != FORMAT or isinstance(data[FORMAT_KEY], bool):
            raise self.document.refuse(
                (FORMAT_KEY,),
                f"{FORMAT_KEY}: {shown(data[FORMAT_KEY])} is a format that this version does not "
                f"know; it reads {FORMAT}",
            )
        self._refuse_unknown((), data, _KEYS, "a lab file")
        settings = {name: data[name] for name in SETTINGS if name in data}
        for name, value in settings.items():
            self._check((name,), SETTINGS[name], value)
        nodes = data.get("nodes") or {}
        links = data.get("links") or []
        self._be(("nodes",), nodes, OBJECT, "nodes: a mapping of names, as {h1: {kind: host}}")
        self._be(("links",), links, ARRAY, "links: a list, as [[home, h1]]")
        ids = [*self._ids(nodes, links)]
        self.reader = dataclasses.replace(
            self.reader, nodes=frozenset(map(str, nodes)), links=frozenset(ids)
        )
        return LabFile(
            settings,
            Declarations(
                tuple(self._node(name, said) for name, said in nodes.items()),
                tuple(
                    self._link(number, name, said)
                    for number, (name, said) in enumerate(zip(ids, links, strict=True))
                ),
            ),
        )

    # -- nodes ----------------------------------------------------------------

    def _node(self, name: Any, said: Any) -> NodeSaid:
        way: Way = ("nodes", name)
        said = {} if said is None else said
        self._be(way, said, OBJECT, "what a node is, as {kind: router}; or nothing, for a host")
        kind = said.get("kind", "host")
        if kind not in [*NODE_KINDS]:
            raise self.document.refuse(
                (*way, "kind"),
                f"{shown(kind)} is no kind of node; write one of {', '.join(NODE_KINDS)}",
            )
        arguments = self._arguments(way, said, constructor_arguments(kind), f"a {kind}")
        calls = self._calls(way, kind, said.get("calls"))
        return NodeSaid(kind, str(name), arguments, calls, self.document.at(*way))

    # -- links ----------------------------------------------------------------

    def _ids(self, nodes: Mapping[Any, Any], links: list[Any]) -> Iterator[str]:
        """Yield what each link is called: by its id, or by the names of its nodes."""
        given = [said.get("id") for said in links if isinstance(said, dict)]
        taken = {*map(str, nodes), *(name for name in given if isinstance(name, str))}
        seen: set[str] = set()
        for number, said in enumerate(links):
            way: Way = ("links", number)
            names = said.get("nodes") if isinstance(said, dict) else said
            if not isinstance(names, list) or len(names) != 2:
                raise self.document.refuse(
                    way,
                    "a link says which two nodes it joins: write [home, h1], or {nodes: [home, "
                    "h1], ...}",
                )
            if any(isinstance(name, (list, dict)) or name is None for name in names):
                raise self.document.refuse(way, f"{shown(names)} are no names of two nodes")
            if isinstance(said, dict) and "id" in said:
                name = said["id"]
                twice = " twice" if isinstance(name, str) and name in seen else ""
                if not isinstance(name, str) or not name or twice:
                    raise self.document.refuse(
                        (*way, "id"), f"{shown(name)} is no id of a link{twice}; write another text"
                    )
            else:
                name = unused_id("-".join(map(str, names)), taken)
            taken.add(name)
            seen.add(name)
            yield name

    def _link(self, number: int, name: str, said: Any) -> LinkSaid:
        way: Way = ("links", number)
        if isinstance(said, list):
            said = {"nodes": said}
        tunnel = "kind" in said
        what = "tunnel" if tunnel else "bond" if "links" in said else "link"
        arguments = self._arguments(way, said, constructor_arguments(what), f"a {what}")
        a, b = map(str, said["nodes"])
        calls = self._calls(way, "link", said.get("calls"))
        place = self.document.at(*way)
        return LinkSaid(name, (a, b), arguments, calls, place, tunnel)

    # -- what both have -------------------------------------------------------

    def _arguments(
        self, way: Way, said: Mapping[str, Any], known: Mapping[str, Argument], what: str
    ) -> dict[str, Any]:
        further = ("calls", "kind") if way[0] == "nodes" else ("calls", "nodes", "id")
        self._refuse_unknown(way, said, (*further, *known), what)
        given = {name: value for name, value in said.items() if name in known}
        return {name: self._argument((*way, name), known[name], given[name]) for name in given}

    def _calls(self, way: Way, kind: str, calls: Any) -> tuple[Call, ...]:
        way = (*way, "calls")
        calls = [] if calls is None else calls
        self._be(way, calls, ARRAY, "a list of calls, as [masquerade: {link: modem-isp}]")
        return tuple(self.call((*way, number), kind, one) for number, one in enumerate(calls))

    def call(self, way: Way, kind: str, said: Any) -> Call:
        said = {said: None} if isinstance(said, str) else said
        if not isinstance(said, dict) or len(said) != 1:
            raise self.document.refuse(
                way, "a call is the name of a method with its arguments, as masquerade: {link: ...}"
            )
        [(method, arguments)] = said.items()
        article = f"what a {kind} can be told"
        self._refuse_unknown(way, said, [*METHODS[kind]], article)
        way = (*way, method)
        arguments = {} if arguments is None else arguments
        self._be(way, arguments, OBJECT, f"arguments of {method}, as {{NAME: VALUE}}")
        known = method_arguments(kind, method)
        self._refuse_unknown(way, arguments, [*known], f"{method}()")
        for name, argument in known.items():
            if argument.needed and name not in arguments:
                raise self.document.refuse(way, f"{method}() needs {name}; write {name}: ...")
        read = {
            name: self._argument((*way, name), known[name], value)
            for name, value in arguments.items()
        }
        return Call(method, read, self.document.at(*way))

    def _argument(self, way: Way, argument: Argument, value: Any) -> Any:
        self._check(way, argument, value)
        with told_where(self.document.at(*way)):
            return self.reader.argument(argument, value)

    # -- checks ---------------------------------------------------------------

    def _refuse_unknown(
        self, way: Way, said: Mapping[Any, Any], known: Collection[str], what: str
    ) -> None:
        for name in said:
            if name not in known:
                near = difflib.get_close_matches(str(name), [*known], n=1)
                hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
                raise self.document.refuse(
                    (*way, name), f"{shown(name)} is no part of {what}: {hint}"
                )

    def _check(self, way: Way, argument: Argument, value: Any) -> None:
        """Refuse a value of another type than the signature has."""
        types = argument.types
        if not types:
            return
        if not any(is_of(value, word) for word in types):
            words = " or ".join(_WORDS[word] for word in types if word != NULL)
            raise self.document.refuse(way, f"{argument.name}: {shown(value)} is not {words}")

    def _be(self, way: Way, value: Any, kind: str, words: str) -> None:
        if not is_of(value, kind):
            raise self.document.refuse(way, f"{shown(value)} is in the place of {words}")
