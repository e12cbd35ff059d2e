"""Address translation that a router is told to do: `Translating`, its methods.

A router that runs does at once what it is told, unless nodes or links were
declared since the start: then `Lab.start` does all of it together.  Plain data
and checks; `planning.rules_and_nat` makes rules of it.

"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Any

from playground.errors import TopologyError
from playground.model.arguments import (
    check_flag,
    check_iterable,
    check_several,
    is_choice,
    is_port,
    shown,
)
from playground.model.firewall import Firewall, links_to
from playground.model.parts import LinkBase, MachineBase, SwitchBase, taken_or_undone
from playground.model.records import dataclass

KINDS = ("port-restricted", "full-cone", "symmetric")
HELPERS = ("ftp", "tftp")


@dataclass(frozen=True)
class Masquerade:
    """A router's word to hide what lies behind it from what `link` leads to.

    ``address`` is what packets get for a source, None for the router's own
    there; ``kind`` how ports are chosen; ``helpers`` which protocols are read;
    ``ports`` the first and the last port that it may choose, None for any;
    ``clamp_mss`` whether TCP is told of segments that fit the way outside.

    """

    link: LinkBase
    address: IPv4Address | None = None
    kind: str = "port-restricted"
    helpers: tuple[str, ...] = ("ftp",)
    ports: tuple[int, int] | None = None
    clamp_mss: bool = False


@dataclass(frozen=True)
class Forward:
    """A router's word to hand a port of its address on `link` to a host inside.

    With ``last_port`` it is a range of ports that keep their numbers; ``hairpin`` says
    whether those inside come in by the outside address too.

    """

    link: LinkBase
    port: int
    host: MachineBase
    to_port: int
    protocol: str
    last_port: int | None = None
    hairpin: bool = True

    @property
    def ports(self) -> range:
        """All ports outside that it takes."""
        return range(self.port, (self.last_port or self.port) + 1)

    @property
    def words(self) -> str:
        """Its ports as one writes them: "80", or "8000-8010"."""
        return str(self.port) if self.last_port is None else f"{self.port}-{self.last_port}"


@dataclass(frozen=True)
class OneToOne:
    """A router's word to let one of its addresses on `link` stand for a host inside."""

    link: LinkBase
    address: IPv4Address
    host: MachineBase


Translation = Masquerade | Forward | OneToOne


