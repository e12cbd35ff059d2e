"""Declarations as a program of Python, and such a program read without running it.  Pure.

`write` makes the program that somebody would have written by hand; `read` understands that, and no
more: assignments and calls of declarations with plain values.  It evaluates nothing: names
are looked up in tables, and values are literals.

"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import keyword
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from playground import services as _services
from playground.errors import PlaygroundError, TopologyError
from playground.lab.declarations.declare import NODE_KINDS
from playground.lab.declarations.plain import to_plain
from playground.lab.declarations.shapes import (
    Call,
    Declarations,
    FilePlace,
    LinkName,
    LinkSaid,
    NodeName,
    NodeSaid,
    unused_id,
)
from playground.lab.declarations.signatures import CLASSES
from playground.lab.declarations.told import METHODS
from playground.model.ipv6.slaac import SLAAC
from playground.model.queues.classes import TrafficClass
from playground.model.queues.discipline import Queue
from playground.model.routing.policy import Deny, Permit, PrefixList, RouteMap
from playground.model.services.settings import ServiceSettings

_KINDS = {kind.capitalize(): kind for kind in NODE_KINDS}
_LINKS = {"Link": "link", "Tunnel": "tunnel"}

# What may be made as a value: settings, which check themselves and touch nothing.
_VALUES: Mapping[str, Callable[..., Any]] = {
    **{
        name: value
        for name, value in vars(_services).items()
        if inspect.isclass(value) and dataclasses.is_dataclass(value) and name != "Volume"
    },
    **{one.__name__: one for one in (SLAAC, TrafficClass, Queue, PrefixList, RouteMap)},
    **{one.__name__: one for one in (Permit, Deny)},
}

_MOST_BYTES = 1 << 20

_ONLY = (
    "only declarations are read here: Host(...), Router(...), Switch(...), Link(...), and methods "
    "of these such as modem.masquerade(uplink), with plain values"
)


# -- written ----------------------------------------------------------------------


def write(declarations: Declarations, name: str | None = None) -> str:
    """Return a program that declares this, and the `Lab` of it.

    Raises `TopologyError` for a value that no text says, such as a function.

    """
    return _Writer(declarations).text(name)


class _Writer:
    def __init__(self, declarations: Declarations) -> None:
        self.said = declarations
        self.used: set[str] = set()
        self.values: set[str] = set()
        taken: set[str] = {"lab"}
        self.nodes = {node.name: _variable(node.name, taken) for node in declarations.nodes}
        self.links = {link.id: _variable(link.id, taken) for link in declarations.links}

    def text(self, name: str | None) -> str:
        calls = [
            line
            for part, variable in self._parts()
            for call in part.calls
            for line in (f"{variable}.{call.method}({self._call(call)})",)
        ]
        links = [self._link(link) for link in self.said.links]
        spoken_of = "\n".join([*calls, *links])
        body = [self._node(node) for node in self.said.nodes]
        body.append("")
        for link, line in zip(self.said.links, links, strict=True):
            variable = self.links[link.id]
            named = re.search(rf"\b{variable}\b", spoken_of)
            body.append(f"{variable} = {line}" if named else line)
        body += ["", *calls] if calls else []
        lab = ", ".join([*self.nodes.values(), *([f"name={_literal(name)}"] if name else [])])
        body += ["", f"lab = Lab({lab})"]
        imported = sorted({"Lab", *self.used, *self.values} - {"Path"})
        head = ["from pathlib import Path", ""] if "Path" in self.values else []
        return "\n".join([*head, f"from playground import {', '.join(imported)}", "", *body, ""])

    def _parts(self) -> Iterator[tuple[NodeSaid | LinkSaid, str]]:
        for node in self.said.nodes:
            yield node, self.nodes[node.name]
        for link in self.said.links:
            yield link, self.links[link.id]

    def _node(self, node: NodeSaid) -> str:
        kind = node.kind.capitalize()
        self.used.add(kind)
        rest = self._keywords(node.arguments)
        return f"{self.nodes[node.name]} = {kind}({', '.join([_literal(node.name), *rest])})"

    def _link(self, link: LinkSaid) -> str:
        if "links" in link.arguments:
            self.used.add("Bond")
            members = [self._value(one) for one in link.arguments["links"]]
            others = {name: one for name, one in link.arguments.items() if name != "links"}
            return f"Bond({', '.join([*members, *self._keywords(others)])})"
        kind = "Tunnel" if link.tunnel else "Link"
        self.used.add(kind)
        ends = [self.nodes[name] for name in link.nodes]
        return f"{kind}({', '.join([*ends, *self._keywords(link.arguments)])})"

    def _call(self, call: Call) -> str:
        return ", ".join(self._keywords(call.arguments))

    def _keywords(self, arguments: Mapping[str, Any]) -> list[str]:
        return [f"{name}={self._value(value)}" for name, value in arguments.items()]

    def _value(self, value: Any) -> str:
        match value:
            case NodeName():
                return self.nodes[value.name]
            case LinkName():
                variable = self.links[value.id]
                return variable if value.vlan is None else f"{variable}[{value.vlan}]"
            case None | bool() | int() | float() | str() | bytes():
                return _literal(value)
            case ServiceSettings() if isinstance(name := to_plain(value), str):
                return _literal(name)
            case Path():
                self.values.add("Path")
                return f"Path({str(value)!r})"
            case Mapping():
                pairs = (f"{self._value(key)}: {self._value(one)}" for key, one in value.items())
                return "{" + ", ".join(pairs) + "}"
            case list():
                return "[" + ", ".join(map(self._value, value)) + "]"
            case tuple():
                return "(" + ", ".join(map(self._value, value)) + ("," * (len(value) == 1)) + ")"
        if dataclasses.is_dataclass(value) and type(value).__name__ in _VALUES:
            self.values.add(type(value).__name__)
            return f"{type(value).__name__}({', '.join(self._keywords(_fields(value)))})"
        if callable(value):
            raise TopologyError(f"{value!r} is a function, which this program cannot say")
        return _literal(str(value))


def _literal(value: Any) -> str:
    """Return a literal as ruff and black write it, in double quotes where that needs no more."""
    text = repr(value)
    if isinstance(value, (str, bytes)) and text.endswith("'") and '"' not in text:
        return text.replace("'", '"')
    return text


def _fields(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that differ from its defaults."""
    found = {}
    for one in dataclasses.fields(value):
        default = one.default
        if one.default_factory is not dataclasses.MISSING:
            default = one.default_factory()
        is_default = default is not dataclasses.MISSING and getattr(value, one.name) == default
        if one.init and not is_default:
            found[one.name] = getattr(value, one.name)
    return found


