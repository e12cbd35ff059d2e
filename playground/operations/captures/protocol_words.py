"""Messages of protocols in words: IGMP, PIM, VRRP, BFD, RADIUS, NTP, SNMP; headers of tunnels.

Pure: the bytes of one message go in, a line comes out, in Wireshark's words where it has
some.  Each function raises `ValueError`, `IndexError` or `struct.error` for what is cut off
or no such message; whoever calls shows the bytes' number then.

"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

# -- multicast ------------------------------------------------------------------

_IGMP_V3_RECORDS = {  # RFC 9776 (3376), section 4.2.12
    1: "include",
    2: "exclude",
    3: "change to include",
    4: "change to exclude",
    5: "allow",
    6: "block",
}


def igmp(data: bytes) -> tuple[str, str]:
    """Return the version of IGMP, and what a message says (RFC 1112, 2236, 9776)."""
    kind, longest, group = data[0], data[1], str(ip_address(data[4:8]))
    if kind == 0x11:
        version = 3 if len(data) >= 12 else 2 if longest else 1
        about = "general" if group == "0.0.0.0" else f"specific for group {group}"
        return f"IGMPv{version}", f"Membership Query, {about}"
    if kind in (0x12, 0x16):
        return f"IGMPv{1 if kind == 0x12 else 2}", f"Membership Report group {group}"
    if kind == 0x17:
        return "IGMPv2", f"Leave Group {group}"
    if kind == 0x22:
        return "IGMPv3", " / ".join(["Membership Report", *_igmp_records(data)])
    return "IGMP", f"type {kind:#04x}"


def _igmp_records(data: bytes) -> Iterator[str]:
    at = 8
    for _ in range(struct.unpack_from("!H", data, 6)[0]):
        if at + 8 > len(data):
            return
        kind, more, count = struct.unpack_from("!BBH", data, at)
        group = ip_address(data[at + 4 : at + 8])
        places = range(at + 8, min(at + 8 + 4 * count, len(data) - 3), 4)
        sources = ", ".join(str(ip_address(data[place : place + 4])) for place in places)
        if kind in (1, 3) and not count:
            yield f"Leave group {group}"
        elif kind in (2, 4) and not count:
            yield f"Join group {group} for any sources"
        elif kind in (2, 4):
            yield f"Join group {group}, not for sources {{{sources}}}"
        elif kind in (1, 3, 5):
            yield f"Join group {group} for source {{{sources}}}"
        else:
            word = _IGMP_V3_RECORDS.get(kind, f"record {kind}")
            yield f"{word.capitalize()} group {group} sources {{{sources}}}"
        at += 8 + 4 * count + 4 * more


_PIM = {  # RFC 7761, section 4.9
    0: "Hello",
    1: "Register",
    2: "Register-stop",
    3: "Join/Prune",
    4: "Bootstrap",
    5: "Assert",
    6: "Graft",
    7: "Graft-Ack",
    8: "Candidate-RP-Advertisement",
    9: "State-Refresh",
}


def pim(data: bytes) -> tuple[str, str]:
    """Return the version of PIM, and what a message says (RFC 7761, section 4.9)."""
    version, kind = data[0] >> 4, data[0] & 15
    text = _PIM.get(kind, f"type {kind}")
    try:
        if kind == 3 and data[4] == 1:
            text += f" {', '.join(_pim_groups(data))}"
        elif kind == 2 and data[4] == 1:
            group, source = ip_address(data[8:12]), ip_address(data[14:18])
            text += f" ({source}, {group})"
        elif kind == 1:
            source, group = ip_address(data[20:24]), ip_address(data[24:28])
            text += f" ({source}, {group})"
            text += ", empty" if data[4] & 0x40 else ""  # the null-register bit
    except (ValueError, IndexError, struct.error):
        pass  # its kind is known
    return f"PIMv{version}", text.rstrip()


def _pim_groups(data: bytes) -> Iterator[str]:
    # An encoded unicast address of IPv4 is 6 bytes, of a group and of a source 8.
    yield f"to {ip_address(data[6:10])}"
    at = 14
    for _ in range(data[11]):
        group = ip_address(data[at + 4 : at + 8])
        joined, pruned = struct.unpack_from("!HH", data, at + 8)
        at += 12
        for number in range(joined + pruned):
            bits = data[at + 2]
            source = "*" if bits & 2 else str(ip_address(data[at + 4 : at + 8]))
            yield f"{'join' if number < joined else 'prune'} ({source}, {group})"
            at += 8


# -- redundancy -------------------------------------------------------------------


def vrrp(data: bytes) -> str:
    """Say what an advertisement of VRRP says (RFC 3768, RFC 9568)."""
    version, number, priority, count = data[0] >> 4, *data[1:4]
    text = f"Announcement (v{version}), VRID {number}, priority {priority}"
    # Of IPv6 the first is link-local, and each has 16 bytes.
    size = 16 if version == 3 and len(data) >= 8 + 16 * count and count else 4
    addresses = [
        str(ip_address(data[at : at + size]))
        for at in range(8, min(8 + size * count, len(data) - size + 1), size)
    ]
    if priority == 0:
        text += " (stopped)"
    return f"{text}, {', '.join(addresses)}" if addresses else text


_BFD_STATES = ("AdminDown", "Down", "Init", "Up")
_BFD_DIAGNOSTICS = (  # RFC 5880, section 4.1
    "No Diagnostic",
    "Control Detection Time Expired",
    "Echo Function Failed",
    "Neighbor Signaled Session Down",
    "Forwarding Plane Reset",
    "Path Down",
    "Concatenated Path Down",
    "Administratively Down",
    "Reverse Concatenated Path Down",
)


def bfd(data: bytes) -> str:
    """Say what a control packet of BFD says (RFC 5880, section 4.1)."""
    number = data[0] & 31
    known = number < len(_BFD_DIAGNOSTICS)
    diagnostic = _BFD_DIAGNOSTICS[number] if known else str(number)
    mine, yours = struct.unpack_from("!II", data, 4)
    poll = ", Poll" if data[1] & 0x20 else ", Final" if data[1] & 0x10 else ""
    return (
        f"Diag: {diagnostic}, State: {_BFD_STATES[data[1] >> 6]}{poll}, my {mine:#010x}, "
        f"your {yours:#010x}"
    )


# -- services ---------------------------------------------------------------------

_RADIUS = {  # RFC 2865, RFC 2866, RFC 5176
    1: "Access-Request",
    2: "Access-Accept",
    3: "Access-Reject",
    4: "Accounting-Request",
    5: "Accounting-Response",
    11: "Access-Challenge",
    12: "Status-Server",
    13: "Status-Client",
    40: "Disconnect-Request",
    41: "Disconnect-ACK",
    42: "Disconnect-NAK",
    43: "CoA-Request",
    44: "CoA-ACK",
    45: "CoA-NAK",
}


def radius(data: bytes) -> str:
    """Say what a message of RADIUS is, and for which user (RFC 2865)."""
    kind, number, length = struct.unpack_from("!BBH", data)
    if length < 20:
        raise ValueError("a message of RADIUS has 20 bytes at least")
    text = f"{_RADIUS.get(kind, f'code {kind}')} id={number}"
    at = 20
    while at + 2 <= min(len(data), length) and data[at + 1] >= 2:
        value = data[at + 2 : at + data[at + 1]]
        if data[at] == 1:
            text += f", User-Name {value.decode('utf-8', 'replace')}"
        elif data[at] == 18:
            text += f", {value.decode('utf-8', 'replace')!r}"
        at += data[at + 1]
    return text


_NTP_MODES = (  # RFC 5905, figure 10
    "reserved",
    "symmetric active",
    "symmetric passive",
    "client",
    "server",
    "broadcast",
    "control",
    "private",
)


def ntp(data: bytes) -> str:
    """Say what a packet of NTP is, a server's with its stratum (RFC 5905)."""
    version, mode = data[0] >> 3 & 7, data[0] & 7
    text = f"NTP Version {version}, {_NTP_MODES[mode]}"
    if mode in (2, 4, 5) and len(data) >= 48:
        text += f", stratum {data[1]}" if data[1] else f", kiss-o'-death {_text(data[12:16])}"
    return text


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode("ascii", "replace")


