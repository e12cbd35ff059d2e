"""Classes of traffic: which packets share a link by which rates.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

from playground.errors import TopologyError
from playground.model.addresses import Network, range_from
from playground.model.arguments import (
    is_choice,
    is_list,
    is_number,
    is_port,
    is_whole,
    shown,
    tells_wrong_calls,
)
from playground.model.impairment import BURST_FRAMES, BURST_S, FRAME_OVERHEAD_BYTES
from playground.model.queues.discipline import Queue
from playground.model.queues.link_queue import LinkQueue
from playground.model.records import dataclass

# RFC 2474, RFC 2597, RFC 3246, RFC 5865, RFC 8622.
DSCP = {
    "CS0": 0,
    "LE": 1,
    **{f"CS{number}": 8 * number for number in range(1, 8)},
    **{f"AF{one}{drop}": 8 * one + 2 * drop for one in range(1, 5) for drop in range(1, 4)},
    "VA": 44,
    "EF": 46,
}
_PROTOCOLS = {"tcp": (6,), "udp": (17,)}
_SCHEDULERS = ("htb", "hfsc")

# Enough for people; each has a queue of its own.
MOST_CLASSES = 16
_MOST_FILTERS = 64
_MOST_PRIORITY = 7  # TC_HTB_NUMPRIO of linux/pkt_sched.h, less one

# What a link without a rate may carry: far more than a veth pair does.
_WHOLE_MBIT = 100_000.0
# Numbers of classes: the whole link, and the first of those that were declared.
ROOT_MINOR, FIRST_MINOR = 1, 0x10


class Key(NamedTuple):
    """A comparison of 32 bits of a packet, and the words of tc-u32(8) that say it."""

    offset: int
    mask: int
    value: int
    words: str


class Filter(NamedTuple):
    """Packets of IP's ``version`` that are as all of these keys say."""

    version: int
    keys: tuple[Key, ...]


