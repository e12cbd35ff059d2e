"""Plumbing that reaches out of labs: into any container, and into the machine itself.

A script of the standard library, pyroute2 and the agent's modules, run by
`outside.machine_access` as root in the machine's process-id namespace, and for what concerns
the machine in its network namespace: as a process of its own, or on Docker in a
container.  It is started with one argument, a JSON object with ``op`` and what that
takes; it prints one line, the reply, ``{"result": ...}`` or ``{"error": ...}`` as the
agent writes errors.

``pid`` is any process in the network namespace meant, ``0`` the machine's own.

look(pid) -> [{"name", "mac", "up", "carrier", "mtu_bytes", "addresses", "plugged"}]
    The interfaces of a container; ``plugged`` is the note of `plug` or null.
plug(pid, interface, mac, addresses, routes, gateway, mtu_bytes, offload, kind, of,
        bridge, port, note, dhcp, vlan, container) -> {"interface", "mac", "addresses"}
    Give a container an interface (null: the first free ethN).  ``kind`` is "switch":
    a veth pair whose other end is ``port`` in the namespace of the process ``of``,
    on ``bridge`` there, with ``vlan`` an access port of that one, and with the name
    ``container`` ("LAB/NODE" of a lab's) in its alias; "macvlan" or
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

from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from playground.agent.kernel.offloads import Offloads
from playground.agent.kernel.syscalls import CLONE_NEWNET, prctl, read_text, setns
from playground.agent.links.bridge_vlans import carry
from playground.agent.links.interfaces import interface_index
from playground.agent.links.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Message,
    Netlink,
    NetlinkError,
)
from playground.agent.network.dhcp_client import lease
from playground.agent.nodes.sysctls import read_sysctl, write_sysctl
from playground.agent.protocol import Request, describe

# linux/prctl.h, linux/if.h, linux/if_addr.h, linux/rtnetlink.h
PR_SET_CHILD_SUBREAPER = 36
IFF_UP = 1
IFF_LOWER_UP = 1 << 16
IFA_F_NODAD = 2
RTMGRP_LINK = 1
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK = 0, 253
RT_TABLE_MAIN = 254
RTN_UNICAST = 1
RTPROT_STATIC = 4
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_GETADDR = 20, 22
RTM_NEWROUTE, RTM_GETROUTE = 24, 26
# IFALIASZ, less the NUL that it ends in.
IFALIAS_LENGTH = 254

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


class Network:
    """Interfaces, addresses and routes of the network that this process is in when it is made.

    Messages are pyroute2's, and the socket is the agent's: pyroute2's own takes asyncio, whose
    import makes that of the whole 121 ms of processor time instead of 49.

    """

    def __init__(self) -> None:
        self._netlink = Netlink(None)

    def close(self) -> None:
        self._netlink.close()

    def new_link(self, name: str, kind: str, about: Request, attributes: Request) -> None:
        """Make an interface; ``attributes`` by pyroute2's names, ``about`` what its kind asks."""
        info: Request = {"IFLA_INFO_KIND": kind}
        if about:
            info["IFLA_INFO_DATA"] = _attributes(about)
        linkinfo = {"IFLA_LINKINFO": _attributes(info)}
        said = _attributes({"IFLA_IFNAME": name, **attributes, **linkinfo})
        self._tell(RTM_NEWLINK, _filled(ifinfmsg, said), NLM_F_CREATE | NLM_F_EXCL)

    def change_link(self, index: int, up: bool | None = None, **attributes: Any) -> None:
        """Change an interface; attributes by pyroute2's names, without IFLA, in small letters."""
        message = _filled(
            ifinfmsg,
            _attributes({f"IFLA_{name.upper()}": value for name, value in attributes.items()}),
        )
        message["index"] = index
        if up is not None:
            message["flags"], message["change"] = IFF_UP if up else 0, IFF_UP
        self._tell(RTM_NEWLINK, message)

    def delete_link(self, index: int) -> None:
        self._tell(RTM_DELLINK, _filled(ifinfmsg, {"index": index}))

    def put_address(self, index: int, interface: Any) -> None:
        """Give an interface an IPv4 or IPv6 interface address, or leave it there."""
        length = interface.network.prefixlen
        attributes = {"IFA_ADDRESS": str(interface.ip)}
        flags = 0
        if interface.version == 6:
            # RFC 4862 5.4 would keep the address out of use for a second.
            flags = IFA_F_NODAD
        else:
            attributes["IFA_LOCAL"] = str(interface.ip)
            if length <= 30:
                attributes["IFA_BROADCAST"] = str(interface.network.broadcast_address)
        message = _filled(ifaddrmsg, _attributes(attributes))
        family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
        message.update(index=index, family=family, prefixlen=length, flags=flags)
        self._tell(RTM_NEWADDR, message, NLM_F_CREATE | NLM_F_REPLACE)

    def put_route(self, network: Any, index: int, via: str | None) -> None:
        """Make a route of the main table, in place of one that is there."""
        attributes = {"RTA_DST": str(network.network_address)} if network.prefixlen else {}
        if via is not None:
            attributes["RTA_GATEWAY"] = via
        message = _filled(rtmsg, _attributes({**attributes, "RTA_OIF": index}))
        wide = network.version == 6 or via is not None
        message.update(
            family=socket.AF_INET if network.version == 4 else socket.AF_INET6,
            dst_len=network.prefixlen,
            table=RT_TABLE_MAIN,
            proto=RTPROT_STATIC,
            scope=RT_SCOPE_UNIVERSE if wide else RT_SCOPE_LINK,
            type=RTN_UNICAST,
        )
        self._tell(RTM_NEWROUTE, message, NLM_F_CREATE | NLM_F_REPLACE)

    def links(self) -> list[Any]:
        return self._all(RTM_GETLINK, ifinfmsg)

    def addresses(self) -> list[Any]:
        return self._all(RTM_GETADDR, ifaddrmsg)

    def routes(self, family: int) -> list[Any]:
        return self._all(RTM_GETROUTE, rtmsg, family)

    def _tell(self, kind: int, message: Any, flags: int = 0) -> None:
        message.encode()
        self._netlink.send([Message(kind, flags, bytes(message.data[_HEADER_BYTES:]), "do it")])

    def _all(self, kind: int, shape: Any, family: int = 0) -> list[Any]:
        question = _filled(shape, {"family": family})
        question.encode()
        body = bytes(question.data[_HEADER_BYTES:])
        rows = []
        for answer in self._netlink.ask(Message(kind, NLM_F_DUMP, body, "read it")):
            length = _HEADER_BYTES + len(answer)
            row = shape(struct.pack("IHHII", length, kind, 0, 0, 0) + answer)
            row.decode()
            rows.append(row)
        return rows


