"""Packets at firewalls, on hosts and routers of running labs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playground import Host, Lab, Link, Router, Switch
from playground.engines.seam import Engine
from playground.errors import AgentError, TopologyError
from playground.planning.difference import compare
from tests.facts import assert_can_ping, assert_cannot_ping
from tests.traffic import ask, serve, speak


@pytest.fixture(scope="module")
def town(engine: Engine) -> Iterator[Lab]:
    """h1 and h2 at home, behind the router; www outside.  IPv4 and IPv6, no NAT."""
    home = Switch("home", subnet=["10.5.0.0/24", "2001:db8:5::/64"])
    router, www = Router("router"), Host("www")
    Link(home, router, address=["10.5.0.1", "2001:db8:5::1"])
    for number in (11, 12):
        Link(home, Host(f"h{number - 10}"), address=[f"10.5.0.{number}", f"2001:db8:5::{number}"])
    Link(
        router,
        www,
        addresses=(["10.6.0.1/24", "2001:db8:6::1/64"], ["10.6.0.2/24", "2001:db8:6::2/64"]),
    )
    with Lab(home, quiet=True) as lab:
        serve(www, 80)
        serve(www, 81)
        serve(lab.node("h1"), 80)
        yield lab


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest) -> Iterator[None]:
    """No firewall stays for the next test."""
    yield
    if "town" in request.fixturenames:
        town: Lab = request.getfixturevalue("town")
        for name in ("router", "h1", "h2", "www"):
            town.node(name).firewall.clear()
        assert not compare(town.running_plan(), town.plan())


def nodes(town: Lab) -> tuple[Host | Router, Host | Router, Host | Router, Host | Router]:
    return town.node("h1"), town.node("h2"), town.node("router"), town.node("www")


WWW, H1 = "10.6.0.2", "10.5.0.11"


def test_a_router_drops_one_port_and_lets_the_other_through(town: Lab) -> None:
    h1, h2, router, _ = nodes(town)
    router.firewall.drop(source=h1, protocol="tcp", port=80)
    assert ask(h1, WWW, 80) == "silence"
    assert ask(h1, "2001:db8:6::2", 80) == "silence"
    assert ask(h1, WWW, 81).startswith(H1)
    assert ask(h2, WWW, 80).startswith("10.5.0.12")


def test_a_rule_that_is_removed_has_no_effect(town: Lab) -> None:
    h1, _, router, www = nodes(town)
    rule = router.firewall.drop(destination=www)
    assert_cannot_ping(h1, WWW)
    rule.remove()
    assert_can_ping(h1, WWW)


def test_who_is_rejected_is_told_so(town: Lab) -> None:
    h1, _, router, www = nodes(town)
    www.firewall.reject(protocol="tcp", port=80)
    router.firewall.reject(protocol="tcp")
    router.firewall.accept(port=80, before=router.firewall.declared[0])
    assert ask(h1, WWW, 80) == "refused"  # says the host
    assert ask(h1, WWW, 81) == "refused"  # says the router


def test_a_host_that_drops_all_is_not_reached_and_still_gets_its_answers(town: Lab) -> None:
    h1, h2, _, _ = nodes(town)
    h1.firewall.default("drop")
    assert_cannot_ping(h2, h1)
    assert_cannot_ping(h2, "2001:db8:5::11")
    assert ask(h2, H1, 80) == "silence"
    assert_can_ping(h1, h2)
    assert_can_ping(h1, "2001:db8:5::12")
    assert ask(h1, WWW, 80).startswith(H1)
    h1.firewall.accept(protocol="tcp", port=80, source=h2)
    assert ask(h2, H1, 80).startswith("10.5.0.12")


def test_a_firewall_without_a_memory_drops_answers_too(town: Lab) -> None:
    h1, h2, _, _ = nodes(town)
    h1.firewall.default("drop", established=False)
    assert_cannot_ping(h1, h2)
    h1.firewall.accept(source=h2)
    assert_can_ping(h1, h2)


def test_what_a_host_may_send_is_limited(town: Lab) -> None:
    h1, _, _, www = nodes(town)
    h1.firewall.default("reject", chain="output")
    assert ask(h1, WWW, 80) != "silence"
    assert not ask(h1, WWW, 80).startswith(H1)
    h1.firewall.accept(chain="output", destination=www)
    assert ask(h1, WWW, 80).startswith(H1)


def test_an_established_connection_survives_a_new_rule(town: Lab) -> None:
    h1, _, router, www = nodes(town)
    router.firewall.accept()  # from here on the router has a memory
    with serve(www, 5000, "udp"), speak(h1, 6000) as speaker:
        speaker.write(f"{WWW}:5000\n")
        assert speaker.stdout.readline() == f"{WWW} answer to hello"
        router.firewall.drop(source=h1, before=router.firewall.declared[0])
        speaker.write(f"{WWW}:5000\n")
        assert speaker.stdout.readline() == f"{WWW} answer to hello"
        assert ask(h1, WWW, 80) == "silence"


def test_a_router_lets_out_what_it_does_not_let_in(town: Lab) -> None:
    h1, _, router, www = nodes(town)
    router.firewall.default("drop")
    router.firewall.accept(interface="eth0")
    assert_can_ping(h1, WWW)
    assert_can_ping(h1, "2001:db8:6::2")
    assert_cannot_ping(www, H1)
    assert_cannot_ping(www, "2001:db8:5::11")
    assert_can_ping(www, "10.6.0.1")  # the router itself is another chain


def test_zones_without_nat_keep_a_home_in_both_families(town: Lab) -> None:
    h1, _, router, www = nodes(town)
    assert isinstance(router, Router)
    router.zones(inside=town["home"], outside=router.links[1], nat=False)
    assert_can_ping(h1, WWW)
    assert_can_ping(h1, "2001:db8:6::2")
    assert_cannot_ping(www, H1)
    assert_cannot_ping(www, "2001:db8:5::11")
    assert ask(www, "10.6.0.1", 22) == "silence"
    assert_can_ping(www, "10.6.0.1")


# -- what is counted ---------------------------------------------------------


def test_rows_count_packets_and_go_on_when_rules_change(town: Lab) -> None:
    h1, _, router, _ = nodes(town)
    counted = router.firewall.accept(protocol="icmp", source=h1, comment="pings")
    h1.ping(WWW, count=1)
    h1.ping("2001:db8:6::2", count=1)
    row = next(row for row in router.firewall.rules() if row.number == counted.number)
    assert (row.packets, row.comment, row.match) == (2, "pings", "from h1, icmp")
    router.firewall.drop(protocol="udp")
    h1.ping(WWW, count=1)
    row = next(row for row in router.firewall.rules() if row.number == counted.number)
    assert row.packets == 3


def test_the_kernel_has_what_the_rows_say(town: Lab) -> None:
    _, h2, router, _ = nodes(town)
    router.firewall.default("drop")
    router.firewall.accept(source=h2, protocol="tcp", port=[22, 80])
    listed = router.firewall.ruleset()
    rows = router.firewall.rules()
    for row in rows:
        for line in row.nft:
            assert line.rpartition("comment")[2] in listed
    # A command for each family: h2 has an address of both.
    assert [row.as_shell().count("add rule") for row in rows] == [1, 2, 1]
    assert router.firewall.as_shell().endswith("END")
    assert "tcp dport { 22, 80 }" in listed


def test_packets_over_a_rate_are_dropped(town: Lab) -> None:
    h1, _, _, www = nodes(town)
    www.firewall.accept(protocol="icmp", rate="1/hour", burst=2)
    www.firewall.drop(protocol="icmp")
    answers = [h1.ping(WWW, count=1, timeout_s=1).received for _ in range(4)]
    assert answers == [1, 1, 0, 0]


# -- in one step -------------------------------------------------------------


def test_many_rules_are_one_change(town: Lab) -> None:
    h1, _, router, _ = nodes(town)
    with router.firewall.together() as firewall:
        firewall.default("drop")
        for port in range(1, 201):
            firewall.accept(protocol="tcp", port=port)
    assert ask(h1, WWW, 80).startswith(H1)
    assert len(router.firewall.rules()) == 202


def test_within_a_block_the_kernel_still_has_what_was_taken_away(town: Lab) -> None:
    _, _, router, _ = nodes(town)
    router.firewall.drop(protocol="tcp", port=25, comment="no mail")
    with router.firewall.together() as firewall:
        firewall.clear()
        row = next(row for row in firewall.rules() if row.number)
        assert (row.verdict, row.match, row.comment) == ("drop", "tcp dport 25", "no mail")
    assert firewall.rules() == ()


def test_what_nft_refuses_leaves_all_as_it_was(town: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    h1, _, router, _ = nodes(town)
    kept = router.firewall.drop(protocol="udp")
    before = router.firewall.ruleset()
    with monkeypatch.context() as broken, pytest.raises(AgentError, match="nft refused"):
        broken.setattr("playground.planning.nft_text._action", lambda rule: "nonsense")
        router.firewall.accept(source=h1)
    assert router.firewall.declared == (kept,)
    assert router.firewall.ruleset() == before


def test_a_rule_about_a_link_that_is_not_started_is_refused(town: Lab) -> None:
    _, _, router, _ = nodes(town)
    with pytest.raises(TopologyError, match="has no address in this lab"):
        router.firewall.drop(source=Host("stranger"))
    assert not router.firewall


# -- before the start, and from another process -------------------------------


def test_rules_told_before_the_start_hold_from_the_first_packet_on(engine: Engine) -> None:
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    h1.firewall.default("drop")
    with Lab(h1, quiet=True) as lab:
        assert_cannot_ping(h2, h1)
        h1.firewall.clear()
        assert_can_ping(h2, h1)
        assert not compare(lab.running_plan(), lab.plan())


def test_rules_told_live_are_known_to_who_attaches(engine: Engine) -> None:
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    with Lab(h1, name="attached-firewall", quiet=True):
        h1.firewall.drop(source=h2, comment="told live")
        with Lab.attach("attached-firewall", quiet=True) as lab:
            there = lab.node("h1").firewall
            assert [rule.comment for rule in there] == ["told live"]
            assert [row.number for row in there.rules() if row.number] == [1]
            there.remove(1)
            assert_can_ping(lab.node("h2"), "h1")
