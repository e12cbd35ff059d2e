"""Live changes go by one road: they hold, they are not lost, and a failure leaves no trace."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from playground import Host, Lab, Link, Router
from playground.engines.seam import Engine
from playground.errors import NotRunning
from playground.planning.difference import compare

ACCEPT_RA = "net.ipv6.conf.eth0.accept_ra"


@pytest.fixture(scope="module")
def road(engine: Engine) -> Iterator[Lab]:
    """h1 - r1 - r2 - h2"""
    h1, r1, r2, h2 = Host("h1"), Router("r1"), Router("r2", sysctls={ACCEPT_RA: "2"}), Host("h2")
    Link(r2, r1)
    Link(h1, r1)
    Link(r2, h2)
    with Lab(h1, name="road", quiet=True, engine=engine) as lab:
        yield lab


@pytest.fixture(autouse=True)
def as_declared(road: Lab) -> Iterator[None]:
    """After each test what runs is what is declared."""
    yield
    assert not compare(road.running_plan(), road.plan())
    assert road.node("h1").ping("h2", count=1).received == 1


def test_a_link_that_comes_up_again_has_its_own_settings(road: Lab) -> None:
    link, r2 = road.link("r1", "r2"), road.node("r2")
    link.down()
    link.up()
    assert r2.run(["sysctl", "-n", ACCEPT_RA]).stdout.strip() == "2"


@pytest.mark.parametrize("asked", [True, False], ids=["carried out", "not carried out"])
def test_an_interrupt_leaves_the_link_as_it_was(
    road: Lab, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    link = road.link("r1", "r2")
    client = road._state.agent()
    call, calls = client.call, []

    def interrupted(op: str, /, **args: Any) -> Any:
        calls.append(op)
        if asked or len(calls) > 1:
            call(op, **args)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return None

    monkeypatch.setattr(client, "call", interrupted)
    with pytest.raises(KeyboardInterrupt):
        link.down()
    monkeypatch.undo()
    assert calls[0] == "link"
    assert not link.is_down
    assert all(row.up for row in link.statistics())


def test_what_another_thread_changes_while_the_lab_grows_is_not_lost(
    road: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    h1 = road.node("h1")
    client = road._state.agent()
    call = client.call
    slow = threading.Thread(target=h1.links[0].impair, kwargs={"loss_percent": 0.001})

    def call_slowly(op: str, /, **args: Any) -> Any:
        if op == "network" and not slow.ident:
            slow.start()
            slow.join(0.1)
        return call(op, **args)

    Link(h1, Host("h3"))
    monkeypatch.setattr(client, "call", call_slowly)
    road.start()
    slow.join(20)
    monkeypatch.undo()
    assert len(h1.links[0].impairments) == 2
    assert not compare(road.running_plan(), road.plan())
    h1.links[0].restore()


def test_a_link_of_a_lab_that_has_ended_is_declared_and_no_more(namespaces_engine: Engine) -> None:
    h1, h2 = Host("h1"), Host("h2")
    link = Link(h1, h2)
    with Lab(h1, quiet=True, engine=namespaces_engine):
        live = link._live
        assert live is not None
    link.down()
    assert link.is_down
    with pytest.raises(NotRunning):
        live.lab.change_wire(live, up=True)


def test_rules_told_one_by_one_are_those_that_are_loaded_at_once(road: Lab) -> None:
    r1 = road.node("r1")
    wall = r1.firewall
    wall.default("accept", chain="forward")
    first, second = wall.drop(port=1), wall.drop(source="10.9.0.0/16", port=2)
    wall.drop(source=["10.8.0.1", "fd00::8"], before=second, comment="both families")
    wall.log(before=first)
    wall.reject(port=3, chain="input")
    second.remove()
    edited = r1.run(["nft", "-s", "list", "ruleset"]).stdout
    assert "both families" in edited
    r1.run(["nft", "-f", "-"], input=road.running_plan().node("r1").ruleset)
    assert r1.run(["nft", "-s", "list", "ruleset"]).stdout == edited
    wall.clear()


def test_translations_told_one_by_one_are_those_that_are_loaded_at_once(
    namespaces_engine: Engine,
) -> None:
    h1, modem, www = Host("h1"), Router("modem"), Host("www")
    Link(h1, modem)
    uplink = Link(modem, www)
    modem.masquerade(uplink)
    pings = modem.firewall.accept(chain="forward", protocol="icmp")
    with Lab(h1, name="road-nat", quiet=True, engine=namespaces_engine) as lab:
        assert h1.ping(www, count=1).received == 1
        counted = modem.firewall.rules()
        modem.forward(uplink, port=8080, to=(h1, 80))
        modem.route("198.51.100.0/24", via=www)
        edited = modem.run(["nft", "-s", "list", "ruleset"]).stdout
        assert "dnat" in edited
        assert "198.51.100.0/24" in modem.run("ip route").stdout
        # What the rules have counted is not lost with the chains beside them.
        packets = {row.number: row.packets for row in modem.firewall.rules()}
        assert packets[pings.number] == 1
        assert packets[pings.number] == counted[0].packets
        modem.run(["nft", "-f", "-"], input=lab.running_plan().node("modem").ruleset)
        assert modem.run(["nft", "-s", "list", "ruleset"]).stdout == edited
        assert h1.ping(www, count=1).received == 1


def test_a_rule_taken_away_by_hand_is_back_with_the_next_that_is_told(road: Lab) -> None:
    h1 = road.node("h1")
    h1.firewall.drop(port=1, chain="input")
    kept = h1.firewall.drop(port=2, chain="input")
    h1.firewall.accept(protocol="icmp", before=1)
    h1.ping("h2", count=1)
    before = h1.firewall.rules()
    h1.run(["nft", "flush", "chain", "inet", "playground", "input"])
    kept.remove()
    assert [row.number for row in h1.firewall.rules()] == [
        row.number for row in before if row.number != kept.number
    ]
    assert "dport 1 " in h1.firewall.ruleset()
    h1.firewall.clear()


KEPT = """
    import sys
    from playground import Host, Lab, Link
    h1 = Host("h1")
    link = Link(h1, Host("h2"))
    Lab(h1, name=sys.argv[1], keep=True, quiet=True, engine="namespaces").start()
    link.down()
"""


def test_a_change_just_before_the_end_of_a_program_is_known_to_who_attaches(
    namespaces_engine: Engine,
) -> None:
    name = f"road-kept-{os.getpid()}"  # of what is kept, a machine has one of a name
    program = [sys.executable, "-c", textwrap.dedent(KEPT), name]
    subprocess.run(program, check=True, timeout=60)
    lab = Lab.attach(name, quiet=True, engine=namespaces_engine)
    try:
        assert lab.link("h1", "h2").is_down
    finally:
        lab.stop()
