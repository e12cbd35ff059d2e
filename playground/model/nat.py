"""Address translation that a router is told to do: `Translating`, its methods.

A router that runs does at once what it is told, unless nodes or links were
declared since the start: then `Lab.start` does all of it together.  Plain data
and checks; `planning.rules_and_nat` makes rules of it.

"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

KINDS = ("port-restricted", "full-cone", "symmetric")
HELPERS = ("ftp", "tftp")


@dataclass(frozen=True)
class Masquerade:
    """A router's word to hide what lies behind it from what `link` leads to.

    ``address`` is what packets get for a source, None for the router's own
    there; ``kind`` how ports are chosen; ``helpers`` which protocols are read.

    """

    link: LinkBase
    address: IPv4Address | None = None
    kind: str = "port-restricted"
    helpers: tuple[str, ...] = ("ftp",)


@dataclass(frozen=True)
class Forward:
    """A router's word to hand a port of its address on `link` to a host inside."""

    link: LinkBase
    port: int
    host: MachineBase
    to_port: int
    protocol: str


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
        self, link: LinkBase, *, kind: str = "port-restricted", helpers: Sequence[str] = ("ftp",)
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

        Raises `TopologyError` if the link is not one of this router's.

        >>> modem.masquerade(uplink)
        >>> modem.masquerade(uplink, kind="symmetric", helpers=["ftp", "tftp"])

        """
        self._check_own(link, "masquerade")
        here = f"router {self.name}: masquerade()"
        self._hide(Masquerade(link, None, _check_kind(here, kind), _check_helpers(here, helpers)))

    def snat(
        self,
        link: LinkBase,
        *,
        to: str | IPv4Address,
        kind: str = "port-restricted",
        helpers: Sequence[str] = ("ftp",),
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
        self._hide(
            Masquerade(link, address, _check_kind(here, kind), _check_helpers(here, helpers))
        )

    def forward(
        self,
        link: LinkBase,
        *,
        port: int,
        to: MachineBase | tuple[MachineBase, int],
        protocol: str = "tcp",
    ) -> None:
        """Let connections to one of this router's ports through to a host inside.

        What comes to this router's address on `link` at ``port`` goes on
        ``to=(host, port)``, or ``to=host`` for the same port there; from inside as
        well (hairpin).  The protocol is "tcp" or "udp".  Raises `TopologyError`
        if the link is not this router's, or the port is taken by another forward.

        >>> modem.forward(uplink, port=8080, to=(h1, 80))

        """
        self._check_own(link, "forward")
        host, to_port = _check_target(self.name, to, port)
        _check_port(f"router {self.name}: port", port)
        _check_port(f"router {self.name}: the port in to=", to_port)
        if protocol not in ("tcp", "udp"):
            raise TopologyError(
                f'router {self.name}: protocol={protocol!r} cannot be forwarded; use "tcp" or "udp"'
            )
        declared = Forward(link, port, host, to_port, protocol)
        for other in self.forwards:
            if other == declared:
                return
            if (other.link, other.port, other.protocol) == (link, port, protocol):
                raise TopologyError(
                    f"router {self.name}: {protocol} port {port} is forwarded to "
                    f"{other.host.name} already; choose another port"
                )
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
            name: self._zone(name, several)
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
                self._policy(found["inside"], found["outside"], found["dmz"])
        except BaseException:
            if self.nat != before:
                self._translate(before)
            raise

    def _policy(
        self, inside: Sequence[LinkBase], outside: Sequence[LinkBase], dmz: Sequence[LinkBase]
    ) -> None:
        firewall = self.firewall
        firewall.default("drop")
        firewall.default("drop", chain="input")
        firewall.accept(interface=inside, comment="inside may go anywhere")
        if dmz:
            firewall.accept(interface=outside, out_interface=dmz, comment="into the dmz")
            firewall.accept(interface=dmz, out_interface=outside, comment="out of the dmz")
        firewall.accept(chain="input", interface=inside, comment="the router itself")
        firewall.accept(chain="input", protocol="icmp", comment="pings and errors")

    def _zone(self, argument: str, several: Any) -> tuple[LinkBase, ...]:
        here = f"router {self.name}: zones(): {argument}"
        if several is None and argument != "dmz":
            raise TopologyError(f"{here}=None: say which links or switches are {argument}")
        found: list[LinkBase] = []
        for item in check_several(here, several, TopologyError):
            if isinstance(item, SwitchBase):
                links = links_to(self.attachments, item)
            else:
                mine = isinstance(item, LinkBase) and item in (*self.links, *self.attachments)
                links = list(item.attachments) if mine else []
            if not links:
                raise TopologyError(
                    f"router {self.name}: zones({argument}={shown(item)}) is neither a link of "
                    f"this router nor a switch that it is linked to"
                )
            found += links
        return tuple(found)

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

    def _check_own(self, link: object, what: str) -> None:
        if not isinstance(link, LinkBase):
            raise TopologyError(
                f"router {self.name}: {what}() takes a Link, not {_words(link)}; keep the link: "
                f"uplink = Link({self.name}, ...)"
            )
        if link in self.links and link not in self.attachments:
            raise TopologyError(
                f"router {self.name} cannot {what} through the whole of {link!r}: say which VLAN, "
                f"as in link[{link.trunk[0]}]"
            )
        if link not in self.attachments:
            raise TopologyError(
                f"router {self.name} cannot {what} through {link!r}: that is not one of its "
                f"links; give it a link that was made with {self.name}"
            )


# -- arguments ---------------------------------------------------------------


def _words(value: object) -> str:
    kind = type(value).__name__
    name = getattr(value, "name", None)
    return (
        f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
        if name is None
        else f"the {kind.lower()} {name}"
    )


def _check_port(here: str, port: object) -> None:
    if not is_port(port):
        raise TopologyError(
            f"{here} is {shown(port)}, which is no number between 1 and 65535; "
            "choose one such as 8080"
        )


def _check_target(router: str, to: object, port: int) -> tuple[MachineBase, int]:

    if isinstance(to, MachineBase):
        return to, port
    if isinstance(to, tuple) and len(to) == 2 and isinstance(to[0], MachineBase):
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
