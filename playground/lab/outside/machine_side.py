"""Plumbing that reaches out of labs: into any container, and into the machine itself.

A script of the standard library and the agent's modules, run by `outside.plumber` as root in
the machine's process-id namespace, and for what concerns the machine in its network
namespace: as a process of its own, or on Docker in a container.  It is started with
one argument, a JSON object with ``op`` and what that takes; it prints one line, the
reply, ``{"result": ...}`` or ``{"error": ...}`` as the agent writes errors.

``pid`` is any process in the network namespace meant, ``0`` the machine's own.

look(pid) -> [{"name", "mac", "up", "carrier", "mtu_bytes", "addresses", "plugged"}]
    The interfaces of a container; ``plugged`` is the note of `plug` or null.
plug(pid, interface, mac, addresses, routes, gateway, mtu_bytes, offload, kind, of,
        bridge, port, note, dhcp, vlan, container) -> {"interface", "mac", "addresses"}
    Give a container an interface (null: the first free ethN).  ``kind`` is "switch":
    a veth pair whose other end is ``port`` in the namespace of the process ``of``,
    on ``bridge`` there, with ``vlan`` an access port of that one, and with the name
    ``container`` in its alias; "macvlan" or
    "physical": of the machine's interface ``of``; "dummy".  ``dhcp`` is null or
    {"hostname", "timeout_s"}: an address is asked for, and a process stays that
    renews it.  For "physical" one stays that gives the interface back when the container
    ends.  On a failure all is as it was.
unplug(pid, interface) -> null
    Take away what `plug` has made, and put back what it has replaced.
wait(pid, interface, timeout_s) -> bool
    Wait until there is an interface of that name that is up and has a carrier, or
    until whoever asked is gone: the end of the standard input.
reach(pid, inside, outside, addresses, way_out, detach, note) -> {"addresses", "through"}
    Link a node with the machine by a veth pair, ``outside`` on the machine's side,
    with an address on each side: ``addresses`` are pairs to choose from (the
    machine's first), the first that no route of the machine or the node leads to.
    ``way_out`` is null or ``{"through": [device, ...]}``: then the node's
    default route leads there, and the machine lets its packets out by these devices
    (none: those of its default routes) under addresses of its own.  A process stays
    for as long as the interface is there, and after that puts back what was changed
    on the machine; with ``detach`` one that nobody waits for.
release(outside, pid) -> null
    Remove such a pair, the node's rules for it too, and wait until the machine is as it was before.

What `plug` has to remember stands in the interface's own alias (ip-link(8)), as
JSON, and goes with it: there are no state files.

"""

from __future__ import annotations

import contextlib
import errno
import functools
import ipaddress
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from playground.agent.kernel.offloads import Offloads
from playground.agent.kernel.syscalls import CLONE_NEWNET, prctl, read_text, setns
from playground.agent.links.links import (
    IFF_UP,
    IFLA_ADDRESS,
    IFLA_IFALIAS,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MTU,
    IFLA_NET_NS_FD,
    RTM_GETLINK,
    RTM_NEWLINK,
    delete_link,
    interface_index,
    link_body,
    new_veth,
    set_link,
)
from playground.agent.links.netlink import (
    NLA_F_NESTED,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    RTMGRP_LINK,
    Message,
    Netlink,
    attribute,
    attributes,
    text_attribute,
)
from playground.agent.links.tagging import IFLA_LINK
from playground.agent.links.vlans import carry
from playground.agent.network.addresses import (
    IFA_ADDRESS,
    IFA_LOCAL,
    RT_SCOPE_LINK,
    RTM_GETADDR,
    new_address,
    packed_address,
)
from playground.agent.network.leases import lease
from playground.agent.network.routes import (
    RT_TABLE_MAIN,
    RTA_DST,
    RTA_GATEWAY,
    RTA_OIF,
    RTA_PRIORITY,
    RTM_GETROUTE,
    RTM_NEWROUTE,
    RTN_UNICAST,
    route,
)
from playground.agent.nodes.sysctls import read_sysctl, write_sysctl
from playground.agent.protocol import Request, describe

# linux/prctl.h, linux/if_link.h, linux/rtnetlink.h; what the agent does not need.
PR_SET_CHILD_SUBREAPER = 36
IFLA_MACVLAN_MODE = 1
MACVLAN_MODE_BRIDGE = 4
IFF_LOWER_UP = 1 << 16
IFALIAS_LENGTH = 255

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# How long the machine may take to be as it was, once nothing stands in the way.
_RELEASE_LIMIT_S = 10.0


