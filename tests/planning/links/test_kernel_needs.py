"""What of the kernel a plan needs, and the sentence where that is missing."""

from __future__ import annotations

from playground.model.links.tunnel import Tunnel
from playground.model.topology import Host, Link
from playground.planning.links.kernel_needs import kernel_needs, refusal
from playground.planning.planner import make_plan


def test_cables_need_nothing_and_a_tunnel_its_module() -> None:
    a, b = Host("a"), Host("b")
    Link(a, b)
    assert kernel_needs(make_plan([a])) == {}
    Tunnel(a, b, kind="gre")
    needs = kernel_needs(make_plan([a]))
    assert needs == {"gre": ["gre1 of a", "gre1 of b"]}
    assert refusal(needs, set()) == ""
    said = refusal(needs, {"gre"})
    assert said.startswith("gre1 of a, gre1 of b cannot be made, for this kernel has no ip_gre (")
    assert "modprobe ip_gre" in said