# struct nlmsghdr
_HEADER_BYTES = 16


def _filled(shape: Any, said: Request) -> Any:
    message = shape()
    message.update(said)
    return message


def _attributes(said: Request) -> Request:
    """Return attributes by name as pyroute2 takes them."""
    return {"attrs": list(said.items())}


@contextlib.contextmanager
def network_of(pid: int) -> Iterator[Network]:
    """Be in a process's network namespace, with a line to the kernel there."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = open_network(pid)
    try:
        setns(there, CLONE_NEWNET)
        try:
            with contextlib.closing(Network()) as network:
                yield network
        finally:
            setns(own, CLONE_NEWNET)
    finally:
        os.close(own)
        os.close(there)


@contextlib.contextmanager
def refusals(purpose: str) -> Iterator[None]:
    """Say of a request that the kernel refuses what it was for; raises OSError."""
    try:
        yield
    except NetlinkError as error:
        raise OSError(error.errno, f"cannot {purpose}: {os.strerror(error.errno or 0)}") from None


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
    with network_of(pid) as network:
        return list(interfaces(network))


def interfaces(network: Network) -> Iterator[Request]:
    addresses: dict[int, list[str]] = {}
    for row in network.addresses():
        # Of a point-to-point address IFA_ADDRESS is the other end's.
        address = row.get_attr("IFA_LOCAL") or row.get_attr("IFA_ADDRESS")
        if row["scope"] != RT_SCOPE_LINK:
            addresses.setdefault(row["index"], []).append(f"{address}/{row['prefixlen']}")
    for row in network.links():
        yield {
            "index": row["index"],
            "name": row.get_attr("IFLA_IFNAME"),
            "mac": row.get_attr("IFLA_ADDRESS") or "",
            "up": bool(row["flags"] & IFF_UP),
            "carrier": bool(row["flags"] & IFF_LOWER_UP),
            "mtu_bytes": row.get_attr("IFLA_MTU"),
            "addresses": addresses.get(row["index"], []),
            "plugged": read_note(row.get_attr("IFLA_IFALIAS")),
        }


def read_note(alias: str | None) -> Request | None:
    """Return what `plug` has written into an interface's alias; None: nothing."""
    with contextlib.suppress(ValueError):
        note = json.loads(alias or "null")
        if isinstance(note, dict) and "playground" in note:
            return note
    return None


