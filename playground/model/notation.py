"""Notation of networks: names, subnets, addresses, MAC addresses, MTUs.

Each function checks one thing and returns it as it is meant, or raises
`TopologyError` with a sentence that begins with ``here``, what it was written for.

"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Any, Protocol

from playground.errors import TopologyError
from playground.model.addresses import (
    Address,
    InterfaceAddress,
    Network,
    address_from,
    interface_from,
    network_from,
)
from playground.model.arguments import shown
from playground.model.services.settings import ServiceRow, ServiceSettings
from playground.model.services.table import row_of, service

# An interface class is a subclass of its address class: this tells them apart.
WITH_PREFIX = (IPv4Interface, IPv6Interface)

# Where the lab shall choose, since None is none: "no address" has to be sayable.
AUTO = "auto"

# A caller writes "one or more" as a string, an object, or several of them.
OneOrMore = str | Address | InterfaceAddress | Network | Sequence[Any] | None


class Named(Protocol):
    """A node, as far as sentences speak of it."""

    @property
    def name(self) -> str: ...


# -- names ------------------------------------------------------------------

# RFC 952 and RFC 1123 section 2.1: letters, digits and hyphens, the first and
# the last of them no hyphen; RFC 1035 section 2.3.4: 63 octets at most.
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
# inet_aton(3) takes such numbers for addresses: ping 10 means 0.0.0.10.
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
# What hostname(7) allows, and in any case what cannot be mistaken for another word of Swarm's.
_MACHINE = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,251}[a-zA-Z0-9])?")

# RFC 1035 section 2.3.4 allows 255 octets on the wire, which is 253 written.
_NAME_LENGTH = 253


def check_machine(here: str, machine: object) -> str | None:
    """Return the name of a machine of a swarm, as `hostname` prints it there; None for any."""
    if machine is None or (isinstance(machine, str) and _MACHINE.fullmatch(machine)):
        return machine
    raise TopologyError(
        f"{here}: machine={shown(machine)} is no name of a machine: write its host name, as "
        '`docker node ls` shows it: machine="m2"'
    )


def check_name(kind: str, name: object) -> str:
    kind = kind.lower()
    if not isinstance(name, str):
        raise TopologyError(
            f'a {kind}\'s name is a string, not {kind_of(name)}: {kind}s need a name such as "h1"'
        )
    wrong = ""
    labels = name.split(".")
    if not name:
        wrong = "it is empty"
    elif len(name) > _NAME_LENGTH:
        wrong = f"it has {len(name)} characters, and {_NAME_LENGTH} are the most"
    elif any(len(label) > 63 for label in labels):
        wrong = "a part of it has more than 63 characters"
    elif not all(_LABEL.fullmatch(label) for label in labels):
        wrong = "its parts between dots are letters, digits and hyphens, no hyphen first or last"
    elif _NUMBER.fullmatch(labels[-1]):
        wrong = "programs would take it for an address, because its last part is a number"
    elif labels[0].lower() == "localhost":
        wrong = "every machine calls itself that"
    if wrong:
        raise TopologyError(
            f"{kind} {name!r}: that is no host name (RFC 1123): {wrong}; "
            f'choose one such as "h1" or "www.example.com"'
        )
    return name


def check_services(
    name: str, services: Iterable[str | ServiceSettings]
) -> tuple[ServiceSettings, ...]:
    if isinstance(services, (str, ServiceSettings)) or not isinstance(services, Iterable):
        raise TopologyError(
            f'{name}: services is a list, such as services=["http"], not {kind_of(services)}'
        )
    settings: list[ServiceSettings] = []
    for item in services:
        try:
            given = service(item)
        except TopologyError as error:
            raise TopologyError(f"{name}: {error}") from None
        for found in given.together():
            if any(found.service == other.service for other in settings):
                raise TopologyError(
                    f"{name}: service {found.service!r} is listed twice; list it once, "
                    f"with all its settings"
                )
            _refuse_port_twice(name, found, settings)
            settings.append(found)
    return tuple(settings)


def _refuse_port_twice(name: str, new: ServiceSettings, others: Iterable[ServiceSettings]) -> None:
    """Refuse two services that listen on one port, by programs of their own."""
    row = row_of(new)
    for other in others:
        theirs = row_of(other)
        if not set(row.programs).isdisjoint(theirs.programs):
            continue
        if shared := {*_ports(row)} & {*_ports(theirs)}:
            number, protocol = min(shared)
            own = new if new.is_own else other
            instead = (
                f"give {own.service!r} another port, or a host of its own"
                if own.is_own
                else "give them to two hosts"
            )
            raise TopologyError(
                f"{name}: the services {other.service!r} and {new.service!r} both listen on "
                f"{protocol} port {number}; {instead}"
            )


def _ports(row: ServiceRow) -> Iterable[tuple[int, str]]:
    return ((port.number, port.protocol) for port in row.ports)


# -- subnets and addresses --------------------------------------------------


def subnet_of(address: InterfaceAddress) -> Network:
    """Return the range an address with its prefix lies in.

    >>> subnet_of(interface_from("192.168.1.11/24"))
    IPv4Network('192.168.1.0/24')

    """
    return address.network


def is_host_route(address: object) -> bool:
    """Tell whether this is a /32 or /128, which makes a link point-to-point."""
    return isinstance(address, WITH_PREFIX) and address.network.prefixlen == address.max_prefixlen


def check_usable(here: str, address: Address | InterfaceAddress, subnet: Network) -> None:
    """Raise `TopologyError` unless a node of `subnet` can have this address."""
    ip = bare(address)
    if ip not in subnet:
        raise TopologyError(
            f"{here}: address {ip} lies outside its subnet {subnet}; choose one "
            f"from {subnet[1]} on, or another subnet"
        )
    if subnet.prefixlen >= subnet.max_prefixlen - 1:
        return  # RFC 3021, RFC 6164: both addresses of a /31 or /127 are usable
    if ip == subnet.network_address:
        # RFC 4291 section 2.6.1: in IPv6 it is the routers' anycast address.
        raise TopologyError(
            f"{here}: address {ip} is the name of the network {subnet} itself; "
            f"choose one from {subnet[1]} on"
        )
    if ip.version == 4 and ip == subnet.broadcast_address:
        raise TopologyError(
            f"{here}: address {ip} is the broadcast address of {subnet}; choose one below it"
        )


def bare(address: Address | InterfaceAddress) -> Address:
    """Return the address alone, without the prefix that it may carry."""
    if isinstance(address, WITH_PREFIX):
        return address.ip
    return address


def several(value: OneOrMore) -> Iterator[Any]:
    if value is None:
        return
    if isinstance(value, Sequence) and not isinstance(value, str):
        yield from value
    else:
        yield value


def is_auto(value: object) -> bool:
    return isinstance(value, str) and value == AUTO


def is_empty(value: object) -> bool:
    """Tell whether this says that there is none: None, or a sequence of nothing."""
    return value is None or (isinstance(value, Sequence) and not value and value != "")


def check_subnets(here: str, subnet: OneOrMore) -> tuple[Network, ...]:
    if subnet is not None and is_empty(subnet):
        raise TopologyError(
            f"{here}: {subnet!r} holds no subnet; write one, or leave it out and the lab chooses"
        )
    subnets: list[Network] = []
    for item in several(subnet):
        network = _parse_subnet(here, item)
        for other in subnets:
            if other.version == network.version:
                raise TopologyError(
                    f"{here}: two IPv{network.version} subnets, {other} and {network}; "
                    f"give one for each family at most"
                )
        subnets.append(network)
    return tuple(subnets)


def network_of(value: object) -> Network | None:
    """Return the range that a text is, or a network itself; None for all else.

    >>> network_of("2001:db8::/64"), network_of("home"), network_of(7)
    (IPv6Network('2001:db8::/64'), None, None)

    """
    if not isinstance(value, (str, IPv4Network, IPv6Network)):
        return None
    try:
        return network_from(value)
    except ValueError:
        return None


def _parse_subnet(here: str, item: Any) -> Network:
    if not isinstance(item, (str, IPv4Network, IPv6Network)):
        raise TopologyError(
            f'{here}: a subnet is written as a string, such as "10.0.5.0/24", not {kind_of(item)}'
        )
    if isinstance(item, str) and "/" not in item:
        raise TopologyError(
            f"{here}: subnet {item!r} does not say how long its prefix is; "
            f'write it as in "10.0.5.0/24"'
        )
    try:
        network = network_from(item)
    except ValueError:
        try:
            meant = interface_from(str(item)).network
        except ValueError:
            raise TopologyError(
                f'{here}: {item!r} is no subnet; write one as in "10.0.5.0/24" or "2001:db8:5::/64"'
            ) from None
        raise TopologyError(
            f'{here}: {item!r} is an address in a subnet, not a subnet; did you mean "{meant}"?'
        ) from None
    _refuse_special(here, network.network_address, network)
    if network.prefixlen == network.max_prefixlen:
        raise TopologyError(
            f"{here}: subnet {network} holds one address only; for a point-to-point link "
            f'give both ends an address: addresses=("10.1.1.1/32", "10.2.2.2/32")'
        )
    return network


def parse_address(here: str, item: Any) -> Address | InterfaceAddress:
    if not isinstance(item, (str, IPv4Address, IPv6Address)):
        raise TopologyError(
            f'{here}: an address is written as a string, such as "10.0.5.7", not {kind_of(item)}'
        )
    if "%" in str(item):
        raise TopologyError(
            f"{here}: address {shown(item)} names a zone; leave the % and all after it"
        )
    try:
        parsed: Address | InterfaceAddress
        if isinstance(item, str):
            parsed = interface_from(item) if "/" in item else address_from(item)
        else:
            parsed = item
    except ValueError:
        raise TopologyError(
            f"{here}: {item!r} is no address; write one as in "
            f'"10.0.5.7", "10.0.5.7/24" or "2001:db8:5::7"'
        ) from None
    _refuse_special(here, bare(parsed), parsed)
    if isinstance(parsed, WITH_PREFIX) and not is_host_route(parsed):
        check_usable(here, parsed, subnet_of(parsed))
    return parsed


def check_loopback(here: str, value: OneOrMore) -> tuple[InterfaceAddress, ...]:
    """Return the addresses that a node shall have on its loopback interface."""
    found: dict[InterfaceAddress, None] = {}
    for item in several(value):
        parsed = parse_address(f"{here}, loopback", item)
        if isinstance(parsed, WITH_PREFIX) and not is_host_route(parsed):
            raise TopologyError(
                f"{here}: loopback={str(parsed)!r} is more than one address, and all of "
                f"{parsed.network} would be the node's own; write "
                f'"{parsed.ip}/{parsed.max_prefixlen}"'
            )
        whole = interface_from(bare(parsed))
        if whole in found:
            raise TopologyError(f"{here}: loopback={value!r} has {parsed} twice; leave one out")
        found[whole] = None
    return tuple(found)


def _refuse_special(here: str, ip: Address, written: object) -> None:
    """Refuse what no interface may have: RFC 6890's tables, RFC 4291 section 2.5."""
    kind = ""
    if ip.is_multicast:
        kind = "a multicast address"
    elif ip.is_loopback:
        kind = "a loopback address, which never leaves the machine"
    elif ip.is_unspecified or (ip.version == 4 and int(ip) >> 24 == 0):
        kind = "in the range that means 'this network'"
    elif ip.version == 4 and int(ip) == 2**32 - 1:
        kind = "the broadcast address of every network"
    elif ip.version == 6 and ip.is_link_local:
        kind = "a link-local address, which every IPv6 interface gets by itself"
    if kind:
        raise TopologyError(
            f'{here}: {written} is {kind}; choose another, such as one from "10.0.0.0/8" '
            f'or "2001:db8::/32"'
        )


