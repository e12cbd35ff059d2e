"""A function as data: its source, and all that it uses.

Pure.  `describe` takes a function apart here, and `nodes.call_remote` puts it
together again on the node.

"""

from __future__ import annotations
import __future__

import ast
import dis
import functools
import inspect
import sys
import types
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from playground.errors import BadArgument
from playground.operations.connection.handles import Node
from playground.operations.nodes.call_remote import CannotTravel, encode

Item = tuple[str, Any]


class Shipment:
    """The functions that cross together, and the things they use.

    `item` takes anything; ``functions`` then has every function that was met
    on the way.  An item is ``("value", encoded)``, ``("function", key)`` or
    ``("import", (module, attributes))``.

    """

    def __init__(self) -> None:
        self.functions: dict[str, dict[str, Any]] = {}
        self._keys: dict[int, str] = {}

    def item(self, value: Any, where: str) -> Item:
        """Return something as an item.

        ``where`` says for a student what the thing is, "the argument 'x'".
        Raises `BadArgument` for what cannot cross.

        """
        if isinstance(value, types.ModuleType):
            if not _is_everywhere(value.__name__):
                raise BadArgument(
                    f"{where} is your own module {value.__name__}, which the host does not have: "
                    f"write `from {value.__name__} import ...`, so that each function can cross"
                )
            return ("import", (value.__name__, ()))
        if isinstance(value, (type, *_FUNCTIONS)):
            found = _importable(value)
            if found:
                return ("import", found)
        if isinstance(value, types.FunctionType):
            return ("function", self._add(value))
        if isinstance(value, type):
            raise BadArgument(
                f"{where} is your own class {value.__qualname__}, which the host does not have: "
                "use plain data, or define the class inside the function"
            )
        if isinstance(value, types.MethodType):
            raise BadArgument(
                f"{where} is a method, and its object cannot cross: use a plain function"
            )
        if isinstance(value, Node):
            raise BadArgument(
                f"{where} is a node of the lab: use its name, {value.name!r}, instead"
            )
        try:
            return ("value", encode(value))
        except (CannotTravel, RecursionError) as problem:
            raise BadArgument(
                f"{where} cannot cross to a host: {problem}; {PLAIN_DATA}"
            ) from problem

    def _add(self, function: types.FunctionType) -> str:
        if id(function) in self._keys:
            return self._keys[id(function)]
        key = self._keys[id(function)] = f"f{len(self._keys)}"
        title = function.__name__
        uses = {
            name: self.item(value, f"{name!r}, which {title} uses,")
            for name, value in _used(function)
        }
        defaults = [
            self.item(value, f"a default of {title}") for value in function.__defaults__ or ()
        ]
        keyword_defaults = {
            name: self.item(value, f"the default of {name!r} of {title}")
            for name, value in (function.__kwdefaults__ or {}).items()
        }
        self.functions[key] = {
            **_source(function),
            "module": function.__module__ or "__main__",
            "imports": sorted(_submodules(function)),
            "uses": uses,
            "defaults": defaults,
            "keyword_defaults": keyword_defaults,
        }
        return key


PLAIN_DATA = "numbers, text, bytes, lists, tuples, sets, dicts, dates, addresses and paths can"

_FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    functools._lru_cache_wrapper,
)


