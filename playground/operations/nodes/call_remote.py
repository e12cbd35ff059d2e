"""The program in a node's python3 that serves `Host.call` and ``python``.

This file is imported by the library for `encode` and `decode`, and its text is
sent to the node, where `main` runs: so it uses the standard library only and
imports nothing of playground.

How the two ends speak.  The node's ``python3 -c BOOTSTRAP`` reads from its
standard input, each preceded by its length as 8 bytes, big-endian: this file's
text, and a request in JSON.  What follows on the input is the program's own.

``{"kind": "script", "name", "source", "arguments", "shows_last": bool = false}``
    ``source`` is run as ``__main__``; the streams are the script's own.  With
    ``shows_last`` a last line that is an expression shows its value, as in a notebook.

``{"kind": "call", "functions", "start", "args", "kwargs"}``
    the function is called in a child process, and over standard output come
    frames, each a letter, 4 bytes of length, and that many bytes: ``o`` and
    ``e`` hold what the function printed on its two streams, ``r`` holds its
    outcome in JSON and is the last.  An outcome is ``{"value": ...}`` or
    ``{"error": ..., "traceback": text}``.

Values cross as tagged JSON, and only the plain types of the tables below do.
A node is not trusted by the one who asks it: decoding builds data and nothing
else, so that there is no way to make it run code, as there is with `pickle`.

"""

from __future__ import annotations

import base64
import builtins
import importlib
import json
import linecache
import os
import sys

# Each import costs the node milliseconds at every call, so what not every
# request needs is imported where it is needed.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# An exception of these modules can be raised on the other side.  They are
# named, rather than any module imported that a node asks for, because importing
# can have effects (`import antigravity` opens a browser).
EXCEPTION_MODULES = (
    "asyncio.exceptions",
    "binascii",
    "configparser",
    "csv",
    "decimal",
    "email.errors",
    "ftplib",
    "http.client",
    "http.cookiejar",
    "imaplib",
    "ipaddress",
    "json.decoder",
    "poplib",
    "queue",
    "re",
    "select",
    "shutil",
    "smtplib",
    "socket",
    "sqlite3",
    "ssl",
    "struct",
    "subprocess",
    "tarfile",
    "urllib.error",
    "uuid",
    "xml.etree.ElementTree",
    "zipfile",
    "zlib",
)

# The function that rebuilds a value of each type, and its arguments.
CLASSES: dict[str, tuple[str, Callable[[Any], list[Any]]]] = {
    "datetime.datetime": ("datetime.datetime.fromisoformat", lambda value: [value.isoformat()]),
    "datetime.date": ("datetime.date.fromisoformat", lambda value: [value.isoformat()]),
    "datetime.time": ("datetime.time.fromisoformat", lambda value: [value.isoformat()]),
    "datetime.timedelta": (
        "datetime.timedelta",
        lambda value: [value.days, value.seconds, value.microseconds],
    ),
    "decimal.Decimal": ("decimal.Decimal", lambda value: [str(value)]),
    "fractions.Fraction": (
        "fractions.Fraction",
        lambda value: [value.numerator, value.denominator],
    ),
    "uuid.UUID": ("uuid.UUID", lambda value: [str(value)]),
    "ipaddress.IPv4Address": ("ipaddress.IPv4Address", lambda value: [str(value)]),
    "ipaddress.IPv6Address": ("ipaddress.IPv6Address", lambda value: [str(value)]),
    "ipaddress.IPv4Network": ("ipaddress.IPv4Network", lambda value: [str(value)]),
    "ipaddress.IPv6Network": ("ipaddress.IPv6Network", lambda value: [str(value)]),
    "ipaddress.IPv4Interface": ("ipaddress.IPv4Interface", lambda value: [str(value)]),
    "ipaddress.IPv6Interface": ("ipaddress.IPv6Interface", lambda value: [str(value)]),
    "pathlib.PosixPath": ("pathlib.Path", lambda value: [str(value)]),
    "pathlib.WindowsPath": ("pathlib.Path", lambda value: [str(value)]),
    "pathlib.PurePosixPath": ("pathlib.PurePosixPath", lambda value: [str(value)]),
    "collections.OrderedDict": (
        "collections.OrderedDict",
        lambda value: [list(map(list, value.items()))],
    ),
    "collections.Counter": ("collections.Counter", lambda value: [dict(value)]),
    "collections.deque": ("collections.deque", lambda value: [list(value), value.maxlen]),
    "builtins.range": ("builtins.range", lambda value: [value.start, value.stop, value.step]),
    "builtins.complex": ("builtins.complex", lambda value: [value.real, value.imag]),
    "re.Pattern": ("re.compile", lambda value: [value.pattern, value.flags]),
}