def refuse_other_family(
    here: str, item: Address | InterfaceAddress, subnets: Sequence[Network], whose: str
) -> None:
    """Refuse an address without a prefix where no subnet of its family tells it."""
    if isinstance(item, WITH_PREFIX) or not subnets:
        return
    if all(subnet.version != item.version for subnet in subnets):
        raise TopologyError(
            f"{here}: address {item} is IPv{item.version}, and {whose} has only the subnet "
            f"{subnets[0]}; give it an IPv{item.version} subnet too, or write the address "
            f"with its prefix"
        )


def direct_addresses(
    here: str,
    a: Named,
    b: Named,
    subnets: Sequence[Network],
    addresses: Sequence[OneOrMore] | None,
) -> list[tuple[Address | InterfaceAddress, ...]]:
    """Return the checked addresses of both ends of a link between two nodes.

    There are none where nobody shall have any, and where the lab is to choose.

    """
    if addresses is None or is_auto(addresses):
        return [(), ()]
    pair = check_pair(here, a, b, "addresses", addresses, f"None for none, {AUTO!r} to choose")
    given: list[tuple[Address | InterfaceAddress, ...]] = []
    for node, value in zip((a, b), pair, strict=True):
        there = f"{here}, for {node.name}"
        items = () if is_auto(value) else several(value)
        found = tuple(parse_address(there, item) for item in items)
        for item in found:
            _check_direct(there, item, subnets)
        given.append(found)
    for version in (4, 6):
        sides = [[item for item in side if item.version == version] for side in given]
        _check_sides(here, version, (a, b), sides)
    return given


