"""Routers that do not come together: what is said of them, and when."""

from __future__ import annotations

import pytest

from playground.engine import Engine
from playground.errors import NotReady, TopologyError
from playground.lab import Lab
from playground.network import Host, Link, Router


def test_a_lab_that_cannot_converge_starts_where_nobody_waits(engine: Engine) -> None:
    transit = Router("transit", routing="bgp", as_number=2)
    a, b = (Router(name, routing="bgp", as_number=180) for name in ("a", "b"))
    for router in (a, b):
        Link(transit, router)
        Link(router, Host(f"h{router.name}"))
    with Lab(transit, converge=False, quiet=True) as lab:
        Link(transit, Host("h"))
        lab.start()  # a lab that grows does not wait either
        with pytest.raises(NotReady):
            lab.wait_converged(0.1)
    with pytest.raises(TopologyError, match="converge='no' is neither True nor False"):
        lab.start(converge="no")  # type: ignore[arg-type]
