"""Lines to the machines of a lab: their servers found and asked, their agents reached.

A server that Swarm says to run may not answer yet: it has just begun, its address is on its way
through Swarm's DNS, or it ended with its engine and the manager has not heard of that.  So who
needs a machine waits for its server as long as Swarm means to have one there.

"""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from playground.agent.machines.engine_socket import EngineLine, EngineRefused, filters
from playground.agent.machines.lines import ServerLine, dial
from playground.agent.machines.numbers import machine_number
from playground.agent.machines.tasks import RemoteError
from playground.agent.protocol import Request

# To start a container on a machine that has much to do.
_HELPER_LIMIT_S = 60.0

# As many machines are spoken with at once.
_AT_ONCE = 32

# How long to wait for servers: of an engine that has come back one is there within some ten
# seconds, of which Swarm waits five before it starts what has ended.
START_S = 45.0
_JOIN_S = 5.0
_LOOK_S = 0.2

# What Swarm wants of a task that it starts, now or when the one before has ended (swarmkit's
# api/types.proto).
_MEANT_TO_RUN = frozenset({"assigned", "accepted", "ready", "running"})


class MachineLine:
    """One machine of the lab: what its server said of itself, and the line to its agent."""

    def __init__(self, greeting: Request) -> None:
        self.name = str(greeting["name"])
        self.number = machine_number(greeting["id"])
        self.address = str(greeting["address"])
        self.underlay = int(greeting["underlay"])
        self.line: ServerLine | None = None
        self.hello: Request = {}
        self.incoming: list[bytes] = []
        self.gone = False

    def death(self) -> RemoteError:
        message = (
            f"the machine {self.name} is gone, or cut off from the swarm: what ran there is dead; "
            "lab.stop() and lab.start() bring the lab up on the machines that are left"
        )
        return _lost(message)


def expected_machines(service: str) -> dict[int, str]:
    """Return the machines on which Swarm has a server run, or is about to: names by numbers.

    This machine is a manager.  Those that the manager hears nothing of are left out, and of a
    service that was removed there are none.

    """
    engine = EngineLine()
    try:
        tasks = engine.ask("GET", "/tasks", filters(service=service))
        nodes = engine.ask("GET", "/nodes")
    except EngineRefused as refusal:
        if refusal.status != http.client.NOT_FOUND:
            raise
        return {}
    finally:
        engine.close()
    return _expected(tasks, nodes)


def _expected(tasks: Iterable[Request], nodes: Iterable[Request]) -> dict[int, str]:
    names = {
        str(node["ID"]): str(node["Description"]["Hostname"])
        for node in nodes
        # A manager that has just become the leader has heard of none yet.
        if node["Status"]["State"] in ("ready", "unknown")
    }
    on = {
        str(task["NodeID"])
        for task in tasks
        if task.get("NodeID") in names and task["DesiredState"] in _MEANT_TO_RUN
    }
    return {machine_number(one): names[one] for one in on}


