"""IGMP snooping: what is for a group goes to its members, and without it to everybody."""

from __future__ import annotations

import time

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
from playground.errors import TopologyError
from playground.lab.lab import Lab
from playground.model.switches import SwitchSettings
from playground.operations.network import Host, Link, Switch

GROUP, PORT = "239.1.2.3", 5000

JOIN = f"""
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", {PORT}))
request = struct.pack("4s4s", socket.inet_aton("{GROUP}"), socket.inet_aton(sys.argv[1]))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
print("joined", flush=True)
s.settimeout(20)
while True:
    print(s.recv(100).decode(), flush=True)
"""


def send(group: str, port: int, source: str, word: bytes) -> None:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
        sender.sendto(word, (group, port))


def test_a_hub_cannot_and_a_switch_says_how() -> None:
    with pytest.raises(TopologyError, match="a hub sends every frame everywhere"):
        SwitchSettings(hub=True, igmp_snooping=True)
    with pytest.raises(TopologyError, match="igmp_snooping='yes' is neither"):
        SwitchSettings(igmp_snooping="yes")
    assert repr(Switch("s", igmp_snooping=True)) == "Switch('s', igmp_snooping=True)"
    said = SwitchSettings(igmp_snooping=True).as_shell("s")
    assert said.endswith("mcast_snooping 1 mcast_querier 1")


def test_a_switch_that_snoops_sends_to_members_alone(namespaces_engine: NamespacesEngine) -> None:
    floor = Switch("floor", igmp_snooping=True)
    source, member, other = Host("source"), Host("member"), Host("other")
    for node in (source, member, other):
        Link(floor, node)
    with Lab(floor, quiet=True, engine=namespaces_engine):
        own = [str(node.interfaces["eth0"].addresses[0].ip) for node in (source, member)]
        job = member.start(["python3", "-c", JOIN, own[1]])
        assert job.stdout.readline().strip() == "joined"

        def heard_by_other(word: bytes) -> int:
            with other.capture(filter=f"dst host {GROUP} and udp") as packets:
                source.call(send, GROUP, PORT, own[0], word)
                assert job.stdout.readline().strip() == word.decode()
            return len(packets)

        # Until it knows who the members are a switch sends to all: a second, here.
        deadline = time.monotonic() + 15
        number = 0
        while heard_by_other(f"word {number}".encode()) and time.monotonic() < deadline:
            number += 1
            time.sleep(0.2)
        assert heard_by_other(b"snooped") == 0
        floor.change(igmp_snooping=False)
        assert heard_by_other(b"to all") == 1
        job.terminate()
