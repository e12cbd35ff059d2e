"""Bonds: interfaces that are made of others, made and read; ip-link(8), linux/if_link.h."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from playground.agent.kernel.offloads import Offloads
from playground.agent.links.bridge_vlans import carry
from playground.agent.links.interfaces import (
    IFLA_ADDRESS,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_INFO_SLAVE_DATA,
    IFLA_LINKINFO,
    IFLA_MASTER,
    IFLA_MTU,
    RTM_GETLINK,
    RTM_NEWLINK,
    delete_link,
    index_or_none,
    interface_index,
    link_body,
    set_link,
)
from playground.agent.links.netlink import (
    NLA_F_NESTED,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    Message,
    Netlink,
    attribute,
    attributes,
    plain_text,
    read_number,
    sockets_to,
    text_attribute,
)
from playground.agent.nodes.sysctls import disable_ipv6
from playground.agent.protocol import Request

# linux/if_link.h
IFLA_BOND_MODE = 1
IFLA_BOND_ACTIVE_SLAVE = 2
IFLA_BOND_MIIMON = 3
IFLA_BOND_PRIMARY = 11
IFLA_BOND_XMIT_HASH_POLICY = 14
IFLA_BOND_AD_LACP_RATE = 21
IFLA_BOND_AD_INFO = 23
IFLA_BOND_AD_INFO_AGGREGATOR = 1
IFLA_BOND_AD_INFO_PARTNER_MAC = 5
IFLA_BOND_SLAVE_STATE = 1
IFLA_BOND_SLAVE_MII_STATUS = 2
IFLA_BOND_SLAVE_LINK_FAILURE_COUNT = 3
IFLA_BOND_SLAVE_AD_AGGREGATOR_ID = 6
IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE = 8
# linux/if_bonding.h: BOND_STATE_ACTIVE, BOND_LINK_UP, the number of 802.3ad; a second a message
BOND_STATE_ACTIVE = 0
BOND_LINK_UP = 0
MODE_8023AD = 4
AD_LACP_FAST = 1
# IEEE 802.1AX section 6.4.2.3: a port says with these bits that it sends and receives.
COLLECTING_DISTRIBUTING = 0x30


def make_bond(netlink: Netlink, wanted: Request, offload: bool) -> None:
    """Make a bond in the present network namespace, and its members its own; it is left down.

    One that is there already stays.  On a failure nothing is left.

    """
    name = wanted["name"]
    if index_or_none(name) is not None:
        return
    netlink.send([new_bond(wanted)])
    try:
        index = interface_index(name)
        for member in wanted["members"]:
            # The kernel takes none that is up, and sets it up itself.
            netlink.send([set_link(member, up=False)])
            netlink.send([set_link(member, up=False, master=index)])
        if wanted["primary"] is not None:
            primary = struct.pack("I", interface_index(wanted["primary"]))
            options = attribute(IFLA_BOND_PRIMARY, primary)
            netlink.send([_bond(name, options, 0, f"choose the primary link of {name}")])
        if not offload:
            Offloads().off(name)
    except BaseException:
        netlink.attempt([delete_link(name)])
        raise


def new_bond(wanted: Request) -> Message:
    options = attribute(IFLA_BOND_MODE, struct.pack("B", wanted["mode"]))
    options += attribute(IFLA_BOND_MIIMON, struct.pack("I", wanted["miimon_ms"]))
    if wanted["hash"] is not None:
        options += attribute(IFLA_BOND_XMIT_HASH_POLICY, struct.pack("B", wanted["hash"]))
    if wanted["lacp"]:
        options += attribute(IFLA_BOND_AD_LACP_RATE, struct.pack("B", AD_LACP_FAST))
    message = _bond(
        wanted["name"], options, NLM_F_CREATE | NLM_F_EXCL, f"make the bond {wanted['name']}"
    )
    message.body += attribute(IFLA_MTU, struct.pack("I", wanted["mtu_bytes"]))
    if wanted["mac"]:
        message.body += attribute(IFLA_ADDRESS, bytes.fromhex(wanted["mac"].replace(":", "")))
    return message


def _bond(name: str, options: bytes, flags: int, purpose: str) -> Message:
    information = text_attribute(IFLA_INFO_KIND, "bond")
    information += attribute(IFLA_INFO_DATA | NLA_F_NESTED, options)
    body = link_body() + text_attribute(IFLA_IFNAME, name)
    body += attribute(IFLA_LINKINFO | NLA_F_NESTED, information)
    return Message(RTM_NEWLINK, flags, body, purpose)


def bond_ports(ends: Sequence[Request]) -> None:
    """Make bonds that are ports of bridges, of pairs whose ends are here and in no bridge."""
    netlink = Netlink(None)
    try:
        for end in ends:
            name = end["interface"]
            make_bond(netlink, end["bond"], end["offload"])
            disable_ipv6(name)
            if end.get("vlans"):
                netlink.send([set_link(name, up=True)])
                carry(netlink, end["bridge"], name, end["vlans"], end["offload"])
            else:
                bridge = interface_index(end["bridge"])
                netlink.send([set_link(name, up=True, master=bridge)])
    finally:
        netlink.close()


def bonds(ends: Sequence[Request]) -> list[list[Request]]:
    """Return for each bond a row for each member, in the order in which they were made."""
    found = []
    with sockets_to(ends) as sockets:
        for end, netlink in zip(ends, sockets, strict=True):
            question = Message(RTM_GETLINK, NLM_F_DUMP, link_body(), "look at the bonds")
            links = {}
            for answer in netlink.ask(question):
                (index,) = struct.unpack_from("i", answer, 4)
                links[index] = attributes(answer[16:])
            found.append(_members(links, end["interface"]))
    return found


def _members(links: dict[int, dict[int, bytes]], name: str) -> list[Request]:
    own = {plain_text(found[IFLA_IFNAME]): index for index, found in links.items()}
    if name not in own:
        raise OSError(19, f"there is no interface {name}")  # ENODEV
    bond = attributes(attributes(links[own[name]][IFLA_LINKINFO]).get(IFLA_INFO_DATA, b""))
    lacp = bond.get(IFLA_BOND_MODE, b"\0")[0] == MODE_8023AD
    aggregate = attributes(bond.get(IFLA_BOND_AD_INFO, b""))
    rows = []
    for found in links.values():
        if (read_number(found, IFLA_MASTER) or 0) != own[name]:
            continue
        member = attributes(attributes(found[IFLA_LINKINFO]).get(IFLA_INFO_SLAVE_DATA, b""))
        up = member[IFLA_BOND_SLAVE_MII_STATUS][0] == BOND_LINK_UP
        active = member[IFLA_BOND_SLAVE_STATE][0] == BOND_STATE_ACTIVE
        partner = None
        if lacp:
            chosen = aggregate.get(IFLA_BOND_AD_INFO_AGGREGATOR)
            state = _short(member.get(IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE))
            ready = state & COLLECTING_DISTRIBUTING == COLLECTING_DISTRIBUTING
            same = member.get(IFLA_BOND_SLAVE_AD_AGGREGATOR_ID) == chosen
            active = active and ready and same
            partner = aggregate.get(IFLA_BOND_AD_INFO_PARTNER_MAC, b"").hex(":")
        rows.append(
            {
                "interface": plain_text(found[IFLA_IFNAME]),
                "up": up,
                "active": up and active,
                "failures": read_number(member, IFLA_BOND_SLAVE_LINK_FAILURE_COUNT) or 0,
                "partner": partner,
            }
        )
    return rows


def _short(data: bytes | None) -> int:
    return struct.unpack("H", data[:2])[0] if data else 0
