"""Questions by UDP from a node: which server answers, and which answer is whose."""

from __future__ import annotations

import base64
import sys

from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, needs_root

# Answers all but what begins with "no", in the order opposite to that of the payloads.
SERVER = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 5353))
print("up", flush=True)
while True:
    heard = sorted((server.recvfrom(1000) for _ in range(3)), reverse=True)
    for data, peer in heard:
        if not data.startswith(b"no"):
            server.sendto(b"xx stray", peer)
            server.sendto(data + b"!", peer)
"""


def _coded(*texts: bytes) -> list[str]:
    return [base64.b64encode(text).decode() for text in texts]


@needs_root
def test_the_first_server_that_answers_is_believed(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    pid = nodes[0].pid
    agent.call("network", nodes=[{"pid": pid}])
    process = agent.spawn(pid, [sys.executable, "-c", SERVER])
    assert process.read_stdout(10) == b"up\n"
    asked = {"pid": pid, "payloads": _coded(b"aa1", b"no2", b"bb3"), "port": 5353}
    answers = agent.call(
        "ask_datagrams", servers=["127.0.0.2", "::1", "127.0.0.1"], timeout_s=0.5, **asked
    )
    assert answers == [*_coded(b"aa1!"), None, *_coded(b"bb3!")]
    nobody = agent.call("ask_datagrams", servers=["10.9.9.9"], timeout_s=0.5, **asked)
    assert nobody == [None] * 3


# Says what it hears, at an address on a link alone.
SERVER_ON_A_LINK = """
import socket, subprocess
subprocess.run("ip link add d0 type veth peer d1; ip link set d0 up; ip link set d1 up; "
    "ip address add fe80::9/64 dev d0 nodad", shell=True, check=True)
server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
server.bind(("::", 5354))
print("up", flush=True)
data, peer = server.recvfrom(1000)
server.sendto(data + b"!", peer)
"""


@needs_root
def test_a_server_is_asked_on_its_link(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    pid = nodes[1].pid
    agent.call("network", nodes=[{"pid": pid}])
    process = agent.spawn(pid, [sys.executable, "-c", SERVER_ON_A_LINK])
    assert process.read_stdout(10) == b"up\n"
    asked = {"pid": pid, "payloads": _coded(b"aa1"), "port": 5354, "timeout_s": 2}
    assert agent.call("ask_datagrams", servers=["fe80::9%d0"], **asked) == _coded(b"aa1!")