def _check_direct(here: str, item: Address | InterfaceAddress, subnets: Sequence[Network]) -> None:
    own = [subnet for subnet in subnets if subnet.version == item.version]
    if own and is_host_route(item):
        raise TopologyError(
            f"{here}: address {item} is point-to-point, yet the link has the subnet {own[0]}; "
            f"leave one of them out"
        )
    if own:
        if not isinstance(item, WITH_PREFIX):
            check_usable(here, item, own[0])
        return
    refuse_other_family(here, item, subnets, "the link")
    if not isinstance(item, WITH_PREFIX):
        length = 24 if item.version == 4 else 64
        raise TopologyError(
            f"{here}: address {item} does not say how long its prefix is; write "
            f'"{item}/{length}", or give the link a subnet='
        )


def _check_sides(
    here: str,
    version: int,
    nodes: tuple[Named, Named],
    sides: Sequence[Sequence[Address | InterfaceAddress]],
) -> None:
    """Refuse an address that is given twice, and one end alone that is point-to-point."""
    for node, side in zip(nodes, sides, strict=True):
        seen: set[Address] = set()
        for item in side:
            if bare(item) in seen:
                raise TopologyError(f"{here}, for {node.name}: address {bare(item)} is given twice")
            seen.add(bare(item))
    everything = [item for side in sides for item in side]
    if any(is_host_route(item) for item in everything):
        for node, side in zip(nodes, sides, strict=True):
            if not side:
                raise TopologyError(
                    f"{here}: the IPv{version} addresses make it point-to-point, so {node.name} "
                    f"needs one too; write addresses=(for {nodes[0].name}, for {nodes[1].name})"
                )


