"""Switches that learn, forget, mirror and keep loops open; on both engines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playground.engines.seam import Engine
from playground.errors import AgentError, NotRunning, TopologyError
from playground.lab.lab import Lab
from playground.operations.network import Host, Link, Switch
from playground.planning.difference import compare
from playground.planning.planner import make_plan


class Office:
    """h1, h2 and a listener at one switch."""

    def __init__(self) -> None:
        self.home = Switch("home")
        self.h1, self.h2, self.ear = Host("h1"), Host("h2"), Host("ear")
        self.cable = Link(self.home, self.h1)
        self.other = Link(self.home, self.h2)
        self.tap = Link(self.home, self.ear)

    def heard(self, count: int = 5) -> int:
        """Return how many frames the listener got while h1 and h2 spoke."""
        before = self.tap.statistics()[1].rx_packets
        assert self.h1.ping(self.h2, count=count, interval_s=0.02).received == count
        return self.tap.statistics()[1].rx_packets - before


class Triangle:
    """Three switches in a loop with a hub, hosts at two; s1 is the root, s3 the last in line."""

    def __init__(self) -> None:
        self.s1, self.s2, self.s3 = (
            Switch(f"s{number}", stp=True, priority=4096 * number) for number in (1, 2, 3)
        )
        self.h1, self.h3 = Host("h1"), Host("h3")
        Link(self.s1, self.h1)
        Link(self.s3, self.h3)
        self.left = Link(self.s1, self.s2)
        self.hub = Switch("hub", hub=True)
        Link(self.s2, self.hub)
        self.right = Link(self.hub, self.s3)
        self.direct = Link(self.s1, self.s3)

    def states(self) -> dict[tuple[str, str], str]:
        switches = (self.s1, self.s2, self.s3)
        return {
            (switch.name, row.node): row.state
            for switch in switches
            for row in switch.ports()
            if row.node.startswith(("s", "hub"))
        }


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def running(engine: Engine, office: Office) -> Iterator[tuple[Office, Lab]]:
    with Lab(office.home, name="switching", quiet=True) as lab:
        yield office, lab


# -- Declared -----------------------------------------------------------------


def test_what_is_declared_stands_in_the_plan(office: Office) -> None:
    office.home.change(ageing_s=10)
    office.home.mirror(office.cable, to=office.tap)
    [switch] = make_plan((office.home,)).switches
    assert switch.settings.ageing_s == 10
    assert switch.mirror is not None
    assert (switch.mirror.to, switch.mirror.entering) == ("ear-eth0", ("h1-eth0",))
    assert switch.as_shell()[0] == ("ip link set dev home type bridge stp_state 0 ageing_time 1000")


def test_switches_form_a_loop_only_where_all_speak_stp() -> None:
    a, b, c = Switch("a", stp=True), Switch("b"), Switch("c", stp=True)
    for one, other in ((a, b), (b, c), (a, c), (c, Host("h"))):
        Link(one, other)
    with pytest.raises(TopologyError, match="declare b with stp=True"):
        make_plan([a])
    b.change(stp=True)
    make_plan([a])
    a.change(stp=False)
    with pytest.raises(TopologyError, match=r"a, b and c are linked in a loop .* declare a with"):
        make_plan([a])


def test_hubs_alone_form_no_loop() -> None:
    a, b = Switch("a", stp=True), Switch("b", stp=True)
    hub, other = Switch("hub", hub=True), Switch("other", hub=True)
    for ends in ((a, hub), (b, hub), (a, b), (hub, other), (a, Host("h"))):
        Link(*ends)
    make_plan([a])
    Link(hub, other)
    with pytest.raises(TopologyError, match="leave a link between the hubs hub, other out"):
        make_plan([a])


def test_mirrors_are_of_links_of_the_switch(office: Office) -> None:
    far = Link(Switch("far"), Host("h9"))
    with pytest.raises(TopologyError, match="is no link of this switch"):
        office.home.mirror(to=far)
    with pytest.raises(TopologyError, match="to itself"):
        office.home.mirror(office.tap, to=office.tap)
    assert office.home.mirrored is None


def test_what_was_learned_is_known_of_a_running_switch(office: Office) -> None:
    for question in (office.home.table, office.home.ports, office.home.as_shell):
        with pytest.raises(NotRunning, match="start its lab first"):
            question()


# -- Running ------------------------------------------------------------------


def test_a_switch_learns_who_is_where(running: tuple[Office, Lab]) -> None:
    office, lab = running
    office.h1.ping(office.h2, count=1)
    plan = lab.plan()
    found = {row.node: (row.mac, row.port) for row in office.home.table()}
    assert found["h1"] == (plan.node("h1").interfaces[0].mac, "h1-eth0")
    assert found["h2"][0] == plan.node("h2").interfaces[0].mac
    assert all(row.age_s < 60 for row in office.home.table())
    assert {row.node: row.state for row in office.home.ports()} == dict.fromkeys(
        ("h1", "h2", "ear"), "forwarding"
    )


def test_a_hub_sends_everything_everywhere_and_a_switch_does_not(
    running: tuple[Office, Lab],
) -> None:
    office, lab = running
    office.h1.ping(office.h2, count=1)
    assert office.heard() < 10
    office.home.change(hub=True)
    assert office.heard() >= 10
    assert not office.home.table()
    assert not compare(lab.running_plan(), lab.plan())
    office.home.change(hub=False)
    office.h1.ping(office.h2, count=1)
    assert office.heard() < 10
    assert {row.node for row in office.home.table()} >= {"h1", "h2"}


def test_a_mirror_shows_a_listener_what_others_say(running: tuple[Office, Lab]) -> None:
    office, lab = running
    office.h1.ping(office.h2, count=1)
    office.home.mirror(to=office.tap)
    once = office.heard()
    assert 10 <= once < 20
    office.home.mirror(office.cable, office.other, to=office.tap)
    assert office.heard() >= 20
    assert office.home.as_shell()[0] == "tc qdisc add dev h1-eth0 clsact"
    assert not compare(lab.running_plan(), lab.plan())
    office.home.stop_mirroring()
    assert office.heard() < 10


def test_a_mirror_takes_in_links_that_come_later(running: tuple[Office, Lab]) -> None:
    office, lab = running
    office.home.mirror(to=office.tap)
    late = Host("late")
    Link(office.home, late)
    lab.start()
    office.h1.ping(late, count=1)
    before = office.tap.statistics()[1].rx_packets
    assert late.ping(office.h1, count=5, interval_s=0.02).received == 5
    assert office.tap.statistics()[1].rx_packets - before >= 10


def test_a_refused_change_leaves_the_switch_as_it_was(running: tuple[Office, Lab]) -> None:
    office, _ = running
    live = office.home._live
    assert live is not None
    assert office.tap._live is not None
    live.agent.call("unwire", veths=office.tap._live.ends[:1])
    with pytest.raises(AgentError, match="there is no interface ear-eth0"):
        office.home.mirror(to=office.tap)
    assert office.home.mirrored is None
    assert live.plan.mirror is None


def test_switches_are_found_by_another_program_as_they_are(engine: Engine, office: Office) -> None:
    office.home.mirror(office.cable, to=office.tap)
    office.home.change(ageing_s=20)
    with Lab(office.home, name="switch-kept", keep=True, quiet=True) as lab:
        with Lab.attach("switch-kept") as other:
            home = other["home"]
            assert isinstance(home, Switch)
            assert home.settings.ageing_s == 20
            assert home.as_shell() == office.home.as_shell()
            assert not compare(other.running_plan(), other.plan())
        lab.stop()


def test_a_loop_of_three_switches_heals(engine: Engine) -> None:
    triangle = Triangle()
    with Lab(triangle.s1, name="triangle", quiet=True) as lab:
        # The way round is closed where it is farthest from the root.
        blocked = [ends for ends, state in triangle.states().items() if state == "blocking"]
        assert blocked == [("s3", "hub")]
        assert triangle.h1.ping(triangle.h3, count=2, interval_s=0.02).received == 2
        triangle.direct.down()
        assert lab.wait_converged() > 0
        assert triangle.states()["s3", "hub"] == "forwarding"
        assert triangle.h1.ping(triangle.h3, count=2, interval_s=0.02).received == 2
        triangle.direct.up()
        lab.wait_converged()
        assert triangle.states()["s3", "hub"] == "blocking"
        # Where the hosts were is forgotten in twice the forward delay (section 8.3.5).
        # With a deadline ping(8) sends until so many were answered.
        assert triangle.h1.run("ping -n -c 2 -i 0.1 -w 15 h3").ok
