"""The switchboard: one line to the library, and one to the agent on each machine of a lab.

It runs on a manager, beside the server there (`machines.server`), and to the library it is an
agent: it speaks the protocol of `playground.agent`, with process ids that are one of a kind among
all machines.  Requests are shared out (`machines.sharing`), links that cross machines become two
halves and a tunnel (`machines.crossing`).

Its first line is no request but what it is for::

    {"do": "serve", "lab", "name", "config", "keep", "service", "machines": [name],
     "new": true or false}

``name`` and ``config`` are those of the lab's helper on each machine, ``machines`` those on which
helpers are started at once; of a lab that is not ``new`` those are found that run.  With end of
file, where it is not to ``keep``, the lab's services go, and with the lines its helpers.
``{"do": "stop", "lab", "service"}`` removes a lab's helpers on all machines, and that is all;
``{"do": "examine", "service"}`` has each machine look at all others, and says what they saw;
``{"do": "carry_images", "service", "images": {tag: id}}`` brings images of this machine's engine to
all others, and says which lack what, then what went wrong: a line each.

"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import sys
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any

from playground.agent.line.replies import Replies
from playground.agent.machines.capturing import JoinedCaptures
from playground.agent.machines.crossing import Crossing
from playground.agent.machines.engine_socket import EngineLine, EngineRefused, filters
from playground.agent.machines.image_carrying import carry_images
from playground.agent.machines.lines import client_context, read_secret
from playground.agent.machines.machine_lines import (
    START_S,
    MachineLine,
    MachineServers,
    expected_machines,
)
from playground.agent.machines.numbers import global_job, machine_number, machine_of_job
from playground.agent.machines.port_relay import PortRelay
from playground.agent.machines.probing import probe
from playground.agent.machines.sharing import (
    EVERYWHERE,
    Places,
    Shares,
    lacking,
    put_together,
    share,
    undone,
)
from playground.agent.machines.tasks import Answers, RemoteError, Steps, Tasks, raise_first
from playground.agent.protocol import Request, describe

# Operations after which carriers may have changed.
_PLUGGING = frozenset({"link", "network", "unwire", "wire"})

# What they answer is a job.
_STARTING_JOBS = frozenset({"spawn", "capture", "happenings"})


class Switchboard:
    """The loop: requests shared out, answers put together, carriers carried over."""

    def __init__(self, requests: int, replies: int, wanted: Request, servers: MachineServers):
        self._wanted = wanted
        self._servers = servers
        self._selector = selectors.DefaultSelector()
        self._replies = Replies(self._selector, replies)
        self._requests = requests
        self._incoming: list[bytes] = []
        self._ending = False
        self._tasks = Tasks(self._send)
        self.places = Places(0)
        self.crossing = Crossing(wanted["lab"], self.places, servers)
        self.captures = JoinedCaptures(self.places)
        # Those of one machine's that the library knows: with the machine they end.
        self._jobs: set[int] = set()
        self._settling = False
        self._carrying = False

    # -- the machines -------------------------------------------------------

    def open_lines(self, home: str) -> None:
        """Open lines to the agents on the machines that the lab is on.

        ``home`` is the machine that this runs on, as Swarm calls it.

        """
        self.places.home = machine_number(home)
        if not self._wanted["new"]:
            self._servers.await_servers()
            self._connect(list(self._servers.machines), optional=True)
        else:
            self._servers.await_servers(self._wanted["machines"], START_S)
            machines = [self._servers.named(name).number for name in self._wanted["machines"]]
            self._connect({*machines, self.places.home})

    def _connect(self, numbers: Collection[int], optional: bool = False) -> None:
        wanted = self._wanted
        request = {"do": "agent", "name": wanted["name"]}
        if not optional:
            # Of a lab that others have started, on a machine that it comes to just now.
            request["config"] = wanted["config"]
        if wanted["new"]:
            names = ("name", "config", "keep", "lab")
            request = {"do": "helper"} | {name: wanted[name] for name in names}
        for machine in self._servers.open_all(numbers, request, optional):
            assert machine.line is not None
            hear = partial(self._hear, machine)
            self._selector.register(machine.line, selectors.EVENT_READ, hear)

    def _prepare(self, numbers: Iterable[int]) -> None:
        """Start the agents of machines that have none yet, all at once."""
        known = self._servers.machines
        if new := [number for number in numbers if number in known and not known[number].line]:
            self._connect(new)

    def _send(self, number: int, message: Request) -> None:
        """Send a message to a machine's agent; where it has none yet, one is started."""
        machine = self._servers.numbered(number)
        if machine.line is None:
            self._connect([number])
        assert machine.line is not None
        machine.line.write(json.dumps(message).encode() + b"\n")
        self._watch_writing(machine)

    # -- the loop -----------------------------------------------------------

    def serve(self) -> None:
        """Answer requests until end of file."""
        self._selector.register(self._requests, selectors.EVENT_READ, self._read)
        if not self._wanted["new"]:
            self._tasks.start(self.crossing.recover(), lambda result, error: None)
        self._replies.send({"hello": self._servers.machines[self.places.home].hello})
        while not (self._ending or self._replies.broken or self._carrying):
            for key, events in self._selector.select():
                # An earlier event of the same round may have closed this one's descriptor.
                if self._selector.get_map().get(key.fd) is key:
                    key.data(key.fd, events)
        if self._carrying:
            self._carry()

    def _carry(self) -> None:
        """Lead streams to published ports, on this line from now on."""
        self._selector.unregister(self._requests)
        for machine in self._servers.machines.values():
            if machine.line is not None and not machine.gone:
                self._selector.unregister(machine.line)

        def reached(number: int) -> MachineLine:
            machine = self._servers.numbered(number)
            if machine.line is None:
                self._connect([number])
                assert machine.line is not None
                self._selector.unregister(machine.line)
            return machine

        PortRelay(self._requests, self._replies, reached).serve(self._selector)

    def close(self) -> None:
        """Close all lines; the agents end, and what they own."""
        for machine in self._servers.machines.values():
            if machine.line is not None:
                machine.line.close()
        self._selector.close()

    def _read(self, fd: int, events: int) -> None:
        data = os.read(fd, 1 << 18)
        if not data:
            self._ending = True
        for line in whole_lines(self._incoming, data):
            self._request(json.loads(line))

    def _hear(self, machine: MachineLine, fd: int, events: int) -> None:
        line = machine.line
        assert line is not None
        if events & selectors.EVENT_WRITE:
            line.flush()
        data = line.read() if events & selectors.EVENT_READ else None
        for text in whole_lines(machine.incoming, data or b""):
            self._message(machine, json.loads(text))
        if data == b"" or line.closed:
            self._lose(machine)
        else:
            self._watch_writing(machine)

    def _watch_writing(self, machine: MachineLine) -> None:
        if machine.gone or machine.line is None:
            return
        writing = selectors.EVENT_WRITE if machine.line.waiting_bytes else 0
        key = self._selector.get_key(machine.line)
        if key.events != selectors.EVENT_READ | writing:
            self._selector.modify(machine.line, selectors.EVENT_READ | writing, key.data)

    def _lose(self, machine: MachineLine) -> None:
        """Give up a machine: what waits for it is answered, and so is all that comes later."""
        if machine.gone or machine.line is None:
            return
        machine.gone = True
        self._selector.unregister(machine.line)
        machine.line.close()
        self._tasks.lose(machine.number, machine.death())
        ended = [job for job in self._jobs if machine_of_job(job) == machine.number]
        killed = {"event": "exit", "returncode": -signal.SIGKILL}
        self._send_all(killed | {"job": job} for job in ended)
        self._send_all(self.captures.lose(machine.number))

    def _message(self, machine: MachineLine, message: Request) -> None:
        if "event" not in message:
            self._tasks.answered(message)
        elif message["event"] == "far_end":
            self.crossing.crossed.hear(machine.number, message)
            self._settle_soon()
        else:
            job = global_job(machine.number, message["job"])
            # Of what the library knows nothing is kept for captures that begin meanwhile.
            events = None if job in self._jobs else self.captures.hear(job, message)
            self._send_all([message | {"job": job}] if events is None else events)

    def _send_all(self, events: Iterable[Request]) -> None:
        for event in events:
            if event["event"] == "exit":
                self._jobs.discard(event["job"])
            self._replies.send(event)

    def _settle_soon(self) -> None:
        if not self._settling:
            self._settling = True

            def done(result: Any, error: Exception | None) -> None:
                self._settling = False

            self._tasks.start(self.crossing.carry_over(), done)

    # -- requests -----------------------------------------------------------

    def _request(self, request: Request) -> None:
        op, arguments = str(request.get("op")), request.get("args") or {}

        def done(result: Any, error: Exception | None) -> None:
            if error is None:
                self._replies.send({"id": request["id"], "result": result})
                if op in _STARTING_JOBS:
                    self._jobs.add(result["job"])
                if op == "capture":
                    self._send_all(self.captures.first_events(result["job"]))
            else:
                said = error.error if isinstance(error, RemoteError) else describe(error)
                self._replies.send({"id": request["id"], "error": said})

        self._tasks.start(self._steps(op, arguments), done)

    def _steps(self, op: str, arguments: Request) -> Steps:
        if op == "carry":
            self._carrying = True
            return _said(None)
        if op in EVERYWHERE:
            return self._everywhere(op, arguments)
        if op == "socket_line":
            return _said(
                "the hosts of a swarm run on other machines, and a socket cannot leave the kernel "
                "that it is of"
            )
        if op == "silent_machines":
            return self._silent(arguments["machines"])
        if op == "kernel_lacks":
            return self._kernels(arguments)
        return self.captures.ask(op, arguments) or self._shared(op, arguments)

    def _shared(self, op: str, arguments: Request) -> Steps:
        if op == "wire":
            result = yield from self.crossing.wire(arguments)
        elif op == "unwire":
            result = yield from self.crossing.unwire(arguments)
        elif op == "probe":
            result = yield from probe(arguments, self._with_agents(), self.places.home)
        elif op == "capture" and len({*map(self.places.of, arguments["places"])}) > 1:
            result = yield from self.captures.begin(arguments)
        else:
            shares = share(op, arguments, self.places)
            self._prepare(shares)
            answers = yield {where: (op, part) for where, part in shares.items()}
            yield from _take_back(op, shares, answers)
            raise_first(answers)
            result = put_together(op, arguments, self.places, answers)
        if op in _PLUGGING:
            yield from self.crossing.settle()
        return result

    def _everywhere(self, op: str, arguments: Request) -> Steps:
        raise_first((yield dict.fromkeys(self._with_agents(), (op, arguments))))
        return None

    def _silent(self, names: Sequence[str]) -> Steps:
        """Return those of some machines that do not answer; each is asked something."""
        asked = self._with_agents()
        yield {number: ("interface_names", {}) for number in asked}
        known = {machine.name: machine for machine in self._servers.machines.values()}
        return [name for name in names if name not in known or known[name].gone]

    def _kernels(self, arguments: Request) -> Steps:
        """Return what any machine's kernel lacks, of those that the lab was told."""
        wanted = self._wanted["machines"]
        known = {m.number: m.name for m in self._servers.machines.values()}
        asked = [one for one in self._with_agents() if not wanted or known[one] in wanted]
        answers = yield dict.fromkeys(asked, ("kernel_lacks", arguments))
        raise_first(answers)
        return lacking({known[number]: answer for number, answer in answers.items()})

    def _with_agents(self) -> list[int]:
        """Return the machines whose agents answer."""
        return [m.number for m in self._servers.machines.values() if m.line and not m.gone]


