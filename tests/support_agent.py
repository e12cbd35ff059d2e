"""Nodes without an engine: processes in namespaces of their own, and their agent.

A `Namespaces` is to the agent what a container is: a first process in its own
network, mount, process-id, host-name and IPC namespaces, with an /etc, /home
and /run of its own, so that nothing of the machine's can be changed.

"""

from __future__ import annotations

import base64
import contextlib
import os
import pickle
import shlex
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

import playground
from playground.agent.kernel import syscalls
from playground.agent.links.interfaces import new_veth, set_link, settle
from playground.agent.links.netlink import Message, Netlink
from playground.agent.nodes.sysctls import disable_ipv6
from playground.agent.watching.capture_filters import load_libpcap
from playground.operations.connection.client import Client, SubprocessChannel

# As in the helper, where of the package there are the agent's modules alone.
PACKAGE = f"""
import sys, types
package = sys.modules["playground"] = types.ModuleType("playground")
package.__path__ = [{str(Path(playground.__file__).parent)!r}]
"""
AGENT = (
    PACKAGE
    + """
from playground.agent import operations
{}
operations.main()
"""
)

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and os.environ.get("CI") != "true",
    reason="making namespaces needs root",
)


# A direction that nothing is done to, as the agent is told of it.
PLAIN_IMPAIRMENT: dict[str, Any] = {
    "delay_ms": 0.0,
    "jitter_ms": 0.0,
    "loss_percent": 0.0,
    "duplicate_percent": 0.0,
    "corrupt_percent": 0.0,
    "reorder_percent": 0.0,
    "queue_packets": 1000,
    "queue_bytes": 1 << 20,
    "burst_bytes": 3000,
    "bursts": None,
    "rate_mbit": None,
}


def has_libpcap() -> bool:
    """Whether this machine can compile the filter of a capture."""
    try:
        load_libpcap()
    except OSError:
        return False
    return True


needs_libpcap = pytest.mark.skipif(
    not has_libpcap() and os.environ.get("CI") != "true",
    reason="libpcap, which compiles the filters of captures, is not installed",
)

_FIRST_PROCESS = """
set -e
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /home
mkdir /run/etc
cp -p /etc/passwd /etc/group /etc/shadow /run/etc/
mount -t tmpfs tmpfs /etc
cp -p /run/etc/* /etc/
mkdir -p /etc/skel/Maildir/new
echo profile > /etc/skel/.profile
echo '127.0.0.1 localhost' > /etc/hosts
hostname {name}
cd {cwd}
exec {prefix} sleep 1000
"""


def agent_argv(before: str = "", network: bool = True) -> list[str]:
    """The command line of an agent; with ``network``, in a namespace of its own."""
    argv = [sys.executable, "-I", "-c", AGENT.format(before)]
    return ["unshare", "--net", *argv] if network else argv


def connect(**options: Any) -> Client:
    client = Client(SubprocessChannel(agent_argv(**options)))
    client.hello(20)
    return client


class Namespaces:
    """A node: ``pid`` is its first process, as this process sees it."""

    def __init__(
        self,
        name: str = "node",
        prefix: Sequence[str] = (),
        cwd: str = "/",
        env: dict[str, str] | None = None,
    ) -> None:
        script = _FIRST_PROCESS.format(
            name=shlex.quote(name), prefix=shlex.join(prefix), cwd=shlex.quote(cwd)
        )
        self.name = name
        self._outer = subprocess.Popen(
            [
                "unshare",
                *["--net", "--pid", "--mount", "--uts", "--ipc", "--fork"],
                "sh",
                "-c",
                script,
            ],
            env={"PATH": os.environ["PATH"], "HOME": "/root", "NODE": name, **(env or {})},
            stdin=subprocess.DEVNULL,
            # Some versions complain about their own signal mask at the end.
            stderr=subprocess.DEVNULL,
        )
        self.pid = 0
        try:
            wait_for(self._is_up)
        except BaseException:
            self.kill()
            raise

    def _is_up(self) -> bool:
        assert self._outer.poll() is None, "the namespaces could not be made"
        outer = self._outer.pid
        children = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
        if not children:
            return False
        self.pid = int(children[0])
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self.pid}/comm").read_text() == "sleep\n"
        return False

    def __enter__(self) -> Namespaces:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """End the first process, and with it all that runs in its namespaces."""
        if self._outer.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid or self._outer.pid, signal.SIGKILL)
        self._outer.wait(10)

    def wait(self) -> None:
        """Wait until someone else has ended it."""
        self._outer.wait(10)

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Be in its network namespace within the block."""
        with in_network(self.pid):
            yield

    def interfaces(self) -> list[str]:
        with self.network():
            return [name for _, name in socket.if_nameindex()]


@contextlib.contextmanager
def in_network(pid: int) -> Iterator[None]:
    """Be in the network namespace of a process within the block."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    other = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        syscalls.setns(other, syscalls.CLONE_NEWNET)
        try:
            yield
        finally:
            syscalls.setns(own, syscalls.CLONE_NEWNET)
    finally:
        os.close(other)
        os.close(own)