@tells_wrong_calls
@dataclass(frozen=True)
class TrafficClass:
    """A class of packets that share a link with others, and what they get of it.

    Whatever happens, they get ``rate_mbit`` (10**6 bits a second, with Ethernet headers), and
    of what others leave as much as there is, or up to ``ceil_mbit``.  Of what is left, classes
    of ``priority`` 0 are asked first, those of 7 last.

    Its packets are those that fit all that is said: ``dscp``, a number or a name such as "EF"
    or "AF41"; ``port``, at either end, of ``protocol`` "tcp" or "udp", or both;
    ``source`` and ``destination``, an address or a range.  Each may be several, in a list,
    of which one has to fit.  A class of which nothing is said has all other packets.  ``queue`` is
    where they wait, a `Queue` or its kind; a pfifo by default.

    Raises `TopologyError` for what cannot be.  Source: tc-htb(8), tc-hfsc(8), RFC 2474.

    >>> TrafficClass("voice", rate_mbit=1, dscp="EF", priority=0)
    TrafficClass('voice', rate_mbit=1, dscp=(46,))

    """

    name: str
    rate_mbit: float
    ceil_mbit: float | None = None
    priority: int = 0
    dscp: Any = ()
    port: Any = ()
    protocol: str | None = None
    source: Any = ()
    destination: Any = ()
    queue: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier() or len(self.name) > 30:
            raise TopologyError(
                f"a class of traffic called {shown(self.name)}: use letters, digits and _, "
                'as in "voice"'
            )
        here = f"class {self.name}"
        for name in ("rate_mbit", "ceil_mbit"):
            value = getattr(self, name)
            if not is_number(value, 0.008, _WHOLE_MBIT) and (name, value) != ("ceil_mbit", None):
                raise TopologyError(
                    f"{here}: {name}={shown(value)} cannot be; give a number of Mbit/s from 0.008 "
                    "to 100,000"
                )
        if self.ceil_mbit is not None and self.ceil_mbit < self.rate_mbit:
            raise TopologyError(
                f"{here}: ceil_mbit={self.ceil_mbit:g} is the most that it may have, and rate_mbit="
                f"{self.rate_mbit:g} what it always has: give a ceil_mbit that is not less"
            )
        if not is_whole(self.priority, 0, _MOST_PRIORITY):
            raise TopologyError(
                f"{here}: priority={shown(self.priority)} cannot be; give a whole number from 0, "
                f"first, to {_MOST_PRIORITY}, last"
            )
        if self.protocol is not None and not is_choice(self.protocol, _PROTOCOLS):
            raise TopologyError(
                f'{here}: protocol={shown(self.protocol)} is not known; use "tcp" or "udp"'
            )
        checks = {"dscp": _dscp, "port": _port, "source": _network, "destination": _network}
        for name, check in checks.items():
            said = getattr(self, name)
            several = tuple(said) if is_list(said) else () if said is None else (said,)
            checked = tuple(check(f"{here}: {name}", value) for value in several)
            object.__setattr__(self, name, checked)
        queue = Queue(self.queue) if isinstance(self.queue, str) else self.queue
        if queue is not None and not isinstance(queue, Queue):
            raise TopologyError(
                f'{here}: queue={shown(queue)} is none; write queue="fq_codel" or '
                'queue=Queue("fq_codel", target_ms=10)'
            )
        if queue is not None and queue.shapes:
            raise TopologyError(
                f'{here}: a queue of kind "{queue.kind}" has classes of its own; use it for the '
                f'whole link, link.queue("{queue.kind}"), or another kind here'
            )
        object.__setattr__(self, "queue", queue)
        filters = self.filters()
        if not filters and not self.takes_the_rest:
            raise TopologyError(
                f"{here}: no packet has both its source and its destination, for these are of "
                "different versions of IP"
            )
        if len(filters) > _MOST_FILTERS:
            raise TopologyError(
                f"{here}: {len(filters)} filters are needed to find its packets, and no more than "
                f"{_MOST_FILTERS} are made; name fewer ports, addresses or DSCPs"
            )

    def __repr__(self) -> str:
        words = [repr(self.name), f"rate_mbit={self.rate_mbit!r}"]
        for name in ("ceil_mbit", "priority", "dscp", "port", "protocol"):
            value = getattr(self, name)
            if value not in (None, 0, ()):
                words.append(f"{name}={value!r}")
        for name in ("source", "destination"):
            if value := getattr(self, name):
                words.append(f"{name}={tuple(map(str, value))!r}")
        words += [f"queue={self.queue!r}"] if self.queue is not None else []
        return f"TrafficClass({', '.join(words)})"

    @property
    def takes_the_rest(self) -> bool:
        """Whether nothing is said of its packets: it has those of no other class."""
        return not (self.dscp or self.port or self.protocol or self.source or self.destination)

    def filters(self) -> list[Filter]:
        """Return what finds its packets: one of these has to fit."""
        if self.takes_the_rest:
            return []
        return [found for version in (4, 6) for found in self._filters(version)]

    def _filters(self, version: int) -> Iterator[Filter]:
        ends = [
            [one for one in said if one.version == version]
            for said in (self.source, self.destination)
        ]
        if any(
            said and not own
            for said, own in zip((self.source, self.destination), ends, strict=True)
        ):
            return
        protocols: Sequence[int] = _PROTOCOLS[self.protocol] if self.protocol else ()
        if self.port and not protocols:
            protocols = (6, 17)
        choices: list[list[list[Key]]] = [
            [[_dscp_key(version, value)] for value in self.dscp],
            [[_protocol_key(version, number)] for number in protocols],
            [_address_keys(version, "src", one) for one in ends[0]],
            [_address_keys(version, "dst", one) for one in ends[1]],
            [[_port_key(version, end, port)] for port in self.port for end in ("dport", "sport")],
        ]
        for keys in product(*(choice or [[]] for choice in choices)):
            yield Filter(version, tuple(key for group in keys for key in group))

    def data(self) -> dict[str, Any]:
        """Return it as it is written down; `TrafficClass` takes it."""
        return {
            "name": self.name,
            "rate_mbit": self.rate_mbit,
            "ceil_mbit": self.ceil_mbit,
            "priority": self.priority,
            "dscp": list(self.dscp),
            "port": list(self.port),
            "protocol": self.protocol,
            "source": [str(one) for one in self.source],
            "destination": [str(one) for one in self.destination],
            "queue": self.queue.data() if self.queue else None,
        }