def whole_lines(incoming: list[bytes], data: bytes) -> list[bytes]:
    """Return the lines that are whole; what is left of the last is kept in ``incoming``.

    >>> rest = [b"on"]
    >>> whole_lines(rest, b"e\\ntwo\\nth"), rest
    ([b'one', b'two'], [b'th'])

    """
    *whole, rest = data.split(b"\n")
    found = []
    for line in whole:
        found.append(b"".join([*incoming, line]))
        incoming.clear()
    if rest:
        incoming.append(rest)
    return [line for line in found if line.strip()]


def _take_back(op: str, shares: Shares, answers: Answers) -> Steps:
    """Take back what some machines did, where others could not do their part."""
    failed = {where for where, answer in answers.items() if isinstance(answer, Exception)}
    if failed:
        parts = {where: undone(op, shares[where]) for where in shares.keys() - failed}
        yield {where: (op, part) for where, part in parts.items() if part is not None}


def _said(answer: str | None) -> Steps:
    """Give an answer without asking anybody."""
    yield {}
    return answer


def remove_services(lab: str) -> None:
    """Remove all services of a lab; this machine is a manager."""
    engine = EngineLine()
    with contextlib.suppress(OSError):
        for service in engine.ask("GET", "/services", filters(label=f"playground.lab={lab}")):
            with contextlib.suppress(EngineRefused):
                engine.ask("DELETE", f"/services/{service['ID']}")
    engine.close()


