"""FRR's daemons by hand: what starts them, and tells them all that a lab would."""

from __future__ import annotations

from playground.model.routing.policy import PrefixList
from playground.model.services.frr import FRR, OSPF
from playground.operations.network import Host, Link, Router
from playground.planning.frr_script import frr_commands
from playground.planning.planner import make_plan


def test_each_namespace_has_daemons_with_files_of_its_own() -> None:
    lines = list(frr_commands("r1", [FRR("ip route 10.9.0.0/16 blackhole\n"), OSPF("router ospf")]))
    assert lines == [
        "install -d -o frr -g frr /etc/frr/r1 /var/run/frr/r1",
        "touch /etc/frr/r1/vtysh.conf",
        "cat > /etc/frr/r1/frr.conf <<'END'\nip route 10.9.0.0/16 blackhole\nrouter ospf\nEND",
        "for daemon in mgmtd zebra staticd ospfd; do",
        "    ip netns exec r1 /usr/lib/frr/$daemon -d -N r1",
        "done",
        "vtysh -N r1 -f /etc/frr/r1/frr.conf",
    ]
    assert list(frr_commands("h1", [])) == []


def test_no_line_of_a_configuration_is_run_by_the_shell() -> None:
    router = Router("r1", frr="ip route 10.9.0.0/16 blackhole\nEND\ntouch /tmp/taken\n")
    script = make_plan([router]).as_shell()
    assert "/frr.conf <<'END2'\nip route 10.9.0.0/16 blackhole\nEND\ntouch /tmp/taken\n" in script
    assert "\nEND2\n" in script.partition("touch /tmp/taken")[2]


def test_a_script_has_the_policies_of_its_routers() -> None:
    some = PrefixList("some", "10.0.0.0/8 le 24")
    r1 = Router("r1", ["http"], ("ospf", "rip"), redistribute={"ospf": {"rip": some}})
    r2 = Router("r2", routing="rip")
    Link(r1, r2)
    Link(r2, Host("h"))
    script = make_plan([r1]).as_shell()
    assert "ip prefix-list some seq 5 permit 10.0.0.0/8 le 24" in script
    assert " redistribute rip route-map some" in script
    assert "for daemon in mgmtd zebra staticd ospfd ripd; do" in script
    assert "# What programs do is no part of this: http" in script
    # Daemons come when all is wired, and where they are installed.
    wired, _, rest = script.partition("if [ -x /usr/lib/frr/zebra ]; then\n")
    assert "-d -N" not in wired
    assert rest.index("-N r1") < rest.index("-N r2") < rest.index("\nfi\n")
    assert "kill $(cat /var/run/frr/$name/*.pid)" in rest
    assert "frr" not in make_plan([Host("alone")]).as_shell()