def main() -> NoReturn:
    """Do what the one argument says; never returns."""
    request = json.loads(sys.argv[-1])
    machine_networks()
    stay = request.pop("stay", False)
    if stay:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        reply = {"result": OPS[request.pop("op")](**request)}
    except Exception as error:
        reply = {"error": describe(error)}
    say(reply)
    if stay:
        # A container ends with its first process, and others may have to stay.
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()
    os._exit(0)


def say(reply: Request) -> None:
    line = memoryview(json.dumps(reply).encode() + b"\n")
    with contextlib.suppress(OSError):  # who asked may be gone
        while line:
            line = line[os.write(1, line) :]


# -- Namespaces --------------------------------------------------------------


def open_network(pid: int) -> int:
    """Open the network namespace of a process, 0: the one that this process began in.

    Raises OSError where a process has none of its own.

    """
    if not pid:
        return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessLookupError(errno.ESRCH, f"process {pid} has ended") from None
    if os.fstat(fd).st_ino in machine_networks():
        os.close(fd)
        raise OSError(
            errno.EBUSY,
            f"process {pid} uses the network of the machine itself, which is left alone: it has "
            "no network of its own to plug anything into",
        )
    return fd


@functools.cache
def machine_networks() -> set[int]:
    """Return the inode numbers of what is the machine's own, first called from there."""
    found = set()
    for path in ("/proc/self/ns/net", "/proc/1/ns/net"):
        with contextlib.suppress(OSError):  # the first process may be hidden
            found.add(os.stat(path).st_ino)
    return found


@contextlib.contextmanager
def network_of(pid: int) -> Iterator[Netlink]:
    """Be in a process's network namespace, with a line to the kernel there."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = open_network(pid)
    try:
        setns(there, CLONE_NEWNET)
        netlink = Netlink(None)
        try:
            yield netlink
        finally:
            netlink.close()
            setns(own, CLONE_NEWNET)
    finally:
        os.close(own)
        os.close(there)


def quiet(interface: str) -> None:
    """Keep an interface from asking for routers and from trying its addresses."""
    for name, value in (("router_solicitations", "0"), ("accept_ra", "0"), ("dad_transmits", "0")):
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            write_sysctl(f"net/ipv6/conf/{interface}/{name}", value)


def without_ipv6(interface: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        write_sysctl(f"net/ipv6/conf/{interface}/disable_ipv6", "1")


# -- Looking -----------------------------------------------------------------


def look(pid: int) -> list[Request]:
    with network_of(pid) as netlink:
        return list(interfaces(netlink))


def interfaces(netlink: Netlink) -> Iterator[Request]:
    addresses: dict[int, list[str]] = {}
    question = Message(RTM_GETADDR, NLM_F_DUMP, bytes(8), "look at the addresses")
    for body in netlink.ask(question):
        family, length, _, scope, index = struct.unpack_from("BBBBI", body)
        found = attributes(body[8:])
        # Of a point-to-point address IFA_ADDRESS is the other end's.
        packed = found.get(IFA_LOCAL) or found[IFA_ADDRESS]
        if scope != RT_SCOPE_LINK:
            text = f"{socket.inet_ntop(family, packed)}/{length}"
            addresses.setdefault(index, []).append(text)
    question = Message(RTM_GETLINK, NLM_F_DUMP, link_body(), "look at the interfaces")
    for body in netlink.ask(question):
        index, flags = struct.unpack_from("iI", body, 4)
        found = attributes(body[16:])
        yield {
            "index": index,
            "name": found[IFLA_IFNAME].rstrip(b"\0").decode(),
            "mac": found.get(IFLA_ADDRESS, b"").hex(":"),
            "up": bool(flags & IFF_UP),
            "carrier": bool(flags & IFF_LOWER_UP),
            "mtu_bytes": struct.unpack("I", found[IFLA_MTU])[0],
            "addresses": addresses.get(index, []),
            "plugged": read_note(found.get(IFLA_IFALIAS, b"")),
        }


def read_note(alias: bytes) -> Request | None:
    """Return what `plug` has written into an interface's alias; None: nothing."""
    with contextlib.suppress(ValueError):
        note = json.loads(alias.rstrip(b"\0") or b"null")
        if isinstance(note, dict) and "playground" in note:
            return note
    return None


