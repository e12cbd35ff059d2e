"""Whole configurations in FRR's own words: what they start, and what is refused of them."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.seam import Engine
from playground.errors import LabWarning, TopologyError
from playground.lab.frr_refusals import Refusal, refusals
from playground.lab.lab import Lab
from playground.model.services.frr import BGP, FRR, FRR_TERMINALS, OSPF, RIP, ROUTING
from playground.model.services.frr_daemon_of_line import services_needed
from playground.operations.network import Host, Link, Router
from playground.planning.planner import make_plan
from tests.facts import assert_can_ping

EDGE = """\
frr version 10.3
frr defaults traditional
hostname edge
password zebra
service integrated-vtysh-config
!
interface lo
 ip address 10.255.0.1/32
 ip ospf area 0
!
interface eth1
 ip ospf area 0
 ip ospf dead-interval minimal hello-multiplier 4
 ip ospf network point-to-point
 ip ospf bfd
!
ip route 10.99.0.0/16 blackhole
!
router ospf
 ospf router-id 10.255.0.1
 timers throttle lsa all 0
 timers lsa min-arrival 0
 redistribute connected
 redistribute bgp
 redistribute static
!
router bgp 65001
 no bgp ebgp-requires-policy
 timers bgp 1 3
 coalesce-time 0
 neighbor 10.2.0.2 remote-as 65002
 neighbor 10.2.0.2 timers connect 1
 neighbor 10.2.0.2 bfd
 address-family ipv4 unicast
  redistribute ospf
  redistribute connected
 exit-address-family
!
bfd
 profile quick
  receive-interval 100
!
line vty
"""

INNER = """\
interface eth1
 ip ospf area 0
 ip ospf dead-interval minimal hello-multiplier 4
 ip ospf network point-to-point
router ospf
 timers throttle lsa all 0
 timers lsa min-arrival 0
 redistribute connected
"""

PEER = """\
router bgp 65002
 no bgp ebgp-requires-policy
 timers bgp 1 3
 coalesce-time 0
 neighbor 10.2.0.1 remote-as 65001
 neighbor 10.2.0.1 timers connect 1
 neighbor 10.2.0.1 bfd
 address-family ipv4 unicast
  redistribute connected
