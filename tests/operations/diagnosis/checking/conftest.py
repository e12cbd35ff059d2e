"""One network for the checks of this folder, in which nothing is broken for long."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from playground import DNS, Host, Lab, Link, Router, Switch
from playground.engines.seam import Engine


@pytest.fixture(scope="package")
def lab(namespaces_engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    """h1 - home - r1 - r2 - www, and r1 - r3 - r2; routers speak OSPF, ns serves names."""
    home = Switch("home", subnet="10.5.0.0/24")
    h1, ns, www = Host("h1", services=["ssh"]), Host("ns", services=[DNS()]), Host("www")
    r1, r2, r3 = (
        Router(name, routing="ospf", loopback=[f"10.9.0.{number}/32"])
        for number, name in enumerate(("r1", "r2", "r3"), 1)
    )
    for node in (r1, h1, ns):
        Link(home, node)
    Link(r1, r2)
    Link(r1, r3)
    Link(r3, r2)
    Link(r2, www)
    with Lab(home, name="checking", quiet=True, engine=namespaces_engine) as lab:
        keep_lab(lab.id)
        yield lab
