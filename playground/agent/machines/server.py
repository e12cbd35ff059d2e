"""The server on each machine of a swarm: it starts helpers beside itself, and leads lines to them.

It runs as the task of one global service, which all labs share, and reaches its machine's
engine by that one's socket.  Whoever knows the swarm's secret may have a helper started, so
it listens on nothing but the overlay network that the service is on.

A connection begins with a line of JSON, what is wanted, and a line comes back: the machine
as `ServedMachine.greeting` says, with "error" where it cannot be.  Then, by ``do``:

greet() -> nothing more
helper(name, config, lab) -> the line to the agent of a new helper, which ends with it
agent(name, config or null) -> the line to one more agent in a helper that runs; with a config
    one is started that stays, where there is none
processes(lab) -> {name of a node: process id}
admit(lab, port, source_port, peers) -> null: let the lab's tunnels in by that port, and no others
examine(peers) -> what `reachability.examined` sees from here of the other machines
lacking_images(images) -> which of these ids the machine's engine does not have
load_images() -> the machine is ready; then the images, and the machine once more when it has them
stop(lab) -> null: remove the lab's containers, its volumes, and what lets its tunnels in

"""

from __future__ import annotations

import contextlib
import http.client
import selectors
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

from playground.agent.machines.engine_socket import (
    EngineLine,
    EngineRefused,
    Unframed,
    filters,
    remove_container,
)
from playground.agent.machines.image_carrying import answer_images
from playground.agent.machines.lines import (
    PORT,
    ServerLine,
    read_secret,
    server_context,
    tune,
)
from playground.agent.machines.reachability import examined

# Labels of the library's, which says them to the engine: `engines.seam`.
_LAB, _NODE = "playground.lab", "playground.node"

_HANDSHAKE_S = 10.0
# More than any program of ours has connections at once.
_BACKLOG = 256

# How long a container that has a volume may take to go, after its service.
_RELEASED_S = 15.0
_LOOK_S = 0.05

# Who reads slowly is not sent more than this ahead.
_MOST_WAITING_BYTES = 1 << 20


class ServedMachine:
    """What the server knows of the machine that it runs on."""

    def __init__(self) -> None:
        line = EngineLine()
        info = line.ask("GET", "/info")
        own = line.ask("GET", f"/containers/{socket.gethostname()}/json")
        line.close()
        self.name = str(info["Name"])
        self.id = str(info["Swarm"]["NodeID"])
        # Its own first process, as the machine counts: whose network tunnels leave by.
        self.underlay = int(own["State"]["Pid"])
        networks = own["NetworkSettings"]["Networks"].values()
        self.address = next(str(one["IPAddress"]) for one in networks if one["IPAddress"])
        self._lock = threading.Lock()
        self._ports: dict[int, str] = {}

    def greeting(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "id": self.id,
            "address": self.address,
            "underlay": self.underlay,
        }

    def admit(self, lab: str, port: int, source_port: int, peers: list[str]) -> None:
        """Let packets of a lab's tunnels in from its machines, and no others by its port.

        Raises `OSError` where another lab has the port.

        """
        with self._lock:
            if self._ports.setdefault(port, lab) != lab:
                raise OSError(f"the port {port} belongs to another lab")
        table = f"lab_{port}"
        known = ", ".join(peers)
        # A table is made before it is flushed, so that neither is an error: nft(8).
        self._nft(
            f"table inet {table}\nflush table inet {table}\n"
            f"table inet {table} {{\n"
            " chain input {\n"
            "  type filter hook input priority filter; policy accept;\n"
            f"  udp dport {port} udp sport != {source_port} drop\n"
            f"  udp dport {port} ip saddr != {{ {known} }} drop\n"
            " }\n}\n"
        )

    def shut(self, lab: str) -> None:
        """Let nothing of a lab in any more."""
        with self._lock:
            ports = [port for port, owner in self._ports.items() if owner == lab]
            for port in ports:
                del self._ports[port]
        for port in ports:
            self._nft(f"table inet lab_{port}\ndelete table inet lab_{port}\n")

    @staticmethod
    def _nft(rules: str) -> None:
        done = subprocess.run(["nft", "-f", "-"], input=rules, text=True, capture_output=True)
        if done.returncode:
            raise OSError(f"nft refuses the rules of a lab's tunnels: {done.stderr.strip()}")


