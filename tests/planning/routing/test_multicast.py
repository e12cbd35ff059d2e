"""Multicast across routers: what pimd is told, and what reaches whom."""

from __future__ import annotations

import pytest

from playground.engines.seam import Engine
from playground.errors import TopologyError
from playground.examples import multicast_tree
from playground.model.services.frr import PIM
from playground.operations.network import Host, Link, Router
from playground.planning.planner import make_plan
from playground.planning.routing.multicast import pim_settings

_WATCH = """
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 5000))
group = struct.pack("4s4s", socket.inet_aton("239.1.2.3"), socket.inet_aton("0.0.0.0"))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
s.settimeout(20)
print("joined", flush=True)
print(s.recv(100).decode(), flush=True)
"""
_SEND = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)
for _ in range(100):
    s.sendto(b"a picture", ("239.1.2.3", 5000))
    time.sleep(0.2)
"""


def test_pimd_is_told_of_all_links_and_of_the_rendezvous_point() -> None:
    r1, r2 = Router("r1", loopback="10.9.9.9/32"), Router("r2")
    Link(r1, r2)
    Link(r2, Host("h"))
    for router in (r1, r2):
        router.multicast(rendezvous_point=r1)
    plan = make_plan([r1])
    [settings] = [item for item in plan.node("r2").services if isinstance(item, PIM)]
    assert settings.from_lab
    assert settings.configuration.startswith("router pim\n rp 10.9.9.9 224.0.0.0/4\nexit\n")
    assert settings.configuration.count(" ip igmp\n") == 2
    assert pim_settings(["lo", "eth0"], None) == (
        "interface lo\n ip pim\nexit\ninterface eth0\n ip pim\n ip pim hello 1 4\n ip igmp\nexit\n"
    )


def test_a_rendezvous_point_forwards_itself_and_has_an_address() -> None:
    r1, r2 = Router("r1"), Router("r2")
    Link(r1, r2)
    r2.multicast(rendezvous_point=r1)
    with pytest.raises(TopologyError, match="r1, its rendezvous point, forwards no multicast"):
        make_plan([r1])
    r2.multicast(rendezvous_point=Router("alone"))
    with pytest.raises(TopologyError, match="alone, its rendezvous point, has no address"):
        make_plan([r1])


def test_who_has_joined_gets_what_is_sent_and_nobody_else(engine: Engine) -> None:
    with multicast_tree(quiet=True) as lab:
        jobs = [lab[name].start(["python3", "-c", _WATCH]) for name in ("tv1", "tv3")]
        assert [job.stdout.readline().strip() for job in jobs] == ["joined", "joined"]
        sending = lab["camera"].start(["python3", "-c", _SEND])
        assert [job.stdout.readline().strip() for job in jobs] == ["a picture", "a picture"]
        with lab["tv2"].links[0].capture(filter="udp port 5000") as seen:
            lab["tv2"].ping("west", count=2)
        assert len(seen) == 0
        sending.terminate()