def default_routes(network: Network, family: int) -> list[Request]:
    """Return the default routes of the main table: {"via", "interface"}, the preferred first."""
    found = []
    for row in network.routes(family):
        index = row.get_attr("RTA_OIF")
        is_main = (row["table"], row["type"]) == (RT_TABLE_MAIN, RTN_UNICAST)
        if row["dst_len"] or not is_main or index is None:
            continue
        entry = {
            "destination": "0.0.0.0/0" if family == socket.AF_INET else "::/0",
            "via": row.get_attr("RTA_GATEWAY"),
            "interface": socket.if_indextoname(index),
        }
        found.append((row.get_attr("RTA_PRIORITY") or 0, entry))
    return [entry for _, entry in sorted(found, key=lambda item: item[0])]


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
    with network_of(pid) as network:
        there = {row["name"]: row for row in interfaces(network)}
        name = interface or next(
            f"eth{number}" for number in range(len(there) + 1) if f"eth{number}" not in there
        )
        if name in there:
            raise FileExistsError(errno.EEXIST, f"it has an interface {name} already")
        replaced = []
        if gateway:
            # That of no metric is the one that a new one takes the place of.
            family = socket.AF_INET6 if ":" in gateway else socket.AF_INET
            replaced = default_routes(network, family)[:1]
    note = {"playground": 1, "kind": kind, **note}
    if replaced:
        note["default"] = replaced[0]
    undo: list[Callable[[], None]] = []
    try:
        if kind == "switch":
            _make_veth(pid, name, mac, mtu_bytes or 1500, offload, of, bridge, port, undo)
            with network_of(of) as network:
                write_note(network, str(port), {"playground": 1, "plugged": container})
            if vlan is not None:
                with network_of(of):
                    wanted = {"vlan": vlan, "trunk": []}
                    # A lab's switch, which is the agent's work.
                    carry(Netlink(None), str(bridge), str(port), wanted, offload)
        elif kind == "physical":
            _move_in(pid, name, of, str(container), note, undo)
        else:
            _make_upon(pid, name, kind, of, mtu_bytes, undo)
        with network_of(pid) as network:
            if kind != "switch":
                _adjust(network, name, mac, mtu_bytes)
            write_note(network, name, note)
            if replaced:
                undo.append(lambda: _put_back_default(pid, replaced[0]))
            _configure(network, name, addresses, routes, gateway)
        if dhcp is not None:
            _lease(pid, name, dhcp)
        with network_of(pid) as network:
            row = next(row for row in interfaces(network) if row["name"] == name)
    except BaseException:
        for step in reversed(undo):
            with contextlib.suppress(OSError):
                step()
        raise
    return {"interface": name, "mac": row["mac"], "addresses": row["addresses"]}


def _lease(pid: int, name: str, dhcp: Request) -> None:
    """Get an address by DHCP; the default route too, where there is none yet."""
    with network_of(pid) as network:
        first = not default_routes(network, socket.AF_INET)
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
        with network_of(of) as network:
            master = interface_index(str(bridge))
            make_veth(network, str(port), name, inside, mtu_bytes, mac)
            undo.append(lambda: _delete(of, str(port)))
            if not offload:
                Offloads().off(str(port))
            without_ipv6(str(port))
            with refusals(f"put {port} on {bridge}"):
                network.change_link(interface_index(str(port)), up=True, master=master)
        if not offload:
            with network_of(pid):
                Offloads().off(name)
    finally:
        os.close(inside)


def make_veth(
    network: Network,
    name: str,
    peer: str,
    peer_namespace: int,
    mtu_bytes: int,
    peer_mac: str | None = None,
) -> None:
    """Make a veth pair, one end here; each is made where it is to be, and never seen elsewhere."""
    far = {"IFLA_IFNAME": peer, "IFLA_NET_NS_FD": peer_namespace, "IFLA_MTU": mtu_bytes}
    if peer_mac:
        far["IFLA_ADDRESS"] = peer_mac
    with refusals(f"make the link from {name} to {peer}"):
        about = {"VETH_INFO_PEER": _attributes(far)}
        network.new_link(name, "veth", about, {"IFLA_MTU": mtu_bytes})


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
        wanted, about = {"IFLA_NET_NS_FD": inside}, {}
        if kind == "macvlan":
            wanted["IFLA_LINK"] = interface_index(of)
            about = {"IFLA_MACVLAN_MODE": "bridge"}
        with network_of(0) as network:
            try:
                with refusals(f"make the {kind} {name}"):
                    network.new_link(name, kind, about, wanted)
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