def serve(machine: ServedMachine, context: ssl.SSLContext) -> None:
    """Serve for ever, each connection in a thread of its own."""
    with socket.create_server(("", PORT), backlog=_BACKLOG) as listener:
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=_greet, args=(machine, context, plain), daemon=True).start()


def _greet(machine: ServedMachine, context: ssl.SSLContext, plain: socket.socket) -> None:
    try:
        plain.settimeout(_HANDSHAKE_S)
        tune(plain)
        line = ServerLine(context.wrap_socket(plain, server_side=True))
        request = line.hear(_HANDSHAKE_S)
    except (OSError, ValueError):  # who does not know the secret is told nothing
        plain.close()
        return
    line.socket.settimeout(None)
    with contextlib.closing(line):
        if request is not None:
            answer(machine, line, request)


def answer(machine: ServedMachine, line: ServerLine, request: Mapping[str, Any]) -> None:
    """Do what one connection asks for."""
    try:
        match request["do"]:
            case "greet":
                line.say(machine.greeting())
            case "helper":
                _helper(machine, line, request)
            case "agent":
                _agent(machine, line, request)
            case "processes":
                line.say(machine.greeting() | {"processes": _processes(request["lab"])})
            case "admit":
                wanted = {name: request[name] for name in ("lab", "port", "source_port", "peers")}
                machine.admit(**wanted)
                line.say(machine.greeting())
            case "examine":
                others = [peer for peer in request["peers"] if peer != machine.address]
                line.say(machine.greeting() | examined(others))
            case "lacking_images" | "load_images":
                answer_images(request, line, machine.greeting())
            case "stop":
                machine.shut(request["lab"])
                _remove_containers(request["lab"])
                _remove_volumes(request["lab"])
                line.say(machine.greeting())
            case other:
                raise ValueError(f"nothing is known of {other!r}")
    except Exception as error:
        with contextlib.suppress(OSError):
            line.say(machine.greeting() | {"error": f"{type(error).__name__}: {error}"})


def _helper(machine: ServedMachine, line: ServerLine, request: Mapping[str, Any]) -> None:
    """Start a helper and lead the line to its agent; it ends with the line, but one that stays."""
    engine = EngineLine()
    name, keep = request["name"], request["keep"]
    engine.ask("POST", "/containers/create", {"name": name}, request["config"])
    try:
        if keep:
            try:
                engine.ask("POST", f"/containers/{name}/start")
                opened = _open_agent(name)
                line.say(machine.greeting())
            except BaseException:  # nobody has heard that it is there
                remove_container(engine, name)
                raise
            _carry(line, *opened)
            return
        query = {"stream": 1, "stdin": 1, "stdout": 1, "stderr": 1}
        stream, rest = EngineLine().upgrade(f"/containers/{name}/attach", query)
        engine.ask("POST", f"/containers/{name}/start")
        line.say(machine.greeting())
        _carry(line, stream, rest)
    finally:
        if not keep:
            remove_container(engine, name)
            machine.shut(request["lab"])
        engine.close()


def _agent(machine: ServedMachine, line: ServerLine, request: Mapping[str, Any]) -> None:
    """Start one more agent in a helper, and lead the line to it."""
    name, config = request["name"], request.get("config")
    try:
        opened = _open_agent(name)
    except EngineRefused as refusal:
        if config is None or refusal.status != http.client.NOT_FOUND:
            raise
        _start_helper(name, config)
        opened = _open_agent(name)
    line.say(machine.greeting())
    _carry(line, *opened)


def _start_helper(name: str, config: Mapping[str, Any]) -> None:
    """Start a helper that stays; one that another program has started just now is as good."""
    engine = EngineLine()
    try:
        engine.ask("POST", "/containers/create", {"name": name}, config)
    except EngineRefused as refusal:
        if refusal.status != http.client.CONFLICT:
            raise
    engine.ask("POST", f"/containers/{name}/start")
    engine.close()


