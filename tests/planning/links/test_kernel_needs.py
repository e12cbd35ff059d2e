"""What of the kernel a plan needs, and the sentence where that is missing."""

from __future__ import annotations

from playground.model.kernel.features import KEPT
from playground.model.links.tunnel import Tunnel
from playground.operations.network import Host, Link
from playground.planning.links.kernel_needs import kernel_needs, new_needs, refusal
from playground.planning.planner import make_plan


def test_cables_need_nothing_and_a_tunnel_its_module() -> None:
    a, b = Host("a"), Host("b")
    Link(a, b)
    assert kernel_needs(make_plan([a])) == {}
    Tunnel(a, b, kind="gre")
    needs = kernel_needs(make_plan([a]))
    assert needs == {"gre": ["gre1 of a", "gre1 of b"]}
    assert refusal(needs, {}) == ""
    said = refusal(needs, {"gre": "Operation not supported"})
    assert said.startswith("gre1 of a, gre1 of b cannot be made, for this kernel has no ip_gre (")
    assert "modprobe ip_gre" in said


def test_a_kernel_may_keep_a_congestion_control_for_itself() -> None:
    a, b = Host("a", congestion_control="cubic"), Host("b", congestion_control="reno")
    Link(a, b)
    before = make_plan([a])
    needs = kernel_needs(before)
    assert needs == {"cubic": ["congestion control of a"]}
    said = refusal(needs, {"cubic": KEPT})
    assert "this kernel has cubic for programs of the machine alone" in said
    assert "sysctl -w net.ipv4.tcp_allowed_congestion_control=" in said
    assert "modprobe" not in said
    assert "no tcp_cubic (CONFIG_TCP_CONG_CUBIC)" in refusal(needs, {"cubic": "No such file"})
    assert new_needs(None, before) == needs
    assert new_needs(before, before) == {}


def test_the_queues_of_links_need_their_modules() -> None:
    a, b = Host("a"), Host("b")
    link = Link(a, b)
    link.queue("fq_codel", toward=b)
    assert kernel_needs(make_plan([a])) == {"fq_codel": ["the queue fq_codel at eth0 of a"]}
