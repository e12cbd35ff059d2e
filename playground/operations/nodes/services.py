"""The services that run on a node: look, stop, start, read their logs."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator, Mapping, Sequence

from playground.display.tables import Table, Tabular
from playground.errors import (
    CommandFailed,
    NotReady,
    NotRunning,
    PlaygroundError,
    UnknownName,
)
from playground.model.arguments import tells_wrong_calls
from playground.model.records import dataclass
from playground.model.services.settings import ServiceRow
from playground.operations.connection.command_results import Result
from playground.operations.connection.commands import run
from playground.operations.connection.handles import Node
from playground.operations.programs import balanced_servers, resolver_cache, supervisord
from playground.operations.programs.balanced_servers import BalancedServer
from playground.operations.programs.log_lines import check_lines
from playground.operations.programs.own_service import OwnService, probe_request
from playground.operations.programs.program import Program
from playground.operations.programs.resolver_cache import CacheRow
from playground.operations.programs.supervisord import SupervisordProgram

# Where the agent's `boot` has runit watch the programs.
_SERVICE_DIRECTORY = "/run/service"

# How long a service may take to stop: postfix finishes what it delivers.
_STOP_LIMIT_S = 10.0

# How often it is looked at meanwhile.
_POLL_S = 0.02


@dataclass(frozen=True)
class ServiceStatus:
    """A service of a running node as a row; ``status`` is what `RunningService.status` says."""

    service: str
    status: str
    ports: tuple[int, ...]
    programs: tuple[str, ...]


@tells_wrong_calls
class Services(Mapping[str, "RunningService | Program | SupervisordProgram"], Tabular):
    """The services that a node was declared with, and its own programs, by name.

    The program of its image, or of ``command``, is called "main".  Where that is a supervisord,
    its programs are there too.

    ::

        www.services                     # <services of www.example.com: http, ssh>
        www.services.table()             # with what runs, and on which ports
        www.services["http"].stop()

    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def __getitem__(self, name: str) -> RunningService | Program | SupervisordProgram:
        live = self._node.running()
        rows = live.services
        if name in live.programs:
            plan = live.programs[name]
            own = name in rows
            return OwnService(self._node, plan, rows[name]) if own else Program(self._node, plan)
        if name not in rows:
            if program := supervisord.programs(self._node).get(name):
                return program
            known = ", ".join(self) or "none"
            raise UnknownName(
                f"{self._node.name} has no service {name!r}; it was declared with: {known}"
            )
        return _KINDS.get(name, RunningService)(self._node, rows[name])

    def __iter__(self) -> Iterator[str]:
        live = self._node.running()
        try:
            others = supervisord.programs(self._node)
        except CommandFailed:  # asking for one of its programs says why
            others = {}
        return iter(dict.fromkeys((*live.services, *live.programs, *others)))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def table(self) -> Table[ServiceStatus]:
        """Return a row for each service: whether it runs, its ports and programs."""
        return Table(
            ServiceStatus(
                name,
                service.status(),
                service.ports,
                service.programs,
            )
            for name, service in self.items()
        )

    def _repr_html_(self) -> str:
        try:
            return super()._repr_html_()
        except PlaygroundError:  # as __repr__
            return f"<p>{html.escape(repr(self))}</p>"

    def __repr__(self) -> str:
        try:
            names = ", ".join(self) or "none"
        except NotRunning:
            names = "not running"
        return f"<services of {self._node.name}: {names}>"