# The types that those arguments have, for all that are not text: what comes from a node may
# be a number of a million digits, or a range that never ends, where a list belongs.
ARGUMENTS: dict[str, tuple[type, ...]] = {
    "datetime.timedelta": (int,),
    "fractions.Fraction": (int,),
    "collections.OrderedDict": (list,),
    "collections.Counter": (dict,),
    "collections.deque": (list, int, type(None)),
    "builtins.range": (int,),
    "builtins.complex": (float, int),
    "re.Pattern": (str, bytes, int),
}

# Of a fraction's numbers in bits, and of a pattern in characters: to shorten the one and
# compile the other takes time that grows faster than they do.
LONGEST_NUMBER_BITS = 1 << 16
LONGEST_PATTERN = 1 << 16

# Enumerations that functions of the standard library return.
ENUMERATIONS = (
    "http.HTTPStatus",
    "socket.AddressFamily",
    "socket.SocketKind",
    "socket.AddressInfo",
    "socket.MsgFlag",
    "signal.Signals",
    "ssl.TLSVersion",
)


class CannotTravel(TypeError):
    """A value is none of the types that cross."""


def encode(value: Any, inside: tuple[int, ...] = ()) -> Any:
    """Return a value as tagged JSON data; raises `CannotTravel`."""
    kind = type(value)
    if value is None or kind in (bool, float):
        return value
    if kind is int:
        # Python refuses to read back a decimal of more than 4300 digits.
        return value if -(2**63) <= value < 2**63 else {"int": hex(value)}
    if kind is str:
        return value
    if kind in (bytes, bytearray):
        return {kind.__name__: base64.b64encode(value).decode("ascii")}
    if id(value) in inside:
        raise CannotTravel(f"a {kind.__name__} that contains itself cannot travel")
    inside = (*inside, id(value))
    if kind is list:
        return [encode(item, inside) for item in value]
    if kind in (tuple, set, frozenset):
        return {kind.__name__: [encode(item, inside) for item in value]}
    name = type_name(kind)
    # A defaultdict arrives as a dict: its factory is a function, and stays.
    if kind is dict or name == "collections.defaultdict":
        return {"dict": [[encode(k, inside), encode(v, inside)] for k, v in value.items()]}
    if isinstance(value, Exception):
        return {"exception": encode_exception(value, inside)}
    if name in CLASSES:
        return {"object": [name, encode(CLASSES[name][1](value), inside)]}
    if name in ENUMERATIONS:
        return {"enum": [name, encode(value.value)]}
    raise CannotTravel(f"a value of type {name} cannot travel")


def type_name(kind: type) -> str:
    """Return the full name of a type, `http.HTTPStatus`."""
    # Python 3.13 moved the paths' classes; they are imported from where they were.
    module = "pathlib" if kind.__module__ == "pathlib._local" else kind.__module__
    return f"{module}.{kind.__qualname__}"


def decode(data: Any, until: float | None = None) -> Any:
    """Rebuild what `encode` returned; raises `ValueError` for anything else.

    What is not done ``until`` this moment, by `time.monotonic`, is given up with a
    `TimeoutError`: keys can be chosen so that a dict takes hours.

    """
    if data is None or isinstance(data, (bool, int, float, str)):
        return data
    if isinstance(data, list):
        return _decode_list(data, until)
    if not isinstance(data, dict) or len(data) != 1:
        raise ValueError(f"not an encoded value: {data!r:.80}")
    ((tag, content),) = data.items()
    if tag == "int":
        return int(content, 16)
    if tag == "bytes":
        return base64.b64decode(content)
    if tag == "bytearray":
        return bytearray(base64.b64decode(content))
    if tag in ("tuple", "set", "frozenset", "dict") and not isinstance(content, list):
        raise ValueError(f"not an encoded {tag}: {content!r:.80}")
    if tag == "tuple":
        return tuple(_decode_list(content, until))
    if tag in ("set", "frozenset"):
        items: set[Any] = set()
        for count, item in enumerate(content):
            items.add(decode(item, until))
            _look_at_the_clock(count, until)
        return items if tag == "set" else frozenset(items)
    if tag == "dict":
        pairs: dict[Any, Any] = {}
        for count, (key, value) in enumerate(content):
            pairs[decode(key, until)] = decode(value, until)
            _look_at_the_clock(count, until)
        return pairs
    if tag == "object":
        name, arguments = content
        return _decode_object(name, arguments, until)
    if tag == "enum":
        return _decode_enum(*content)
    if tag == "exception":
        return decode_exception(content)
    raise ValueError(f"not an encoded value: {tag!r:.80}")


