"""Addresses that an interface gets from others: by DHCP, by SLAAC, by DHCPv6."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from playground.errors import TopologyError
from playground.model.addresses import Address, InterfaceAddress
from playground.model.arguments import check_flag, is_choice, shown
from playground.model.notation import AUTO, bare, several
from playground.model.records import dataclass

DHCP_WORD, SLAAC_WORD, DHCPV6_WORD = "dhcp", "slaac", "dhcpv6"

IDENTIFIERS = ("eui64", "stable")


@dataclass(frozen=True)
class SLAAC:
    """An interface that makes its IPv6 address itself, of the prefix that a router tells.

    ``identifier`` is the second half of the address: "eui64" is made of the MAC address (RFC
    4291 appendix A) and is the same on every network; "stable" is made of a secret and the
    prefix (RFC 7217), and tells nobody where the host was before.  With ``temporary`` the
    host has one more address, made by chance, that it speaks from, and changes it
    from day to day (RFC 8981).  ``address="slaac"`` is short for ``SLAAC()``.

    Raises `TopologyError` for any other identifier.

    >>> Link(home, h1, address=SLAAC(identifier="stable", temporary=True))
    Link(home, h1, address=SLAAC(identifier='stable', temporary=True))

    """

    # RFC 4862: stateless address autoconfiguration.
    identifier: str = "eui64"
    temporary: bool = False

    def __post_init__(self) -> None:
        if not is_choice(self.identifier, IDENTIFIERS):
            raise TopologyError(
                f"SLAAC: identifier={shown(self.identifier)} is none; write "
                '"eui64" (of the MAC address) or "stable" (RFC 7217)'
            )
        check_flag("SLAAC: temporary", self.temporary, TopologyError)


@dataclass(frozen=True)
class Automatic:
    """The ways in which an interface gets addresses from others; all of them may be used."""

    dhcp: bool = False
    slaac: SLAAC | None = None
    dhcpv6: bool = False

    def __bool__(self) -> bool:
        return self.dhcp or self.of_ipv6

    @property
    def of_ipv6(self) -> bool:
        """Whether its IPv6 addresses come from others."""
        return self.slaac is not None or self.dhcpv6

    @property
    def words(self) -> list[str | SLAAC]:
        """What says it in ``address=``."""
        slaac = [SLAAC_WORD if self.slaac == SLAAC() else self.slaac] if self.slaac else []
        return [
            *([DHCP_WORD] if self.dhcp else []),
            *slaac,
            *([DHCPV6_WORD] if self.dhcpv6 else []),
        ]


BY_HAND = Automatic()


def split_automatic(here: str, address: Any) -> tuple[Automatic, Any]:
    """Return what ``address=`` says of getting addresses from others, and the rest of it.

    The rest is "auto" where nothing else is said.

    >>> split_automatic("link", ["dhcp", "slaac"])
    (Automatic(dhcp=True, slaac=SLAAC(identifier='eui64', temporary=False), dhcpv6=False), 'auto')

    """
    if not isinstance(address, (str, SLAAC)) and not isinstance(address, Sequence):
        return BY_HAND, address
    dhcp, slaac, dhcpv6 = False, None, False
    rest: list[Any] = []
    found = 0
    for item in [address] if isinstance(address, SLAAC) else several(address):
        if isinstance(item, SLAAC) or item == SLAAC_WORD:
            if slaac is not None:
                raise TopologyError(f"{here}: address={shown(address)} says SLAAC twice")
            slaac = item if isinstance(item, SLAAC) else SLAAC()
        elif item == DHCP_WORD:
            dhcp = True
        elif item == DHCPV6_WORD:
            dhcpv6 = True
        else:
            rest.append(item)
            continue
        found += 1
    if not found:
        return BY_HAND, address
    automatic = Automatic(dhcp, slaac, dhcpv6)
    others = [item for item in rest if item != AUTO]
    return automatic, others or AUTO


def refuse_both(
    here: str, automatic: Automatic, addresses: Sequence[Address | InterfaceAddress]
) -> None:
    """Refuse an address by hand in a family whose addresses come from others."""
    for item in addresses:
        version = bare(item).version
        if version == 4 and automatic.dhcp:
            word = DHCP_WORD
        elif version == 6 and automatic.of_ipv6:
            word = SLAAC_WORD if automatic.slaac else DHCPV6_WORD
        else:
            continue
        raise TopologyError(
            f'{here}: "{word}" lets others say the IPv{version} address, and {item} is given by '
            "hand; leave one of the two out"
        )
