"""Router advertisements, as a router is told to send them: `Advertising`, its method."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from playground.errors import TopologyError
from playground.model.addresses import address_from
from playground.model.arguments import check_flag, is_choice, is_list, is_whole, shown
from playground.model.notation import network_of
from playground.model.parts import LinkBase, MachineBase, SwitchBase, taken_or_undone
from playground.model.records import dataclass

PREFERENCES = ("low", "medium", "high")

# RFC 4861 section 6.2.1: 9000 s at most, and no less than the time between two of them.
INTERVAL_S = 10
LONGEST_LIFETIME_S = 9000


@dataclass(frozen=True)
class Advertisement:
    """What a router tells all on one of its links, again and again (RFC 4861 section 4.2).

    ``prefixes`` are None where they are those of the link, () where it tells none;
    ``rdnss`` is None where the lab's name servers are told, or else holds nodes and addresses.

    """

    link: LinkBase
    prefixes: tuple[IPv6Network, ...] | None = None
    managed: bool = False
    other: bool = False
    autonomous: bool = True
    lifetime_s: int = 1800
    rdnss: tuple[MachineBase | IPv6Address, ...] | None = None
    dnssl: tuple[str, ...] = ()
    preference: str = "medium"


def advertisement_data(said: Advertisement) -> dict[str, Any]:
    """Return what was said as plain data; `advertisement_arguments` reads it again."""
    rdnss = None
    if said.rdnss is not None:
        rdnss = [
            {"node": item.name} if isinstance(item, MachineBase) else str(item)
            for item in said.rdnss
        ]
    return {
        "prefix": None if said.prefixes is None else [str(item) for item in said.prefixes],
        "managed": said.managed,
        "other": said.other,
        "autonomous": said.autonomous,
        "lifetime_s": said.lifetime_s,
        "rdnss": rdnss,
        "dnssl": list(said.dnssl),
        "preference": said.preference,
    }


def advertisement_arguments(data: Mapping[str, Any], nodes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `Advertising.advertise` that such data is of."""
    said = {name: data[name] for name in data if name not in ("router", "link")}
    said["prefix"] = "auto" if data["prefix"] is None else data["prefix"]
    said["rdnss"] = "auto"
    if data["rdnss"] is not None:
        said["rdnss"] = [
            nodes[item["node"]] if isinstance(item, dict) else item for item in data["rdnss"]
        ]
    return said


class Advertising(MachineBase):
    """The part of a `Router` that advertises itself; ``advertised`` holds what it was told."""

    advertised: dict[LinkBase, Advertisement]

    def advertise(
        self,
        link: LinkBase,
        *,
        prefix: Any = "auto",
        managed: bool = False,
        other: bool = False,
        autonomous: bool | None = None,
        lifetime_s: int = 1800,
        rdnss: Any = "auto",
        dnssl: str | Sequence[str] = (),
        preference: str = "medium",
    ) -> None:
        """Tell all on a link that this router is there, and what it knows (RFC 4861).

        Hosts there with ``address="slaac"`` make their addresses of the prefix, and take this
        router for the way to everywhere.  ``prefix`` is the link's own /64, unless another is
        said, or several; ``prefix=()`` tells none.  ``managed`` says that addresses come from a
        DHCPv6 server, ``other`` that it tells the rest (RFC 4861 section 4.2, the flags M and
        O).  ``autonomous`` lets hosts make addresses of the prefix; by default they may, unless
        ``managed``.

        ``lifetime_s`` is for how long hosts believe in this router without hearing it again;
        with 0 it is no way out for them, and else from 10 to 9000 seconds.  ``preference`` is
        "low", "medium" or "high", where there are several (RFC 4191).  ``rdnss`` are the name
        servers, as nodes or addresses, and ``dnssl`` the domains in which short names are looked
        for (RFC 8106); by default the servers are those of the lab's hosts with the service dns,
        on a link without IPv4 those with `DNS64` if there are any.

        It is sent by radvd, a service of the router ("radvd"), every 3 to 10 seconds and to
        each who asks.  Saying it again changes it, in a lab that runs at once; for its first
        the router has to be started with it.  Raises `TopologyError` if the link is not one
        of this router's, or for anything that cannot be sent; nothing has changed then.

        >>> r1.advertise(lan)
        >>> r1.advertise(lan, managed=True, other=True, preference="high")

        """
        here = f"router {self.name}: advertise()"
        self._check_advertising(link)
        for name, flag in (("managed", managed), ("other", other)):
            check_flag(f"{here}: {name}", flag, TopologyError)
        if autonomous is None:
            autonomous = not managed
        check_flag(f"{here}: autonomous", autonomous, TopologyError)
        if lifetime_s != 0 and not is_whole(lifetime_s, INTERVAL_S, LONGEST_LIFETIME_S):
            raise TopologyError(
                f"{here}: lifetime_s={shown(lifetime_s)} is none; write 0 for a router that is no "
                f"way out, or {INTERVAL_S} to {LONGEST_LIFETIME_S} seconds (RFC 4861 section 6.2.1)"
            )
        if not is_choice(preference, PREFERENCES):
            raise TopologyError(
                f"{here}: preference={shown(preference)} is none; write one of "
                f"{', '.join(map(repr, PREFERENCES))} (RFC 4191)"
            )
        said = Advertisement(
            link,
            _check_prefixes(here, prefix, autonomous),
            managed,
            other,
            autonomous,
            int(lifetime_s),
            _check_rdnss(here, rdnss),
            _check_dnssl(here, dnssl),
            preference,
        )
        self._tell({**self.advertised, link: said})

    def stop_advertising(self, *links: LinkBase) -> None:
        """Tell nothing any more on these links, or on none at all.

        Hosts that heard this router are told that it is no way out for them now, and keep
        their addresses until the prefix has run out.  Raises `TopologyError` for a link on
        which nothing is advertised.

        >>> r1.stop_advertising(lan)

        """
        for link in links:
            if not isinstance(link, LinkBase) or link not in self.advertised:
                raise TopologyError(
                    f"router {self.name}: nothing is advertised on {shown(link)}; see its "
                    "advertised"
                )
        gone = links or tuple(self.advertised)
        self._tell({link: said for link, said in self.advertised.items() if link not in gone})

    def _tell(self, advertised: dict[LinkBase, Advertisement]) -> None:
        before = self.advertised

        def undo() -> None:
            self.advertised = before

        with taken_or_undone(self.listener, undo):
            self.advertised = advertised

    def _check_advertising(self, link: object) -> None:
        here = f"router {self.name}: advertise()"
        if not isinstance(link, LinkBase):
            switch = isinstance(link, SwitchBase)
            what = f"the switch {link.name}" if isinstance(link, SwitchBase) else shown(link)
            raise TopologyError(
                f"{here} takes a Link, not {what}; keep the link: "
                f"lan = Link({link.name if switch else 'home'}, {self.name})"  # type: ignore[attr-defined]
            )
        if link in self.links and not link.attachments:
            raise TopologyError(f"{here}: {link!r} is a link of a bond: say it of the bond")
        if link in self.links and link not in self.attachments:
            raise TopologyError(
                f"{here}: {link!r} carries several VLANs: say which, as in link[{link.trunk[0]}]"
            )
        if link not in self.attachments:
            raise TopologyError(
                f"{here}: {link!r} is not one of its links; give it a link that was made with "
                f"{self.name}"
            )