def _decode_list(data: list[Any], until: float | None) -> list[Any]:
    items = []
    for count, item in enumerate(data):
        items.append(decode(item, until))
        _look_at_the_clock(count, until)
    return items


def _look_at_the_clock(count: int, until: float | None) -> None:
    if until is not None and count % 256 == 255:
        import time

        if time.monotonic() > until:
            raise TimeoutError("it takes too long to put together")


def _decode_object(name: str, data: Any, until: float | None) -> Any:
    if name not in CLASSES:
        raise ValueError(f"not a type that travels: {name!r:.80}")
    arguments = decode(data, until)
    allowed = ARGUMENTS.get(name, (str,))
    if type(arguments) is not list or not all(type(one) in allowed for one in arguments):
        raise ValueError(f"not the arguments of {name}: {data!r:.80}")
    if name == "fractions.Fraction" and any(
        one.bit_length() > LONGEST_NUMBER_BITS for one in arguments
    ):
        raise ValueError(f"a fraction of numbers with more than {LONGEST_NUMBER_BITS} bits")
    if name == "re.Pattern" and len(arguments[0]) > LONGEST_PATTERN:
        raise ValueError(f"a pattern of more than {LONGEST_PATTERN} characters")
    if name == "collections.OrderedDict":
        # Pair by pair, as a dict is.
        as_dict = {"dict": data[0]} if isinstance(data, list) else None
        return importlib.import_module("collections").OrderedDict(decode(as_dict, until))
    module, *attributes = CLASSES[name][0].split(".")
    make = importlib.import_module(module)
    for attribute in attributes:
        make = getattr(make, attribute)
    return make(*arguments)  # type: ignore[operator]


def _decode_enum(name: str, value: Any) -> Any:
    if name not in ENUMERATIONS:
        raise ValueError(f"not a type that travels: {name!r:.80}")
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)(decode(value))


def encode_exception(error: BaseException, inside: tuple[int, ...] = ()) -> dict[str, Any]:
    """Return an exception's class, arguments and attributes as JSON data.

    An argument that cannot travel goes as its repr, an attribute as ``None``.

    """
    attributes = {
        name: _encode_or(value, None, inside)
        for name, value in vars(error).items()
        if not name.startswith("__")
    }
    arguments = error.args
    if isinstance(error, OSError) and len(arguments) == 2 and error.filename is not None:
        arguments = (*arguments, error.filename)  # as its constructor takes it
    return {
        "module": type(error).__module__,
        "name": type(error).__qualname__,
        "arguments": [_encode_or(arg, repr(arg), inside) for arg in arguments],
        "attributes": attributes,
        "text": _text(error),
    }


def _encode_or(value: Any, otherwise: Any, inside: tuple[int, ...]) -> Any:
    try:
        return encode(value, inside)
    except CannotTravel:
        return otherwise


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def decode_exception(data: dict[str, Any]) -> Exception:
    """Rebuild an exception; raises `ValueError` for a class that is not known here."""
    module, name = data["module"], data["name"]
    if module != "builtins" and module not in EXCEPTION_MODULES:
        raise ValueError(f"not an exception that travels: {module}.{name}")
    kind = getattr(
        builtins if module == "builtins" else importlib.import_module(module), name, None
    )
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        raise ValueError(f"not an exception that travels: {module}.{name}")
    arguments = [decode(argument) for argument in data["arguments"]]
    if module == "builtins":
        # Written in C: what they hold, they take from their arguments.
        return kind(*arguments)
    # Written in Python, with constructors of any shape: so as `copy` does it,
    # without them.
    error: Exception = kind.__new__(kind, *arguments)
    error.args = tuple(arguments)
    vars(error).update((key, decode(value)) for key, value in data["attributes"].items())
    return error