class Translating(MachineBase):
    """The part of a `Router` that translates addresses; ``nat`` holds what it was told."""

    firewall: Firewall
    nat: list[Translation]

    def masquerade(
        self,
        link: LinkBase,
        *,
        kind: str = "port-restricted",
        helpers: Sequence[str] = ("ftp",),
        ports: str | None = None,
        clamp_mss: bool = False,
    ) -> None:
        """Hide all that lies behind this router from what `link` leads to.

        What leaves through `link` carries the router's own address there
        (RFC 3022, NAPT), and connections that begin outside do not come in,
        unless `forward` lets them.  IPv6 is not translated, but connections
        that begin outside are kept out likewise.  Saying it again changes it.

        ``kind`` is what others learn of a UDP port inside (RFC 3489 section 5):
        with "port-restricted", as Linux does it, a port keeps its number, and only
        who was asked may answer; with "full-cone" anybody may send to a port
        that has sent something in the last 5 minutes (of two hosts inside that use the
        same port, the last one gets it); with "symmetric" each connection gets a
        port of its own at random, so that nobody else can guess it.

        ``helpers`` names protocols that speak of addresses and ports within
        their data, and are read and translated: "ftp" and "tftp", at their usual
        ports.

        ``ports="20000-29999"`` is the range that ports outside are taken from, as where
        several customers share an address (RFC 6888, RFC 7422); what has no ports, such as
        a ping, is translated all the same.  With ``clamp_mss`` TCP connections
        that pass learn a segment size which fits the smallest MTU of the way that
        this router knows (RFC 4459 section 3.2): where a link has a smaller MTU
        than a host's own, and "fragmentation needed" is lost, they work all the same.

        Raises `TopologyError` if the link is not one of this router's.

        >>> modem.masquerade(uplink)
        >>> modem.masquerade(uplink, kind="symmetric", helpers=["ftp", "tftp"])
        >>> modem.masquerade(uplink, ports="20000-29999", clamp_mss=True)

        """
        self._check_own(link, "masquerade")
        here = f"router {self.name}: masquerade()"
        self._hide(_masquerade(here, link, None, kind, helpers, ports, clamp_mss))

    def snat(
        self,
        link: LinkBase,
        *,
        to: str | IPv4Address,
        kind: str = "port-restricted",
        helpers: Sequence[str] = ("ftp",),
        ports: str | None = None,
        clamp_mss: bool = False,
    ) -> None:
        """Do as `masquerade` does, with the source address `to`.

        It is one of the router's addresses on the link, so that answers find
        back.  Raises `TopologyError` if it is not an address, or the link not one
        of this router's; an address that the router has not is refused by `Lab`.

        >>> uplink = Link(isp, modem, addresses=("10.9.0.1/24", ["10.9.0.2/24", "10.9.0.3/24"]))
        >>> modem.snat(uplink, to="10.9.0.3")

        """
        self._check_own(link, "snat")
        here = f"router {self.name}: snat()"
        address = _check_address(here, "to", to)
        if kind == "full-cone":
            raise TopologyError(f'{here}: kind="full-cone" goes with masquerade() alone')
        self._hide(_masquerade(here, link, address, kind, helpers, ports, clamp_mss))

    def forward(
        self,
        link: LinkBase,
        *,
        port: int | str,
        to: MachineBase | tuple[MachineBase, int],
        protocol: str = "tcp",
        hairpin: bool = True,
    ) -> None:
        """Let connections to one of this router's ports through to a host inside.

        What comes to this router's address on `link` at ``port`` goes on
        ``to=(host, port)``, or ``to=host`` for the same port there.  ``port`` may be a
        range such as "8000-8010", whose ports keep their numbers.  The protocol is
        "tcp" or "udp".

        From inside, the router's address outside leads to that host as well (RFC 4787
        section 6, hairpinning); with ``hairpin=False``, as many home routers do it, it does not.

        Raises `TopologyError` if the link is not this router's, or a port is taken by
        another forward.

        >>> modem.forward(uplink, port=8080, to=(h1, 80))
        >>> modem.forward(uplink, port="6000-6010", to=h1, protocol="udp", hairpin=False)

        """
        self._check_own(link, "forward")
        first, last = _check_ports(f"router {self.name}: port", port)
        host, to_port = _check_target(self.name, to, first)
        _check_port(f"router {self.name}: the port in to=", to_port)
        if first != last and to_port != first:
            raise TopologyError(
                f"router {self.name}: the ports {port} keep their numbers; write to={host.name}, "
                "or forward each port that gets another number by itself"
            )
        if protocol not in ("tcp", "udp"):
            raise TopologyError(
                f'router {self.name}: protocol={protocol!r} cannot be forwarded; use "tcp" or "udp"'
            )
        check_flag(f"router {self.name}: forward(): hairpin", hairpin, TopologyError)
        declared = Forward(
            link, first, host, to_port, protocol, None if first == last else last, hairpin
        )
        if declared not in self.forwards:
            _refuse_taken(self.name, declared, self.forwards)
            self._translate([*self.nat, declared])

    def one_to_one(self, link: LinkBase, *, address: str | IPv4Address, to: MachineBase) -> None:
        """Let one of this router's addresses on `link` stand for a host inside, both ways.

        What comes to ``address`` goes on to the host, at any port, and what the host
        sends out carries that address (RFC 2663 section 4.1, static NAT); nothing
        is kept from it but by rules of the `firewall`.  The router needs another
        address there for itself, and masquerades through the link too.

        Raises `TopologyError` if the link is not this router's or the address is
        used already.

        >>> modem.one_to_one(uplink, address="10.9.0.3", to=h1)

        """
        self._check_own(link, "one_to_one")
        here = f"router {self.name}: one_to_one()"
        host, _ = _check_target(self.name, to, 0)
        declared = OneToOne(link, _check_address(here, "address", address), host)
        for other in self.pairs:
            if other == declared:
                return
            if (other.link, other.address) == (link, declared.address):
                raise TopologyError(
                    f"{here}: {other.address} stands for {other.host.name} already; choose another"
                )
            if (other.link, other.host) == (link, host):
                raise TopologyError(
                    f"{here}: {host.name} goes out as {other.address} already; a host has one "
                    f"address outside"
                )
        self._translate([*self.nat, declared])

    def untranslate(self, *items: Translation) -> None:
        """Take back what is in `nat`: these items, or all of them.

        >>> modem.untranslate(modem.forwards[0])

        """
        for item in items:
            if item not in self.nat:
                raise TopologyError(f"router {self.name} was not told {item!r}: see its nat")
        self._translate([item for item in self.nat if items and item not in items])

    def zones(
        self,
        *,
        inside: LinkBase | SwitchBase | Sequence[LinkBase | SwitchBase],
        outside: LinkBase | SwitchBase | Sequence[LinkBase | SwitchBase],
        dmz: LinkBase | SwitchBase | Sequence[LinkBase | SwitchBase] | None = None,
        nat: bool = True,
    ) -> None:
        """Set the usual policy of a home or an office, in IPv4 and IPv6.

        What begins inside may go anywhere; what begins outside goes nowhere but
        to forwarded ports and into the ``dmz``, from where nothing begins to go
        inside.  The router itself is reached from inside, and answers pings.
        With ``nat`` it masquerades through what is outside.

        It is a short way to write `firewall` defaults and rules, and `masquerade`:
        ``firewall.rules()`` shows them, and all that was told before stays.  Zones are
        links of this router, or switches that it is linked to.

        >>> modem.zones(inside=home, outside=uplink)

        """
        check_flag(f"router {self.name}: zones(): nat", nat, TopologyError)
        found = {
            name: _zone(self, name, several)
            for name, several in (("inside", inside), ("outside", outside), ("dmz", dmz))
        }
        links = [link for zone in found.values() for link in zone]
        for link in links:
            if links.count(link) > 1:
                raise TopologyError(
                    f"router {self.name}: zones() has {link!r} in two zones; leave one out"
                )
        before = self.nat
        try:
            for link in found["outside"] if nat else ():
                if link not in self.uplinks:
                    self.masquerade(link)
            with self.firewall.together():
                _set_policy(self.firewall, found["inside"], found["outside"], found["dmz"])
        except BaseException:
            if self.nat != before:
                self._translate(before)
            raise

    # -- what was told ------------------------------------------------------

    @property
    def masquerades(self) -> tuple[Masquerade, ...]:
        """How this router hides its inside, a word for each link."""
        return tuple(item for item in self.nat if isinstance(item, Masquerade))

    @property
    def uplinks(self) -> tuple[LinkBase, ...]:
        """The links through which this router masquerades."""
        return tuple(item.link for item in self.masquerades)

    @property
    def forwards(self) -> tuple[Forward, ...]:
        """The port forwards, in the order declared."""
        return tuple(item for item in self.nat if isinstance(item, Forward))

    @property
    def pairs(self) -> tuple[OneToOne, ...]:
        """The addresses that stand for hosts, in the order declared."""
        return tuple(item for item in self.nat if isinstance(item, OneToOne))

    # -- how ----------------------------------------------------------------

    def _hide(self, declared: Masquerade) -> None:
        if declared in self.nat:
            return
        if declared.link in self.uplinks:
            self._translate(
                [
                    declared
                    if isinstance(item, Masquerade) and item.link is declared.link
                    else item
                    for item in self.nat
                ]
            )
        else:
            self._translate([*self.nat, declared])

    def _translate(self, nat: list[Translation]) -> None:
        before = self.nat

        def undo() -> None:
            self.nat = before

        with taken_or_undone(self.listener, undo):
            self.nat = nat


