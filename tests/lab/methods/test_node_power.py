"""Nodes are switched off and on while their lab runs: what goes, and what stays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playground import DHCP, Host, Lab, Link, Router, Service, Switch
from playground.engines.seam import Engine
from playground.errors import BadArgument, NotReady, NotRunning
from playground.lab import lab_as_json
from playground.lab.methods import starting
from playground.operations.network import Machine
from playground.planning.difference import compare


@pytest.fixture(scope="module")
def street(engine: Engine) -> Iterator[Lab]:
    """h1 - home - r1 - r2 - www"""
    home, h1, r1, r2 = Switch("home"), Host("h1"), Router("r1"), Router("r2")
    www = Host("www", services=["http"])
    Link(home, h1)
    Link(home, r1)
    Link(r1, r2)
    Link(r2, www)
    with Lab(home, name="life-street", quiet=True, engine=engine) as lab:
        yield lab


@pytest.fixture
def www(street: Lab) -> Iterator[Machine]:
    """The web server, which runs again after the test."""
    node = street.node("www")
    yield node
    node.start()
    assert not compare(street.running_plan(), street.plan())
    assert street.node("h1").ping("www", count=1).received == 1
    assert street.node("h1").run(["curl", "-sf", "http://www/"]).stdout


def test_what_ran_is_gone_and_what_was_written_stays(street: Lab, www: Machine) -> None:
    www.write("/root/notes", "kept")
    job = www.start("sleep 1000")
    www.run(["ip", "address", "add", "192.0.2.1/32", "dev", "lo"])
    www.run(["ip", "route", "add", "blackhole", "192.0.2.9"])
    before = www.interfaces["eth0"].addresses
    www.stop(grace_s=1)
    assert www.is_stopped
    assert not www.is_running
    assert job.wait(10) != 0
    with pytest.raises(NotRunning, match=r'www is stopped: lab\["www"\].start\(\) starts it'):
        www.run("true")
    www.stop()  # once more changes nothing
    assert street.node("h1").ping("www", count=1, timeout_s=0.5).received == 0
    assert "NO-CARRIER" in street.node("r2").run(["ip", "link", "show", "eth1"]).stdout
    www.start()
    assert www.is_running
    assert www.read("/root/notes") == "kept"
    assert www.interfaces["eth0"].addresses == before
    assert "192.0.2." not in www.run("ip address; ip route").stdout
    assert www.services["http"].status() == "running"


def test_it_is_named_by_who_asks_why(street: Lab, www: Machine) -> None:
    www.stop(grace_s=0)
    found = street.explain("h1", "www", port=80)
    assert (found.cause, found.node) == ("stopped", "www")
    assert found.sentence.startswith("www is stopped")
    with pytest.raises(NotRunning, match="www is stopped"):
        street.explain("www", "h1")
    pings = street.ping_all(timeout_s=0.5)
    assert pings["h1", "www"].problem == pings["www", "h1"].problem == "www is stopped"


def test_what_was_declared_meanwhile_it_gets_when_it_starts(street: Lab, www: Machine) -> None:
    www.stop(grace_s=0)
    www.firewall.drop(protocol="tcp", port=81)
    www.sysctls["net.ipv4.ip_default_ttl"] = 99
    [link] = www.links
    link.down()
    street.start()  # which brings up what is new, and no node that was stopped
    assert www.is_stopped
    www.start()
    assert "dport 81" in www.run(["nft", "list", "ruleset"]).stdout
    assert www.run(["sysctl", "-n", "net.ipv4.ip_default_ttl"]).stdout.strip() == "99"
    assert www.run(["cat", "/sys/class/net/eth0/operstate"]).stdout.strip() == "down"
    link.up()
    www.firewall.clear()


def test_a_link_at_a_stopped_node_goes_up_when_the_node_starts(street: Lab, www: Machine) -> None:
    [link] = www.links
    link.down()
    www.stop(grace_s=0)
    link.up()
    assert "NO-CARRIER" in street.node("r2").run(["ip", "link", "show", "eth1"]).stdout
    assert not link.is_down


def test_a_router_between_others_is_restarted(street: Lab) -> None:
    r2 = street.node("r2")
    assert r2.restart(grace_s=0) > 0
    assert street.node("h1").ping("www", count=2, timeout_s=1).received == 2


def test_another_process_knows_that_it_is_stopped(street: Lab, www: Machine) -> None:
    www.stop(grace_s=0)
    state = street._state
    saved = lab_as_json.load(state.saved(street.running_plan()))
    assert saved.plan.stopped_names == {"www"}
    assert saved.plan.stopped == street.running_plan().stopped


def test_where_its_service_does_not_answer_it_stays_stopped(
    namespaces_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    h1, www = Host("h1"), Host("www", services=["http"])
    Link(h1, www)
    monkeypatch.setattr(starting, "READY_TIMEOUT_S", 1.0)
    with Lab(h1, quiet=True, engine=namespaces_engine):
        www.write("/etc/nginx/nginx.conf", "nonsense;")
        www.stop(grace_s=1)
        with pytest.raises(NotReady, match="http on www did not answer"):
            www.start()
        assert www.is_stopped
        assert h1.ping(www, count=1, timeout_s=0.3).received == 0


def test_other_routers_find_another_way_and_come_back(namespaces_engine: Engine) -> None:
    a, b, c = (
        Router(name, routing="ospf", loopback=[f"10.9.0.{n}/32"])
        for n, name in enumerate(("a", "b", "c"), 1)
    )
    for one, other in ((a, b), (b, c), (a, c)):
        Link(one, other)
    with Lab(a, quiet=True, engine=namespaces_engine) as lab:
        b.stop(grace_s=0)
        lab.wait_converged()
        assert "10.9.0.2" not in a.run(["ip", "route"]).stdout
        assert a.ping("10.9.0.3", count=1).received == 1
        b.start()
        assert a.ping("10.9.0.2", count=1).received == 1
        assert c.ping("10.9.0.2", count=1).received == 1


def test_leases_and_programs_of_ones_own_come_back(namespaces_engine: Engine) -> None:
    home = Switch("home", subnet="10.5.0.0/24")
    server = Host("server", services=[DHCP()])
    ticking = Service("tick", "while :; do date >> /root/ticks; sleep 0.1; done", port=None)
    h1 = Host("h1", services=[ticking])
    Link(home, server)
    Link(home, h1, address="dhcp")
    with Lab(home, quiet=True, engine=namespaces_engine):
        h1.restart(grace_s=1)
        assert h1.services["tick"].status() == "running"
        assert h1.ping(server, count=1).received == 1
        h1.services["tick"].stop()
        h1.restart(grace_s=1)
        assert h1.services["tick"].status() == "stopped", "somebody had stopped it"


def test_words_that_fit_nothing_are_refused(street: Lab) -> None:
    www = street.node("www")
    with pytest.raises(BadArgument, match="grace_s=-1 is no number of seconds from 0 to 600"):
        www.stop(grace_s=-1)
    with pytest.raises(BadArgument, match=r"www.start\(\) without a command starts the node"):
        www.start(user="root")  # type: ignore[call-overload]
    www.start()  # it runs
    with pytest.raises(NotRunning, match="h9 is in no lab that runs"):
        Host("h9").stop()