def default_routes(netlink: Netlink, family: int) -> list[Request]:
    """Return the default routes of the main table: {"via", "interface"}, the preferred first."""
    header = struct.pack("BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, 0, 0)
    question = Message(RTM_GETROUTE, NLM_F_DUMP, header, "look at the routes")
    found = []
    for body in netlink.ask(question):
        _, length, _, _, table, _, _, kind = struct.unpack_from("BBBBBBBB", body)
        values = attributes(body[12:])
        if length or table != RT_TABLE_MAIN or kind != RTN_UNICAST:
            continue
        if RTA_OIF not in values:
            continue
        via = values.get(RTA_GATEWAY)
        (index,) = struct.unpack("i", values[RTA_OIF])
        metric = struct.unpack("I", values.get(RTA_PRIORITY, bytes(4)))[0]
        entry = {
            "destination": "0.0.0.0/0" if family == socket.AF_INET else "::/0",
            "via": socket.inet_ntop(family, via) if via else None,
            "interface": socket.if_indextoname(index),
        }
        found.append((metric, entry))
    return [entry for _, entry in sorted(found, key=lambda row: row[0])]


# -- Plugging ----------------------------------------------------------------


def plug(
    pid: int,
    interface: str | None,
    mac: str | None,
    addresses: Sequence[str],
    routes: Sequence[Request],
    gateway: str | None,
    mtu_bytes: int | None,
    offload: bool,
    kind: str,
    of: Any,
    bridge: str | None,
    port: str | None,
    note: Request,
    dhcp: Request | None,
    vlan: int | None,
    container: str = "",
) -> Request:
    with network_of(pid) as netlink:
        there = {row["name"]: row for row in interfaces(netlink)}
        name = interface or next(
            f"eth{number}" for number in range(len(there) + 1) if f"eth{number}" not in there
        )
        if name in there:
            raise FileExistsError(errno.EEXIST, f"it has an interface {name} already")
        replaced = []
        if gateway:
            family, _ = packed_address(gateway)
            # That of no metric is the one that a new one takes the place of.
            replaced = default_routes(netlink, family)[:1]
    note = {"playground": 1, "kind": kind, **note}
    if replaced:
        note["default"] = replaced[0]
    undo: list[Callable[[], None]] = []
    try:
        if kind == "switch":
            _make_veth(pid, name, mac, mtu_bytes or 1500, offload, of, bridge, port, undo)
            with network_of(of) as netlink:
                write_note(netlink, str(port), {"playground": 1, "plugged": container})
            if vlan is not None:
                with network_of(of) as netlink:
                    carry(netlink, str(bridge), str(port), {"vlan": vlan, "trunk": []}, offload)
        elif kind == "physical":
            _move_in(pid, name, of, note, undo)
        else:
            _make_upon(pid, name, kind, of, mtu_bytes, undo)
        with network_of(pid) as netlink:
            if kind != "switch":
                _adjust(netlink, name, mac, mtu_bytes)
            write_note(netlink, name, note)
            if replaced:
                undo.append(lambda: _put_back_default(pid, replaced[0]))
            _configure(netlink, name, addresses, routes, gateway)
        if dhcp is not None:
            _lease(pid, name, dhcp)
        with network_of(pid) as netlink:
            row = next(row for row in interfaces(netlink) if row["name"] == name)
    except BaseException:
        for step in reversed(undo):
            with contextlib.suppress(OSError):
                step()
        raise
    return {"interface": name, "mac": row["mac"], "addresses": row["addresses"]}


def _lease(pid: int, name: str, dhcp: Request) -> None:
    """Get an address by DHCP; the default route too, where there is none yet."""
    with network_of(pid) as netlink:
        first = not default_routes(netlink, socket.AF_INET)
    client = {"pid": pid, "interface": name, "watch": pid, "gateway": first, **dhcp}
    timeout_s = client.pop("timeout_s")
    if lease([client], timeout_s) == [None]:
        raise TimeoutError(
            errno.ETIMEDOUT,
            f"nobody has given {name} an address by DHCP within {timeout_s:g} s: is there a "
            "server on that network?",
        )


def _make_veth(
    pid: int,
    name: str,
    mac: str | None,
    mtu_bytes: int,
    offload: bool,
    of: int,
    bridge: str | None,
    port: str | None,
    undo: list[Callable[[], None]],
) -> None:
    inside = open_network(pid)
    try:
        with network_of(of) as netlink:
            master = interface_index(str(bridge))
            a = {"pid": None, "interface": port}
            b = {"pid": pid, "interface": name, "mac": mac}
            netlink.send([new_veth(a, b, mtu_bytes, inside)])
            undo.append(lambda: _delete(of, str(port)))
            if not offload:
                Offloads().off(str(port))
            without_ipv6(str(port))
            netlink.send([set_link(str(port), up=True, master=master)])
        if not offload:
            with network_of(pid):
                Offloads().off(name)
    finally:
        os.close(inside)


def _make_upon(
    pid: int,
    name: str,
    kind: str,
    of: Any,
    mtu_bytes: int | None,
    undo: list[Callable[[], None]],
) -> None:
    """Make a macvlan of one of the machine's interfaces, or a dummy, inside."""
    inside = open_network(pid)
    try:
        info = text_attribute(IFLA_INFO_KIND, kind)
        body = link_body() + text_attribute(IFLA_IFNAME, name)
        body += attribute(IFLA_NET_NS_FD, struct.pack("I", inside))
        if kind == "macvlan":
            mode = attribute(IFLA_MACVLAN_MODE, struct.pack("I", MACVLAN_MODE_BRIDGE))
            info += attribute(IFLA_INFO_DATA | NLA_F_NESTED, mode)
            body += attribute(IFLA_LINK, struct.pack("I", interface_index(of)))
        body += attribute(IFLA_LINKINFO | NLA_F_NESTED, info)
        flags = NLM_F_CREATE | NLM_F_EXCL
        message = Message(RTM_NEWLINK, flags, body, f"make the {kind} {name}")
        with network_of(0) as netlink:
            try:
                netlink.send([message])
            except OSError as error:
                if error.errno == errno.EOPNOTSUPP:
                    raise OSError(
                        errno.EOPNOTSUPP,
                        f"the kernel of this machine has no {kind} interfaces (CONFIG_"
                        f"{kind.upper()}): use another kind, such as a switch of a lab",
                    ) from None
                raise
        undo.append(lambda: _delete(pid, name))
    finally:
        os.close(inside)


def _move_in(pid: int, name: str, of: str, note: Request, undo: list[Callable[[], None]]) -> None:
    """Move one of the machine's interfaces into a container, under another name."""
    with network_of(0) as netlink:
        row = next((row for row in interfaces(netlink) if row["name"] == of), None)
        if row is None:
            raise OSError(errno.ENODEV, f"the machine has no interface {of}")
        families = (socket.AF_INET, socket.AF_INET6)
        ways = [entry for family in families for entry in default_routes(netlink, family)]
        if any(entry["interface"] == of for entry in ways):
            raise OSError(
                errno.EBUSY,
                f"{of} is this machine's own way out, and stays: take another, or a macvlan of it",
            )
        note["was"] = {"name": of, "up": row["up"], "mac": row["mac"], "mtu": row["mtu_bytes"]}
        note["was"]["addresses"] = row["addresses"]
        inside = open_network(pid)
        try:
            netlink.send([set_link(of, up=False)])
            undo.append(lambda: _raise_again(row))
            body = struct.pack("BxHiII", 0, 0, row["index"], 0, 0)
            body += attribute(IFLA_NET_NS_FD, struct.pack("I", inside))
            body += text_attribute(IFLA_IFNAME, name)
            purpose = f"move {of} into the container as {name}"
            netlink.send([Message(RTM_NEWLINK, 0, body, purpose)])
        finally:
            os.close(inside)
    undo[:] = [lambda: _move_back(pid, name, note["was"])]
    _start_holding(pid, name, note["was"])


def _raise_again(row: Request) -> None:
    with network_of(0) as netlink:
        _restore_interface(netlink, {**row, "mtu": row["mtu_bytes"]})


def _move_back(pid: int, name: str, was: Request) -> None:
    """Give the machine back its interface: name, MAC, MTU, addresses, and whether it is up."""
    outside = open_network(0)
    try:
        called = _free_name(was["name"])
        with network_of(pid) as netlink:
            _hand_over(netlink, interface_index(name), name, outside, called)
    finally:
        os.close(outside)
    with network_of(0) as netlink:
        _restore_interface(netlink, {**was, "name": called})


def _hand_over(netlink: Netlink, index: int, name: str, outside: int, called: str) -> None:
    """Move an interface into the machine's namespace, under a name that is free there.

    Were it taken, the interface would be there under the name that it has, and the kernel say
    that it failed.

    """
    write_note(netlink, name, None)
    netlink.send([set_link(name, up=False)])
    body = struct.pack("BxHiII", 0, 0, index, 0, 0)
    body += attribute(IFLA_NET_NS_FD, struct.pack("I", outside))
    body += text_attribute(IFLA_IFNAME, called)
    purpose = f"give {name} back to the machine as {called}"
    netlink.send([Message(RTM_NEWLINK, 0, body, purpose)])


# An abstract socket that is there for as long as an interface may have to come back.
_HELD = "@playground-physical/"


def _start_holding(pid: int, name: str, was: Request) -> None:
    """Have a process give the interface back when the container ends, however that comes about.

    With a network namespace the kernel moves cards to the machine, under whatever name they
    have by then and without addresses, and ends what is no card (a veth).  This process
    keeps the namespace for the moment that it takes to do better.  It is no child of
    whoever asked, and in no lab, so it outlives both.

    """
    inside, own = open_network(pid), open_network(0)
    first = os.pidfd_open(pid)
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door,
        network_of(pid),
        link_events() as events,
    ):
        index = interface_index(name)
        # Of the machine's namespace, in which it was opened (unix(7)).
        door.bind(f"\0{_HELD[1:]}{pid}/{name}")
        door.listen()
        if os.fork():
            os.close(inside)
            os.close(own)
            os.close(first)
            return
        try:
            os.setsid()
            _let_go_but({door.fileno(), events.fileno(), inside, own, first})
            if _wait_for_end(index, first, events):
                _give_back(index, own, was)
        finally:
            os._exit(0)


