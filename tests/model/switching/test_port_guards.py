"""Guards of ports: what may be said, the rules that come of it, and what they do to a network."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.seam import Engine
from playground.errors import LabWarning, NotRunning, TopologyError
from playground.lab.credentials import Credentials
from playground.lab.lab import Lab
from playground.lab.lab_as_json import load, save
from playground.model.switch_ports import PortSettings
from playground.model.switching.port_guards import LOOP_FLOOD, PortGuardPlan
from playground.operations.network import Host, Link, Switch
from playground.planning.difference import compare
from playground.planning.planner import make_plan
from tests.facts import assert_can_ping, assert_cannot_ping

STRANGE = "02:00:00:00:00:99"
OTHER = "02:00:00:00:00:98"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"max_macs": -1}, "max_macs=-1 is no number of addresses from 1 to 1,024"),
        ({"max_macs": 1.5}, "max_macs=1.5 is no number"),
        ({"storm_limit": "all"}, "storm_limit='all' is no number of frames a second"),
        ({"sticky": 1, "max_macs": 1}, "sticky=1 is neither True nor False"),
        ({"sticky": True}, "say how many there may be: max_macs=1"),
        ({"macs": STRANGE}, "is no list of MAC addresses"),
        ({"macs": ["02:00"]}, "macs: MAC address '02:00' is none"),
        ({"macs": ["01:00:00:00:00:01"]}, "is a multicast address"),
        ({"macs": [STRANGE, OTHER], "max_macs": 1}, "max_macs=1 is less than the 2 addresses"),
    ],
)
def test_what_cannot_be_is_refused(said: dict[str, object], words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        PortSettings(**said)


@pytest.mark.parametrize(
    ("said", "guard"),
    [
        ({"max_macs": 2}, PortGuardPlan("p", 2, remembers_s=300)),
        ({"max_macs": 2, "sticky": True}, PortGuardPlan("p", 2, sticky=True)),
        ({"macs": [STRANGE.upper(), STRANGE]}, PortGuardPlan("p", 1, (STRANGE,))),
        ({"macs": [STRANGE], "max_macs": 2}, PortGuardPlan("p", 2, (STRANGE,), remembers_s=300)),
        ({"macs": [STRANGE], "max_macs": 0}, PortGuardPlan("p")),
        ({"storm_limit": 10}, PortGuardPlan("p", storm_limit=10)),
        ({"cost": 10}, PortGuardPlan("p")),
    ],
)
def test_a_guard_comes_of_what_was_said(said: dict[str, object], guard: PortGuardPlan) -> None:
    found = PortSettings(**said).guard("p", 300)
    assert found == guard
    assert bool(found) == bool(found.max_macs or found.storm_limit)


def test_a_guard_is_a_table_of_nftables() -> None:
    guard = PortGuardPlan("p", 2, (STRANGE,), remembers_s=300, storm_limit=100)
    assert list(guard.as_shell()) == [
        "nft add table bridge port-p",
        "nft add counter bridge port-p refusals",
        "nft 'add set bridge port-p refused { type ether_addr; size 64; "
        "flags dynamic,timeout; timeout 300s; }'",
        "nft 'add set bridge port-p learned { type ether_addr; size 1; "
        "flags dynamic,timeout; gc-interval 1s; }'",
        "nft 'add chain bridge port-p secured { type filter hook prerouting priority -300; }'",
        "nft 'add rule bridge port-p secured iifname != \"p\" accept'",
        f"nft 'add rule bridge port-p secured ether saddr {{ {STRANGE} }} accept'",
        "nft 'add rule bridge port-p secured update @learned { ether saddr timeout 300s } accept'",
        "nft 'add rule bridge port-p secured update @refused { ether saddr counter }'",
        "nft add rule bridge port-p secured counter name refusals drop",
        "nft add counter bridge port-p flooded",
        "nft add counter bridge port-p suppressed",
        "nft 'add chain bridge port-p limited { type filter hook prerouting priority -299; }'",
        "nft 'add rule bridge port-p limited iifname != \"p\" accept'",
        "nft 'add rule bridge port-p limited meta pkttype != { broadcast, multicast } accept'",
        "nft add rule bridge port-p limited limit rate over 100/second burst 10 packets "
        "counter name suppressed drop",
        "nft add rule bridge port-p limited counter name flooded",
    ]


def test_guards_stand_in_the_plan_its_shell_and_its_difference_and_are_saved() -> None:
    switch, host = Switch("s", ageing_s=60), Host("h")
    link = Link(switch, host)
    before = make_plan([switch])
    switch.set_port(link, max_macs=2, macs=[STRANGE])
    after = make_plan([switch])
    [planned] = after.switches
    assert planned.guards == (PortGuardPlan("h-eth0", 2, (STRANGE,), remembers_s=60),)
    assert planned.port_settings == ()
    assert "nft add table bridge port-h-eth0" in planned.as_shell()
    [change] = compare(before, after).switches_change
    assert change.old.guards_anew(change.new) == planned.guards
    [back] = compare(after, before).switches_change
    assert back.old.unguarded(back.new) == planned.guards
    saved = load(save([switch, host], after, Credentials.make()))
    assert saved.plan == after
    assert [*saved.nodes[0].port_settings.values()] == [PortSettings(max_macs=2, macs=(STRANGE,))]


def test_a_picture_says_which_switch_secures_its_ports() -> None:
    switch = Switch("s")
    switch.set_port(Link(switch, Host("h")), max_macs=1)
    assert "port security" in Lab(switch).picture().svg()


class Office:
    """A switch, a host whose MAC address changes, and another one."""

    def __init__(self) -> None:
        self.switch = Switch("office")
        self.h1, self.h2 = Host("h1"), Host("h2")
        self.cable = Link(self.switch, self.h1)
        Link(self.switch, self.h2)

    def become(self, mac: str) -> None:
        """Give h1 another MAC address, as a student does who plugs something else in."""
        self.h1.run(f"ip link set eth0 address {mac}")
        self.h2.run("ip neigh flush dev eth0")


@pytest.fixture
def office() -> Office:
    return Office()


def test_a_port_takes_as_many_addresses_as_were_said(engine: Engine, office: Office) -> None:
    office.switch.set_port(office.cable, max_macs=1, sticky=True)
    with Lab(office.switch, name="secured", quiet=True) as lab:
        assert_can_ping(office.h1, office.h2)
        own = lab.plan().node("h1").interfaces[0].mac
        office.become(STRANGE)
        assert_cannot_ping(office.h1, office.h2)
        [row] = office.switch.security()
        assert (row.port, row.node, row.max_macs, row.sticky) == ("h1-eth0", "h1", 1, True)
        assert row.macs == (own,)
        assert list(row.refused) == [STRANGE]
        assert row.refused_frames == row.refused[STRANGE] > 0
        assert STRANGE not in {item.mac for item in office.switch.table()}
        why = lab.explain(office.h1, office.h2)
        assert (why.ok, why.node, why.cause) == (False, "office", "port security")
        assert STRANGE in why.sentence
        assert "office.set_port(" in why.advice
        office.switch.set_port(office.cable, max_macs=2)
        assert_can_ping(office.h1, office.h2)


@pytest.fixture
def running(namespaces_engine: NamespacesEngine, office: Office) -> Iterator[tuple[Office, Lab]]:
    with Lab(office.switch, name="guarded", quiet=True, engine=namespaces_engine) as lab:
        yield office, lab


def test_named_addresses_are_the_only_ones(running: tuple[Office, Lab]) -> None:
    office, lab = running
    office.switch.set_port(office.cable, macs=[STRANGE])
    assert_cannot_ping(office.h1, office.h2)
    office.become(STRANGE)
    assert_can_ping(office.h1, office.h2)
    [row] = office.switch.security()
    assert row.macs == (STRANGE,)
    office.switch.set_port(office.cable, max_macs=2)
    office.become(OTHER)
    assert_can_ping(office.h1, office.h2)
    [row] = office.switch.security()
    assert row.macs == (STRANGE, OTHER)
    lab.remove(office.cable)
    assert list(office.switch.security()) == []


def test_a_silent_address_makes_room_for_another(running: tuple[Office, Lab]) -> None:
    office, _ = running
    office.switch.set_port(office.cable, max_macs=1)
    office.switch.change(ageing_s=1)
    assert_can_ping(office.h1, office.h2)
    office.become(STRANGE)
    # Tried for three seconds, in which one has passed.
    assert office.h1.ping(office.h2, count=30, interval_s=0.1).received > 0


def test_a_port_holds_a_flood_back_and_counts_it(running: tuple[Office, Lab]) -> None:
    office, lab = running
    office.switch.set_port(office.cable, storm_limit=1)
    subnet = lab.plan().node("h1").interfaces[0].addresses[0].network
    flood = f"ping -b -q -c 50 -i 0.002 -W 1 {subnet.broadcast_address}"
    office.h1.run(flood, check=False)
    [row] = office.switch.storms()
    assert (row.port, row.node, row.storm_limit) == ("h1-eth0", "h1", 1)
    assert row.passed + row.suppressed == 50
    assert 5 <= row.passed < 10
    assert list(office.switch.security()) == []
    # What is for one machine alone is no storm.
    office.h2.run("ip neigh flush dev eth0")
    assert_can_ping(office.h2, office.h1)
    office.switch.set_port(office.cable, storm_limit=0)
    assert list(office.switch.storms()) == []


def test_a_storm_is_slow_and_named_and_ends_with_its_loop(
    namespaces_engine: NamespacesEngine,
) -> None:
    one, other = Switch("one"), Switch("other")
    h1, h2 = Host("h1"), Host("h2")
    Link(one, h1)
    Link(other, h2)
    Link(one, other)
    second = Link(one, other)
    with pytest.warns(LabWarning, match="in which broadcasts go round for ever"):
        lab = Lab(one, name="stormy", strict=False, quiet=True, engine=namespaces_engine)
    with lab:
        begin = time.monotonic()
        assert [row.looped for row in one.storms()] == [True, True]
        assert_cannot_ping(h1, h2)
        rows = [*one.storms(), *other.storms()]
        sent = int(h1.read("/sys/class/net/eth0/statistics/tx_packets"))
        # Far more came than were sent, and each port let in no more than its limit.  A question
        # goes round some fifty times: h2 answers it each time, and the answers go round as well,
        # until there are a thousand of them (50 * 50 / 2) and the limit of all frames ends both.
        most = LOOP_FLOOD * (time.monotonic() - begin + 0.1)
        assert all(10 * sent < row.passed <= most for row in rows), (sent, most, rows)
        assert sum(row.suppressed for row in rows) > 0
        why = lab.explain(h1, h2)
        assert (why.ok, why.cause) == (False, "storm")
        assert "one and other are linked in a loop" in why.sentence
        lab.remove(second)
        assert [*one.storms(), *other.storms()] == []
        assert_can_ping(h1, h2)


@pytest.mark.parametrize("hub", [False, True])
def test_ports_of_a_loop_have_limits_that_a_tree_takes_away(hub: bool) -> None:
    one, other = Switch("one", hub=hub), Switch("other", hub=hub)
    links = [Link(one, other) for _ in range(2)]
    Link(one, Host("h"))
    one.set_port(links[0], storm_limit=10)
    plan = make_plan([one], strict=False)
    limits = [[guard.storm_limit for guard in switch.guards] for switch in plan.switches]
    assert limits == [[10, 1000], [1000, 1000]]
    assert {guard.frame_limit for switch in plan.switches for guard in switch.guards} == {10_000}
    assert one.looped(one.settings) == set(links)
    for switch in (one, other):
        switch.change(hub=False, stp=True)
    assert one.looped(one.settings) == frozenset()
    assert [len(switch.guards) for switch in make_plan([one]).switches] == [1, 0]


def test_what_was_refused_is_known_of_a_running_switch(office: Office) -> None:
    for question in (office.switch.security, office.switch.storms):
        with pytest.raises(NotRunning, match="start its lab first"):
            question()
