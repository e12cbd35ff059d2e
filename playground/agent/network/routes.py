"""Routes: messages to add and remove them, and all that a node has as rows."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence

from playground.agent.links.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_REPLACE,
    Message,
    Netlink,
    attribute,
    attributes,
    read_number,
)
from playground.agent.network.addresses import (
    RT_SCOPE_LINK,
    RT_SCOPE_NOWHERE,
    RT_SCOPE_UNIVERSE,
    packed_address,
    packed_prefix,
)
from playground.agent.protocol import Request

# linux/rtnetlink.h
RTM_NEWROUTE = 24
RTM_DELROUTE = 25
RTM_GETROUTE = 26
RTA_DST = 1
RTA_OIF = 4
RTA_GATEWAY = 5
RTA_PRIORITY = 6
RTA_PREFSRC = 7
RTA_MULTIPATH = 9
RTA_TABLE = 15
RTA_VIA = 18
RT_TABLE_MAIN = 254
RT_TABLE_LOCAL = 255
RTM_F_CLONED = 0x200
# Of one node's addresses, in the table "local".
_OWN_ROUTES = 4096
RTPROT_KERNEL = 2
RTPROT_STATIC = 4
RTN_UNSPEC = 0
RTN_UNICAST = 1
RTN_OF_ADDRESSES = (2, 3, 4, 5)  # local, broadcast, anycast, multicast
RTNH_F_ONLINK = 4

# Bytes of an address.
ADDRESS_BYTES = {socket.AF_INET: 4, socket.AF_INET6: 16}


def route(kind: int, entry: Request, index: int, onlink: bool = False) -> Message:
    family, packed, length = packed_prefix(entry["destination"])
    via = entry.get("via")
    table = entry.get("table", RT_TABLE_MAIN)
    adding = kind == RTM_NEWROUTE
    if not adding:
        scope = RT_SCOPE_NOWHERE
    elif via is None and family == socket.AF_INET:
        scope = RT_SCOPE_LINK
    else:
        scope = RT_SCOPE_UNIVERSE
    header = struct.pack(
        "BBBBBBBBI",
        family,
        length,
        0,
        0,
        table if table < 256 else 0,
        RTPROT_STATIC if adding else 0,
        scope,
        RTN_UNICAST if adding else RTN_UNSPEC,
        RTNH_F_ONLINK if onlink else 0,
    )
    body = attribute(RTA_OIF, struct.pack("I", index))
    if table >= 256:
        body += attribute(RTA_TABLE, struct.pack("I", table))
    if length:
        body += attribute(RTA_DST, packed)
    if via is not None:
        body += attribute(RTA_GATEWAY, packed_address(via)[1])
    purpose = f"{'add' if adding else 'remove'} the route to {entry['destination']}"
    purpose += f" via {via}" if via is not None else ""
    flags = NLM_F_CREATE | NLM_F_REPLACE if adding else 0
    return Message(kind, flags, header + body, f"{purpose} on {entry['interface']}")


def gateway_attribute(family: int, via: str) -> bytes:
    """The attribute for a gateway, which may be of another family than the route (RFC 8950)."""
    of, packed = packed_address(via)
    if of == family:
        return attribute(RTA_GATEWAY, packed)
    return attribute(RTA_VIA, struct.pack("H", of) + packed)  # struct rtvia


def gateway_of(family: int, found: dict[int, bytes]) -> str | None:
    """Read the gateway out of a route's attributes, or of one next hop's."""
    if RTA_GATEWAY in found:
        return socket.inet_ntop(family, found[RTA_GATEWAY])
    if RTA_VIA in found:
        [of] = struct.unpack_from("H", found[RTA_VIA])
        return socket.inet_ntop(of, found[RTA_VIA][2:])
    return None


def routes(pids: Sequence[int], most: int | None = None) -> list[list[Request]]:
    found = []
    for pid in pids:
        netlink = Netlink(pid)
        # From now on interfaces' numbers are those of this node.
        names = dict(socket.if_nameindex())
        question = Message(
            RTM_GETROUTE, NLM_F_DUMP, struct.pack("BBBBBBBBI", *[0] * 9), "read the routes"
        )
        rows: list[Request] = []
        # Routes of the node's own addresses are answers too, which `route_rows` leaves out.
        for answer in netlink.ask(question, None if most is None else most + _OWN_ROUTES):
            rows += route_rows(answer, names)
            if most is not None and len(rows) >= most:
                break
        found.append(rows)
        netlink.close()
    return found


def route_rows(answer: bytes, names: dict[int, str]) -> Iterator[Request]:
    """Read a struct rtmsg and its attributes (rtnetlink(7)): a row a next hop."""
    head = struct.unpack_from("BBBBBBBBI", answer)
    family, length, _, _, table, protocol, _, kind, flags = head
    found = attributes(answer[12:])
    if RTA_TABLE in found:
        [table] = struct.unpack("I", found[RTA_TABLE])
    if table == RT_TABLE_LOCAL or flags & RTM_F_CLONED or family not in ADDRESS_BYTES:
        return
    if protocol == RTPROT_KERNEL and kind in RTN_OF_ADDRESSES:
        return  # what else is in the table "local", for addresses in VRFs is in theirs

    def address(packed: bytes | None) -> str | None:
        return None if packed is None else socket.inet_ntop(family, packed)

    row = {
        "destination": f"{address(found.get(RTA_DST, bytes(ADDRESS_BYTES[family])))}/{length}",
        "via": gateway_of(family, found),
        "interface": names.get(read_number(found, RTA_OIF) or 0),
        "metric": read_number(found, RTA_PRIORITY),
        "protocol": protocol,
        "kind": kind,
        "table": table,
        "source": address(found.get(RTA_PREFSRC)),
        "weight": 1,
    }
    hops = found.get(RTA_MULTIPATH)
    if hops is None:
        yield row
        return
    offset = 0
    while offset + 8 <= len(hops):  # struct rtnexthop
        size, _, weight, index = struct.unpack_from("HBBi", hops, offset)
        via = gateway_of(family, attributes(hops[offset + 8 : offset + size]))
        yield row | {"via": via, "interface": names.get(index), "weight": weight + 1}
        offset += (size + 3) & ~3
