"""Bonds: what may be said, the plan that comes of it, and what they do to a network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from playground.errors import NotRunning, TopologyError
from playground.lab.credentials import Credentials
from playground.lab.lab import Lab
from playground.lab.lab_as_json import load, save
from playground.lab.links.bonds_ready import bonds_of, unused
from playground.model.kernel.bonds import BondPlan
from playground.model.links.bond import Bond as DeclaredBond
from playground.operations.network import Bond, Host, Link, Router, Switch, Tunnel
from playground.planning.links.kernel_needs import kernel_needs, refusal
from playground.planning.planner import make_plan
from tests.facts import assert_can_ping, assert_cannot_ping


class Pair:
    """Two routers with two links between them, and two switches beside."""

    def __init__(self) -> None:
        self.r1, self.r2 = Router("r1"), Router("r2")
        self.s1, self.s2 = Switch("s1"), Switch("s2")
        self.first = Link(self.r1, self.r2, subnet="10.9.0.0/30")
        self.second = Link(self.r2, self.r1)


Said = Callable[[Pair], object]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (lambda p: Bond(p.first), "two links or more"),
        (lambda p: Bond(p.first, p.first), "one is named twice"),
        (lambda p: Bond(p.first, p.r2), "is made of links, and Router('r2') is the router r2"),
        (lambda p: Bond(p.first, p.second, mode="lacp"), "no mode 'lacp'; write one of \"bal"),
        (lambda p: Bond(p.first, p.second, spread_by="ip"), "there is no hash 'ip'"),
        (
            lambda p: Bond(p.first, p.second, mode="balance-rr", spread_by="layer2"),
            "no hash chooses a link",
        ),
        (
            lambda p: Bond(p.first, p.second, primary=p.first),
            "all links carry frames; leave primary= out",
        ),
        (
            lambda p: Bond(p.first, p.second, mode="active-backup", primary=Link(p.r1, p.s1)),
            "is none of its links",
        ),
        (lambda p: Bond(p.second, p.first), "say them of the first alone"),
        (lambda p: Bond(p.first, Link(p.r1, p.r2, mtu=1400)), "differ in their mtu"),
        (lambda p: Bond(p.first, Link(p.s1, p.s2)), "one node in common"),
        (
            lambda p: Bond(Link(p.r1, p.s1), Link(p.r1, p.r2)),
            'lead to s1 and r2; link it to one of them, or choose mode="active-backup"',
        ),
        (
            lambda p: (Bond(Link(p.r1, p.s1), Link(p.r1, p.s2)), make_plan([p.r1])),
            "no other bond has a link to each of s1 and s2; link it to one",
        ),
        (
            lambda p: (
                Bond(Link(p.r1, p.s1), Link(p.r1, p.s2), mode="active-backup"),
                make_plan([p.r1]),
            ),
            "s1 and s2 are two networks, and a bond is in one; link the two switches",
        ),
        (
            lambda p: Bond(Link(p.s1, p.s2), Link(p.s1, p.s2), mode="active-backup"),
            "would be a loop",
        ),
        (
            lambda p: Bond(p.first, Link(p.r1, p.s1), mode="active-backup"),
            "lead to one machine, or to switches",
        ),
        (
            lambda p: Bond(p.first, Tunnel(p.r1, p.r2, kind="gre")),
            "is made of cables, and Tunnel",
        ),
        (lambda p: (Bond(p.first, p.second), Bond(p.first, p.second)), "link of a bond already"),
        (
            lambda p: (Bond(p.first, p.second), p.r1.masquerade(p.first)),
            "which is a link of a bond: say it of the bond",
        ),
    ],
)
def test_what_cannot_be_is_refused(said: Said, words: str) -> None:
    pair = Pair()
    with pytest.raises(TopologyError) as caught:
        said(pair)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        lambda router, link: router.firewall.drop(interface=link),
        lambda router, link: router.advertise(link),
        lambda router, link: router.ospf(link, cost=5),
        lambda router, link: router.vrrp(link, address="10.9.0.9"),
        lambda router, link: router.masquerade(link),
        lambda router, link: router.vrf("blue", [link]),
        lambda router, link: router.route("10.0.0.0/8", link=link, via="10.9.0.9"),
    ],
)
def test_what_is_said_is_said_of_the_bond(said: Callable[[Router, Link], object]) -> None:
    links = [Link(Router("r1", routing="ospf"), Router("r2", routing="ospf"))]
    router = links[0].ends[0].node
    assert isinstance(router, Router)
    said(router, links[0])
    links.append(Link(*(end.node for end in links[0].ends)))
    with pytest.raises(TopologyError, match="make the bond first, and say it of that"):
        Bond(*links)
    pair = Pair()
    Bond(pair.first, pair.second)
    with pytest.raises(TopologyError, match=r"say it of the bond|is not one of the links"):
        said(pair.r1, pair.first)


def test_vlans_are_those_of_all_links() -> None:
    s1, h1 = Switch("s1", vlans=(10, 20)), Host("h1")
    links = Link(s1, h1, vlan=10), Link(s1, h1, vlan=20)
    with pytest.raises(TopologyError, match="carry different VLANs"):
        Bond(*links)


def test_a_bond_takes_what_was_said_of_its_first_link() -> None:
    pair = Pair()
    bond = Bond(pair.first, pair.second, spread_by="layer3+4", names=("trunk", None))
    assert (pair.first.bond, bond.bond, pair.first.attachments) == (bond, None, ())
    plan = make_plan([pair.r1])
    interfaces = {item.name: item for item in plan.node("r1").interfaces}
    assert [str(one) for one in interfaces["trunk"].addresses] == ["10.9.0.1/30"]
    assert interfaces["trunk"].bond == BondPlan(
        "trunk", "802.3ad", ("eth0", "eth1"), spread_by="layer3+4"
    )
    assert interfaces["eth0"].addresses == interfaces["eth1"].addresses == ()
    assert [(wire.bond, wire.member) for wire in plan.wires] == [
        (None, True),
        (None, True),
        ("802.3ad", False),
    ]
    assert kernel_needs(plan) == {"bond": ["trunk of r1", "bond0 of r2"]}
    shell = plan.as_shell()
    assert "ip -n r1 link set dev eth1 master trunk" in shell
    assert "type bond mode 802.3ad miimon 50 lacp_rate fast xmit_hash_policy layer3+4" in shell
    text = "Bond(Link(r1, r2, subnet='10.9.0.0/30'), Link(r2, r1), mode='802.3ad', "
    assert repr(bond) == text + "spread_by='layer3+4', names=('trunk', None))"
    saved = load(save([pair.r1, pair.r2], plan, Credentials.make()))
    assert saved.plan == plan
    assert repr(saved.nodes[0].links[-1]) == repr(bond)


def test_a_switch_has_a_bond_for_a_port_where_both_sides_bond() -> None:
    s1, s2 = Switch("s1", vlans=(10, 20)), Switch("s2", vlans=(10, 20))
    Bond(Link(s1, s2, trunk=True), Link(s1, s2, trunk=True))
    router = Router("r")
    on_a_stick = Bond(
        Link(s1, router, trunk=(10, 20), address={10: "10.1.0.1/24"}),
        Link(s1, router, trunk=(10, 20)),
    )
    plan = make_plan([s1])
    one, other = plan.switches
    assert [bond.members for bond in one.bonds] == [
        ("s2-s1", "s2-s1-b3b8da"),
        ("r-eth0", "r-eth1"),
    ]
    assert [port.port for port in one.ports] == [bond.name for bond in one.bonds]
    assert len(other.ports) == 1
    tagged = [item for item in plan.node("r").interfaces if item.vlan]
    assert [(item.name, item.parent) for item in tagged] == [
        ("bond0.10", "bond0"),
        ("bond0.20", "bond0"),
    ]
    assert [str(item) for item in tagged[0].addresses] == ["10.1.0.1/24"]
    assert on_a_stick[10].vlan == 10
    with pytest.raises(TopologyError, match="is no port by itself"):
        s1.set_port(on_a_stick.members[0], cost=5)
    with pytest.raises(TopologyError, match="say it of the bond"):
        on_a_stick.members[0].change(vlan=10)


def test_a_switch_knows_nothing_of_a_bond_with_a_spare_link() -> None:
    s1, s2, host = Switch("s1", subnet="10.1.0.0/24"), Switch("s2"), Host("h")
    Link(s1, s2)
    links = Link(s1, host, address="10.1.0.7"), Link(s2, host)
    bond = Bond(*links, mode="active-backup", primary=links[1])
    plan = make_plan([s1])
    assert [switch.bonds for switch in plan.switches] == [(), ()]
    [made] = [item for item in plan.node("h").interfaces if item.bond]
    assert made.bond == BondPlan("bond0", "active-backup", ("eth0", "eth1"), None, "eth1")
    assert [str(one) for one in made.addresses] == ["10.1.0.7/24"]
    with pytest.raises(TopologyError, match="know of no bond"):
        bond.change(vlan=10)


def test_switches_between_two_bonds_pass_their_lacp_on() -> None:
    s1, s2 = Switch("s1"), Switch("s2")
    hosts = [Host("h1"), Host("h2")]
    for host in hosts:
        Bond(Link(host, s1), Link(host, s2))
    plan = make_plan([s1])
    assert [switch.bonds for switch in plan.switches] == [(), ()]
    assert {one.passes_lacp for switch in plan.switches for one in switch.port_settings} == {True}
    line = "ip link set dev h1-eth0 type bridge_slave group_fwd_mask 4"
    assert line in plan.switches[0].as_shell()


def test_start_waits_for_all_links_that_are_up() -> None:
    pair = Pair()
    bond = Bond(pair.first, pair.second)
    plan = make_plan([pair.r1])
    [r1, r2] = bonds_of(plan, plan.wires)
    assert (r1[0].node, r2[0].node, r2[1].members) == ("r1", "r2", ("eth0", "eth1"))

    def rows(*active: bool) -> list[dict[str, object]]:
        return [{"interface": f"eth{n}", "active": one} for n, one in enumerate(active)]

    ends = [r1, r2]
    assert unused(plan, ends, [rows(True, True), rows(True, True)]) == []
    assert unused(plan, ends, [rows(True, True), rows(True, False)]) == [
        "r2's bond0 does not use eth1"
    ]
    bond.members[1].down()
    assert unused(make_plan([pair.r1]), ends, [rows(True, False), rows(True, False)]) == []


def test_a_bond_asks_no_kernel_before_its_lab_runs() -> None:
    pair = Pair()
    bond = Bond(pair.first, pair.second)
    assert isinstance(bond, DeclaredBond)
    with pytest.raises(NotRunning, match="is in no running lab"):
        bond.state()


def test_pictures_show_the_links_of_a_bond_and_what_it_has() -> None:
    pair = Pair()
    Bond(pair.first, pair.second)
    lab = Lab(pair.r1)
    svg = lab.picture().svg()
    assert "2 links" in svg
    assert svg.count("10.9.0.1") > 0
    assert "802.3ad bond to r2" in str(lab)


def test_a_kernel_without_bonds_is_named() -> None:
    pair = Pair()
    Bond(pair.first, pair.second)
    sentence = refusal(kernel_needs(make_plan([pair.r1])), {"bond": "Operation not supported"})
    assert sentence.startswith("bond0 of r1, bond0 of r2 cannot be made, for this kernel has no ")
    assert "modprobe bonding" in sentence


# -- running ------------------------------------------------------------------


class Campus:
    """Two switches joined by a bond, a host bonded at one, and one with a link to each."""

    def __init__(self) -> None:
        self.s1, self.s2 = Switch("s1"), Switch("s2")
        self.h1, self.h2, self.h3 = Host("h1"), Host("h2"), Host("h3")
        self.between = Bond(*(Link(self.s1, self.s2) for _ in range(2)), spread_by="layer3+4")
        self.lacp = Bond(*(Link(self.s1, self.h1) for _ in range(2)))
        self.spare = Bond(Link(self.s1, self.h2), Link(self.s2, self.h2), mode="active-backup")
        Link(self.s2, self.h3)
        # Two cables with a switch in the middle of each.
        self.h4, self.h5 = Host("h4"), Host("h5")
        middles = [Switch("m1"), Switch("m2")]
        self.far = [
            Bond(*(Link(host, middle) for middle in middles)) for host in (self.h4, self.h5)
        ]
        Link(middles[0], Host("h6"))
        self.lab = Lab(self.s1, self.h4, name="bonded", quiet=True, engine="namespaces")


@pytest.fixture(scope="module")
def campus() -> Iterator[Campus]:
    campus = Campus()
    with campus.lab:
        yield campus


needs_bonds = pytest.mark.second_kernel("bond")


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@needs_bonds
def test_all_links_of_a_bond_are_used_when_a_lab_has_started(campus: Campus) -> None:
    rows = campus.between.state()
    assert [(row.node, row.up, row.active) for row in rows] == [
        (name, True, True) for name in ("s1", "s1", "s2", "s2")
    ]
    assert len({row.partner for row in rows}) == 2
    assert {port.node for port in campus.s1.ports()} == {"s2", "h1", "h2"}
    for bond in campus.far:  # through switches that pass LACP on
        assert [row.active for row in bond.state()] == [True, True]
    assert_can_ping(campus.h4, campus.h5)
    [one, other] = campus.spare.state()
    assert (one.active, other.active, one.partner) == (True, False, None)
    for host in (campus.h1, campus.h2):
        assert_can_ping(host, campus.h3)


@needs_bonds
def test_a_bond_carries_on_by_the_links_that_are_left(campus: Campus) -> None:
    bonds = (campus.between, campus.lacp, campus.spare)
    for bond in bonds:
        bond.members[0].down()
    # Each side has seen that its first link is lost: what it sent by that is lost too.
    wait_until(lambda: not any(row.up for bond in bonds for row in bond.state()[::2]))
    for host in (campus.h1, campus.h2):
        assert_can_ping(host, campus.h3)
    assert [row.active for row in campus.spare.state()] == [False, True]
    assert campus.lacp.state()[0].failures == 1
    for bond in bonds:
        bond.members[0].up()
    both = (campus.between, campus.lacp)
    wait_until(lambda: all(row.active for bond in both for row in bond.state()))
    assert_can_ping(campus.h1, campus.h3)


@needs_bonds
def test_explain_names_a_bond_without_a_link(campus: Campus) -> None:
    for link in campus.lacp.members:
        link.down()
    wait_until(lambda: not any(row.up for row in campus.lacp.state()))
    assert_cannot_ping(campus.h1, campus.h3)
    why = campus.lab.explain(campus.h1, campus.h3)
    assert (why.node, why.cause) == ("h1", "link down")
    assert "All links of h1's bond bond0 are down: eth0, eth1." in why.sentence
    for link in campus.lacp.members:
        link.up()
    wait_until(lambda: all(row.active for row in campus.lacp.state()))
    assert_can_ping(campus.h1, campus.h3)


@needs_bonds
def test_a_bond_comes_and_goes_while_its_lab_runs(campus: Campus) -> None:
    late = Host("late")
    bond = Bond(Link(late, campus.s2), Link(late, campus.s2), mode="balance-xor")
    campus.lab.start()
    assert_can_ping(late, campus.h1)
    with pytest.raises(TopologyError, match="is a link of a bond"):
        campus.lab.remove(bond.members[0])
    campus.lab.remove(bond)
    assert "late" not in {port.node for port in campus.s2.ports()}
    assert late.run("ip -br link").stdout.split()[0] == "lo"
    assert_can_ping(campus.h2, campus.h1)