def wait_for(condition: Any, limit_s: float = 10) -> None:
    """Wait until a condition holds; fail after ``limit_s`` seconds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"{condition} did not hold within {limit_s} s"
        time.sleep(0.01)


def end(
    pid: int | None, interface: str, bridge: str | None = None, mac: str | None = None
) -> dict[str, Any]:
    return {"pid": pid, "interface": interface, "mac": mac, "bridge": bridge}


def veth(
    a: dict[str, Any], b: dict[str, Any], mtu_bytes: int = 1500, offload: bool = False
) -> dict[str, Any]:
    return {"a": a, "b": b, "mtu_bytes": mtu_bytes, "offload": offload}


# A lab without IPv6 sets these in each node.
NO_IPV6 = {
    "net.ipv6.conf.all.disable_ipv6": "1",
    "net.ipv6.conf.default.disable_ipv6": "1",
}


def node(pid: int, *addresses: str, interface: str = "eth0", **more: Any) -> dict[str, Any]:
    """One node's part of a `network` request."""
    return {
        "pid": pid,
        "interfaces": [{"name": interface, "addresses": list(addresses)}],
        "sysctls": NO_IPV6,
        **more,
    }


# Without a ps: every command line but that of the first process.
COMMANDS = (
    "for p in /proc/[0-9]*; do case $p in /proc/1|/proc/$$) ;; *) "
    "tr '\\0' ' ' < $p/cmdline 2>/dev/null || true;; esac; done"
)


def run(agent: Client, pid: int, script: str, **options: Any) -> str:
    """The output of a shell script on a node; it must succeed."""
    process = agent.spawn(pid, ["sh", "-c", script], **options)
    out, err = process.communicate(timeout_s=20)
    assert (process.wait(20), err) == (0, b"")
    return out.decode()


def plug(agent: Client, h1: Namespaces, h2: Namespaces, offload: bool = False) -> None:
    """Put two nodes on one bridge, silent and without addresses."""
    agent.call(
        "wire",
        bridges=[{"device": "br0"}],
        veths=[
            veth(end(h.pid, "eth0"), end(None, f"p{h.pid}", "br0"), offload=offload)
            for h in (h1, h2)
        ],
    )


def says(server: Namespaces, client: Namespaces, address: str) -> bytes:
    """The bytes that arrive of a datagram sent from one node to another."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as stack:
        with server.network():
            inner = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        with client.network():
            outer = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        inner.bind((address, 4000))
        inner.settimeout(10)
        outer.sendto(b"hello", (address, 4000))
        return inner.recv(100)


def content(data: bytes) -> str:
    return base64.b64encode(data).decode()


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a child process, which may enter any namespace; return what it does."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            try:
                said = (True, function(*arguments))
            except BaseException as error:
                said = (False, error)
            with open(writer, "wb") as file:
                pickle.dump(said, file)
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        packed = file.read()
    os.waitpid(child, 0)
    done, result = pickle.loads(packed)
    if not done:
        raise result
    return result


def wake_at_childrens_end() -> None:
    """Have a handler for SIGCHLD, as the agent's loop has: those that it forks are woken by it."""
    signal.signal(signal.SIGCHLD, lambda number, frame: None)


def read_message(kind: type, message: Message) -> Any:
    """Read a message to the kernel by pyroute2, which shares no line with the agent."""
    head = struct.pack("IHHII", 16 + len(message.body), message.kind, message.flags, 1, 0)
    read = kind(head + message.body)
    read.decode()
    return read


def cable(h: Namespaces, a: str = "e0", b: str = "e1") -> None:
    """Put both ends of a cable into one node, and set them up."""
    own = os.open(f"/proc/{h.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    with h.network():
        netlink = Netlink(None)
        netlink.send([new_veth(end(None, a), end(None, b), 1500, own)])
        for name in (a, b):
            disable_ipv6(name)  # so that it is silent
        netlink.send([set_link(name, up=True) for name in ("lo", a, b)])
        settle(netlink)
        netlink.close()
    os.close(own)