_SNMP = {  # RFC 3416, section 3; of version 1 RFC 1157
    0xA0: "get-request",
    0xA1: "get-next-request",
    0xA2: "get-response",
    0xA3: "set-request",
    0xA4: "trap",
    0xA5: "getBulkRequest",
    0xA6: "informRequest",
    0xA7: "snmpV2-trap",
    0xA8: "report",
}


class _Element(NamedTuple):
    """One element of BER: its tag, its bytes, and what follows it."""

    tag: int
    body: bytes
    rest: bytes


def snmp(data: bytes) -> str:
    """Say what a message of SNMP asks, and about which objects (RFC 1157, RFC 3416)."""
    outer = _element(data)
    version = _element(outer.body)
    number = int.from_bytes(version.body, "big")
    if number == 3:
        return _snmp_3(version.rest)
    community = _element(version.rest)
    pdu = _element(community.rest)
    if outer.tag != 0x30 or pdu.tag not in _SNMP:
        raise ValueError("no message of SNMP")
    said = [_SNMP[pdu.tag]]
    if pdu.tag == 0xA4:
        return " ".join([*said, _oid(_element(pdu.body).body)])
    return " ".join([*said, *_snmp_objects(pdu.body)])


def _snmp_3(rest: bytes) -> str:
    # RFC 3412, section 6: header, security parameters, then the data, which may be encrypted.
    security = _element(_element(rest).rest)
    scoped = _element(security.rest)
    if scoped.tag != 0x30:
        return "encryptedPDU: privKey Unknown"
    pdu = _element(_element(_element(scoped.body).rest).rest)
    return " ".join([_SNMP.get(pdu.tag, "message"), *_snmp_objects(pdu.body)])


