"""MPLS in labs: packets travel by labels that routers tell each other."""

from __future__ import annotations

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
from playground.errors import EngineError
from playground.lab.lab import Lab
from playground.operations.network import Host, Link, Router
from tests import second_kernel
from tests.facts import assert_can_ping


# On a second kernel the page docs/how-to/mpls.md says the same of the same network.
def test_packets_travel_by_labels(namespaces_engine: NamespacesEngine) -> None:
    routers = [Router(f"r{n}", routing="ospf", loopback=f"10.10.10.{n}/32") for n in (1, 2, 3)]
    r1, r2, r3 = routers
    h1, h2 = Host("h1"), Host("h2")
    core = [Link(r1, r2), Link(r2, r3)]
    Link(h1, r1, subnet="10.1.0.0/24")
    Link(h2, r3, subnet="10.2.0.0/24")
    for router in routers:
        router.mpls([link for link in router.links if link in core])
    lab = Lab(h1, name="labels", quiet=True, engine=namespaces_engine)
    if "mpls" in second_kernel.lacking():
        with pytest.raises(EngineError, match=r"labels of r1, .* no mpls_router .*modprobe"):
            lab.start()
        return
    with lab:
        with core[0].capture(filter="mpls") as packets:
            assert_can_ping(h1, h2)
        far = {str(label.network): label for label in r1.labels()}["10.10.10.3/32"]
        assert (far.neighbour, far.used) == ("r2", True) and isinstance(far.theirs, int)
        # There with a label; r2, the last but one on the way back, takes it off.
        assert [packet.protocol for packet in packets] == ["MPLS"]
        assert packets[0].info.startswith("label ")
        last = {str(label.network): label for label in r2.labels() if label.neighbour == "r3"}
        assert last["10.10.10.3/32"].theirs == "implicit null"
        found = lab.explain(h1, h2)
        assert found.ok and found.path == ("h1", "r1", "r2", "r3", "h2"), found
        assert "with the label " in str(found)