@dataclass(frozen=True)
class Classes(LinkQueue):
    """All classes of traffic of one direction of a link, and the ``scheduler`` that serves them.

    A packet belongs to the first class that it fits.  Raises `TopologyError` for what cannot be.

    """

    classes: tuple[TrafficClass, ...]
    scheduler: str = "htb"

    def __post_init__(self) -> None:
        if not is_choice(self.scheduler, _SCHEDULERS):
            raise TopologyError(
                f'scheduler={shown(self.scheduler)} is not known; use "htb" or "hfsc"'
            )
        for one in self.classes:
            if not isinstance(one, TrafficClass):
                raise TopologyError(
                    f"{shown(one)} is no class of traffic; write "
                    'TrafficClass("voice", rate_mbit=1, dscp="EF")'
                )
        names = [one.name for one in self.classes]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise TopologyError(f"two classes of one link are called {twice}; name one otherwise")
        if len(names) > MOST_CLASSES:
            raise TopologyError(f"{len(names)} classes of one link: {MOST_CLASSES} are the most")
        rest = [one.name for one in self.classes if one.takes_the_rest]
        if not rest:
            raise TopologyError(
                "no class has the packets that fit none of the others; add one of which nothing "
                'but a rate is said, last: TrafficClass("rest", rate_mbit=1)'
            )
        if len(rest) > 1:
            raise TopologyError(
                f"of {' and '.join(rest)} nothing is said but a rate, and only one class can have "
                "all packets that fit no other; say of the others which are theirs: dscp=, port=, "
                "protocol=, source=, destination="
            )
        if self.scheduler == "hfsc" and (
            ranked := next((one.name for one in self.classes if one.priority), None)
        ):
            raise TopologyError(
                f"class {ranked} has a priority, which hfsc does not know: what classes are "
                'promised says all there; leave it out, or use scheduler="htb"'
            )

    def __repr__(self) -> str:
        words = [*map(repr, self.classes)]
        words += [f"scheduler={self.scheduler!r}"] if self.scheduler != "htb" else []
        return f"Classes({', '.join(words)})"

    @property
    def name(self) -> str:
        """The scheduler that serves them."""
        return self.scheduler

    @property
    def promised_mbit(self) -> float:
        """All that classes have whatever happens."""
        return sum(one.rate_mbit for one in self.classes)

    @property
    def needs(self) -> tuple[str, ...]:
        """The rows of `model.kernel.features` that they need."""
        below = (name for one in self.classes if one.queue for name in one.queue.needs)
        return tuple(dict.fromkeys((self.scheduler, *below)))

    @property
    def shapes(self) -> bool:
        """Whether it keeps the rate of its link by itself."""
        return True

    @property
    def rest_minor(self) -> int:
        """The number of the class that has all other packets."""
        return next(FIRST_MINOR + n for n, one in enumerate(self.classes) if one.takes_the_rest)

    def numbered(self) -> list[tuple[int, TrafficClass]]:
        """Return the classes, each with its number."""
        return [(FIRST_MINOR + number, one) for number, one in enumerate(self.classes)]

    def class_names(self) -> dict[int, str]:
        """Return the names of the classes by their numbers."""
        return {number: one.name for number, one in self.numbered()}

    def class_rates(self) -> dict[str, float]:
        """Return what each class is promised, in Mbit/s, by their names."""
        return {one.name: one.rate_mbit for one in self.classes}

    def request(self, rate_mbit: float | None, mtu_bytes: int) -> dict[str, Any]:
        """Return them as the agent takes them, on a link of this rate."""
        whole = rate_mbit or _WHOLE_MBIT
        rows = [_request(ROOT_MINOR, whole, whole, 0, mtu_bytes, None, [])]
        for minor, one in self.numbered():
            most = min(one.ceil_mbit or whole, whole)
            queue = (one.queue or Queue()).request(most)
            rows.append(
                _request(minor, one.rate_mbit, most, one.priority, mtu_bytes, queue, one.filters())
            )
        return {"kind": self.scheduler, "rest": self.rest_minor, "classes": rows}

    def as_shell(
        self, interface: str, where: str, handle: str, rate_mbit: float | None, mtu_bytes: int
    ) -> Iterator[str]:
        """Yield the tc(8) commands that make them ``where`` on an interface; tc-u32(8)."""
        said = self.request(rate_mbit, mtu_bytes)
        rest = f"{said['rest']:x}"
        start = f"tc qdisc replace dev {interface}"
        yield f"{start} {where} handle {handle} {self.scheduler} default {rest}"
        queues = {minor: one.queue or Queue() for minor, one in self.numbered()}
        for one in said["classes"]:
            minor = one["minor"]
            parent = handle if minor == ROOT_MINOR else f"{handle}{ROOT_MINOR:x}"
            yield (
                f"tc class replace dev {interface} parent {parent} classid {handle}{minor:x} "
                f"{self.scheduler} {_class_words(self.scheduler, one)}"
            )
            if minor in queues:
                words = queues[minor].words(one["ceil_mbit"])
                yield f"{start} parent {handle}{minor:x} {words}"
        for one in said["classes"]:
            for found in one["filters"]:
                family = "ip" if found["version"] == 4 else "ipv6"
                keys = " ".join(f"match {words}" for *_, words in found["keys"] if words)
                yield (
                    f"tc filter add dev {interface} parent {handle} protocol {family} "
                    f"prio {found['priority']} u32 {keys} flowid {handle}{one['minor']:x}"
                )

    def data(self) -> dict[str, Any]:
        """Return them as they are written down; `from_data` reads them."""
        return {"scheduler": self.scheduler, "classes": [one.data() for one in self.classes]}