def _open_agent(name: str) -> tuple[socket.socket, bytes]:
    """Start one more agent in a helper; return its stream, and what has come by it already."""
    engine = EngineLine()
    try:
        config = {
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
            "Cmd": agent_command(),
        }
        made = engine.ask("POST", f"/containers/{name}/exec", body=config)["Id"]
        return engine.upgrade(f"/exec/{made}/start", body={"Detach": False, "Tty": False})
    finally:
        engine.close()


def agent_command() -> list[str]:
    """Return what starts an agent in a helper's image."""
    return [
        *("python3", "-I", "-c"),
        "import sys; sys.path.insert(0, '/usr/local/lib/playground'); "
        "from playground.agent import operations; operations.main()",
    ]


def _carry(line: ServerLine, stream: socket.socket, rest: bytes) -> None:
    """Carry bytes between a machine's line and an agent until either end is closed."""
    line.become_stream()
    stream.setblocking(False)
    agent = ServerLine(stream)
    printed = Unframed(rest)
    with contextlib.closing(agent), selectors.DefaultSelector() as selector:
        selector.register(line, selectors.EVENT_READ)
        selector.register(agent, selectors.EVENT_READ)
        # What came with the first messages is seen by no selector.
        line.write(printed.take(b""))
        ready = [line, agent]
        while not (line.closed or agent.closed):
            for one in ready:
                other = agent if one is line else line
                one.flush()
                if other.waiting_bytes >= _MOST_WAITING_BYTES:
                    continue
                data = one.read()
                if data == b"":
                    return
                if data:
                    other.write(data if one is line else printed.take(data))
            for one, other in ((line, agent), (agent, line)):
                wanted = selectors.EVENT_WRITE if one.waiting_bytes else 0
                if other.waiting_bytes < _MOST_WAITING_BYTES:
                    wanted |= selectors.EVENT_READ
                selector.modify(one, wanted)
            ready = [key.fileobj for key, _ in selector.select()]  # type: ignore[misc]


def _processes(lab: str) -> dict[str, int]:
    """Return the process id of each node of a lab that runs here."""
    engine = EngineLine()
    try:
        listed = engine.ask("GET", "/containers/json", filters(label=f"{_LAB}={lab}"))
        found = {}
        for item in listed:
            if node := item["Labels"].get(_NODE):
                with contextlib.suppress(EngineRefused):
                    state = engine.ask("GET", f"/containers/{item['Id']}/json")["State"]
                    if state["Running"]:
                        found[node] = int(state["Pid"])
        return found
    finally:
        engine.close()


def _remove_containers(lab: str) -> None:
    """Remove what is left of a lab, and wait until it is gone: helpers, and nodes that ended.

    Swarm removes the containers of a service some time after it says that they have ended.

    """
    engine = EngineLine()
    deadline = time.monotonic() + _RELEASED_S
    query = filters(label=f"{_LAB}={lab}") | {"all": "1"}
    try:
        while left := [item["Id"] for item in engine.ask("GET", "/containers/json", query)]:
            if time.monotonic() > deadline:
                raise OSError(f"{len(left)} containers of lab {lab} do not go")
            for container in left:
                remove_container(engine, container)
            time.sleep(_LOOK_S)
    finally:
        engine.close()


def _remove_volumes(lab: str) -> None:
    """Remove what hosts of a lab shared, once the last container is gone that has it."""
    engine = EngineLine()
    deadline = time.monotonic() + _RELEASED_S
    try:
        listed = engine.ask("GET", "/volumes", filters(label=f"{_LAB}={lab}"))
        for name in [item["Name"] for item in listed["Volumes"] or ()]:
            while True:
                try:
                    engine.ask("DELETE", f"/volumes/{urllib.parse.quote(name, safe='')}")
                    break
                except EngineRefused as refusal:
                    if refusal.status == http.client.NOT_FOUND:
                        break
                    if refusal.status != http.client.CONFLICT or time.monotonic() > deadline:
                        raise
                time.sleep(_LOOK_S)
    finally:
        engine.close()


def main() -> None:
    """Serve this machine, with the secret that Swarm keeps."""
    serve(ServedMachine(), server_context(read_secret()))