# -- zones -------------------------------------------------------------------


def _set_policy(
    firewall: Firewall,
    inside: Sequence[LinkBase],
    outside: Sequence[LinkBase],
    dmz: Sequence[LinkBase],
) -> None:
    firewall.default("drop")
    firewall.default("drop", chain="input")
    firewall.accept(interface=inside, comment="inside may go anywhere")
    if dmz:
        firewall.accept(interface=outside, out_interface=dmz, comment="into the dmz")
        firewall.accept(interface=dmz, out_interface=outside, comment="out of the dmz")
    firewall.accept(chain="input", interface=inside, comment="the router itself")
    firewall.accept(chain="input", protocol="icmp", comment="pings and errors")


def _zone(router: MachineBase, argument: str, several: Any) -> tuple[LinkBase, ...]:
    here = f"router {router.name}: zones(): {argument}"
    if several is None and argument != "dmz":
        raise TopologyError(f"{here}=None: say which links or switches are {argument}")
    found: list[LinkBase] = []
    for item in check_several(here, several, TopologyError):
        if isinstance(item, SwitchBase):
            links = links_to(router.attachments, item)
        else:
            mine = isinstance(item, LinkBase) and item in (*router.links, *router.attachments)
            links = list(item.attachments) if mine else []
        if not links:
            raise TopologyError(
                f"router {router.name}: zones({argument}={shown(item)}) is neither a link of "
                f"this router nor a switch that it is linked to"
            )
        found += links
    return tuple(found)


