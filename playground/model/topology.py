"""The declarations a lab is made of: hosts, routers, switches, links, NAT.

All of it is plain data that is checked the moment it is built and has no
effect on the machine: no process, no interface, no file.  What can only be
seen in the whole lab, such as two hosts of one name, is checked by
`planning.planner` instead.  Two declarations are equal only if they are the
same object.

>>> home = Switch("home", subnet="192.168.1.0/24")
>>> h1, modem = Host("h1"), Router("modem")
>>> Link(home, h1, address="192.168.1.11")
Link(home, h1, address='192.168.1.11')

"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from types import MappingProxyType
from typing import Any, NamedTuple, Unpack

from playground.errors import TopologyError
from playground.model.addresses import Address, InterfaceAddress, Network
from playground.model.containers.arguments import ContainerArguments, make_container
from playground.model.containers.container import ContainerSettings
from playground.model.containers.limits import Limits, make_limits
from playground.model.containers.own_service import as_services, refuse_two_owners
from playground.model.firewall import Firewall
from playground.model.impairment import NO_IMPAIRMENT, Impairment
from playground.model.ipv6.advertising import Advertising
from playground.model.ipv6.requesting import Requesting
from playground.model.ipv6.slaac import BY_HAND, Automatic, refuse_both, split_automatic
from playground.model.kernel.tunnels import TunnelSettings
from playground.model.nat64 import Translating64
from playground.model.notation import (
    AUTO,
    IFNAME_LENGTH,
    RESERVED_IFNAMES,
    WITH_PREFIX,
    OneOrMore,
    bare,
    check_bool,
    check_loopback,
    check_mac,
    check_machine,
    check_mtus,
    check_pair,
    check_services,
    check_subnets,
    check_usable,
    direct_addresses,
    is_auto,
    is_empty,
    is_host_route,
    is_ifname,
    is_reserved_ifname,
    kind_of,
    one_or_list,
    parse_address,
    refuse_other_family,
    several,
)
from playground.model.overlays import Bridging
from playground.model.parts import (
    End,
    LinkBase,
    Listener,
    MachineBase,
    SwitchBase,
    next_serial,
    taken_or_undone,
)
from playground.model.policy_routing import Steering
from playground.model.queues.link_queue import LinkQueue
from playground.model.records import dataclass
from playground.model.routing.bgp import BgpOptions, SpeakingBgp
from playground.model.routing.frr_lines import Configured
from playground.model.routing.isis import IsisOptions, SpeakingIsis
from playground.model.routing.mpls import SwitchingLabels
from playground.model.routing.multicast import ForwardingGroups
from playground.model.routing.ospf import SpeakingOspf
from playground.model.routing.policy import RoutePolicy
from playground.model.routing.protocols import (
    Redistribute,
    check_as_number,
    check_frr,
    check_redistribute,
    check_routing,
    dynamic,
    redistribute_argument,
)
from playground.model.routing.vrrp import SharingAddresses
from playground.model.said_of_links import forget_links, said_of_links
from playground.model.services.frr import RoutingDaemon
from playground.model.services.settings import ServiceSettings
from playground.model.switch_ports import PortSettings
from playground.model.switches import PLAIN, Mirror, SwitchSettings
from playground.model.vlans import NO_VLANS, Carried, InnerVlan, check_number, check_numbers, listed


class Machine(Steering, MachineBase):
    """A node that runs as a container of its own: a host or a router.

    ``declared_services`` holds the settings of the services it offers;
    ``services`` (an operation) controls those that run.  ``limits`` is what it
    may take of the machine; what runs already keeps what it was started with.
    ``firewall`` is what it lets in, out and through, ``loopback`` the addresses that it has
    on its loopback interface beside 127.0.0.1.  ``container`` is what it was told of image,
    command, environment and their like: `containers.container`.

    """

    loopback: tuple[InterfaceAddress, ...]
    declared_services: tuple[ServiceSettings, ...]
    limits: Limits
    machine: str | None
    container: ContainerSettings
    firewall: Firewall
    fixed = MachineBase.fixed | {"loopback", "firewall"}

    def __init__(
        self,
        name: str,
        services: Iterable[str | ServiceSettings] = (),
        *,
        memory_mb: int | None = None,
        cpus: float | None = None,
        processes: int | None = None,
        sysctls: Mapping[str, object] | None = None,
        congestion_control: str | None = None,
        loopback: OneOrMore = None,
        machine: str | None = None,
        **container: Unpack[ContainerArguments],
    ) -> None:
        super().__init__(name)
        self._begin_steering(sysctls)
        if congestion_control is not None:
            # Few hosts choose one.
            from playground.model.queues.congestion_control import congestion_setting

            self.own_sysctls |= congestion_setting(self.name, congestion_control)
        self.loopback = check_loopback(f"{type(self).__name__.lower()} {self.name}", loopback)
        self.limits = make_limits(self.name, memory_mb, cpus, processes)
        self.machine = check_machine(self.name, machine)
        self.container = make_container(type(self).__name__, self.name, container)
        if self.calls & {other.lower() for other in self.container.waits_for}:
            raise TopologyError(
                f"{self.name}: after={list(self.container.waits_for)} names {self.name} itself, "
                "which would wait for ever; leave it out"
            )
        declared = check_services(self.name, services)
        programs = as_services(self.name, self.container.programs)
        self.declared_services = check_services(self.name, (*declared, *programs))
        refuse_two_owners(self.name, self.container, self.declared_services)
        if self.container.read_only and self.declared_services:
            raise TopologyError(
                f"{self.name}: the programs of services write logs and states, and read_only= "
                "leaves no place for them; leave one of the two out"
            )
        own = ("input", "output")
        chains = ("forward", *own) if isinstance(self, Router) else own
        self.firewall = self._make_firewall(chains)

    def _make_firewall(self, chains: Sequence[str]) -> Firewall:
        return Firewall(self, chains)

    @property
    def cards(self) -> list[Link]:
        """The link or VLAN of each of its interfaces, in the order in which a plan has them."""
        return [part for link in self.links for part in dict.fromkeys((link, *link.attachments))]

    def _options(self) -> list[str]:
        # Their names alone: settings may hold whole web sites.
        programs = dict(self.container.programs)
        declared = [settings.service for settings in self.declared_services]
        services = [name for name in declared if name not in programs]
        limits = [
            f"{name}={value!r}"
            for name, value in dataclasses.asdict(self.limits).items()
            if value is not None
        ]
        sysctls = [f"sysctls={self.own_sysctls}"] * bool(self.own_sysctls)
        own = [f"loopback={one_or_list(self.loopback)}"] * bool(self.loopback)
        own += [f"machine={self.machine!r}"] * bool(self.machine)
        said = [f"services={services}"] * bool(services) + limits + sysctls + own
        return said + self.container.options()


class Host(Machine):
    """A machine that runs programs and forwards nothing for others.

    The name is a host name (RFC 1123); one with dots has its first label for a
    short name too.  ``services`` lists what it offers, by name or as settings
    such as ``HTTP(files="site/")``.

    ``memory_mb`` limits the memory of all its processes together, in units of
    2**20 bytes: one that needs more is killed.  ``cpus`` limits their processor
    time, 0.5 to half of one processor.  Both have no limit where nothing is
    said.  ``processes`` limits how many processes and threads there may be; by
    default 4096, so that a fork bomb stays in its host.  ``sysctls`` are settings of
    its kernel's networking, by the names of sysctl(8), ``congestion_control`` is how its TCP
    decides how much may be under way: "reno", "cubic", "bbr", "vegas" or "dctcp".

    ``loopback`` is an address of its own, "10.10.10.1/32", or several, of IPv6 too: they
    are on its interface lo, and reached by whichever of its links there is a way.

    ``machine`` names the machine of a swarm on which it is to run; other engines have one, and
    pass over it.

    ``image`` is a container image of your own, by its name ("postgres:17") or as the `Path` of
    an archive that `docker save` has written; ``build`` is a directory with a Dockerfile, or a
    Dockerfile's text.  The image's ENTRYPOINT, CMD, ENV, USER, WORKDIR and HEALTHCHECK hold
    unless ``entrypoint``, ``command``, ``env``, ``user``, ``workdir`` or ``healthcheck`` say
    otherwise; its program starts when the network is there.  All other keyword arguments are
    those of `docker run` that make sense in a lab: `ContainerArguments`, and the table of
    docs/reference/nodes.md.

    Raises `TopologyError` for a bad name, an unknown service, a limit that
    nothing could run in, or an argument that makes no sense in a lab.

    >>> Host("www.example.com", services=["http"])
    Host('www.example.com', services=['http'])
    >>> Host("h1", memory_mb=64, cpus=0.5, processes=100)
    Host('h1', memory_mb=64, cpus=0.5, processes=100)
    >>> Host("db", image="postgres:17", env={"POSTGRES_PASSWORD": "secret"})
    Host('db', image='postgres:17', env={'POSTGRES_PASSWORD': 'secret'})

    """

    def __repr__(self) -> str:
        return f"Host({', '.join([repr(self.name), *self._options()])})"


def _lines(text: str) -> str:
    count = len(text.splitlines())
    return f"{count} line{'s' * (count != 1)}"


class Router(
    SpeakingOspf,
    SpeakingIsis,
    SpeakingBgp,
    Configured,
    SharingAddresses,
    ForwardingGroups,
    SwitchingLabels,
    Translating64,
    Advertising,
    Requesting,
    Bridging,
    Machine,
):
    """A machine that forwards what others send to each other.

    With ``routing="static"`` it gets routes to all that it should reach; with
    ``routing=None`` only to the networks it is linked to, and the rest is left
    to whoever sits down at it.  With "ospf", "isis", "rip" or "bgp" it finds its routes
    by that protocol, spoken by FRR with fast timers, together with the neighbours
    that speak the same; a route to where nobody speaks it is static, and told to
    the others.  With several, as in ``routing=("ospf", "bgp")``, it speaks each with those that
    speak it too.  Nothing is told through a link that it masquerades through.  The
    ways of IPv6 are found by OSPFv3, IS-IS, RIPng, or BGP over IPv6, where links have it.

    ``as_number`` is its autonomous system's for BGP; without one it is a system
    of its own.  Routers of one system that are linked find each other by OSPF, or by the protocol
    that they speak besides BGP.
    ``redistribute`` names whose routes, found elsewhere, its protocol tells the others of:
    "kernel" (static routes: those of the lab, and those made by hand with ip-route(8)),
    "connected", "static" (those of FRR's own staticd), "ospf", "isis", "rip", "bgp", and "default",
    a default route in any case.  By default it is
    "kernel" for a router that the lab has given a static route to where none of its
    neighbours leads, and nothing for others; ``redistribute=()`` is nothing in any case.
    A mapping gives each a policy: ``redistribute={"kernel": PrefixList("some", "10.0.0.0/8 le
    24")}`` tells of what passes it (None: of all), a `RouteMap` changes it too.

    A router of several protocols says it for each: ``redistribute={"ospf": ["default"],
    "bgp": {"ospf": some}}``.  Of the networks of its own links all hear.  By default, and so for
    each that is left out, every protocol tells of what the others have found; BGP tells of the
    networks inside its system alone, and not of what came by BGP to another router of it.

    What `ospf`, `ospf_area`, `isis`, `isis_options`, `bgp`, `bgp_peer` and `bgp_options` have said
    can be read back: ``ospf_links``, ``ospf_areas``, ``isis_links``, ``isis_router``,
    ``bgp_links``, ``bgp_peers``, ``bgp_router``; ``protocols`` are those that it speaks;
    ``advertised`` holds what `advertise` has said, ``frr_lines`` what `configure` has,
    ``virtual_routers`` what `vrrp` has, ``groups`` what `multicast` has, ``vrfs`` and ``leaks``
    what `vrf` and `leak` have, ``vnis`` what `vni` has, ``mpls_links`` what `mpls` has, ``nat``
    the NAT declarations, in order.  The limits, ``image`` and its like, and ``loopback`` are
    those of a `Host`: its protocol tells the others of a router's loopback addresses, takes the
    first of IPv4 for the router's name (router id), and speaks from them to BGP routers of its
    own system.

    ``frr`` is a whole configuration in FRR's own words (https://docs.frrouting.org), a text or
    the `Path` of a file such as ``frr.conf``: several protocols, static routes, addresses.  It
    is read at once.  All daemons that its lines need are started, each a service of the router
    (``services["ospf"]``), beside zebra and staticd ("frr"), and nobody else gives the router
    routes: its ``routing`` is None.  `Lab.start` raises `TopologyError` for a line that FRR
    refuses.  It returns when neighbours whose settings agree are up, and no route has changed for
    a second, or after a minute: what such a router will find nobody has planned.  The addresses
    of links are the lab's: give `Link` those that stand in the text.

    >>> modem = Router("modem")
    >>> modem.masquerade(Link(isp, modem))
    >>> Router("r1", routing="bgp", as_number=64512)
    Router('r1', routing='bgp', as_number=64512)
    >>> Router("r2", routing="ospf", loopback="10.10.10.2/32")
    Router('r2', loopback='10.10.10.2/32', routing='ospf')
    >>> Router("r3", frr="router bgp 65003\\n neighbor 10.0.1.1 remote-as 65001\\n")
    Router('r3', frr=<2 lines>)

    """

    routing: str | tuple[str, ...] | None
    protocols: tuple[str, ...]
    as_number: int | None
    redistribute: Redistribute | None
    fixed = Machine.fixed | {
        "frr",
        "routing",
        "protocols",
        "as_number",
        "redistribute",
    }

    def __init__(
        self,
        name: str,
        services: Iterable[str | ServiceSettings] = (),
        routing: str | Sequence[str] | None = "static",
        *,
        as_number: int | None = None,
        redistribute: str | Sequence[str] | Mapping[str, RoutePolicy | Any] | None = None,
        memory_mb: int | None = None,
        cpus: float | None = None,
        processes: int | None = None,
        sysctls: Mapping[str, object] | None = None,
        congestion_control: str | None = None,
        loopback: OneOrMore = None,
        machine: str | None = None,
        frr: str | os.PathLike[str] | None = None,
        **container: Unpack[ContainerArguments],
    ) -> None:
        super().__init__(
            name,
            services,
            memory_mb=memory_mb,
            cpus=cpus,
            processes=processes,
            sysctls=sysctls,
            congestion_control=congestion_control,
            loopback=loopback,
            machine=machine,
            **container,
        )
        self.frr = check_frr(self.name, frr, routing, as_number)
        # Of the lab's own routes the kernel would prefer each to what a protocol finds.
        self.routing = check_routing(self.name, None if frr is not None else routing)
        self.as_number = check_as_number(self.name, self.routing, as_number)
        self.protocols = dynamic(self.routing)
        self.redistribute = check_redistribute(self.name, self.routing, redistribute)
        self._refuse_own_daemon()
        self.bgp_links, self.bgp_peers, self.bgp_router = {}, {}, BgpOptions()
        self.ospf_links, self.ospf_areas = {}, {}
        self.isis_links, self.isis_router = {}, IsisOptions()
        self.frr_lines, self.virtual_routers, self.groups = (), (), None
        self.nat = []
        self.vrfs, self.leaks, self.vnis, self.mpls_links = {}, (), {}, ()
        self.advertised = {}
        self.translated64 = None
        self.requested = {}

    def _refuse_own_daemon(self) -> None:
        for settings in self.declared_services:
            if self.frr is not None and isinstance(settings, RoutingDaemon):
                raise TopologyError(
                    f"router {self.name}: frr= starts all daemons that its lines need, and the "
                    f"service {settings.service!r} would be told twice; leave the service out"
                )
            if settings.service in self.protocols:
                raise TopologyError(
                    f"router {self.name} has routing={self.routing!r} and the service of that "
                    f"name; leave the service out, or write routing=None to set it up by hand"
                )

    def __repr__(self) -> str:
        routing = [] if self.routing == "static" else [f"routing={self.routing!r}"]
        routing += [f"as_number={self.as_number}"] if self.as_number else []
        if self.redistribute is not None:
            said = redistribute_argument(self.redistribute, self.protocols)
            routing += [f"redistribute={said}"]
        if self.frr is not None:
            routing = [f"frr=<{_lines(self.frr)}>"]
        return f"Router({', '.join([repr(self.name), *self._options(), *routing])})"


class Switch(SwitchBase):
    """A switch: all that is linked to it, or to switches linked to it, is one network.

    ``subnet`` is that network's address range, one for each family at most;
    without it the lab chooses a /24.  The other arguments are those of
    `model.switches.SwitchSettings`: how long it remembers addresses, whether it
    is a hub, and with ``stp`` whether it speaks the spanning tree protocol, without
    which switches may not be linked in a loop.

    With ``vlans`` it is several switches in one (IEEE 802.1Q): each VLAN is a network of
    its own, in which others are only by a router.  Give their numbers, or their numbers
    with a subnet for each, None where the lab shall choose; every link then says with
    ``vlan`` or ``trunk`` what it carries.  Switches linked by a trunk share its VLANs.

    With ``qinq`` it is a provider's (IEEE 802.1ad): its VLANs are services, each for a customer,
    whose own VLANs pass within it, tags and all: see ``service`` of `Link`.

    Raises `TopologyError` for a bad name, a range with host bits set, or settings
    that cannot be.

    >>> Switch("home", subnet=["192.168.1.0/24", "2001:db8:1::/64"])
    Switch('home', subnet=['192.168.1.0/24', '2001:db8:1::/64'])
    >>> Switch("office", vlans={10: "192.168.10.0/24", 20: None})
    Switch('office', vlans={10: '192.168.10.0/24', 20: None})

    """

    subnets: tuple[Network, ...]
    qinq: bool

    def __init__(
        self,
        name: str,
        subnet: OneOrMore = None,
        *,
        vlans: Mapping[int, OneOrMore] | Iterable[int] | None = None,
        qinq: bool = False,
        ageing_s: float | None = None,
        stp: bool = False,
        priority: int = PLAIN.priority,
        forward_delay_s: float = PLAIN.forward_delay_s,
        hub: bool = False,
        igmp_snooping: bool = False,
    ) -> None:
        super().__init__(name)
        here = f"switch {self.name}"
        self.subnets = check_subnets(here, subnet)
        if vlans is not None and self.subnets:
            raise TopologyError(
                f"{here}: with vlans= each VLAN has a subnet of its own; write it there, as in "
                f'vlans={{10: "{self.subnets[0]}"}}, and leave subnet= out'
            )
        self._vlans = _check_vlans(here, vlans)
        self.qinq = check_bool(here, "qinq", qinq)
        if qinq and not self._vlans:
            raise TopologyError(
                f"{here}: qinq=True is a provider's, which has a VLAN for each customer; name "
                f"them: vlans=(100, 200)"
            )
        self._mirror: Mirror | None = None
        self._port_settings: dict[Link, PortSettings] = {}
        self._settings = SwitchSettings(
            ageing_s, stp, priority, forward_delay_s, hub, igmp_snooping
        )

    @property
    def settings(self) -> SwitchSettings:
        """How it learns, and whether it keeps loops open."""
        return self._settings

    @property
    def port_settings(self) -> Mapping[Link, PortSettings]:
        """What `set_port` has said of ports, by their links."""
        return MappingProxyType(self._port_settings)

    @property
    def mirrored(self) -> Mirror | None:
        """The mirror that `mirror` has set; None without one."""
        return self._mirror

    @property
    def vlans(self) -> Mapping[int, tuple[Network, ...]]:
        """The numbers of its VLANs in order, and the subnets given to each; {} for none."""
        return MappingProxyType(self._vlans)

    @property
    def places(self) -> list[Attachment]:
        """The networks on it: each VLAN, or the whole switch where it has none."""
        return [(self, number) for number in self._vlans] or [(self, None)]

    def add_vlan(self, number: int, subnet: OneOrMore = None) -> None:
        """Give a switch with VLANs one more; links can carry it from then on.

        In a running lab too: a trunk declared with ``trunk=True`` carries it with the next
        `Lab.start`.  Raises `TopologyError` for a number that is none, or known already.

        >>> office.add_vlan(30, subnet="192.168.30.0/24")
        >>> Link(office, printer, vlan=30)

        """
        here = f"switch {self.name}"
        if not self._vlans:
            raise TopologyError(
                f"{here} tells no VLANs apart; declare it with them: Switch({self.name!r}, "
                f"vlans=({number!r}, ...))"
            )
        if check_number(here, number) in self._vlans:
            raise TopologyError(f"{here} has VLAN {number} already; choose another number")
        known = {**self._vlans, number: check_subnets(f"{here}, VLAN {number}", subnet)}
        self._vlans = dict(sorted(known.items()))

    def subnets_of(self, vlan: int | None) -> tuple[Network, ...]:
        """Return the subnets given to one of its VLANs, or to all of it."""
        if isinstance(vlan, InnerVlan):
            return ()  # a customer's, whose switches say what is in it
        if vlan is not None:
            check_number(repr(self), vlan)
        return self.subnets if vlan is None else self._vlans.get(vlan, ())

    def refuse_loop(self, wanted: SwitchSettings) -> None:
        for storm in self._storms(wanted):
            raise TopologyError(f"switch {self.name}: {storm.sentence}")

    def looped(self, wanted: SwitchSettings) -> frozenset[Link]:
        """Return the links of loops that it would be in with these settings."""
        return frozenset(link for storm in self._storms(wanted) for link in storm.links)

    def _storms(self, wanted: SwitchSettings) -> list[Storm]:
        before, self._settings = self._settings, wanted
        try:
            return list(storms([self]))
        finally:
            self._settings = before

    def __repr__(self) -> str:
        subnet = [f"subnet={one_or_list(self.subnets)}"] if self.subnets else []
        if self._vlans:
            each = (f"{one}: {one_or_list(subnets)}" for one, subnets in self._vlans.items())
            subnet = [f"vlans={{{', '.join(each)}}}"]
        given = ["qinq=True"] * self.qinq
        given += [f"{name}={value!r}" for name, value in self.settings.given().items()]
        return f"Switch({', '.join([repr(self.name), *subnet, *given])})"


# A node of any kind; `isinstance` understands it too.
Node = Host | Router | Switch

# Where a link is plugged in: a switch, and one of its VLANs if it has any.
Attachment = tuple[Switch, int | None]


class Link(LinkBase):
    """A cable between two nodes, of which each may be a host, a router or a switch.

    ``subnet`` is the address range of a link between two hosts or routers, and
    ``addresses=(for a, for b)`` sets their addresses by hand.  At a switch the
    range belongs to the switch, and ``address`` is that of the other end, or "dhcp" for
    a host that shall ask a server of the service dhcp.  With "slaac" an end makes its IPv6
    address itself, of what a router there advertises (`SLAAC`); ["dhcp", "slaac"] is for
    both families.  "auto", as if nothing was said, lets
    the lab choose, and None is none: the interface is up and has no address until somebody
    gives it one by hand (``addresses=(None, None)`` between two nodes).  A
    /32 (or /128) on a link between two nodes makes it point-to-point: each end
    gets a route to the other's address.  Addresses may be strings or sequences
    of strings.

    ``names`` and ``macs`` are (for a, for b), None where the lab shall choose.
    ``mtu`` is in bytes, without a tag's four; a pair, (for a, for b), is a fault to find,
    which ``Lab(strict=False)`` takes: an end drops what is longer than its own.  With
    ``offload`` the interfaces put off checksums and segmentation as a real card does:
    faster, but captures show the strange packets that come of it.

    At a switch with VLANs the link carries ``vlan``, whose frames have no tag, or with
    ``trunk`` several, all of them tagged: (10, 20), or True for all that the switch has
    (both have, between two).  What comes without a tag is dropped, unless ``native`` says in
    which VLAN it is, whose frames then pass without one.  A host or router at a trunk has an
    interface for each VLAN (eth0.10, eth0.20; eth0 itself for the native one), so that one
    router may lead from each to the others: a "router on a stick".
    Its ``address`` is then a mapping, {10: "192.168.10.1"}; ``link[10]`` is what it sees
    of VLAN 10, a link for its firewall, NAT and routes.

    At a provider's switch, declared with ``qinq``, ``service`` is the VLAN in which all that the
    link carries passes: tags are put upon those of the customer (QinQ, IEEE 802.1ad).

    ``ends`` holds the two `End` objects, ``id`` what a lab file calls it (None: the names of its
    nodes, as "home-h1").  Raises `TopologyError` for anything
    that cannot be; the nodes are then as they were.

    >>> Link(isp, modem, addresses=("10.25.1.1/32", "10.25.1.65/16"), names=("eth1", "eth0"))
    Link(isp, modem, addresses=('10.25.1.1/32', '10.25.1.65/16'), names=('eth1', 'eth0'))
    >>> Link(office, gateway, trunk=(10, 20))
    Link(office, gateway, trunk=(10, 20))
    >>> Link(home, Host("h9"), address=None)
    Link(home, h9, address=None)

    """

    subnets: tuple[Network, ...]
    mtus: tuple[int, int]
    mtu_bytes: int
    offload: bool
    serial: int
    carried: Carried
    id: str | None = None
    _down: bool = False
    _toward: tuple[Impairment, Impairment] = (NO_IMPAIRMENT, NO_IMPAIRMENT)
    _queues: tuple[LinkQueue | None, LinkQueue | None] = (None, None)
    _tunnel: TunnelSettings | None = None
    members: tuple[Link, ...] = ()

    def __init__(
        self,
        a: Node,
        b: Node,
        *,
        subnet: OneOrMore = None,
        address: OneOrMore | Mapping[int, OneOrMore] = AUTO,
        addresses: Sequence[OneOrMore] | None = AUTO,
        names: Sequence[str | None] = (None, None),
        macs: Sequence[str | None] = (None, None),
        mtu: int | Sequence[int] = 1500,
        offload: bool = False,
        vlan: int | None = None,
        trunk: Iterable[int] | bool | None = None,
        native: int | None = None,
        service: int | None = None,
    ) -> None:
        _check_ends(a, b)
        here = f"link {a.name} - {b.name}"
        names = check_pair(here, a, b, "names", names)
        macs = check_pair(here, a, b, "macs", macs)
        self.subnets = ()
        carried = _check_carried(here, a, b, vlan, trunk, native, service)
        far = (Far(), Far())
        if isinstance(a, Switch) or isinstance(b, Switch):
            _refuse_on_switch(here, a, b, subnet, addresses, address, names, macs)
            far = (_far(here, a, b, carried, address), _far(here, b, a, carried, address))
        else:
            if address == "dhcp":
                _check_dhcp(here, a, b)
            if not is_auto(address):
                both = "None, None" if is_empty(address) else '"10.0.0.1/24", "10.0.0.2/24"'
                raise TopologyError(
                    f"{here}: address= is for a link to a switch; between two nodes write "
                    f"addresses=({both})"
                )
            self.subnets = check_subnets(here, subnet)
            automatic, addresses = _split_sides(here, (a, b), addresses)
            given = direct_addresses(here, a, b, self.subnets, addresses)
            said = (addresses,) * 2 if addresses is None or is_auto(addresses) else addresses
            for one, items in zip(automatic, given, strict=True):
                refuse_both(here, one, items)
            far = (
                Far(given[0], automatic[0], unaddressed=is_empty(said[0])),
                Far(given[1], automatic[1], unaddressed=is_empty(said[1])),
            )
        self.mtus = check_mtus(here, mtu)
        self.mtu_bytes = max(self.mtus)
        self.offload = check_bool(here, "offload", offload)
        checked = (
            *(
                End(node, _check_interface(node, names[side]), mac=check_mac(node, macs[side]))
                for side, node in enumerate((a, b))
            ),
        )
        self.serial = next_serial()
        self._carry(carried, checked, far)
        # Nothing can fail from here on, so that a refused link leaves no trace.
        a.links.append(self)
        b.links.append(self)

    def _carry(self, carried: Carried, ends: tuple[End, ...], far: tuple[Far, Far]) -> None:
        """Take over what was checked: VLANs, and the addresses that the ends have in them."""
        self.carried = carried
        self.ends = (
            *(
                dataclasses.replace(
                    end,
                    addresses=there.addresses,
                    automatic=there.automatic,
                    unaddressed=there.unaddressed,
                )
                for end, there in zip(ends, far, strict=True)
            ),
        )
        self._parts = {
            number: self._make_part(number, addressed)
            for there in far
            for number, addressed in there.tagged.items()
        }

    @property
    def is_down(self) -> bool:
        """Whether `down` was said, and not `up` since."""
        return self._down

    @property
    def declared_impairments(self) -> tuple[Impairment, Impairment]:
        """The impairments of frames toward the first end, and toward the second."""
        return self._toward

    @property
    def declared_queues(self) -> tuple[LinkQueue | None, LinkQueue | None]:
        """The queues of frames toward the first end, and toward the second; None for none."""
        return self._queues

    def _make_part(self, vlan: int, far: Far) -> VlanLink:
        return VlanLink(self, vlan, far)

    @property
    def listener(self) -> Listener | None:
        """The lab that runs it; None for one that is only declared."""
        return None

    @property
    def tunnel(self) -> TunnelSettings | None:
        """What was said of a `Tunnel`; None for a cable."""
        return self._tunnel

    @property
    def families(self) -> tuple[int, ...]:
        """The versions of IP that it can carry."""
        return (4, 6)

    @property
    def vlan(self) -> int | None:
        """The VLAN that it carries without a tag, of a trunk the native one; None for none."""
        return self.carried.vlan

    @property
    def trunk(self) -> tuple[int, ...]:
        """The VLANs that it carries with tags, () where it is no trunk."""
        if self.carried.all:
            common = _common(_switches_of_tags(self.ends, self.carried.service))
            return tuple(number for number in common if number != self.carried.vlan)
        return self.carried.trunk

    @property
    def attachments(self) -> tuple[Link, ...]:
        """Its parts, as the host or router at its end has them: itself, or each VLAN of a trunk."""
        if self._bond is not None:
            return ()  # they are the bond's
        if not self.trunk or all(isinstance(end.node, Switch) for end in self.ends):
            return (self,)
        tagged = tuple(self[number] for number in self.trunk)
        return tagged if self.vlan is None else (self, *tagged)

    def __getitem__(self, vlan: int) -> Link:
        """Return one VLAN of a trunk to a host or router, as a link of its own.

        Raises `TopologyError` if it carries no such VLAN there.

        >>> gateway.firewall.drop(interface=trunk[20], destination=server)

        """
        if vlan == self.vlan and self.trunk:
            return self  # the native one
        if vlan not in self.trunk or all(isinstance(end.node, Switch) for end in self.ends):
            has = f"only {listed(self.trunk)}" if self.trunk else "for it is no trunk"
            raise TopologyError(f"{self!r} has no interface of VLAN {vlan!r}, {has}")
        if vlan not in self._parts:
            self._parts[vlan] = self._make_part(vlan, Far())
        return self._parts[vlan]

    def change(
        self,
        *,
        vlan: int | None = None,
        trunk: Iterable[int] | bool | None = None,
        native: int | None = None,
        address: OneOrMore | Mapping[int, OneOrMore] = AUTO,
    ) -> None:
        """Put the link into another VLAN, or other ones: see `Link` for the arguments.

        A host whose port is moved gets an address of the network that it is in then, the
        one of ``address`` or one that the lab chooses; in a running lab routes
        and names follow at once.  In the VLANs of a trunk that stay, addresses stay.
        One that asks for its address by DHCP asks the server that is there.

        Raises `TopologyError` for what cannot be, and `AgentError` if the kernel refuses;
        all is then as it was.

        >>> link.change(vlan=20)
        >>> trunk.change(trunk=(10, 20, 30))

        """
        a, b = (end.node for end in self.ends)
        here = f"link {a.name} - {b.name}"
        if self._bond is not None:
            raise TopologyError(f"{here} is a link of a bond; say it of the bond: {self._bond!r}")
        before = self.carried, self.ends, self._parts
        attached = self.attachments
        routers = [end.node for end in self.ends if isinstance(end.node, Router)]
        said = [(router, said_of_links(router)) for router in routers]
        if vlan is not None and is_auto(address):
            if words := [word for end in self.ends for word in end.automatic.words]:
                address = words
            elif any(end.unaddressed for end in self.ends):
                address = None
        with _left_out(self):
            carried = _check_carried(here, a, b, vlan, trunk, native, self.carried.service)
            if not carried:
                raise TopologyError(
                    f"{here} leads to no switch with VLANs; there is none to change"
                )
            far = (_far(here, a, b, carried, address), _far(here, b, a, carried, address))

        def undo() -> None:
            self.carried, self.ends, self._parts = before
            for router, known in said:
                vars(router).update(known)

        with taken_or_undone(self.listener, undo):
            self._carry(carried, self.ends, far)
            staying = {number: part for number, part in before[2].items() if number in self.trunk}
            self._parts = staying | self._parts
            for number, part in before[2].items():
                if self._parts.get(number) is not part:
                    refuse_in_use(part)
            left = self.attachments
            for router in routers:
                forget_links(router, [part for part in attached if part not in left])

    def __repr__(self) -> str:
        return f"Link({', '.join(self._said())})"

    def _said(self) -> list[str]:
        return _said(self)


def _said(link: Link) -> list[str]:
    """Return its arguments, as somebody would write them."""
    a, b = link.ends
    parts = [a.node.name, b.node.name]
    if link.subnets:
        parts.append(f"subnet={one_or_list(link.subnets)}")
    switched = isinstance(a.node, Switch) or isinstance(b.node, Switch)
    parts += [repr(link.carried)] if link.carried else []
    tagged = {
        number: end.said
        for number, part in sorted(link._parts.items())
        for end in part.ends
        if end.said != repr(AUTO)
    }
    if link.trunk and link.vlan is not None:
        own = [(link.vlan, end.said) for end in (a, b) if end.said != repr(AUTO)]
        tagged = dict(sorted([*own, *tagged.items()]))
    if tagged:
        parts.append(f"address={{{', '.join(f'{n}: {item}' for n, item in tagged.items())}}}")
    said = [end.said for end in (a, b) if end.said != repr(AUTO)]
    if switched and said and not link.trunk:
        parts.append(f"address={said[0]}")
    elif said and not switched:
        parts.append(f"addresses=({a.said}, {b.said})")
    if a.name or b.name:
        parts.append(f"names=({a.name!r}, {b.name!r})")
    if a.mac or b.mac:
        parts.append(f"macs=({a.mac!r}, {b.mac!r})")
    if link.mtus != (1500, 1500):
        same = len(set(link.mtus)) == 1
        parts.append(f"mtu={link.mtu_bytes if same else link.mtus}")
    if link.offload:
        parts.append("offload=True")
    return parts


class VlanLink(Link):
    """One VLAN of a trunk, as the host or router at its end sees it.

    ``whole`` is the trunk.  It stands for its VLAN wherever rules, NAT and routes take a
    link of a node; the cable is the trunk's, and so is what can be done to a cable.

    """

    whole: Link

    def __init__(self, whole: Link, vlan: int, far: Far) -> None:
        self.whole = whole
        self.subnets = ()
        self.mtus, self.mtu_bytes = whole.mtus, whole.mtu_bytes
        self.offload, self.serial = whole.offload, whole.serial
        self.carried, self._parts = Carried(vlan, service=whole.carried.service), {}
        a, b = (
            end
            if isinstance(end.node, Switch)
            else dataclasses.replace(
                end,
                name=None,
                mac=None,
                addresses=far.addresses,
                automatic=far.automatic,
                vlan=vlan,
                unaddressed=far.unaddressed,
            )
            for end in whole.ends
        )
        self.ends = a, b

    def change(self, **_: Any) -> None:
        """Refused: what is changed is the whole trunk."""
        raise self.refusal()

    def refusal(self) -> TopologyError:
        return TopologyError(
            f"{self!r} has no cable of its own; say it to the whole trunk: {self.whole!r}"
        )

    def __repr__(self) -> str:
        return f"{self.whole!r}[{self.vlan}]"


# -- what is one network ----------------------------------------------------


def strands(link: Link) -> Iterator[tuple[Link, tuple[Attachment, ...]]]:
    """Yield for each network that a link is part of what stands for it, and its places.

    A link of a bond is part of none by itself.

    >>> list(strands(Link(office, gateway, trunk=(10, 20))))[1]
    (Link(office, gateway, trunk=(10, 20))[20], ((Switch('office', ...), 20),))

    """
    switches = [end.node for end in link.ends if isinstance(end.node, Switch)]
    if link.bond is not None:
        return
    if any(switch.qinq for switch in switches):
        yield from _provided(link, switches)
        return
    if not link.trunk:
        yield link, tuple((switch, link.vlan if switch.vlans else None) for switch in switches)
        return
    if link.vlan is not None:
        yield link, tuple((switch, link.vlan) for switch in switches)
    for number in link.trunk:
        strand = link if len(switches) == 2 else link[number]
        yield strand, tuple((switch, number) for switch in switches)


def _provided(
    link: Link, switches: Sequence[Switch]
) -> Iterator[tuple[Link, tuple[Attachment, ...]]]:
    """Yield the same of a link to a provider's switch, where VLANs are within others."""
    service = link.carried.service
    if service is not None:
        [provider] = [switch for switch in switches if switch.qinq]
        customers = [switch for switch in switches if not switch.qinq]
        if link.vlan is not None or not link.trunk:
            own = [(switch, link.vlan if switch.vlans else None) for switch in customers]
            yield link, (*own, (provider, service))
        for number in link.trunk:
            strand = link if customers else link[number]
            inner = InnerVlan.of(service, number)
            yield strand, (*((switch, number) for switch in customers), (provider, inner))
        return
    for number in (*([] if link.vlan is None else [link.vlan]), *link.trunk):
        yield link, tuple((switch, number if switch.vlans else None) for switch in switches)
        if len(switches) == 2 and all(switch.qinq for switch in switches):
            for inner in _within(switches[0], number):
                yield link, tuple((switch, inner) for switch in switches)


def _within(provider: Switch, service: int) -> list[InnerVlan]:
    """Return the customers' VLANs within a service VLAN, wherever they come in."""
    numbers: dict[int, None] = {}
    queue = {provider: None}
    for switch in (todo := list(queue)):
        for link in switch.links:
            if link.carried.service == service:
                numbers.update(dict.fromkeys(link.trunk))
            other = link.peer(switch).node
            on = service == link.vlan or service in link.trunk
            if on and isinstance(other, Switch) and other.qinq and other not in queue:
                queue[other] = None
                todo.append(other)
    return [InnerVlan.of(service, number) for number in sorted(numbers)]


def reached(place: Attachment) -> list[Attachment]:
    """Return this place and all others on switches that are one network with it."""
    found = {place: None}
    queue = [place]
    for here in queue:
        for link in here[0].links:
            for _, places in strands(link):
                if here in places:
                    queue += [other for other in places if other not in found]
                    found.update(dict.fromkeys(places))
    return queue


class Storm(NamedTuple):
    """A network with a loop that nobody opens: a ``sentence``, and the links between switches."""

    sentence: str
    links: tuple[Link, ...]


def storms(switches: Iterable[Switch]) -> Iterator[Storm]:
    """Yield each network in which broadcasts would go round for ever.

    A spanning tree (IEEE 802.1D) opens the loops of those that speak it.  A hub passes its
    messages on like all else, and remembers nothing that could be wrong when the tree
    changes, so it may stand in a loop with others, though hubs alone may form none.

    """
    seen: set[Attachment] = set()
    for place in (place for switch in switches for place in switch.places):
        if place in seen:
            continue
        network = reached(place)
        seen.update(network)
        cables = {
            (link, ends)
            for switch, _ in network
            for link in switch.links
            for _, ends in strands(link)
            if len(ends) == 2 and ends[0] in network
        }
        if len(cables) < len(network):
            continue
        links = tuple(dict.fromkeys(link for link, _ in cables))
        *names, last = dict.fromkeys(switch.name for switch, _ in network)
        about = f"the switches {', '.join(names) or last} and {last} are linked in a loop in "
        about += "which broadcasts go round for ever"
        deaf = dict.fromkeys(
            switch.name for switch, _ in network if not (switch.settings.stp or switch.settings.hub)
        )
        if deaf:
            advice = f"leave a link out, or declare {', '.join(deaf)} with stp=True"
            yield Storm(f"{about}; {advice}", links)
            continue
        hubs = {end for end in network if end[0].settings.hub}
        between = [ends for _, ends in cables if hubs.issuperset(ends)]
        if ring := _ring(between):
            advice = (
                f"leave a link between the hubs {', '.join(ring)} out, or declare one of them as "
                f"a switch, with stp=True in place of hub=True"
            )
            yield Storm(f"{about}; {advice}", links)


def _ring(cables: Iterable[tuple[Attachment, ...]]) -> list[str]:
    """Return the names of those that the first cable joins which joins what is joined already."""
    groups: dict[Attachment, set[Attachment]] = {}
    for a, b in cables:
        one, other = groups.setdefault(a, {a}), groups.setdefault(b, {b})
        if one is other:
            return sorted(switch.name for switch, _ in one)
        one |= other
        groups.update(dict.fromkeys(other, one))
    return []


def refuse_in_use(link: Link) -> None:
    """Raise `TopologyError` while NAT, rules or routes by hand of its nodes speak of a link."""
    for node in (end.node for end in link.ends):
        if isinstance(node, Router):
            places = [place for place, item in enumerate(node.nat) if item.link is link]
            if places:
                items = ", ".join(f"{node.name}.nat[{place}]" for place in places)
                raise TopologyError(
                    f"{link!r} cannot be removed while {node.name} translates addresses on it: "
                    f"take that back first with {node.name}.untranslate({items})"
                )
        if isinstance(node, Machine):
            rules = [
                str(rule.number)
                for rule in node.firewall
                if link in (*rule.interfaces, *rule.out_interfaces)
            ]
            if rules:
                raise TopologyError(
                    f"{link!r} cannot be removed while rules of {node.name}.firewall speak of it: "
                    f"take them away first with {node.name}.firewall.remove({', '.join(rules)})"
                )
            spoken = [
                f"own_routes[{n}]" for n, one in enumerate(node.own_routes) if one.link is link
            ]
            spoken += [
                f"own_rules[{n}]" for n, one in enumerate(node.own_rules) if one.link is link
            ]
            if spoken:
                raise TopologyError(
                    f"{link!r} cannot be removed while {node.name}.{spoken[0]} speaks of it: take "
                    f"that back first with {node.name}.{spoken[0]}.remove()"
                )


@contextmanager
def _left_out(link: Link) -> Iterator[None]:
    """Look at the nodes of a link as if it were not there."""
    nodes = [end.node for end in link.ends]
    before = [list(node.links) for node in nodes]
    for node in nodes:
        node.links.remove(link)
    try:
        yield
    finally:
        for node, links in zip(nodes, before, strict=True):
            node.links[:] = links


# -- VLANs ------------------------------------------------------------------


def _check_vlans(
    here: str, vlans: Mapping[int, OneOrMore] | Iterable[int] | None
) -> dict[int, tuple[Network, ...]]:
    if vlans is None:
        return {}
    numbers = check_numbers(f"{here}: vlans={vlans!r}", vlans)
    subnets = vlans if isinstance(vlans, Mapping) else {}
    return {one: check_subnets(f"{here}, VLAN {one}", subnets.get(one)) for one in numbers}


def _common(switches: Sequence[Switch]) -> tuple[int, ...]:
    """Return the VLANs that all these switches have."""
    return tuple(one for one in switches[0].vlans if all(one in item.vlans for item in switches))


def _switches_of_tags(ends: Iterable[End], service: int | None) -> list[Switch]:
    """Return the switches at a link whose tags it carries: of a customer's link the customer's."""
    switches = [end.node for end in ends if isinstance(end.node, Switch)]
    return [switch for switch in switches if service is None or not switch.qinq]


def _check_service(here: str, switches: Sequence[Switch], service: object, trunk: object) -> None:
    """Refuse a service VLAN that no provider has, and tags of two kinds on one link."""
    providers = [switch for switch in switches if switch.qinq]
    customers = [switch for switch in switches if not switch.qinq]
    if service is None:
        if providers and trunk not in (None, False) and len(providers) < 2:
            raise TopologyError(
                f"{here}: {providers[0].name} is a provider's switch, whose own tags are of "
                f"another kind; say in which of its VLANs the customer's are: "
                f"service={next(iter(providers[0].vlans))}"
            )
        return
    if len(providers) != 1:
        raise TopologyError(
            f"{here}: service= is the VLAN of a provider's switch, at one end of the link; declare "
            f"that one with qinq=True"
        )
    if check_number(f"{here}: service", service) not in providers[0].vlans:
        raise TopologyError(
            f"{here}: switch {providers[0].name} has no VLAN {service}, only "
            f"{listed(providers[0].vlans)}; add it: {providers[0].name}.add_vlan({service})"
        )
    if trunk is True and not customers:
        raise TopologyError(f"{here}: which tags does it send? Name them, as in trunk=(10, 20)")


def _check_carried(
    here: str,
    a: Node,
    b: Node,
    vlan: object,
    trunk: Iterable[int] | bool | None,
    native: object,
    service: int | None = None,
) -> Carried:
    """Return what a link between these two is to carry."""
    switches = [node for node in (a, b) if isinstance(node, Switch)]
    _check_service(here, switches, service, trunk)
    if service is not None:
        inner = [switch for switch in switches if not switch.qinq]
        if vlan is None and trunk in (None, False) and native is None:
            if any(switch.vlans for switch in inner):
                raise TopologyError(
                    f"{here}: say which of {inner[0].name}'s VLANs the provider carries: "
                    f"trunk={tuple(inner[0].vlans)}"
                )
            return Carried(service=service)
        if not inner or not inner[0].vlans:
            found = _customers_tags(here, vlan, trunk, native)
        else:
            found = _check_carried(here, inner[0], inner[0], vlan, trunk, native)
        return dataclasses.replace(found, service=service)
    knowing = [switch for switch in switches if switch.vlans]
    said = vlan is not None or trunk not in (None, False) or native is not None
    if not knowing:
        if said and switches:
            raise TopologyError(
                f"{here}: switch {switches[0].name} tells no VLANs apart; declare it with them: "
                f"Switch({switches[0].name!r}, vlans=(10, 20))"
            )
        if said:
            raise TopologyError(
                f"{here}: VLANs are told apart by a switch; link both nodes to one with vlans="
            )
        return NO_VLANS
    if not said:
        first = next(iter(knowing[0].vlans))
        raise TopologyError(
            f"{here}: switch {knowing[0].name} has the VLANs {listed(knowing[0].vlans)}; say what "
            f"the link carries: vlan={first}, or trunk={tuple(knowing[0].vlans)}"
        )
    if native is not None and trunk in (None, False):
        raise TopologyError(
            f"{here}: native={native!r} is the VLAN of a trunk's frames without a tag, and this "
            f"is no trunk; write vlan={native!r}, or trunk= beside it"
        )
    if vlan is not None and trunk not in (None, False):
        raise TopologyError(
            f"{here}: an access port is in one VLAN, a trunk has tags for all it carries; leave "
            f"out vlan= or trunk="
        )
    if vlan is not None:
        carried = Carried(vlan=check_number(f"{here}: vlan", vlan))
        wanted: tuple[int, ...] = (check_number(here, vlan),)
    else:
        plain_vlan = None if native is None else check_number(f"{here}: native", native)
        all_of_them = trunk is True
        wanted = (
            _common(knowing) if all_of_them else check_numbers(f"{here}: trunk={trunk!r}", trunk)
        )
        tagged = () if all_of_them else tuple(one for one in wanted if one != plain_vlan)
        carried = Carried(plain_vlan, tagged, all_of_them)
        if plain_vlan is not None:
            wanted = (*wanted, plain_vlan)
    if vlan is None and len(knowing) < len(switches):
        [plain] = [switch for switch in switches if not switch.vlans]
        raise TopologyError(
            f"{here}: switch {plain.name} tells no VLANs apart and could not read the tags of a "
            f"trunk; write vlan=, or declare it with vlans="
        )
    if not wanted:
        raise TopologyError(
            f"{here}: the two have no VLAN in common: {a.name} has {listed(knowing[0].vlans)}, "
            f"{b.name} has {listed(knowing[1].vlans)}"
        )
    for switch in knowing:
        for number in wanted:
            if number not in switch.vlans:
                raise TopologyError(
                    f"{here}: switch {switch.name} has no VLAN {number}, only "
                    f"{listed(switch.vlans)}; add it: {switch.name}.add_vlan({number})"
                )
    return carried


def _customers_tags(
    here: str, vlan: object, trunk: Iterable[int] | bool | None, native: object
) -> Carried:
    """Return what a machine sends into a provider's VLAN: tagged frames, and others."""
    if vlan is not None:
        raise TopologyError(
            f"{here}: service= is the VLAN of the provider, and vlan={vlan!r} would be another; "
            f"leave one out, or write trunk=({vlan!r},)"
        )
    tagged = () if trunk in (None, False) else check_numbers(f"{here}: trunk={trunk!r}", trunk)
    plain = None if native is None else check_number(f"{here}: native", native)
    return Carried(plain, tuple(one for one in tagged if one != plain))


@dataclass(frozen=True)
class Far:
    """The addresses of one end of a link; at a trunk those in each VLAN."""

    addresses: tuple[Address | InterfaceAddress, ...] = ()
    automatic: Automatic = BY_HAND
    tagged: Mapping[int, Far] = field(default_factory=dict)
    unaddressed: bool = False


def _far(
    here: str,
    node: Node,
    other: Node,
    carried: Carried,
    address: OneOrMore | Mapping[int, OneOrMore],
) -> Far:
    """Return the checked addresses of `node`'s end of a link to a switch."""
    if isinstance(node, Switch) or not isinstance(other, Switch):
        return Far()
    if not carried.tags:
        if isinstance(address, Mapping):
            raise TopologyError(f"{here}: address={address!r} names VLANs, and this is no trunk")
        return _far_in(here, node, other, carried.within(carried.vlan), address)
    if is_auto(address):
        return Far()
    native = carried.vlan
    plain = () if native is None else (native,)
    numbers = tuple(dict.fromkeys((*plain, *(carried.trunk or tuple(other.vlans)))))
    if is_empty(address):
        none = Far(unaddressed=True)
        tagged = {number: none for number in numbers if number != native}
        return Far(tagged=tagged, unaddressed=native is not None)
    if not isinstance(address, Mapping):
        raise TopologyError(
            f"{here}: a trunk has an address in each VLAN; write which, as in "
            f"address={{{numbers[0]}: {address!r}}}"
        )
    for number in address:
        if number not in numbers:
            raise TopologyError(
                f"{here}: address= names VLAN {number!r}, and the trunk carries {listed(numbers)}"
            )
    found = {
        number: _far_in(f"{here}, VLAN {number}", node, other, carried.within(number), item)
        for number, item in address.items()
    }
    own = found.pop(native, Far()) if native is not None else Far()
    return dataclasses.replace(own, tagged=found)


def _far_in(here: str, node: Node, switch: Switch, vlan: int | None, address: OneOrMore) -> Far:
    automatic, address = split_automatic(here, address)
    if automatic.dhcp:
        _check_dhcp(here, node, switch)
    if is_auto(address) or is_empty(address):
        return Far(automatic=automatic, unaddressed=is_empty(address))
    found = _switch_addresses(here, node, switch, vlan, address)
    refuse_both(here, automatic, found)
    return Far(found, automatic)


def _split_sides(
    here: str, nodes: tuple[Node, Node], addresses: Sequence[OneOrMore] | None
) -> tuple[list[Automatic], Sequence[OneOrMore] | None]:
    """Return how both ends of a link between two nodes get addresses from others, and the rest."""
    if isinstance(addresses, str) or not isinstance(addresses, Sequence) or len(addresses) != 2:
        return [BY_HAND, BY_HAND], addresses
    split = [split_automatic(here, item) for item in addresses]
    if not any(automatic for automatic, _ in split):
        return [BY_HAND, BY_HAND], addresses
    if any(automatic.dhcp for automatic, _ in split):
        _check_dhcp(here, *nodes)
    return [automatic for automatic, _ in split], [rest for _, rest in split]


def _switch_addresses(
    here: str, node: Node, other: Switch, vlan: int | None, address: OneOrMore
) -> tuple[Address | InterfaceAddress, ...]:
    here = f"{here}, for {node.name}"
    subnets = other.subnets_of(vlan)
    whose = f"switch {other.name}" if vlan is None else f"VLAN {vlan} of switch {other.name}"
    found = tuple(parse_address(here, item) for item in several(address))
    for position, item in enumerate(found):
        if is_host_route(item):
            raise TopologyError(
                f"{here}: address {item} makes a point-to-point link, which a switch is not; "
                f"write {bare(item)}, or link the two nodes directly"
            )
        if bare(item) in [bare(before) for before in found[:position]]:
            raise TopologyError(f"{here}: address {bare(item)} is given twice")
        for subnet in subnets:
            if subnet.version == item.version and not isinstance(item, WITH_PREFIX):
                check_usable(here, item, subnet)
        refuse_other_family(here, item, subnets, whose)
    return found


# -- the ends of a link -----------------------------------------------------


def _check_ends(a: Node, b: Node) -> None:
    for node in (a, b):
        if not isinstance(node, Node):
            raise TopologyError(
                f"a Link joins two nodes, and {node!r} is {kind_of(node)}; "
                f"give it a Host, a Router or a Switch"
            )
    if a is b:
        raise TopologyError(
            f"link {a.name} - {b.name}: both ends are the same node; link it to another one"
        )


def _refuse_on_switch(
    here: str,
    a: Node,
    b: Node,
    subnet: object,
    addresses: object,
    address: object,
    names: Sequence[str | None],
    macs: Sequence[str | None],
) -> None:
    switch, node = (a, b) if isinstance(a, Switch) else (b, a)
    if subnet is not None:
        assert isinstance(switch, Switch)
        where = f"vlans={{...: {subnet!r}}}" if switch.vlans else f"subnet={subnet!r}"
        raise TopologyError(
            f"{here}: the subnet belongs to the switch; write Switch({switch.name!r}, {where})"
        )
    if not is_auto(addresses):
        raise TopologyError(
            f"{here}: a switch has no address; write address= for {node.name} alone"
        )
    if not is_auto(address) and isinstance(node, Switch):
        raise TopologyError(f"{here}: a switch has no address; leave address= out")
    for end, name, mac in zip((a, b), names, macs, strict=True):
        if not isinstance(end, Switch):
            continue
        for argument, value in (("names", name), ("macs", mac)):
            if value is not None:
                raise TopologyError(
                    f"{here}: {argument} gives {value!r} to the switch {end.name}, whose ports "
                    f"the lab names by itself; write None in its place"
                )


def _check_dhcp(here: str, a: Node, b: Node) -> None:
    kinds = {kind for kind in (Switch, Host) for node in (a, b) if isinstance(node, kind)}
    if kinds != {Switch, Host}:
        raise TopologyError(
            f'{here}: address="dhcp" is for a host at a switch; give this link\'s ends '
            f"addresses, or leave them to the lab"
        )


def _check_interface(node: Node, name: object) -> str | None:
    if name is None:
        return None
    here = f"{node.name}: interface name {name!r}"
    if not isinstance(name, str):
        raise TopologyError(f'{here} is {kind_of(name)}; write a string, such as "eth1"')
    if len(name) > IFNAME_LENGTH:
        raise TopologyError(
            f"{here} has {len(name)} characters, and Linux allows {IFNAME_LENGTH}; shorten it"
        )
    if not is_ifname(name):
        raise TopologyError(
            f"{here} cannot be used; it is made of letters, digits, dots, hyphens and "
            f'underscores and begins with a letter or digit, such as "eth1"'
        )
    if name in RESERVED_IFNAMES:
        raise TopologyError(f'{here} has a meaning of its own in Linux; choose one such as "eth1"')
    if is_reserved_ifname(name):
        raise TopologyError(
            f"{here} is one that a lab gives to what delays frames and queues them; choose one "
            f'such as "eth1"'
        )
    for link in node.links:
        if link.end(node).name == name:
            raise TopologyError(f"{here} is used twice: {link!r} has it already; choose another")
    return name
