"""Why two routers are no neighbours by IS-IS: what isisd says of each end, compared.  Pure."""

# ISO 10589 section 8.2.4 has what must agree; RFC 5303 the states of a point-to-point link.

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from playground.model.records import dataclass
from playground.model.routing.isis import LEVELS
from playground.operations.connection.frr_answers import text_in
from playground.planning.plan import NodePlan

QUESTIONS = ("show isis interface detail json", "show isis neighbor detail json")
_LEVELS = dict(zip(("level-1", "level-2-only", "level-1-2"), LEVELS, strict=True))


@dataclass(frozen=True)
class IsisNeighbour:
    """isisd's report of one neighbour at one level; ``system`` is its name, or else its id."""

    system: str
    level: str
    state: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class IsisInterface:
    """isisd's report of one interface; ``states`` are those of neighbours, by their addresses."""

    network_type: str
    passive: bool
    states: Mapping[str, str]
    neighbours: tuple[IsisNeighbour, ...] = ()


class IsisEnd(NamedTuple):
    """One end of a link between two routers: the router, its interface, and what is said there.

    ``block`` are the lines of the configuration below the interface, ``router`` those below
    ``router isis``.

    """

    node: NodePlan
    interface: str
    said: IsisInterface | None
    block: Sequence[str]
    router: Sequence[str]

    @property
    def name(self) -> str:
        """The router's name."""
        return self.node.name

    def value(self, word: str) -> str:
        """Return what stands behind a word in the lines of the router."""
        return _value(self.router, word)

    @property
    def level(self) -> str:
        """The levels at which it speaks here, "" for none."""
        router = _LEVELS.get(self.value("is-type"), "1-2")
        here = _LEVELS.get(_value(self.block, "isis circuit-type"), "1-2")
        return "-".join(sorted({*router.split("-")} & {*here.split("-")}))

    @property
    def area(self) -> str:
        """The area that the router lies in."""
        return self.value("net")[:-18]

    @property
    def system(self) -> str:
        """The router's system id."""
        return self.value("net")[-17:-3]

    @property
    def mtu_bytes(self) -> int | None:
        """The size of packets that the interface was declared with."""
        found = (one.mtu_bytes for one in self.node.interfaces if one.name == self.interface)
        return next(found, None)


def read_interfaces(said: Sequence[Mapping[str, Any]]) -> dict[str, IsisInterface] | None:
    """Return what isisd has answered to `QUESTIONS`; None where it has not."""
    if not said:
        return None
    states: dict[str, dict[str, str]] = {}
    neighbours: dict[str, list[IsisNeighbour]] = {}
    for row in _circuits(said[1:]):
        interface = row.get("interface", {})
        if "adj" in row and isinstance(interface, dict):
            name = text_in(interface, "name")
            found = states.setdefault(name, {})
            addresses = [
                str(address)
                for key in ("ipv4-address", "ipv6-link-local")
                for address in interface.get(key, {}).values()
            ]
            for address in addresses:
                # Of two levels, on a network of many, one that is up is enough.
                if found.get(address) != "Up":
                    found[address] = text_in(interface, "state")
            one = IsisNeighbour(
                system=text_in(row, "adj"),
                level=text_in(row, "level"),
                state=text_in(interface, "state"),
                addresses=tuple(addresses),
            )
            neighbours.setdefault(name, []).append(one)
            found.setdefault("", text_in(interface, "state"))
    return {
        text_in(interface, "name"): IsisInterface(
            network_type=text_in(interface, "type"),
            passive=interface.get("is-passive") == "passive",
            states=states.get(text_in(interface, "name"), {}),
            neighbours=tuple(neighbours.get(text_in(interface, "name"), ())),
        )
        for row in _circuits(said[:1])
        if isinstance(interface := row.get("interface"), dict)
    }


def _circuits(said: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for document in said:
        for area in document.get("areas", ()):
            yield from area.get("circuits", ())


class IsisCause(NamedTuple):
    """What one end says of the other's state, and why; ``pending`` where time may mend it."""

    state: str
    reason: str
    pending: bool = False


def why_not(here: IsisEnd, there: IsisEnd, address: str) -> IsisCause | None:
    """Return why two ends tell each other nothing.

    ``address`` is the other's on the link.  None where they do.

    """
    for end in (here, there):
        if end.said is None:
            return IsisCause("", f"{end.interface} of {end.name} takes no part in IS-IS")
        if end.said.passive:
            return IsisCause("", f"{end.interface} of {end.name} is passive")
    assert here.said is not None and there.said is not None
    states = here.said.states
    alone = here.said.network_type == "p2p"
    state = states.get(address, states.get("", "") if alone else "")
    ends = f"on {here.interface} of {here.name}, and {{}} on {there.interface} of {there.name}"
    if state == "Up":
        return _unbelieved(here, there)
    if here.said.network_type != there.said.network_type:
        kinds = f"{here.said.network_type} {ends.format(there.said.network_type)}"
        return IsisCause(state, f"their network types differ: the network is {kinds}")
    if here.system and here.system == there.system:
        return IsisCause(state, f"both have the system id {here.system} (the end of their NET)")
    both = {*here.level.split("-")} & {*there.level.split("-")} - {""}
    if not both:
        levels = f"level {here.level or 'none'} {ends.format(there.level or 'none')}"
        return IsisCause(state, f"they have no level in common: {levels}")
    if both == {"1"} and here.area != there.area:
        return IsisCause(
            state,
            f"they have level 1 alone in common, and are in different areas: {here.area} "
            f"({here.name}) and {there.area} ({there.name})",
        )
    if _value(here.block, "isis password") != _value(there.block, "isis password"):
        return IsisCause(
            state,
            f"their passwords differ {ends.split(',')[0]} and {there.interface} of {there.name}",
        )
    if here.mtu_bytes != there.mtu_bytes:
        sizes = f"{here.mtu_bytes} bytes {ends.format(f'{there.mtu_bytes} bytes')}"
        return IsisCause(state, f"their MTUs differ, and greetings are as long as that: {sizes}")
    if state == "Initializing":
        return IsisCause(state, f"{here.name} hears {there.name}, and is not heard by it", True)
    return IsisCause(state, f"{here.name} hears nothing of {there.name} on {here.interface}", True)


def _unbelieved(here: IsisEnd, there: IsisEnd) -> IsisCause | None:
    """Compare the passwords that neighbours sign what they tell of with."""
    for number, word in (("2", "domain-password"), ("1", "area-password")):
        if number in here.level and number in there.level and here.value(word) != there.value(word):
            return IsisCause(
                "Up", f"the passwords that they sign what they tell of with ({word}) differ"
            )
    return None


def _value(lines: Sequence[str], word: str) -> str:
    begin = f"{word} "
    return next((line.removeprefix(begin) for line in lines if line.startswith(begin)), "")
