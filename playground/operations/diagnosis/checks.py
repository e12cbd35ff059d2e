"""`lab.check`: what should be true of a network, said so that a student can read it.

Each check waits, up to a limit, for what it says, and explains what is wrong when it
does not come true; a check that fails is a `CheckFailed`, which is an `AssertionError`.

"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from ipaddress import ip_address

from playground.errors import BadArgument, CheckFailed
from playground.model.arguments import (
    check_iterable,
    is_choice,
    is_port,
    shown,
    tells_wrong_calls,
)
from playground.model.parts import NodeBase
from playground.model.services.settings import Probe
from playground.model.services.table import SERVICES, row_of
from playground.operations.connection.commands import as_bytes, failed_jobs
from playground.operations.connection.handles import Node
from playground.operations.connection.unnamed_machines import addresses_of
from playground.operations.diagnosis.checking import (
    dhcp,
    kernel_tables,
    measurements,
    names,
    neighbours,
    resilience,
    servers,
)
from playground.operations.diagnosis.checking.looking import (
    WITHIN_S,
    CheckedLab,
    check_within,
    wait,
)
from playground.operations.diagnosis.evidence.explanation import CAUSES, Explanation
from playground.operations.network import Machine
from playground.operations.programs.own_service import probe_request


@tells_wrong_calls
class Checks:
    """The checks of one running lab; see `Lab.check`.

    Nodes may be given by name.  ``within_s`` is for how long each waits.  Raises
    `BadArgument` for what is no question, `NotRunning`.

    """

    def __init__(self, lab: CheckedLab) -> None:
        self._lab = lab

    def reaches(
        self,
        source: Node | str,
        target: Node | str,
        *,
        port: int | None = None,
        protocol: str | None = None,
        version: int | None = None,
        within_s: float = WITHIN_S,
    ) -> Explanation:
        """Check that a packet arrives and is answered; the arguments are `Lab.explain`'s.

        Returns the `Explanation`, which holds the path.

        >>> lab.check.reaches(h1, www, port=80)

        """

        def look() -> Explanation:
            return self._explain(source, target, port, protocol, version)

        found = wait(look, bool, within_s)
        if not found:
            raise CheckFailed(
                f"{_asked(found)} should arrive and be answered, and is not.\n{_reasons(found)}",
                found,
            )
        return found

    def does_not_reach(
        self,
        source: Node | str,
        target: Node | str,
        *,
        port: int | None = None,
        protocol: str | None = None,
        version: int | None = None,
        because: str | None = None,
        within_s: float = WITHIN_S,
    ) -> Explanation:
        """Check that a packet is lost, or refused.

        A server that was never started is not reached either: ``because`` says what
        should be the cause, by a word of `evidence.explanation.CAUSES`.

        >>> lab.check.does_not_reach(h4, h1, port=22, because="firewall")

        """
        if because is not None and not is_choice(because, CAUSES):
            raise BadArgument(f"{shown(because)} is no cause; there are {', '.join(CAUSES)}")

        def look() -> Explanation:
            found = self._explain(source, target, port, protocol, version)
            if (
                found.cause == "name unknown" != because
                and isinstance(target, str)
                and target not in self._lab
            ):
                # It says nothing of the network.
                raise BadArgument(
                    f"{target!r} is no node of lab {self._lab.name}, and no name that "
                    f"{self._name(source)} knows: is it spelt right? Where it is to be unknown, "
                    'say because="name unknown"'
                )
            return found

        def is_right(found: Explanation) -> bool:
            return not found and because in (None, found.cause)

        found = wait(look, is_right, within_s)
        if found:
            ways = " - ".join(found.path)
            raise CheckFailed(
                f"{_asked(found)} should not get there, and is answered ({ways}).\n{found.steps}",
                found,
            )
        if not is_right(found):
            raise CheckFailed(
                f"{_asked(found)} is lost, as it should be, but not because of {because}.\n"
                f"{_reasons(found)}",
                found,
            )
        return found

    def path(
        self,
        source: Node | str,
        target: Node | str,
        through: Sequence[Node | str],
        *,
        port: int | None = None,
        protocol: str | None = None,
        version: int | None = None,
        within_s: float = WITHIN_S,
    ) -> Explanation:
        """Check which nodes a packet passes, in their order.

        ``through`` are nodes, names or addresses; both ends may stand in it or be left out.

        >>> lab.check.path(h1, www, ["modem"])

        """
        if isinstance(through, str):
            raise BadArgument(f'the nodes of a path are a list: write ["{through}"]')
        wanted = [self._name(one) for one in check_iterable("through", through, '["isp"]')]

        def look() -> Explanation:
            return self._explain(source, target, port, protocol, version)

        def fits(found: Explanation) -> bool:
            return bool(found) and list(found.path) in (
                wanted,
                [found.path[0], *wanted],
                [*wanted, found.path[-1]],
                [found.path[0], *wanted, found.path[-1]],
            )

        found = wait(look, fits, within_s)
        if not fits(found):
            should = f"should go through {', '.join(wanted) or 'nobody'}"
            went = " - ".join(found.path)
            was = f"went {went}" if found else "did not arrive"
            raise CheckFailed(f"{_asked(found)} {should}, and {was}.\n{_reasons(found)}", found)
        return found

    def serves(
        self,
        node: Node | str,
        service: str | int,
        *,
        contains: str | None = None,
        client: Node | str | None = None,
        page: str = "/",
        send: str | bytes | None = None,
        within_s: float = WITHIN_S,
    ) -> None:
        """Check that a service answers as it should, to another node or to its own.

        ``service`` is one of those that a host can offer, such as "http", a `Service` of its
        own by name, or the number of a TCP port.  ``contains`` is text that its answer must
        hold: for "http" in ``page``, headers included, for others in the answer to ``send``,
        or in what a server says first.  Without it any real answer will do.  ``client`` is who
        asks, by default the node itself, at its first address.

        >>> lab.check.serves(www, "http", contains="Welcome", client=h1)

        """
        check_within(within_s)
        machine = self._machine(node)
        asker = machine if client is None else self._machine(client)
        probe = _probe(service, machine, contains, page, send)
        address = self._address(asker, machine)
        # First that it can be reached: nothing explains better why not.
        if probe.protocol == "tcp":
            version = ip_address(address).version
            self.reaches(asker, machine, port=probe.port, version=version, within_s=within_s)
        check = probe_request(asker, "", probe) | {"address": address}
        failures = asker.running().agent.call("wait_ready", checks=[check], timeout_s=within_s)
        if failures:
            wanted = "" if contains is None else f" with {contains!r} in its answer"
            raise CheckFailed(
                f"{machine.name} should serve {service} to {asker.name}{wanted}, at {address} port "
                f"{probe.port}, and does not: {failures[0]['message']}." + failed_jobs(machine)
            )

    has_address = kernel_tables.has_address
    has_no_address = kernel_tables.has_no_address
    has_route = kernel_tables.has_route
    has_no_route = kernel_tables.has_no_route
    neighbours = neighbours.neighbours
    answers = names.answers
    dhcp_server = dhcp.dhcp_server
    listens = servers.listens
    does_not_listen = servers.does_not_listen
    throughput = measurements.throughput
    delay = measurements.delay
    does_not_loop = resilience.does_not_loop
    survives = resilience.survives

    def resolves(
        self,
        node: Node | str,
        name: str,
        address: Node | str | None = None,
        *,
        within_s: float = WITHIN_S,
    ) -> str:
        """Check that a name means something on a node, or this address; return its first.

        ``address`` may be a node: then it is one of the node's.

        >>> lab.check.resolves(h1, "www.example.com", "203.0.113.2")

        """
        machine = self._machine(node)
        if not isinstance(name, str) or not name:
            raise BadArgument(f"{shown(name)} is no name; write for example 'www.example.com'")
        wanted = None if address is None else self._addresses(address)

        def look() -> list[str]:
            return names.known_addresses(machine, name)

        def is_right(found: list[str]) -> bool:
            return bool(found) and (wanted is None or bool(set(found) & wanted))

        found = wait(look, is_right, within_s)
        if not found:
            facts = self._explain(machine, name, None, None, None)
            raise CheckFailed(
                f"{machine.name} should know the name {name}, and does not.\n{_reasons(facts)}",
                facts,
            )
        if not is_right(found):
            should = " or ".join(sorted(wanted or ()))
            raise CheckFailed(
                f"On {machine.name} {name} should mean {should}, and means {', '.join(found)}."
            )
        return found[0]

    # ... what was meant

    def _explain(
        self,
        source: Node | str,
        target: Node | str,
        port: int | None,
        protocol: str | None,
        version: int | None,
    ) -> Explanation:
        return self._lab.explain(
            source,  # type: ignore[arg-type]
            target,  # type: ignore[arg-type]
            port=port,
            protocol=protocol,
            version=version,
        )

    def _machine(self, node: Node | str) -> Machine:
        found = self._lab[node] if isinstance(node, str) else node
        if not isinstance(found, Machine):
            raise BadArgument(f"{node!r} is no host or router")
        return found

    def _name(self, node: Node | str) -> str:
        """Return the full name of a node that may be given by an address."""
        if not isinstance(node, str):
            if not isinstance(node, NodeBase):
                raise BadArgument(f"{shown(node)} is no node of lab {self._lab.name}")
            return node.name
        if node in self._lab:
            return self._lab[node].name
        for name, state in self._lab.state().nodes.items():
            if any(one.ip == node for item in state.interfaces for one in item.addresses):
                return name
        raise BadArgument(f"{node!r} is no node of lab {self._lab.name}, and no address of one")

    def _addresses(self, address: Node | str) -> set[str]:
        if isinstance(address, str) and address not in self._lab:
            try:
                return {str(ip_address(address))}
            except ValueError:
                raise BadArgument(f"{address!r} is no address and no node") from None
        machine = self._machine(address)
        interfaces = machine.interfaces.values()
        planned = {str(one.ip) for item in interfaces for one in item.addresses}
        return planned or set(addresses_of(machine, machine))

    def _address(self, asker: Machine, machine: Machine) -> str:
        if asker is not machine:
            found = names.known_addresses(asker, machine.name) or addresses_of(asker, machine)
            if found:
                return found[0]
            self.reaches(asker, machine, within_s=0)  # and explain
        own = machine.address or next(iter(addresses_of(machine, machine)), None)
        if own is None:
            raise BadArgument(f"{machine.name} has no address")
        return own


def _probe(
    service: str | int, machine: Machine, contains: str | None, page: str, send: str | bytes | None
) -> Probe:
    """Return the question to ask a service, and the answer that will do."""
    asked = None if send is None else as_bytes("send", send)
    wanted = None if contains is None else as_bytes("contains", contains)
    expect = None if wanted is None else re.escape(wanted.decode("latin-1"))
    if not isinstance(page, str) or not re.fullmatch(r"[!-~]+", page):
        raise BadArgument(f"page={shown(page)} is no page; write for example page='/news.html'")
    if is_port(service):
        return Probe(service, send=asked, expect=expect or "")
    own = {item.service: row_of(item) for item in machine.declared_services if item.is_own}
    rows = SERVICES | own
    if not is_choice(service, rows):
        spelt = service.lower() if isinstance(service, str) else ""
        near = difflib.get_close_matches(spelt, rows, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the services are {', '.join(rows)}"
        raise BadArgument(f"{shown(service)} is no service and no port; {hint}")
    row = rows[service]
    # One of the user's own may be ready by other words than an answer on its port.
    ports = [Probe(port.number, port.protocol, port.tls) for port in row.ports]
    if not (first := next(iter((*row.probes, *ports)), None)):
        raise BadArgument(f"{service} of {machine.name} has no port that could be asked")
    is_http = service == "http" or (first.send or b"").startswith(b"GET /")
    if is_http and asked is None and contains is not None:
        name = machine.name
        head = f"GET {page} HTTP/1.0\r\nHost: {name}\r\nUser-Agent: playground\r\n\r\n"
        asked = head.encode()
    return first._replace(send=asked or first.send, expect=expect or first.expect)


def _reasons(found: Explanation) -> str:
    """Return what an explanation says, a line each."""
    said = [] if found else [found.sentence, *([found.advice] if found.advice else []), ""]
    return "\n".join([*said, str(found.steps)])


def _asked(found: Explanation) -> str:
    return f"A packet from {found.question}"
