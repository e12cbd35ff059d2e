"""Which kinds of interfaces, queues and sockets this kernel has: it is asked for each."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Sequence

from playground.agent.kernel.syscalls import CLONE_NEWNET, unshare
from playground.agent.links.interfaces import (
    IFLA_IFNAME,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    RTM_NEWLINK,
    link_body,
)
from playground.agent.links.netlink import (
    NLA_F_NESTED,
    NLM_F_CREATE,
    NLM_F_EXCL,
    Message,
    Netlink,
    attribute,
    text_attribute,
)
from playground.agent.links.queues import (
    OWN_HANDLE,
    RTM_NEWQDISC,
    TC_H_ROOT,
    TCA_KIND,
    queue_body,
)
from playground.agent.nodes.sysctls import write_sysctl

# Of interfaces and queues the kernel says so of a kind that it does not know; whatever else
# it has against the request (it lacks what the kind needs) comes from the kind itself.
_UNKNOWN = {"link": errno.EOPNOTSUPP, "queue": errno.ENOENT}


def kernel_lacks(trials: Sequence[tuple[str, str]]) -> list[str | None]:
    """Return for each trial None, or what the kernel says where it lacks that.

    To ask makes the kernel load the module, if the machine has it (request_module in
    net/core/rtnetlink.c, net/sched/sch_api.c and net/socket.c).  It happens in a network
    namespace that is gone with this process: for workers.

    """
    unshare(CLONE_NEWNET)
    netlink = Netlink(None)
    try:
        return [_try(netlink, kind, name, count) for count, (kind, name) in enumerate(trials)]
    finally:
        netlink.close()


def _try(netlink: Netlink, kind: str, name: str, count: int) -> str | None:
    if kind == "mpls":
        return _try_mpls()
    if kind == "congestion":
        return _try_congestion(name)
    message = _new_link(name, count) if kind == "link" else _new_queue(name)
    [(_, number, reason)] = netlink.attempt([message])
    if number != _UNKNOWN[kind]:
        return None
    return reason or os.strerror(number)


def _try_mpls() -> str | None:
    # It has no sockets, but to ask for one loads its module (MODULE_ALIAS_NETPROTO).
    with contextlib.suppress(OSError):
        socket.socket(_AF_MPLS, socket.SOCK_DGRAM).close()
    return None if os.path.isdir("/proc/sys/net/mpls") else "it has no settings net.mpls"


def _try_congestion(name: str) -> str | None:
    try:
        write_sysctl("net.ipv4.tcp_congestion_control", name)
    except PermissionError:
        # It has it, and keeps it for its first network (tcp_set_default_congestion_control).
        return "kept"
    except OSError as error:
        return str(error)
    return None


_AF_MPLS = 28  # linux/socket.h


def _new_link(kind: str, count: int) -> Message:
    # A name for each: of one that is there the kernel says so before it looks at the kind.
    information = attribute(IFLA_LINKINFO | NLA_F_NESTED, text_attribute(IFLA_INFO_KIND, kind))
    body = link_body() + text_attribute(IFLA_IFNAME, f"trial{count}") + information
    return Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, f"try the kind {kind}")


def _new_queue(kind: str) -> Message:
    lo = socket.if_nametoindex("lo")
    body = queue_body(lo, TC_H_ROOT, OWN_HANDLE) + text_attribute(TCA_KIND, kind)
    return Message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, body, f"try the queue {kind}")