def _is_everywhere(module: str) -> bool:
    """Whether a module can be expected on a host: no file of the user's own."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return True
    file = getattr(sys.modules.get(top), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file


# The libraries of images/base, with those that they bring along.
_ON_HOSTS = frozenset(
    {
        "anyio",
        "bs4",
        "certifi",
        "cryptography",
        "dns",
        "h11",
        "httpcore",
        "httpx",
        "idna",
        "imapclient",
        "lxml",
        "nacl",
        "paramiko",
        "requests",
        "urllib3",
    }
)


def _is_on_hosts(module: str) -> bool:
    """Whether what a module defines is on every host too; else its source travels.

    Another library's functions travel although the library is installed here:
    this very package, for one, is on no host.

    """
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names or top in _ON_HOSTS


def _importable(value: Any) -> tuple[str, tuple[str, ...]] | None:
    """Return where a library's function or class is imported from."""
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", "<")
    if not module or "<" in name or not _is_on_hosts(module):
        return None
    found: Any = sys.modules.get(module)
    for attribute in name.split("."):
        found = getattr(found, attribute, None)
    return (module, tuple(name.split("."))) if found is value else None


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield a function's code and that of all functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _used(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the names of a function's surroundings that it uses, and their values."""
    title = function.__name__
    free = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    if "__class__" in free:
        raise BadArgument(f"{title} is a method, and its object cannot cross: use a plain function")
    seen = set()
    for code in _codes(function.__code__):
        for step in dis.get_instructions(code):
            name = step.argval
            if step.opname == "STORE_GLOBAL" or (
                step.opname == "STORE_DEREF" and name in code.co_freevars and name in free
            ):
                raise BadArgument(
                    f"{title} changes {name!r} outside of itself, which would change on the host "
                    "only: return the value instead"
                )
            if step.opname in _LOADS_GLOBAL and name in function.__globals__:
                seen.add(name)
    for name in sorted(seen - set(free)):
        yield name, function.__globals__[name]
    for name, cell in free.items():
        with suppress(ValueError):  # not set yet: a NameError there as here
            yield name, cell.cell_contents


# A class inside the function looks its names up by the last two.
_LOADS_GLOBAL = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}


def _submodules(function: types.FunctionType) -> Iterator[str]:
    """Yield the modules inside packages that a function speaks of.

    ``import urllib.request`` leaves only the name ``urllib`` among the globals.

    """
    words = {word for code in _codes(function.__code__) for word in code.co_names}
    for _, value in _used(function):
        if isinstance(value, types.ModuleType) and hasattr(value, "__path__"):
            inside = value.__name__ + "."
            for module in list(sys.modules):
                if module.startswith(inside) and words.issuperset(module[len(inside) :].split(".")):
                    yield module


def _source(function: types.FunctionType) -> dict[str, Any]:
    """Return a function's own lines and where they stand."""
    code = function.__code__
    title = function.__name__
    try:
        lines, _ = inspect.findsource(function)
        text = "".join(lines)
        tree = compile(
            text, code.co_filename, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        )
    except (OSError, TypeError, SyntaxError) as problem:
        raise BadArgument(
            f"the source of {title} cannot be found, and it is the source that crosses to a host: "
            "define it in a file or a notebook's cell"
        ) from problem
    node = _definition(tree, code)
    if node is None:
        raise BadArgument(
            f"the source of {title} cannot be told from what stands beside it: "
            "write it as a `def` on lines of its own"
        )
    if isinstance(node, ast.Lambda):
        name, source = "", ast.get_source_segment(text, node)
    else:
        if node.decorator_list:
            raise BadArgument(
                f"{title} has a decorator, which cannot cross to a host: "
                "call a function without one"
            )
        name, source = node.name, "".join(lines[node.lineno - 1 : node.end_lineno])
    return {
        "name": name,
        "source": source,
        "file": code.co_filename,
        "first_line": node.lineno,
        "future_annotations": bool(code.co_flags & __future__.annotations.compiler_flag),
    }


def _definition(
    tree: ast.AST, code: types.CodeType
) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | None:
    if code.co_name == "<lambda>":
        return _lambda(tree, code)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
    return None


def _lambda(tree: ast.AST, code: types.CodeType) -> ast.Lambda | None:
    """Find a lambda by the columns that its instructions came from (PEP 657)."""
    places = [
        (step.positions.lineno, step.positions.col_offset or 0)
        for step in dis.get_instructions(code)
        if step.positions and step.positions.lineno and step.positions.end_col_offset
    ]
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Lambda)
        and node.lineno == code.co_firstlineno
        and all(
            (node.body.lineno, node.body.col_offset)
            <= place
            < (node.body.end_lineno or 0, node.body.end_col_offset or 0)
            for place in places
        )
    ]
    # Of lambdas inside lambdas, the innermost that holds every instruction.
    found.sort(key=lambda node: (node.body.lineno, node.body.col_offset))
    return found[-1] if found and (places or len(found) == 1) else None
