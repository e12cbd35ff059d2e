"""Broken networks to mend: a complaint, a network in which something is wrong, a check.

`pose` breaks one thing in a running lab of `examples.small_office`, and returns a
`Puzzle`: what somebody complains of, hints, a check whether it is mended, and how.

"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING

from playground.errors import BadArgument
from playground.model.records import dataclass
from playground.operations.diagnosis.evidence.explanation import Explanation
from playground.operations.network import Link, Machine

if TYPE_CHECKING:
    from playground.lab.lab import Lab


@dataclass
class Puzzle:
    """One thing that is broken in a running lab.

    ``complaint`` is all that is known at first, and how it shows.

    >>> puzzle = pose(lab, 1)
    >>> puzzle
    Puzzle 1: "Nothing works on w1. w2 reads the page of www."
    >>> lab["w1"].run("ip route add default via 10.1.0.1")
    >>> puzzle.check()
    'Mended.'

    """

    number: int
    complaint: str
    lab: Lab = field(repr=False)
    source: str = field(repr=False)
    mending: _Mending = field(repr=False)

    def __repr__(self) -> str:
        return f'Puzzle {self.number}: "{self.complaint}"'

    def explain(self) -> Explanation:
        """Return what became of a packet of who complains: the whole answer."""
        return self.lab.explain(self.source, "www", port=80)

    def hint(self) -> str:
        """Say at which node to look."""
        found = self.explain()
        return f"Look at {found.node}." if found.node else "There is nothing to find any more."

    def check(self, *, within_s: float = 2.0) -> str:
        """Return "Mended." if it is; else raise `CheckFailed`, which explains what is wrong."""
        self.lab.check.reaches(self.source, "www", port=80, within_s=within_s)
        return "Mended."

    def solution(self) -> str:
        """Return what mends it, as one would type it."""
        return self.mending.words

    def mend(self) -> str:
        """Mend it, and return how."""
        self.mending.act()
        return self.mending.words


@dataclass(frozen=True)
class _Mending:
    """How a fault is taken back: in words, and by what."""

    words: str
    act: Callable[[], object]


def pose(lab: Lab, number: int | None = None) -> Puzzle:
    """Break one thing in a running lab of `examples.small_office`, and return the puzzle.

    ``number`` chooses which, from 1 on; without, chance does.  One thing at a time: mend it
    before the next.  Raises `BadArgument` for a number that there is none of, or another lab,
    `NotRunning`.

    """
    if number is None:
        number = random.randint(1, len(_PUZZLES))
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= len(_PUZZLES):
        raise BadArgument(f"there are puzzles 1 to {len(_PUZZLES)}, and no {number!r}")
    if any(name not in lab for name in ("w1", "w2", "r1", "core", "r2", "www", "db")):
        raise BadArgument("puzzles are of the network of playground.examples.small_office()")
    complaint, source, breaks = _PUZZLES[number - 1]
    return Puzzle(number, complaint, lab, source, breaks(lab))


def count() -> int:
    """Return how many puzzles there are."""
    return len(_PUZZLES)


# -- what can be broken -----------------------------------------------------------


def _typed(*commands: tuple[Machine, str]) -> _Mending:
    return _Mending(
        "\n".join(f"{node.name}# {command}" for node, command in commands),
        lambda: [node.run(command) for node, command in commands],
    )


def _gateway(node: Machine) -> str:
    return next(str(route.via) for route in node.routes() if not route.destination.prefixlen)


def _no_route(lab: Lab) -> _Mending:
    w1 = lab.node("w1")
    mending = _typed((w1, f"ip route add default via {_gateway(w1)}"))
    w1.run("ip route del default")
    return mending


def _wrong_gateway(lab: Lab) -> _Mending:
    w1, w2 = lab.node("w1"), lab.node("w2")
    mending = _typed((w1, f"ip route replace default via {_gateway(w1)}"))
    w1.run(f"ip route replace default via {w2.address}")
    return mending


def _wrong_mask(lab: Lab) -> _Mending:
    w1 = lab.node("w1")
    gateway, (name, interface) = _gateway(w1), next(iter(w1.interfaces.items()))
    address = interface.addresses[0]
    wide = f"{address.ip}/8 dev {name}"
    mending = _typed(
        (w1, f"ip address add {address} dev {name}"),
        (w1, f"ip address del {wide}"),
        (w1, f"ip route replace default via {gateway}"),
    )
    w1.run(f"ip address add {wide} && ip address del {address} dev {name}")
    w1.run(f"ip route replace default via {gateway}")
    return mending


def _wrong_name(lab: Lab) -> _Mending:
    w1, www, db = (lab.node(name) for name in ("w1", "www", "db"))
    before = w1.read("/etc/hosts")
    for name in (www.name, www.short):
        w1.hosts[name] = str(db.address)
    words = f'w1.hosts["{www.name}"] = w1.hosts["{www.short}"] = "{www.address}"'
    return _Mending(words, lambda: w1.write("/etc/hosts", before))


def _pulled_out(lab: Lab) -> _Mending:
    [link] = _between(lab, "r1", "core")
    link.down()
    return _Mending("link.up(), where link is that between r1 and core", link.up)


def _between(lab: Lab, one: str, other: str) -> list[Link]:
    return [link for link in lab.links if {end.node.name for end in link.ends} == {one, other}]


def _no_way_back(lab: Lab) -> _Mending:
    core, w1 = lab.node("core"), lab.node("w1")
    office = next(iter(w1.interfaces.values())).addresses[0].network
    route = next(route for route in core.routes() if route.destination == office)
    core.run(f"ip route del {office}")
    return _typed((core, f"ip route add {office} via {route.via}"))


def _not_forwarding(lab: Lab) -> _Mending:
    core = lab.node("core")
    core.run("sysctl -qw net.ipv4.ip_forward=0")
    return _typed((core, "sysctl -qw net.ipv4.ip_forward=1"))


def _blocked(lab: Lab) -> _Mending:
    r2 = lab.node("r2")
    chain = "add chain inet strict rules { type filter hook forward priority 0; }"
    rule = "add rule inet strict rules tcp dport { 25, 80 } drop"
    r2.run(["nft", f"add table inet strict; {chain}; {rule}"])
    return _typed((r2, "nft delete table inet strict"))


def _stopped(lab: Lab) -> _Mending:
    http = lab.node("www").services["http"]
    http.stop()
    return _Mending('www.services["http"].start()', http.start)


def _same_address(lab: Lab) -> _Mending:
    www, db = lab.node("www"), lab.node("db")
    name = next(iter(db.interfaces))
    db.run(f"ip address add {www.address}/24 dev {name}")
    return _typed((db, f"ip address del {www.address}/24 dev {name}"))


def _black_hole(lab: Lab) -> _Mending:
    wire = next(wire for wire in lab.plan().wires if {wire.a.node, wire.b.node} == {"core", "r2"})
    chain = "add chain inet quiet rules { type filter hook output priority 0; }"
    rule = "add rule inet quiet rules icmp type destination-unreachable drop"
    words = []
    for end in (wire.a, wire.b):
        node = lab.node(end.node)
        node.run(f"ip link set {end.interface} mtu 1300")
        node.run(["nft", f"add table inet quiet; {chain}; {rule}"])
        words += [(node, "nft delete table inet quiet")]
        words += [(node, f"ip link set {end.interface} mtu 1500")]
    return _typed(*words)


_PUZZLES: tuple[tuple[str, str, Callable[[Lab], _Mending]], ...] = (
    ("Nothing works on w1. w2 reads the page of www.", "w1", _no_route),
    ("Since I was at this machine, w1 reaches w2 and nobody else.", "w1", _wrong_gateway),
    ("w1 reaches everybody in its office, and never www.", "w1", _wrong_mask),
    ("On w1 www shows nothing. But ping says that www is there!", "w1", _wrong_name),
    ("The whole office is cut off.", "w1", _pulled_out),
    ("www sees our packets in its log, and we never get an answer.", "w2", _no_way_back),
    ("r1 reaches core, and nobody what is behind it.", "w1", _not_forwarding),
    ("I can ping www, and the page does not come.", "w2", _blocked),
    ('The browser says "connection refused".', "w1", _stopped),
    ("Sometimes it works, and sometimes it does not.", "w2", _same_address),
    ("The page begins to come, and then it hangs. ping is well.", "w1", _black_hole),
)
