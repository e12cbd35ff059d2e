"""Addresses of every end of every link.

A segment without a subnet gets the next free /24 of 10.0.0.0/8, and where IPv6
is asked for the next free /64 of 2001:db8::/48; within it routers come first,
then hosts.  What is set by hand, or by an earlier plan, is kept.  Pure
functions from segments to addresses.

"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from typing import NamedTuple

from playground.errors import TopologyError
from playground.model.addresses import Address, InterfaceAddress, Network
from playground.model.notation import WITH_PREFIX, bare, check_usable, is_host_route, subnet_of
from playground.model.parts import End
from playground.planning.addresses.segments import Segment
from playground.planning.addresses.tolerated_faults import Doubts

# RFC 1918: for private use.  10.0.0.0/24 stays free, so that the first segment
# has a 1 in it.
POOL_IPV4 = IPv4Network("10.0.0.0/8")
# RFC 3849: for documentation; its first /48, of which every segment takes a /64.
POOL_IPV6 = IPv6Network("2001:db8::/48")
FAMILIES = (4, 6)


class Addressing(NamedTuple):
    """The addresses that were chosen.

    ``subnets`` holds, for a segment and a family (4 or 6), the range that its
    ends share, or None where it is point-to-point; a pair that is missing means
    that this family is not spoken there.  ``addresses`` holds those of every
    end, IPv4 first.

    """

    subnets: Mapping[tuple[Segment, int], Network | None]
    addresses: Mapping[End, tuple[InterfaceAddress, ...]]

    def speaks(self, segment: Segment, family: int) -> bool:
        """Tell whether ends of this segment have addresses of this family."""
        return (segment, family) in self.subnets

    def of(self, end: End, family: int) -> tuple[InterfaceAddress, ...]:
        """Return the end's addresses of one family, which may be none: a bridge's port has none."""
        return tuple(item for item in self.addresses.get(end, ()) if item.version == family)


def assign(
    segments: Sequence[Segment],
    *,
    ipv6: bool = False,
    earlier: Mapping[End, Sequence[InterfaceAddress]] | None = None,
    wanted: Mapping[End, IPv4Address] | None = None,
    reserved: Sequence[Network] = (),
    speaking: Collection[Segment] = (),
    identifiers: Mapping[End, Callable[[Network], int]] | None = None,
    delegated: Mapping[Segment, Network] | None = None,
    doubts: Doubts | None = None,
) -> Addressing:
    """Choose the addresses of every end.

    A segment's subnet is its switch's or link's, or what the addresses given
    by hand say with their prefix; failing all these it is chosen: 10.0.1.0/24
    for the first such segment, leaving out what overlaps anything set by hand.
    A segment for which only IPv6 is given gets no IPv4.  With ``ipv6`` every
    segment without an IPv6 subnet gets a /64 whose number is that of its /24
    where possible (2001:db8:0:12::/64 beside 10.0.12.0/24), and hosts have the
    same number in both.  ``earlier`` holds addresses that must stay, ``wanted`` those
    that are taken where they are free, ``reserved`` what lies in no subnet that is chosen.
    Segments of ``speaking`` get IPv6 in any case.  ``identifiers`` tell the number that an end
    has by itself in an IPv6 subnet.  ``delegated`` are networks that segments have because a
    router is given them.

    Raises `TopologyError` for a subnet that is full, and an address outside its subnet.
    An address given to two ends, and two subnets on one segment, are ``doubts``; the
    segment's subnet is the first then, and an address keeps the prefix that it came with.

    """
    kept = earlier or {}
    doubts = doubts or Doubts()
    given = {
        (segment, family): _Given.of(segment, family, kept, doubts)
        for segment in segments
        for family in FAMILIES
    }
    subnets: dict[tuple[Segment, int], Network | None] = {}
    for (segment, family), found in given.items():
        if found.point_to_point:
            subnets[segment, family] = None
        elif found.subnet:
            subnets[segment, family] = found.subnet
    subnets |= {(segment, 6): network for segment, network in (delegated or {}).items()}
    taken = [*reserved, *(delegated or {}).values()]
    taken += (network for found in given.values() for network in found.ranges())
    spare = _free_ipv4(taken)
    for segment in segments:
        if (
            not any((segment, family) in subnets for family in FAMILIES)
            and 4 in segment.families
            and _addressed(segment)
        ):
            subnets[segment, 4] = _next_ipv4(spare, segment)
    numbered = [
        item
        for item in segments
        # What carries no IPv4 has IPv6 in any case.
        if 6 in item.families and (ipv6 or item in speaking or 4 not in item.families)
    ]
    if numbered:
        _number_ipv6(numbered, subnets, taken)
    addresses: dict[End, dict[int, tuple[InterfaceAddress, ...]]] = {
        end: {} for segment in segments for end in segment.ends
    }
    for family in FAMILIES:
        for segment in segments:
            if (segment, family) not in subnets:
                continue
            subnet = subnets[segment, family]
            if family == 6:
                numbers = _same_numbers(segment, subnets, addresses)
                if subnet is not None and identifiers:
                    own = (end for end in segment.ends if end in identifiers)
                    numbers |= {end: identifiers[end](subnet) for end in own}
            else:
                numbers = _numbers(segment, subnet, wanted or {})
            by_itself = identifiers.keys() if identifiers and family == 6 else ()
            filled = _fill(segment, given[segment, family], subnet, numbers, doubts, by_itself)
            for end, chosen in filled.items():
                addresses[end][family] = chosen
    return Addressing(
        subnets,
        {end: (*by.get(4, ()), *by.get(6, ())) for end, by in addresses.items()},
    )


class _Given(NamedTuple):
    """The addresses set by hand, or earlier, on one segment in one family."""

    subnet: Network | None
    point_to_point: bool
    fixed: Mapping[End, tuple[Address | InterfaceAddress, ...]]

    @classmethod
    def of(
        cls,
        segment: Segment,
        family: int,
        kept: Mapping[End, Sequence[InterfaceAddress]],
        doubts: Doubts,
    ) -> _Given:
        fixed: dict[End, tuple[Address | InterfaceAddress, ...]] = {}
        for end in segment.ends:
            if end.unaddressed:
                continue
            before = tuple(item for item in kept.get(end, ()) if item.version == family)
            fixed[end] = before or tuple(i for i in end.addresses if i.version == family)
        everything = [item for items in fixed.values() for item in items]
        point_to_point = any(is_host_route(item) for item in everything)
        if point_to_point:
            return cls(None, True, fixed)
        declared = {
            subnet: whose
            for whose, subnets in _said(segment)
            for subnet in subnets
            if subnet.version == family
        }
        for end, items in fixed.items():
            for item in items:
                if isinstance(item, WITH_PREFIX):
                    declared.setdefault(subnet_of(item), f"{end.node.name}'s address {item}")
        first = next(iter(declared), None)
        for second, whyelse in [*declared.items()][1:]:
            assert first is not None
            why = declared[first]
            if first.overlaps(second):
                doubts.say(
                    f"{segment.name}: {second} (from {whyelse}) and {first} (from {why}) differ in "
                    f"their prefix, and what is linked here is one network; write /"
                    f"{first.prefixlen} for both"
                )
                continue
            doubts.say(
                f"{segment.name}: what is linked here is one network, and it cannot have both "
                f"{first} (from {why}) and {second} (from {whyelse}); put a router between, "
                f"or use one subnet"
            )
        if first is None and everything:
            end = next(end for end, items in fixed.items() if items)
            raise TopologyError(
                f"{segment.name}: address {fixed[end][0]} of {end.node.name} needs a subnet; "
                f"give the switch one: {_declaring(segment)}"
            )
        return cls(first, False, fixed)

    def ranges(self) -> Iterator[Network]:
        """Yield every range in which something was set."""
        if self.subnet:
            yield self.subnet
        for items in self.fixed.values():
            for item in items:
                if isinstance(item, WITH_PREFIX):
                    yield subnet_of(item)


def declared_subnet(segment: Segment, family: int = 4) -> Network | None:
    """Return the network that was said of a segment, by hand; None: it is to be chosen."""
    # Whether it says so twice is for `assign` to find.
    return _Given.of(segment, family, {}, Doubts(strict=False)).subnet


def _said(segment: Segment) -> Iterator[tuple[str, Sequence[Network]]]:
    """Yield whatever may have been given a subnet, and which it was."""
    for switch, vlan in segment.places:
        whose = f"switch {switch.name}" if vlan is None else f"VLAN {vlan} of {switch.name}"
        yield whose, switch.subnets_of(vlan)
    for link in segment.links:
        yield f"link {link!r}", link.subnets


def _addressed(segment: Segment) -> list[End]:
    """Return the ends that are to have addresses, which somebody may have refused."""
    return [end for end in segment.ends if not end.unaddressed]


def _declaring(segment: Segment) -> str:
    switch, vlan = segment.places[0]
    argument = "subnet=..." if vlan is None else f"vlans={{{vlan}: ...}}"
    return f"Switch({switch.name!r}, {argument})"


# -- subnets ----------------------------------------------------------------


def _free_ipv4(taken: Iterable[Network]) -> Iterator[IPv4Network]:
    """Yield each /24 of the pool, from the second on, that meets nothing that is taken."""
    pool = int(POOL_IPV4.network_address) >> 8
    count = 1 << (24 - POOL_IPV4.prefixlen)
    blocked: list[tuple[int, int]] = []
    for network in taken:
        if network.version == 4:
            first = (int(network.network_address) >> 8) - pool
            last = (int(network.broadcast_address) >> 8) - pool
            blocked.append((first, last))
    blocked.sort()
    number = 1
    for first, last in blocked:
        while number < min(first, count):
            yield IPv4Network(((pool + number) << 8, 24))
            number += 1
        number = max(number, last + 1)
    while number < count:
        yield IPv4Network(((pool + number) << 8, 24))
        number += 1


def _next_ipv4(spare: Iterator[IPv4Network], segment: Segment) -> IPv4Network:
    subnet = next(spare, None)
    if subnet is None:
        raise TopologyError(
            f"{segment.name}: no /24 of {POOL_IPV4} is left for it; the subnets set by hand take "
            f'them all, so set this one by hand too, as in subnet="172.16.0.0/24"'
        )
    return subnet


def _number_ipv6(
    segments: Sequence[Segment],
    subnets: dict[tuple[Segment, int], Network | None],
    given: Iterable[Network],
) -> None:
    """Give a /64 to every segment that has no IPv6 yet."""
    pool = int(POOL_IPV6.network_address) >> 64
    taken = [
        ((int(n.network_address) >> 64) - pool, (int(n.broadcast_address) >> 64) - pool)
        for n in given
        if n.version == 6
    ]
    used: set[int] = set()

    def free(number: int) -> bool:
        return number not in used and not any(first <= number <= last for first, last in taken)

    waiting = [s for s in segments if (s, 6) not in subnets and _addressed(s)]
    later = []
    for segment in waiting:
        number = _ipv4_number(subnets.get((segment, 4)))
        if number and free(number):
            used.add(number)
            subnets[segment, 6] = IPv6Network(((pool + number) << 64, 64))
        else:
            later.append(segment)
    decimal = 0
    for segment in later:
        decimal += 1
        while decimal < 10000 and not free(int(str(decimal), 16)):
            decimal += 1
        number = int(str(decimal), 16) if decimal < 10000 else decimal
        while not free(number):
            number += 1
        used.add(number)
        subnets[segment, 6] = IPv6Network(((pool + number) << 64, 64))


def _ipv4_number(subnet: Network | None) -> int | None:
    """Return which /24 of the pool this is, its decimal digits read as hexadecimal."""
    if not isinstance(subnet, IPv4Network) or subnet.prefixlen != 24:
        return None
    number = (int(subnet.network_address) - int(POOL_IPV4.network_address)) >> 8
    return int(str(number), 16) if 0 < number < 10000 else None


# -- addresses within a subnet ----------------------------------------------


def _same_numbers(
    segment: Segment,
    subnets: Mapping[tuple[Segment, int], Network | None],
    addresses: Mapping[End, Mapping[int, tuple[InterfaceAddress, ...]]],
) -> dict[End, int]:
    """Return for each end its number in the IPv4 subnet, to be read as hexadecimal."""
    subnet = subnets.get((segment, 4))
    if subnet is None:
        return {}
    base = int(subnet.network_address)
    numbers = {}
    for end in _addressed(segment):
        number = int(addresses[end][4][0]) - base
        if number < 10000:
            numbers[end] = int(str(number), 16)
    return numbers


def _numbers(
    segment: Segment, subnet: Network | None, wanted: Mapping[End, IPv4Address]
) -> dict[End, int]:
    """Return the number that each end wants in a subnet; refuse what is not in it."""
    numbers = {}
    for end in segment.ends:
        if subnet is not None and end in wanted:
            check_usable(f"{segment.name}, for {end.node.name}", wanted[end], subnet)
            numbers[end] = int(wanted[end]) - int(subnet.network_address)
    return numbers


def _fill(
    segment: Segment,
    given: _Given,
    subnet: Network | None,
    wanted: Mapping[End, int],
    doubts: Doubts,
    by_itself: Collection[End] = (),
) -> dict[End, tuple[InterfaceAddress, ...]]:
    """Return the addresses of every end of a segment in one family.

    Ends that make theirs ``by_itself`` get what they want, though another should have it.

    """
    taken: dict[int, End] = {}
    for end, items in given.fixed.items():
        for item in items:
            if subnet is not None and not isinstance(item, WITH_PREFIX):
                check_usable(f"{segment.name}, for {end.node.name}", item, subnet)
            other = taken.setdefault(int(bare(item)), end)
            if other is not end:
                doubts.say(
                    f"{segment.name}: address {bare(item)} is given to {other.node.name} and to "
                    f"{end.node.name}; choose another for one of them"
                )
    if subnet is None:
        return {
            end: tuple(item for item in items if isinstance(item, WITH_PREFIX))
            for end, items in given.fixed.items()
        }
    chosen: dict[End, tuple[InterfaceAddress, ...]] = {}
    free = _free_numbers(subnet, taken)
    base = int(subnet.network_address)
    size = subnet.num_addresses
    for end in _addressed(segment):
        items = given.fixed[end]
        if items:
            chosen[end] = tuple(
                item if isinstance(item, WITH_PREFIX) else _in(subnet, int(item)) for item in items
            )
            continue
        number = wanted.get(end)
        if number is not None and end in by_itself and number < size:
            other = taken.setdefault(base + number, end)
            chosen[end] = (_in(subnet, base + number),)
            if other is not end:
                doubts.say(
                    f"{segment.name}: {end.node.name} makes the address {chosen[end][0].ip} "
                    f"itself, and {other.node.name} has it; choose another for {other.node.name}"
                )
            continue
        if number is None or number >= size or base + number in taken:
            number = next(free, None)
        if number is None:
            raise TopologyError(_full(segment, subnet))
        taken[base + number] = end
        chosen[end] = (_in(subnet, base + number),)
    return chosen


def _free_numbers(subnet: Network, taken: Mapping[int, End]) -> Iterator[int]:
    base = int(subnet.network_address)
    first, last = 1, subnet.num_addresses - 1
    if subnet.version == 4:
        last -= 1  # the broadcast address
    if subnet.prefixlen >= subnet.max_prefixlen - 1:
        first, last = 0, subnet.num_addresses - 1  # RFC 3021, RFC 6164
    for number in range(first, last + 1):
        if base + number not in taken:
            yield number


def _in(subnet: Network, number: int) -> InterfaceAddress:
    if subnet.version == 4:
        return IPv4Interface((number, subnet.prefixlen))
    return IPv6Interface((number, subnet.prefixlen))


def _full(segment: Segment, subnet: Network) -> str:
    if subnet.prefixlen >= subnet.max_prefixlen - 1:
        room = subnet.num_addresses
    else:
        room = subnet.num_addresses - 2
    return (
        f"{segment.name}: its subnet {subnet} is full: it has room for {room}, and "
        f"{len(_addressed(segment))} interfaces are linked to it; set a larger subnet by hand, "
        f"such as one with /{max(subnet.prefixlen - 2, 8)}"
    )
