"""FRR's routing daemons as services: their settings, their programs, and their rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import NamedTuple

from playground.errors import TopologyError
from playground.model.records import dataclass
from playground.model.services.frr_daemon_of_line import lines_needing, services_needed
from playground.model.services.settings import (
    File,
    Port,
    Probe,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
)


@dataclass(frozen=True)
class RoutingDaemon(ServiceSettings):
    """One of FRR's routing protocols, and the settings its daemon begins with.

    ``configuration`` is in FRR's own words (https://docs.frrouting.org).  A
    ``Router(routing="ospf")`` has its own from the lab; one that is declared as a
    service, ``Router("r1", services=["ospf"], routing=None)``, begins with none and
    is set up by hand: ``r1.vtysh("configure terminal", "router ospf", ...)``.  Beside each
    protocol run zebra and staticd, whose lines (``ip route``, ``interface lo``) may stand
    there too.  ``from_lab`` marks what a lab has written itself.

    FRR reads the text before its daemons start, and a lab with a line that it refuses does
    not start: `Lab.start` raises `TopologyError` with the line and its number.  A line of a
    protocol that the node does not run is refused before, by `Lab`.

    """

    configuration: str = ""
    from_lab: bool = field(default=False, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.configuration, str):
            raise TopologyError(
                f"{type(self).__name__}(configuration=...) is text in FRR's own words, such as "
                f'"router ospf", not {self.configuration!r}'
            )


@dataclass(frozen=True)
class FRR(RoutingDaemon):
    """Static routes and addresses in FRR's words, by zebra and staticd, without a protocol."""

    service: str = field(default="frr", init=False, repr=False)


@dataclass(frozen=True)
class OSPF(RoutingDaemon):
    """Open Shortest Path First, version 2 (RFC 2328), by FRR's ospfd."""

    service: str = field(default="ospf", init=False, repr=False)


@dataclass(frozen=True)
class OSPF6(RoutingDaemon):
    """Open Shortest Path First, version 3, for IPv6 (RFC 5340), by FRR's ospf6d."""

    service: str = field(default="ospf6", init=False, repr=False)


@dataclass(frozen=True)
class RIP(RoutingDaemon):
    """The Routing Information Protocol, version 2 (RFC 2453), by FRR's ripd."""

    service: str = field(default="rip", init=False, repr=False)


@dataclass(frozen=True)
class RIPng(RoutingDaemon):
    """The Routing Information Protocol for IPv6 (RFC 2080), by FRR's ripngd."""

    service: str = field(default="ripng", init=False, repr=False)


@dataclass(frozen=True)
class BGP(RoutingDaemon):
    """The Border Gateway Protocol, version 4 (RFC 4271), by FRR's bgpd on port 179."""

    service: str = field(default="bgp", init=False, repr=False)


@dataclass(frozen=True)
class ISIS(RoutingDaemon):
    """Intermediate System to Intermediate System (ISO 10589, RFC 1195), by FRR's isisd."""

    service: str = field(default="isis", init=False, repr=False)


@dataclass(frozen=True)
class OpenFabric(RoutingDaemon):
    """IS-IS for spines and leaves (draft-white-openfabric), by FRR's fabricd."""

    service: str = field(default="openfabric", init=False, repr=False)


@dataclass(frozen=True)
class EIGRP(RoutingDaemon):
    """The Enhanced Interior Gateway Routing Protocol (RFC 7868), by FRR's eigrpd."""

    service: str = field(default="eigrp", init=False, repr=False)


@dataclass(frozen=True)
class Babel(RoutingDaemon):
    """The Babel routing protocol (RFC 8966), by FRR's babeld."""

    service: str = field(default="babel", init=False, repr=False)


@dataclass(frozen=True)
class BFD(RoutingDaemon):
    """Bidirectional Forwarding Detection (RFC 5880), by FRR's bfdd."""

    service: str = field(default="bfd", init=False, repr=False)


