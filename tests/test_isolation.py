"""A hostile host: its root does what the kernel lets it, and reaches nobody else's network."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import signal
from collections.abc import Iterator

import pytest

from playground import Host, Lab, Link, Router, Switch
from playground.engines.seam import Engine
from tests.facts import assert_can_ping

# Runs on a host: rtnetlink(7) about networks that are named by a number, as
# IFLA_TARGET_NETNSID and IFLA_LINK_NETNSID do (linux/if_link.h).
ATTACK = r"""
import errno, json, os, socket, struct
GETLINK, NEWLINK, DELLINK, GETADDR, DUMP, ACK, MAKE = 18, 16, 17, 22, 0x300, 4, 0x600
IFNAME, LINK, LINKINFO, LINK_NETNSID, TARGET_NETNSID = 3, 5, 18, 37, 46
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
s.bind((0, 0))

def attribute(kind, data):
    return struct.pack("HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)

def number(value):
    return struct.pack("i", value)

def ask(kind, flags, body):
    s.send(struct.pack("IHHII", 16 + len(body), kind, flags | 1, 1, 0) + body)
    found = []
    while True:
        packet = s.recv(1 << 18)
        while packet:
            size, what, flagged, _, _ = struct.unpack_from("IHHII", packet)
            body, packet = packet[16:size], packet[(size + 3) & ~3:]
            if what == 2 or what == 3:  # NLMSG_ERROR, NLMSG_DONE
                error = struct.unpack_from("i", body)[0]
                return found, errno.errorcode.get(-error, "done")
            found.append(body)

def links(network=None):
    which = b"" if network is None else attribute(TARGET_NETNSID, number(network))
    found, error = ask(GETLINK, DUMP, struct.pack("BxHiII", 0, 0, 0, 0, 0) + which)
    return [struct.unpack_from("i", body, 4)[0] for body in found], error

def delete(index, network=None):
    which = b"" if network is None else attribute(TARGET_NETNSID, number(network))
    return ask(DELLINK, ACK, struct.pack("BxHiII", 0, 0, index, 0, 0) + which)[1]

def macvlan(index, network):
    body = struct.pack("BxHiII", 0, 0, 0, 0, 0) + attribute(IFNAME, b"mv0\0")
    body += attribute(LINK, number(index)) + attribute(LINK_NETNSID, number(network))
    body += attribute(LINKINFO, attribute(1, b"macvlan") + attribute(2, attribute(1, number(4))))
    return ask(NEWLINK, ACK | MAKE, body)[1]

seen, done = [], []
for network in range(12):
    indexes, _ = links(network)
    seen += [[network, index] for index in indexes]
    for index in range(1, 40):
        done += [["deleted", network, index]] * (delete(index, network) == "done")
        done += [["macvlan", network, index]] * (macvlan(index, network) == "done")
own, _ = links()
print(json.dumps({"seen": seen, "done": done, "own": len(own), "delete own": delete(max(own))}))
"""


@pytest.fixture(scope="module")
def lab(engine: Engine) -> Iterator[Lab]:
    lan, h1, h2, router = Switch("lan"), Host("h1"), Host("h2"), Router("router")
    for node in (h1, h2, router):
        Link(lan, node)
    with Lab(lan, name=f"isolation-{os.getpid()}", quiet=True) as lab:
        yield lab


@pytest.mark.cannot("docker", "keep a hostile host out of other networks")
@pytest.mark.cannot("swarm", "keep a hostile host out of other networks")
def test_a_host_reaches_no_network_but_its_own(lab: Lab) -> None:
    """Neither its neighbours' nor the switch's, nor, behind a link with it, the machine's."""
    h1, h2, router = (lab[name] for name in ("h1", "h2", "router"))
    with lab.machine(router) as link:
        for attacker in (h1, router):
            attacker.run("ip link add own0 type veth peer name own1")
            said = json.loads(attacker.python(ATTACK).stdout)
            assert (said["seen"], said["done"]) == ([], [])
            assert said["own"] >= 3
            assert said["delete own"] == "done"
            assert not attacker.run("ip link show own0", check=False).ok
        assert os.path.exists(f"/sys/class/net/{link.machine_interface}")
    assert_can_ping(h1, h2)


# Runs on a host: makes a socket by the entry of 32-bit programs, whose socketcall(2) has
# its arguments in memory, of this family.
SOCKETCALL = r"""
import ctypes, struct, sys
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
READ_WRITE_RUN, PRIVATE_ANONYMOUS_32BIT = 7, 0x62
page = libc.mmap(None, 4096, READ_WRITE_RUN, PRIVATE_ANONYMOUS_32BIT, -1, 0)
arguments = page + 2048
ctypes.memmove(arguments, struct.pack("III", int(sys.argv[1]), 1, 0), 12)
# push rbx; mov eax, 102; mov ebx, 1; mov ecx, arguments; int 0x80; pop rbx; ret
code = b"\x53\xb8" + struct.pack("I", 102) + b"\xbb" + struct.pack("I", 1)
code += b"\xb9" + struct.pack("I", arguments) + b"\xcd\x80\x5b\xc3"
ctypes.memmove(page, code, len(code))
print("opened", ctypes.CFUNCTYPE(ctypes.c_int)(page)())
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the 32-bit entry is that of x86")
@pytest.mark.parametrize("family", [2, 38, 40, 44], ids=["INET", "ALG", "VSOCK", "XDP"])
def test_no_socket_is_opened_past_the_filter(lab: Lab, family: int) -> None:
    said = lab["h1"].python(SOCKETCALL, str(family), check=False)
    assert (said.returncode, said.stdout) == (-signal.SIGSYS, "")


# Runs on a host: takes all inotify instances that it gets, and keeps them.
INOTIFY = """
import ctypes, os
libc = ctypes.CDLL(None)
count = 0
while libc.inotify_init1(0) >= 0:
    count += 1
print(count, flush=True)
input()
"""


@pytest.mark.cannot("docker", "count what hosts take of the kernel apart from root's")
@pytest.mark.cannot("swarm", "count what hosts take of the kernel apart from root's")
def test_a_host_takes_none_of_what_root_may_have_of_the_kernel(lab: Lab) -> None:
    libc = ctypes.CDLL(None)
    with lab["h1"].start(["python3", "-c", INOTIFY]) as first:
        assert 0 < int(next(iter(first.stdout))) <= 1024
        with lab["h2"].start(["python3", "-c", INOTIFY]) as second:
            assert int(next(iter(second.stdout))) > 0
            descriptor = libc.inotify_init1(0)
            assert descriptor >= 0
            os.close(descriptor)
            second.write("\n")
        first.write("\n")


def test_what_is_no_networks_own_is_not_a_hosts_to_set(lab: Lab) -> None:
    setting = "/proc/sys/net/netfilter/nf_hooks_lwtunnel"
    if not os.path.exists(setting):
        pytest.skip("this kernel has no hooks for lightweight tunnels")
    said = lab["h1"].run(f"echo 1 > {setting}", check=False)
    assert "Read-only file system" in said.stderr
    assert lab["h1"].run("sysctl -qw net.ipv4.ip_forward=1").ok


# Runs on a host: gives its first process another name and lab, in that process's memory.
FORGE = """
import os, re
ours, others = "playground.node=h1\\0".encode(), "playground.node=h2\\0".encode()
with open("/proc/1/maps") as maps:
    low, high = re.search(r"(\\w+)-(\\w+) .*\\[stack]", maps.read()).groups()
low, high = int(low, 16), int(high, 16)
memory = os.open("/proc/1/mem", os.O_RDWR)
at = os.pread(memory, high - low, low).find(ours)
if at >= 0:
    os.pwrite(memory, others, low + at)
with open("/proc/1/environ", "rb") as file:
    print("forged" if others in file.read() else "nothing to forge")
"""


@pytest.mark.cannot("swarm", "plug a lab into this machine")
def test_a_host_cannot_pass_for_another(engine: Engine) -> None:
    """By its name it would be linked with the machine, or ended, in the other's place."""
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    with Lab(h1, name=f"forged-{os.getpid()}", quiet=True) as lab:
        before = engine.pids(lab.id)
        assert before.keys() == {"h1", "h2"}
        said = h1.python(FORGE).stdout.strip()
        assert said == ("forged" if engine.url == "namespaces:" else "nothing to forge")
        assert engine.pids(lab.id) == before
        (record,) = (record for record in engine.labs() if record.id == lab.id)
        assert record.nodes == ("h1", "h2")
        with lab.machine(h2, trust_hosts=True) as link:
            assert link.machine_interface
            assert h2.run("ip -o link").stdout.count("\n") == 3
            assert h1.run("ip -o link").stdout.count("\n") == 2
        engine.stop(lab.id, ["h1"])
        assert engine.pids(lab.id) == {"h2": before["h2"]}
        assert h2.run("hostname").stdout == "h2\n"


# Runs on a host: prints what of /proc is the machine's and may be written.
WRITABLE = """
import os, stat
for name in os.listdir("/proc"):
    path = f"/proc/{name}"
    if name.isdigit() or os.path.islink(path) or name == "sys":
        continue
    for file in [f"{path}/{x}" for x in os.listdir(path)] if os.path.isdir(path) else [path]:
        mode = os.stat(file).st_mode
        if stat.S_ISREG(mode) and mode & 0o222 and not os.statvfs(file).f_flag & os.ST_RDONLY:
            print(file)
"""


def test_no_file_of_the_kernels_is_written_from_a_host(lab: Lab) -> None:
    """For some of them the kernel asks for root's number, and for no capability."""
    assert lab["h1"].python(WRITABLE).stdout == ""