# -- ends ------------------------------------------------------------------


def check_pair(
    here: str,
    a: Named,
    b: Named,
    argument: str,
    value: Any,
    nothing: str = "None where there is nothing to say",
) -> tuple[Any, Any]:
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise TopologyError(
            f"{here}: {argument} is a pair, the first for {a.name} and the second for {b.name}, "
            f"with {nothing}; not {value!r}"
        )
    return value[0], value[1]


_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def check_mac(node: Named, mac: object) -> str | None:
    return None if mac is None else parse_mac(node.name, mac)


def parse_mac(here: str, mac: object) -> str:
    """Return the MAC address of one machine in lower case; raises `TopologyError` for others."""
    here = f"{here}: MAC address {mac!r}"
    text = mac.lower().replace("-", ":") if isinstance(mac, str) else ""
    if not _MAC.fullmatch(text):
        raise TopologyError(
            f'{here} is none; write six pairs of hexadecimal digits, as in "02:00:00:00:00:01"'
        )
    # IEEE 802 (2014) section 8.2: the lowest bit of the first octet means a group.
    if int(text[:2], 16) & 1:
        raise TopologyError(
            f"{here} is a multicast address, because its first pair is odd; make that pair even"
        )
    if text == "00:00:00:00:00:00":
        raise TopologyError(f'{here} means none; choose one such as "02:00:00:00:00:01"')
    return text