@dataclass(frozen=True)
class PIM(RoutingDaemon):
    """Multicast: PIM sparse mode (RFC 7761) and IGMP (RFC 3376), by FRR's pimd."""

    service: str = field(default="pim", init=False, repr=False)


@dataclass(frozen=True)
class PIM6(RoutingDaemon):
    """Multicast of IPv6: PIM sparse mode and MLD (RFC 3810), by FRR's pim6d."""

    service: str = field(default="pim6", init=False, repr=False)


@dataclass(frozen=True)
class VRRP(RoutingDaemon):
    """The Virtual Router Redundancy Protocol (RFC 5798), by FRR's vrrpd."""

    service: str = field(default="vrrp", init=False, repr=False)


@dataclass(frozen=True)
class LDP(RoutingDaemon):
    """The Label Distribution Protocol of MPLS (RFC 5036), by FRR's ldpd."""

    service: str = field(default="ldp", init=False, repr=False)


@dataclass(frozen=True)
class PBR(RoutingDaemon):
    """Routing by policy, in pbr-maps, by FRR's pbrd."""

    service: str = field(default="pbr", init=False, repr=False)


@dataclass(frozen=True)
class NHRP(RoutingDaemon):
    """The Next Hop Resolution Protocol (RFC 2332), by FRR's nhrpd."""

    service: str = field(default="nhrp", init=False, repr=False)


@dataclass(frozen=True)
class Segments(RoutingDaemon):
    """Segment routing with policies (RFC 9256), by FRR's pathd."""

    service: str = field(default="segments", init=False, repr=False)


# Users' own texts for FRR, each as it is; the image's `tell` reads them there.
FRR_TEXTS = "/etc/frr/texts"


def _configure_routing(settings: RoutingDaemon, context: ServiceContext) -> tuple[File, ...]:
    content = settings.configuration.encode()
    files = []
    for daemon in ROUTING[settings.service].programs:
        # zebra stays as it is, and so do the routes of another protocol; mgmtd reads for RIP's.
        readers = ("mgmtd", daemon) if daemon in ("ripd", "ripngd") else (daemon,)
        own = content if settings.from_lab else b""
        path = f"/etc/frr/{daemon}.conf"
        files.append(File(path, own, 0o640, programs=readers, live=_tell_daemon))
    if content and not settings.from_lab:
        path = f"{FRR_TEXTS}/{settings.service}.conf"
        files.append(File(path, content, 0o640, live=_tell_texts))
    return tuple(files)


# The image's script that tells a daemon its texts when it starts, for all that run.
_TELL_ALL = """
for socket in /run/frr/*.vty; do
    program=${socket##*/}
    program=${program%.vty}
    [ -d "/run/service/$program" ] || continue
    rm -f "/run/frr/$program.told"
    /usr/lib/frr/tell "$program" &
done
wait
"""


def _tell_texts(old: bytes, new: bytes) -> list[str] | None:
    """Return the command by which daemons that run take a text to which lines were added.

    None where lines were changed or left out: then they start anew.

    """
    return ["sh", "-c", _TELL_ALL] if new.startswith(old) else None


_COSTS = (" ip ospf cost ", " ipv6 ospf6 cost ")


def _tell_daemon(old: bytes, new: bytes) -> list[str] | None:
    """Return the vtysh(1) command by which a daemon that runs takes new settings.

    None where more than costs of interfaces differs: then it starts anew.

    """
    before, after = old.decode().splitlines(), new.decode().splitlines()
    if len(before) != len(after):
        return None
    commands, block = ["configure terminal"], ""
    for was, line in zip(before, after, strict=True):
        if not line.startswith(" "):
            block = line
        if was == line:
            continue
        if not (was.startswith(_COSTS) and line.startswith(_COSTS)):
            return None
        commands += [block, line.strip()]
    return ["vtysh", *(word for command in commands for word in ("-c", command))]


# Each of FRR's daemons has a terminal on the loopback interface.  What it says there
# depends on "password", "banner" and "line vty" in its settings.
_BANNER_FRR = r"."