def _wait_for_end(index: int, first: int, events: socket.socket) -> bool:
    """Wait until the container has ended, True, or its interface has left it, False."""
    waiting = select.poll()
    waiting.register(first, select.POLLIN)
    waiting.register(events, select.POLLIN)
    while True:
        if any(fd == first for fd, _ in waiting.poll()):
            return _is_numbered(index)
        hear(events)
        if not _is_numbered(index):
            return False


def _is_numbered(index: int) -> bool:
    with contextlib.suppress(OSError):
        return bool(socket.if_indextoname(index))
    return False


def _give_back(index: int, machine: int, was: Request) -> None:
    """Move an interface of the present namespace to the machine's; leave both as they were."""
    netlink = Netlink(None)
    # Whoever was root there may have called it something else.
    name = socket.if_indextoname(index)
    setns(machine, CLONE_NEWNET)
    outside, called = Netlink(None), _free_name(was["name"])
    _hand_over(netlink, index, name, machine, called)
    _restore_interface(outside, {**was, "name": called})


def _free_name(wanted: str) -> str:
    """Return a name for an interface that comes back: its own, unless somebody has taken it."""
    there = {name for _, name in socket.if_nameindex()}
    names = (wanted, *(f"{wanted[:12]}.{number}" for number in range(1, 100)))
    return next(name for name in names if name not in there)


