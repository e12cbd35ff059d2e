"""Frames that wait in a queue, let go of by the sockets that they came from.

A socket may have as many bytes under way as its buffer takes (sk_wmem_alloc), so that its owner
would wait for a slow link next to it, and the queue never be full.  A copy comes from no
socket.  Root may load a program that copies (`links.ebpf`).  In labs of ordinary users frames
go around by an interface of kind ifb, which sends copies by the interface that they were meant
for (drivers/net/ifb.c).

"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Sequence

from playground.agent.links import ebpf
from playground.agent.links.filters import (
    ETH_P_ALL,
    RTM_DELTFILTER,
    TC_H_CLSACT_EGRESS,
    redirect_messages,
)
from playground.agent.links.interfaces import (
    IFF_UP,
    IFLA_IFNAME,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_TXQLEN,
    RTM_NEWLINK,
    delete_link,
    interface_index,
    kind_or_none,
    link_body,
)
from playground.agent.links.netlink import (
    NLA_F_NESTED,
    NLM_F_CREATE,
    NLM_F_EXCL,
    Message,
    Netlink,
    attempt,
    attribute,
    refusal,
    text_attribute,
)
from playground.agent.links.queues import queue_body
from playground.agent.nodes.sysctls import disable_ipv6

# After all other filters of ours, whose actions are left out when a frame comes back
# (skb_skip_tc_classify in net/sched/act_api.c).
_INFO = 0x706F << 16 | socket.htons(ETH_P_ALL)

# It hands frames on at once; more come only in bursts.
_AROUND_FRAMES = 1000


def let_go(netlink: Netlink, index: int, *, around: bool) -> None:
    """Have what leaves by an interface of the present namespace come from no socket.

    Where the kernel allows neither way, a sender next to the link is held back.  So it is where
    only the way around is left and not ``around``: what comes back from there passes filters of
    the egress hook a second time, and one that loses frames would lose twice as many.

    """
    if not _copied(netlink, index) and around:
        _lead_around(netlink, index)


def hold_again(netlink: Netlink, index: int) -> None:
    """Take away what `let_go` has set; nothing there is no error."""
    attempt(netlink, ebpf.delete_leaving(index), errno.ENOENT, errno.EINVAL)
    if not _is_around(netlink, around_name(index)):
        return
    body = queue_body(index, TC_H_CLSACT_EGRESS, 0, _INFO)
    message = Message(RTM_DELTFILTER, 0, body, "take away the filter that leads around")
    attempt(netlink, message, errno.ENOENT, errno.EINVAL)
    attempt(netlink, delete_link(around_name(index)), errno.ENODEV)


def around_name(index: int) -> str:
    """The name of the interface by which frames go around."""
    return f"queue{index}"


def _copied(netlink: Netlink, index: int) -> bool:
    """Have a program copy what leaves; tell whether this kernel and this user may."""
    try:
        messages, descriptor = ebpf.leaving_copied(index)
    except OSError:
        return False
    try:
        return _hooked(netlink, messages)
    finally:
        os.close(descriptor)


def _hooked(netlink: Netlink, messages: Sequence[Message]) -> bool:
    """Hook something at an interface; tell whether the kernel has what that takes.

    The hooks are sch_ingress.ko's, programs cls_bpf.ko's, ways to elsewhere act_mirred.ko's; a
    kernel may have any of them without the others.

    """
    for message, number, reason in netlink.attempt(messages):
        if number in (errno.ENOENT, errno.EOPNOTSUPP):
            return False
        if number:
            raise refusal(message, number, reason)
    return True


def _is_around(netlink: Netlink, name: str) -> bool:
    """Whether frames go around by an interface of this name; another kind was made by hand."""
    return kind_or_none(netlink, name) == "ifb"


def _lead_around(netlink: Netlink, index: int) -> None:
    name = around_name(index)
    if not _is_around(netlink, name):
        information = attribute(IFLA_LINKINFO | NLA_F_NESTED, text_attribute(IFLA_INFO_KIND, "ifb"))
        body = link_body() + text_attribute(IFLA_IFNAME, name) + information
        body += attribute(IFLA_TXQLEN, struct.pack("I", _AROUND_FRAMES))
        message = Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, f"make {name} (ifb)")
        [(_, number, _)] = netlink.attempt([message])
        if number:  # a kernel without the module, or the name is another's
            return
        disable_ipv6(name)
    up = link_body(IFF_UP, IFF_UP) + text_attribute(IFLA_IFNAME, name)
    netlink.send([Message(RTM_NEWLINK, 0, up, f"set the interface {name} up")])
    leading = redirect_messages(index, TC_H_CLSACT_EGRESS, interface_index(name), _INFO)
    if not _hooked(netlink, leading):
        attempt(netlink, delete_link(name), errno.ENODEV)