def _snmp_objects(body: bytes) -> Iterator[str]:
    for _ in range(3):  # the request's number, two more
        body = _element(body).rest
    bindings = _element(body).body
    while bindings:
        binding = _element(bindings)
        yield _oid(_element(binding.body).body)
        bindings = binding.rest


def _element(data: bytes) -> _Element:
    """Take the first element off (X.690, definite lengths)."""
    tag, length, at = data[0], data[1], 2
    if length >= 0x80:
        at = 2 + (length & 0x7F)
        length = int.from_bytes(data[2:at], "big")
    return _Element(tag, data[at : at + length], data[at + length :])


def _oid(data: bytes) -> str:
    numbers, value = [], 0
    for byte in data:
        value = value << 7 | byte & 0x7F
        if value >> 64:
            raise ValueError("a number of an object that is too long")
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    first = numbers[0]
    top = min(first // 40, 2)
    return ".".join(map(str, [top, first - 40 * top, *numbers[1:]]))


# By the port of either end: the protocol's name, and who reads its messages.
BY_PORT: dict[int, tuple[str, Callable[[bytes], str]]] = {
    123: ("NTP", ntp),
    161: ("SNMP", snmp),
    162: ("SNMP", snmp),
    1645: ("RADIUS", radius),
    1646: ("RADIUS", radius),
    1812: ("RADIUS", radius),
    1813: ("RADIUS", radius),
    3784: ("BFD", bfd),
    3799: ("RADIUS", radius),
    4784: ("BFD", bfd),  # over several hops, RFC 5883
}


# -- tunnels ------------------------------------------------------------------------


class Tunnelled(NamedTuple):
    """A tunnel's header in words, the kind of its content, and that content's bytes.

    ``inside`` is "frame" for Ethernet, "ip" for IPv4 and IPv6, or another protocol's name.

    """

    title: str
    inside: str
    data: bytes


def vxlan(data: bytes) -> Tunnelled:
    """Read the header of VXLAN (RFC 7348, section 5)."""
    flags, number = struct.unpack_from("!B3xI", data)
    title = f"VNI {number >> 8}" if flags & 8 else "no VNI"
    return Tunnelled(title, "frame", data[8:])


def gre(data: bytes) -> Tunnelled:
    """Read the header of GRE (RFC 2784, RFC 2890)."""
    flags, kind = struct.unpack_from("!HH", data)
    if flags & 7:
        return Tunnelled(f"version {flags & 7}", "PPP" if kind == 0x880B else f"{kind:#06x}", b"")
    at, titles = 4, []
    for bit, name in ((0x8000, ""), (0x2000, "key"), (0x1000, "seq")):
        if flags & bit:
            (number,) = struct.unpack_from("!I", data, at)
            titles += [f"{name} {number}"] if name else []
            at += 4
    inside = {0x0800: "ip", 0x86DD: "ip", 0x6558: "frame", 0x8847: "MPLS"}.get(kind)
    return Tunnelled(", ".join(titles), inside or f"{kind:#06x}", data[at:])