def _let_go_but(kept: set[int]) -> None:
    """Have nothing open that anybody could wait for, and let nobody but kill -9 end this."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    null = os.open("/dev/null", os.O_RDWR)
    for target in range(3):
        os.dup2(null, target)
    for text in os.listdir("/proc/self/fd"):
        if int(text) > 2 and int(text) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(text))


def _restore_interface(netlink: Netlink, was: Request) -> None:
    name = was["name"]
    _adjust(netlink, name, was["mac"], was["mtu"])
    if was["up"]:
        netlink.send([set_link(name, up=True)])
    index = interface_index(name)
    netlink.send([new_address(name, index, text) for text in was["addresses"]])


def _adjust(netlink: Netlink, name: str, mac: str | None, mtu_bytes: int | None) -> None:
    body = link_body() + text_attribute(IFLA_IFNAME, name)
    if mac:
        body += attribute(IFLA_ADDRESS, bytes.fromhex(mac.replace(":", "")))
    if mtu_bytes:
        body += attribute(IFLA_MTU, struct.pack("I", mtu_bytes))
    purpose = f"set the MAC address {mac} and the MTU {mtu_bytes} of {name}"
    netlink.send([Message(RTM_NEWLINK, 0, body, purpose)])


def write_note(netlink: Netlink, name: str, note: Request | None) -> None:
    text = json.dumps(note, separators=(",", ":")).encode() if note else b""
    if len(text) > IFALIAS_LENGTH:
        raise OSError(
            errno.EMSGSIZE,
            f"{name}: there is no room to remember all that is to be put back "
            f"({len(text)} bytes of {IFALIAS_LENGTH}): take addresses away from it first",
        )
    body = link_body() + text_attribute(IFLA_IFNAME, name)
    # Without an end of its own: an empty one removes the alias.
    body += attribute(IFLA_IFALIAS, text)
    netlink.send([Message(RTM_NEWLINK, 0, body, f"write the alias of {name}")])


def _configure(
    netlink: Netlink,
    name: str,
    addresses: Sequence[str],
    routes: Sequence[Request],
    gateway: str | None,
) -> None:
    index = interface_index(name)
    quiet(name)
    if any(":" in text for text in addresses):
        write_sysctl(f"net/ipv6/conf/{name}/disable_ipv6", "0")
    netlink.send([new_address(name, index, text) for text in addresses])
    netlink.send([set_link(name, up=True)])
    entries = [{**entry, "interface": name} for entry in routes]
    if gateway:
        everything = "::/0" if ":" in gateway else "0.0.0.0/0"
        entries.append({"destination": everything, "via": gateway, "interface": name})
    # Those on the link first: they lead to the gateways of the others.
    entries.sort(key=lambda entry: entry["via"] is not None)
    netlink.send([route(RTM_NEWROUTE, entry, index) for entry in entries])


def _delete(pid: int, name: str) -> None:
    with network_of(pid) as netlink:
        netlink.send([delete_link(name)])


def _put_back_default(pid: int, entry: Request) -> None:
    with network_of(pid) as netlink:
        index = interface_index(entry["interface"])
        netlink.send([route(RTM_NEWROUTE, entry, index)])


def unplug(pid: int, interface: str) -> None:
    with network_of(pid) as netlink:
        row = next((row for row in interfaces(netlink) if row["name"] == interface), None)
    if row is None:
        raise OSError(errno.ENODEV, f"it has no interface {interface}")
    note = row["plugged"]
    if note is None:
        raise OSError(errno.EPERM, f"{interface} was not plugged in by playground, and stays")
    if note["kind"] == "physical":
        _move_back(pid, interface, note["was"])
    else:
        _delete(pid, interface)
    if "default" in note:
        with contextlib.suppress(OSError):  # the interface that it led out by may be gone too
            _put_back_default(pid, note["default"])


def wait(pid: int, interface: str, timeout_s: float | None) -> bool:
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    with network_of(pid) as netlink, link_events() as events:
        while True:
            for row in interfaces(netlink):
                if row["name"] == interface and row["up"] and row["carrier"]:
                    return True
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            ready = select.select([events.fileno(), 0], [], [], left)[0]
            if 0 in ready and not os.read(0, 1):
                os._exit(1)
            if events.fileno() in ready:
                hear(events)


@contextlib.contextmanager
def link_events() -> Iterator[socket.socket]:
    """Open a socket that hears of each change of an interface of the present namespace."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as events:
        events.bind((0, RTMGRP_LINK))
        yield events


