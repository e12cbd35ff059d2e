"""Routes and policy rules that were said by hand: any table, metric and kind."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Sequence

from playground.agent.links.interfaces import interface_index
from playground.agent.links.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Message,
    Netlink,
    attribute,
    attributes,
    read_number,
    refusal,
    text_attribute,
)
from playground.agent.network.addresses import (
    RT_SCOPE_LINK,
    RT_SCOPE_NOWHERE,
    RT_SCOPE_UNIVERSE,
    packed_prefix,
)
from playground.agent.network.routes import (
    RT_TABLE_LOCAL,
    RT_TABLE_MAIN,
    RTA_DST,
    RTA_MULTIPATH,
    RTA_OIF,
    RTA_PRIORITY,
    RTA_TABLE,
    RTM_DELROUTE,
    RTM_NEWROUTE,
    RTPROT_STATIC,
    gateway_attribute,
)
from playground.agent.protocol import Request

# linux/rtnetlink.h
RTM_NEWRULE = 32
RTM_DELRULE = 33
RTM_GETRULE = 34
RTN_KINDS = {"unicast": 1, "blackhole": 6, "unreachable": 7, "prohibit": 8}

# linux/fib_rules.h
FRA_DST = 1
FRA_SRC = 2
FRA_IIFNAME = 3
FRA_PRIORITY = 6
FRA_FWMARK = 10
FRA_TABLE = 15
FR_ACT_TO_TBL = 1


def own_route(kind: int, entry: Request) -> Message:
    """A route that was said by hand: any table, metric and kind, several next hops."""
    family, packed, length = packed_prefix(entry["destination"])
    adding = kind == RTM_NEWROUTE
    hops = entry["hops"]
    on_link = hops and family == socket.AF_INET and all(hop["via"] is None for hop in hops)
    scope = RT_SCOPE_LINK if on_link else RT_SCOPE_UNIVERSE
    header = struct.pack(
        "BBBBBBBBI",
        family,
        length,
        0,
        0,
        entry["table"] if entry["table"] < 256 else 0,
        RTPROT_STATIC,
        scope if adding else RT_SCOPE_NOWHERE,
        RTN_KINDS[entry["kind"]],
        0,
    )
    body = attribute(RTA_TABLE, struct.pack("I", entry["table"]))
    if length:
        body += attribute(RTA_DST, packed)
    if entry["metric"] is not None:
        body += attribute(RTA_PRIORITY, struct.pack("I", entry["metric"]))
    if adding:
        body += _hops(family, hops)
    flags = NLM_F_CREATE | NLM_F_REPLACE if adding else 0
    purpose = f"{'add' if adding else 'remove'} the route to {entry['destination']}"
    return Message(kind, flags, header + body, purpose)


def _hops(family: int, hops: Sequence[Request]) -> bytes:
    found = []
    for hop in hops:
        via = b"" if hop["via"] is None else gateway_attribute(family, hop["via"])
        found.append((interface_index(hop["interface"]), via))
    if len(found) == 1:
        return attribute(RTA_OIF, struct.pack("I", found[0][0])) + found[0][1]
    # struct rtnexthop; a weight of 0 stands for one share.
    rows = b"".join(struct.pack("HBBi", 8 + len(via), 0, 0, i) + via for i, via in found)
    return attribute(RTA_MULTIPATH, rows) if rows else b""


def policy_rule(kind: int, entry: Request) -> Message:
    """A rule of policy routing, struct fib_rule_hdr and its attributes."""
    body = b""
    lengths = []
    for which, said in ((FRA_DST, entry["destination"]), (FRA_SRC, entry["source"])):
        _, packed, length = packed_prefix(said) if said else (0, b"", 0)
        lengths.append(length)
        body += attribute(which, packed) if length else b""
    if entry["interface"]:
        body += text_attribute(FRA_IIFNAME, entry["interface"])
    if entry["mark"] is not None:
        body += attribute(FRA_FWMARK, struct.pack("I", entry["mark"]))
    body += attribute(FRA_PRIORITY, struct.pack("I", entry["priority"]))
    body += attribute(FRA_TABLE, struct.pack("I", entry["table"]))
    family = socket.AF_INET6 if entry["family"] == 6 else socket.AF_INET
    header = struct.pack("BBBBBBBBI", family, *lengths, 0, 0, 0, 0, FR_ACT_TO_TBL, 0)
    adding = kind == RTM_NEWRULE
    flags = NLM_F_CREATE | NLM_F_EXCL if adding else 0
    purpose = f"{'add' if adding else 'remove'} the policy rule {entry['priority']}"
    return Message(kind, flags, header + body, purpose)


def steer_back(netlink: Netlink, node: Request) -> None:
    """Take away what was said by hand; what is gone already is no error."""
    messages = [policy_rule(RTM_DELRULE, entry) for entry in node.get("rules_remove", [])]
    messages += [own_route(RTM_DELROUTE, entry) for entry in node.get("own_routes_remove", [])]
    for message, number, reason in netlink.attempt(messages):
        if number not in (0, errno.ESRCH, errno.ENOENT):
            raise refusal(message, number, reason)


def steer(netlink: Netlink, node: Request) -> None:
    netlink.send([own_route(RTM_NEWROUTE, entry) for entry in node.get("own_routes_add", [])])
    messages = [policy_rule(RTM_NEWRULE, entry) for entry in node.get("rules_add", [])]
    for message, number, reason in netlink.attempt(messages):
        if number not in (0, errno.EEXIST):
            raise refusal(message, number, reason)


def policy_rules(pid: int) -> list[Request]:
    netlink = Netlink(pid)
    rows = []
    for family, number in ((socket.AF_INET, 4), (socket.AF_INET6, 6)):
        header = struct.pack("BBBBBBBBI", family, *[0] * 8)
        for answer in netlink.ask(Message(RTM_GETRULE, NLM_F_DUMP, header, "read the rules")):
            found = attributes(answer[12:])
            table = read_number(found, FRA_TABLE) or 0
            # The kernel's own: local, main and default.
            if answer[0] == family and table not in (RT_TABLE_LOCAL, RT_TABLE_MAIN, 253):
                rows.append(_rule_row(answer, found, number) | {"table": table})
    return rows


def _rule_row(answer: bytes, found: dict[int, bytes], family: int) -> Request:
    def prefix(kind: int, length: int) -> str | None:
        return f"{socket.inet_ntop(answer[0], found[kind])}/{length}" if kind in found else None

    interface = found.get(FRA_IIFNAME)
    return {
        "family": family,
        "priority": read_number(found, FRA_PRIORITY) or 0,
        "source": prefix(FRA_SRC, answer[2]),
        "destination": prefix(FRA_DST, answer[1]),
        "interface": interface.rstrip(b"\0").decode() if interface else None,
        "mark": read_number(found, FRA_FWMARK),
    }