class MachineServers:
    """The servers of all machines: found by Swarm's own DNS, asked for greetings and lines.

    ``expected`` tells of the machines that are to have one, names by numbers.

    """

    def __init__(
        self,
        service: str,
        context: ssl.SSLContext | None,
        expected: Callable[[], Mapping[int, str]] = dict,
    ) -> None:
        self._service = service
        self._context = context
        self._expected = expected
        self.machines: dict[int, MachineLine] = {}

    def await_servers(self, names: Collection[str] | None = None, limit_s: float = _JOIN_S) -> None:
        """Find the servers of machines, of all that have one where no ``names`` are given.

        Returns as soon as all of those answer that are expected; after ``limit_s``, who does not
        is left out, as is a machine of which Swarm expects nothing.

        """
        self.discover()
        deadline = time.monotonic() + limit_s
        while self._is_missing(names) and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
            self.discover()

    def _is_missing(self, names: Collection[str] | None) -> bool:
        if names is not None and {one.name for one in self.machines.values()}.issuperset(names):
            return False
        missing = self._expected().items() - {
            (number, machine.name) for number, machine in self.machines.items()
        }
        return any(names is None or name in names for _, name in missing)

    def discover(self) -> None:
        """Ask all machines that there are for their names; who does not answer is left out."""
        found = socket.getaddrinfo(f"tasks.{self._service}", None, socket.AF_INET)
        addresses = {str(row[4][0]) for row in found}
        known = {machine.address for machine in self.machines.values()}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for greeting in pool.map(self._greet, addresses - known):
                if greeting is not None:
                    machine = MachineLine(greeting)
                    self.machines[machine.number] = machine

    def _greet(self, address: str) -> Request | None:
        try:
            return self.ask(address, {"do": "greet"})
        except (OSError, ValueError, RemoteError):
            return None

    def ask(self, address: str, request: Request) -> Request:
        """Ask a machine's server; raises `RemoteError` for an error of its."""
        line = dial(address, self._context, request)
        try:
            return _heard(line, request)
        finally:
            line.close()

    def examine(self) -> list[Request]:
        """Return what each machine sees of the others; who answers no more says so in "error"."""
        peers = [machine.address for machine in self.machines.values()]

        def ask(machine: MachineLine) -> Request:
            try:
                return self.ask(machine.address, {"do": "examine", "peers": peers})
            except (OSError, RemoteError) as error:
                return {"name": machine.name, "address": machine.address, "error": str(error)}

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(ask, self.machines.values()))

    def open(self, machine: MachineLine, request: Request) -> None:
        """Open the line to a machine's agent, and hear its first words; it blocks."""
        line = dial(machine.address, self._context, request)
        try:
            _heard(line, request)
            machine.hello = line.hear(_HELPER_LIMIT_S)["hello"]
            line.become_stream()
        except BaseException:
            line.close()
            raise
        machine.line = line

    def stream(self, machine: MachineLine, request: Request, limit_s: float) -> ServerLine:
        """Open a line for what is neither a question nor an agent, once its server is ready."""
        line = dial(machine.address, self._context, request)
        try:
            _heard(line, request)
            line.socket.settimeout(limit_s)
        except BaseException:
            line.close()
            raise
        return line

    def named(self, name: str) -> MachineLine:
        """Return a machine by its name; raises `RemoteError` where none of it answers."""
        for machine in self.machines.values():
            if machine.name == name:
                return machine
        raise _lost(f"the machine {name} does not answer: is it down, or cut off from the swarm?")

    def numbered(self, number: int) -> MachineLine:
        """Return a machine by its number; raises `RemoteError` where it is gone."""
        if number not in self.machines:
            self.discover()
        if number not in self.machines and (name := self._expected().get(number)):
            self.await_servers([name])
        machine = self.machines.get(number)
        if machine is None:
            raise _lost("a machine of the lab's is gone, or cut off from the swarm")
        if machine.gone:
            raise machine.death()
        return machine

    def open_all(
        self, numbers: Collection[int], request: Request, optional: bool = False
    ) -> list[MachineLine]:
        """Open lines to the agents on machines; return those that have one.

        With ``optional`` a machine whose server refuses is left out.

        """

        def open_one(number: int) -> None:
            try:
                self.open(self.numbered(number), request)
            except RemoteError:
                if not optional:
                    raise

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(open_one, numbers))
        return [self.machines[number] for number in numbers if self.machines[number].line]

    def tell(self, machines: Iterable[MachineLine], request: Request) -> None:
        """Ask the servers of several machines for the same; raises the first `RemoteError`."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda machine: self.ask(machine.address, request), machines))


def _lost(message: str) -> RemoteError:
    return RemoteError({"type": "ConnectionError", "errno": errno.EHOSTDOWN, "message": message})


def _heard(line: ServerLine, request: Request) -> Request:
    greeting = line.hear(_HELPER_LIMIT_S)
    if greeting is None:
        raise ConnectionError("the machine's server closed the line")
    if "error" in greeting:
        message = f"on the machine {greeting['name']}: {greeting['error']}"
        raise RemoteError({"type": "OSError", "errno": errno.EIO, "message": message})
    return dict(greeting)