def hear(events: socket.socket) -> None:
    """Wait for a change; that some were lost is one too."""
    try:
        events.recv(1 << 16)
    except OSError as error:
        if isinstance(error, TimeoutError) or error.errno != errno.ENOBUFS:
            raise


# -- A link with the machine -------------------------------------------------


def reach(
    pid: int,
    inside: str,
    outside: str,
    addresses: Sequence[tuple[str, str]],
    way_out: Request | None,
    detach: bool,
    note: Request,
) -> Request:
    with network_of(pid) as netlink:
        if any(row["name"] == inside for row in interfaces(netlink)):
            raise FileExistsError(errno.EEXIST, f"it has an interface {inside} already")
        known = networks(netlink)
        if way_out is not None and (there := default_routes(netlink, socket.AF_INET)):
            raise FileExistsError(
                errno.EEXIST,
                f"it has a default route already, by its {there[0]['interface']}",
            )
    with network_of(0) as netlink:
        known += networks(netlink)
        through = [] if way_out is None else _ways_out(netlink, way_out["through"])
    machine_end, node_end = _unused(addresses, known)
    place = open_network(pid)
    try:
        with network_of(0) as netlink:
            a = {"pid": None, "interface": outside}
            b = {"pid": pid, "interface": inside}
            netlink.send([new_veth(a, b, 1500, place)])
    finally:
        os.close(place)  # held, it would hold the link
    try:
        with network_of(0) as netlink:
            without_ipv6(outside)
            if way_out is not None:
                change = UplinkChange(outside, str(ipaddress.ip_interface(node_end).ip), through)
                note["forwarding"] = change.note_forwarding(netlink)
                _start_watch(change, detach)
            write_note(netlink, outside, {"playground": 1, "kind": "machine", **note})
            index = interface_index(outside)
            netlink.send([new_address(outside, index, machine_end)])
            netlink.send([set_link(outside, up=True)])
            if way_out is not None:
                change.make()
        with network_of(pid) as netlink:
            gateway = str(ipaddress.ip_interface(machine_end).ip) if way_out else None
            _configure(netlink, inside, [node_end], [], gateway)
            if way_out is not None:
                nft(_NODE_RULES.format(inside=inside))
    except BaseException:
        release(outside, pid)
        raise
    return {"addresses": [machine_end, node_end], "through": through}