"""


# -- what is declared --------------------------------------------------------


def router(text: str) -> Router:
    one = Router("r1", frr=text)
    Link(one, Host("h1"))
    return one


def test_a_text_starts_all_that_its_lines_need() -> None:
    one = router(EDGE)
    assert repr(one) == f"Router('r1', frr=<{len(EDGE.splitlines())} lines>)"
    assert one.routing is None
    services = make_plan([one]).node("r1").services
    assert [item.service for item in services] == ["frr", "ospf", "bfd", "bgp"]
    assert services[0] == FRR(EDGE)


def test_a_text_comes_out_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "frr.conf"
    path.write_text(EDGE)
    assert Router("r1", frr=path).frr == EDGE


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for path, words in (
        ("none", "there is no file"),
        ("pipe", "no file that holds text"),
        (".", "no file that holds text|Is a directory"),
        ("bytes", "its byte 0 is not UTF-8"),
    ):
        with pytest.raises(TopologyError, match=words):
            Router("r1", frr=tmp_path / path)
    with pytest.raises(TopologyError, match="write frr=Path"):
        Router("r1", frr="frr.conf")
    with pytest.raises(TopologyError, match="text in FRR's own words or the Path"):
        Router("r1", frr=7)  # type: ignore[arg-type]
    with pytest.raises(TopologyError, match="no text that FRR could read"):
        Router("r1", frr="router\0bgp")


def test_nobody_says_it_twice() -> None:
    with pytest.raises(TopologyError, match="leave one of the two out"):
        Router("r1", routing="ospf", frr=EDGE)
    with pytest.raises(TopologyError, match="leave the service out"):
        Router("r1", services=["bgp"], frr=EDGE)
    with pytest.raises(TopologyError, match='"router bgp 65001"; leave as_number out'):
        Router("r1", as_number=65001, frr=EDGE)


def test_a_line_whose_daemon_does_not_run_is_refused() -> None:
    text = "router ospf\n network 10.0.0.0/8 area 0\nrouter bgp 65001\n"
    one = Router("r1", services=[OSPF(text)], routing=None)
    Link(one, Host("h1"))
    with pytest.raises(TopologyError, match=r"line 3 of OSPF.*is for bgpd, which r1 does not run"):
        Lab(one)
    two = Router("r2", services=[OSPF(text), BGP()], routing=None)
    Link(two, Host("h2"))
    make_plan([two])


def test_the_lab_writes_no_settings_that_somebody_has_declared() -> None:
    one, two = Router("r1", services=["ospf6"], routing="ospf"), Router("r2", routing="ospf")
    Link(one, two)
    make_plan([one])
    with pytest.raises(TopologyError, match='r1: routing="ospf" has the lab write the settings'):
        make_plan([one], ipv6=True)


# -- what comes of it --------------------------------------------------------


def test_several_protocols_out_of_one_text(engine: Engine) -> None:
    inner, edge, peer = (
        Router("inner", frr=INNER),
        Router("edge", frr=EDGE),
        Router("peer", frr=PEER),
    )
    h1, h2 = Host("h1"), Host("h2")
    Link(inner, h1, subnet="10.1.0.0/24")
    Link(edge, Host("h0"), subnet="10.3.0.0/24")
    Link(inner, edge, subnet="10.9.0.0/24")
    Link(edge, peer, subnet="10.2.0.0/24")
    Link(peer, h2, subnet="10.4.0.0/24")
    with Lab(h1, quiet=True, keep=True) as lab:
        try:
            # All was told when start() came back.
            told = edge.vtysh("show running-config")
            assert "neighbor 10.2.0.2 bfd" in told
            assert "ip route 10.99.0.0/16 blackhole" in told
            assert list(edge.services) == ["frr", "ospf", "bfd", "bgp"]
            assert all(service.running for service in edge.services.values())
            inner.run("until ip route | grep -q 10.4.0.0; do sleep 0.05; done")
            peer.run("until ip route | grep -q 10.1.0.0; do sleep 0.05; done")
            assert_can_ping(h1, h2)
            edge.run("until vtysh -c 'show bfd peers' | grep -q 'Status: up'; do sleep 0.1; done")
            inner.run("ip route get 10.99.1.1; ip route get 10.255.0.1 | grep 10.9.0")
            # A daemon that starts anew is told again.
            edge.services["ospf"].restart()
            assert "redistribute bgp" in edge.vtysh("show running-config")
            with Lab.attach(lab.id, quiet=True) as again:
                other = again["edge"]
                assert isinstance(other, Router)
                assert other.frr == EDGE
                assert list(other.services) == ["frr", "ospf", "bfd", "bgp"]
        finally:
            lab.stop()


def test_lines_that_frr_refuses_keep_a_lab_from_starting(engine: Engine) -> None:
    one = router("router ospf\n network 10.0.0.0/8 area 0\n netwrok 10.9.0.0/16 area 0\n")
    lab = Lab(one, quiet=True)
    with pytest.raises(TopologyError, match=r"r1: FRR refuses .*frr=, .*: line 3, 'netwrok 10"):
        lab.start()
    assert not lab.running
    # A text that only the daemon can refuse is refused when it is told.
    text = "interface eth0\n ip ospf area 0\nrouter ospf\n network 10.0.0.0/8 area 0\n"
    two = Router("r2", services=[OSPF(text)], routing=None)
    Link(two, Host("h2"))
    lab = Lab(two, quiet=True)
    with pytest.raises(TopologyError, match=r"line 4, 'network .*: Please remove all ip ospf area"):
        lab.start()
    assert not lab.running


def test_a_password_and_lines_of_zebra_in_the_text_of_a_protocol(engine: Engine) -> None:
    text = "password zebra\nenable password zebra\ninterface lo\n ip address 10.10.10.1/32\n"
    text += "ip route 10.50.0.0/16 blackhole\nrouter rip\n network eth0\n timers basic 5 15 10\n"
    one = Router("r1", services=["ripng"], routing=None)
    two = Router("r2", routing=None, services=[RIP(text)])
    Link(one, two)
    with Lab(one, quiet=True):
        told = two.vtysh("show running-config")
        for line in ("password zebra", "ip address 10.10.10.1/32", "timers basic 5 15 10"):
            assert line in told
        two.run("until ip route | grep -q 10.50; do sleep 0.05; done")
        assert "10.10.10.1/32" in two.run("ip addr show lo").stdout


@pytest.fixture(scope="module")
def whole(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Router]:
    """A router on which all of FRR's daemons run."""
    one = Router("r1", services=list(ROUTING), routing=None)
    Link(one, Host("h1"))
    with Lab(one, quiet=True) as lab:
        keep_lab(lab.id)
        for service in one.services.values():
            service.wait_ready()
        yield one