@tells_wrong_calls
class RunningService:
    """One service of a running node, whose programs runit's sv(8) controls.

    ``name`` is the service's, ``node`` that of where it runs.

    """

    def __init__(self, node: Node, row: ServiceRow) -> None:
        self.name = row.name
        self.node = node.name
        self._node = node
        self._row = row

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports that it answers on."""
        return tuple(sorted({probe.port for probe in self._row.probes}))

    @property
    def programs(self) -> tuple[str, ...]:
        """The names of its programs, as runit knows them."""
        return self._row.programs

    def __repr__(self) -> str:
        try:
            status = self.status()
        except PlaygroundError:  # a repr never fails; the lab is down, or the node has died
            status = "not to be reached"
        return f"<service {self.name} of {self.node}: {status}>"

    def status(self) -> str:
        """Return "running" or "stopped".

        Of a service with several programs only some may run; then it says
        which: "saslauthd runs, postfix is stopped".

        """
        states = {program: self._runs(program) for program in self._row.programs}
        if all(states.values()):
            return "running"
        if not any(states[program] for program in self._own()):
            return "stopped"
        return ", ".join(
            f"{program} {'runs' if runs else 'is stopped'}" for program, runs in states.items()
        )

    @property
    def running(self) -> bool:
        """Whether all programs of the service run."""
        return self.status() == "running"

    def _runs(self, program: str) -> bool:
        # sv status: "run: nginx: (pid 12) 5s" or "down: nginx: 3s, normally up"
        answer = self._sv("status", program)
        return answer.startswith("run:")

    def _is_down(self, program: str) -> bool:
        # One that has just ended is left alone for a second, orders too: until then sv, which
        # reads what was ordered before, would take a later "up" for done ("want up").
        answer = self._sv("status", program)
        return answer.startswith("down:") and "want up" not in answer

    def _own(self) -> list[str]:
        """Return the programs that no other service here has; those of routing share zebra."""
        others = [row for row in self._node.running().services.values() if row is not self._row]
        shared = {program for row in others for program in row.programs}
        return [program for program in self._row.programs if program not in shared]

    def _needed(self) -> set[str]:
        """Return the programs that other services of the node need to go on."""
        needed: set[str] = set()
        for name in self._node.running().services:
            other = RunningService(self._node, self._node.running().services[name])
            # One without a program of its own, as zebra's alone, goes on with what it shares.
            own = other._own() or other._row.programs
            if name != self.name and any(self._runs(program) for program in own):
                needed.update(other._row.programs)
        return needed

    def _sv(self, command: str, program: str) -> str:
        result = _as_root(
            self._node, ["sv", command, f"{_SERVICE_DIRECTORY}/{program}"], check=False
        )
        if result.returncode != 0 and command != "status":
            raise CommandFailed(
                f"the program {program} of {self.node} cannot be sent {command!r}", result
            )
        return result.stdout

    def stop(self) -> None:
        """Stop the service; afterwards its ports refuse.

        It stays down until `start` or until the lab is started anew.  A program that
        another service of the node needs goes on, as zebra does for OSPF beside BGP.
        Raises `NotReady` when it does not end within 10 seconds.

        """
        deadline = time.monotonic() + _STOP_LIMIT_S
        needed = self._needed()
        going = {
            probe.port
            for row in self._node.running().services.values()
            if row is not self._row and needed.issuperset(row.programs)
            for probe in row.probes
        }
        for program in reversed([item for item in self._row.programs if item not in needed]):
            # sv's own stop waits as well, but looks only every 0.42 s.
            self._sv("down", program)
            while not self._is_down(program):
                self._pause(deadline, f"{program} still runs")
        # The program has ended, but what it had started may take a moment.
        ports = sorted({probe.port for probe in self._row.probes} - going)
        while listening := self._listening(ports):
            self._pause(deadline, f"something listens on port {listening[0]}: see ss -ltnp")

    def _pause(self, deadline: float, what: str) -> None:
        if time.monotonic() > deadline:
            raise NotReady(
                f"{self.name} of {self.node} was stopped, but after {_STOP_LIMIT_S:g} s {what}"
            )
        time.sleep(_POLL_S)

    def _listening(self, ports: list[int]) -> list[int]:
        if not ports:
            return []
        expression = " or ".join(f"sport = :{port}" for port in ports)
        lines = _as_root(self._node, ["ss", "-Hlntu", expression]).stdout.splitlines()
        # Columns: protocol, state, two queues, local address:port, ...
        return [int(line.split()[4].rpartition(":")[2]) for line in lines]

    def start(self) -> None:
        """Start the service; it answers when this returns.

        Does nothing to one that runs.  Raises `NotReady`, with the end of its
        log, when it does not answer within 20 seconds.

        """
        for program in self._row.programs:
            self._sv("up", program)
        self.wait_ready()
        if "zebra" in self._row.programs:
            # Until what the user says in FRR's own words was told again (lab.frr_refusals).
            _as_root(self._node, ["/usr/lib/frr/told", *self._row.programs])

    def restart(self) -> None:
        """Stop the service and start it again."""
        self.stop()
        self.start()

    def wait_ready(self, timeout_s: float = 20) -> None:
        """Wait until the service gives a real answer on each of its ports.

        Raises `NotReady`, with the end of its log, after ``timeout_s`` seconds.

        """
        try:
            live = self._node.running()
            failures = live.agent.call(
                "wait_ready",
                checks=[probe_request(self._node, self.name, probe) for probe in self._row.probes],
                timeout_s=timeout_s,
            )
            if failures:
                first = failures[0]
                raise NotReady(
                    f"{self.name} of {self.node} did not answer on port {first['port']} "
                    f"within {timeout_s:g} s: {first['message']}"
                )
        except NotReady as error:
            tail = "".join(f"\n    {line}" for line in self.log(lines=10).splitlines())
            raise NotReady(
                f"{error}\n  the end of its log:{tail}" if tail else str(error)
            ) from None

    def log(self, lines: int | None = None) -> str:
        """Return what the service has logged, or the last ``lines`` of each log file.

        Several files are headed by their paths, as tail(1) does it.  A file
        that is not there yet is left out; services that share a file, as
        those of mail do, share their log.  Raises `BadArgument` for no number of lines.

        """
        check_lines(lines)
        # +1: from the first line on.
        count = "+1" if lines is None else str(lines)
        script = (
            'n=$1; shift; for f; do shift; [ -f "$f" ] && set -- "$@" "$f"; done\n'
            '[ $# -gt 0 ] && exec tail -n "$n" -- "$@" || true'
        )
        return _as_root(self._node, ["/bin/sh", "-c", script, "sh", count, *self._row.logs]).stdout


class RunningResolver(RunningService):
    """A `Resolver` that runs: what every service has, and its cache."""

    def cache(self, name: str | None = None) -> Table[CacheRow]:
        """Return what it remembers, of one name alone or of all: a row for each record.

        What it has learnt not to exist is there too, signatures are not.

        ::

            for row in resolver.services["resolver"].cache("www.example.com"):
                print(row.type, row.data, row.ttl_s, row.security)

        """
        return resolver_cache.read_cache(self._node, name)

    def flush(self, name: str | None = None) -> None:
        """Let it forget a name and all below it, or everything."""
        resolver_cache.flush_cache(self._node, name)


class RunningBalancer(RunningService):
    """A `LoadBalancer` that runs: what every service has, and the servers behind it."""

    def servers(self) -> Table[BalancedServer]:
        """Return a row for each server: whether it is well, and what it has been given.

        ::

            for row in front.services["balancer"].servers():
                print(row.name, row.status, row.total)

        """
        return balanced_servers.read_servers(self._node)

    def set_state(self, server: str, state: str) -> None:
        """Let a server take part ("ready"), get nothing new ("drain"), or nothing ("maint").

        The server is named as in `servers`, with its port.  It stays so until it is told
        otherwise, or the balancer starts anew.  Raises `BadArgument` for a server or a state
        that there is not.

        """
        balanced_servers.set_state(self._node, server, state)


_KINDS: Mapping[str, type[RunningService]] = {
    "resolver": RunningResolver,
    "balancer": RunningBalancer,
}


def _as_root(node: Node, argv: Sequence[str], *, check: bool = True) -> Result:
    """Run a program of root's, on a node whose commands may be another user's."""
    said = plan.container if (plan := node.running().plan) else None
    others = said is not None and (said.source is not None or said.user is not None)
    return run(node, argv, check=check, user="0" if others else None)