# These run wherever one of FRR's daemons does, with the ports of their terminals: mgmtd
# keeps the settings of the other two, and of RIP's.
FRR_TERMINALS = {"mgmtd": 2623, "zebra": 2601, "staticd": 2616}


class Routing(NamedTuple):
    """One of FRR's protocols: its settings, and its programs with the ports of their terminals."""

    settings: type[RoutingDaemon]
    programs: Mapping[str, int]
    processes: int = 1  # as in `ServiceRow`


ROUTING: dict[str, Routing] = {
    "frr": Routing(FRR, {}),
    "ospf": Routing(OSPF, {"ospfd": 2604}, processes=6),
    "ospf6": Routing(OSPF6, {"ospf6d": 2606}, processes=6),
    "rip": Routing(RIP, {"ripd": 2602}, processes=12),
    "ripng": Routing(RIPng, {"ripngd": 2603}, processes=12),
    "bgp": Routing(BGP, {"bgpd": 2605}, processes=9),
    "isis": Routing(ISIS, {"isisd": 2608}),
    "openfabric": Routing(OpenFabric, {"fabricd": 2618}),
    "eigrp": Routing(EIGRP, {"eigrpd": 2613}),
    "babel": Routing(Babel, {"babeld": 2609}),
    "bfd": Routing(BFD, {"bfdd": 2617}),
    "pim": Routing(PIM, {"pimd": 2611}),
    "pim6": Routing(PIM6, {"pim6d": 2622}),
    "vrrp": Routing(VRRP, {"vrrpd": 2619}),
    "ldp": Routing(LDP, {"ldpd": 2612}),
    "pbr": Routing(PBR, {"pbrd": 2615}),
    "nhrp": Routing(NHRP, {"nhrpd": 2610}),
    "segments": Routing(Segments, {"pathd": 2621}),
}


def frr_services(text: str, there: Sequence[ServiceSettings] = ()) -> tuple[ServiceSettings, ...]:
    """Return what a router runs that is told a text in FRR's words: zebra, and what it needs.

    ``there`` are the services that it has anyway, which come first.

    >>> frr_services("router bgp 65001")
    (FRR(configuration='router bgp 65001'), BGP(configuration=''))

    """
    found = {settings.service: settings for settings in there}
    before = found.get("frr")
    if isinstance(before, FRR) and before.configuration:
        text = before.configuration.rstrip("\n") + "\n" + text
    found["frr"] = FRR(text)
    for name in services_needed(text):
        found.setdefault(name, ROUTING[name].settings())
    return tuple(found.values())


def refuse_idle_lines(machine: str, services: Iterable[ServiceSettings]) -> None:
    """Refuse lines in FRR's words whose daemon is not one of a machine's services."""
    daemons = [item for item in services if isinstance(item, RoutingDaemon)]
    running = {item.service for item in daemons}
    for item in daemons:
        for line in () if item.from_lab else lines_needing(item.configuration):
            if line.service not in running:
                program = next(iter(ROUTING[line.service].programs))
                raise TopologyError(
                    f"{machine}: line {line.number} of {type(item).__name__}(configuration=...), "
                    f"{line.text!r}, is for {program}, which {machine} does not run; declare the "
                    f'service "{line.service}" beside it, or give all of it to the router: '
                    f"Router({machine!r}, frr=...)"
                )


FRR_ROWS = tuple(
    ServiceRow(
        name=name,
        settings=settings,
        layer="frr",
        programs=(*FRR_TERMINALS, *programs),
        # mgmtd and staticd come last, and no network waits for them.
        ports=tuple(Port(number) for number in (2601, *programs.values())),
        probes=tuple(Probe(number, expect=_BANNER_FRR) for number in (2601, *programs.values())),
        logs=tuple(f"/var/log/frr/{one}.log" for one in (*programs, *reversed(FRR_TERMINALS))),
        configure=_configure_routing,
        processes=processes,
        accounts=("frr", "frrvty"),
    )
    for name, (settings, programs, processes) in ROUTING.items()
)