def test_all_of_frr_runs(whole: Router) -> None:
    tell = ("configure terminal", "router isis LAB", "exit", "interface eth0", "ip pim")
    whole.vtysh(*tell)
    told = whole.vtysh("show running-config")
    assert "router isis LAB" in told
    assert " ip pim" in told


def commands(router: Router, port: int) -> set[str]:
    """Return what one of FRR's daemons takes among its settings, as it lists them itself."""
    say = ("terminal length 0", "enable", "configure terminal", "list", "interface eth0", "list")
    with router.sockets():
        terminal = socket.create_connection(("127.0.0.1", port), timeout=30)
    with terminal, terminal.makefile("rb") as answer:
        terminal.sendall("".join(f"{line}\n" for line in (*say, "end", "exit")).encode())
        rows = answer.read().decode("latin-1").splitlines()
    other = re.compile(r"(no|show|clear|do|exit|end|quit|find|list|output|write)\b|\[no")
    return {row.strip() for row in rows if row[:2] == "  " and not other.match(row.strip())}


@pytest.mark.cannot("swarm", "open sockets of hosts in this program")
def test_it_is_known_who_has_to_run_for_a_line(whole: Router) -> None:
    whole.vtysh("configure terminal", "line vty", "no login")
    everybody = set().union(*(commands(whole, port) for port in FRR_TERMINALS.values()))
    takers: dict[str, set[str]] = {}
    for name, row in ROUTING.items():
        for port in row.programs.values():
            for command in commands(whole, port) - everybody:
                takers.setdefault(command, set()).add(name)
    # Those of three and more are the library's, such as access lists.
    own = {line: names for line, names in takers.items() if len(names) < 3}
    assert len(own) > 200
    unknown = {
        line
        for line, names in own.items()
        # The first of what may stand there: "<ip|ipv6> nhrp ..."
        if not names & set(services_needed(re.sub(r"<([^|<>]+)\|[^>]*> ?", r"\1 ", line)))
    }
    # zebra has "delay" too, among what traffic engineering knows of a link.
    assert unknown - {"delay (1-16777215)"} == set()


def test_what_vtysh_complains_of() -> None:
    said = [
        "line 14: % Unknown command[43]:  netwrok 10.9.0.0/16 area 0",
        "Please remove all ip ospf area x.x.x.x commands first.",
        "line 13: Failure to communicate[13] to ospfd, line:  network 10.0.0.0/8 area 0",
        "MGMTD: something that was no refusal",
        "== /etc/frr/texts/ospf.conf",
        "line 14: % Unknown command[43]:  netwrok 10.9.0.0/16 area 0",
        "line 20: % Command incomplete[4]: ip route",
        "line 21: Failure to communicate[13] to bgpd, line: neighbor 1.2.3.4 activate",
        "Configuration file[/etc/frr/frr.conf] processing failure: 2",
    ]
    assert refusals(said) == [
        Refusal(13, "Please remove all ip ospf area x.x.x.x commands first."),
        Refusal(14, "unknown command"),
        Refusal(20, "command incomplete"),
        Refusal(21, "bgpd refuses it"),
    ]


def test_a_lab_that_is_not_strict_goes_on_without_a_refused_line(
    namespaces_engine: NamespacesEngine,
) -> None:
    router = Router("r1", frr="ip rote 10.8.0.0/16 blackhole\nip route 10.9.0.0/16 blackhole\n")
    Link(router, Host("h1"))
    lab = Lab(router, name="refused", quiet=True, strict=False, engine=namespaces_engine)
    with pytest.warns(LabWarning, match=r"line 1, 'ip rote 10\.8\.0\.0/16 blackhole'"), lab:
        assert "10.9.0.0/16" in router.vtysh("show ip route static")