# The rest runs on the node only.


def main(request_text: bytes) -> None:
    """Do what the request says."""
    request = json.loads(request_text)
    if request["kind"] == "script":
        _run_script(
            request["name"],
            request["source"],
            request["arguments"],
            request.get("shows_last", False),
        )
    else:
        _serve_call(request)


def _run_script(name: str, source: str, arguments: list[str], shows_last: bool) -> None:
    _remember_lines(name, 1, source)
    sys.argv = [name, *arguments]
    namespace = sys.modules["__main__"].__dict__
    for extra in [key for key in namespace if not key.startswith("__")]:
        del namespace[extra]
    namespace["__file__"] = name
    sys.excepthook = _excepthook
    if shows_last:
        _run_cell(name, source, namespace)
    else:
        exec(compile(source, name, "exec", dont_inherit=True), namespace)


def _run_cell(name: str, source: str, namespace: dict[str, Any]) -> None:
    import ast

    body = ast.parse(source, name).body
    last = []
    if body and isinstance(body[-1], ast.Expr) and not source.rstrip().endswith(";"):
        last = [body.pop()]
    exec(compile(ast.Module(body, []), name, "exec", dont_inherit=True), namespace)
    exec(compile(ast.Interactive(last), name, "single", dont_inherit=True), namespace)


def _remember_lines(name: str, first_line: int, source: str) -> None:
    """Let tracebacks show lines of a file that this machine does not have."""
    entry: Any = linecache.cache.get(name)
    lines = list(entry[2]) if entry else []
    new = source.splitlines(True)
    last = first_line - 1 + len(new)
    lines += ["\n"] * (last - len(lines))
    lines[first_line - 1 : last] = new
    linecache.cache[name] = (len(source), None, lines, name)


def _excepthook(kind: Any, error: Any, trace: Any) -> None:
    # The frames above the script are those of this file.
    import traceback

    traceback.print_exception(kind, error, _beyond_this_file(trace))


def _beyond_this_file(trace: Any) -> Any:
    while trace is not None and trace.tb_frame.f_code.co_filename in (__file__, "<string>"):
        trace = trace.tb_next
    return trace


def _serve_call(request: dict[str, Any]) -> None:
    """Run the function in a child process and frame all that comes from it.

    A process of its own, so that whatever the function or what it starts
    prints, by whatever means, never mixes with the outcome.

    """
    line = os.dup(1)
    pipes = {letter: os.pipe() for letter in ("o", "e", "r")}
    child = os.fork()
    if child == 0:
        os.close(line)
        for letter, target in (("o", 1), ("e", 2)):
            os.dup2(pipes[letter][1], target)
        outcome_fd = pipes["r"][1]
        for letter, (reader, writer) in pipes.items():
            os.close(reader)
            if letter != "r":
                os.close(writer)
        status = 0
        try:
            outcome = json.dumps(_outcome(request)).encode("ascii")
            sys.stdout.flush()
            sys.stderr.flush()
            with os.fdopen(outcome_fd, "wb") as stream:
                stream.write(outcome)
        except BaseException as error:
            _excepthook(type(error), error, error.__traceback__)
            status = 1
        finally:
            os._exit(status)
    for _, writer in pipes.values():
        os.close(writer)
    outcome = _pump(line, {letter: reader for letter, (reader, _) in pipes.items()}, child)
    _, status = os.waitpid(child, 0)
    if not outcome:
        code = os.waitstatus_to_exitcode(status)
        outcome = json.dumps({"ended": code}).encode("ascii")
    _send(line, b"r", outcome)


def _pump(line: int, readers: dict[str, int], child: int) -> bytes:
    """Frame the child's streams until it has ended, and return its outcome.

    A process that the function left in the background may hold the streams
    open: they are read to their end only as far as it is there.

    """
    import selectors

    outcome = []
    with selectors.DefaultSelector() as selector:
        for letter, reader in readers.items():
            selector.register(reader, selectors.EVENT_READ, letter)
        child_fd = os.pidfd_open(child)
        selector.register(child_fd, selectors.EVENT_READ, "child")
        ended = False
        while selector.get_map() or not ended:
            ready = selector.select(0 if ended else None)
            if not ready:
                break
            for key, _ in ready:
                if key.data == "child":
                    ended = True
                    selector.unregister(child_fd)
                    continue
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fd)
                elif key.data == "r":
                    outcome.append(data)
                else:
                    _send(line, key.data.encode("ascii"), data)
    return b"".join(outcome)


