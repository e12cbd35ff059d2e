"""Python's sockets on a node: `sockets` for all that a block makes, `socket_on` for one.

A socket lives where it was opened, whoever uses it then; so the agent opens it on the
node and hands it to this process (`connection.socket_line`).  What `sockets` changes of
Python's own modules stands in one table, `_CHANGES`.  It is changed when a first block
begins, and changed back when the last one ends; meanwhile each replacement asks the
context (contextvars) of who calls whether that is in a block, and does what was there
before if not.  So other threads and tasks notice nothing.

Names are looked up by the node's own C library, in a python3 that runs there: the answer
depends on its /etc/hosts, /etc/resolv.conf, /etc/nsswitch.conf and network.  Where an image
of the user's has no python3, the agent reads the first two and asks.

"""

from __future__ import annotations

import _socket
import builtins
import json
import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from ipaddress import ip_address
from typing import Any, NamedTuple

from playground.errors import (
    AgentGone,
    BadArgument,
    CommandFailed,
    EngineError,
    NotReady,
    PlaygroundError,
)
from playground.model.arguments import is_whole, shown
from playground.operations.connection.client import AgentProcess
from playground.operations.connection.commands import kill, start_process, time_left, time_limit
from playground.operations.connection.handles import Node
from playground.operations.connection.name_queries import look_up

# Local whatever the network: unix(7), and those of the kernel or of a hypervisor.
_LOCAL_FAMILIES = {
    getattr(socket, name) for name in ("AF_UNIX", "AF_ALG", "AF_VSOCK") if hasattr(socket, name)
}

# resolv.conf(5): three servers, each asked twice, 5 s each; and as much again for
# a second address family.
_LOOK_UP_LIMIT_S = 65.0
_ANSWER_BYTES = 1 << 20


# requests and curl look here for the system's authorities.
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


# -- Blocks ------------------------------------------------------------------


class _SocketsBlock:
    """One ``with node.sockets():`` under way; ``outer`` is the block around it."""

    def __init__(self, node: Node, outer: _SocketsBlock | None) -> None:
        self.node = node
        self.outer = outer
        self.names = _Names(node)
        self.ended = False


_entered: ContextVar[_SocketsBlock | None] = ContextVar("playground_sockets", default=None)


def _current() -> _SocketsBlock | None:
    """The innermost block that this thread or task is in, of those that have not ended."""
    block = _entered.get()
    while block is not None and block.ended:
        block = block.outer
    return block


@contextmanager
def sockets(node: Node) -> Iterator[Node]:
    """Have all sockets made in a block live on a node; see `nodes.sockets`."""
    _ready(node)
    block = _SocketsBlock(node, _current())
    with _changed():
        before = _entered.get()
        _entered.set(block)
        try:
            yield node
        finally:
            block.ended = True
            _entered.set(before)
            block.names.close()


@contextmanager
def on_this_machine() -> Iterator[None]:
    """Leave the block, if there is one: for the library's own connections."""
    before = _entered.get()
    _entered.set(None)
    try:
        yield
    finally:
        _entered.set(before)


def _ready(node: Node) -> None:
    refused = node.running().agent.ready_sockets()
    if refused is not None:
        name = node.short if hasattr(node, "short") else node.name
        raise EngineError(
            f"no socket of {node.name} can be handed to this program: {refused}. Use "
            f"{name}.call(function) or {name}.python(script), which run your Python on the host "
            f"itself, or {name}.ssh(to=...): they work wherever the engine is"
        )


def _opened(node: Node, family: int, kind: int, protocol: int) -> int:
    live = node.running()
    return live.agent.open_socket(live.pid, family, kind, protocol)


# -- Single sockets -----------------------------------------------------------