def _move_in(
    pid: int,
    name: str,
    of: str,
    container: str,
    note: Request,
    undo: list[Callable[[], None]],
) -> None:
    """Move one of the machine's interfaces into a container, under another name."""
    with network_of(0) as network:
        row = next((row for row in interfaces(network) if row["name"] == of), None)
        if row is None:
            raise OSError(errno.ENODEV, f"the machine has no interface {of}")
        families = (socket.AF_INET, socket.AF_INET6)
        ways = [entry for family in families for entry in default_routes(network, family)]
        if any(entry["interface"] == of for entry in ways):
            raise OSError(
                errno.EBUSY,
                f"{of} is this machine's own way out, and stays: take another, or a macvlan of it",
            )
        note["was"] = {"name": of, "up": row["up"], "mac": row["mac"], "mtu": row["mtu_bytes"]}
        note["was"]["addresses"] = row["addresses"]
        inside = open_network(pid)
        try:
            index = row["index"]
            with refusals(f"move {of} into the container as {name}"):
                network.change_link(index, up=False)
                undo.append(lambda: _raise_again(row))
                network.change_link(index, net_ns_fd=inside, ifname=name)
        finally:
            os.close(inside)
    undo[:] = [lambda: _move_back(pid, name, note["was"])]
    _start_holding(pid, name, container, note["was"])


def _raise_again(row: Request) -> None:
    with network_of(0) as network:
        _restore_interface(network, {**row, "mtu": row["mtu_bytes"]})


def _move_back(pid: int, name: str, was: Request) -> None:
    """Give the machine back its interface: name, MAC, MTU, addresses, and whether it is up."""
    outside = open_network(0)
    try:
        called = _free_name(was["name"])
        with network_of(pid) as network:
            _hand_over(network, interface_index(name), name, outside, called)
    finally:
        os.close(outside)
    with network_of(0) as network:
        _restore_interface(network, {**was, "name": called})


def _hand_over(network: Network, index: int, name: str, outside: int, called: str) -> None:
    """Move an interface into the machine's namespace, under a name that is free there.

    Were it taken, the interface would be there under the name that it has, and the kernel say
    that it failed.

    """
    write_note(network, name, None, index)
    with refusals(f"give {name} back to the machine as {called}"):
        network.change_link(index, up=False)
        network.change_link(index, net_ns_fd=outside, ifname=called)


# An abstract socket that is there for as long as an interface may have to come back.
_HELD = "@playground-physical/"

# unix(7): the whole name has 107 bytes.
_HELD_LAB_LENGTH = 50


def _start_holding(pid: int, name: str, container: str, was: Request) -> None:
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
        lab = container.partition("/")[0][:_HELD_LAB_LENGTH]
        door.bind(f"\0{_HELD[1:]}{lab}/{pid}/{name}")
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
    inside = Network()
    # Whoever was root there may have called it something else.
    name = socket.if_indextoname(index)
    setns(machine, CLONE_NEWNET)
    outside, called = Network(), _free_name(was["name"])
    _hand_over(inside, index, name, machine, called)
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


def _restore_interface(network: Network, was: Request) -> None:
    name = was["name"]
    _adjust(network, name, was["mac"], was["mtu"])
    if was["up"]:
        set_up(network, name)
    for text in was["addresses"]:
        give_address(network, name, text)


def _adjust(network: Network, name: str, mac: str | None, mtu_bytes: int | None) -> None:
    wanted: dict[str, Any] = {"address": mac} if mac else {}
    if mtu_bytes:
        wanted["mtu"] = mtu_bytes
    if wanted:
        with refusals(f"set the MAC address {mac} and the MTU {mtu_bytes} of {name}"):
            network.change_link(interface_index(name), **wanted)


def set_up(network: Network, name: str) -> None:
    with refusals(f"set the interface {name} up"):
        network.change_link(interface_index(name), up=True)


def give_address(network: Network, name: str, text: str) -> None:
    """Give an interface an address such as "10.0.0.1/24"."""
    with refusals(f"give {name} the address {text}"):
        network.put_address(interface_index(name), ipaddress.ip_interface(text))


def add_route(network: Network, entry: Request) -> None:
    """Make a route {"destination", "via", "interface"}, in place of one that is there."""
    destination, via, name = entry["destination"], entry["via"], entry["interface"]
    by = f" via {via}" if via is not None else ""
    with refusals(f"add the route to {destination}{by} on {name}"):
        network.put_route(ipaddress.ip_network(destination), interface_index(name), via)


