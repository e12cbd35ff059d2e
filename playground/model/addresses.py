"""Addresses and ranges of both families, as the standard library has them, and as text is read.

A declaration is read here and nowhere else.  Of IPv6 the standard library takes a zone too,
"fe80::1%eth0" (RFC 4007), of any characters, and a zone means nothing outside its node: a
declaration names none, and what a daemon's file is made of holds none.

"""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)

Address = IPv4Address | IPv6Address
InterfaceAddress = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network


def address_from(value: object) -> Address:
    """Return the address that a text is, or an address itself; raises `ValueError` for all else.

    >>> address_from("2001:db8::1")
    IPv6Address('2001:db8::1')

    """
    return ip_address(_without_zone(value))


def interface_from(value: object) -> InterfaceAddress:
    """Return the address with its prefix that a text is, likewise.

    >>> interface_from("192.168.1.11/24")
    IPv4Interface('192.168.1.11/24')

    """
    return ip_interface(_without_zone(value))


def network_from(value: object) -> Network:
    """Return the range that a text is, likewise; one alone is a range too.

    >>> network_from("192.168.1.0/24")
    IPv4Network('192.168.1.0/24')

    """
    return ip_network(_without_zone(value))


def range_from(value: object) -> Network:
    """Return the range that an address with a prefix is in, likewise.

    >>> range_from("192.168.1.11/24")
    IPv4Network('192.168.1.0/24')

    """
    return ip_network(_without_zone(value), strict=False)


def _without_zone(value: object) -> str:
    # Of numbers and bytes the standard library makes addresses as well.
    if not isinstance(value, str | IPv4Address | IPv6Address | IPv4Network | IPv6Network):
        raise ValueError("it is no text")
    text = str(value)
    if "%" in text:
        raise ValueError("it names a zone")
    return text