class HostSocket(socket.socket):
    """A socket of a node's: where it is told a name, the node looks it up."""

    __slots__ = ("_node",)
    _node: Node

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, on {self._node.name}>"

    def dup(self) -> HostSocket:
        """Return another descriptor of the same socket."""
        return _of(self._node, socket.socket.dup(self))

    def connect(self, address: Any, /) -> None:
        super().connect(self._numeric(address))

    def connect_ex(self, address: Any, /) -> int:
        return super().connect_ex(self._numeric(address))

    def bind(self, address: Any, /) -> None:
        super().bind(self._numeric(address))

    def sendto(self, data: Any, /, *rest: Any) -> int:
        *flags, address = rest
        return int(super().sendto(data, *flags, self._numeric(address)))  # type: ignore[call-overload]

    def sendmsg(
        self, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None, /
    ) -> int:
        return super().sendmsg(buffers, ancdata, flags, self._numeric(address))

    def _numeric(self, address: Any) -> Any:
        names = _Names(self._node)
        try:
            return _numeric(names, self.family, address)
        finally:
            names.close()


def socket_on(node: Node, family: int, kind: int, protocol: int) -> HostSocket:
    """Return one socket that lives on a node; see `nodes.sockets`."""
    for name, value in (("family", family), ("type", kind), ("proto", protocol)):
        if not is_whole(value, 0, 2**31 - 1):
            raise BadArgument(
                f"{name}={shown(value)} is no number of socket(2); write for example "
                "family=socket.AF_INET, type=socket.SOCK_DGRAM"
            )
    _ready(node)
    descriptor = _opened(node, family, kind, protocol)
    try:
        made = HostSocket(family, kind, protocol, fileno=descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    made._node = node
    return made


def _of(node: Node, plain: socket.socket) -> HostSocket:
    made = HostSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
    made._node = node
    return made


# -- Names --------------------------------------------------------------------

# Runs on the node: a question a line, and its answer.
_RESOLVER = """
import _socket, json, sys
for line in sys.stdin:
    name, arguments = json.loads(line)
    arguments = [tuple(item) if isinstance(item, list) else item for item in arguments]
    try:
        answer = {"value": getattr(_socket, name)(*arguments)}
    except Exception as error:
        answer = {"error": type(error).__name__, "arguments": error.args}
    print(json.dumps(answer), flush=True)
"""


class _Names:
    """The resolvers of a node: programs there that answer one question at a time.

    They are started when they are needed, and kept for the next question.

    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._idle: list[AgentProcess] = []
        self._closed = False

    def ask(self, name: str, *arguments: Any) -> Any:
        """Return what a function of `socket` returns on the node, or raise what it does.

        Tuples come back as lists.

        """
        question = json.dumps([name, [_text(item) for item in arguments]]).encode() + b"\n"
        process = None
        with self._lock:
            while self._idle and (process is None or process.closed):
                process = self._idle.pop()
        if process is None or process.closed:
            argv = ["python3", "-I", "-S", "-c", _RESOLVER]
            try:
                process = start_process(self._node, argv, stdin=True)
            except CommandFailed:
                if name != "getaddrinfo" or not self._node.running().strange:
                    raise
                return _looked_up(self._node, *arguments)
        try:
            answer = _asked(process, question)
            if not isinstance(answer, dict):
                raise ValueError
        except (ValueError, RecursionError):
            kill(process)
            raise self._lie(name, arguments) from None
        except TimeoutError:
            kill(process)
            raise NotReady(
                f"{self._node.name} had no answer to {name}{arguments!r} after "
                f"{_LOOK_UP_LIMIT_S:g} s: look at {self._node.name}.nameservers"
            ) from None
        except BaseException:
            kill(process)
            raise
        with self._lock:
            closed = self._closed
            if not closed:
                self._idle.append(process)
        if closed:
            kill(process)
        if "error" in answer:
            raise _error(answer["error"], answer.get("arguments"))
        if not _is_answer(name, answer.get("value")):
            raise self._lie(name, arguments)
        return answer["value"]

    def _lie(self, name: str, arguments: Sequence[Any]) -> PlaygroundError:
        return PlaygroundError(
            f"{self._node.name} gave no answer to {name}{tuple(arguments)!r} that makes sense: is "
            "its python3 its own?"
        )

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            kill(process)


def _looked_up(
    node: Node,
    host: str,
    port: Any,
    family: int = 0,
    kind: int = 0,
    protocol: int = 0,
    flags: int = 0,
) -> list[Any]:
    """Return what getaddrinfo(3) would on a node that has nothing to look names up with."""
    rows = []
    for address in look_up(node, _text(host)):
        with suppress(socket.gaierror):  # of the other family
            rows += _socket.getaddrinfo(
                address, port, family, kind, protocol, flags | socket.AI_NUMERICHOST
            )
    if not rows:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return [[*row[:4], list(row[4])] for row in rows]


def _asked(process: AgentProcess, question: bytes) -> Any:
    deadline = time_limit(_LOOK_UP_LIMIT_S)
    process.write(question, time_left(deadline))
    heard = bytearray()
    while not heard.endswith(b"\n"):
        more = process.read_stdout(time_left(deadline))
        if not more:
            raise AgentGone("the program that looks names up on the host was ended")
        heard += more
        if len(heard) > _ANSWER_BYTES:
            raise ValueError
    return json.loads(heard)


def _is_answer(name: str, value: Any) -> bool:
    """Whether a value has the shape of what that function of `socket` returns."""
    if name == "getaddrinfo":
        return isinstance(value, list) and all(
            isinstance(row, list)
            and [type(item) for item in row] == [int, int, int, str, list]
            and len(row[4]) >= 2
            and type(row[4][0]) is str
            and all(type(item) is int for item in row[4][1:])
            for row in value
        )
    if name in ("gethostbyname", "gethostname", "if_indextoname"):
        return type(value) is str
    if name == "if_nametoindex":
        return type(value) is int
    if name == "if_nameindex":
        return isinstance(value, list) and all(
            isinstance(row, list) and [type(item) for item in row] == [int, str] for row in value
        )
    kinds = (str, str) if name == "getnameinfo" else (str, list, list)
    return isinstance(value, list) and tuple(type(item) for item in value) == kinds


def _text(item: Any) -> Any:
    return bytes(item).decode("ascii") if isinstance(item, (bytes, bytearray)) else item


def _error(name: Any, arguments: Any) -> Exception:
    # A node is not trusted: what it names may be any function, `exec` among them.
    kind = getattr(socket, str(name), None) or getattr(builtins, str(name), None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        kind = OSError
    if not isinstance(arguments, list) or not all(type(item) in (str, int) for item in arguments):
        arguments = [str(arguments)]
    try:
        return kind(*arguments)
    except Exception:
        return OSError(*map(str, arguments))


def _is_numeric(host: Any) -> bool:
    """Whether a host needs no look-up: an address without a scope, or none at all."""
    host = _text(host)
    if host in (None, "", "<broadcast>"):
        return True
    try:
        return "%" not in str(ip_address(host))
    except ValueError:
        return False


def _numeric(names: _Names, family: int, address: Any) -> Any:
    """Return an address of a socket with a number for its name."""
    internet = family in (socket.AF_INET, socket.AF_INET6)
    if not internet or not isinstance(address, tuple) or not address or _is_numeric(address[0]):
        return address
    found = names.ask("getaddrinfo", address[0], None, int(family))[0][4]
    if family == socket.AF_INET:
        return (found[0], *address[1:])
    # The scope's name is one of the node's interfaces, and here its number counts: RFC 4007.
    port, flow, scope = (*address[1:], 0, 0)[:3]
    return (found[0].partition("%")[0], port, flow, scope or found[3])


# -- What is changed of Python's own modules -----------------------------------

# Each takes what was there before, and returns what takes its place.

_Function = Callable[..., Any]


def _making(original: _Function) -> _Function:
    def __init__(  # noqa: N807
        self: socket.socket,
        family: int = -1,
        type: int = -1,  # noqa: A002 - as the original has it
        proto: int = -1,
        fileno: int | None = None,
    ) -> None:
        block = _current() if fileno is None else None
        if block is None or family in _LOCAL_FAMILIES:
            original(self, family, type, proto, fileno)
            return
        what = _defaults(family, type, proto)
        descriptor = _opened(block.node, *what)
        try:
            original(self, *what, descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    return __init__


def _defaults(family: int, kind: int, protocol: int) -> tuple[int, int, int]:
    """The family, type and protocol of a socket whose maker has left them out."""
    return (
        socket.AF_INET if family == -1 else family,
        socket.SOCK_STREAM if kind == -1 else kind,
        0 if protocol == -1 else protocol,
    )


def _addressing(original: _Function) -> _Function:
    """Change a method whose last argument is an address."""

    def method(self: socket.socket, *arguments: Any) -> Any:
        if arguments and (block := _current()):
            *rest, address = arguments
            arguments = (*rest, _numeric(block.names, self.family, address))
        return original(self, *arguments)

    return method


def _messaging(original: _Function) -> _Function:
    def sendmsg(
        self: socket.socket,
        buffers: Any,
        ancdata: Any = (),
        flags: int = 0,
        address: Any = None,
        /,
    ) -> Any:
        if address is not None and (block := _current()):
            address = _numeric(block.names, self.family, address)
        return original(self, buffers, ancdata, flags, address)

    return sendmsg


def _getaddrinfo(original: _Function) -> _Function:
    def getaddrinfo(
        host: Any,
        port: Any,
        family: int = 0,
        type: int = 0,  # noqa: A002 - as the original has it
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple[Any, ...]]:
        block = _current()
        if block is None or (_is_numeric(host) and _is_number(port)):
            return original(host, port, family, type, proto, flags)  # type: ignore[no-any-return]
        asked = (_text(host), _text(port), int(family), int(type), int(proto), int(flags))
        rows = block.names.ask("getaddrinfo", *asked)
        return [(*row[:4], tuple(row[4])) for row in rows]

    return getaddrinfo


def _is_number(port: Any) -> bool:
    port = _text(port)
    return port is None or not isinstance(port, str) or port.isdigit()


def _itself(value: Any) -> Any:
    return value


def _rows(value: list[list[Any]]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in value]


def _answered(name: str, shape: _Function = _itself) -> Callable[[_Function], _Function]:
    """Change a function that the node is to answer, with what gives its answer its shape."""

    def change(original: _Function) -> _Function:
        def function(*arguments: Any) -> Any:
            block = _current()
            if block is None:
                return original(*arguments)
            return shape(block.names.ask(name, *arguments))

        return function

    return change


def _starting(original: _Function) -> _Function:
    """Have a thread begin in the block that its starter is in."""

    def start(self: threading.Thread) -> None:
        block = _current()
        if block is not None and self.ident is None:
            run = self.run

            def run_inside() -> None:
                _entered.set(block)
                run()

            self.run = run_inside  # type: ignore[method-assign]
        original(self)

    return start


def _submitting(original: _Function) -> _Function:
    """Have what is given to a pool of threads run where its giver is, in whichever thread.

    asyncio looks names up in such a pool, which it shares between its tasks.

    """

    def submit(pool: Any, function: _Function, /, *args: Any, **kwargs: Any) -> Any:
        block = _current()

        def inside(*args: Any, **kwargs: Any) -> Any:
            before = _entered.get()
            _entered.set(block)
            try:
                return function(*args, **kwargs)
            finally:
                _entered.set(before)

        with on_this_machine():  # the pool's threads are in no block of their own
            return original(pool, inside, *args, **kwargs)

    return submit


def _trusting_system(original: _Function) -> _Function:
    """Have a TLS context that trusts the system's authorities trust the lab's too."""

    def set_default_verify_paths(self: ssl.SSLContext) -> None:
        original(self)
        if block := _current():
            _trust(self, block.node)

    return set_default_verify_paths


def _trusting_file(original: _Function) -> _Function:
    """The same for contexts that load those from a file, as requests and httpx do.

    One that is to trust a file of the user's own goes on trusting that alone.

    """

    def load_verify_locations(
        self: ssl.SSLContext, cafile: Any = None, capath: Any = None, cadata: Any = None
    ) -> None:
        original(self, cafile, capath, cadata)
        block = _current() if cafile or capath else None
        if block and {os.fspath(place) for place in (cafile, capath) if place} & _usual_places():
            _trust(self, block.node)

    return load_verify_locations


def _usual_places() -> set[str | None]:
    """Where those authorities lie that are trusted when nobody says which."""
    system = ssl.get_default_verify_paths()
    places = {system.cafile, system.capath, *map(os.environ.get, _BUNDLES)}
    certifi = sys.modules.get("certifi")
    return places | ({certifi.where()} if certifi else set())


def _trust(context: ssl.SSLContext, node: Node) -> None:
    authority = node.running().lab.ca_certificate
    # The base class's own: what stands in ssl.SSLContext now is ours.
    super(ssl.SSLContext, context).load_verify_locations(cadata=authority)


class _Change(NamedTuple):
    """An attribute that blocks replace: of a class, or of each of some modules."""

    owners: tuple[Any, ...]
    name: str
    change: Callable[[_Function], _Function]


_MODULES = (_socket, socket)

_CHANGES = (
    _Change((socket.socket,), "__init__", _making),
    _Change((socket.socket,), "connect", _addressing),
    _Change((socket.socket,), "connect_ex", _addressing),
    _Change((socket.socket,), "bind", _addressing),
    _Change((socket.socket,), "sendto", _addressing),
    _Change((socket.socket,), "sendmsg", _messaging),
    # socket.getaddrinfo calls this one.
    _Change((_socket,), "getaddrinfo", _getaddrinfo),
    _Change(_MODULES, "gethostbyname", _answered("gethostbyname")),
    _Change(_MODULES, "gethostbyname_ex", _answered("gethostbyname_ex", tuple)),
    _Change(_MODULES, "gethostbyaddr", _answered("gethostbyaddr", tuple)),
    _Change(_MODULES, "getnameinfo", _answered("getnameinfo", tuple)),
    _Change(_MODULES, "gethostname", _answered("gethostname")),
    _Change(_MODULES, "if_nameindex", _answered("if_nameindex", _rows)),
    _Change(_MODULES, "if_nametoindex", _answered("if_nametoindex")),
    _Change(_MODULES, "if_indextoname", _answered("if_indextoname")),
    _Change((threading.Thread,), "start", _starting),
    _Change((ThreadPoolExecutor,), "submit", _submitting),
    _Change((ssl.SSLContext,), "set_default_verify_paths", _trusting_system),
    _Change((ssl.SSLContext,), "load_verify_locations", _trusting_file),
)

_lock = threading.Lock()
_blocks = 0
_undo: list[Callable[[], None]] = []


@contextmanager
def _changed() -> Iterator[None]:
    """Change Python's modules while at least one block is open."""
    global _blocks
    with _lock:
        _blocks += 1
        if _blocks == 1:
            for change in _CHANGES:
                _undo.extend(_replace(owner, change) for owner in change.owners)
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if _blocks == 0:
                while _undo:
                    _undo.pop()()


def _replace(owner: Any, change: _Change) -> Callable[[], None]:
    """Replace one attribute; return what puts the old one back."""
    original = getattr(owner, change.name)
    own = change.name in vars(owner)  # else a base class has it
    replacement = change.change(original)
    replacement.__doc__ = original.__doc__
    setattr(owner, change.name, replacement)

    def put_back() -> None:
        # Somebody may have replaced ours meanwhile, which then does nothing more.
        if vars(owner).get(change.name) is replacement:
            if own:
                setattr(owner, change.name, original)
            else:
                delattr(owner, change.name)

    return put_back