def _unused(pairs: Sequence[tuple[str, str]], known: Sequence[Any]) -> tuple[str, str]:
    """Return the first pair of addresses whose network overlaps none of the known."""
    for pair in pairs:
        network = ipaddress.ip_interface(pair[0]).network
        if not any(network.overlaps(other) for other in known):
            return pair
    raise OSError(
        errno.EADDRINUSE,
        f"the network of {pairs[0][0]}, and all others there are, are in use on the machine or "
        "in the lab: say another subnet",
    )


def networks(netlink: Netlink) -> list[Any]:
    """Return all IPv4 networks that routes of the present namespace lead to, but the default."""
    header = struct.pack("BBBBBBBBI", socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
    question = Message(RTM_GETROUTE, NLM_F_DUMP, header, "look at the routes")
    found = []
    for body in netlink.ask(question):
        length = body[1]
        packed = attributes(body[12:]).get(RTA_DST)
        if length and packed:
            found.append(ipaddress.ip_network((packed, length), strict=False))
    return found


def _ways_out(netlink: Netlink, wanted: Sequence[str]) -> list[str]:
    """Return the devices of the machine to go out by."""
    for name in wanted:
        interface_index(name)
    if wanted:
        return list(wanted)
    found = dict.fromkeys(row["interface"] for row in default_routes(netlink, socket.AF_INET))
    if not found:
        raise OSError(
            errno.ENETUNREACH,
            "the machine itself has no way out: it has no default route",
        )
    return list(found)


# Packets that leave the lab by this router have its one address: the machine knows no other.
_NODE_RULES = """\
table ip playground_uplink {{
  chain postrouting {{
    type nat hook postrouting priority 100
    oifname "{inside}" masquerade
  }}
}}
"""

# Out, and answers in: nothing begins outside, and nothing reaches the machine itself
# but pings (which tell a student that the link works).
_MACHINE_RULES = """\
table ip {table} {{
  chain input {{
    type filter hook input priority 0
    iifname "{outside}" ct state established,related accept
    iifname "{outside}" icmp type echo-request accept
    iifname "{outside}" drop
  }}
  chain forward {{
    type filter hook forward priority 0
    iifname "{outside}" oifname {{ {through} }} ip saddr {address} accept
    oifname "{outside}" iifname {{ {through} }} ct state established,related accept
    iifname "{outside}" drop
    oifname "{outside}" drop
  }}
  chain postrouting {{
    type nat hook postrouting priority 100
    ip saddr {address} oifname {{ {through} }} masquerade
  }}
}}
"""

# An accept of ours does not overrule a drop in another table, so where the machine
# drops what it forwards, as Docker makes it do, its own chain gets two rules more.
_FORWARD_RULES = """\
insert rule ip filter FORWARD iifname "{outside}" counter accept
insert rule ip filter FORWARD oifname "{outside}" counter accept
"""


class UplinkChange:
    """The changes of an uplink to the machine, made and undone in its network namespace.

    Forwarding is switched on for the uplink's own interface and for the ways out
    alone, not for the machine; where it is on already nothing is changed.

    """

    def __init__(self, outside: str, address: str, through: Sequence[str]) -> None:
        self.outside = outside
        self.address = address
        self.through = through
        self.forwarding: list[str] = []

    def note_forwarding(self, netlink: Netlink) -> list[str]:
        """Look for which devices forwarding is to be switched off in the end.

        What another uplink has switched on counts too: the last one puts it back.

        """
        off = [name for name in self.through if not _forwards(name)]
        notes = [row["plugged"] or {} for row in interfaces(netlink)]
        off += [name for note in notes for name in note.get("forwarding", [])]
        self.forwarding = list(dict.fromkeys(off))
        return self.forwarding

    @property
    def table(self) -> str:
        return f"playground_{self.outside}"

    def make(self) -> None:
        words = {"table": self.table, "outside": self.outside, "address": self.address}
        through = ", ".join(f'"{name}"' for name in self.through)
        rules = _MACHINE_RULES.format(through=through, **words)
        if _drops_forwarded():
            rules += _FORWARD_RULES.format(**words)
        nft(rules)
        for name in (self.outside, *self.forwarding):
            write_sysctl(f"net/ipv4/conf/{name}/forwarding", "1")

    def undo(self) -> None:
        """Undo all of it that was made; may be repeated."""
        for name in [] if uplinks() - {self.outside} else self.forwarding:
            with contextlib.suppress(OSError):  # the device may be gone
                write_sysctl(f"net/ipv4/conf/{name}/forwarding", "0")
        with contextlib.suppress(OSError):
            nft(f"delete table ip {self.table}")
        for handle in _forward_rules(self.outside):
            with contextlib.suppress(OSError):
                nft(f"delete rule ip filter FORWARD handle {handle}")


def _forwards(name: str) -> bool:
    return read_sysctl(f"net/ipv4/conf/{name}/forwarding") == "1"


def nft(rules: str) -> str:
    """Give commands to nft(8); return what it prints.  Raises OSError with its words."""
    argv = ["nft", "--handle", "-f", "-"]
    try:
        done = subprocess.run(
            argv, input=rules, capture_output=True, text=True, env={"PATH": _PATH}, check=False
        )
    except FileNotFoundError:
        raise OSError(
            errno.ENOENT, "nft is not installed on the machine: apt-get install nftables"
        ) from None
    if done.returncode:
        raise OSError(errno.EINVAL, f"nft refused the rules:\n{done.stderr.strip()}")
    return done.stdout


def _drops_forwarded() -> bool:
    with contextlib.suppress(OSError):
        return "policy drop" in nft("list chain ip filter FORWARD")
    return False


def _forward_rules(outside: str) -> list[str]:
    """Return the handles of our rules in the machine's own chain."""
    with contextlib.suppress(OSError):
        return [
            line.rpartition("# handle ")[2]
            for line in nft("list chain ip filter FORWARD").splitlines()
            if f'"{outside}"' in line and "# handle " in line
        ]
    return []


def uplinks() -> set[str]:
    """Return the names of the uplinks whose processes watch, of the present namespace."""
    names = set()
    for line in read_text("/proc/net/unix").splitlines():
        name = line.rpartition(" ")[2]
        if name.startswith(_WATCH):
            names.add(name.removeprefix(_WATCH))
    return names


# Abstract sockets are of a network namespace, like all that is watched (unix(7)).
_WATCH = "@playground-uplink/"


def _start_watch(change: UplinkChange, detach: bool) -> None:
    """Have a process undo the change when its interface has gone.

    It listens at a socket, whose connections end when all is as it was.  Where it
    must be this process itself that stays, a child goes on with the request.

    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind("\0" + (_WATCH + change.outside)[1:])
        door.listen()
        # Heard of before it is looked for, so that its end is not missed.
        with link_events() as events:
            child = os.fork()
            watches = child == 0 if detach else child != 0
            if not watches:
                return
            if detach:
                os.setsid()
            try:
                _watch(change, door.fileno(), events)
                change.undo()
            finally:
                os._exit(0)


def _watch(change: UplinkChange, door: int, events: socket.socket) -> None:
    """Wait, with nothing open that anybody else could wait for, until the interface goes."""
    _let_go_but({door, events.fileno()})
    while _is_there(change.outside):
        hear(events)


def _is_there(interface: str) -> bool:
    with contextlib.suppress(OSError):
        return bool(socket.if_nametoindex(interface))
    return False


def release(outside: str, pid: int) -> None:
    with network_of(0) as netlink, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.settimeout(_RELEASE_LIMIT_S)
        watched = door.connect_ex("\0" + (_WATCH + outside)[1:]) == 0
        netlink.attempt([delete_link(outside)])
        if watched:
            with contextlib.suppress(ConnectionResetError):
                door.recv(1)
        else:
            UplinkChange(outside, "", []).undo()
    with contextlib.suppress(OSError), network_of(pid):  # it may have gone
        nft("delete table ip playground_uplink")


OPS: dict[str, Callable[..., Any]] = {
    "look": look,
    "plug": plug,
    "unplug": unplug,
    "wait": wait,
    "reach": reach,
    "release": release,
}

if __name__ == "__main__":
    main()