def _check_prefixes(here: str, prefix: Any, autonomous: bool) -> tuple[IPv6Network, ...] | None:
    if isinstance(prefix, str) and prefix == "auto":
        return None
    found = []
    for item in prefix if is_list(prefix) else [prefix]:
        network = network_of(item)
        if not isinstance(network, IPv6Network):
            raise TopologyError(
                f"{here}: prefix={shown(item)} is no range of IPv6; write one as in "
                '"2001:db8:1::/64"'
            )
        if network.is_link_local or network.is_multicast:
            raise TopologyError(
                f"{here}: prefix {network} is one that hosts take from nobody; "
                'write one as in "2001:db8:1::/64"'
            )
        # RFC 4862 section 5.5.3 d, with the 64 bits of an identifier on Ethernet (RFC 2464).
        if autonomous and network.prefixlen != 64:
            raise TopologyError(
                f"{here}: hosts make addresses of a /64 only (RFC 4862), and {network} is none; "
                "write a /64, or autonomous=False"
            )
        found.append(network)
    return tuple(dict.fromkeys(found))


def _check_rdnss(here: str, rdnss: Any) -> tuple[MachineBase | IPv6Address, ...] | None:
    if isinstance(rdnss, str) and rdnss == "auto":
        return None
    found: list[MachineBase | IPv6Address] = []
    for item in rdnss if is_list(rdnss) else [rdnss]:
        if isinstance(item, MachineBase):
            found.append(item)
            continue
        try:
            address = address_from(item)
        except ValueError:
            address = None
        if not isinstance(address, IPv6Address):
            raise TopologyError(
                f"{here}: rdnss={shown(item)} is no name server; write a node, or an IPv6 address "
                'such as "2001:db8:1::53"'
            )
        # Each link has another node of that address: without a zone nobody can ask it.
        if address.is_link_local or address.is_multicast or not int(address) >> 1:
            raise TopologyError(
                f"{here}: rdnss={str(address)!r} is no address that hosts could ask; write "
                'the node itself, or an address of its own such as "2001:db8:1::53"'
            )
        found.append(address)
    return tuple(dict.fromkeys(found))


# RFC 1035 section 2.3.1, of one label.
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def _check_dnssl(here: str, dnssl: Any) -> tuple[str, ...]:
    found = []
    for item in dnssl if is_list(dnssl) else [dnssl]:
        labels = item.split(".") if isinstance(item, str) else [""]
        if not all(_LABEL.fullmatch(label) for label in labels) or len(item) > 253:
            raise TopologyError(
                f'{here}: dnssl={shown(item)} is no domain; write one such as "example.com"'
            )
        found.append(item)
    return tuple(dict.fromkeys(found))