# -- arguments ---------------------------------------------------------------


def _masquerade(
    here: str,
    link: LinkBase,
    address: IPv4Address | None,
    kind: object,
    helpers: Sequence[str],
    ports: object,
    clamp_mss: bool,
) -> Masquerade:
    """Return the word to hide what lies behind a router, its arguments checked."""
    check_flag(f"{here}: clamp_mss", clamp_mss, TopologyError)
    chosen = None if ports is None else _check_ports(f"{here}: ports", ports)
    if chosen is not None and kind == "full-cone":
        raise TopologyError(
            f'{here}: kind="full-cone" keeps the ports that hosts inside use; leave ports= out'
        )
    return Masquerade(
        link, address, _check_kind(here, kind), _check_helpers(here, helpers), chosen, clamp_mss
    )


def _refuse_taken(router: str, declared: Forward, others: Sequence[Forward]) -> None:
    for other in others:
        same = (other.link, other.protocol) == (declared.link, declared.protocol)
        first = max(other.ports.start, declared.ports.start)
        if same and first < min(other.ports.stop, declared.ports.stop):
            raise TopologyError(
                f"router {router}: {declared.protocol} port {first} is forwarded to "
                f"{other.host.name} already; choose another port"
            )


def _check_port(here: str, port: object) -> None:
    if not is_port(port):
        raise TopologyError(
            f"{here} is {shown(port)}, which is no number between 1 and 65535; "
            "choose one such as 8080"
        )


def _check_ports(here: str, value: object) -> tuple[int, int]:
    """Return the first and the last port of a number, or of a range such as "8000-8010"."""
    match = (
        re.fullmatch(r"(\d{1,5})-(\d{1,5})", value, re.ASCII) if isinstance(value, str) else None
    )
    if match is None:
        _check_port(here, value)
        assert isinstance(value, int)
        return value, value
    first, last = int(match[1]), int(match[2])
    if not 1 <= first <= last <= 65535:
        raise TopologyError(
            f"{here} is {shown(value)}, which is no range of ports between 1 and 65535; write the "
            'lower one first, as in "8000-8010"'
        )
    return first, last


def _check_target(router: str, to: object, port: int) -> tuple[MachineBase, int]:

    if isinstance(to, MachineBase):
        return to, port
    if isinstance(to, (tuple, list)) and len(to) == 2 and isinstance(to[0], MachineBase):
        return to[0], to[1]
    raise TopologyError(
        f"router {router}: to={to!r} is no host and port; write to=(h1, 80) with the Host itself"
    )


def _check_kind(here: str, kind: object) -> str:
    if not is_choice(kind, KINDS):
        raise TopologyError(
            f"{here}: kind={shown(kind)} is not known; use one of {', '.join(KINDS)}"
        )
    return str(kind)


def _check_helpers(here: str, helpers: Sequence[str]) -> tuple[str, ...]:
    if isinstance(helpers, str):
        raise TopologyError(f"{here}: helpers is a list, such as helpers=[{shown(helpers)}]")
    names = check_iterable(f"{here}: helpers", helpers, 'helpers=["ftp"]', TopologyError)
    for name in names:
        if not is_choice(name, HELPERS):
            raise TopologyError(
                f"{here}: there is no helper {shown(name)}; use {', '.join(HELPERS)}"
            )
    return tuple(dict.fromkeys(names))


def _check_address(here: str, argument: str, value: object) -> IPv4Address:
    try:
        if not isinstance(value, (str, IPv4Address)):
            raise ValueError(value)
        return IPv4Address(value)
    except ValueError:
        raise TopologyError(
            f'{here}: {argument}={value!r} is no IPv4 address; write one as in "10.9.0.3"'
        ) from None
