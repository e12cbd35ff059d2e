"""The text picture of a plan."""

from __future__ import annotations

from itertools import pairwise

import pytest

from playground.operations.network import Host, Link, Router, Switch, Tunnel
from playground.operations.pictures.tree import draw
from playground.planning.planner import make_plan


def home_and_www():
    home = Switch("home", subnet="192.168.1.0/24")
    modem, www = Router("modem"), Host("www.example.com", services=["http"])
    for node in (modem, Host("h1"), Host("h2")):
        Link(home, node)
    modem.masquerade(Link(modem, www, subnet="203.0.113.0/24"))
    return home


def chain(length):
    routers = [Router(f"r{number}") for number in range(length)]
    for left, right in pairwise(routers):
        Link(left, right)
    return routers[0]


def ring(length):
    routers = [Router(f"r{number}") for number in range(length)]
    for left, right in zip(routers, [*routers[1:], routers[0]], strict=True):
        Link(left, right)
    return routers[0]


def picture(*nodes, width=80):
    return draw(make_plan(nodes), width).splitlines()


def test_a_home_hangs_on_its_modem():
    assert picture(home_and_www(), width=60) == [
        "modem                192.168.1.1  203.0.113.1  NAT",
        "├── [home]           192.168.1.0/24",
        "│   ├── h1           192.168.1.2",
        "│   ╰── h2           192.168.1.3",
        "╰── www.example.com  203.0.113.2               http",
    ]


def test_interface_names_are_shown_where_there_is_room():
    lines = picture(home_and_www(), width=80)
    assert lines[0] == "modem                eth0 192.168.1.1  eth1 203.0.113.1  NAT"


def test_who_shares_an_address_says_so():
    lan, r1 = Switch("lan", subnet="192.168.1.0/24"), Router("r1")
    r1.vrrp(Link(lan, r1), address="192.168.1.254")
    Link(lan, Host("h1"))
    [line] = [line for line in picture(lan) if "r1" in line]
    assert line.split("  ")[-1] == "VRRP 192.168.1.254, keepalived"


@pytest.mark.parametrize(
    ("nodes", "width"),
    [
        pytest.param(home_and_www, 40, id="narrow"),
        pytest.param(home_and_www, 10, id="narrower than a picture can be"),
        pytest.param(lambda: chain(60), 80, id="a long chain"),
        pytest.param(lambda: ring(9), 80, id="a ring"),
    ],
)
def test_no_line_is_wider_than_asked(nodes, width):
    assert max(len(line) for line in picture(nodes(), width=width)) <= max(width, 40)


def test_a_chain_is_drawn_from_its_middle():
    lines = picture(chain(5))
    assert lines[0].startswith("r2 ")
    assert [line.split()[1] for line in lines[1:] if line[0] in "├╰"] == ["r1", "r3"]


def test_the_link_that_closes_a_ring_is_told_once():
    lines = picture(ring(5))
    assert len(lines) == 5
    assert sum("+ link to" in line for line in lines) == 1


def test_a_second_link_between_two_machines_is_told():
    a, b = Router("a"), Router("b")
    Link(a, b)
    Link(a, b)
    lines = picture(a)
    assert len(lines) == 2
    assert "+ link to b" in lines[0]


def test_links_that_are_down_or_impaired_are_told_where_they_hang():
    home = home_and_www()
    modem = home.links[0].peer(home).node
    home.links[1].down()
    modem.links[-1].impair(delay_ms=5)
    lines = picture(home, width=100)
    assert [line.split("(")[1] for line in lines if "(" in line] == ["link down)", "link impaired)"]
    assert "h1" in lines[2] and "www" in lines[4]
    routers = ring(3)
    routers.links[0].down()
    assert sum("(link down)" in line for line in picture(routers)) == 1
    a, b = Router("a"), Router("b")
    Link(a, b).down()
    Link(a, b)
    assert "(1 of 2 links down)" in picture(a)[1]


def test_parts_that_do_not_hang_together_stand_below_each_other():
    lines = picture(Host("h1"), Host("h2"))
    assert [line.split()[0] for line in lines] == ["h1", "h2"]


def test_what_every_machine_has_is_said_once():
    a, b = Host("a", services=["ssh"]), Host("b", services=["ssh", "http"])
    Link(a, b)
    lines = picture(a)
    assert lines[-1] == "(and ssh on every machine)"
    assert sum("ssh" in line for line in lines) == 1


def test_ssh_is_named_where_only_some_machines_have_it():
    a, b = Host("a", services=["ssh"]), Host("b", services=["http"])
    Link(a, b)
    assert sum("ssh" in line for line in picture(a)) == 1


def test_a_router_translates_by_what_it_was_told_and_not_by_a_comment() -> None:
    modem, isp, www = Router("modem"), Router("isp"), Host("www")
    uplink = Link(modem, isp, addresses=("203.0.113.1/24", "203.0.113.2/24"))
    Link(isp, www)
    modem.snat(uplink, to="203.0.113.1")
    isp.firewall.drop(port=23, comment="masquerade me")
    lines = picture(modem)
    assert [line for line in lines if line.endswith("NAT")] == [
        line for line in lines if "modem" in line
    ]


def test_a_tunnel_is_a_note_and_no_branch() -> None:
    a, b = Host("a"), Host("b")
    Link(a, b)
    Tunnel(a, b, kind="vxlan")
    first, second = draw(make_plan([a])).splitlines()[-2:]
    assert "vxlan tunnel to b" in first
    assert "+ link" not in first + second