def check_mtu(here: str, mtu: object) -> int:
    # RFC 791: every link carries 68 octets; 65535 is the most a veth takes.
    if isinstance(mtu, bool) or not isinstance(mtu, int) or not 68 <= mtu <= 65535:
        raise TopologyError(
            f"{here}: mtu={mtu!r} is not a number of bytes between 68 and 65535; Ethernet's is 1500"
        )
    return mtu


def check_mtus(here: str, mtu: object) -> tuple[int, int]:
    """Return the MTU of each end of a link, of one number or a pair."""
    if isinstance(mtu, Sequence) and not isinstance(mtu, str):
        if len(mtu) != 2:
            raise TopologyError(f"{here}: mtu={mtu!r} is no number and no pair, one for each end")
        return check_mtu(here, mtu[0]), check_mtu(here, mtu[1])
    both = check_mtu(here, mtu)
    return both, both


def check_bool(here: str, argument: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TopologyError(f"{here}: {argument}={value!r} is neither True nor False; write one")
    return value


# -- words ------------------------------------------------------------------


def kind_of(value: object) -> str:
    if value is None:
        return "None"
    if hasattr(value, "name") and hasattr(value, "links"):
        return f"the {type(value).__name__.lower()} {value.name}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def one_or_list(items: Sequence[object]) -> str:
    if not items:
        return "None"
    texts = [str(item) for item in items]
    return repr(texts[0]) if len(texts) == 1 else repr(texts)


# IFNAMSIZ in linux/if.h is 16, with the NUL at the end.
IFNAME_LENGTH = 15
_IFNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def is_ifname(name: str) -> bool:
    """Tell whether an interface may be called so.

    The kernel's dev_valid_name() refuses what is longer, "/", ":", white space, "." and "..";
    the rest would trouble nft(8) and sysctl(8).

    >>> [is_ifname(name) for name in ("r1-eth0", "eth0.20", "ethernet-1/1", "-x", "a" * 16)]
    [True, True, False, False, False]

    """
    return len(name) <= IFNAME_LENGTH and bool(_IFNAME.fullmatch(name))


# "lo" is there already; the others are directories beside the interfaces in
# /proc/sys/net/ipv4/conf.
RESERVED_IFNAMES = ("lo", "all", "default")
# What impairs frames where the kernel has no netem: agent/links/relay.py, agent/queues/.
_IMPAIRING_IFNAME = re.compile(r"queue[0-9]+|relay[0-9]+x?")


def is_reserved_ifname(name: str) -> bool:
    """Tell whether an interface's name has a meaning to Linux, or to a lab.

    >>> [is_reserved_ifname(name) for name in ("lo", "relay7x", "queue12", "queue", "relays1")]
    [True, True, True, False, False]

    """
    return name in RESERVED_IFNAMES or bool(_IMPAIRING_IFNAME.fullmatch(name))