def _variable(name: str, taken: set[str]) -> str:
    """Return a variable's name for a node or link that is not taken yet."""
    plain = re.sub(r"\W", "_", name.partition(".")[0] or name)
    if not plain.isidentifier() or keyword.iskeyword(plain) or plain in _KINDS or plain in _VALUES:
        plain = f"n_{plain}"
    found = unused_id(plain, taken).replace("-", "_")
    while found in taken:
        found += "_"
    taken.add(found)
    return found


# -- read --------------------------------------------------------------------------


def read(text: str) -> Declarations:
    """Return what a program declares; raises `TopologyError` with the line of what it is not."""
    if len(text) > _MOST_BYTES:
        raise TopologyError(f"a program of more than {_MOST_BYTES:,} letters is not read here")
    try:
        tree = ast.parse(text, "lab.py")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        reason = getattr(error, "msg", None) or error
        raise TopologyError(f"lab.py:{line}: this is no Python: {reason}") from error
    reader = _Reader()
    try:
        for statement in tree.body:
            reader.statement(statement)
    except RecursionError:
        raise TopologyError("lab.py: values lie too deep in one another") from None
    return reader.declarations()


class _Reader:
    def __init__(self) -> None:
        self.nodes: dict[str, NodeSaid] = {}
        self.links: dict[str, LinkSaid] = {}
        # What a variable holds: a node or a link, by its name.
        self.variables: dict[str, NodeName | LinkName] = {}
        self.calls: dict[str, list[Call]] = {}

    def declarations(self) -> Declarations:
        def told(part: Any, key: str) -> Any:
            return dataclasses.replace(part, calls=tuple(self.calls.get(key, ())))

        return Declarations(
            tuple(told(node, f"node {node.name}") for node in self.nodes.values()),
            tuple(told(link, f"link {link.id}") for link in self.links.values()),
        )

    def statement(self, one: ast.stmt) -> None:
        match one:
            case ast.Import() | ast.ImportFrom():
                return
            case ast.Expr(value=ast.Constant(value=str())):  # the docstring
                return
            case ast.Assign(targets=[ast.Name(id=variable)], value=ast.Call() as call):
                self._called(call, variable)
            case ast.Expr(value=ast.Call() as call):
                self._called(call, None)
            case _:
                raise _refused(one, _ONLY)

    def _called(self, call: ast.Call, variable: str | None) -> None:
        match call.func:
            case ast.Name(id="Lab"):
                return  # its settings stay those of the lab
            case ast.Name(id=kind) if kind in _KINDS:
                made: NodeName | LinkName = self._node(_KINDS[kind], call)
            case ast.Name(id=kind) if kind in _LINKS or kind == "Bond":
                made = self._link(kind, call)
            case ast.Attribute():
                self._told(call)
                return
            case _:
                raise _refused(call, _ONLY)
        if variable is not None:
            self.variables[variable] = made

    def _node(self, kind: str, call: ast.Call) -> NodeName:
        arguments = self._bound(call, CLASSES[kind])
        name = arguments.pop("name", None)
        if not isinstance(name, str):
            raise _refused(call, f'a {kind} is called by a text, as in {kind.capitalize()}("h1")')
        if name in self.nodes:
            raise _refused(call, f"there are two nodes of the name {name}; call one otherwise")
        self.nodes[name] = NodeSaid(kind, name, arguments, place=_place(call))
        return NodeName(name)

    def _link(self, kind: str, call: ast.Call) -> LinkName:
        if kind == "Bond":
            members = [self._value(one) for one in call.args]
            arguments = {"links": members, **self._keywords(call)}
            first = self.links.get(members[0].id) if members and _is_link(members[0]) else None
            if first is None:
                raise _refused(call, "a bond is of links: Bond(first, second)")
            ends = first.nodes
        else:
            arguments = self._bound(call, CLASSES[_LINKS[kind]])
            found = [arguments.pop(end, None) for end in ("a", "b")]
            if not all(isinstance(one, NodeName) for one in found):
                raise _refused(call, f"a {kind.lower()} is between two nodes: {kind}(home, h1)")
            ends = (str(found[0]), str(found[1]))
        name = unused_id("-".join(ends), {*self.links, *self.nodes})
        self.links[name] = LinkSaid(
            name, ends, arguments, place=_place(call), tunnel=kind == "Tunnel"
        )
        return LinkName(name)

    def _told(self, call: ast.Call) -> None:
        words: list[str] = []
        target: ast.expr = call.func
        while isinstance(target, ast.Attribute):
            words.insert(0, target.attr)
            target = target.value
        part = self._value(target)
        if not isinstance(part, (NodeName, LinkName)):
            raise _refused(call, _ONLY)
        node = isinstance(part, NodeName)
        kind = self.nodes[part.name].kind if isinstance(part, NodeName) else "link"
        method = ".".join(words)
        if method not in METHODS[kind]:
            known = ", ".join(sorted(METHODS[kind]))
            raise _refused(call, f"{method}() is nothing that a {kind} is told; it is told {known}")
        arguments = self._bound(call, METHODS[kind][method])
        key = f"node {part.name}" if node else f"link {part.id}"  # type: ignore[union-attr]
        self.calls.setdefault(key, []).append(Call(method, arguments, _place(call)))

    def _bound(self, call: ast.Call, function: Callable[..., Any]) -> dict[str, Any]:
        """Return the arguments of a call by their names."""
        known = [
            one
            for one in inspect.signature(function).parameters.values()
            if one.name not in ("self", "node") and one.kind is not one.VAR_KEYWORD
        ]
        values = [self._value(one) for one in call.args]
        found: dict[str, Any] = {}
        for one in known:
            if one.kind is one.VAR_POSITIONAL:
                if values:
                    found[one.name] = values
                values = []
            elif values and one.kind is not one.KEYWORD_ONLY:
                found[one.name] = values.pop(0)
        if values:
            raise _refused(call, "it is given more than it takes")
        for name, value in self._keywords(call).items():
            if name in found:
                raise _refused(call, f"{name} is given twice")
            found[name] = value
        return found

    def _keywords(self, call: ast.Call) -> dict[str, Any]:
        found = {}
        for one in call.keywords:
            if one.arg is None:
                raise _refused(call, _ONLY)
            found[one.arg] = self._value(one.value)
        return found

    def _value(self, one: ast.expr) -> Any:
        match one:
            case ast.Constant(value=None | bool() | int() | float() | str() | bytes()):
                return one.value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return -number
            case ast.Name(id=name) if name in self.variables:
                return self.variables[name]
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=int() as vlan)):
                link = self.variables.get(name)
                if isinstance(link, LinkName):
                    return LinkName(link.id, vlan)
            case ast.List():
                return [self._value(item) for item in one.elts]
            case ast.Tuple():
                return tuple(self._value(item) for item in one.elts)
            case ast.Dict():
                return self._mapping(one)
            case ast.Call(func=ast.Name(id="Path"), args=[ast.Constant(value=str() as path)]):
                return Path(path)
            case ast.Call(func=ast.Name(id=name)) if name in _VALUES:
                return self._made(name, one)
            case ast.Name(id=name):
                raise _refused(one, f"there is no {name} above: declare it first")
        raise _refused(one, _ONLY)

    def _mapping(self, one: ast.Dict) -> dict[Any, Any]:
        found = {}
        for key, value in zip(one.keys, one.values, strict=True):
            if key is None:
                raise _refused(one, _ONLY)
            name = self._value(key)
            item = self._value(value)
            try:
                found[name] = item
            except TypeError:  # a list, or a tuple with one in it, is no key
                raise _refused(key, _ONLY) from None
        return found

    def _made(self, name: str, call: ast.Call) -> Any:
        arguments: Sequence[Any] = [self._value(one) for one in call.args]
        keywords = self._keywords(call)
        try:
            return _VALUES[name](*arguments, **keywords)
        except PlaygroundError as error:
            raise _refused(call, str(error)) from error
        except (TypeError, ValueError, AttributeError) as error:
            raise _refused(call, f"{name}: {error}") from error


def _is_link(value: Any) -> bool:
    return isinstance(value, LinkName)


def _place(one: ast.expr | ast.stmt) -> FilePlace:
    return FilePlace("lab.py", one.lineno, one.col_offset + 1)


def _refused(one: ast.expr | ast.stmt, why: str) -> TopologyError:
    return TopologyError(f"{_place(one)}: {why}")
