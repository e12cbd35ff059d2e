"""The agent: the script that does a lab's plumbing, in the helper container.

It runs beside the lab's containers, in the process-id namespace of the engine's
machine and in an empty network namespace of its own, where the lab's bridges
live.  It imports nothing but the standard library: it is copied alone into the
helper's image.  This text is its protocol; `playground.remote` is its client.

The line
--------
One JSON object a line; bytes travel as base64 text.  Requests come in on file
descriptor 0, everything else goes out on what was descriptor 1 at the start (the
descriptor itself is pointed at stderr, so that a stray print cannot break a
line).  The first line out is::

    {"hello": {"protocol": 1, "pid": 4711, "python": "3.13.5"}}

A request is ``{"id": 1, "op": "echo", "args": {"value": 5}}``; its reply, once, is
``{"id": 1, "result": 5}`` or ``{"id": 1, "error": {"type", "errno", "message",
"traceback"}}``, where ``type`` is the name of a Python exception and ``errno``
the system's number or null.  Replies may come in another order than requests.
Events of a job (see spawn) come unasked::

    {"event": "stdout" or "stderr", "job": 3, "data": base64}
    {"event": "exit", "job": 3, "returncode": 0}

End of file on descriptor 0, or SIGTERM, means that the client is gone: the agent
kills what it owns (see own), then the process groups of its jobs, and exits.

Operations
----------
``pid`` is always the first process of a container, as the agent sees it; where
that process has ended, the error is a ProcessLookupError.  An END is
``{"pid", "interface", "mac", "bridge"}``, where pid null means the agent's own
network namespace, and mac and bridge may be null.

echo(value) -> value
own(pids) -> [pids]
    Kill these processes at end of file, in this order (a helper's own last).
    Owning one again changes nothing.  The reply holds those that have ended
    already, which is no error.
disown() -> null
    Forget all of them.
wire(bridges: [{"device", "settings": SWITCH or null}],
        veths: [{"a": END, "b": END, "mtu_bytes", "offload"}]) -> null
    Bridges and bridge ports are up afterwards, without IPv6.  Ends inside nodes
    are left down, so that no frame leaves them before `network` has set their
    sysctls.  On a failure all that this call made is removed again.  SWITCH is
    {"stp": bool, "ageing", "priority", "forward_delay", "hello_time", "max_age"}, times
    in hundredths of a second; ageing 0 makes a hub.
switch(bridges: [{"device", "settings": SWITCH, "mirror": {"to", "entering": [port],
        "leaving": [port]} or null, "unmirror": [port]}]) -> null
    Change bridges that are there.  Mirrors are taken from the ports ``unmirror`` (one
    that is gone is no error), then set: what enters or leaves these ports goes out of
    the port ``to`` as well.
switches(devices) -> [{"device", "id", "root", "root_cost", "ports": [{"port", "state",
        "carrier", "cost"}]}]
    The spanning tree as each bridge sees it: ids are 16 hexadecimal digits, state is
    "disabled", "listening", "learning", "forwarding" or "blocking".
learned(device) -> [{"mac", "port", "age_s"}]
    What a bridge has learned, and how long ago it last heard it.
unwire(veths: [END], bridges: [{"device"}] = []) -> null
    Remove these interfaces (the other end goes too) and bridges.  One that is
    gone already is no error.
network(nodes: [{"pid", "interfaces": [{"name", "addresses": ["192.168.1.11/24"]}],
        "sysctls": {"net.ipv4.ip_forward": "1"}, "routes_add": [ROUTE],
        "routes_remove": [ROUTE], "addresses_remove": [{"interface": "eth0",
        "address": "192.168.1.11/24"}]}]) -> null
    ROUTE is {"destination": "10.0.0.0/8", "via": address or null, "interface"}.
    What was said by hand is in own_routes_add, own_routes_remove, rules_add and
    rules_remove: {"destination", "hops": [{"via", "interface"}], "metric", "kind",
    "table": number}, where kind is "unicast" or that of a route that leads nowhere,
    and {"family": 4 or 6, "priority", "source", "destination", "interface", "mark",
    "table"}; other values may be null.  They come last, and go first.
    All but pid may be left out.  First routes_remove, then addresses_remove: one
    that is not there, or whose interface is not, is no error; with an address
    the kernel removes the routes that need it.  Then loopback up, sysctls,
    addresses, interfaces up, routes_add (those without via first), and sysctls
    are read back.  Repeating it changes nothing.
link(ends: [END], up: bool, nodes: as for network = []) -> null
    Set interfaces up or down; then do what `network` does, to bring back the
    addresses and routes that went with an interface.  On a failure the interfaces
    are set back.
forget_neighbours(nodes: [{"pid", "interface", "addresses": ["192.168.1.11"]}]) -> null
    Forget which MAC addresses these had.  What is not known is no error.
interfaces(ends: [END]) -> [{"up", "carrier", "mtu_bytes", "mac", "statistics": {...}}]
    State and counters, named as in struct rtnl_link_stats64.
impair(directions: [{"pid", "interface", "watch": pid or null, "impairment": IMPAIRMENT
        or null, "before": the same}]) -> [["netem"]]
    Do something to all frames that leave by an interface: IMPAIRMENT is what
    `playground.impairment.Impairment.request` returns, null takes it away.  Each row
    says which ways are used: "netem", or where the kernel has none "tbf" (rate),
    "filter" (loss), "relay" (the rest).  A relay is a process that ends with the
    process ``watch``.  On a failure all get their ``before`` back.
routes(pids) -> [[{"destination", "via", "interface", "metric", "protocol", "kind",
        "table", "source", "weight"}]]
    The routes of each node, in all tables but those of its own addresses, as the
    kernel has them: a row a next hop, numbers as in rtnetlink(7).  Via, interface,
    metric and source may be null.
impaired(ends: [END]) -> [{"by": ["netem"], "settings": {"delay_ms": 50}}]
    What impairs the frames that leave by each, and how, read from the kernel: ways as
    for impair, settings by the names of `playground.impairment.Impairment`.
policy_rules(pid) -> [as rules_add of network]
    The rules of policy routing that a node has, but the kernel's own three.
sysctls(pid, names) -> [text or null]
    Settings of a node's network, null where there is none of that name.
lease(clients: [{"pid", "interface", "watch": pid or null, "hostname": text or null,
        "gateway": bool = true}], timeout_s) -> [LEASE or null]
    Ask for an address by DHCP, set the interface up for that, and give it what was
    given, with ``gateway`` the default route too.  A process renews it until the
    interface is gone or the process ``watch`` has ended.  LEASE is {"address":
    "10.1.1.7/24", "router", "nameservers", "domain", "server", "lease_s"}, null where
    nobody has given one in time.
firewall(nodes: [{"pid", "ruleset"}]) -> null
    Each ruleset is given to ``nft -f -`` in its node's network namespace.  An
    empty text changes nothing: to take rules away, send what deletes them.  A rule
    with a counter and a comment goes on from what one of the same chain and
    comment has counted, in the table that the text names first.
rule_counts(pid, table = "playground") -> [[chain, comment, packets, bytes]]
    What the rules of an inet table have counted, in their order.
ruleset(pid) -> text
    All rules of a node, as ``nft list ruleset`` prints them.
connections(pid) -> [CONNECTION]
    What a node's connection tracking knows: {"protocol": 6, "source", "source_port",
    "destination", "destination_port" of its first packet, "reply_source" and so on of
    its answers (ports null where there are none; ICMP's id is its source port),
    "state": TCP's or null, "status": bits of linux/nf_conntrack_common.h, "expires_s",
    "mark", "packets", "bytes" (null where the kernel does not count), "helper"}.
forget(pid, connections: [CONNECTION] or null) -> number
    Take these out of a node's connection tracking, or all; how many were there.
processes(pid) -> [{"pid", "parent", "user", "state", "memory_bytes", "cpu_s", "command"}]
    What runs in a node, by the numbers that it has there; ``state`` is the kernel's
    letter, ``user`` a name where the node's /etc/passwd has one.  The agent's own
    launchers, which are away in a node for moments, are no part of it.
files(nodes: [{"pid", "files": [{"path", "content": base64 or number, "mode": 0o644,
        "uid": 0, "gid": 0, "append": false}]}], contents: [base64] = []) -> null
    A content that many files have stands once in contents, its number in them.
    Write files as seen from inside the node; missing folders are made.  What
    exists is written in place, never renamed over: /etc/hosts is a bind mount.
    uid and gid may be names, from the node's own /etc/passwd and /etc/group.
read_file(pid, path, tail_bytes = null) -> base64
    A regular file's content; with tail_bytes no more than its last so many
    bytes.  What is no regular file is an OSError with EISDIR or EINVAL, and one
    of more than 64 MiB, of which no tail is asked for, one with EFBIG.
accounts(nodes: [{"pid", "users": [{"name", "password_hash": text or null, "uid",
        "groups": [...], "shell"}]}]) -> null
    Add or change users; a home is made from /etc/skel.  For root only the hash counts.
furnish(nodes: [{"pid", "users": as for accounts, "files": as for files}], contents) -> null
    Both in one request, a node's accounts before its files.
hash_passwords(passwords: [text]) -> [text]
    SHA-512 hashes, as crypt(5) writes them.
hostname(nodes: [{"pid", "hostname"}]) -> null
boot(nodes: [{"pid", "programs": ["sshd"]}]) -> null
    Link each /etc/sv/NAME into /run/service and start ``runsv /run/service/NAME``,
    if it does not run yet, with all that the container has (see spawn).  It
    outlives the agent; its complaints go to /run/playground/boot.log in the node.
wait_ready(checks: [{"pid", "node", "service", "port", "protocol": "tcp" or "udp",
        "tls": bool, "send": base64 or null, "expect": regular expression or null,
        "address": "127.0.0.1"}], timeout_s) -> [{"node", "service", "port", "message"}]
    Ask each service, from inside its node, until it answers with bytes that the
    expression (read as latin-1) is found in.  The list holds those that did
    not; it is empty when all is well.
states(pids, with_connections = true) -> [{"interfaces": [{"name", "kind", "up",
        "carrier", "mtu_bytes", "mac", "below", "master", "settings": {"ipv4.rp_filter": "0"},
        "addresses": [{"address": "192.168.1.11/24", "peer", "refused", "tentative"}]}],
        "routes": as for routes, "rules": as for policy_rules,
        "neighbours": [{"interface", "address", "mac", "state"}],
        "sockets": [{"protocol", "address", "port", "program", "only_ipv6"}],
        "connections": as for connections, "sysctls": {name: text or null},
        "tables": [[family, name]], "ruleset": as for ruleset, with handles}]
    What the kernel knows of each node's network, in one go: ``sockets`` are those that
    listen, ``below`` is what a VLAN's interface stands on.
ways(questions: [{"pid", "destination", "source", "interface", "mark", "protocol",
        "source_port", "port"}]) -> [WAY]
    Which way the kernel would send each packet (`ip route get`): one of its own, or with
    ``interface`` one that came in by it.  All but pid and destination may be null.  WAY is
    {"errno": null, "kind", "via", "interface", "source", "table", "prefix": of the route,
    "protocol": who made it, "mtu_bytes"}, or {"errno", "message"}.
probe(pid, watch: [pid or null], protocol: number, destination, port, payload: base64,
        packet: base64 or null, quiet_s = 0.3, timeout_s = 3.0) -> {"outcome": {"answered",
        "errno", "seconds", "source", "source_port"}, "frames": [[place in watch, interface,
        pkttype of packet(7), time_s, base64]], "traces": [TRACE], "counted": [{name: by}]}
    Send one packet from a node, and look at what comes of it at all places of ``watch``:
    a TCP connection (reset once it is there), a UDP datagram, an echo request, or a
    ``packet`` as it is.  It ends with an answer, when nothing has come for quiet_s, or
    after timeout_s.  Frames are those of ARP, ICMP and the protocol, in every interface,
    the first 256 bytes.  TRACE is what one rule of nftables decided, as in nf_tables.h:
    {"watch", "table", "chain", "handle", "type", "verdict", "policy", "id", "mark",
    "family", "network": base64, "transport": base64}, in nodes that have rules; what
    makes the kernel tell is a table that is there no longer than this takes.
state_save(data: text) -> null ; state_load() -> text or null
    One text kept in the helper, for a client that comes later.
spawn(pid, argv, env = null, cwd = null, user = null, stdin = false, tty = null,
        merge_stderr = false) -> {"job": number, "pid": number}
    Start a command in a node with what the container has: all namespaces, root,
    control groups, capabilities, environment (env is added to it), working
    directory, user (or a name, or "uid[:gid]").  It leads its own session and
    process group.  ``tty`` is [columns, lines] for a terminal of the node's own.
    The reply comes when the command runs; a command that cannot be started is
    an error (FileNotFoundError, PermissionError, NotADirectoryError, LookupError
    for a user).  The exit event comes once the command itself has ended and all
    that it had written into its pipes is sent.  Processes that it left in the
    background may hold the pipes open: what they write later is thrown away.
capture(places: [{"pid": pid or null, "interface"}], filter = "", snaplen_bytes = 262144)
        -> {"job": number, "pid": number}
    Start a job that captures what these interfaces send and take, from before the reply
    until SIGTERM; then it hands on what is under way and ends.  The filter is
    pcap-filter(7); one that libpcap refuses is an OSError with EINVAL, and ENOPKG says that
    there is no libpcap.  Its stdout is a line of JSON, {"byte_order": "little" or "big",
    "link_types": [1]} (1 is Ethernet, 101 bare IP), and then records: the number of a
    place and a length, both of 4 bytes, the least significant first, and so much data.
    That is a block of the kernel's ring (struct tpacket_block_desc of linux/if_packet.h).
    Number -1 is a mark, a time in nanoseconds of 8 bytes: what is to come is later, unless
    the machine is very busy.  Number -2 is the end: JSON, [{"packets", "dropped"}].
write(job, data: base64) -> null
    The reply comes when the command has taken it all; BrokenPipeError when it
    reads no more.
close_stdin(job) -> null
signal(job, signum) -> null
    To the whole process group; nothing happens to a job that has ended.
resize(job, columns, lines) -> null
socket_line(boot_id, pid, pid_namespace, descriptor) -> text or null
    Take the client's descriptor, one end of a pair of SOCK_SEQPACKET sockets, by which
    it is then handed sockets that live in nodes.  Null when that is done, else why it
    cannot be.  ``boot_id`` is that of the client's kernel, ``pid`` its process as it is
    called in the process-id namespace of the inode number ``pid_namespace``.  An agent
    that was started with such a descriptor needs no request.
    Each packet of the client's is {"id", "pid", "family", "type", "protocol"}, numbers as
    in socket(2); the answer is {"id"} with the socket beside it, or {"id", "error"}.
credit(job, bytes) -> null
    The client has consumed so many bytes of a job's output.  With 4 MiB not yet
    consumed the agent reads no more from that job, until it ends.

"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import errno
import fcntl
import functools
import gc
import itertools
import json
import os
import re
import resource
import select
import selectors
import signal
import socket
import stat
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

PROTOCOL = 1

# Bytes of a job's output that may be under way, unconsumed, before the agent
# stops reading: enough for any usual answer, small beside the machine.
WINDOW_BYTES = 4 << 20
CHUNK_BYTES = 128 << 10

# Where state_save puts its text.  An agent outside a helper container, which
# has no /run of its own, is told another place.
STATE_PATH = os.environ.get("PLAYGROUND_STATE", "/run/playground/state.json")

# Of a node's file, what read_file takes into memory at most.
READ_LIMIT_BYTES = 64 << 20

# Of what is read in a node for the agent's own use: its accounts, and /etc/skel.
OWN_READ_LIMIT_BYTES = 1 << 20

# How long other programs of a node may hold the lock of its accounts: lckpwdf(3).
PASSWORD_LOCK_LIMIT_S = 15.0
PASSWORD_LOCK_POLL_S = 0.02

# Limit of operations that wait for nothing but the kernel and a file system.
WORK_LIMIT_S = 60.0

# Of open files, soft and hard, as they were when this began: what commands get.
FILES_LIMITS = resource.getrlimit(resource.RLIMIT_NOFILE)
FILES_WANTED = 1 << 16

# Of a container that has none, as execvp(3) of Debian has it.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Request = dict[str, Any]


# -- The kernel's calls that Python 3.11 lacks ------------------------------

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4

# sched.h
CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

# linux/prctl.h
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

# linux/capability.h
_LINUX_CAPABILITY_VERSION_3 = 0x20080522


def checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def setns(fd: int, kind: int) -> None:
    """Move this process into the namespace behind a file descriptor (setns(2))."""
    checked(_libc.setns(fd, kind), "entering a namespace")


def prctl(option: int, argument: int = 0, second: int = 0) -> int:
    return int(_libc.prctl(option, argument, second, 0, 0))


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """Set this process's three capability sets, each a mask (capset(2))."""
    header = struct.pack("Ii", _LINUX_CAPABILITY_VERSION_3, 0)
    low = 0xFFFFFFFF
    data = struct.pack(
        "6I",
        effective & low,
        permitted & low,
        inheritable & low,
        effective >> 32,
        permitted >> 32,
        inheritable >> 32,
    )
    checked(_libc.capset(header, data), "setting capabilities")


# -- Nodes -------------------------------------------------------------------


def gone(pid: int) -> ProcessLookupError:
    return ProcessLookupError(
        errno.ESRCH,
        f"the node's first process (pid {pid}) is gone: the node has stopped or died",
    )


def open_namespace(pid: int, name: str) -> int:
    """Open one of a node's /proc/PID/ns; raises ProcessLookupError if the process ended."""
    try:
        refuse_own(pid)
        return os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        # A zombie still has a folder in /proc, but no namespaces.
        raise gone(pid) from None


def refuse_own(pid: int) -> None:
    """Raise ProcessLookupError for a process in the agent's own process-id namespace.

    It is one of the machine's, the first of all even, or has got the number of
    a node's that is gone: nothing is ever to be done there.

    """
    if os.stat(f"/proc/{pid}/ns/pid").st_ino == own_process_namespace():
        raise gone(pid)


@functools.cache
def own_process_namespace() -> int:
    """Return the inode number of the agent's own; first called outside of all nodes."""
    return os.stat("/proc/self/ns/pid").st_ino


def read_text(path: str) -> str:
    """Return a file of the machine's own, of /proc and the like; see `read_in_node`."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(fd, 1 << 16):
            parts.append(part)
    finally:
        os.close(fd)
    return b"".join(parts).decode("utf-8", "surrogateescape")


@functools.cache
def own_bounding() -> int:
    """Return the agent's capability bounding set, which its children inherit."""
    return int(_status("self")["CapBnd"], 16)


def _status(pid: int | str) -> dict[str, str]:
    return dict(
        line.split(":\t", 1)
        for line in read_text(f"/proc/{pid}/status").splitlines()
        if ":\t" in line
    )


@functools.cache
def has_all_ids() -> bool:
    """Whether nodes have more users than root; first called outside of all nodes.

    A lab of an ordinary user is in a user namespace, which may know root alone
    (user_namespaces(7), "User and group ID mappings").

    """
    lines = read_text("/proc/self/uid_map").splitlines()
    return sum(int(line.split()[2]) for line in lines) > 1


_ROOT_ALONE = (
    "this lab was started without root, and its hosts know no other user than root: run it as "
    "root, or have root install uidmap and give you a range of ids in /etc/subuid"
)


def give_to(target: int | str, uid: int, gid: int) -> None:
    """Change who owns a file, where there is anybody else than root."""
    if has_all_ids():
        os.chown(target, uid, gid)


def become_group(gid: int, groups: Sequence[int]) -> None:
    if not has_all_ids():
        if gid != 0:
            raise PermissionError(errno.EPERM, _ROOT_ALONE)
        return  # setgroups(2) is denied there
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)


@functools.cache
def own_user_namespace() -> int | None:
    """Return the inode number of the agent's own; None where the kernel has none."""
    with contextlib.suppress(FileNotFoundError):
        return os.stat("/proc/self/ns/user").st_ino
    return None


class Node:
    """What has to be known of a container to enter it, read from /proc/PID.

    See proc(5).  Raises ProcessLookupError if the process has ended.

    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            status = _status(pid)
            if status["State"].startswith(("Z", "X")):
                raise gone(pid)
            refuse_own(pid)
            own = own_user_namespace()
            if own is not None and os.stat(f"/proc/{pid}/ns/user").st_ino != own:
                raise OSError(
                    errno.EOPNOTSUPP,
                    "the node has a user namespace of its own, which playground does not "
                    "support: switch userns-remap off in the engine",
                )
            self.environ = dict(
                entry.split("=", 1)
                for entry in read_text(f"/proc/{pid}/environ").split("\0")
                # Of bare namespaces these are the labels that they are found by.
                if "=" in entry and not entry.startswith("playground.")
            )
            self.cgroup_files = cgroup_files(
                parse_cgroups(read_text(f"/proc/{pid}/cgroup")), _own_cgroups(), _cgroup_mounts()
            )
            self.namespaces = [
                (name, kind)
                for name, kind in _NAMESPACES
                if name in own_namespaces()
                and os.stat(f"/proc/{pid}/ns/{name}").st_ino != own_namespaces()[name]
            ]
            self.oom_score_adj = read_text(f"/proc/{pid}/oom_score_adj").strip()
        except (FileNotFoundError, ProcessLookupError):
            raise gone(pid) from None
        self.inheritable = int(status["CapInh"], 16)
        self.bounding = int(status["CapBnd"], 16)
        self.no_new_privs = status.get("NoNewPrivs", "0").strip() == "1"
        self.confined = status.get("Seccomp", "0").strip() == "2" or CONFINE_ALL
        self.memory_is_limited = memory_is_limited(self.cgroup_files)
        self.uid = int(status["Uid"].split()[1])
        self.gid = int(status["Gid"].split()[1])
        self.groups = [int(group) for group in status["Groups"].split()]
        try:
            self.apparmor = read_text(f"/proc/{pid}/attr/current").strip("\0\n ")
        except OSError:
            self.apparmor = ""  # EINVAL: the kernel runs no such security module


_nodes: dict[int, tuple[Node, int]] = {}

# So many, for each has a handle, and of files may be open usually 1024.
NODES_KNOWN = 256


def find_node(pid: int) -> Node:
    """Return what is known of a container, reading it the first time.

    Raises ProcessLookupError if its first process has ended, also where another
    process has got its number since.

    """
    if pid in _nodes:
        node, handle = _nodes[pid]
        if not has_ended(pid, handle):
            return node
        del _nodes[pid]
        os.close(handle)
        raise gone(pid)
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        raise gone(pid) from None
    except OSError:
        return Node(pid)  # before Linux 5.3: read anew each time
    try:
        node = Node(pid)
    except BaseException:
        os.close(handle)
        raise
    if len(_nodes) >= NODES_KNOWN:
        os.close(_nodes.pop(next(iter(_nodes)))[1])
    _nodes[pid] = node, handle
    return node


def has_ended(pid: int, handle: int) -> bool:
    """Whether a process has ended, by its pidfd, or by its number where that is -1."""
    if handle < 0:
        return not os.path.exists(f"/proc/{pid}")
    # pidfd_open(2): readable once the process has ended.
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(0))


def parse_cgroups(text: str) -> dict[str, str]:
    """Return {controllers: path} of a /proc/PID/cgroup; version 2 has the key ""."""
    cgroups = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        cgroups[controllers] = path
    return cgroups


def parse_cgroup_mounts(mountinfo: str) -> list[tuple[set[str], str, str]]:
    """Return (options, mount point, root) of each cgroup mount of a mountinfo.

    A version 2 mount has the one option "".  Machines may have version 1,
    version 2, or both at once.

    """
    mounts = []
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        root, point = left.split(" ")[3:5]
        if kind == "cgroup2":
            mounts.append(({""}, point, root))
        elif kind == "cgroup":
            mounts.append((set(options.split(",")), point, root))
    return mounts


def cgroup_files(
    cgroups: dict[str, str],
    own: dict[str, str],
    mounts: Sequence[tuple[set[str], str, str]],
) -> list[str]:
    """Return the cgroup.procs files to write in so as to join these groups.

    A hierarchy in which the agent is in that group itself needs none, and one
    that is mounted nowhere has none.

    """
    files = []
    for controllers, path in cgroups.items():
        if own.get(controllers) == path:
            continue
        for options, point, root in mounts:
            if set(controllers.split(",")) <= options:
                if root != "/" and path.startswith(root):
                    path = path[len(root) :]
                files.append(f"{point}{path.rstrip('/')}/cgroup.procs")
                break
    return files


def memory_is_limited(files: Sequence[str]) -> bool:
    """Whether one of these groups, by their cgroup.procs files, has a limit of memory."""
    for path in files:
        folder = os.path.dirname(path)
        with contextlib.suppress(OSError):
            return read_text(f"{folder}/memory.max").strip() != "max"
        with contextlib.suppress(OSError):
            # None is the largest number of whole pages.
            return int(read_text(f"{folder}/memory.limit_in_bytes")) < 1 << 60
    return False


@functools.cache
def _own_cgroups() -> dict[str, str]:
    return parse_cgroups(read_text("/proc/self/cgroup"))


@functools.cache
def _cgroup_mounts() -> list[tuple[set[str], str, str]]:
    return parse_cgroup_mounts(read_text("/proc/self/mountinfo"))


def join_cgroups(files: Sequence[str]) -> None:
    """Move this process into the control groups of these cgroup.procs files."""
    for path in files:
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                # 0 is the writing process, whatever its namespace calls it.
                os.write(fd, b"0")
            finally:
                os.close(fd)
        except OSError as error:
            raise OSError(
                error.errno,
                f"cannot join the node's control group by {path}: {error.strerror}",
            ) from None


# In this order: after the mount namespace /proc is another one.
_NAMESPACES = (
    ("ipc", CLONE_NEWIPC),
    ("uts", CLONE_NEWUTS),
    ("net", CLONE_NEWNET),
    ("cgroup", CLONE_NEWCGROUP),
    ("time", CLONE_NEWTIME),
    ("mnt", CLONE_NEWNS),
)


@functools.cache
def own_namespaces() -> dict[str, int]:
    """Return {kind: inode number} of the agent's namespaces, of those this kernel has."""
    own = {}
    for name, _ in _NAMESPACES:
        with contextlib.suppress(FileNotFoundError):
            own[name] = os.stat(f"/proc/self/ns/{name}").st_ino
    return own


