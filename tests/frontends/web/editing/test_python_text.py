"""A lab as a program, read back without running it; nothing but declarations is understood."""

from __future__ import annotations

import pytest

from playground import (
    DHCP,
    DNS,
    Host,
    Lab,
    Link,
    Permit,
    PrefixList,
    Queue,
    RouteMap,
    Router,
    Switch,
    TopologyError,
    Tunnel,
)
from playground.examples import miniature_internet
from playground.frontends.web.editing import python_text
from playground.lab.declarations.declare import declare
from playground.lab.declarations.gather import gather
from playground.lab.files.writing import file_data


def of_many_kinds() -> Lab:
    """Hosts, switches with VLANs, routers with policies, rules, tunnels, queues."""
    office = Switch("office", vlans={10: "192.168.10.0/24", 20: None}, stp=True)
    a, b = Host("a", services=["http", "ssh"]), Host("b.example.com", services=[DNS()])
    edge, far = Router("edge", routing="bgp", as_number=65001), Router("far", routing="bgp")
    Link(office, a, vlan=10)
    Link(office, b, vlan=20)
    trunk = Link(office, edge, trunk=True)
    up, out = Link(edge, far, subnet="203.0.113.0/24"), Link(edge, Host("out"))
    up.impair(delay_ms=20, loss_percent=1)
    up.queue(Queue("fq_codel"))
    edge.masquerade(out)
    edge.forward(out, port=8080, to=(a, 80))
    edge.firewall.drop(source=a, port=25, protocol="tcp")
    assert trunk[10]
    Tunnel(edge, far, kind="gre", subnet="10.9.0.0/30")
    return Lab(office, name="many")


@pytest.mark.parametrize("make", [miniature_internet, of_many_kinds])
def test_a_program_says_what_its_lab_was_declared_as(make: object) -> None:
    said = gather(make().nodes)
    program = python_text.write(said, "x")
    compile(program, "lab.py", "exec")
    back = python_text.read(program)
    assert file_data({}, back) == file_data({}, said)
    # And what was read can be declared.
    assert file_data({}, gather(declare(back).nodes.values())) == file_data({}, said)


def test_a_program_that_was_written_makes_the_same_lab_when_it_is_run() -> None:
    said = gather(of_many_kinds().nodes)
    namespace: dict[str, Lab] = {}
    exec(python_text.write(said, "x"), namespace)  # our own words: no user's
    assert file_data({}, gather(namespace["lab"].nodes)) == file_data({}, said)


def test_what_people_write_by_hand_is_read_too() -> None:
    said = python_text.read(
        '"""A lab."""\n'
        "from playground import *\n"
        "home = Switch('home', subnet='192.168.1.0/24')\n"
        "h1 = Host(name='h1')\n"
        "modem = Router('modem')\n"
        "Link(home, h1, address='192.168.1.9')\n"
        "up = Link(modem, home)\n"
        "modem.masquerade(up)\n"
        "Lab(home).start()\n"[:-9]
        + "\n"
    )
    assert [node.name for node in said.nodes] == ["home", "h1", "modem"]
    assert said.links[0].arguments == {"address": "192.168.1.9"}
    assert [call.method for call in said.nodes[2].calls] == ["masquerade"]


HOSTILE = [
    "import os; os.system('id')",
    "open('/etc/passwd')",
    "h1 = Host(open('/etc/passwd').read())",
    "h1 = Host('h1')\nh1.run('id')",
    "h1 = Host('h1')\nh1.__class__",
    "h1 = Host('h1')\nh1._live.lab()",
    "h1 = Host(f'{1}')",
    "x = [c for c in ().__class__.__base__.__subclasses__()]",
    "h1 = Host('h1', services=[HTTP(root=__import__('os').getcwd())])",
    "while True: pass",
    "def f(): pass",
    "h1 = Host(*['h1'])",
    "h1 = Host('h1', **{'services': []})",
    "Host.__init__(1)",
    "lambda: 1",
    "h1 = Host('h1' * 10**9)",
    "h1 = (yield)",
]


@pytest.mark.parametrize("program", HOSTILE)
def test_what_is_no_declaration_is_refused_with_its_line(program: str) -> None:
    with pytest.raises(TopologyError, match=r"^lab\.py:\d+"):
        python_text.read(program)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("Link(a, b)", "there is no a above"),
        ("h1 = Host('h1')\nh2 = Host('h1')", "two nodes of the name h1"),
        ("h1 = Host('h1')\nh1.masquerade(1)", r"masquerade\(\) is nothing that a host is told"),
        ("h1 = Host('h1', 'a', 'b', 'c', *[])", "declarations"),
        ("h1 = Host(", "this is no Python"),
        ("h1 = Host('h1', services=[DHCP(range=1)])", "range"),
        ("x = Host(3)", "called by a text"),
        ("h1 = Host('h1', env={([],): 1})", "lab.py:1:22"),
        ("(" * 500 + ")" * 500, "no Python"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(program: str, words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        python_text.read(program)


def test_a_very_long_program_is_not_read() -> None:
    with pytest.raises(TopologyError, match="letters"):
        python_text.read("#" * 2_000_000)


def test_policies_and_settings_are_values() -> None:
    said = python_text.read(
        "r = Router('r', routing='bgp', as_number=65001)\n"
        "h = Host('h', services=[DHCP()])\n"
        "s = Router('s', routing='bgp', as_number=65002)\n"
        "up = Link(r, s)\n"
    )
    assert said.nodes[1].arguments["services"] == [DHCP()]
    assert {PrefixList, RouteMap, Permit} <= set(python_text._VALUES.values())