def _send(line: int, letter: bytes, data: bytes) -> None:
    view = memoryview(letter + len(data).to_bytes(4, "big") + data)
    while view:
        view = view[os.write(line, view) :]


def _outcome(request: dict[str, Any]) -> dict[str, Any]:
    import traceback

    try:
        functions = _Functions(request["functions"])
        function = functions.value(request["start"])
        args = [functions.value(item) for item in request["args"]]
        kwargs = {name: functions.value(item) for name, item in request["kwargs"].items()}
        value = function(*args, **kwargs)
        if type(value).__name__ == "coroutine":
            import asyncio

            value = asyncio.run(value)
    except BaseException as error:
        trace = _beyond_this_file(error.__traceback__)
        text = "".join(traceback.format_exception(type(error), error, trace))
        return {"error": encode_exception(error), "traceback": text}
    try:
        return {"value": encode(value)}
    except (CannotTravel, RecursionError) as error:
        return {"unsendable": str(error)}


class _Functions:
    """The functions of a request, each compiled when it is first asked for.

    `nodes.call_source` describes them.  Each has a namespace of its own.

    """

    def __init__(self, described: dict[str, Any]) -> None:
        self._described = described
        self._made: dict[str, Any] = {}

    def value(self, item: Any) -> Any:
        """Return what a function uses: a value, a function, or what is imported."""
        kind, content = item
        if kind == "value":
            return decode(content)
        if kind == "function":
            return self._function(content)
        module, attributes = content
        found = importlib.import_module(module)
        for attribute in attributes:
            found = getattr(found, attribute)
        return found

    def _function(self, key: str) -> Any:
        if key in self._made:
            return self._made[key]
        item = self._described[key]
        namespace: dict[str, Any] = {"__name__": item["module"], "__builtins__": builtins}
        function = self._made[key] = _compiled(item, namespace)
        if item["defaults"]:
            function.__defaults__ = tuple(self.value(value) for value in item["defaults"])
        if item["keyword_defaults"]:
            function.__kwdefaults__ = {
                name: self.value(value) for name, value in item["keyword_defaults"].items()
            }
        for module in item["imports"]:
            importlib.import_module(module)
        for name, value in item["uses"].items():
            namespace[name] = self.value(value)
        return function


def _compiled(item: dict[str, Any], namespace: dict[str, Any]) -> Any:
    """Compile one function under the name and lines of the file it stands in."""
    import __future__

    import ast

    _remember_lines(item["file"], item["first_line"], item["source"])
    flags = __future__.annotations.compiler_flag if item["future_annotations"] else 0
    kind = "exec" if item["name"] else "eval"
    # An indented definition stands in an `if 1:`, a lambda in parentheses.
    if kind == "eval":
        text, before = "(" + item["source"] + ")", 0
    elif item["source"][0] in " \t":
        text, before = "if 1:\n" + item["source"], 1
    else:
        text, before = item["source"], 0
    tree = compile(text, item["file"], kind, flags | ast.PyCF_ONLY_AST, True)
    if kind == "exec":
        definition = tree.body[0].body[0] if before else tree.body[0]
        tree.body = [definition]
    else:
        definition = tree.body
    _strip(definition)
    ast.increment_lineno(tree, item["first_line"] - 1 - before)
    code = compile(tree, item["file"], kind, flags, True)
    if kind == "eval":
        return eval(code, namespace)  # noqa: S307
    exec(code, namespace)
    return namespace[item["name"]]


def _nothing(where: Any) -> Any:
    import ast

    return ast.copy_location(ast.Constant(None), where)


def _strip(definition: Any) -> None:
    """Take away what is evaluated where a function is defined.

    Its defaults are sent as values, its annotations are not needed.

    """
    arguments = definition.args
    every = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    for argument in [*every, arguments.vararg, arguments.kwarg]:
        if argument is not None:
            argument.annotation = None
    arguments.defaults = [_nothing(item) for item in arguments.defaults]
    arguments.kw_defaults = [item and _nothing(item) for item in arguments.kw_defaults]
    if hasattr(definition, "returns"):
        definition.returns = None