def enter_namespaces(pid: int, namespaces: Sequence[tuple[str, int]]) -> None:
    """Enter namespaces of a node, in this order, its root and working directory."""
    opened = [(open_namespace(pid, name), kind) for name, kind in namespaces]
    try:
        root = os.open(f"/proc/{pid}/root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        cwd = os.open(f"/proc/{pid}/cwd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        raise gone(pid) from None
    for fd, kind in opened:
        setns(fd, kind)
        os.close(fd)
    os.fchdir(root)
    os.chroot(".")
    os.fchdir(cwd)
    os.close(root)
    os.close(cwd)


@contextlib.contextmanager
def inside(pid: int) -> Iterator[None]:
    """See the files of a node within the block, and nothing of the helper's.

    Nothing may be imported in the block: it would be the node's own file.

    """
    # The way back has to be open before the way in is taken.
    mount = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        enter_namespaces(pid, [("mnt", CLONE_NEWNS)])
        try:
            yield
        finally:
            try:
                setns(mount, CLONE_NEWNS)
                os.fchdir(root)
                os.chroot(".")
            except OSError:
                # To go on here would be to trust the node's files.
                os._exit(70)
    finally:
        os.close(mount)
        os.close(root)


class Account:
    """A user of a node: numbers, home, shell and further groups."""

    def __init__(self, name: str, uid: int, gid: int, home: str, shell: str) -> None:
        self.name = name
        self.uid = uid
        self.gid = gid
        self.home = home
        self.shell = shell
        self.groups: list[int] = []


def find_account(user: str) -> Account:
    """Look up "name", "uid" or "uid:gid" in /etc/passwd and /etc/group.

    To be called inside the node.  The files are read here and not by the C
    library, which would load the node's own name-service modules into a process
    that still has the helper's powers.  Raises LookupError.

    """
    name, _, group = user.partition(":")
    for fields in _colon_file("/etc/passwd", 7):
        if name in (fields[0], fields[2]):
            account = Account(fields[0], int(fields[2]), int(fields[3]), fields[5], fields[6])
            break
    else:
        if not name.isdigit():
            raise LookupError(f"the node has no user {name!r}: its /etc/passwd does not name one")
        account = Account(name, int(name), 0, "/", "/bin/sh")
    if group:
        account.gid = find_group(group)
        account.groups = [account.gid]
    else:
        account.groups = [account.gid]
        account.groups += [
            int(fields[2])
            for fields in _colon_file("/etc/group", 4)
            if account.name in fields[3].split(",")
        ]
    return account


def find_group(group: str) -> int:
    for fields in _colon_file("/etc/group", 4):
        if group in (fields[0], fields[2]):
            return int(fields[2])
    if not group.isdigit():
        raise LookupError(f"the node has no group {group!r}: its /etc/group does not name one")
    return int(group)


def _colon_file(path: str, count: int) -> Iterator[list[str]]:
    try:
        text = read_in_node(path)
    except FileNotFoundError:
        return
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= count:
            yield fields


# -- Starting commands -------------------------------------------------------


class Command:
    """What a child process is to become."""

    def __init__(
        self,
        argv: Sequence[str],
        env: dict[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        tty: Sequence[int] | None = None,
        prepare: Callable[[], str | None] | None = None,
    ) -> None:
        if not argv or not all(isinstance(word, str) for word in argv):
            raise TypeError("argv must be a list of words, the command's name first")
        if any("\0" in word for word in argv):
            raise ValueError("a word of a command cannot hold a NUL character")
        self.argv = list(argv)
        self.env = dict(env or {})
        self.cwd = cwd
        self.user = user
        self.tty = tty
        # Called inside the node before the command is run; returns the last word
        # of the command, or None if nothing is to be run after all.
        self.prepare = prepare


def start_in_node(
    pid: int, command: Command, stdio: tuple[int, int, int] | None
) -> tuple[int, socket.socket]:
    """Fork, enter the node, and run the command there.

    Returns the child's process id and a socket.  The socket gives end of file
    when the command runs, or a JSON error when it cannot be run; for a terminal
    it brings the terminal's file descriptor first.  ``stdio`` is left open here.

    """
    node = find_node(pid)
    namespace = open_namespace(pid, "pid")
    own_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    here, there = socket.socketpair()
    try:
        # Only processes forked after this are inside (pid_namespaces(7)): the
        # agent itself stays where it is.
        setns(namespace, CLONE_NEWPID)
        try:
            child = os.fork()
            if child == 0:
                _become(node, command, stdio, there)
        finally:
            setns(own_namespace, CLONE_NEWPID)
    except BaseException:
        here.close()
        raise
    finally:
        os.close(namespace)
        os.close(own_namespace)
        there.close()
    return child, here


def _become(
    node: Node,
    command: Command,
    stdio: tuple[int, int, int] | None,
    channel: socket.socket,
) -> None:
    """Turn this fresh child process into the command; never returns.

    Nothing may be imported here, see `inside`.

    """
    # The node sees this process already, and its root is stopped by two things
    # only from looking into it once it has the node's capabilities: see `main`
    # for the other.  So it keeps nothing of the agent's.
    try:
        signal.set_wakeup_fd(-1)
        if stdio is None:
            null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            stdio = (null, null, null)
        _dup_stdio(stdio)
        keep_only(channel.fileno())
        os.setsid()
        join_cgroups(node.cgroup_files)
        _take_over_labels(node.oom_score_adj, node.apparmor)
        enter_namespaces(node.pid, node.namespaces)
        environ = {**node.environ}
        if command.user is None:
            uid, gid, groups = node.uid, node.gid, node.groups
            if "HOME" not in environ:
                environ["HOME"] = find_account(str(uid)).home
        else:
            account = find_account(command.user)
            uid, gid, groups = account.uid, account.gid, account.groups
            environ.update(
                HOME=account.home, USER=account.name, LOGNAME=account.name, SHELL=account.shell
            )
        environ.update(command.env)
        if command.tty is not None:
            _dup_stdio(_terminal(command.tty, uid, channel))
        if command.cwd is not None:
            change_directory(command.cwd)
        if command.prepare is not None:
            word = command.prepare()
            if word is None:
                os._exit(0)
            command.argv[-1] += word
        _drop_privileges(node, uid, gid, groups)
        # Python ignores some signals, and an ignored signal stays so over exec.
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        execute(command.argv, environ)
    except BaseException as error:
        with contextlib.suppress(OSError):
            channel.sendall(json.dumps(describe(error, with_traceback=False)).encode())
    finally:
        os._exit(127)


def _dup_stdio(stdio: tuple[int, int, int]) -> None:
    for target, fd in enumerate(stdio):
        os.dup2(fd, target)


def _take_over_labels(oom_score_adj: str, apparmor: str) -> None:
    if oom_score_adj != "0":
        # Lowering it takes CAP_SYS_RESOURCE, which a helper may lack.
        with contextlib.suppress(OSError):
            _write_text("/proc/self/oom_score_adj", oom_score_adj)
    if apparmor.endswith("(enforce)"):
        # The profile for the next exec, apparmor(7); as the engine does.
        with contextlib.suppress(OSError):
            _write_text("/proc/self/attr/exec", "exec " + apparmor.rpartition(" ")[0])


def change_directory(path: str) -> None:
    try:
        os.chdir(path)
    except OSError as error:
        raise type(error)(
            error.errno, f"cannot run in the folder {path!r} of the node: {error.strerror}"
        ) from None


def _write_text(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _drop_privileges(node: Node, uid: int, gid: int, groups: Sequence[int]) -> None:
    """Keep of the helper's powers what the container has, and become the user."""
    if node.confined:
        confine()
    # capabilities(7): over an exec by root, permitted becomes inheritable |
    # bounding; by another user, nothing without ambient capabilities.
    surplus = own_bounding() & ~node.bounding
    for capability in range(surplus.bit_length()):
        if surplus >> capability & 1:
            checked(prctl(PR_CAPBSET_DROP, capability), "dropping a capability")
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    become_group(gid, groups)
    held = permitted_capabilities()
    capset(held, held, node.inheritable)
    # From root to another user clears permitted and effective.
    try:
        os.setresuid(uid, uid, uid)
    except OSError:
        if has_all_ids():
            raise
        raise PermissionError(errno.EPERM, _ROOT_ALONE) from None
    if uid == 0:
        kept = held & node.bounding
        capset(kept, kept, node.inheritable)
    if node.no_new_privs:
        prctl(PR_SET_NO_NEW_PRIVS, 1)


def permitted_capabilities() -> int:
    header = struct.pack("Ii", _LINUX_CAPABILITY_VERSION_3, 0)
    data = ctypes.create_string_buffer(24)
    checked(_libc.capget(header, data), "reading capabilities")
    words = struct.unpack("6I", data.raw)
    return int(words[1] | words[4] << 32)


# asm-generic/ioctls.h: open the other side of a terminal without its path.
TIOCGPTPEER = 0x5441
TIOCSPTLCK = 0x40045431
TIOCSCTTY = 0x540E
TIOCSWINSZ = 0x5414


def _terminal(size: Sequence[int], uid: int, channel: socket.socket) -> tuple[int, int, int]:
    """Make a terminal of the node's own, control it, and send its other side."""
    outer = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(outer, TIOCSPTLCK, struct.pack("i", 0))
    inner = fcntl.ioctl(outer, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    set_window(outer, size[0], size[1])
    fcntl.ioctl(inner, TIOCSCTTY, 0)
    give_to(inner, uid, -1)
    socket.send_fds(channel, [b"t"], [outer])
    os.close(outer)
    return inner, inner, inner


def set_window(fd: int, columns: int, lines: int) -> None:
    fcntl.ioctl(fd, TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def _places(argv: Sequence[str], environ: dict[str, str]) -> list[str]:
    """Return where execvpe(3) looks for a command, in environ's PATH."""
    name = argv[0]
    if "/" in name:
        return [name]
    return [f"{part or '.'}/{name}" for part in environ.get("PATH", DEFAULT_PATH).split(":")]


def execute(argv: list[str], environ: dict[str, str]) -> None:
    """Run a command as execvpe(3) does; returns only by an error."""
    refused = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for place in _places(argv, environ):
        try:
            os.execve(place, argv, environ)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                # A script without a first line that names its interpreter.
                os.execve("/bin/sh", ["/bin/sh", place, *argv[1:]], environ)
            refused = error
            if error.errno != errno.EACCES:
                break
    raise explain_exec(refused, argv, environ)


def explain_exec(error: OSError, argv: Sequence[str], environ: dict[str, str]) -> OSError:
    """Return the error of a command that could not be run, in a sentence.

    To be called inside the node.

    """
    name = argv[0]
    there = [place for place in _places(argv, environ) if os.path.exists(place)]
    if error.errno == errno.EACCES:
        place = there[0] if there else name
        return PermissionError(
            errno.EACCES, f"{place} on the node may not be run: is it an executable file?"
        )
    if error.errno == errno.EAGAIN:
        # fork(2): of the node's limit, or of the machine's own.
        return BlockingIOError(
            errno.EAGAIN,
            f"cannot run {name!r} on the node: it has as many processes as it may have; end some, "
            "or allow it more with processes=",
        )
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        return OSError(error.errno, f"cannot run {name!r} on the node: {error.strerror}")
    if there:
        return FileNotFoundError(
            errno.ENOENT,
            f"{there[0]} on the node names an interpreter that does not exist there: "
            "look at its first line",
        )
    path = "" if "/" in name else f" (its PATH is {environ.get('PATH', DEFAULT_PATH)})"
    return FileNotFoundError(errno.ENOENT, f"there is no program {name!r} on the node{path}")


# -- The filter of system calls ----------------------------------------------
#
# An engine starts a container under a filter (seccomp(2)), and what a filter
# forbids is inherited; but a filter is the kernel's compiled program, which one
# process cannot take over from another.  So what enters a node under a filter
# gets this one.  It denies what Docker's own profile denies (profiles/seccomp of
# moby) and lack of capabilities does not: above all new user namespaces, in
# which everybody has all capabilities, and much of the kernel is in reach.

# Set by an engine whose nodes' first processes have no filter of their own.
CONFINE_ALL = os.environ.get("PLAYGROUND_SECCOMP") == "1"

# linux/prctl.h, linux/seccomp.h
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_KILL_PROCESS = 0x80000000
SECCOMP_RET_ERRNO = 0x00050000
SECCOMP_RET_ALLOW = 0x7FFF0000

# linux/sched.h
CLONE_NEWUSER = 0x10000000

# linux/bpf_common.h: load a word, jump if equal, at least, or any bit set; return.
_LOAD, _JEQ, _JGE, _JSET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

# Offsets in struct seccomp_data; the first argument's lower half, for both
# kinds of machine are little-endian.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16

# The kernel's second table of x86_64 for programs with 32-bit pointers.
_X32 = 0x40000000

# By unistd_64.h and unistd_32.h of x86 and asm-generic/unistd.h: the numbers for
# x86_64, i386 and aarch64, None where there is no such call.
_DENIED: dict[str, tuple[int | None, int | None, int | None]] = {
    # Keys of other programs: keyrings(7) belong to users, not to containers.
    "add_key": (248, 286, 217),
    "request_key": (249, 287, 218),
    "keyctl": (250, 288, 219),
    # Programs inside the kernel, and looks at its inner life.
    "bpf": (321, 357, 280),
    "perf_event_open": (298, 336, 241),
    "userfaultfd": (323, 374, 282),
    "lookup_dcookie": (212, 253, 18),
    # Work for the kernel's own threads, past filters such as this one.
    "io_uring_setup": (425, 425, 425),
    "io_uring_enter": (426, 426, 426),
    "io_uring_register": (427, 427, 427),
    # Another kernel, more of this one, and files without a path; these take
    # capabilities as well.
    "create_module": (174, 127, None),
    "init_module": (175, 128, 105),
    "delete_module": (176, 129, 106),
    "get_kernel_syms": (177, 130, None),
    "query_module": (178, 167, None),
    "finit_module": (313, 350, 273),
    "kexec_load": (246, 283, 104),
    "kexec_file_load": (320, None, 294),
    "open_by_handle_at": (304, 342, 265),
}
_UNSHARE = (272, 310, 97)
_CLONE = (56, 120, 220)
_SOCKET = (41, 359, 198)

# Address families that know no network namespaces (vsock leads from a virtual machine
# to its hypervisor) or are doors into much of the kernel: sys/socket.h.
_DENIED_FAMILIES = {"AF_VSOCK": 40, "AF_ALG": 38, "AF_XDP": 44}

# clone3(2) hides its flags behind a pointer.  Its number is the same everywhere.
_CLONE3 = 435

# The columns above, and what linux/audit.h calls them.
_X86_64, _I386, _AARCH64 = range(3)
_AUDIT_ARCH = (0xC000003E, 0x40000003, 0xC00000B7)
_WORD_BYTES = (8, 4, 8)

# By os.uname().machine: whose programs may run.  Others are killed by SIGSYS.
_MACHINES = {"x86_64": (_X86_64, _I386), "aarch64": (_AARCH64,)}


def filter_missing(machine: str, word_bytes: int) -> str:
    """Return why there is no filter for a process with such words on such a machine.

    "" where there is one.  A process of 32 bits makes other calls than its kernel's
    machine; a filter without them would kill it.

    """
    if any(_WORD_BYTES[column] == word_bytes for column in _MACHINES.get(machine, ())):
        return ""
    what = machine if word_bytes == 8 else f"a Python of {8 * word_bytes} bits on {machine}"
    return (
        f"there is no filter of system calls for {what}, and without one hosts would be open to "
        'the machine: use a Docker engine, Lab(engine="docker")'
    )


Instruction = tuple[int, int, int, int]  # struct sock_filter: code, jt, jf, k


def filter_program(machine: str) -> list[Instruction]:
    """Return the filter for a machine in classic BPF; [] where there is none."""
    program: list[Instruction] = []
    if machine not in _MACHINES:
        return program
    program.append((_LOAD, 0, 0, _ARCHITECTURE))
    for column in _MACHINES[machine]:
        block = list(_block(column))
        program.append((_JEQ, 0, len(block), _AUDIT_ARCH[column]))
        program += block
    program.append((_RETURN, 0, 0, SECCOMP_RET_KILL_PROCESS))
    return program


def _block(column: int) -> Iterator[Instruction]:
    """Yield what decides on the calls of one table; ends with a return on every way."""
    denied = (_RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM)
    unknown = (_RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.ENOSYS)
    yield (_LOAD, 0, 0, _NUMBER)
    if column == _X86_64:
        yield (_JGE, 0, 1, _X32)
        yield unknown
    for numbers in _DENIED.values():
        if (number := numbers[column]) is not None:
            yield (_JEQ, 0, 1, number)
            yield denied
    # As a kernel that does not know it: the C library takes clone(2) then.
    yield (_JEQ, 0, 1, _CLONE3)
    yield unknown
    yield (_JEQ, 0, 2 + 2 * len(_DENIED_FAMILIES), _SOCKET[column])
    yield (_LOAD, 0, 0, _FIRST_ARGUMENT)
    for family in _DENIED_FAMILIES.values():
        yield (_JEQ, 0, 1, family)
        yield denied
    yield (_RETURN, 0, 0, SECCOMP_RET_ALLOW)
    yield (_JEQ, 1, 0, _UNSHARE[column])
    yield (_JEQ, 0, 3, _CLONE[column])
    yield (_LOAD, 0, 0, _FIRST_ARGUMENT)
    yield (_JSET, 0, 1, CLONE_NEWUSER)
    yield denied
    yield (_RETURN, 0, 0, SECCOMP_RET_ALLOW)


@functools.cache
def _packed_filter() -> bytes:
    program = filter_program(os.uname().machine)
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


NO_FILTERS = (
    "the kernel of this machine has no filters of system calls (CONFIG_SECCOMP_FILTER), and "
    'without one hosts would be open to the machine: use a Docker engine, Lab(engine="docker")'
)


def confine() -> bool:
    """Put this process, and all that it starts, under the filter; for good.

    It takes CAP_SYS_ADMIN, so that PR_SET_NO_NEW_PRIVS, which would end su and
    sudo, is not needed.  Returns False where there is no filter for this machine,
    or the kernel has no filters.

    """
    packed = _packed_filter()
    if not packed or filter_missing(os.uname().machine, struct.calcsize("P")):
        return False
    code = ctypes.create_string_buffer(packed, len(packed))
    # struct sock_fprog: how many instructions, and where.
    program = ctypes.create_string_buffer(
        struct.pack("HP", len(packed) // 8, ctypes.addressof(code))
    )
    if prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program)) != 0:
        number = ctypes.get_errno()
        if number == errno.EINVAL:
            return False
        raise OSError(number, f"setting a filter of system calls: {os.strerror(number)}")
    return True


# -- The launcher ------------------------------------------------------------
#
# Forking a Python process takes 1.5 ms on an idle machine and 8 ms on a busy
# one, since the child copies each page it touches; `subprocess`, which uses
# vfork(2), takes 0.8 and 1.1 ms.  But vfork leaves no room for Python code in
# the child.  So a launcher, forked once, gives up for good what a node's
# commands may not have, and enters the node's namespaces for the moment of each
# start.  The commands are its children.


class Profile(NamedTuple):
    """What a process can give up only once: nodes alike share a launcher."""

    bounding: int
    inheritable: int
    groups: tuple[int, ...]
    no_new_privs: bool
    confined: bool
    oom_score_adj: str
    apparmor: str


def profile(node: Node) -> Profile:
    return Profile(
        node.bounding,
        node.inheritable,
        tuple(node.groups),
        node.no_new_privs,
        node.confined,
        node.oom_score_adj,
        node.apparmor,
    )


# The engine cannot remove a container's control group while somebody is in it.
# So a launcher goes back to its own as soon as the node's first process ends,
# and after this time without work; not at once, since the way to and fro takes
# the kernel 2 to 9 ms, more than a command does.
LAUNCHER_IDLE_S = 10.0

# Longer requests are for a child of the agent's own.
LAUNCH_BYTES = 60_000


def start_launcher(kind: Profile) -> tuple[int, socket.socket]:
    """Fork a launcher; returns its process id and the socket to it.

    A request is a packet of JSON {"job", "pid", "argv", "env", "cwd"} with the
    command's three descriptors and a socket, which gets {"pid"} or an error as
    in `start_in_node`.  Packets {"job", "status"} come back.

    """
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        try:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            keep_only(there.fileno())
            _launch_all(kind, there)
        finally:
            os._exit(0)
    there.close()
    # A launcher that does not keep up must not stop the loop.
    here.setblocking(False)
    return pid, here


def keep_only(fd: int) -> None:
    """Close, in a fresh child, all descriptors but this one and the first three.

    Among them are other commands' pipes, which would not end while it has them.
    Its limit of open files is what the engine gave.

    """
    _nodes.clear()
    os.closerange(3, fd)
    os.closerange(fd + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    resource.setrlimit(resource.RLIMIT_NOFILE, FILES_LIMITS)


def _launch_all(kind: Profile, line: socket.socket) -> None:
    # Before any node is entered: nothing may be imported there.
    import subprocess
    import warnings  # noqa: F401 - os.get_exec_path wants it

    wake, woken = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    _give_up(kind)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    poll = select.poll()
    poll.register(line, select.POLLIN)
    poll.register(wake, select.POLLIN)
    launcher = _Launcher(line, subprocess.Popen, poll)
    while True:
        ready = poll.poll(LAUNCHER_IDLE_S * 1000 if launcher.away else None)
        if not ready:
            launcher.return_to_own_cgroups()
        for fd, _ in ready:
            if fd == wake:
                os.read(wake, 4096)
                launcher.reap()
            elif fd == line.fileno():
                if not launcher.launch():
                    return
            else:  # the node that it is away in has ended
                launcher.return_to_own_cgroups()


def _give_up(kind: Profile) -> None:
    if kind.confined:
        confine()
    surplus = own_bounding() & ~kind.bounding
    for capability in range(surplus.bit_length()):
        if surplus >> capability & 1:
            checked(prctl(PR_CAPBSET_DROP, capability), "dropping a capability")
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    become_group(0, kind.groups)
    # What it permits itself is not inherited over the exec: that takes the
    # bounding and the inheritable set only.
    held = permitted_capabilities()
    capset(held, held, kind.inheritable)
    if kind.no_new_privs:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
    _take_over_labels(kind.oom_score_adj, kind.apparmor)


class _Launcher:
    def __init__(self, line: socket.socket, popen: Any, poll: select.poll) -> None:
        self.line = line
        self.popen = popen
        self.poll = poll
        # A pidfd of the node whose control groups it is in.
        self.host: int | None = None
        self.jobs: dict[int, int] = {}
        self.own_cgroups = cgroup_files(_own_cgroups(), {}, _cgroup_mounts())
        self.away: list[str] = []
        self.own = {
            name: os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
            for name in ("pid", *own_namespaces())
        }
        self.root = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def launch(self) -> bool:
        """Start what the next packet asks for; False at the end of the line."""
        packet, descriptors, _, _ = socket.recv_fds(self.line, LAUNCH_BYTES + 4096, 4)
        if not packet:
            return False
        request = json.loads(packet)
        channel = socket.socket(fileno=descriptors[3])
        try:
            answer = {"pid": self._start(request, descriptors[:3])}
        except Exception as error:
            answer = describe(error, with_traceback=False)
        with contextlib.suppress(OSError):
            channel.sendall(json.dumps(answer).encode())
        channel.close()
        for fd in descriptors[:3]:
            os.close(fd)
        return True

    def _start(self, request: Request, stdio: Sequence[int]) -> int:
        node = find_node(request["pid"])
        if not node.cgroup_files:
            self.return_to_own_cgroups()
        elif self.away != node.cgroup_files:
            self._watch(node.pid)
            self.away = ["on the way"]
            join_cgroups(node.cgroup_files)
            self.away = node.cgroup_files
        namespace = open_namespace(node.pid, "pid")
        try:
            setns(namespace, CLONE_NEWPID)
        finally:
            os.close(namespace)
        try:
            enter_namespaces(node.pid, node.namespaces)
            if request["cwd"] is not None:
                change_directory(request["cwd"])
            argv, environ = request["argv"], request["env"]
            try:
                process = self._open(argv, environ, stdio)
            except OSError as error:
                there = [place for place in _places(argv, environ) if os.path.exists(place)]
                if error.errno != errno.ENOEXEC or not there:
                    raise explain_exec(error, argv, environ) from None
                # A script without a first line that names its interpreter.
                process = self._open(["/bin/sh", there[0], *argv[1:]], environ, stdio)
        finally:
            self._come_back(node)
        pid = int(process.pid)
        # We reap by ourselves; it must not wait for another process later.
        process.returncode = 0
        self.jobs[pid] = request["job"]
        return pid

    def _open(self, argv: Sequence[str], environ: Request, stdio: Sequence[int]) -> Any:
        return self.popen(
            argv,
            env=environ,
            stdin=stdio[0],
            stdout=stdio[1],
            stderr=stdio[2],
            start_new_session=True,
        )

    def _come_back(self, node: Node) -> None:
        try:
            setns(self.own["pid"], CLONE_NEWPID)
            for name, kind in reversed(node.namespaces):
                setns(self.own[name], kind)
            os.fchdir(self.root)
            os.chroot(".")
        except OSError:
            os._exit(70)  # to go on here would be to trust the node's files

    def _watch(self, pid: int | None) -> None:
        """Be told when this node ends, and no longer when the one before does."""
        host = None if pid is None else os.pidfd_open(pid)
        if self.host is not None:
            self.poll.unregister(self.host)
            os.close(self.host)
        self.host = host
        if host is not None:
            self.poll.register(host, select.POLLIN)

    def return_to_own_cgroups(self) -> None:
        self._watch(None)
        if self.away:
            self.away = []
            with contextlib.suppress(OSError):
                join_cgroups(self.own_cgroups)

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            job = self.jobs.pop(pid, None)
            if job is not None:
                returncode = os.waitstatus_to_exitcode(status)
                self.line.send(json.dumps({"job": job, "returncode": returncode}).encode())


# -- Netlink -----------------------------------------------------------------
#
# Written out here: importing pyroute2 takes 0.4 s of processor time, and a
# process that has imported it takes 3.0 ms to fork and reap instead of 0.7 ms.

# linux/netlink.h, linux/rtnetlink.h
NLM_F_REQUEST = 0x01
NLM_F_ACK = 0x04
NLM_F_ECHO = 0x08
NLM_F_DUMP = 0x300
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLM_F_CAPPED = 0x100
NLM_F_ACK_TLVS = 0x200
NLMSGERR_ATTR_MSG = 1
SOL_NETLINK = 270
NETLINK_ADD_MEMBERSHIP = 1
RTMGRP_LINK = 1
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11
RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_NEWADDR = 20
RTM_DELADDR = 21
RTM_NEWROUTE = 24
RTM_DELROUTE = 25
RTM_DELNEIGH = 29
NDA_DST = 1
RTM_GETROUTE = 26
RTM_NEWRULE = 32
RTM_DELRULE = 33
RTM_GETRULE = 34
RTM_GETNEIGH = 30
NLA_F_NESTED = 0x8000

# linux/if_link.h
IFF_UP = 1
IFLA_ADDRESS = 1
IFLA_IFNAME = 3
IFLA_MTU = 4
IFLA_MASTER = 10
IFLA_LINKINFO = 18
IFLA_STATS64 = 23
IFLA_NET_NS_FD = 28
IFLA_CARRIER = 33
IFLA_INFO_KIND = 1
IFLA_INFO_DATA = 2
VETH_INFO_PEER = 1
# The first of struct rtnl_link_stats64, in its order.
STATISTICS = (
    "rx_packets",
    "tx_packets",
    "rx_bytes",
    "tx_bytes",
    "rx_errors",
    "tx_errors",
    "rx_dropped",
    "tx_dropped",
)
IFLA_INFO_SLAVE_DATA = 5
IFLA_BR_FORWARD_DELAY = 1
IFLA_BR_HELLO_TIME = 2
IFLA_BR_MAX_AGE = 3
IFLA_BR_AGEING_TIME = 4
IFLA_BR_STP_STATE = 5
IFLA_BR_PRIORITY = 6
IFLA_BR_GROUP_FWD_MASK = 9
IFLA_BR_ROOT_ID = 10
IFLA_BR_BRIDGE_ID = 11
IFLA_BR_ROOT_PATH_COST = 13
IFLA_BR_MCAST_SNOOPING = 23
IFLA_BRPORT_STATE = 1
IFLA_BRPORT_COST = 3
# linux/if_bridge.h, BR_STATE_*
PORT_STATES = ("disabled", "listening", "learning", "forwarding", "blocking")

# linux/neighbour.h
AF_BRIDGE = 7
NDA_LLADDR = 2
NDA_CACHEINFO = 3
NDA_MASTER = 9
NUD_PERMANENT = 0x80

# linux/if_addr.h
IFA_ADDRESS = 1
IFA_LOCAL = 2
IFA_BROADCAST = 4
IFA_F_NODAD = 2

# linux/rtnetlink.h
RTA_DST = 1
RTA_OIF = 4
RTA_GATEWAY = 5
RTA_PRIORITY = 6
RTA_PREFSRC = 7
RTA_MULTIPATH = 9
RTA_TABLE = 15
RT_TABLE_MAIN = 254
RT_TABLE_LOCAL = 255
RTM_F_CLONED = 0x200
RTPROT_STATIC = 4
RT_SCOPE_UNIVERSE = 0
RT_SCOPE_LINK = 253
RT_SCOPE_NOWHERE = 255
RTN_UNSPEC = 0
RTN_UNICAST = 1
RTN_KINDS = {"unicast": 1, "blackhole": 6, "unreachable": 7, "prohibit": 8}

# linux/fib_rules.h
FRA_DST = 1
FRA_SRC = 2
FRA_IIFNAME = 3
FRA_PRIORITY = 6
FRA_FWMARK = 10
FRA_TABLE = 15
FR_ACT_TO_TBL = 1
RTNH_F_ONLINK = 4

# All groups but the three that IEEE 802.1D keeps for the bridge itself, which
# the kernel does not let anyone forward (net/bridge/br_private.h).
GROUP_FORWARD_MASK = 0xFFF8

# Messages in one system call.  Each is acknowledged by one packet in the
# socket's receive buffer, which holds about 250 of them by default.
BATCH = 64


class Message:
    """One rtnetlink request, and in words what it is for."""

    def __init__(self, kind: int, flags: int, body: bytes, purpose: str) -> None:
        self.kind = kind
        self.flags = flags
        self.body = body
        self.purpose = purpose


class NetlinkError(OSError):
    """The kernel refused a message; `str` is a sentence with its reason."""


def refusal(message: Message, number: int, reason: str) -> NetlinkError:
    words = os.strerror(number) + (f" ({reason})" if reason else "")
    return NetlinkError(number, f"cannot {message.purpose}: {words}")


class Netlink:
    """A socket to the routing side of one network namespace, rtnetlink(7)."""

    def __init__(self, pid: int | None, protocol: int = 0) -> None:
        """Open it in the namespace of a process, or in the present one."""
        if pid is not None:
            enter_network(pid)
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self.socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self.socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        # The kernel answers at once; a lost answer must not be waited for.
        self.socket.settimeout(10)
        self.socket.bind((0, 0))
        self.sequence = 0

    def send(self, messages: Sequence[Message]) -> None:
        """Send requests in order; the first refusal is raised after all were tried."""
        for message, number, reason in self.attempt(messages):
            if number:
                raise refusal(message, number, reason)

    def attempt(self, messages: Sequence[Message]) -> list[tuple[Message, int, str]]:
        """Send requests; return each with its error number (0: done) and reason."""
        results = []
        for start in range(0, len(messages), BATCH):
            batch = messages[start : start + BATCH]
            first = self.sequence + 1
            packets = []
            for message in batch:
                self.sequence += 1
                packets.append(
                    struct.pack(
                        "IHHII",
                        16 + len(message.body),
                        message.kind,
                        message.flags | NLM_F_REQUEST | NLM_F_ACK,
                        self.sequence,
                        0,
                    )
                    + message.body
                    + bytes(-len(message.body) % 4)
                )
            self.socket.send(b"".join(packets))
            answers: dict[int, tuple[int, str]] = {}
            while len(answers) < len(batch):
                for sequence, answer in _acknowledgements(self.socket.recv(1 << 16)):
                    # Others belong to a batch that was given up waiting for.
                    if first <= sequence <= self.sequence:
                        answers[sequence] = answer
            results += [(message, *answers[first + offset]) for offset, message in enumerate(batch)]
        return results

    def ask(self, message: Message) -> list[bytes]:
        """Send a question; return the bodies of its answers (all, with NLM_F_DUMP)."""
        self.sequence += 1
        header = struct.pack(
            "IHHII",
            16 + len(message.body),
            message.kind,
            message.flags | NLM_F_REQUEST | NLM_F_ACK,
            self.sequence,
            0,
        )
        self.socket.send(header + message.body)
        bodies: list[bytes] = []
        while True:
            packet = self.socket.recv(1 << 17)
            for sequence, (number, reason) in _acknowledgements(packet):
                if sequence == self.sequence and number:
                    raise refusal(message, number, reason)
                if sequence == self.sequence:
                    return bodies
            offset = 0
            while offset + 16 <= len(packet):
                length, kind, _, sequence, _ = struct.unpack_from("IHHII", packet, offset)
                if sequence == self.sequence and kind == NLMSG_DONE:
                    return bodies
                if sequence == self.sequence and kind != NLMSG_ERROR:
                    bodies.append(packet[offset + 16 : offset + length])
                offset += (length + 3) & ~3

    def close(self) -> None:
        self.socket.close()


def attributes(data: bytes) -> dict[int, bytes]:
    """Read netlink attributes: type to payload, the last of each type."""
    found = {}
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("HH", data, offset)
        if length < 4:
            break
        found[kind & ~NLA_F_NESTED] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def _acknowledgements(packet: bytes) -> Iterator[tuple[int, tuple[int, str]]]:
    offset = 0
    while offset + 16 <= len(packet):
        length, kind, flags, sequence, _ = struct.unpack_from("IHHII", packet, offset)
        if kind == NLMSG_ERROR:
            (number,) = struct.unpack_from("i", packet, offset + 16)
            reason = ""
            if flags & NLM_F_ACK_TLVS:
                # The request's header follows the number; with its body only
                # where the kernel is too old for NETLINK_CAP_ACK.
                (inner,) = struct.unpack_from("I", packet, offset + 20)
                start = offset + 20 + (16 if flags & NLM_F_CAPPED else (inner + 3) & ~3)
                reason = _reason(packet[start : offset + length])
            yield sequence, (-number, reason)
        offset += (length + 3) & ~3


def _reason(attributes: bytes) -> str:
    offset = 0
    while offset + 4 <= len(attributes):
        length, kind = struct.unpack_from("HH", attributes, offset)
        if length < 4:
            break
        if kind == NLMSGERR_ATTR_MSG:
            return attributes[offset + 4 : offset + length].rstrip(b"\0").decode("utf-8", "replace")
        offset += (length + 3) & ~3
    return ""


def enter_network(pid: int) -> None:
    fd = open_namespace(pid, "net")
    try:
        setns(fd, CLONE_NEWNET)
    finally:
        os.close(fd)


def attribute(kind: int, payload: bytes) -> bytes:
    return struct.pack("HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def text_attribute(kind: int, text: str) -> bytes:
    return attribute(kind, text.encode() + b"\0")


def link_body(flags: int = 0, mask: int = 0) -> bytes:
    """Build a struct ifinfomsg that names no interface by number."""
    return struct.pack("BxHiII", socket.AF_UNSPEC, 0, 0, flags, mask)


def set_link(name: str, up: bool, master: int | None = None) -> Message:
    body = link_body(IFF_UP if up else 0, IFF_UP) + text_attribute(IFLA_IFNAME, name)
    if master is not None:
        body += attribute(IFLA_MASTER, struct.pack("I", master))
    return Message(RTM_NEWLINK, 0, body, f"set the interface {name} {'up' if up else 'down'}")


def delete_link(name: str) -> Message:
    body = link_body() + text_attribute(IFLA_IFNAME, name)
    return Message(RTM_DELLINK, 0, body, f"remove the interface {name}")


def new_bridge(device: str, settings: Request | None = None) -> Message:
    options = (
        bridge_options(settings)
        if settings
        else attribute(IFLA_BR_FORWARD_DELAY, struct.pack("I", 0))
        + attribute(IFLA_BR_STP_STATE, struct.pack("I", 0))
    )
    options += attribute(IFLA_BR_GROUP_FWD_MASK, struct.pack("H", GROUP_FORWARD_MASK))
    options += attribute(IFLA_BR_MCAST_SNOOPING, struct.pack("B", 0))
    body = _bridge_body(device, options)
    return Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, f"make the bridge {device}")


def change_bridge(device: str, settings: Request) -> list[Message]:
    purpose = f"change the bridge {device}"
    messages = [Message(RTM_NEWLINK, 0, _bridge_body(device, bridge_options(settings)), purpose)]
    if not settings["stp"]:
        # The kernel looks at the delay first, and refuses 0 as long as it speaks STP.
        off = attribute(IFLA_BR_STP_STATE, struct.pack("I", 0))
        messages.insert(0, Message(RTM_NEWLINK, 0, _bridge_body(device, off), purpose))
    return messages


def bridge_options(settings: Request) -> bytes:
    options = b"".join(
        attribute(kind, struct.pack("I", settings[name]))
        for kind, name in (
            (IFLA_BR_FORWARD_DELAY, "forward_delay"),
            (IFLA_BR_HELLO_TIME, "hello_time"),
            (IFLA_BR_MAX_AGE, "max_age"),
            (IFLA_BR_AGEING_TIME, "ageing"),
        )
    )
    options += attribute(IFLA_BR_STP_STATE, struct.pack("I", settings["stp"]))
    return options + attribute(IFLA_BR_PRIORITY, struct.pack("H", settings["priority"]))


def _bridge_body(device: str, options: bytes) -> bytes:
    return (
        link_body()
        + text_attribute(IFLA_IFNAME, device)
        + attribute(
            IFLA_LINKINFO | NLA_F_NESTED,
            text_attribute(IFLA_INFO_KIND, "bridge")
            + attribute(IFLA_INFO_DATA | NLA_F_NESTED, options),
        )
    )


def new_veth(a: Request, b: Request, mtu_bytes: int, b_namespace: int) -> Message:
    """A veth pair: ``a`` where the message is sent, ``b`` in another namespace.

    Each end is made where it is to be, so that none is ever seen elsewhere.

    """
    peer = _veth_end(b, mtu_bytes) + attribute(IFLA_NET_NS_FD, struct.pack("I", b_namespace))
    body = _veth_end(a, mtu_bytes) + attribute(
        IFLA_LINKINFO | NLA_F_NESTED,
        text_attribute(IFLA_INFO_KIND, "veth")
        + attribute(IFLA_INFO_DATA | NLA_F_NESTED, attribute(VETH_INFO_PEER | NLA_F_NESTED, peer)),
    )
    purpose = f"make the link from {end_name(a)} to {end_name(b)}"
    return Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, purpose)


def _veth_end(end: Request, mtu_bytes: int) -> bytes:
    body = (
        link_body()
        + text_attribute(IFLA_IFNAME, end["interface"])
        + attribute(IFLA_MTU, struct.pack("I", mtu_bytes))
    )
    if end.get("mac"):
        body += attribute(IFLA_ADDRESS, bytes.fromhex(end["mac"].replace(":", "")))
    return body


def end_name(end: Request) -> str:
    place = "the lab's own namespace" if end["pid"] is None else f"the node of pid {end['pid']}"
    return f"{end['interface']} in {place}"


def packed_address(text: str) -> tuple[int, bytes]:
    """Return the address family and the bytes of an address."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return family, socket.inet_pton(family, text)


def packed_prefix(text: str) -> tuple[int, bytes, int]:
    """Return family, bytes and prefix length of "address/length"."""
    address, _, length = text.partition("/")
    family, packed = packed_address(address)
    return family, packed, int(length) if length else len(packed) * 8


def new_address(name: str, index: int, text: str) -> Message:
    family, packed, length = packed_prefix(text)
    flags = 0
    body = attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
    if family == socket.AF_INET6:
        # RFC 4862 5.4 would keep the address out of use for a second.
        flags = IFA_F_NODAD
    elif length <= 30:
        host_bits = (1 << (32 - length)) - 1
        broadcast = int.from_bytes(packed, "big") | host_bits
        body += attribute(IFA_BROADCAST, broadcast.to_bytes(4, "big"))
    header = struct.pack("BBBBI", family, length, flags, RT_SCOPE_UNIVERSE, index)
    return Message(
        RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, header + body, f"give {name} the address {text}"
    )


def delete_address(name: str, index: int, text: str) -> Message:
    family, packed, length = packed_prefix(text)
    body = attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
    header = struct.pack("BBBBI", family, length, 0, RT_SCOPE_UNIVERSE, index)
    return Message(RTM_DELADDR, 0, header + body, f"take the address {text} from {name}")


def route(kind: int, entry: Request, index: int, onlink: bool = False) -> Message:
    family, packed, length = packed_prefix(entry["destination"])
    via = entry.get("via")
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
        RT_TABLE_MAIN,
        RTPROT_STATIC if adding else 0,
        scope,
        RTN_UNICAST if adding else RTN_UNSPEC,
        RTNH_F_ONLINK if onlink else 0,
    )
    body = attribute(RTA_OIF, struct.pack("I", index))
    if length:
        body += attribute(RTA_DST, packed)
    if via is not None:
        body += attribute(RTA_GATEWAY, packed_address(via)[1])
    purpose = f"{'add' if adding else 'remove'} the route to {entry['destination']}"
    purpose += f" via {via}" if via is not None else ""
    flags = NLM_F_CREATE | NLM_F_REPLACE if adding else 0
    return Message(kind, flags, header + body, f"{purpose} on {entry['interface']}")


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
        body += _hops(hops)
    flags = NLM_F_CREATE | NLM_F_REPLACE if adding else 0
    purpose = f"{'add' if adding else 'remove'} the route to {entry['destination']}"
    return Message(kind, flags, header + body, purpose)


def _hops(hops: Sequence[Request]) -> bytes:
    found = []
    for hop in hops:
        via = b"" if hop["via"] is None else attribute(RTA_GATEWAY, packed_address(hop["via"])[1])
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


def _steer_back(netlink: Netlink, node: Request) -> None:
    """Take away what was said by hand; what is gone already is no error."""
    messages = [policy_rule(RTM_DELRULE, entry) for entry in node.get("rules_remove", [])]
    messages += [own_route(RTM_DELROUTE, entry) for entry in node.get("own_routes_remove", [])]
    for message, number, reason in netlink.attempt(messages):
        if number not in (0, errno.ESRCH, errno.ENOENT):
            raise refusal(message, number, reason)


def _steer(netlink: Netlink, node: Request) -> None:
    netlink.send([own_route(RTM_NEWROUTE, entry) for entry in node.get("own_routes_add", [])])
    messages = [policy_rule(RTM_NEWRULE, entry) for entry in node.get("rules_add", [])]
    for message, number, reason in netlink.attempt(messages):
        if number not in (0, errno.EEXIST):
            raise refusal(message, number, reason)


# -- Offloads ----------------------------------------------------------------

# linux/ethtool.h, linux/sockios.h
SIOCETHTOOL = 0x8946
ETHTOOL_GSTRINGS = 0x1B
ETHTOOL_GSSET_INFO = 0x37
ETHTOOL_GFEATURES = 0x3A
ETHTOOL_SFEATURES = 0x3B
ETH_SS_FEATURES = 4
ETH_GSTRING_LEN = 32

# All by which a frame on the wire would differ from a frame in the textbook:
# checksums left open, segments larger than the MTU, segments put together.
_OFFLOADS = re.compile(
    r"tx-(checksum|scatter-gather|tcp|udp|gso|generic-segmentation|gre|ipxip|sctp|esp|tunnel|fcoe)"
    r"|rx-(gro|lro|udp-gro)"
)


def ethtool(probe: socket.socket, interface: str, request: bytes) -> bytes:
    buffer = ctypes.create_string_buffer(request, len(request))
    fcntl.ioctl(
        probe, SIOCETHTOOL, struct.pack("16sP8x", interface.encode(), ctypes.addressof(buffer))
    )
    return buffer.raw


def feature_names(probe: socket.socket, interface: str) -> list[str]:
    """Return the names of the kernel's interface features, by bit number."""
    answer = ethtool(
        probe, interface, struct.pack("IIQI", ETHTOOL_GSSET_INFO, 0, 1 << ETH_SS_FEATURES, 0)
    )
    (count,) = struct.unpack_from("I", answer, 16)
    request = struct.pack("III", ETHTOOL_GSTRINGS, ETH_SS_FEATURES, count)
    answer = ethtool(probe, interface, request + bytes(count * ETH_GSTRING_LEN))[12:]
    return [
        answer[start : start + ETH_GSTRING_LEN].rstrip(b"\0").decode("ascii", "replace")
        for start in range(0, count * ETH_GSTRING_LEN, ETH_GSTRING_LEN)
    ]


def features(probe: socket.socket, interface: str) -> list[tuple[int, int, int, int]]:
    """Return (available, requested, active, never changed) masks, 32 bits each."""
    blocks = (len(feature_names(probe, interface)) + 31) // 32
    answer = ethtool(
        probe, interface, struct.pack("II", ETHTOOL_GFEATURES, blocks) + bytes(16 * blocks)
    )
    return [struct.unpack_from("4I", answer, 8 + 16 * block) for block in range(blocks)]


class Offloads:
    """Turns offloads off; asks the kernel only once which bits those are."""

    def __init__(self) -> None:
        self._request = b""

    def off(self, interface: str) -> None:
        """Turn the offloads of an interface in the present namespace off."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            if not self._request:
                self._request = self._build(probe, interface)
            ethtool(probe, interface, self._request)

    def _build(self, probe: socket.socket, interface: str) -> bytes:
        names = feature_names(probe, interface)
        masks = []
        for block, (available, _, _, never) in enumerate(features(probe, interface)):
            mask = 0
            for bit, name in enumerate(names[32 * block : 32 * block + 32]):
                if _OFFLOADS.match(name):
                    mask |= 1 << bit
            masks.append(mask & available & ~never)
        request = struct.pack("II", ETHTOOL_SFEATURES, len(masks))
        return request + b"".join(struct.pack("II", mask, 0) for mask in masks)


# -- Impairments -------------------------------------------------------------
#
# What leaves by an interface is impaired there.  netem does all of it where the
# kernel has it.  Elsewhere tbf keeps a rate, a filter of the egress hook loses
# frames, and what waits is led by that filter into a tap, to a relay (below).

# linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h, linux/tc_act/tc_mirred.h
RTM_NEWQDISC = 36
RTM_DELQDISC = 37
RTM_GETQDISC = 38
RTM_NEWTFILTER = 44
RTM_DELTFILTER = 45
RTM_GETTFILTER = 46
TC_H_ROOT = 0xFFFFFFFF
TC_H_CLSACT = 0xFFFFFFF1
TC_H_CLSACT_INGRESS = 0xFFFFFFF2
TC_H_CLSACT_EGRESS = 0xFFFFFFF3
CLSACT_HANDLE = 0xFFFF0000
TCA_KIND = 1
TCA_OPTIONS = 2
TCA_NETEM_DELAY_DIST = 2
TCA_NETEM_REORDER = 3
TCA_NETEM_CORRUPT = 4
TCA_NETEM_LOSS = 5
TCA_NETEM_RATE = 6
TCA_NETEM_RATE64 = 8
TCA_NETEM_LATENCY64 = 10
TCA_NETEM_JITTER64 = 11
NETEM_LOSS_GE = 2
TCA_TBF_PARMS = 1
TCA_TBF_RATE64 = 4
TCA_TBF_BURST = 6
TC_LINKLAYER_ETHERNET = 1
TICK_NS = 64  # PSCHED_SHIFT of net/pkt_sched.h
TCA_BPF_ACT = 1
TCA_BPF_OPS_LEN = 4
TCA_BPF_OPS = 5
TCA_BPF_NAME = 7
TCA_BPF_FLAGS = 8
TCA_BPF_FLAG_ACT_DIRECT = 1
TCA_ACT_KIND = 1
TCA_ACT_OPTIONS = 2
TCA_MIRRED_PARMS = 2
TCA_EGRESS_REDIR = 1
TCA_EGRESS_MIRROR = 2
TC_ACT_STOLEN = 4
TC_ACT_UNSPEC = 0xFFFFFFFF
ETH_P_ALL = 3

# Of our filter among those that a user may have put there too.
FILTER_PRIORITY = 0x7067
# Of a mirror's: after those, so that what is lost is in no copy.
MIRROR_INFO = 0x706D << 16 | socket.htons(ETH_P_ALL)

# linux/filter.h: what a filter reads beside the frame itself.
SKF_AD_MARK = 0xFFFFF000 + 20
SKF_AD_RANDOM = 0xFFFFF000 + 56
BPF_LD_W_ABS = 0x20
BPF_JMP_JEQ_K = 0x15
BPF_JMP_JGE_K = 0x35
BPF_RET_K = 0x06


def share(percent: float) -> int:
    """Return a probability as the kernel has it, in units of 1 / 2**32."""
    return min(round(percent / 100 * 2**32), 2**32 - 1)


def queue_body(index: int, parent: int, handle: int = 0, info: int = 0) -> bytes:
    """Build a struct tcmsg."""
    return struct.pack("BxxxiIII", socket.AF_UNSPEC, index, handle, parent, info)


def new_queue(index: int, kind: str, options: bytes, purpose: str) -> Message:
    """Put a queueing discipline in the place of the one that an interface has."""
    body = (
        queue_body(index, TC_H_ROOT)
        + text_attribute(TCA_KIND, kind)
        + attribute(TCA_OPTIONS, options)
    )
    return Message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, body, purpose)


def delete_queue(index: int) -> Message:
    return Message(RTM_DELQDISC, 0, queue_body(index, TC_H_ROOT), "take away the queue")


def netem_options(wanted: Request) -> bytes:
    """Return a struct tc_netem_qopt and the attributes of netem that go with it."""
    delay_ns, jitter_ns = (round(wanted[name] * 1e6) for name in ("delay_ms", "jitter_ms"))
    bursts = wanted["bursts"]
    options = struct.pack(
        "6I",
        min(delay_ns // TICK_NS, 2**32 - 1),
        wanted["queue_packets"],
        0 if bursts else share(wanted["loss_percent"]),
        1 if wanted["reorder_percent"] else 0,
        share(wanted["duplicate_percent"]),
        min(jitter_ns // TICK_NS, 2**32 - 1),
    )
    options += attribute(TCA_NETEM_LATENCY64, struct.pack("q", delay_ns))
    options += attribute(TCA_NETEM_JITTER64, struct.pack("q", jitter_ns))
    if wanted.get("table"):
        table = wanted["table"]
        options += attribute(TCA_NETEM_DELAY_DIST, struct.pack(f"{len(table)}h", *table))
    if bursts:
        model = struct.pack("4I", share(bursts[0]), share(bursts[1]), 0, 0)
        options += attribute(TCA_NETEM_LOSS | NLA_F_NESTED, attribute(NETEM_LOSS_GE, model))
    for kind, name in (
        (TCA_NETEM_REORDER, "reorder_percent"),
        (TCA_NETEM_CORRUPT, "corrupt_percent"),
    ):
        if wanted[name]:
            options += attribute(kind, struct.pack("II", share(wanted[name]), 0))
    if wanted["rate_mbit"] is not None:
        rate = round(wanted["rate_mbit"] * 1e6 / 8)
        options += attribute(TCA_NETEM_RATE64, struct.pack("Q", rate))
        options += attribute(TCA_NETEM_RATE, struct.pack("IiIi", min(rate, 2**32 - 1), 0, 0, 0))
    return options


def tbf_options(wanted: Request) -> bytes:
    """Return what keeps a rate: tc-tbf(8)."""
    rate = round(wanted["rate_mbit"] * 1e6 / 8)
    burst = wanted["burst_bytes"]
    ratespec = struct.pack("BBHhHI", 0, TC_LINKLAYER_ETHERNET, 0, 0, 0, min(rate, 2**32 - 1))
    ticks = min(burst * 10**9 // rate // TICK_NS, 2**32 - 1)
    parameters = ratespec + bytes(12)
    parameters += struct.pack("III", min(wanted["queue_bytes"], 2**32 - 1), ticks, 0)
    return (
        attribute(TCA_TBF_PARMS, parameters)
        + attribute(TCA_TBF_RATE64, struct.pack("Q", rate))
        + attribute(TCA_TBF_BURST, struct.pack("I", burst))
    )


def losing(percent: float) -> list[Instruction]:
    """A program that takes frames away by chance, unseen by who sent them."""
    if percent >= 100:
        return [(BPF_RET_K, 0, 0, TC_ACT_STOLEN)]
    return [
        (BPF_LD_W_ABS, 0, 0, SKF_AD_RANDOM),
        (BPF_JMP_JGE_K, 1, 0, share(percent)),
        (BPF_RET_K, 0, 0, TC_ACT_STOLEN),
        (BPF_RET_K, 0, 0, TC_ACT_UNSPEC),
    ]


def unmarked(mark: int) -> list[Instruction]:
    """A program that finds all frames but those that a relay has sent on."""
    return [
        (BPF_LD_W_ABS, 0, 0, SKF_AD_MARK),
        (BPF_JMP_JEQ_K, 0, 1, mark),
        (BPF_RET_K, 0, 0, 0),
        (BPF_RET_K, 0, 0, 0xFFFFFFFF),
    ]


def filter_messages(index: int, program: Sequence[Instruction], into: int | None) -> list[Message]:
    """Put a program at an interface's egress; what it finds goes ``into`` another one."""
    options = attribute(TCA_BPF_OPS_LEN, struct.pack("H", len(program)))
    options += attribute(TCA_BPF_OPS, b"".join(struct.pack("HBBI", *row) for row in program))
    if into is None:
        options += attribute(TCA_BPF_FLAGS, struct.pack("I", TCA_BPF_FLAG_ACT_DIRECT))
    else:
        mirred = struct.pack("IIiiiiI", 0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR, into)
        action = text_attribute(TCA_ACT_KIND, "mirred") + attribute(
            TCA_ACT_OPTIONS | NLA_F_NESTED, attribute(TCA_MIRRED_PARMS, mirred)
        )
        options += attribute(TCA_BPF_ACT | NLA_F_NESTED, attribute(1 | NLA_F_NESTED, action))
    hook = queue_body(index, TC_H_CLSACT, CLSACT_HANDLE) + text_attribute(TCA_KIND, "clsact")
    body = (
        queue_body(index, TC_H_CLSACT_EGRESS, 1, FILTER_PRIORITY << 16 | socket.htons(ETH_P_ALL))
        + text_attribute(TCA_KIND, "bpf")
        + attribute(TCA_OPTIONS | NLA_F_NESTED, options)
    )
    flags = NLM_F_CREATE | NLM_F_REPLACE
    return [
        # A second time it changes nothing, and what hangs on it stays.
        Message(RTM_NEWQDISC, flags, hook, "open the egress hook of tc (clsact)"),
        Message(RTM_NEWTFILTER, flags, body, "set a filter (cls_bpf)"),
    ]


def mirror_messages(index: int, hook: int, to: int) -> list[Message]:
    """Copy all that enters or leaves an interface to another; filters after it go on."""
    mirred = struct.pack("IIiiiiI", 0, 0, -1, 0, 0, TCA_EGRESS_MIRROR, to)
    action = text_attribute(TCA_ACT_KIND, "mirred") + attribute(
        TCA_ACT_OPTIONS | NLA_F_NESTED, attribute(TCA_MIRRED_PARMS, mirred)
    )
    everything = struct.pack("HBBI", BPF_RET_K, 0, 0, 0xFFFFFFFF)
    options = (
        attribute(TCA_BPF_OPS_LEN, struct.pack("H", 1))
        + attribute(TCA_BPF_OPS, everything)
        + attribute(TCA_BPF_ACT | NLA_F_NESTED, attribute(1 | NLA_F_NESTED, action))
    )
    clsact = queue_body(index, TC_H_CLSACT, CLSACT_HANDLE) + text_attribute(TCA_KIND, "clsact")
    body = (
        queue_body(index, hook, 1, MIRROR_INFO)
        + text_attribute(TCA_KIND, "bpf")
        + attribute(TCA_OPTIONS | NLA_F_NESTED, options)
    )
    flags = NLM_F_CREATE | NLM_F_REPLACE
    return [
        Message(RTM_NEWQDISC, flags, clsact, "open the hooks of tc (clsact)"),
        Message(RTM_NEWTFILTER, flags, body, "mirror a port (cls_bpf, act_mirred)"),
    ]


def delete_filter(index: int) -> Message:
    info = FILTER_PRIORITY << 16 | socket.htons(ETH_P_ALL)
    body = queue_body(index, TC_H_CLSACT_EGRESS, 0, info)
    return Message(RTM_DELTFILTER, 0, body, "take away a filter")


def get_filter(index: int) -> Message:
    info = FILTER_PRIORITY << 16 | socket.htons(ETH_P_ALL)
    body = queue_body(index, TC_H_CLSACT_EGRESS, 1, info) + text_attribute(TCA_KIND, "bpf")
    return Message(RTM_GETTFILTER, 0, body, "look at a filter")


def needs_relay(wanted: Request) -> bool:
    """Whether only a relay can do it, where there is no netem."""
    names = ("delay_ms", "duplicate_percent", "corrupt_percent", "reorder_percent")
    return any(wanted[name] for name in names) or bool(wanted["bursts"])


# Which ways an end may be impaired; PLAYGROUND_IMPAIR=relay leaves netem out.
WITHOUT_NETEM = os.environ.get("PLAYGROUND_IMPAIR") == "relay"


def impair(directions: Sequence[Request]) -> list[list[str]]:
    done: list[Request] = []
    ways = []
    try:
        for direction, netlink in in_each(directions):
            done.append(direction)
            ways.append(_impair(netlink, direction, direction["impairment"]))
    except BaseException:
        for direction, netlink in in_each(done):
            with contextlib.suppress(OSError):
                _impair(netlink, direction, direction["before"])
        raise
    return ways


def _impair(netlink: Netlink, direction: Request, wanted: Request | None) -> list[str]:
    name = direction["interface"]
    index = interface_index(name)
    old = [tap for tap in tap_names(index) if _index_or_none(tap) is not None]
    if wanted is None:
        _attempt(netlink, delete_queue(index), errno.ENOENT, errno.EINVAL)
        _without_filter(netlink, index, old)
        return []
    if not WITHOUT_NETEM and _netem(netlink, index, wanted, name):
        _without_filter(netlink, index, old)
        return ["netem"]
    ways = []
    if wanted["rate_mbit"] is not None:
        purpose = f"limit the rate of {name} by tbf (this kernel has no netem)"
        netlink.send([new_queue(index, "tbf", tbf_options(wanted), purpose)])
        ways.append("tbf")
    else:
        _attempt(netlink, delete_queue(index), errno.ENOENT, errno.EINVAL)
    if needs_relay(wanted):
        start_relay(netlink, direction, index, wanted)
        ways.append("relay")
    elif wanted["loss_percent"]:
        netlink.send(filter_messages(index, losing(wanted["loss_percent"]), None))
        ways.append("filter")
    else:
        _without_filter(netlink, index, [])
    # Only now, for its relay sends what it still has when its tap goes.
    for tap in old:
        _attempt(netlink, delete_link(tap), errno.ENODEV)
    return ways


def impaired(ends: Sequence[Request]) -> list[Request]:
    found = []
    for end, netlink in in_each(ends):
        index = interface_index(end["interface"])
        ways: list[str] = []
        settings: Request = {}
        # Without the flag the answer goes to those who watch, and not to who has asked.
        body = queue_body(index, TC_H_ROOT)
        question = Message(RTM_GETQDISC, NLM_F_ECHO, body, "look at a queue")
        for answer in _answers(netlink, question):
            parts = attributes(answer[20:])
            kind = parts[TCA_KIND].rstrip(b"\0").decode()
            if kind in _READ_QUEUE:
                ways.append(kind)
                settings |= _READ_QUEUE[kind](parts[TCA_OPTIONS])
        taps = [tap for tap in tap_names(index) if _index_or_none(tap) is not None]
        if taps:
            ways.append("relay")
            settings |= _relay_settings(netlink, taps[0])
        elif answers := _answers(netlink, get_filter(index)):
            ways.append("filter")
            options = attributes(attributes(answers[0][20:])[TCA_OPTIONS])
            settings["loss_percent"] = read_losing(options.get(TCA_BPF_OPS, b""))
        found.append({"by": ways, "settings": settings})
    return found


def percent(probability: int) -> float:
    """Return what `share` was given, as exactly as people write it."""
    return round(probability / 2**32 * 100, 6)


def read_netem(options: bytes) -> Request:
    """Read what `netem_options` has built; a table of jitter is never told."""
    latency, limit, loss, gap, duplicate, jitter = struct.unpack_from("6I", options)
    parts = attributes(options[24:])

    def number(kind: int, code: str, default: int, offset: int = 0) -> int:
        value: int = struct.unpack_from(code, parts[kind], offset)[0] if kind in parts else default
        return value

    found: Request = {
        "delay_ms": number(TCA_NETEM_LATENCY64, "q", latency * TICK_NS) / 1e6,
        "jitter_ms": number(TCA_NETEM_JITTER64, "q", jitter * TICK_NS) / 1e6,
        "loss_percent": percent(loss),
        "duplicate_percent": percent(duplicate),
        "corrupt_percent": percent(number(TCA_NETEM_CORRUPT, "I", 0)),
        "reorder_percent": percent(number(TCA_NETEM_REORDER, "I", 0)) if gap else 0.0,
        "queue_packets": limit,
    }
    model = attributes(parts.get(TCA_NETEM_LOSS, b"")).get(NETEM_LOSS_GE)
    if model is not None:
        begin, end = (percent(value) for value in struct.unpack_from("2I", model))
        found["loss_percent"] = round(begin / (begin + end) * 100, 4)
        found["loss_correlation"] = round(100 - begin - end, 4)
    rate = number(TCA_NETEM_RATE64, "Q", number(TCA_NETEM_RATE, "I", 0))
    if rate:
        found["rate_mbit"] = rate * 8 / 1e6
    return found


def read_tbf(options: bytes) -> Request:
    parts = attributes(options)
    (rate,) = struct.unpack_from("I", parts[TCA_TBF_PARMS], 8)
    if TCA_TBF_RATE64 in parts:
        (rate,) = struct.unpack("Q", parts[TCA_TBF_RATE64])
    return {"rate_mbit": rate * 8 / 1e6}


def read_losing(program: bytes) -> float:
    """Return the loss that `losing` was told; 100 where it asks for no number."""
    for code, _, _, value in struct.iter_unpack("HBBI", program):
        if code == BPF_JMP_JGE_K:
            return percent(value)
    return 100.0


_READ_QUEUE = {"netem": read_netem, "tbf": read_tbf}


def _relay_settings(netlink: Netlink, tap: str) -> Request:
    body = link_body() + text_attribute(IFLA_IFNAME, tap)
    [answer] = netlink.ask(Message(RTM_GETLINK, 0, body, f"look at the tap {tap}"))
    alias = attributes(answer[16:]).get(IFLA_IFALIAS, b"{}")
    settings: Request = json.loads(alias.rstrip(b"\0"))
    return settings


def _answers(netlink: Netlink, question: Message) -> list[bytes]:
    try:
        return netlink.ask(question)
    except NetlinkError as error:
        if error.errno not in (errno.ENOENT, errno.EINVAL):
            raise
        return []


def _netem(netlink: Netlink, index: int, wanted: Request, name: str) -> bool:
    """Impair by netem; False where the kernel has none."""
    # It takes up new settings one by one, and keeps those that are not named.
    _attempt(netlink, delete_queue(index), errno.ENOENT, errno.EINVAL)
    message = new_queue(index, "netem", netem_options(wanted), f"impair {name} by netem")
    [(message, number, reason)] = netlink.attempt([message])
    if number == errno.ENOENT:
        return False
    if number:
        raise refusal(message, number, reason)
    return True


def _without_filter(netlink: Netlink, index: int, taps: Sequence[str]) -> None:
    _attempt(netlink, delete_filter(index), errno.ENOENT, errno.EINVAL)
    for tap in taps:
        _attempt(netlink, delete_link(tap), errno.ENODEV)


def _attempt(netlink: Netlink, message: Message, *harmless: int) -> None:
    """Send what may have nothing to do."""
    [(message, number, reason)] = netlink.attempt([message])
    if number and number not in harmless:
        raise refusal(message, number, reason)


# -- The relay ---------------------------------------------------------------
#
# A process for each impaired direction: it reads frames from a tap, keeps each for
# its time, and sends it by the interface that it was meant for.  It ends when its
# tap is removed, or the node has ended.

# linux/if_tun.h
TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
TUN_DEVICE = (10, 200)  # Documentation/admin-guide/devices.txt
IFLA_TXQLEN = 13
IFLA_IFALIAS = 20
SO_MARK = 36
SO_SNDBUFFORCE = 32
PR_SET_TIMERSLACK = 29

# Frames that may wait for a relay which is busy, and bytes of one with all tags.
TAP_FRAMES = 10_000
FRAME_BYTES = 1 << 17
RELAY_BUFFER_BYTES = 64 << 20
# As setpriority(2) counts; higher than what people run, lower than the kernel's own.
RELAY_PRIORITY = -15
# Read in one go, before what is due is sent.
RELAY_READS = 32


def tap_names(index: int) -> tuple[str, str]:
    """The two names that an interface's tap may have, used in turn."""
    return f"relay{index}", f"relay{index}x"


def start_relay(netlink: Netlink, direction: Request, index: int, wanted: Request) -> None:
    """Lead what leaves by an interface of the present namespace through a relay."""
    name = direction["interface"]
    tap_name = next(tap for tap in tap_names(index) if _index_or_none(tap) is None)
    mark = 0x70000000 | index
    tap = open_tap(tap_name)
    try:
        out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        out.bind((name, 0))
        out.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
        try:
            out.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, RELAY_BUFFER_BYTES)
        except PermissionError:
            out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, RELAY_BUFFER_BYTES)
        out.setblocking(False)
        _disable_ipv6(tap_name)
        body = link_body(IFF_UP, IFF_UP) + text_attribute(IFLA_IFNAME, tap_name)
        body += attribute(IFLA_TXQLEN, struct.pack("I", TAP_FRAMES))
        # For who looks with `ip link`, and for `impaired`.
        body += text_attribute(IFLA_IFALIAS, json.dumps(relayed(wanted), separators=(",", ":")))
        netlink.send([Message(RTM_NEWLINK, 0, body, f"set the tap {tap_name} up")])
        watched = direction.get("watch")
        handle = os.pidfd_open(watched) if watched else -1
        if os.fork() == 0:
            _detach_relay(tap, out.fileno(), handle, wanted)
        netlink.send(filter_messages(index, unmarked(mark), interface_index(tap_name)))
        out.close()
        if handle >= 0:
            os.close(handle)
    finally:
        os.close(tap)


def relayed(wanted: Request) -> Request:
    """Return the settings that a relay cares for, in words that `impaired` returns."""
    others = ("rate_mbit", "queue_bytes", "burst_bytes", "bursts", "table")
    return {name: value for name, value in wanted.items() if value and name not in others}


def open_tap(name: str) -> int:
    try:
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except PermissionError:
        raise PermissionError(
            errno.EACCES,
            "this kernel has no netem, and in its place frames would pass through a tap, for "
            "which this user may not open /dev/net/tun: let root load the module sch_netem, or "
            "run `chmod 666 /dev/net/tun` (a rate or a loss alone need neither)",
        ) from None
    except FileNotFoundError:
        # A helper of Docker's may use it, and has no file for it.
        path = f"/dev/playground-tun-{os.getpid()}"
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(*TUN_DEVICE))
        try:
            tap = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        finally:
            os.unlink(path)
    try:
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    except BaseException:
        os.close(tap)
        raise
    return tap


def _detach_relay(tap: int, out: int, handle: int, wanted: Request) -> None:
    """Become, in a fresh child, a relay that nobody waits for."""
    try:
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        kept = [fd for fd in (tap, out, handle) if fd >= 0]
        floor = 3
        for fd in sorted(kept):
            os.closerange(floor, fd)
            floor = fd + 1
        os.closerange(floor, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        null = os.open("/dev/null", os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        prctl(PR_SET_TIMERSLACK, 1)
        # Who waits for the processor adds that to the delay; only root need not.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, RELAY_PRIORITY)
        Relay(tap, out, handle, wanted).serve()
    finally:
        os._exit(0)


class Relay:
    """Frames from a tap to an interface, each as late as it is to be."""

    def __init__(self, tap: int, out: int, handle: int, wanted: Request) -> None:
        # Here, for an agent in a lab that needs no relay does without them.
        import heapq
        import random

        self._push = heapq.heappush
        self._pop = heapq.heappop
        self.tap = tap
        self.out = out
        self.handle = handle
        self.wanted = wanted
        self.limit = wanted["queue_packets"]
        self.random = random.Random().random
        self.waiting: list[tuple[float, int, bytes]] = []
        self.count = 0
        self.losing = False

    def serve(self) -> None:
        """Relay until the tap or the node is gone, and what was waiting is sent."""
        ends = [fd for fd in (self.tap, self.handle) if fd >= 0]
        while ends or self.waiting:
            timeout_s = None
            if self.waiting:
                timeout_s = max(0.0, self.waiting[0][0] - time.monotonic())
            # select(2) waits to the microsecond, epoll_wait(2) to the millisecond.
            ready, _, _ = select.select(ends, [], [], timeout_s)
            if self.handle in ready:
                return
            if self.tap in ready and not self._read():
                ends.clear()
            self._send()

    def _read(self) -> bool:
        for _ in range(RELAY_READS):
            try:
                frame = os.read(self.tap, FRAME_BYTES)
            except BlockingIOError:
                return True
            except OSError:
                return False  # the tap was removed
            self.take(frame, time.monotonic())
        return True

    def _send(self) -> None:
        now = time.monotonic()
        while self.waiting and self.waiting[0][0] <= now:
            _, _, frame = self._pop(self.waiting)
            # A full queue and an interface that is down lose it, as a wire does.
            with contextlib.suppress(OSError):
                os.write(self.out, frame)

    def take(self, frame: bytes, now: float) -> None:
        """Decide what becomes of a frame, in the order in which netem does."""
        copies = 1
        if self._chance("duplicate_percent"):
            copies += 1
        if self._lost():
            copies -= 1
        for _ in range(copies):
            if len(self.waiting) >= self.limit:
                return
            self.count += 1
            if self._chance("corrupt_percent"):
                frame = self._corrupted(frame)
            self._push(self.waiting, (now + self._delay_s(), self.count, frame))

    def _chance(self, name: str) -> bool:
        percent = self.wanted[name]
        return bool(percent) and self.random() * 100 < percent

    def _lost(self) -> bool:
        bursts = self.wanted["bursts"]
        if not bursts:
            return self._chance("loss_percent")
        begin, end = bursts
        self.losing = self.random() * 100 < (100 - end if self.losing else begin)
        return self.losing

    def _corrupted(self, frame: bytes) -> bytes:
        bit = int(self.random() * len(frame) * 8)
        changed = bytearray(frame)
        changed[bit // 8] ^= 1 << bit % 8
        return bytes(changed)

    def _delay_s(self) -> float:
        wanted = self.wanted
        if self._chance("reorder_percent"):
            return 0.0
        delay: float = wanted["delay_ms"]
        if wanted["jitter_ms"]:
            table = wanted.get("table")
            if table:
                spread = table[int(self.random() * len(table))] / 8192
            else:
                spread = 2 * self.random() - 1
            delay += spread * wanted["jitter_ms"]
        return max(0.0, delay / 1000)


# -- DHCP --------------------------------------------------------------------
#
# A client of its own: hosts that have the machine's programs may have none.  It
# speaks by a packet socket, for an interface without an address gets no answers
# by any other.  RFC 2131, options RFC 2132.

ETH_P_IP = 0x0800
SIOCGIFHWADDR = 0x8927
DHCP_SERVER_PORT, DHCP_CLIENT_PORT = 67, 68
DHCP_MAGIC = 0x63825363
DHCP_BROADCAST = 0x8000
DHCP_DISCOVER, DHCP_OFFER, DHCP_REQUEST, DHCP_ACK, DHCP_NAK = 1, 2, 3, 5, 6
DHCP_MASK, DHCP_ROUTER, DHCP_DNS, DHCP_HOSTNAME, DHCP_DOMAIN = 1, 3, 6, 12, 15
DHCP_REQUESTED, DHCP_LEASE, DHCP_KIND, DHCP_SERVER, DHCP_WANTED, DHCP_CLIENT = (
    50,
    51,
    53,
    54,
    55,
    61,
)
DHCP_END = 255

# What is asked again when nobody has answered, after so many seconds (RFC 2131, 4.1,
# says 4 to 64; a lab answers in a millisecond, or is still coming up).
DHCP_WAITS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
# Of a lease that never ends, 0xffffffff, too.
DHCP_LONGEST_S = 7 * 24 * 3600.0


def dhcp_message(
    kind: int,
    transaction: int,
    mac: bytes,
    address: str = "0.0.0.0",
    options: Sequence[tuple[int, bytes]] = (),
) -> bytes:
    """Build what a client sends; ``address`` is the one that it has already."""
    head = struct.pack(
        "!BBBBIHH4s4s4s4s16s192xI",
        1,  # a request
        1,
        6,
        0,
        transaction,
        0,
        DHCP_BROADCAST,
        socket.inet_aton(address),
        bytes(4),
        bytes(4),
        bytes(4),
        mac,
        DHCP_MAGIC,
    )
    wanted = bytes([DHCP_MASK, DHCP_ROUTER, DHCP_DNS, DHCP_DOMAIN, DHCP_LEASE])
    first = ((DHCP_KIND, bytes([kind])), (DHCP_CLIENT, b"\x01" + mac), (DHCP_WANTED, wanted))
    body = b"".join(bytes([code, len(data)]) + data for code, data in (*first, *options))
    # BOOTP's 64 bytes of options at least (RFC 1542, 2.1).
    return head + (body + bytes([DHCP_END])).ljust(60, b"\0")


def broadcast_datagram(payload: bytes, source: str) -> bytes:
    """Put a client's message into UDP and IP, to everybody on the link."""
    udp = struct.pack("!HHHH", DHCP_CLIENT_PORT, DHCP_SERVER_PORT, 8 + len(payload), 0)
    addresses = socket.inet_aton(source) + b"\xff\xff\xff\xff"
    pseudo = addresses + struct.pack("!BBH", 0, socket.IPPROTO_UDP, 8 + len(payload))
    checksum = internet_checksum(pseudo + udp + payload) or 0xFFFF
    udp = udp[:6] + struct.pack("!H", checksum)
    length = 28 + len(payload)
    head = struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0, 64, socket.IPPROTO_UDP, 0) + addresses
    head = head[:10] + struct.pack("!H", internet_checksum(head)) + head[12:]
    return head + udp + payload


def internet_checksum(data: bytes) -> int:
    """Return the checksum of RFC 1071."""
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2))
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def read_dhcp(packet: bytes, transaction: int) -> tuple[int, str, dict[int, bytes]] | None:
    """Read an IP packet: kind, address given and options; None for what is no answer to us."""
    if len(packet) < 28 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_UDP:
        return None
    begin = (packet[0] & 15) * 4
    payload = packet[begin + 8 :]
    if packet[begin : begin + 4] != struct.pack("!HH", DHCP_SERVER_PORT, DHCP_CLIENT_PORT):
        return None
    if len(payload) < 240 or payload[0] != 2:
        return None
    found, magic = struct.unpack_from("!4xI228xI", payload)
    if found != transaction or magic != DHCP_MAGIC:
        return None
    options: dict[int, bytes] = {}
    offset = 240
    while offset + 1 < len(payload) and payload[offset] != DHCP_END:
        if payload[offset] == 0:
            offset += 1
            continue
        code, length = payload[offset], payload[offset + 1]
        # Of one that comes twice, the parts belong together (RFC 3396).
        options[code] = options.get(code, b"") + payload[offset + 2 : offset + 2 + length]
        offset += 2 + length
    if len(options.get(DHCP_KIND, b"")) != 1:
        return None
    return options[DHCP_KIND][0], socket.inet_ntoa(payload[16:20]), options


def dhcp_lease(address: str, options: dict[int, bytes]) -> Request:
    """Return what an acknowledgement gives, as `lease` replies."""

    def addresses(code: int) -> list[str]:
        data = options.get(code, b"")
        return [socket.inet_ntoa(data[at : at + 4]) for at in range(0, len(data) // 4 * 4, 4)]

    mask = int.from_bytes(options.get(DHCP_MASK, b"\xff\xff\xff\0")[:4], "big")
    seconds = int.from_bytes(options.get(DHCP_LEASE, b""), "big") or 3600
    return {
        "address": f"{address}/{mask.bit_count()}",
        "router": next(iter(addresses(DHCP_ROUTER)), None),
        "nameservers": addresses(DHCP_DNS),
        "domain": options.get(DHCP_DOMAIN, b"").rstrip(b"\0").decode("ascii", "replace") or None,
        "server": next(iter(addresses(DHCP_SERVER)), None),
        "lease_s": min(float(seconds), DHCP_LONGEST_S),
    }


class DhcpClient:
    """A client on one interface of the present network namespace, which is up."""

    def __init__(self, interface: str, hostname: str | None) -> None:
        self.interface = interface
        self.index = interface_index(interface)
        # Not from /sys, which shows the namespace that it was mounted in.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            asked = struct.pack("16s16x", interface.encode())
            self.mac: bytes = fcntl.ioctl(probe, SIOCGIFHWADDR, asked)[18:24]
        self.options = [(DHCP_HOSTNAME, hostname.encode())] if hostname else []

    def ask(self, deadline: float) -> Request | None:
        """Get a lease; None: nobody has given one by then."""
        with self._line() as line:
            for wait_s in self._waits(deadline):
                transaction = int.from_bytes(os.urandom(4), "big")
                self._send(
                    line, dhcp_message(DHCP_DISCOVER, transaction, self.mac, options=self.options)
                )
                offer = self._hear(line, transaction, (DHCP_OFFER,), wait_s)
                if offer is None:
                    continue
                _, address, options = offer
                chosen = [(DHCP_REQUESTED, socket.inet_aton(address))]
                chosen += [(code, data) for code, data in options.items() if code == DHCP_SERVER]
                message = dhcp_message(
                    DHCP_REQUEST, transaction, self.mac, options=[*chosen, *self.options]
                )
                self._send(line, message)
                answer = self._hear(line, transaction, (DHCP_ACK, DHCP_NAK), max(wait_s, 0.5))
                if answer is not None and answer[0] == DHCP_ACK:
                    return dhcp_lease(answer[1], answer[2])
        return None

    def renew(self, lease: Request, deadline: float) -> Request | None:
        """Get the same lease for longer; None: it was refused, or nobody has answered."""
        own = lease["address"].partition("/")[0]
        with self._line() as line:
            for wait_s in self._waits(deadline):
                transaction = int.from_bytes(os.urandom(4), "big")
                message = dhcp_message(DHCP_REQUEST, transaction, self.mac, own, self.options)
                self._send(line, message, own)
                answer = self._hear(line, transaction, (DHCP_ACK, DHCP_NAK), wait_s)
                if answer is not None:
                    refused = answer[0] == DHCP_NAK
                    return None if refused else dhcp_lease(answer[1], answer[2])
        return None

    def _line(self) -> socket.socket:
        line = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        line.bind((self.interface, ETH_P_IP))
        return line

    def _waits(self, deadline: float) -> Iterator[float]:
        for wait_s in itertools.chain(DHCP_WAITS_S, itertools.repeat(DHCP_WAITS_S[-1])):
            left = deadline - time.monotonic()
            if left <= 0:
                return
            yield min(wait_s, left)

    def _send(self, line: socket.socket, message: bytes, source: str = "0.0.0.0") -> None:
        packet = broadcast_datagram(message, source)
        with contextlib.suppress(OSError):  # its cable may be out: asked again later
            line.sendto(packet, (self.interface, ETH_P_IP, 0, 0, b"\xff" * 6))

    def _hear(
        self, line: socket.socket, transaction: int, kinds: Sequence[int], wait_s: float
    ) -> tuple[int, str, dict[int, bytes]] | None:
        end = time.monotonic() + wait_s
        while (left := end - time.monotonic()) > 0:
            line.settimeout(left)
            try:
                packet = line.recv(1 << 16)
            except OSError:
                # Nothing came, or the interface is down.
                continue
            answer = read_dhcp(packet, transaction)
            if answer is not None and answer[0] in kinds:
                return answer
        return None


def lease(clients: Sequence[Request], timeout_s: float) -> list[Request | None]:
    deadline = time.monotonic() + timeout_s
    results: list[Request | None] = []
    readers = []
    # Beside each other: each waits for its own server.
    for client in clients:
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.close(reader)
            _lease_one(client, deadline, writer)
        os.close(writer)
        readers.append(reader)
    for reader in readers:
        with os.fdopen(reader, "rb") as said:
            reply = json.loads(said.read() or b'{"error": "it ended"}')
        if "error" in reply:
            raise OSError(reply.get("errno") or errno.EIO, reply["error"])
        results.append(reply["result"])
    return results


def _lease_one(client: Request, deadline: float, writer: int) -> None:
    """Get a lease in this fresh child process, say so, and stay to keep it."""
    reply: Request = {"result": None}
    keeping = None
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        handle = os.pidfd_open(client["watch"]) if client.get("watch") else -1
        netlink = Netlink(client["pid"])
        asking = DhcpClient(client["interface"], client.get("hostname"))
        netlink.send([set_link(client["interface"], up=True)])
        found = asking.ask(deadline)
        if found is not None:
            apply_lease(netlink, asking, None, found, client.get("gateway", True))
            reply, keeping = {"result": found}, found
    except BaseException as error:
        reply = {"error": str(error), "errno": getattr(error, "errno", None)}
    try:
        os.write(writer, json.dumps(reply).encode())
        if keeping is None:
            return
        # Whoever asked waits for the end of this pipe.
        if os.fork() != 0:
            return
        os.setsid()
        prctl(PR_SET_PDEATHSIG, 0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        null = os.open("/dev/null", os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        kept = (handle, netlink.socket.fileno())
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2 and int(name) not in kept:
                with contextlib.suppress(OSError):
                    os.close(int(name))
        keep_lease(netlink, asking, keeping, client.get("gateway", True), handle)
    finally:
        os._exit(0)


def apply_lease(
    netlink: Netlink, client: DhcpClient, old: Request | None, new: Request | None, gateway: bool
) -> None:
    """Give an interface what a lease says, in place of what an earlier one said."""
    name, index = client.interface, client.index
    if old is not None and (new is None or old["address"] != new["address"]):
        netlink.attempt([delete_address(name, index, old["address"])])
    if new is None:
        return
    netlink.send([new_address(name, index, new["address"])])
    if gateway and new["router"]:
        entry = {"destination": "0.0.0.0/0", "via": new["router"], "interface": name}
        netlink.send([route(RTM_NEWROUTE, entry, index)])


def keep_lease(
    netlink: Netlink, client: DhcpClient, lease: Request, gateway: bool, handle: int
) -> None:
    """Renew a lease at half its time, again and again, until its interface or node is gone."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as events:
        events.bind((0, RTMGRP_LINK))
        poll = select.poll()
        poll.register(events, select.POLLIN)
        if handle >= 0:
            poll.register(handle, select.POLLIN)
        kept: Request | None = lease
        begin = time.monotonic()
        # RFC 2131, 4.4.5: T1 is half of the time, and what has run out is not used.
        until = begin + lease["lease_s"] / 2
        while _index_or_none(client.interface) == client.index:
            for fd, _ in poll.poll(max(0.0, 1000 * (until - time.monotonic()))):
                if fd == handle:
                    return
                with contextlib.suppress(OSError):
                    events.recv(1 << 16, socket.MSG_DONTWAIT)
            if time.monotonic() < until:
                continue
            if kept is not None:
                new = client.renew(kept, begin + kept["lease_s"])
            else:
                new = client.ask(time.monotonic() + DHCP_WAITS_S[-1])
            with contextlib.suppress(OSError):  # the interface may just have gone
                apply_lease(netlink, client, kept, new, gateway)
            kept, begin = new, time.monotonic()
            until = begin + (new["lease_s"] / 2 if new else DHCP_WAITS_S[-1])


# -- Operations done by a worker ---------------------------------------------
#
# Each call has a forked process of its own, which may enter any namespace and
# wait for anything; the agent's loop goes on meanwhile.


def wire(bridges: Sequence[Request], veths: Sequence[Request]) -> None:
    sockets: dict[int | None, Netlink] = {}
    namespaces: dict[int | None, int] = {}
    made: list[tuple[int | None, str]] = []
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    namespaces[None] = own
    sockets[None] = Netlink(None)
    try:
        for end in (end for veth in veths for end in (veth["a"], veth["b"])):
            pid = end["pid"]
            if pid not in sockets:
                namespaces[pid] = open_namespace(pid, "net")
                setns(namespaces[pid], CLONE_NEWNET)
                sockets[pid] = Netlink(None)
        setns(own, CLONE_NEWNET)
        _make(
            sockets[None],
            None,
            [(new_bridge(row["device"], row.get("settings")), row["device"]) for row in bridges],
            made,
        )
        groups: dict[int | None, list[tuple[Message, str]]] = {}
        for veth in veths:
            a, b = veth["a"], veth["b"]
            message = new_veth(a, b, veth["mtu_bytes"], namespaces[b["pid"]])
            groups.setdefault(a["pid"], []).append((message, a["interface"]))
        for pid, group in groups.items():
            _make(sockets[pid], pid, group, made)
        _turn_offloads_off(veths, namespaces)
        setns(own, CLONE_NEWNET)
        _raise_bridges(sockets[None], bridges, veths)
    except BaseException:
        for pid, name in reversed(made):
            sockets[pid].attempt([delete_link(name)])
        raise
    finally:
        setns(own, CLONE_NEWNET)
        for netlink in sockets.values():
            netlink.close()
        for fd in namespaces.values():
            os.close(fd)


def _make(
    netlink: Netlink,
    pid: int | None,
    group: Sequence[tuple[Message, str]],
    made: list[tuple[int | None, str]],
) -> None:
    """Send messages that each make an interface, and note those that did."""
    refused = None
    results = netlink.attempt([message for message, _ in group])
    for (_, name), (message, number, reason) in zip(group, results, strict=True):
        if number == 0:
            made.append((pid, name))
        elif refused is None:
            refused = refusal(message, number, reason)
    if refused is not None:
        raise refused


def _turn_offloads_off(veths: Sequence[Request], namespaces: dict[int | None, int]) -> None:
    by_pid: dict[int | None, list[str]] = {}
    for veth in veths:
        if not veth.get("offload"):
            for end in (veth["a"], veth["b"]):
                by_pid.setdefault(end["pid"], []).append(end["interface"])
    offloads = Offloads()
    for pid, names in by_pid.items():
        setns(namespaces[pid], CLONE_NEWNET)
        for name in names:
            offloads.off(name)


def _raise_bridges(netlink: Netlink, bridges: Sequence[Request], veths: Sequence[Request]) -> None:
    """Plug the ports into their bridges and set all of them up, silently."""
    messages = []
    for row in bridges:
        _disable_ipv6(row["device"])
        messages.append(set_link(row["device"], up=True))
    for veth in veths:
        for end in (veth["a"], veth["b"]):
            if end["pid"] is not None:
                continue
            _disable_ipv6(end["interface"])
            bridge = end.get("bridge")
            master = None if bridge is None else interface_index(bridge)
            messages.append(set_link(end["interface"], up=True, master=master))
    netlink.send(messages)


def _disable_ipv6(interface: str) -> None:
    # A port with IPv6 would announce itself to the lab's multicast groups.
    with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
        _write_text(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6", "1")


def interface_index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        raise OSError(error.errno or errno.ENODEV, f"there is no interface {name}") from None


def unwire(veths: Sequence[Request], bridges: Sequence[Request] = ()) -> None:
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    everything = [(end["pid"], end["interface"]) for end in veths]
    everything += [(None, row["device"]) for row in bridges]
    for pid, name in everything:
        setns(own, CLONE_NEWNET)
        try:
            netlink = Netlink(pid)
        except ProcessLookupError:
            continue  # its interfaces went with it
        [(message, number, reason)] = netlink.attempt([delete_link(name)])
        netlink.close()
        if number not in (0, errno.ENODEV):
            raise refusal(message, number, reason)
    os.close(own)


def network(nodes: Sequence[Request]) -> None:
    for node in nodes:
        netlink = Netlink(node["pid"])
        try:
            _configure(netlink, node)
        except OSError as error:
            raise type(error)(
                error.errno, f"in the node of pid {node['pid']}: {error.strerror}"
            ) from None
        finally:
            netlink.close()
    # Only now: the kernel, or a container's own start-up, may have changed
    # them while interfaces came up.
    for node in nodes:
        if node.get("sysctls"):
            enter_network(node["pid"])
            for name, wanted in node["sysctls"].items():
                found = read_sysctl(name)
                if found.split() != str(wanted).split():
                    raise OSError(
                        errno.EIO,
                        f"in the node of pid {node['pid']}: the sysctl {name} is {found!r} "
                        f"after {wanted!r} was written",
                    )


def _configure(netlink: Netlink, node: Request) -> None:
    interfaces = node.get("interfaces", [])
    _steer_back(netlink, node)
    _remove_routes(netlink, node.get("routes_remove", []))
    _remove_addresses(netlink, node.get("addresses_remove", []))
    netlink.send([set_link("lo", up=True)])
    for name, value in node.get("sysctls", {}).items():
        write_sysctl(name, str(value))
    addresses = []
    index = {}
    for interface in interfaces:
        name = interface["name"]
        index[name] = interface_index(name)
        _quiet_ipv6(name)
        if any(":" in text for text in interface["addresses"]):
            # The engine turns IPv6 off in a container without a network.
            write_sysctl(f"net/ipv6/conf/{name}/disable_ipv6", "0")
        addresses += [new_address(name, index[name], text) for text in interface["addresses"]]
    netlink.send(addresses)
    netlink.send([set_link(interface["name"], up=True) for interface in interfaces])
    _add_routes(netlink, node.get("routes_add", []), index)
    _steer(netlink, node)


def _remove_routes(netlink: Netlink, entries: Sequence[Request]) -> None:
    messages = [
        route(RTM_DELROUTE, entry, index)
        for entry in sorted(entries, key=lambda entry: entry.get("via") is not None)
        if (index := _index_or_none(entry["interface"])) is not None
    ]
    for message, number, reason in netlink.attempt(messages):
        if number not in (0, errno.ESRCH):
            raise refusal(message, number, reason)


def _remove_addresses(netlink: Netlink, entries: Sequence[Request]) -> None:
    messages = [
        delete_address(entry["interface"], index, entry["address"])
        for entry in entries
        if (index := _index_or_none(entry["interface"])) is not None
    ]
    for message, number, reason in netlink.attempt(messages):
        if number not in (0, errno.EADDRNOTAVAIL):
            raise refusal(message, number, reason)


def _index_or_none(interface: str) -> int | None:
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return None  # what it had went with it


def _add_routes(netlink: Netlink, entries: Sequence[Request], index: dict[str, int]) -> None:
    for entry in entries:
        if entry["interface"] not in index:
            index[entry["interface"]] = interface_index(entry["interface"])
    on_link = [entry for entry in entries if entry.get("via") is None]
    others = [entry for entry in entries if entry.get("via") is not None]
    peers = {packed_prefix(entry["destination"])[:2] for entry in on_link}
    for group in (on_link, others):
        messages = [route(RTM_NEWROUTE, entry, index[entry["interface"]]) for entry in group]
        for entry, (message, number, reason) in zip(group, netlink.attempt(messages), strict=True):
            if number and entry.get("via") and packed_address(entry["via"]) in peers:
                # Two links to one peer: the kernel keeps one route to its address,
                # and would not believe that it can be reached by the other link.
                again = route(RTM_NEWROUTE, entry, index[entry["interface"]], onlink=True)
                [(message, number, reason)] = netlink.attempt([again])
            if number:
                raise refusal(message, number, reason)


def _quiet_ipv6(interface: str) -> None:
    """Keep an interface from asking for routers and from trying its addresses."""
    for name, value in (
        ("router_solicitations", "0"),
        ("accept_ra", "0"),
        ("dad_transmits", "0"),
    ):
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            _write_text(f"/proc/sys/net/ipv6/conf/{interface}/{name}", value)


def _sysctl_path(name: str) -> str:
    # sysctl(8): with a slash in it, dots are part of a name ("eth0.100").
    path = name if "/" in name else name.replace(".", "/")
    if not path.startswith("net/") or ".." in path.split("/"):
        raise ValueError(f"{name} is not a network sysctl: only names in net. are a node's own")
    return f"/proc/sys/{path}"


def read_sysctl(name: str) -> str:
    """Read a sysctl of the present network namespace."""
    return read_text(_sysctl_path(name)).strip()


def write_sysctl(name: str, value: str) -> None:
    path = _sysctl_path(name)
    try:
        _write_text(path, value)
    except OSError as error:
        raise OSError(
            error.errno, f"cannot set the sysctl {name} to {value!r}: {error.strerror}"
        ) from None


def link(ends: Sequence[Request], up: bool, nodes: Sequence[Request] = ()) -> None:
    done: list[tuple[Netlink, str]] = []
    with sockets_to(ends) as sockets:
        try:
            for end, netlink in zip(ends, sockets, strict=True):
                netlink.send([set_link(end["interface"], up)])
                done.append((netlink, end["interface"]))
            if nodes:
                network(nodes)
        except BaseException:
            for netlink, interface in done:
                netlink.attempt([set_link(interface, not up)])
            raise


@contextlib.contextmanager
def sockets_to(ends: Sequence[Request]) -> Iterator[list[Netlink]]:
    """Open a socket to each end's namespace; in the end be where this was before."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    sockets: list[Netlink] = []
    try:
        for end in ends:
            setns(own, CLONE_NEWNET)
            sockets.append(Netlink(end["pid"]))
        setns(own, CLONE_NEWNET)
        yield sockets
    finally:
        setns(own, CLONE_NEWNET)
        os.close(own)
        for netlink in sockets:
            netlink.close()


def switch(bridges: Sequence[Request]) -> None:
    netlink = Netlink(None)
    for row in bridges:
        netlink.send(change_bridge(row["device"], row["settings"]))
        for port in row["unmirror"]:
            if (index := _index_or_none(port)) is not None:
                for hook in (TC_H_CLSACT_INGRESS, TC_H_CLSACT_EGRESS):
                    body = queue_body(index, hook, 0, MIRROR_INFO)
                    message = Message(RTM_DELTFILTER, 0, body, f"take a mirror from {port}")
                    _attempt(netlink, message, errno.ENOENT, errno.EINVAL)
        if row["mirror"] is not None:
            to = interface_index(row["mirror"]["to"])
            for name, hook in (("entering", TC_H_CLSACT_INGRESS), ("leaving", TC_H_CLSACT_EGRESS)):
                for port in row["mirror"][name]:
                    netlink.send(mirror_messages(interface_index(port), hook, to))
    netlink.close()


def switches(devices: Sequence[str]) -> list[Request]:
    netlink = Netlink(None)
    question = Message(RTM_GETLINK, NLM_F_DUMP, link_body(), "look at the switches")
    rows: dict[int, Request] = {}
    ports = []
    for answer in netlink.ask(question):
        (index,) = struct.unpack_from("i", answer, 4)
        found = attributes(answer[16:])
        name = found[IFLA_IFNAME].rstrip(b"\0").decode()
        information = attributes(found.get(IFLA_LINKINFO, b""))
        if name in devices:
            bridge = attributes(information[IFLA_INFO_DATA])
            rows[index] = {
                "device": name,
                "id": bridge[IFLA_BR_BRIDGE_ID].hex(),
                "root": bridge[IFLA_BR_ROOT_ID].hex(),
                "root_cost": _number(bridge, IFLA_BR_ROOT_PATH_COST),
                "ports": [],
            }
        elif IFLA_MASTER in found and IFLA_INFO_SLAVE_DATA in information:
            port = attributes(information[IFLA_INFO_SLAVE_DATA])
            row = {
                "port": name,
                "state": PORT_STATES[port[IFLA_BRPORT_STATE][0]],
                "carrier": found.get(IFLA_CARRIER, b"\0")[0] == 1,
                "cost": _number(port, IFLA_BRPORT_COST),
            }
            ports.append((_number(found, IFLA_MASTER), row))
    for master, row in ports:
        if master in rows:
            rows[master]["ports"].append(row)
    netlink.close()
    order = {device: number for number, device in enumerate(devices)}
    return sorted(rows.values(), key=lambda row: order[row["device"]])


def learned(device: str) -> list[Request]:
    netlink = Netlink(None)
    body = struct.pack("BxxxiHBB", AF_BRIDGE, 0, 0, 0, 0)
    question = Message(RTM_GETNEIGH, NLM_F_DUMP, body, f"read what {device} has learned")
    bridge, names = interface_index(device), dict(socket.if_nameindex())
    rows = []
    for answer in netlink.ask(question):
        _, index, state, _, _ = struct.unpack_from("BxxxiHBB", answer)
        found = attributes(answer[12:])
        if state & NUD_PERMANENT or _number(found, NDA_MASTER) != bridge or index not in names:
            continue
        # struct nda_cacheinfo: confirmed, used, updated, in hundredths of a second.
        _, _, updated, _ = struct.unpack("4I", found[NDA_CACHEINFO])
        mac = found[NDA_LLADDR].hex(":")
        rows.append({"mac": mac, "port": names[index], "age_s": updated / 100})
    netlink.close()
    return rows


def in_each(ends: Sequence[Request]) -> Iterator[tuple[Request, Netlink]]:
    """Yield ends, each with a socket to its namespace, in which this process then is.

    Sockets close with the process, and so does its stay there: for workers.

    """
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        for end in ends:
            setns(own, CLONE_NEWNET)
            yield end, Netlink(end["pid"])
    finally:
        setns(own, CLONE_NEWNET)
        os.close(own)


def forget_neighbours(nodes: Sequence[Request]) -> None:
    for node, netlink in in_each(nodes):
        index = _index_or_none(node["interface"])
        for address in node["addresses"] if index is not None else ():
            family, packed = packed_address(address)
            # struct ndmsg of linux/neighbour.h
            body = struct.pack("BxxxiHBB", family, index, 0, 0, 0) + attribute(NDA_DST, packed)
            message = Message(RTM_DELNEIGH, 0, body, f"forget the neighbour {address}")
            _attempt(netlink, message, errno.ENOENT)


def interfaces(ends: Sequence[Request]) -> list[Request]:
    rows = []
    with sockets_to(ends) as sockets:
        for end, netlink in zip(ends, sockets, strict=True):
            name = end["interface"]
            body = link_body() + text_attribute(IFLA_IFNAME, name)
            [answer] = netlink.ask(Message(RTM_GETLINK, 0, body, f"look at the interface {name}"))
            rows.append(interface_row(answer))
    return rows


def interface_row(answer: bytes) -> Request:
    """Read a struct ifinfomsg and its attributes (rtnetlink(7))."""
    (flags,) = struct.unpack_from("I", answer, 8)
    found = attributes(answer[16:])
    counters = struct.unpack_from(f"{len(STATISTICS)}Q", found[IFLA_STATS64])
    return {
        "up": bool(flags & IFF_UP),
        "carrier": found.get(IFLA_CARRIER, b"\0")[0] == 1,
        "mtu_bytes": struct.unpack("I", found[IFLA_MTU])[0],
        "mac": found[IFLA_ADDRESS].hex(":"),
        "statistics": dict(zip(STATISTICS, counters, strict=True)),
    }


def routes(pids: Sequence[int]) -> list[list[Request]]:
    found = []
    for pid in pids:
        netlink = Netlink(pid)
        # From now on interfaces' numbers are those of this node.
        names = dict(socket.if_nameindex())
        question = Message(
            RTM_GETROUTE, NLM_F_DUMP, struct.pack("BBBBBBBBI", *[0] * 9), "read the routes"
        )
        rows: list[Request] = []
        for answer in netlink.ask(question):
            rows += route_rows(answer, names)
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
    if table == RT_TABLE_LOCAL or flags & RTM_F_CLONED or family not in _FAMILIES:
        return

    def address(packed: bytes | None) -> str | None:
        return None if packed is None else socket.inet_ntop(family, packed)

    row = {
        "destination": f"{address(found.get(RTA_DST, bytes(_FAMILIES[family])))}/{length}",
        "via": address(found.get(RTA_GATEWAY)),
        "interface": names.get(_number(found, RTA_OIF) or 0),
        "metric": _number(found, RTA_PRIORITY),
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
        via = attributes(hops[offset + 8 : offset + size]).get(RTA_GATEWAY)
        yield row | {"via": address(via), "interface": names.get(index), "weight": weight + 1}
        offset += (size + 3) & ~3


def policy_rules(pid: int) -> list[Request]:
    netlink = Netlink(pid)
    rows = []
    for family, number in ((socket.AF_INET, 4), (socket.AF_INET6, 6)):
        header = struct.pack("BBBBBBBBI", family, *[0] * 8)
        for answer in netlink.ask(Message(RTM_GETRULE, NLM_F_DUMP, header, "read the rules")):
            found = attributes(answer[12:])
            table = _number(found, FRA_TABLE) or 0
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
        "priority": _number(found, FRA_PRIORITY) or 0,
        "source": prefix(FRA_SRC, answer[2]),
        "destination": prefix(FRA_DST, answer[1]),
        "interface": interface.rstrip(b"\0").decode() if interface else None,
        "mark": _number(found, FRA_FWMARK),
    }


def sysctls(pid: int, names: Sequence[str]) -> list[str | None]:
    enter_network(pid)
    found: list[str | None] = []
    for name in names:
        try:
            found.append(read_sysctl(name))
        except FileNotFoundError:
            found.append(None)
    return found


# Bytes of an address.
_FAMILIES = {socket.AF_INET: 4, socket.AF_INET6: 16}


def _number(found: dict[int, bytes], kind: int) -> int | None:
    return struct.unpack("I", found[kind])[0] if kind in found else None


def firewall(nodes: Sequence[Request]) -> None:
    running: list[tuple[Request, int, int]] = []
    try:
        for node in nodes:
            enter_network(node["pid"])
            running.append((node, *_start_nft(["-f", "-"], _counting_on(node["ruleset"]))))
        while running:
            node, process, output = running[0]
            status, said = _ended_nft(process, output)
            del running[0]
            if status != 0:
                raise OSError(
                    errno.EINVAL,
                    f"nft refused the rules of the node of pid {node['pid']}:\n{said.strip()}",
                )
    finally:
        for _, process, _ in running:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def _start_nft(arguments: Sequence[str], text: str = "") -> tuple[int, int]:
    """Start nft in the present network namespace; return its number and its output.

    Both its files are in memory, so that it waits for nobody.  To import subprocess and
    tempfile takes as long as nft does for a small ruleset.

    """
    rules, output = os.memfd_create("rules"), os.memfd_create("said")
    try:
        left = memoryview(text.encode())
        while left:
            left = left[os.write(rules, left) :]
        os.lseek(rules, 0, os.SEEK_SET)
        process = os.posix_spawnp(
            "nft",
            ["nft", *arguments],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, rules, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
        )
    except BaseException:
        os.close(output)
        raise
    finally:
        os.close(rules)
    return process, output


def _ended_nft(process: int, output: int) -> tuple[int, str]:
    """Wait for nft; return its exit status and what it has said."""
    _, status = os.waitpid(process, 0)
    with open(output, "rb") as said:
        said.seek(0)
        return os.waitstatus_to_exitcode(status), said.read().decode("utf-8", "replace")


# linux/netfilter/nfnetlink.h, nf_tables.h, nfnetlink_conntrack.h
NETLINK_NETFILTER = 12
NFPROTO_INET = 1
NFT_MSG_GETRULE = 0x0A07
NFTA_RULE_TABLE = 1
CT_GET = 0x0101
CT_DELETE = 0x0102
CTA_TUPLE_ORIG = 1
CTA_TUPLE_REPLY = 2
CTA_STATUS = 3
CTA_PROTOINFO = 4
CTA_HELP = 5
CTA_TIMEOUT = 7
CTA_MARK = 8
CTA_COUNTERS_ORIG = 9
CTA_COUNTERS_REPLY = 10
CTA_ID = 12
CTA_TUPLE_IP = 1
CTA_TUPLE_PROTO = 2
# nf_conntrack_tcp.c: the names that /proc/net/nf_conntrack shows.
TCP_STATES = (
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
)


# An expression that counts, and what precedes its numbers (NFTA_COUNTER_*).
_COUNTER = attribute(1, b"counter\0")
_COUNTER_BYTES = struct.pack("HH", 12, 1)
_COUNTER_PACKETS = struct.pack("HH", 12, 2)
# NFTA_RULE_USERDATA, and in it libnftnl's type 0, a comment; its length follows.
_COMMENT = struct.pack("H", 7) + b"\0"


def _netfilter_body(family: int, *attributes_: bytes) -> bytes:
    """Build a struct nfgenmsg and what follows it."""
    return struct.pack(">BBH", family, 0, 0) + b"".join(attributes_)


def rule_counts(pid: int, table: str = "playground") -> list[tuple[str, str, int, int]]:
    enter_network(pid)
    return _rule_counts(table)


def _rule_counts(table: str) -> list[tuple[str, str, int, int]]:
    """Read what the rules of a table of the present network namespace have counted."""
    netlink = Netlink(None, NETLINK_NETFILTER)
    body = _netfilter_body(NFPROTO_INET, text_attribute(NFTA_RULE_TABLE, table))
    try:
        rules = netlink.ask(Message(NFT_MSG_GETRULE, NLM_F_DUMP, body, "list rules"))
    except NetlinkError as error:
        if error.errno != errno.ENOENT:
            raise
        return []  # no such table
    finally:
        netlink.close()
    # Read as bytes, for a thousand rules have ten thousand attributes.  They stand as in
    # nf_tables_fill_rule_info(): table, chain, ..., expressions, and last the comment.
    first = attribute(NFTA_RULE_TABLE, table.encode() + b"\0")
    chain = 4 + len(first) + 4
    found = []
    for rule in rules:
        counter = rule.find(_COUNTER, chain)
        # The dump of a kernel before 5.7 holds other tables too.
        if counter < 0 or not rule.startswith(first, 4):
            continue
        size = rule.index(_COUNTER_BYTES, counter + len(_COUNTER)) + 4
        packets = rule.index(_COUNTER_PACKETS, size + 8) + 4
        comment = rule.rfind(_COMMENT, packets)
        found.append(
            (
                rule[chain : rule.index(b"\0", chain)].decode(),
                rule[comment + 4 :].rstrip(b"\0").decode() if comment > 0 else "",
                _big_endian(rule[packets : packets + 8]),
                _big_endian(rule[size : size + 8]),
            )
        )
    return found


_CHAIN = re.compile(r"\tchain (\w+) \{")
_COUNTING = re.compile(r'\bcounter\b(?= .*comment "([^"]*)"$)')


def _counting_on(ruleset: str) -> str:
    """Return a ruleset whose counters begin where those that it replaces stand."""
    table = re.match(r"table inet (\w+)\n", ruleset)
    counts: dict[tuple[str, str], deque[tuple[int, int]]] = {}
    for chain, comment, packets, size in _rule_counts(table[1]) if table else ():
        # A rule may have a line for each address family.
        counts.setdefault((chain, comment), deque()).append((packets, size))
    if not counts:
        return ruleset
    lines = ruleset.split("\n")
    chain = ""
    for number, line in enumerate(lines):
        if start := _CHAIN.match(line):
            chain = start[1]
        elif found := _COUNTING.search(line):
            known = counts.get((chain, found[1]))
            packets, size = known.popleft() if known else (0, 0)
            if packets:
                words = f"counter packets {packets} bytes {size}"
                lines[number] = line[: found.start()] + words + line[found.end() :]
    return "\n".join(lines)


def ruleset(pid: int) -> str:
    enter_network(pid)
    status, said = _ended_nft(*_start_nft(["list", "ruleset"]))
    if status != 0:
        raise OSError(errno.EINVAL, f"nft cannot list the rules: {said.strip()}")
    return said


def connections(pid: int) -> list[Request]:
    netlink = Netlink(pid, NETLINK_NETFILTER)
    message = Message(CT_GET, NLM_F_DUMP, _netfilter_body(socket.AF_UNSPEC), "list connections")
    try:
        return [_connection(body) for body in netlink.ask(message)]
    finally:
        netlink.close()


def _connection(body: bytes) -> Request:
    parts = attributes(body[4:])
    original, reply = _tuple(parts[CTA_TUPLE_ORIG]), _tuple(parts[CTA_TUPLE_REPLY])
    found: Request = {"protocol": original[0]}
    for prefix, side in (("", original), ("reply_", reply)):
        names = ("source", "source_port", "destination", "destination_port")
        found |= {prefix + name: value for name, value in zip(names, side[1:], strict=True)}
    state = attributes(attributes(parts.get(CTA_PROTOINFO, b"")).get(1, b"")).get(1)
    counters = [
        attributes(parts[kind]) for kind in (CTA_COUNTERS_ORIG, CTA_COUNTERS_REPLY) if kind in parts
    ]
    help_name = attributes(parts.get(CTA_HELP, b"")).get(1, b"")
    return found | {
        "state": TCP_STATES[state[0]] if state and original[0] == socket.IPPROTO_TCP else None,
        "status": _big_endian(parts.get(CTA_STATUS)),
        "expires_s": _big_endian(parts.get(CTA_TIMEOUT)),
        "mark": _big_endian(parts.get(CTA_MARK)),
        "packets": sum(_big_endian(one.get(1)) for one in counters) if counters else None,
        "bytes": sum(_big_endian(one.get(2)) for one in counters) if counters else None,
        "helper": help_name.rstrip(b"\0").decode(),
    }


def _big_endian(data: bytes | None) -> int:
    return int.from_bytes(data or b"", "big")


def _tuple(data: bytes) -> tuple[int, str, int | None, str, int | None]:
    """Read who sends to whom: protocol, source, its port, destination, its port."""
    sides = attributes(data)
    addresses, ports = attributes(sides[CTA_TUPLE_IP]), attributes(sides[CTA_TUPLE_PROTO])
    family, first = (socket.AF_INET, 1) if 1 in addresses else (socket.AF_INET6, 3)
    source, destination = (socket.inet_ntop(family, addresses[kind]) for kind in (first, first + 1))
    # ICMP has an id (4, in IPv6 7) in the place of a port.
    numbers = [
        next((_big_endian(ports[kind]) for kind in kinds if kind in ports), None)
        for kinds in ((2, 4, 7), (3,))
    ]
    return ports[1][0], source, numbers[0], destination, numbers[1]


def forget(pid: int, connections: Sequence[Request] | None) -> int:
    netlink = Netlink(pid, NETLINK_NETFILTER)
    ask = Message(CT_GET, NLM_F_DUMP, _netfilter_body(socket.AF_UNSPEC), "list connections")
    gone = 0
    try:
        wanted = None if connections is None else {_key(entry) for entry in connections}
        messages = []
        for body in netlink.ask(ask):
            if wanted is not None and _key(_connection(body)) not in wanted:
                continue
            parts = attributes(body[4:])
            # With its number, so that nothing else of the same ports is meant.
            named = [
                attribute(CTA_TUPLE_ORIG | NLA_F_NESTED, parts[CTA_TUPLE_ORIG]),
                attribute(CTA_ID, parts[CTA_ID]),
            ]
            body = _netfilter_body(body[0], *named)
            messages.append(Message(CT_DELETE, 0, body, "forget a connection"))
        for message, number, reason in netlink.attempt(messages):
            if number not in (0, errno.ENOENT):  # it has ended by itself
                raise refusal(message, number, reason)
            gone += number == 0
    finally:
        netlink.close()
    return gone


def _key(entry: Request) -> tuple[Any, ...]:
    names = ("protocol", "source", "source_port", "destination", "destination_port")
    return tuple(entry[name] for name in names)


def files(nodes: Sequence[Request], contents: Sequence[str] = ()) -> None:
    shared = [base64.b64decode(content) for content in contents]
    for node in nodes:
        # Decoded before: codecs and the like must not be looked for inside.
        decoded = [
            shared[entry["content"]]
            if isinstance(entry["content"], int)
            else base64.b64decode(entry["content"])
            for entry in node["files"]
        ]
        with inside(node["pid"]):
            for entry, content in zip(node["files"], decoded, strict=True):
                try:
                    _write_file(entry, content)
                except OSError as error:
                    raise type(error)(
                        error.errno,
                        f"cannot write {entry['path']} in the node of pid {node['pid']}: "
                        f"{error.strerror}",
                    ) from None


def _write_file(entry: Request, content: bytes) -> None:
    path = entry["path"]
    if not path.startswith("/"):
        raise OSError(errno.EINVAL, "the path must begin with /")
    folder = path.rpartition("/")[0]
    if folder and not os.path.isdir(folder):
        os.makedirs(folder, 0o755, exist_ok=True)
    append = entry.get("append", False)
    fd = _open_regular(path, os.O_APPEND if append else 0)
    try:
        if not append:
            os.ftruncate(fd, 0)
        _write_all(fd, content)
        uid, gid = entry.get("uid", 0), entry.get("gid", 0)
        give_to(
            fd,
            find_account(uid).uid if isinstance(uid, str) else uid,
            find_group(gid) if isinstance(gid, str) else gid,
        )
        # After the change of owner, which clears set-user-id bits.
        os.fchmod(fd, entry.get("mode", 0o644))
    finally:
        os.close(fd)


def _open_regular(path: str, further_flags: int = 0) -> int:
    """Open a regular file of the node for writing, made if it is missing.

    A node's root may have put anything there: a pipe that nobody reads is not
    waited for, and a device gets nothing.

    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    try:
        fd = os.open(path, flags | further_flags, 0o600)
    except OSError as error:
        # open(2): a pipe without a reader, a socket, a device that is none.
        if error.errno == errno.ENXIO:
            raise OSError(errno.EINVAL, _NOT_REGULAR) from None
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, _NOT_REGULAR)
    return fd


_NOT_REGULAR = "it is no regular file"


def _write_all(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def processes(pid: int) -> list[Request]:
    own = os.readlink(f"/proc/{pid}/ns/pid")
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        # Any may end while it is looked at, and of some no more can be seen.
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{name}/ns/pid") == own:
                found.append(_process(name))
    with inside(pid):
        users = {fields[2]: fields[0] for fields in reversed([*_colon_file("/etc/passwd", 7)])}
    for row in found:
        row["user"] = users.get(row["user"], row["user"])
    return sorted(found, key=lambda row: row["pid"])


def _process(number: str) -> Request:
    """Read proc_pid_status(5), proc_pid_stat(5) and proc_pid_cmdline(5)."""
    status, stat, words = (
        _text_of(f"/proc/{number}/{name}") for name in ("status", "stat", "cmdline")
    )
    said = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    # The name stands in parentheses, and may hold some itself.
    name, _, rest = stat.partition("(")[2].rpartition(")")
    fields = rest.split()
    ticks = int(fields[11]) + int(fields[12])
    return {
        # As seen from each namespace that it is in, the node's own last.
        "pid": int(said["NSpid"].split()[-1]),
        "parent": _number_inside(fields[1], said),
        "user": said["Uid"].split()[0],
        "state": fields[0],
        "memory_bytes": int(said.get("VmRSS", "0 kB").split()[0]) * 1024,
        "cpu_s": ticks / os.sysconf("SC_CLK_TCK"),
        # A process of the kernel, or one that has ended, has no words.
        "command": words.rstrip("\0").replace("\0", " ") or f"[{name}]",
    }


def _number_inside(parent: str, said: dict[str, str]) -> int:
    """Return a parent's number in its child's innermost namespace, 0 for one outside."""
    with contextlib.suppress(OSError):
        for line in _text_of(f"/proc/{parent}/status").splitlines():
            if line.startswith("NSpid:"):
                numbers = line.split()[1:]
                return int(numbers[-1]) if len(numbers) == len(said["NSpid"].split()) else 0
    return 0


def _text_of(path: str) -> str:
    with open(path, "rb") as file:
        return file.read().decode("utf-8", "replace")


def read_file(pid: int, path: str, tail_bytes: int | None = None) -> str:
    if tail_bytes is not None and tail_bytes < 1:
        raise ValueError(f"tail_bytes is {tail_bytes}, and must be 1 or more")
    with inside(pid):
        try:
            content = _read_regular(path, tail_bytes)
        except OSError as error:
            raise type(error)(
                error.errno, f"cannot read {path} in the node: {error.strerror}"
            ) from None
    return base64.b64encode(content).decode()


def read_in_node(path: str) -> str:
    """Return a small file of the node that this process is in.

    Raises OSError that names it: for what is no regular file, too, and for one of
    more than 1 MiB.

    """
    try:
        content = _read_regular(path, None, OWN_READ_LIMIT_BYTES)
    except OSError as error:
        raise type(error)(
            error.errno, f"cannot read {path} of the node: {error.strerror}"
        ) from None
    return content.decode("utf-8", "surrogateescape")


def _read_regular(path: str, tail_bytes: int | None, limit: int = READ_LIMIT_BYTES) -> bytes:
    # A node's root may have put anything there, /dev/zero or a terminal even.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        found = os.fstat(fd)
        if stat.S_ISDIR(found.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, _NOT_REGULAR)
        # Files of /proc have content, but no size.
        if tail_bytes is not None and found.st_size:
            limit = min(limit, tail_bytes)
            os.lseek(fd, max(0, found.st_size - limit), os.SEEK_SET)
        parts = []
        left = limit
        while left and (part := os.read(fd, min(left, 1 << 20))):
            parts.append(part)
            left -= len(part)
        if tail_bytes is None and not left and os.read(fd, 1):
            raise OSError(errno.EFBIG, f"it has more than {limit >> 20} MiB")
    finally:
        os.close(fd)
    content = b"".join(parts)
    return content if tail_bytes is None else content[-tail_bytes:]


def accounts(nodes: Sequence[Request]) -> None:
    days = str(int(time.time()) // 86400)
    for node in nodes:
        with inside(node["pid"]), _password_lock():
            _change_accounts(node["users"], days)


def furnish(nodes: Sequence[Request], contents: Sequence[str] = ()) -> None:
    accounts([node for node in nodes if node["users"]])
    files(nodes, contents)


@contextlib.contextmanager
def _password_lock() -> Iterator[None]:
    # lckpwdf(3): useradd and passwd wait while this is held, and we for them.
    path = "/etc/.pwd.lock"
    try:
        fd = _open_regular(path)
    except OSError as error:
        raise type(error)(
            error.errno, f"cannot lock {path} of the node: {error.strerror}"
        ) from None
    try:
        deadline = time.monotonic() + PASSWORD_LOCK_LIMIT_S
        while not _locked(fd):
            if time.monotonic() > deadline:
                raise TimeoutError(
                    errno.ETIMEDOUT,
                    "the node's accounts cannot be changed: one of its programs has held the lock "
                    f"of {path} for {PASSWORD_LOCK_LIMIT_S:.0f} s; end that program",
                )
            time.sleep(PASSWORD_LOCK_POLL_S)
        yield
    finally:
        os.close(fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # fcntl(2): EAGAIN or EACCES
        return False
    return True


def _change_accounts(users: Sequence[Request], days: str) -> None:
    passwd = _rows("/etc/passwd")
    shadow = _rows("/etc/shadow")
    group = _rows("/etc/group")
    for user in users:
        name = user["name"]
        if name == "root":
            if user.get("password_hash"):
                _replace(shadow, "root", 1, user["password_hash"])
            continue
        uid = int(user["uid"])
        for row in passwd:
            if row[2:3] == [str(uid)] and row[0] != name:
                raise ValueError(f"the user id {uid} for {name!r} is that of {row[0]!r} already")
        shell = user.get("shell") or "/bin/bash"
        home = f"/home/{name}"
        _put(passwd, [name, "x", str(uid), str(uid), "", home, shell])
        # shadow(5): "!" matches no password.
        _put(shadow, [name, user.get("password_hash") or "!", days, "0", "99999", "7", "", "", ""])
        if not any(row[0] == name for row in group):
            group.append([name, "x", str(uid), ""])
        for wanted in user.get("groups", []):
            for row in group:
                if row[0] == wanted:
                    members = [member for member in row[3].split(",") if member]
                    row[3] = ",".join([*members, *([name] if name not in members else [])])
                    break
            else:
                raise LookupError(f"the node has no group {wanted!r} for the user {name!r}")
    _save("/etc/group", group)
    _save("/etc/passwd", passwd)
    _save("/etc/shadow", shadow)
    for user in users:
        if user["name"] != "root":
            _make_home(f"/home/{user['name']}", int(user["uid"]))


def _rows(path: str) -> list[list[str]]:
    return [line.split(":") for line in read_in_node(path).splitlines() if line]


def _put(rows: list[list[str]], new: list[str]) -> None:
    for position, row in enumerate(rows):
        if row[0] == new[0]:
            rows[position] = new
            return
    rows.append(new)


def _replace(rows: list[list[str]], name: str, column: int, value: str) -> None:
    for row in rows:
        if row[0] == name:
            row[column] = value


def _save(path: str, rows: list[list[str]]) -> None:
    """Write a file of accounts whole and at once, owner and mode kept."""
    text = "".join(":".join(row) + "\n" for row in rows)
    before = os.stat(path)
    temporary = f"{path}.playground"
    # Never what is there: an earlier one half written, or a pipe of the node's root.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    fd = os.open(temporary, _NEW_FILE, 0o600)
    try:
        _write_all(fd, text.encode("utf-8", "surrogateescape"))
        give_to(fd, before.st_uid, before.st_gid)
        os.fchmod(fd, before.st_mode & 0o7777)
    finally:
        os.close(fd)
    os.rename(temporary, path)


_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def _make_home(home: str, uid: int) -> None:
    if os.path.isdir(home):
        return
    os.makedirs(home, 0o755)
    for folder, _, names in os.walk("/etc/skel"):
        target = home + folder[len("/etc/skel") :]
        if not os.path.isdir(target):
            os.mkdir(target, 0o755)
        for name in names:
            mode = os.stat(f"{folder}/{name}").st_mode & 0o777
            content = read_in_node(f"{folder}/{name}").encode("utf-8", "surrogateescape")
            fd = os.open(f"{target}/{name}", _NEW_FILE, mode)
            try:
                _write_all(fd, content)
                give_to(fd, uid, uid)
            finally:
                os.close(fd)
        give_to(target, uid, uid)


def hash_passwords(passwords: Sequence[str]) -> list[str]:
    # Python 3.13 has no crypt module; the library is in Debian's base.
    for library in ("libcrypt.so.1", "libcrypt.so.2"):
        with contextlib.suppress(OSError):
            crypt = ctypes.CDLL(library, use_errno=True).crypt
            break
    else:
        raise OSError(errno.ENOENT, "there is no libcrypt here to hash passwords with")
    crypt.restype = ctypes.c_char_p
    hashes = []
    for password in passwords:
        # crypt(5): up to 16 characters of ./0-9A-Za-z.
        salt = base64.b64encode(os.urandom(12), b"./")
        # The fewest rounds: these passwords are the lab's own and end with it, and the
        # usual 5,000 take 5 ms each of a start.
        hashed = crypt(password.encode(), b"$6$rounds=1000$" + salt)
        if not hashed or not hashed.startswith(b"$6$"):
            raise OSError(ctypes.get_errno() or errno.EINVAL, "libcrypt refused to hash a password")
        hashes.append(hashed.decode())
    return hashes


def hostname(nodes: Sequence[Request]) -> None:
    for node in nodes:
        fd = open_namespace(node["pid"], "uts")
        setns(fd, CLONE_NEWUTS)
        os.close(fd)
        socket.sethostname(node["hostname"])


def state_save(data: str) -> None:
    os.makedirs(os.path.dirname(STATE_PATH), 0o700, exist_ok=True)
    temporary = f"{STATE_PATH}.{os.getpid()}"
    # Only root's: it holds the lab's keys and passwords.
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(data)
    os.rename(temporary, STATE_PATH)


def state_load() -> str | None:
    try:
        with open(STATE_PATH) as file:
            return file.read()
    except FileNotFoundError:
        return None


# -- Waiting for services ----------------------------------------------------

POLL_S = 0.02
ANSWER_LIMIT_S = 5.0
DATAGRAM_LIMIT_S = 0.3


class NoAnswer(Exception):
    """A service has not answered yet; the message says how far it got."""


def wait_ready(checks: Sequence[Request], timeout_s: float) -> list[Request]:
    import threading

    if any(check.get("tls") for check in checks):
        import ssl  # noqa: F401 - once, before the threads need it
    deadline = time.monotonic() + timeout_s
    failures: list[Request] = []

    def watch(check: Request) -> None:
        message = _wait_for(check, deadline)
        if message is not None:
            failures.append(
                {
                    "node": check["node"],
                    "service": check["service"],
                    "port": check["port"],
                    "message": message,
                }
            )

    threads = [threading.Thread(target=watch, args=(check,)) for check in checks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def _wait_for(check: Request, deadline: float) -> str | None:
    """Ask one service until it answers; return None, or what went wrong last.

    Runs in a thread: a network namespace is a thread's own.

    """
    try:
        pattern = re.compile((check.get("expect") or "").encode("latin-1"), re.DOTALL)
        question = base64.b64decode(check.get("send") or "")
        enter_network(check["pid"])
    except (OSError, ValueError, re.error) as error:
        return str(getattr(error, "strerror", None) or error)
    message = "there was no time to ask"
    while (left := deadline - time.monotonic()) > 0:
        try:
            if check.get("protocol", "tcp") == "udp":
                _ask_datagram(check, question, pattern, min(left, DATAGRAM_LIMIT_S))
            else:
                _ask_stream(check, question, pattern, min(left, ANSWER_LIMIT_S))
            return None
        except NoAnswer as error:
            message = str(error)
        except OSError as error:
            message = error.strerror or str(error)
        if not os.path.exists(f"/proc/{check['pid']}/ns/net"):
            return str(gone(check["pid"]).strerror)
        time.sleep(min(POLL_S, max(0.0, deadline - time.monotonic())))
    return message


def _address(check: Request) -> tuple[int, tuple[str, int]]:
    host = check.get("address") or "127.0.0.1"
    return packed_address(host)[0], (host, check["port"])


def _ask_stream(
    check: Request, question: bytes, pattern: re.Pattern[bytes], limit_s: float
) -> None:
    family, address = _address(check)
    deadline = time.monotonic() + limit_s
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        connection.settimeout(limit_s)
        connection.connect(address)
        if check.get("tls"):
            import ssl

            # Whether the certificate is right is for real clients to judge.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            connection = stack.enter_context(context.wrap_socket(connection))
        if question:
            connection.sendall(question)
        answer = b""
        while not pattern.search(answer):
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                part = connection.recv(1 << 16)
            except TimeoutError:
                raise NoAnswer(_unexpected(answer)) from None
            if not part:
                raise NoAnswer(_unexpected(answer))
            answer += part


def _ask_datagram(
    check: Request, question: bytes, pattern: re.Pattern[bytes], limit_s: float
) -> None:
    family, address = _address(check)
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.settimeout(limit_s)
        probe.connect(address)
        probe.send(question)
        try:
            answer = probe.recv(1 << 16)
        except TimeoutError:
            raise NoAnswer(_unexpected(b"")) from None
        if not pattern.search(answer):
            raise NoAnswer(_unexpected(answer))


def _unexpected(answer: bytes) -> str:
    if not answer:
        return "it took the connection but did not answer"
    return f"it answered {answer[:200].decode('latin-1')!r}, which is not what was expected"


# -- What a node knows, and what becomes of one packet -------------------------
#
# For `playground.states` and `playground.explaining`, which read what it says.

# linux/rtnetlink.h, neighbour.h, if_addr.h, fib_rules.h
RTM_GETADDR = 22
RTA_SRC = 2
RTA_IIF = 3
RTA_METRICS = 8
RTA_MARK = 16
RTA_IP_PROTO = 27
RTA_SPORT = 28
RTA_DPORT = 29
RTAX_MTU = 2
RTM_F_LOOKUP_TABLE = 0x1000
RTM_F_FIB_MATCH = 0x2000
NDA_MULTICAST_TYPE = 5
NUD_STATES = {
    0x01: "incomplete",
    0x02: "reachable",
    0x04: "stale",
    0x08: "delay",
    0x10: "probe",
    0x20: "failed",
    0x40: "noarp",
    0x80: "permanent",
}
IFA_F_TENTATIVE = 0x40
IFA_F_DADFAILED = 0x08
IFA_FLAGS = 8
IFLA_LINK = 5
# linux/sock_diag.h, inet_diag.h, net/tcp_states.h; what waits for datagrams is closed.
NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
INET_DIAG_SKV6ONLY = 11
TCP_CLOSE = 7
TCP_LISTEN = 10
# Of /proc/net: what a packet leaves behind that is thrown away silently.
_COUNTED = (
    ("netstat", ("IPReversePathFilter", "ListenOverflows", "ListenDrops")),
    ("snmp", ("InAddrErrors", "InNoRoutes", "OutNoRoutes", "InDiscards", "FragFails")),
)
_ASKED_SYSCTLS = (
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "net.ipv6.conf.all.disable_ipv6",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.icmp_echo_ignore_all",
)
_PER_INTERFACE = (
    "net/ipv4/conf/{}/forwarding",
    "net/ipv4/conf/{}/rp_filter",
    "net/ipv6/conf/{}/disable_ipv6",
    "net/ipv6/conf/{}/forwarding",
)


def states(pids: Sequence[int], with_connections: bool = True) -> list[Request]:
    programs = _programs(pids)
    rows, listing = [], []
    for pid in pids:
        row = _state(pid, programs)
        if with_connections:
            row["connections"] = _known_connections(pid)
        rows.append(row)
        if row["tables"]:
            listing.append((row, *_start_nft(["-a", "list", "ruleset"])))
    for row, process, output in listing:
        status, said = _ended_nft(process, output)
        row["ruleset"] = said if status == 0 else ""
    return rows


def _state(pid: int, programs: dict[int, str]) -> Request:
    netlink = Netlink(pid)
    names = dict(socket.if_nameindex())
    interfaces_ = {}
    for answer in netlink.ask(Message(RTM_GETLINK, NLM_F_DUMP, link_body(), "list interfaces")):
        (index,) = struct.unpack_from("i", answer, 4)
        found = attributes(answer[16:])
        row = interface_row(answer)
        del row["statistics"]
        information = attributes(found.get(IFLA_LINKINFO, b""))
        kind = information.get(IFLA_INFO_KIND, b"").rstrip(b"\0").decode() or None
        # The number of a veth's other end is that of another namespace.
        below = _number(found, IFLA_LINK) if kind != "veth" else None
        row |= {
            "name": names.get(index, ""),
            "kind": kind,
            "below": names.get(below or 0),
            "master": names.get(_number(found, IFLA_MASTER) or 0),
            "addresses": [],
        }
        row["settings"] = _interface_settings(row["name"])
        interfaces_[index] = row
    for answer in netlink.ask(
        Message(RTM_GETADDR, NLM_F_DUMP, struct.pack("BBBBi", 0, 0, 0, 0, 0), "list addresses")
    ):
        family, length, flags, _, index = struct.unpack_from("BBBBi", answer)
        found = attributes(answer[8:])
        if family in _FAMILIES and index in interfaces_:
            flags = _number(found, IFA_FLAGS) or flags
            own = found.get(IFA_LOCAL, found.get(IFA_ADDRESS, bytes(_FAMILIES[family])))
            peer = found.get(IFA_ADDRESS, own)
            interfaces_[index]["addresses"].append(
                {
                    "address": f"{socket.inet_ntop(family, own)}/{length}",
                    "peer": socket.inet_ntop(family, peer) if peer != own else None,
                    "refused": bool(flags & IFA_F_DADFAILED),
                    "tentative": bool(flags & IFA_F_TENTATIVE),
                }
            )
    routes_: list[Request] = []
    question = struct.pack("BBBBBBBBI", *[0] * 9)
    for answer in netlink.ask(Message(RTM_GETROUTE, NLM_F_DUMP, question, "read the routes")):
        routes_ += route_rows(answer, names)
    found_state = {
        "interfaces": list(interfaces_.values()),
        "routes": routes_,
        "neighbours": list(_neighbours(netlink, names)),
        "sysctls": {name: _setting(name.replace(".", "/")) for name in _ASKED_SYSCTLS},
    }
    netlink.close()
    return found_state | {
        "rules": policy_rules(pid),
        "sockets": list(_sockets(programs)),
        "connections": [],
        "tables": _filter_tables(pid),
        "ruleset": "",
    }


def _interface_settings(name: str) -> dict[str, str | None]:
    return {
        path.split("/")[1] + "." + path.split("/")[-1]: _setting(path.format(name))
        for path in _PER_INTERFACE
    }


def _setting(path: str) -> str | None:
    try:
        return read_text(f"/proc/sys/{path}").strip()
    except OSError:
        return None  # a kernel without IPv6, or an interface that has just gone


def _neighbours(netlink: Netlink, names: dict[int, str]) -> Iterator[Request]:
    body = struct.pack("BxxxiHBB", 0, 0, 0, 0, 0)
    for answer in netlink.ask(Message(RTM_GETNEIGH, NLM_F_DUMP, body, "list neighbours")):
        family, index, state, _, kind = struct.unpack_from("BxxxiHBB", answer)
        found = attributes(answer[12:])
        if family in _FAMILIES and kind != NDA_MULTICAST_TYPE and NDA_DST in found:
            yield {
                "interface": names.get(index, ""),
                "address": socket.inet_ntop(family, found[NDA_DST]),
                "mac": found[NDA_LLADDR].hex(":") if NDA_LLADDR in found else None,
                "state": NUD_STATES.get(state, "none"),
            }


def _sockets(programs: dict[int, str]) -> Iterator[Request]:
    """Yield what listens in the present network namespace, by sock_diag(7).

    /proc/net/tcp would go through all connections of the machine, of any namespace.

    """
    netlink = Netlink(None, NETLINK_SOCK_DIAG)
    for protocol, number, states_ in (("tcp", 6, 1 << TCP_LISTEN), ("udp", 17, 1 << TCP_CLOSE)):
        for family in _FAMILIES:
            body = struct.pack("BBBxI48x", family, number, 0, states_)
            try:
                answers = netlink.ask(
                    Message(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, body, "list sockets")
                )
            except OSError:
                yield from _proc_sockets(protocol, family, programs)
                continue
            for answer in answers:
                # struct inet_diag_msg
                port, peer = struct.unpack_from(">HH", answer, 4)
                if peer == 0:
                    only = attributes(answer[72:]).get(INET_DIAG_SKV6ONLY, b"\0")
                    yield {
                        "protocol": protocol,
                        "address": socket.inet_ntop(family, answer[8 : 8 + _FAMILIES[family]]),
                        "port": port,
                        "program": programs.get(struct.unpack_from("I", answer, 68)[0]),
                        "only_ipv6": only[0] == 1,
                    }
    netlink.close()


def _proc_sockets(protocol: str, family: int, programs: dict[int, str]) -> Iterator[Request]:
    """Yield the same from /proc/net/tcp (proc_net_tcp.txt): some kernels lack tcp_diag."""
    name = protocol + ("6" if family == socket.AF_INET6 else "")
    state = f"{TCP_LISTEN if protocol == 'tcp' else TCP_CLOSE:02X}"
    try:
        lines = read_text(f"/proc/thread-self/net/{name}").splitlines()[1:]
    except OSError:
        return
    for line in lines:
        words = line.split()
        address, port = words[1].split(":")
        if words[3] == state and int(words[2].rpartition(":")[2], 16) == 0:
            yield {
                "protocol": protocol,
                "address": _proc_address(address),
                "port": int(port, 16),
                "program": programs.get(int(words[9])),
                "only_ipv6": False,
            }


def _proc_address(digits: str) -> str:
    """Read an address as /proc/net/tcp has it: words of 32 bits in the machine's order."""
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    packed = struct.pack(f"{len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)


def _programs(pids: Sequence[int]) -> dict[int, str]:
    """Return which program holds each socket (by inode) of these nodes."""
    spaces = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            spaces.add(os.readlink(f"/proc/{pid}/ns/net"))
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it has ended, or is not ours to look at
            if os.readlink(f"/proc/{name}/ns/net") not in spaces:
                continue
            program = read_text(f"/proc/{name}/comm").strip()
            for fd in os.listdir(f"/proc/{name}/fd"):
                target = os.readlink(f"/proc/{name}/fd/{fd}")
                if target.startswith("socket:["):
                    found[int(target[8:-1])] = program
    return found


def _known_connections(pid: int) -> list[Request]:
    # To list them takes 50 ms: the table is that of all namespaces of the machine.
    if _setting("net/netfilter/nf_conntrack_count") in (None, "0"):
        return []
    return connections(pid)


def _filter_tables(pid: int) -> list[list[str]]:
    """Return family and name of each nftables table of the present network namespace."""
    try:
        netlink = Netlink(pid, NETLINK_NETFILTER)
    except OSError:
        return []
    try:
        body = _netfilter_body(socket.AF_UNSPEC)
        answers = netlink.ask(Message(NFT_MSG_GETTABLE, NLM_F_DUMP, body, "list tables"))
    except OSError:
        return []  # a kernel without nftables
    finally:
        netlink.close()
    return [
        [NFT_FAMILIES.get(answer[0], str(answer[0])), _text(attributes(answer[4:]).get(1))]
        for answer in answers
    ]


def _text(data: bytes | None) -> str:
    return (data or b"").rstrip(b"\0").decode("utf-8", "replace")


def ways(questions: Sequence[Request]) -> list[Request]:
    return [_way(question, netlink) for question, netlink in in_each(questions)]


def _way(question: Request, netlink: Netlink) -> Request:
    """Ask the kernel which way one packet would go (`ip route get`)."""
    family, destination = packed_address(question["destination"])
    bits = len(destination) * 8
    names = {name: index for index, name in socket.if_nameindex()}
    parts = attribute(RTA_DST, destination)
    source_bits = 0
    if question["source"] is not None:
        parts += attribute(RTA_SRC, packed_address(question["source"])[1])
        source_bits = bits
    if question["interface"] is not None:
        index = names.get(question["interface"], 0)
        parts += attribute(RTA_IIF, struct.pack("I", index))
    if question["mark"]:
        parts += attribute(RTA_MARK, struct.pack("I", question["mark"]))
    if question["port"] is not None:
        parts += attribute(RTA_IP_PROTO, struct.pack("B", question["protocol"]))
        parts += attribute(RTA_SPORT, struct.pack(">H", question["source_port"]))
        parts += attribute(RTA_DPORT, struct.pack(">H", question["port"]))

    def ask(flags: int) -> bytes:
        head = struct.pack("BBBBBBBBI", family, bits, source_bits, 0, 0, 0, 0, 0, flags)
        return netlink.ask(Message(RTM_GETROUTE, 0, head + parts, "find a way"))[0]

    try:
        answer = ask(RTM_F_LOOKUP_TABLE)
    except NetlinkError as error:
        return {"errno": error.errno, "message": os.strerror(error.errno or 0)}
    found = attributes(answer[12:])
    _, _, _, _, table, protocol, _, kind, _ = struct.unpack_from("BBBBBBBBI", answer)
    metrics = attributes(found.get(RTA_METRICS, b""))
    by_number = {index: name for name, index in names.items()}

    def address(kind: int) -> str | None:
        return socket.inet_ntop(family, found[kind]) if kind in found else None

    row = {
        "errno": None,
        "kind": kind,
        "via": address(RTA_GATEWAY),
        "interface": by_number.get(_number(found, RTA_OIF) or 0),
        "source": address(RTA_PREFSRC),
        "table": _number(found, RTA_TABLE) or table,
        "mtu_bytes": _number(metrics, RTAX_MTU),
        "protocol": protocol,
        "prefix": None,
    }
    with contextlib.suppress(NetlinkError):  # kernels before 5.3, and multipath of some
        entry = ask(RTM_F_FIB_MATCH)
        length, protocol = entry[1], entry[5]
        prefix = attributes(entry[12:]).get(RTA_DST, bytes(bits // 8))
        row |= {"prefix": f"{socket.inet_ntop(family, prefix)}/{length}", "protocol": protocol}
    return row


# linux/netfilter/nf_tables.h, nfnetlink.h
NFT_MSG_GETTABLE = 0x0A01
NFT_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
NFNLGRP_NFTRACE = 9
NFT_MSG_TRACE = 0x0A11
NF_HOOKS = {"prerouting": 0, "output": 3}
NFT_META_NFTRACE = 12
# Belongs to the socket that has made it, and goes with it (since Linux 5.12).
NFT_TABLE_F_OWNER = 2
TRACE_TABLE = "playground_trace"
# Before connection tracking (-200) and "raw" (-300).
TRACE_PRIORITY = -350

# linux/if_packet.h, if_ether.h, asm-generic/socket.h
ETH_P_ALL = 3
SO_ATTACH_FILTER = 26
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
# Of each frame, in bytes: headers, and in errors those that they quote.
SNAP_BYTES = 256
# Of frames and of traces in one answer: in a lab where much is going on.
MOST_SEEN = 4000
# How long nothing more may come once it is known how it ended.
SETTLE_S = 0.01


def probe(
    pid: int,
    watch: Sequence[int | None],
    protocol: int,
    destination: str,
    port: int | None,
    payload: str,
    packet: str | None = None,
    quiet_s: float = 0.3,
    timeout_s: float = 3.0,
) -> Request:
    places = [_Place(one, protocol) for one in watch]
    selector = selectors.DefaultSelector()
    for number, place in enumerate(places):
        for opened in place.sockets:
            selector.register(opened, selectors.EVENT_READ, number)
    enter_network(pid)
    family, _ = packed_address(destination)
    raw = base64.b64decode(packet) if packet is not None else None
    sender = _Sender(family, protocol, destination, port, base64.b64decode(payload), raw)
    if sender.socket is not None:
        selector.register(sender.socket, sender.event, -1)
    begin = last = time.monotonic()
    frames: list[Any] = []
    traces: list[Request] = []
    while True:
        over = sender.over
        now = time.monotonic()
        limit = last + (SETTLE_S if over else quiet_s)
        ready = selector.select(max(0.0, limit - now))
        # On a busy machine this may come late, and find that much has happened.
        if not ready or now >= begin + timeout_s or len(frames) > MOST_SEEN:
            break
        for key, _ in ready:
            if key.data == -1:
                sender.look()
                if sender.over and sender.socket is not None:
                    sender.seconds = time.monotonic() - begin
                    selector.unregister(sender.socket)
                continue
            last = time.monotonic()
            new, traced = places[key.data].read(key.fileobj)
            frames += [[key.data, *frame] for frame in new]
            traces += [{"watch": key.data, **row} for row in traced]
    sender.close()
    counted = [place.counted() for place in places]
    for place in places:
        place.stop_tracing()
    return {
        "outcome": sender.outcome(),
        "frames": frames,
        "traces": traces,
        "counted": counted,
    }


class _Sender:
    """Sends one packet as a program would, and looks what comes of it."""

    def __init__(
        self,
        family: int,
        protocol: int,
        destination: str,
        port: int | None,
        payload: bytes,
        raw: bytes | None,
    ) -> None:
        self.protocol = protocol
        self.payload = payload
        self.answered = False
        self.errno: int | None = None
        self.seconds: float | None = None
        self.source: tuple[str, int] | None = None
        self.socket: socket.socket | None = None
        self.event = selectors.EVENT_READ
        self.over = False
        try:
            if raw is not None:
                self.socket = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
                self.socket.sendto(raw, (destination, 0))
            elif protocol == socket.IPPROTO_TCP:
                self._connect(family, destination, port or 0)
            elif protocol == socket.IPPROTO_UDP:
                self.socket = socket.socket(family, socket.SOCK_DGRAM)
                self.socket.setblocking(False)
                self.socket.connect((destination, port or 0))
                self.source = self.socket.getsockname()[:2]
                self.socket.send(payload)
            else:
                self._echo(family, destination)
        except OSError as error:
            self._failed(error.errno)

    def _connect(self, family: int, destination: str, port: int) -> None:
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        # Its end is a reset: nothing of it is kept in mind here.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.event = selectors.EVENT_WRITE
        number = self.socket.connect_ex((destination, port))
        self.source = self.socket.getsockname()[:2]
        if number not in (0, errno.EINPROGRESS):
            self._failed(number)

    def _echo(self, family: int, destination: str) -> None:
        self.socket = socket.socket(family, socket.SOCK_RAW, self.protocol)
        self.socket.setblocking(False)
        kind = 8 if family == socket.AF_INET else 128
        head = struct.pack(">BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, 1)
        # The kernel sums up ICMPv6 itself (RFC 3542 section 3.1).
        total = internet_checksum(head + self.payload) if family == socket.AF_INET else 0
        self.socket.connect((destination, 0))
        self.source = self.socket.getsockname()[:2]
        self.socket.send(head[:2] + struct.pack(">H", total) + head[4:] + self.payload)

    def _failed(self, number: int | None) -> None:
        self.errno = number
        self.over = True

    def look(self) -> None:
        assert self.socket is not None
        if self.protocol == socket.IPPROTO_TCP:
            number = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.answered, self.over = number == 0, True
            self.errno = number or None
            return
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            self._failed(error.errno)
            return
        # Of ICMP the answer is what brings back the payload: type 0, in IPv6 129.
        if self.protocol == socket.IPPROTO_UDP:
            self.answered = self.over = True
        elif data.endswith(self.payload):
            start = (data[0] & 15) * 4 if self.protocol == socket.IPPROTO_ICMP else 0
            self.answered = self.over = data[start] in (0, 129)

    def outcome(self) -> Request:
        source, port = self.source or (None, None)
        return {
            "answered": self.answered,
            "errno": self.errno,
            "seconds": self.seconds,
            "source": source,
            "source_port": port,
        }

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()


class _Place:
    """A network namespace that is watched: its frames, its rules, its counters."""

    def __init__(self, pid: int | None, protocol: int) -> None:
        own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if pid is not None:
                enter_network(pid)
            self.before = _counters()
            self.packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self._prepare(protocol)
            self.tracing = _start_trace(pid) if pid is not None and _filter_tables(pid) else None
            self.counters = [
                os.open(f"/proc/thread-self/net/{name}", os.O_RDONLY) for name, _ in _COUNTED
            ]
        finally:
            setns(own, CLONE_NEWNET)
            os.close(own)
        self.sockets = [self.packets, *([self.tracing.socket] if self.tracing else [])]

    def _prepare(self, protocol: int) -> None:
        program = b"".join(struct.pack("HBBI", *one) for one in _watching(protocol))
        buffer = ctypes.create_string_buffer(program)
        head = struct.pack("HP", len(program) // 8, ctypes.addressof(buffer))
        self.packets.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, head)
        self.packets.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        with contextlib.suppress(OSError):
            self.packets.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        self.packets.setblocking(False)

    def read(self, opened: Any) -> tuple[list[Any], list[Request]]:
        """Return what has come: rows of interface, direction, time, frame; and traces."""
        if self.tracing is not None and opened is self.tracing.socket:
            return [], _traced(self.tracing)
        frames = []
        for _ in range(BATCH):
            try:
                data, ancillary, _, address = self.packets.recvmsg(SNAP_BYTES, 64)
            except BlockingIOError:
                break
            except OSError:
                continue  # an interface has gone down
            stamp = next((item[2] for item in ancillary if item[1] == SO_TIMESTAMPNS), bytes(16))
            seconds, nanoseconds = struct.unpack("qq", stamp)
            when = seconds + nanoseconds / 1e9
            frames.append([address[0], address[2], when, base64.b64encode(data).decode()])
        return frames, []

    def counted(self) -> dict[str, int]:
        """Return which counters have moved since the beginning, and by how much."""
        after: dict[str, int] = {}
        for (_, names), fd in zip(_COUNTED, self.counters, strict=True):
            after |= _counter_values(os.pread(fd, 1 << 16, 0).decode(), names)
        return {
            name: value - self.before.get(name, 0)
            for name, value in after.items()
            if value != self.before.get(name, 0)
        }

    def stop_tracing(self) -> None:
        """Take the trace's table away; all else goes with this process.

        To close a packet socket takes 10 ms, for which nobody has to wait.

        """
        if self.tracing is not None:
            self.tracing.close()


def _watching(protocol: int) -> list[Instruction]:
    """A program that takes ARP, ICMP, what has a VLAN's tag, and one protocol of IP."""
    accept, refuse = (BPF_RET_K, 0, 0, SNAP_BYTES), (BPF_RET_K, 0, 0, 0)
    return [
        (0x28, 0, 0, 12),  # the type of the frame
        (BPF_JMP_JEQ_K, 9, 0, 0x0806),
        (BPF_JMP_JEQ_K, 8, 0, 0x8100),
        (BPF_JMP_JEQ_K, 0, 3, 0x0800),
        (0x30, 0, 0, 23),  # IPv4's protocol
        (BPF_JMP_JEQ_K, 5, 0, protocol),
        (BPF_JMP_JEQ_K, 4, 5, socket.IPPROTO_ICMP),
        (BPF_JMP_JEQ_K, 0, 4, 0x86DD),
        (0x30, 0, 0, 20),  # IPv6's next header
        (BPF_JMP_JEQ_K, 1, 0, protocol),
        (BPF_JMP_JEQ_K, 0, 1, socket.IPPROTO_ICMPV6),
        accept,
        refuse,
    ]


def _counters() -> dict[str, int]:
    found: dict[str, int] = {}
    for name, wanted in _COUNTED:
        found |= _counter_values(read_text(f"/proc/thread-self/net/{name}"), wanted)
    return found


def _counter_values(text: str, wanted: Sequence[str]) -> dict[str, int]:
    """Read pairs of lines, names and values, of /proc/net/snmp or netstat."""
    lines = text.splitlines()
    found = {}
    for head, values in zip(lines[::2], lines[1::2], strict=False):
        for name, value in zip(head.split()[1:], values.split()[1:], strict=False):
            if name in wanted:
                found[name] = int(value)
    return found


def _start_trace(pid: int) -> Netlink | None:
    """Make the rules of a node tell of all packets; None where the kernel cannot.

    What tells them to is a table that goes with this socket.

    """

    def element(name: str, data: bytes) -> bytes:
        nested = attribute(2 | NLA_F_NESTED, data)
        return attribute(1 | NLA_F_NESTED, text_attribute(1, name) + nested)

    def number(kind: int, value: int) -> bytes:
        return attribute(kind, struct.pack(">i", value))

    one = attribute(2 | NLA_F_NESTED, attribute(1, b"\x01"))
    expressions = element("immediate", number(1, 1) + one) + element(
        "meta", number(2, NFT_META_NFTRACE) + number(3, 1)
    )
    table = text_attribute(1, TRACE_TABLE)
    bodies = [(0, table + number(2, NFT_TABLE_F_OWNER))]
    for name, hook in NF_HOOKS.items():
        place = attribute(4 | NLA_F_NESTED, number(1, hook) + number(2, TRACE_PRIORITY))
        chain = text_attribute(3, name)
        bodies.append((3, table + chain + place + text_attribute(7, "filter")))
        rule = text_attribute(2, name) + attribute(4 | NLA_F_NESTED, expressions)
        bodies.append((6, table + rule))
    netlink = Netlink(pid, NETLINK_NETFILTER)
    try:
        netlink.socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTRACE)
        with contextlib.suppress(OSError):
            netlink.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        flags = NLM_F_CREATE | NLM_F_APPEND
        batch = [
            Message(0x0A00 | kind, flags, _netfilter_body(NFPROTO_INET, body), "trace packets")
            for kind, body in bodies
        ]
        _commit(netlink, batch)
    except OSError:
        netlink.close()
        return None
    netlink.socket.setblocking(False)
    return netlink


def _commit(netlink: Netlink, messages: Sequence[Message]) -> None:
    """Send changes of nftables, all or none: between the two that make them a batch."""
    packets: list[bytes] = []
    for message in (None, *messages, None):
        netlink.sequence += 1
        kind, flags, body = (
            0x10 if not packets else 0x11,
            NLM_F_REQUEST,
            struct.pack(">BBH", 0, 0, 10),
        )
        if message is not None:
            kind, flags, body = (
                message.kind,
                message.flags | NLM_F_REQUEST | NLM_F_ACK,
                message.body,
            )
        length = 16 + len(body)
        packets.append(struct.pack("IHHII", length, kind, flags, netlink.sequence, 0) + body)
    netlink.socket.send(b"".join(packets))
    answers = 0
    while answers < len(messages):
        for _, (number, reason) in _acknowledgements(netlink.socket.recv(1 << 16)):
            answers += 1
            if number:
                raise refusal(messages[0], number, reason)


def _traced(netlink: Netlink) -> list[Request]:
    rows = []
    for _ in range(BATCH):
        try:
            packet = netlink.socket.recv(1 << 16)
        except BlockingIOError:
            break
        except OSError:
            continue  # more has come than there was room for
        offset = 0
        while offset + 20 <= len(packet):
            length, kind = struct.unpack_from("IH", packet, offset)
            if kind == NFT_MSG_TRACE:
                rows.append(_trace_row(attributes(packet[offset + 20 : offset + length])))
            offset += max((length + 3) & ~3, 16)
    return [row for row in rows if row["table"] != TRACE_TABLE]


def _trace_row(found: dict[int, bytes]) -> Request:
    """Read what one rule or chain has decided: enum nft_trace_attributes."""
    verdict = attributes(found.get(5, b"")).get(1)
    return {
        "table": _text(found.get(1)),
        "chain": _text(found.get(2)),
        "handle": _big_endian(found.get(3)) or None,
        "type": {1: "policy", 2: "return", 3: "rule"}.get(_big_endian(found.get(4)), ""),
        "verdict": struct.unpack(">i", verdict)[0] if verdict else None,
        "policy": _big_endian(found[16]) if 16 in found else None,
        "id": _big_endian(found.get(6)),
        "mark": _big_endian(found.get(14)),
        "family": _big_endian(found.get(15)),
        "network": base64.b64encode(found.get(8, b"")).decode(),
        "transport": base64.b64encode(found.get(9, b"")).decode(),
    }


# -- Starting a node's programs ----------------------------------------------
#
# By runsv(8) alone: runsvdir, which would start it, looks for new programs only
# every five seconds, and sleeps a second before its first look.


def _boot_program(programs: Sequence[str]) -> Callable[[], str | None]:
    """Return what forks, inside a node, into one supervisor for each program."""

    def prepare() -> str | None:
        os.makedirs("/run/service", 0o755, exist_ok=True)
        os.makedirs("/run/playground", 0o755, exist_ok=True)
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        log = _open_regular("/run/playground/boot.log", os.O_APPEND)
        os.fchmod(log, 0o644)
        for target, source in enumerate((null, log, log)):
            os.dup2(source, target)
        os.chdir("/")
        for program in programs:
            if not os.path.isdir(f"/etc/sv/{program}"):
                raise FileNotFoundError(
                    errno.ENOENT,
                    f"there is no program {program!r} on the node: it has no /etc/sv/{program}",
                )
        for program in programs:
            with contextlib.suppress(FileExistsError):
                os.symlink(f"/etc/sv/{program}", f"/run/service/{program}")
            if not _supervised(program) and os.fork() == 0:
                os.setsid()
                return program
        return None

    return prepare


def _supervised(program: str) -> bool:
    # runsv holds this lock as long as it runs.
    try:
        fd = os.open(
            f"/etc/sv/{program}/supervise/lock", os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK
        )
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


# -- Sockets for the client ---------------------------------------------------

# asm-generic/unistd.h: the same on every architecture that Docker runs on.
SYS_PIDFD_GETFD = 438

_ELSEWHERE = "the engine runs on another machine, or in a virtual machine of its own"
_HIDDEN = "the engine does not see the processes of this machine"
_REFUSED = "the engine may not reach this program, as where it runs without root"


def open_socket(pid: int, family: int, kind: int, protocol: int) -> socket.socket:
    """Open a socket in a node's network namespace, where it stays wherever it goes."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter_network(pid)
        return socket.socket(family, kind, protocol)
    finally:
        setns(own, CLONE_NEWNET)
        os.close(own)


def take_descriptor(boot_id: str, pid: int, pid_namespace: int, descriptor: int) -> int | str:
    """Copy a descriptor of a process of this machine; why it cannot be, as text.

    Nothing of it lies in a file system, where somebody else could find it.

    """
    # See pidfd_getfd(2): it takes CAP_SYS_PTRACE, which the helper has.
    if read_text("/proc/sys/kernel/random/boot_id").strip() != boot_id:
        return _ELSEWHERE
    found = _find_process(pid, pid_namespace)
    if found is None:
        return _HIDDEN
    try:
        handle = os.pidfd_open(found)
    except ProcessLookupError:
        return _HIDDEN
    try:
        taken = int(_libc.syscall(SYS_PIDFD_GETFD, handle, descriptor, 0))
        if taken < 0:
            number = ctypes.get_errno()
            if number == errno.EPERM:
                return _REFUSED
            raise OSError(number, f"taking the client's socket: {os.strerror(number)}")
        return taken
    finally:
        os.close(handle)


def _find_process(pid: int, pid_namespace: int) -> int | None:
    """Find a process by what it is called in its own process-id namespace."""
    # The number is mostly ours as well; else the last of NSpid, proc_pid_status(5).
    others = (int(name) for name in os.listdir("/proc") if name.isdigit())
    for candidate in itertools.chain([pid], others):
        with contextlib.suppress(OSError, KeyError):
            if os.stat(f"/proc/{candidate}/ns/pid").st_ino != pid_namespace:
                continue
            if int(_status(candidate)["NSpid"].split()[-1]) == pid:
                return candidate
    return None


# -- The loop ----------------------------------------------------------------


class Job:
    """A command that runs in a node, and the pipes to it."""

    def __init__(self, number: int, request_id: Any) -> None:
        self.number = number
        self.request_id = request_id
        self.pid = 0
        self.launcher: Profile | None = None
        self.channel: socket.socket | None = None
        self.streams: dict[str, int] = {}
        self.stdin = -1
        self.stdin_closing = False
        self.terminal = False
        self.pending: deque[tuple[memoryview, Any]] = deque()
        self.unconsumed = 0
        self.paused = False
        self.returncode: int | None = None
        self.exit_sent = False


class Agent:
    """The single-threaded loop: forking is safe, and nothing needs a lock."""

    def __init__(self, requests: int, replies: int, socket_line: int | None = None) -> None:
        self.requests = requests
        self.replies = replies
        self.socket_line = None if socket_line is None else socket.socket(fileno=socket_line)
        self.selector = selectors.DefaultSelector()
        self.owned: dict[int, int] = {}  # process id: pidfd or -1
        self.jobs: dict[int, Job] = {}
        self.jobs_by_pid: dict[int, Job] = {}
        self.workers: dict[int, Any] = {}  # process id: request id
        self.launchers: dict[Profile, socket.socket] = {}
        self.job_count = 0
        self.incoming: list[bytes] = []
        self.outgoing: deque[memoryview] = deque()
        self.ending = False

    # ... the line

    def serve(self) -> None:
        """Answer requests until end of file or SIGTERM, then kill and return."""
        os.set_blocking(self.replies, False)
        wake, woken = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.signal(signal.SIGCHLD, _ignore)
        signal.signal(signal.SIGTERM, _ignore)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        self.selector.register(wake, selectors.EVENT_READ, self._signalled)
        self.selector.register(self.requests, selectors.EVENT_READ, self._read_requests)
        if self.socket_line is not None:
            self.selector.register(self.socket_line, selectors.EVENT_READ, self._hand_socket)
        self.send(
            {
                "hello": {
                    "protocol": PROTOCOL,
                    "pid": os.getpid(),
                    "python": ".".join(map(str, sys.version_info[:3])),
                }
            }
        )
        try:
            while not self.ending:
                for key, events in self.selector.select():
                    # An earlier event of the same round may have closed this
                    # one's descriptor, whose number may mean another by now.
                    if self.selector.get_map().get(key.fd) is key:
                        key.data(key.fd, events)
        finally:
            self._kill_everything()

    def send(self, message: Request) -> None:
        self.send_line(json.dumps(message).encode() + b"\n")

    def send_line(self, line: bytes) -> None:
        self.outgoing.append(memoryview(line))
        if len(self.outgoing) == 1:
            self._flush(self.replies, 0)
            if self.outgoing:
                self.selector.register(self.replies, selectors.EVENT_WRITE, self._flush)

    def _flush(self, fd: int, events: int) -> None:
        while self.outgoing:
            try:
                written = os.write(self.replies, self.outgoing[0])
            except BlockingIOError:
                return
            except OSError:
                self.ending = True  # nobody listens any more
                self.outgoing.clear()
                break
            if written < len(self.outgoing[0]):
                self.outgoing[0] = self.outgoing[0][written:]
            else:
                self.outgoing.popleft()
        if events:
            self.selector.unregister(fd)

    def _read_requests(self, fd: int, events: int) -> None:
        data = os.read(fd, 1 << 16)
        if not data:
            self.ending = True
            return
        *lines, rest = data.split(b"\n")
        for line in lines:
            line = b"".join([*self.incoming, line])
            self.incoming.clear()
            if line.strip():
                self._request(line)
        if rest:
            self.incoming.append(rest)

    def _request(self, line: bytes) -> None:
        request_id = None
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise TypeError("a request is an object with id, op and args")
            request_id = request.get("id")
            name = request.get("op")
            arguments = request.get("args") or {}
            if name in WORK:
                self._work(request_id, WORK[name], arguments)
            elif name in OPS:
                result = OPS[name](self, request_id, **arguments)
                if result is not LATER:
                    self.send({"id": request_id, "result": result})
            else:
                known = ", ".join(sorted([*OPS, *WORK]))
                raise LookupError(f"there is no operation {name!r}; there are {known}")
        except Exception as error:
            self.send({"id": request_id, "error": describe(error)})

    # ... processes

    def _signalled(self, fd: int, events: int) -> None:
        numbers = os.read(fd, 4096)
        if signal.SIGTERM in numbers:
            self.ending = True
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.workers.pop(pid, None)
            job = self.jobs_by_pid.pop(pid, None)
            if job is not None:
                job.returncode = os.waitstatus_to_exitcode(status)
                self._finish(job)

    def _kill_everything(self) -> None:
        for pid, handle in self.owned.items():
            with contextlib.suppress(OSError):
                if handle >= 0:
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                else:
                    os.kill(pid, signal.SIGKILL)
        for job in self.jobs.values():
            with contextlib.suppress(OSError):
                os.killpg(job.pid, signal.SIGKILL)
        for pid in self.workers:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def _work(self, request_id: Any, function: Callable[..., Any], arguments: Request) -> None:
        """Do an operation in a process of its own, which writes the reply."""
        limit_s = WORK_LIMIT_S
        if "timeout_s" in arguments:
            limit_s = float(arguments["timeout_s"]) + WORK_LIMIT_S
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            _worker(request_id, function, arguments, limit_s, writer)
        os.close(writer)
        self.workers[pid] = request_id
        parts: list[bytes] = []

        def collect(fd: int, events: int) -> None:
            if part := os.read(fd, 1 << 20):
                parts.append(part)
                return
            self.selector.unregister(fd)
            os.close(fd)
            if parts and parts[-1].endswith(b"\n"):
                self.send_line(b"".join(parts))
            else:
                error = OSError(errno.EIO, "the agent's worker was killed before it was done")
                self.send({"id": request_id, "error": describe(error)})

        self.selector.register(reader, selectors.EVENT_READ, collect)

    # ... operations that the loop does itself

    def echo(self, request_id: Any, value: Any) -> Any:
        return value

    def own(self, request_id: Any, pids: Sequence[int]) -> list[int]:
        ended = []
        for pid in pids:
            handle = self.owned.get(pid)
            if handle is None:
                try:
                    # A handle cannot come to mean another process, as a number can.
                    handle = os.pidfd_open(pid)
                except ProcessLookupError:
                    ended.append(pid)
                    continue
                except OSError as error:
                    if error.errno != errno.ENOSYS:
                        raise
                    handle = -1  # before Linux 5.3
            self.owned[pid] = handle
            if has_ended(pid, handle):
                ended.append(pid)
                del self.owned[pid]
                if handle >= 0:
                    os.close(handle)
        if self.owned and not self.launchers:
            # The first command finds it ready: its start takes 20 ms, of which the
            # kernel needs some itself for the wiring that comes next.
            with contextlib.suppress(OSError):
                self._ensure_launcher(profile(find_node(next(iter(self.owned)))))
        return ended

    def disown(self, request_id: Any) -> None:
        for handle in self.owned.values():
            if handle >= 0:
                os.close(handle)
        self.owned.clear()

    def link(
        self, request_id: Any, ends: Sequence[Request], up: bool, nodes: Sequence[Request] = ()
    ) -> None:
        # By the loop, as is the next: a worker takes longer to fork than the kernel to do it.
        link(ends, up, nodes)

    def interfaces(self, request_id: Any, ends: Sequence[Request]) -> list[Request]:
        return interfaces(ends)

    def state_save(self, request_id: Any, data: str) -> None:
        # By the loop: a worker would take longer to fork than this to write.
        state_save(data)

    def spawn(
        self,
        request_id: Any,
        pid: int,
        argv: Sequence[str],
        env: dict[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        stdin: bool = False,
        tty: Sequence[int] | None = None,
        merge_stderr: bool = False,
    ) -> Any:
        command = Command(argv, env, cwd, user, tty)
        job = Job(self.job_count + 1, request_id)
        theirs: list[int] = []
        ours: list[int] = []
        try:
            if tty is None:
                if stdin:
                    reader, job.stdin = os.pipe()
                    ours.append(job.stdin)
                else:
                    reader = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
                theirs.append(reader)
                for name in ("stdout",) if merge_stderr else ("stdout", "stderr"):
                    job.streams[name], writer = os.pipe()
                    ours.append(job.streams[name])
                    theirs.append(writer)
                if merge_stderr:
                    theirs.append(os.dup(theirs[-1]))
                stdio = (theirs[0], theirs[1], theirs[2])
            else:
                stdio = None
            job.channel = self._launch(job, pid, command, stdio)
            if job.channel is None:
                job.pid, job.channel = start_in_node(pid, command, stdio)
                self.jobs_by_pid[job.pid] = job
        except BaseException:
            for fd in ours:
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        for fd in ours:
            os.set_blocking(fd, False)
        self.job_count += 1
        self.jobs[job.number] = job
        self.selector.register(
            job.channel, selectors.EVENT_READ, lambda fd, events: self._started(job)
        )
        return LATER

    def _launch(
        self, job: Job, pid: int, command: Command, stdio: tuple[int, int, int] | None
    ) -> socket.socket | None:
        """Hand a command to a launcher; None if it needs a child of our own."""
        node = find_node(pid)
        if stdio is None or command.user is not None or (node.uid, node.gid) != (0, 0):
            return None
        if "HOME" not in node.environ and "HOME" not in command.env:
            return None
        if node.memory_is_limited:
            # Of all in the group a launcher may be the largest, and the kernel
            # would kill it for what another needs, and other nodes' jobs with it.
            return None
        request = {
            "job": job.number,
            "pid": pid,
            "argv": command.argv,
            "env": {**node.environ, **command.env},
            "cwd": command.cwd,
        }
        packet = json.dumps(request).encode()
        if len(packet) > LAUNCH_BYTES:
            return None
        kind = profile(node)
        self._ensure_launcher(kind)
        here, there = socket.socketpair()
        try:
            socket.send_fds(self.launchers[kind], [packet], [*stdio, there.fileno()])
        except OSError:
            here.close()
            return None
        finally:
            there.close()
        job.launcher = kind
        return here

    def _ensure_launcher(self, kind: Profile) -> None:
        if kind not in self.launchers:
            worker, line = start_launcher(kind)
            self.workers[worker] = None
            self.launchers[kind] = line
            self.selector.register(
                line, selectors.EVENT_READ, lambda fd, events: self._launcher_said(kind)
            )

    def _launcher_said(self, kind: Profile) -> None:
        line = self.launchers[kind]
        packet = line.recv(4096)
        if not packet:
            # It was killed; the next command gets a new one, and nobody can
            # tell any more how its commands end.
            self.selector.unregister(line)
            line.close()
            del self.launchers[kind]
            for orphan in [*self.jobs.values()]:
                if orphan.launcher == kind and orphan.returncode is None:
                    if orphan.pid:
                        with contextlib.suppress(OSError):
                            os.killpg(orphan.pid, signal.SIGKILL)
                    orphan.returncode = -signal.SIGKILL
                    self._finish(orphan)
            return
        message = json.loads(packet)
        job = self.jobs.get(message["job"])
        if job is not None:
            job.returncode = message["returncode"]
            self._finish(job)

    def _started(self, job: Job) -> None:
        """Hear from a child whether its command runs, and tell the client."""
        assert job.channel is not None
        data, descriptors, _, _ = socket.recv_fds(job.channel, 1 << 16, 1)
        for fd in descriptors:
            os.set_inheritable(fd, False)
            os.set_blocking(fd, False)
            job.terminal = True
            job.streams["stdout"] = fd
            job.stdin = os.dup(fd)
        if data.startswith(b"t"):
            data = data[1:]
            if not data:
                return  # the terminal came; the command comes next
        if data.startswith(b'{"pid"'):
            job.pid = json.loads(data)["pid"]
            data = b""
        elif not data and not job.pid:
            gave_up = ConnectionError(errno.EPIPE, "the agent's launcher ended: try it once more")
            data = json.dumps(describe(gave_up)).encode()
        self.selector.unregister(job.channel)
        if data:
            # Errors are shorter than a socket's buffer, so this is all of it.
            job.channel.close()
            job.channel = None
            self._forget(job)
            self.send({"id": job.request_id, "error": json.loads(data)})
            return
        job.channel.close()
        job.channel = None
        self.send({"id": job.request_id, "result": {"job": job.number, "pid": job.pid}})
        for name, fd in job.streams.items():
            self.selector.register(fd, selectors.EVENT_READ, self._reader(job, name))

    def _reader(self, job: Job, name: str) -> Callable[[int, int], None]:
        def read(fd: int, events: int) -> None:
            self._read_output(job, name, CHUNK_BYTES)

        return read

    def _read_output(self, job: Job, name: str, count: int) -> int:
        """Read once from a job's pipe; returns the bytes read, 0 when it is empty."""
        fd = job.streams[name]
        try:
            data = os.read(fd, count)
        except BlockingIOError:
            return 0
        except OSError:
            # EIO: nobody has the terminal open any more.  A command that has
            # closed it may still run, and must not be hung up on.
            if job.returncode is None:
                self._unwatch(fd)
                return 0
            data = b""
        if not data:
            self._close_stream(job, name)
            return 0
        if not job.exit_sent:
            self.send({"event": name, "job": job.number, "data": base64.b64encode(data).decode()})
            job.unconsumed += len(data)
            if job.unconsumed >= WINDOW_BYTES and not job.paused and job.returncode is None:
                job.paused = True
                for other in job.streams.values():
                    self._unwatch(other)
        return len(data)

    def _unwatch(self, fd: int) -> None:
        with contextlib.suppress(KeyError):
            self.selector.unregister(fd)

    def _close_stream(self, job: Job, name: str) -> None:
        fd = job.streams.pop(name)
        self._unwatch(fd)
        os.close(fd)
        if job.exit_sent and not job.streams:
            self.jobs.pop(job.number, None)

    def _finish(self, job: Job) -> None:
        """Send what a job that has ended left in its pipes, then its exit."""
        while job.channel is not None:
            self._started(job)  # it was faster than our loop
        if job.number not in self.jobs:
            return  # it could not be started, and that was said
        self._resume(job)
        for name, fd in list(job.streams.items()):
            # No more than a pipe holds: a process left in the background may
            # go on writing for ever.
            left = 1 << 20 if job.terminal else fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
            while left > 0 and (count := self._read_output(job, name, min(left, CHUNK_BYTES))):
                left -= count
        self._close_stdin(job, "the command has ended")
        self.send({"event": "exit", "job": job.number, "returncode": job.returncode})
        job.exit_sent = True
        if not job.streams:
            self.jobs.pop(job.number, None)

    def _resume(self, job: Job) -> None:
        if job.paused:
            job.paused = False
            for name, fd in job.streams.items():
                self.selector.register(fd, selectors.EVENT_READ, self._reader(job, name))

    def _forget(self, job: Job) -> None:
        self.jobs.pop(job.number, None)
        for fd in job.streams.values():
            os.close(fd)
        job.streams.clear()
        if job.stdin >= 0:
            os.close(job.stdin)
            job.stdin = -1

    def _job(self, number: int) -> Job | None:
        """Find a job; None for one that has ended.  Raises LookupError otherwise."""
        if not isinstance(number, int) or not 0 < number <= self.job_count:
            raise LookupError(f"there never was a job {number!r}")
        return self.jobs.get(number)

    def write(self, request_id: Any, job: int, data: str) -> Any:
        target = self._job(job)
        content = base64.b64decode(data)
        if target is None or target.stdin < 0 or target.stdin_closing:
            raise BrokenPipeError(errno.EPIPE, "the command reads no more from its stdin")
        self._queue_input(target, content, request_id)
        return LATER

    def _queue_input(self, job: Job, content: bytes, request_id: Any) -> None:
        job.pending.append((memoryview(content), request_id))
        if len(job.pending) == 1:
            self._write_input(job)
            if job.pending:
                self.selector.register(
                    job.stdin,
                    selectors.EVENT_WRITE,
                    lambda fd, events: self._write_input(job, registered=True),
                )

    def _write_input(self, job: Job, registered: bool = False) -> None:
        while job.pending:
            view, request_id = job.pending[0]
            try:
                written = os.write(job.stdin, view)
            except BlockingIOError:
                return
            except OSError:
                self._close_stdin(job, "the command reads no more from its stdin")
                return
            if written < len(view):
                job.pending[0] = (view[written:], request_id)
                continue
            job.pending.popleft()
            if request_id is not None:
                self.send({"id": request_id, "result": None})
        if registered:
            self.selector.unregister(job.stdin)
        if job.stdin_closing:
            self._close_stdin(job, "")

    def _close_stdin(self, job: Job, reason: str) -> None:
        """Close a job's stdin; requests that wait for it get the reason."""
        if job.stdin < 0:
            return
        self._unwatch(job.stdin)
        os.close(job.stdin)
        job.stdin = -1
        while job.pending:
            _, request_id = job.pending.popleft()
            if request_id is not None:
                error = BrokenPipeError(errno.EPIPE, reason)
                self.send({"id": request_id, "error": describe(error)})

    def close_stdin(self, request_id: Any, job: int) -> None:
        target = self._job(job)
        if target is None or target.stdin < 0 or target.stdin_closing:
            return
        target.stdin_closing = True
        if target.terminal:
            # termios(3): the character that stands for end of file.
            self._queue_input(target, b"\x04", None)
        elif not target.pending:
            self._close_stdin(target, "")

    def signal(self, request_id: Any, job: int, signum: int) -> None:
        target = self._job(job)
        if target is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(target.pid, signum)

    def resize(self, request_id: Any, job: int, columns: int, lines: int) -> None:
        target = self._job(job)
        if target is not None and target.terminal and "stdout" in target.streams:
            set_window(target.streams["stdout"], columns, lines)

    def credit(self, request_id: Any, job: int, bytes: int) -> None:  # noqa: A002
        target = self._job(job)
        if target is not None:
            target.unconsumed -= bytes
            if target.unconsumed < WINDOW_BYTES:
                self._resume(target)

    def take_line(self, request_id: Any, **where: Any) -> str | None:
        taken = take_descriptor(**where)
        if isinstance(taken, str):
            return taken
        self._drop_line()
        self.socket_line = socket.socket(fileno=taken)
        self.selector.register(self.socket_line, selectors.EVENT_READ, self._hand_socket)
        return None

    def _drop_line(self) -> None:
        if self.socket_line is not None:
            self.selector.unregister(self.socket_line)
            self.socket_line.close()
            self.socket_line = None

    def _hand_socket(self, fd: int, events: int) -> None:
        """Answer a packet of the client's with a socket that lives in a node."""
        assert self.socket_line is not None
        try:
            packet = self.socket_line.recv(4096)
            if not packet:
                raise ConnectionError
            request = json.loads(packet)
            answer = {"id": request["id"]}
            try:
                made = open_socket(
                    request["pid"], request["family"], request["type"], request["protocol"]
                )
            except OSError as error:
                answer["error"] = describe(error)
                self.socket_line.send(json.dumps(answer).encode(), socket.MSG_DONTWAIT)
                return
            with made:
                content = [json.dumps(answer).encode()]
                socket.send_fds(self.socket_line, content, [made.fileno()], socket.MSG_DONTWAIT)
        except (OSError, ValueError, KeyError):
            # It is closed, or what comes is none of the client's own.
            self._drop_line()

    def boot(self, request_id: Any, nodes: Sequence[Request]) -> Any:
        """Start the supervisors of several nodes at once; reply when all run."""
        waiting: set[int] = set()
        errors: list[Request] = []

        def reply() -> None:
            if errors:
                self.send({"id": request_id, "error": errors[0]})
            else:
                self.send({"id": request_id, "result": None})

        def watch(node: Request) -> None:
            command = Command(["runsv", "/run/service/"], prepare=_boot_program(node["programs"]))
            _, channel = start_in_node(node["pid"], command, None)
            waiting.add(channel.fileno())

            def started(fd: int, events: int) -> None:
                if data := channel.recv(1 << 16):
                    errors.append(json.loads(data))
                    return
                self.selector.unregister(fd)
                channel.close()
                waiting.discard(fd)
                if not waiting and not starting:
                    reply()

            self.selector.register(channel, selectors.EVENT_READ, started)

        starting = True
        for node in nodes:
            try:
                watch(node)
            except Exception as error:
                errors.append(describe(error))
        starting = False
        if not waiting:
            reply()
        return LATER


# -- Captures ----------------------------------------------------------------
#
# A process for each capture.  The kernel puts frames into a ring of blocks for each
# interface (packet(7), Documentation/networking/packet_mmap.rst), and the process hands
# full blocks on as they are: nothing is done here for each frame.

# linux/if_packet.h
SOL_PACKET = 263
PACKET_RX_RING = 5
PACKET_STATISTICS = 6
PACKET_VERSION = 10
TPACKET_V3 = 2
TP_STATUS_KERNEL = 0
TP_STATUS_USER = 1
SO_ATTACH_FILTER = 26

# linux/if_arp.h: what comes with an Ethernet header; all else begins with IP's.
ARPHRD_ETHER = 1
ARPHRD_LOOPBACK = 772
# www.tcpdump.org/linktypes.html
LINKTYPE_ETHERNET = 1
LINKTYPE_RAW = 101
DLT_RAW = 12

# A block holds the longest frame.  All rings of a capture together have this much, and
# each at least so many blocks.
CAPTURE_BLOCK_BYTES = 256 << 10
CAPTURE_MEMORY_BYTES = 64 << 20
CAPTURE_LEAST_BLOCKS = 4
# A block that is not full is handed on after two of these.
CAPTURE_RETIRE_MS = 8
# At the end: until nothing came for so long, what is under way is waited for.
CAPTURE_QUIET_S = 0.02
CAPTURE_LINGER_S = 0.2
CAPTURE_PIPE_BYTES = 1 << 20

# In place of a number of an interface: all that was seen before was sent; the end.
CAPTURE_MARK = -1
CAPTURE_END = -2

SIOCSIFFLAGS = 0x8914

LIBPCAP = ("libpcap.so.1", "libpcap.so.0.8")
_NO_LIBPCAP = (
    "a filter is compiled by libpcap, which is not there: install it (on Debian and Ubuntu "
    "`apt install libpcap0.8`, which comes with tcpdump too), or capture without a filter"
)


def capture(
    agent: Agent,
    request_id: Any,
    places: Sequence[Request],
    filter: str = "",  # noqa: A002 - as tcpdump's users call it
    snaplen_bytes: int = 1 << 18,
) -> Any:
    """Start a job that captures; see the protocol."""
    job = Job(agent.job_count + 1, request_id)
    job.channel, there = socket.socketpair()
    job.streams["stdout"], writer = os.pipe()
    with contextlib.suppress(OSError):  # an ordinary user has an allowance for pipes
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, CAPTURE_PIPE_BYTES)
    job.pid = os.fork()
    if job.pid == 0:
        _become_capture(there, writer, places, filter, snaplen_bytes)
    there.close()
    os.close(writer)
    os.set_blocking(job.streams["stdout"], False)
    agent.job_count += 1
    agent.jobs[job.number] = job
    agent.jobs_by_pid[job.pid] = job
    agent.selector.register(
        job.channel, selectors.EVENT_READ, lambda fd, events: agent._started(job)
    )
    return LATER


def _become_capture(
    channel: socket.socket, writer: int, places: Sequence[Request], text: str, snaplen_bytes: int
) -> None:
    """Become, in a fresh child, a capture; says through the channel that it cannot."""
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        os.dup2(writer, 1)
        keep_only(channel.fileno())
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two descriptors a place
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            running = Capture(places, text, snaplen_bytes)
        except Exception as error:
            channel.sendall(json.dumps(describe(error)).encode())
            return
        channel.close()
        running.serve(1)
    finally:
        os._exit(0)


class Capture:
    """What some interfaces send and take, handed on in the blocks of the kernel."""

    def __init__(self, places: Sequence[Request], text: str, snaplen_bytes: int) -> None:
        self.ending = False
        signal.signal(signal.SIGTERM, self._end)
        own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        # Before anything is opened: a wrong filter is refused.
        programs = compile_filters(text, snaplen_bytes)
        blocks = max(
            CAPTURE_LEAST_BLOCKS,
            CAPTURE_MEMORY_BYTES // CAPTURE_BLOCK_BYTES // max(1, len(places)),
        )
        self.rings: list[Ring] = []
        self.watched: dict[int, list[Ring]] = {}
        handles: dict[int, int] = {}
        for place in places:
            pid = place["pid"]
            if pid is None:
                setns(own, CLONE_NEWNET)
            else:
                enter_network(pid)
            ring = Ring(place["interface"], programs, blocks)
            self.rings.append(ring)
            if pid is not None:
                if pid not in handles:
                    handles[pid] = os.pidfd_open(pid)
                self.watched.setdefault(handles[pid], []).append(ring)
        os.close(own)
        self.poll = select.poll()
        for ring in self.rings:
            self.poll.register(ring.socket, select.POLLIN | select.POLLERR)
        for handle in self.watched:
            self.poll.register(handle, select.POLLIN)

    def _end(self, number: int, frame: Any) -> None:
        self.ending = True

    def serve(self, out: int) -> None:
        """Hand on until SIGTERM, and then what is under way."""
        head = {"byte_order": sys.byteorder, "link_types": [ring.link_type for ring in self.rings]}
        _write_all(out, json.dumps(head).encode() + b"\n")
        while not self.ending:
            self._round(out, 0.1)
        until = time.monotonic() + CAPTURE_LINGER_S
        while self._round(out, CAPTURE_QUIET_S) and time.monotonic() < until:
            pass
        # What the kernel has counted until now is handed on, however full its block.
        for ring in self.rings:
            ring.count()
        until = time.monotonic() + 1
        while any(ring.behind() for ring in self.rings) and time.monotonic() < until:
            self._round(out, CAPTURE_QUIET_S)
        end = [{"packets": ring.seen, "dropped": ring.dropped} for ring in self.rings]
        self._record(out, CAPTURE_END, json.dumps(end).encode())

    def _round(self, out: int, limit_s: float) -> bool:
        """Hand on the blocks that are there, waiting for one; whether anything came."""
        began_ns = time.time_ns()
        for fd, _ in self.poll.poll(limit_s * 1000):
            if fd in self.watched:
                self._lose(fd)
        came = False
        for number, ring in enumerate(self.rings):
            for block in ring.blocks():
                came = True
                self._record(out, number, block)
        if came or limit_s >= CAPTURE_QUIET_S:
            safe_ns = began_ns - 3 * CAPTURE_RETIRE_MS * 1_000_000
            self._record(out, CAPTURE_MARK, struct.pack("<Q", safe_ns))
        return came

    def _lose(self, handle: int) -> None:
        """A node has ended: its interfaces go once nobody holds them."""
        self.poll.unregister(handle)
        for ring in self.watched.pop(handle):
            self.poll.unregister(ring.socket)
            ring.close()
        os.close(handle)

    def _record(self, out: int, place: int, data: bytes) -> None:
        _write_all(out, struct.pack("<iI", place, len(data)) + data)


class Ring:
    """The ring of one interface of the present network namespace, open and filling."""

    def __init__(self, interface: str, programs: dict[int, bytes], blocks: int) -> None:
        self.seen = 0
        self.dropped = 0
        self.counted = 0
        self.next = 0
        self.open = True
        # With protocol 0 it hears nothing until it is bound.
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind((interface, 0))
        kind = self.socket.getsockname()[3]
        ethernet = kind in (ARPHRD_ETHER, ARPHRD_LOOPBACK)
        self.link_type = LINKTYPE_ETHERNET if ethernet else LINKTYPE_RAW
        program = programs[self.link_type]
        buffer = ctypes.create_string_buffer(program, len(program))
        packed = struct.pack("HP", len(program) // 8, ctypes.addressof(buffer))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, packed)
        self.socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
        size = CAPTURE_BLOCK_BYTES
        # struct tpacket_req3
        request = struct.pack(
            "7I", size, blocks, 2048, size * blocks // 2048, CAPTURE_RETIRE_MS, 0, 0
        )
        self.socket.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
        import mmap

        self.memory = mmap.mmap(self.socket.fileno(), size * blocks)
        self.offsets = range(0, size * blocks, size)
        self.socket.bind((interface, ETH_P_ALL))

    def blocks(self) -> Iterator[bytes]:
        """Take the blocks that the kernel has handed over."""
        while self.open:
            start = self.offsets[self.next]
            # struct tpacket_block_desc
            status, packets, _, length = struct.unpack_from("4I", self.memory, start + 8)
            if not status & TP_STATUS_USER:
                return
            block = self.memory[start : start + length]
            struct.pack_into("I", self.memory, start + 8, TP_STATUS_KERNEL)
            self.next = (self.next + 1) % len(self.offsets)
            self.seen += packets
            if packets:
                yield block

    def count(self) -> None:
        """Ask the kernel how many frames it took and lost; it begins anew each time."""
        if self.open:
            answer = self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12)
            packets, dropped, _ = struct.unpack("3I", answer)
            self.counted += packets - dropped
            self.dropped += dropped

    def behind(self) -> bool:
        """Whether frames that were counted are not handed on yet."""
        return self.open and self.seen < self.counted

    def close(self) -> None:
        self.count()
        self.open = False
        self.memory.close()
        self.socket.close()


def compile_filters(text: str, snaplen_bytes: int) -> dict[int, bytes]:
    """Compile a filter for each type of link; raises OSError with libpcap's complaint.

    Names in it are looked up where nothing answers: it should have addresses only.

    """
    if not text.strip():
        everything = struct.pack("HBBI", BPF_RET_K, 0, 0, snaplen_bytes)
        return {LINKTYPE_ETHERNET: everything, LINKTYPE_RAW: everything}
    pcap = _libpcap()
    # A network of its own, with nothing but a loopback.
    checked(_libc.unshare(CLONE_NEWNET), "making a network for libpcap")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    complaint = ctypes.create_string_buffer(256)
    # VLAN tags do not stand in what the kernel filters.  For an open interface libpcap knows
    # that; loopback looks like Ethernet.
    live = pcap.pcap_create(b"lo", complaint)
    if not live or pcap.pcap_set_snaplen(live, snaplen_bytes) or pcap.pcap_activate(live) < 0:
        said = pcap.pcap_geterr(live) if live else complaint.value
        raise OSError(errno.EIO, f"libpcap cannot be used here: {said.decode()}")
    raw = pcap.pcap_open_dead(DLT_RAW, snaplen_bytes)
    return {
        LINKTYPE_ETHERNET: _compile(pcap, live, text),
        LINKTYPE_RAW: _compile(pcap, raw, text, unfit=True),
    }


class _Program(ctypes.Structure):
    """struct bpf_program of pcap/bpf.h."""

    _fields_ = (("length", ctypes.c_uint), ("instructions", ctypes.c_void_p))


def _compile(pcap: Any, handle: int, text: str, unfit: bool = False) -> bytes:
    program = _Program()
    # PCAP_NETMASK_UNKNOWN
    if pcap.pcap_compile(handle, ctypes.byref(program), text.encode(), 1, 0xFFFFFFFF) != 0:
        if unfit:  # such as "arp": there is none, where there is no Ethernet
            return struct.pack("HBBI", BPF_RET_K, 0, 0, 0)
        said = pcap.pcap_geterr(handle).decode("utf-8", "replace")
        raise OSError(errno.EINVAL, said)
    # An instruction has 8 bytes, and is one of the kernel's as it stands.
    return ctypes.string_at(program.instructions, program.length * 8)


def _libpcap() -> Any:
    for name in LIBPCAP:
        with contextlib.suppress(OSError):
            pcap = ctypes.CDLL(name)
            break
    else:
        raise OSError(errno.ENOPKG, _NO_LIBPCAP)
    pcap.pcap_create.restype = ctypes.c_void_p
    pcap.pcap_open_dead.restype = ctypes.c_void_p
    pcap.pcap_geterr.restype = ctypes.c_char_p
    for function in (pcap.pcap_activate, pcap.pcap_geterr):
        function.argtypes = [ctypes.c_void_p]
    pcap.pcap_set_snaplen.argtypes = [ctypes.c_void_p, ctypes.c_int]
    pcap.pcap_compile.argtypes = [
        ctypes.c_void_p,
        ctypes.POINTER(_Program),
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_uint,
    ]
    return pcap


def _ignore(number: int, frame: Any) -> None:
    """Handle a signal by doing nothing: the loop is woken by a byte in its pipe."""


def _worker(
    request_id: Any,
    function: Callable[..., Any],
    arguments: Request,
    limit_s: float,
    writer: int,
) -> None:
    """Do one operation in this fresh child process, and write its reply."""
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        keep_only(writer)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        # Wiring opens two descriptors a node.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        signal.signal(signal.SIGALRM, _overdue)
        signal.setitimer(signal.ITIMER_REAL, limit_s)
        try:
            reply = {"id": request_id, "result": function(**arguments)}
        except Exception as error:
            reply = {"id": request_id, "error": describe(error)}
        line = memoryview(json.dumps(reply).encode() + b"\n")
        while line:
            line = line[os.write(writer, line) :]
        # The kernel may take its time over what this has opened.
        os.close(writer)
    finally:
        os._exit(0)


def _overdue(number: int, frame: Any) -> None:
    raise TimeoutError(errno.ETIMEDOUT, "the operation took too long and was given up")


def describe(error: BaseException, with_traceback: bool = True) -> Request:
    """Return an exception as the protocol writes it."""
    text = ""
    if with_traceback:
        import traceback

        text = "".join(traceback.format_exception(error))
    message = str(error)
    if isinstance(error, OSError) and error.strerror and error.filename is None:
        message = error.strerror
    elif isinstance(error, OSError) and error.strerror:
        message = f"{error.strerror}: {error.filename}"
    return {
        "type": type(error).__name__,
        "errno": error.errno if isinstance(error, OSError) else None,
        "message": message or type(error).__name__,
        "traceback": text,
    }


# What an operation returns whose reply comes later.
LATER = object()

# Done by the loop itself, at once: name -> method(agent, request id, **args).
OPS: dict[str, Callable[..., Any]] = {
    "echo": Agent.echo,
    "own": Agent.own,
    "disown": Agent.disown,
    "state_save": Agent.state_save,
    "link": Agent.link,
    "interfaces": Agent.interfaces,
    "boot": Agent.boot,
    "spawn": Agent.spawn,
    "write": Agent.write,
    "close_stdin": Agent.close_stdin,
    "signal": Agent.signal,
    "resize": Agent.resize,
    "credit": Agent.credit,
    "socket_line": Agent.take_line,
    "capture": capture,
}

# Done by a forked worker: name -> function(**args).
WORK: dict[str, Callable[..., Any]] = {
    "wire": wire,
    "unwire": unwire,
    "network": network,
    "forget_neighbours": forget_neighbours,
    "switch": switch,
    "switches": switches,
    "learned": learned,
    "routes": routes,
    "policy_rules": policy_rules,
    "sysctls": sysctls,
    "impair": impair,
    "impaired": impaired,
    "firewall": firewall,
    "rule_counts": rule_counts,
    "ruleset": ruleset,
    "connections": connections,
    "forget": forget,
    "processes": processes,
    "files": files,
    "furnish": furnish,
    "read_file": read_file,
    "accounts": accounts,
    "hash_passwords": hash_passwords,
    "hostname": hostname,
    "wait_ready": wait_ready,
    "lease": lease,
    "state_load": state_load,
    "states": states,
    "ways": ways,
    "probe": probe,
}


def main(socket_line: int | None = None) -> None:
    """Serve the client on descriptors 0 and 1 until it is gone."""
    # A child that enters a node has the node's own powers from there to its
    # execve(2), which ends this again: without it the node's root may trace it
    # and open its files (ptrace(2), "access mode checking").
    prctl(PR_SET_DUMPABLE, 0)
    has_all_ids()  # while it can be looked up
    replies = os.dup(1)
    os.dup2(2, 1)
    # Nothing that the agent was started with may reach a node's commands.
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):
                os.set_inheritable(int(name), False)
    # A handle for each node that it owns: usual limits, 1024, are for fewer nodes.
    soft, hard = FILES_LIMITS
    if 0 <= soft < FILES_WANTED:
        most = FILES_WANTED if hard < 0 else min(FILES_WANTED, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    agent = Agent(0, replies, socket_line)
    # Children share these pages until one side writes to them.
    gc.collect()
    gc.freeze()
    agent.serve()


if __name__ == "__main__":
    main()