def write_note(network: Network, name: str, note: Request | None, index: int | None = None) -> None:
    """Write into an interface's alias what is to be remembered of it.

    Its ``index`` is needed where this process is in another namespace than it.

    """
    text = json.dumps(note, separators=(",", ":")) if note else ""
    if len(text) > IFALIAS_LENGTH:
        raise OSError(
            errno.EMSGSIZE,
            f"{name}: there is no room to remember all that is to be put back "
            f"({len(text)} bytes of {IFALIAS_LENGTH}): take addresses away from it first",
        )
    with refusals(f"write the alias of {name}"):
        network.change_link(index or interface_index(name), ifalias=text)


def _configure(
    network: Network,
    name: str,
    addresses: Sequence[str],
    routes: Sequence[Request],
    gateway: str | None,
) -> None:
    quiet(name)
    if any(":" in text for text in addresses):
        write_sysctl(f"net/ipv6/conf/{name}/disable_ipv6", "0")
    for text in addresses:
        give_address(network, name, text)
    set_up(network, name)
    entries = [{**entry, "interface": name} for entry in routes]
    if gateway:
        everything = "::/0" if ":" in gateway else "0.0.0.0/0"
        entries.append({"destination": everything, "via": gateway, "interface": name})
    # Those on the link first: they lead to the gateways of the others.
    for entry in sorted(entries, key=lambda entry: entry["via"] is not None):
        add_route(network, entry)


def _delete(pid: int, name: str) -> None:
    with network_of(pid) as network:
        delete(network, name)


def delete(network: Network, name: str) -> None:
    with refusals(f"remove the interface {name}"):
        network.delete_link(interface_index(name))


def _put_back_default(pid: int, entry: Request) -> None:
    with network_of(pid) as network:
        add_route(network, entry)


def unplug(pid: int, interface: str) -> None:
    with network_of(pid) as network:
        row = next((row for row in interfaces(network) if row["name"] == interface), None)
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
    with network_of(pid) as network, link_events() as events:
        while True:
            for row in interfaces(network):
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
    with network_of(pid) as network:
        if any(row["name"] == inside for row in interfaces(network)):
            raise FileExistsError(errno.EEXIST, f"it has an interface {inside} already")
        known = networks(network)
        if way_out is not None and (there := default_routes(network, socket.AF_INET)):
            raise FileExistsError(
                errno.EEXIST,
                f"it has a default route already, by its {there[0]['interface']}",
            )
    with network_of(0) as network:
        known += networks(network)
        through = [] if way_out is None else _ways_out(network, way_out["through"])
    machine_end, node_end = _unused(addresses, known)
    place = open_network(pid)
    try:
        with network_of(0) as network:
            make_veth(network, outside, inside, place, 1500)
    finally:
        os.close(place)  # held, it would hold the link
    try:
        with network_of(0) as network:
            without_ipv6(outside)
            if way_out is not None:
                change = UplinkChange(outside, str(ipaddress.ip_interface(node_end).ip), through)
                note["forwarding"] = change.note_forwarding(network)
                _start_watch(change, detach)
            write_note(network, outside, {"playground": 1, "kind": "machine", **note})
            give_address(network, outside, machine_end)
            set_up(network, outside)
            if way_out is not None:
                change.make()
        with network_of(pid) as network:
            gateway = str(ipaddress.ip_interface(machine_end).ip) if way_out else None
            _configure(network, inside, [node_end], [], gateway)
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


def networks(network: Network) -> list[Any]:
    """Return all IPv4 networks that routes of the present namespace lead to, but the default."""
    return [
        ipaddress.ip_network(f"{row.get_attr('RTA_DST')}/{row['dst_len']}", strict=False)
        for row in network.routes(socket.AF_INET)
        if row["dst_len"]
    ]


def _ways_out(network: Network, wanted: Sequence[str]) -> list[str]:
    """Return the devices of the machine to go out by."""
    for name in wanted:
        interface_index(name)
    if wanted:
        return list(wanted)
    found = dict.fromkeys(row["interface"] for row in default_routes(network, socket.AF_INET))
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

    def note_forwarding(self, network: Network) -> list[str]:
        """Look for which devices forwarding is to be switched off in the end.

        What another uplink has switched on counts too: the last one puts it back.

        """
        off = [name for name in self.through if not _forwards(name)]
        notes = [row["plugged"] or {} for row in interfaces(network)]
        noted = (name for note in notes for name in note.get("forwarding", []))
        off += [name for name in noted if _is_there(name)]
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
    with network_of(0) as network, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.settimeout(_RELEASE_LIMIT_S)
        watched = door.connect_ex("\0" + (_WATCH + outside)[1:]) == 0
        with contextlib.suppress(OSError):  # it may have gone
            delete(network, outside)
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
