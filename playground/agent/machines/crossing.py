"""Links that cross the machines of a lab: wired, unwired, found again, their carriers kept."""

from __future__ import annotations

import errno
import secrets
from collections.abc import Generator, Iterable, Mapping

from playground.agent.machines.cables import VNI_BITS, CrossingCable, share_wiring
from playground.agent.machines.carriers import CrossedLink, CrossedLinks
from playground.agent.machines.machine_lines import MachineServers
from playground.agent.machines.numbers import with_local_pids
from playground.agent.machines.sharing import Places, share
from playground.agent.machines.tasks import Answers, Asked, RemoteError, Steps, raise_first
from playground.agent.protocol import Request

_SETTLE_ROUNDS = 5
_PORTS = range(20_000, 60_000)
_TRIES = 20


class Crossing:
    """The links of one lab that cross machines, and which machine has which switch and port.

    Its methods are steps of a `Task`.

    """

    def __init__(self, lab: str, places: Places, servers: MachineServers) -> None:
        self._lab = lab
        self._places = places
        self._servers = servers
        self.crossed = CrossedLinks()
        self._tunnels: dict[tuple[int, int | None, str], CrossingCable] = {}
        self._ports: tuple[int, int] | None = None
        self._watched: set[int] = set()

    def _number(self, name: str | None) -> int:
        return self._places.home if name is None else self._servers.named(name).number

    def wire(self, arguments: Request) -> Steps:
        shares, tunnels = share_wiring(arguments, self._places, self._number, self._new_vni)
        answers = yield {where: ("wire", part) for where, part in _local(shares).items()}
        try:
            raise_first(answers)
            if tunnels:
                yield from self._tunnel(tunnels)
        except Exception:
            vnis = [tunnel.vni for tunnel in tunnels]
            made = [where for where, answer in answers.items() if answer is None]
            yield {where: ("untunnel", {"vnis": vnis}) for where in made}
            yield {where: ("unwire", _ends_of(shares[where])) for where in made}
            self._forget(tunnels)
            raise
        yield from self.settle()

    def _tunnel(self, tunnels: list[CrossingCable]) -> Steps:
        machines = {number for tunnel in tunnels for number in (tunnel.a, tunnel.b)}
        others = {number for number in self.crossed.machines() if not self._is_gone(number)}
        port, source_port = self._open_ports(machines | others)
        asked: dict[int, list[Request]] = {}
        for tunnel in tunnels:
            for here, there in ((tunnel.a, tunnel.b), (tunnel.b, tunnel.a)):
                asked.setdefault(here, []).append(
                    {
                        "vni": tunnel.vni,
                        "local": self._servers.numbered(here).address,
                        "remote": self._servers.numbered(there).address,
                        "port": port,
                        "source_port": source_port,
                        "mtu_bytes": tunnel.mtu_bytes,
                    }
                )
        answers = yield {
            where: ("tunnel", {"underlay": self._servers.numbered(where).underlay, "tunnels": rows})
            for where, rows in asked.items()
        }
        raise_first(answers)
        for tunnel in tunnels:
            self.crossed.links[tunnel.far_end] = CrossedLink((tunnel.a, tunnel.b))
            self._tunnels |= dict.fromkeys(tunnel.ends, tunnel)
        new = machines - self._watched
        self._watched |= new
        raise_first((yield {where: ("watch_far_ends", {}) for where in new}))
        return None

    def unwire(self, arguments: Request) -> Steps:
        ends = [(self._places.of(end), end) for end in arguments["veths"]]
        keys = [(where, end["pid"], end["interface"]) for where, end in ends]
        tunnels = list(dict.fromkeys(self._tunnels[key] for key in keys if key in self._tunnels))
        shares = share("unwire", arguments, self._places)
        # What was on a machine that is gone went with it.
        there = {where: part for where, part in shares.items() if not self._is_gone(where)}
        raise_first((yield {where: ("unwire", part) for where, part in there.items()}))
        tunnels += yield from self._without_far_ends()
        for number in (0, 1):
            asked: dict[int, list[int]] = {}
            for tunnel in tunnels:
                if not self._is_gone(where := (tunnel.a, tunnel.b)[number]):
                    asked.setdefault(where, []).append(tunnel.vni)
            raise_first((yield {w: ("untunnel", {"vnis": vnis}) for w, vnis in asked.items()}))
        self._forget(tunnels)
        return None

    def _without_far_ends(self) -> Generator[Asked, Answers, list[CrossingCable]]:
        """Return the tunnels that others have made and whose links are gone.

        Which ends they have is known to none here, but their far ends went with those.

        """
        ours = {tunnel.far_end for tunnel in self._tunnels.values()}
        theirs = {name: link for name, link in self.crossed.links.items() if name not in ours}
        machines = {where for link in theirs.values() for where in link.machines}
        names = yield {m: ("interface_names", {}) for m in machines if not self._is_gone(m)}
        raise_first(names)
        return [
            CrossingCable(int(name[1:], 16), *link.machines, mtu_bytes=0)
            for name, link in theirs.items()
            if any(name not in names.get(where, (name,)) for where in link.machines)
        ]

    def _forget(self, tunnels: list[CrossingCable]) -> None:
        for tunnel in tunnels:
            self.crossed.links.pop(tunnel.far_end, None)
        gone = {tunnel.vni for tunnel in tunnels}
        self._tunnels = {key: t for key, t in self._tunnels.items() if t.vni not in gone}

    def recover(self) -> Steps:
        """Learn which machine has what, of a lab that others have started."""
        machines = [m.number for m in self._servers.machines.values() if m.line is not None]
        answers = yield {number: ("interface_names", {}) for number in machines}
        raise_first(answers)
        pairs: dict[str, list[int]] = {}
        for number, names in answers.items():
            for name in names:
                if name[0] == "x":
                    pairs.setdefault(name, []).append(number)
                else:
                    self._places.interfaces[name] = number
        for name, (a, b) in ((n, p) for n, p in pairs.items() if len(p) == 2):
            self.crossed.links[name] = CrossedLink((a, b))
        if watched := self.crossed.machines():
            self._watched |= watched
            yield {where: ("watch_far_ends", {}) for where in watched}
            yield from self.settle()
        return None

    def carry_over(self) -> Steps:
        """Set far ends as those of the other machines were heard, until nothing is to change.

        What is heard meanwhile begins no other: who stopped after some rounds would leave a link
        down for good.

        """
        while changes := self.crossed.changes():
            yield {where: ("set_far_ends", part) for where, part in changes.items()}
        return None

    def settle(self) -> Steps:
        """Let both ends of each link that crosses have the carrier that they should have."""
        for _ in range(_SETTLE_ROUNDS):
            machines = [number for number in self.crossed.machines() if not self._is_gone(number)]
            if not machines:
                break
            answers = yield {where: ("far_ends", {}) for where in machines}
            for where, rows in answers.items():
                for row in rows if isinstance(rows, list) else ():
                    self.crossed.hear(where, row)
            changes = self.crossed.changes()
            if not changes:
                break
            yield {where: ("set_far_ends", part) for where, part in changes.items()}
        return None

    def _is_gone(self, number: int) -> bool:
        machine = self._servers.machines.get(number)
        return machine is None or machine.gone

    def _new_vni(self) -> int:
        while True:
            vni = secrets.randbits(VNI_BITS)
            if vni and f"x{vni:06x}" not in self.crossed.links:
                return vni

    def _open_ports(self, machines: Iterable[int]) -> tuple[int, int]:
        """Let tunnels in at all these machines; return the port of both ends, and where from.

        Both are drawn by chance, as the network identifiers are: who cannot see the
        packets of a lab has 2**54 to choose from.

        """
        peers = sorted({self._servers.numbered(number).address for number in machines})
        reached = [self._servers.numbered(number) for number in machines]
        for _ in range(_TRIES):
            port, source_port = self._ports or (secrets.choice(_PORTS), secrets.choice(_PORTS))
            request = {
                "do": "admit",
                "lab": self._lab,
                "port": port,
                "source_port": source_port,
                "peers": peers,
            }
            try:
                self._servers.tell(reached, request)
            except RemoteError as error:
                if self._ports is None and "belongs to another lab" in str(error):
                    continue
                raise
            self._ports = port, source_port
            return self._ports
        raise OSError(errno.EADDRINUSE, "no port is free for the tunnels of this lab")


def _local(shares: Mapping[int, Request]) -> dict[int, Request]:
    return {where: with_local_pids(part) for where, part in shares.items()}


def _ends_of(part: Request) -> Request:
    ends = [veth[name] for veth in part["veths"] for name in ("a", "b")]
    bridges = [{"device": row["device"]} for row in part["bridges"]]
    found: Request = with_local_pids({"veths": ends, "bridges": bridges})
    return found