def _request(
    minor: int,
    rate_mbit: float,
    ceil_mbit: float,
    priority: int,
    mtu_bytes: int,
    queue: dict[str, Any] | None,
    filters: Sequence[Filter],
) -> dict[str, Any]:
    frame = mtu_bytes + FRAME_OVERHEAD_BYTES
    return {
        "minor": minor,
        "rate_mbit": rate_mbit,
        "ceil_mbit": ceil_mbit,
        "priority": priority,
        "burst_bytes": _burst(rate_mbit, frame),
        "ceil_burst_bytes": _burst(ceil_mbit, frame),
        # What a class may send when it is its turn: a frame, so that turns are short.
        "quantum_bytes": frame,
        "queue": queue,
        "filters": [
            {
                "version": found.version,
                # A priority has filters of one protocol only.
                "priority": 2 * (minor - FIRST_MINOR) + (1 if found.version == 4 else 2),
                "keys": [list(key) for key in found.keys],
            }
            for found in filters
        ],
    }


def _burst(rate_mbit: float, frame: int) -> int:
    return int(max(BURST_FRAMES * frame, rate_mbit * 1e6 / 8 * BURST_S))


def _class_words(scheduler: str, one: dict[str, Any]) -> str:
    rate, ceil = (f"{one[name] * 1e6:.0f}bit" for name in ("rate_mbit", "ceil_mbit"))
    if scheduler == "hfsc":
        return (
            f"sc rate {rate} ul rate {ceil}" if one["queue"] else f"ls rate {rate} ul rate {ceil}"
        )
    return (
        f"rate {rate} ceil {ceil} burst {one['burst_bytes']} cburst {one['ceil_burst_bytes']} "
        f"quantum {one['quantum_bytes']} prio {one['priority']}"
    )


# -- which packets ---------------------------------------------------------------


def _dscp(here: str, value: Any) -> int:
    if isinstance(value, str) and value.upper() in DSCP:
        return DSCP[value.upper()]
    if is_whole(value, 0, 63):
        return value
    raise TopologyError(
        f"{here}={shown(value)} is no code point; give a number from 0 to 63, or a name: "
        "EF, AF11 to AF43, CS0 to CS7, VA, LE"
    )


def _port(here: str, value: Any) -> int:
    if is_port(value):
        return value
    raise TopologyError(f"{here}={shown(value)} is none; give a number from 1 to 65535")


def _network(here: str, value: Any) -> Network:
    try:
        return range_from(value)
    except ValueError:
        raise TopologyError(
            f'{here}={shown(value)} is no address and no range; write "10.0.1.5" or "10.0.1.0/24"'
        ) from None


# Places in the headers of RFC 791 (without options) and RFC 8200.
_PORTS_AT = {4: 20, 6: 40}
_ADDRESS_AT = {(4, "src"): 12, (4, "dst"): 16, (6, "src"): 8, (6, "dst"): 24}
_CALLED = {4: "ip", 6: "ip6"}


def _dscp_key(version: int, value: int) -> Key:
    shift, word = (18, "dsfield") if version == 4 else (22, "priority")
    return Key(
        0, 0x3F << shift, value << shift, f"{_CALLED[version]} {word} {value << 2:#04x} 0xfc"
    )


def _protocol_key(version: int, number: int) -> Key:
    offset, shift = (8, 16) if version == 4 else (4, 8)
    return Key(offset, 0xFF << shift, number << shift, f"{_CALLED[version]} protocol {number} 0xff")


def _port_key(version: int, end: str, port: int) -> Key:
    shift = 16 if end == "sport" else 0
    words = f"{_CALLED[version]} {end} {port} 0xffff"
    return Key(_PORTS_AT[version], 0xFFFF << shift, port << shift, words)


def _address_keys(version: int, end: str, network: Network) -> list[Key]:
    address, mask = network.network_address.packed, network.netmask.packed
    keys = []
    for at in range(0, len(address), 4):
        bits, value = (int.from_bytes(data[at : at + 4], "big") for data in (mask, address))
        if bits:
            # All of them are one match in the words of tc(8).
            words = f"{_CALLED[version]} {end} {network}" if at == 0 else ""
            keys.append(Key(_ADDRESS_AT[version, end] + at, bits, value, words))
    return keys or [Key(0, 0, 0, "u32 0 0")]  # all addresses