def main() -> None:
    """Serve one library, whose first line says for which lab."""
    wanted = first_line(0)
    if wanted is None:
        return
    replies = os.dup(1)
    os.dup2(2, 1)
    service = wanted["service"]
    expected = partial(expected_machines, service)
    servers = MachineServers(service, client_context(read_secret()), expected)
    if wanted["do"] == "stop":
        servers.await_servers()
        servers.tell(servers.machines.values(), {"do": "stop", "lab": wanted["lab"]})
        return
    if wanted["do"] == "examine":
        servers.await_servers()
        os.write(replies, json.dumps(servers.examine()).encode())
        return
    if wanted["do"] == "carry_images":
        servers.await_servers(limit_s=START_S)
        for said in carry_images(servers, wanted["images"]):
            os.write(replies, json.dumps(said).encode() + b"\n")
        return
    board = Switchboard(0, replies, wanted, servers)
    try:
        board.open_lines(str(EngineLine().ask("GET", "/info")["Swarm"]["NodeID"]))
        board.serve()
    except RemoteError as error:
        print(error, file=sys.stderr)
    finally:
        passes = wanted["new"] and not wanted["keep"]
        if passes:
            remove_services(wanted["lab"])
        board.close()
        if passes:
            # Those of its helpers that another program has started, as the lab grew.
            with contextlib.suppress(OSError, RemoteError):
                servers.tell(servers.machines.values(), {"do": "stop", "lab": wanted["lab"]})


def first_line(fd: int) -> Request | None:
    """Read no further than to the end of the first line; None where it never ends."""
    text = bytearray()
    while not text.endswith(b"\n"):
        if not (more := os.read(fd, 1)):
            return None
        text += more
    found: Request = json.loads(text)
    return found
