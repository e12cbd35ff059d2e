"""Lines in FRR's own words: kept through all, checked before they are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.engines.seam import Engine
from playground.errors import TopologyError
from playground.lab.lab import Lab
from playground.model.services.frr import BFD, FRR, OSPF
from playground.operations.network import Host, Link, Router
from playground.planning.planner import make_plan


def test_lines_come_after_what_a_router_is_told_anyway(tmp_path: Path) -> None:
    router = Router("r1", frr="ip route 10.9.0.0/16 blackhole\n")
    assert router.frr_text == router.frr
    (tmp_path / "more.conf").write_text("bfd\n peer 10.0.1.2\n")
    router.configure(tmp_path / "more.conf")
    router.configure("ip route 10.8.0.0/16 blackhole")
    router.configure("ip route 10.8.0.0/16 blackhole")  # as a cell of a notebook that ran twice
    text = "ip route 10.9.0.0/16 blackhole\nbfd\n peer 10.0.1.2\nip route 10.8.0.0/16 blackhole\n"
    assert router.frr_text == text
    Link(router, Host("h"))
    assert make_plan([router]).node("r1").services == (FRR(text), BFD())


def test_a_router_whose_routing_the_lab_writes_takes_lines_too() -> None:
    router = Router("r1", routing="ospf")
    Link(router, Host("h"))
    router.configure("interface eth0\n ip ospf cost 77")
    ospf, frr = make_plan([router]).node("r1").services
    assert isinstance(ospf, OSPF) and ospf.from_lab
    assert frr == FRR("interface eth0\n ip ospf cost 77\n")


def test_what_is_no_text_is_refused() -> None:
    router = Router("r1")
    with pytest.raises(TopologyError, match=r"write lines=Path\('my.conf'\)"):
        router.configure("my.conf")
    with pytest.raises(TopologyError, match="is a text in FRR's own words or the Path"):
        router.configure(7)  # type: ignore[arg-type]
    assert router.frr_lines == ()
    assert router.frr_text is None


def test_lines_last_while_daemons_start_anew_and_the_lab_grows(engine: Engine) -> None:
    r1, r2, static = Router("r1", routing="ospf"), Router("r2", routing="ospf"), Router("static")
    between = Link(r1, r2)
    Link(r2, static)
    Link(r1, Host("h1"))
    r1.configure("ip route 10.99.0.0/16 blackhole")
    with Lab(r1, quiet=True) as lab:
        assert "10.99.0.0/16" in r1.vtysh("show running-config")
        r2.configure("interface eth0\n ip ospf cost 77\nbfd\n peer 10.0.1.1")  # while it runs
        assert r2.ospf_links == {}
        assert "ip ospf cost 77" in r2.vtysh("show running-config")
        with pytest.raises(TopologyError, match=r"line 2, 'router nonsense': unknown command"):
            r1.configure("router nonsense")
        assert r1.frr_lines == ("ip route 10.99.0.0/16 blackhole",)
        with pytest.raises(TopologyError, match="static runs already, without FRR's daemons"):
            static.configure("ip route 10.99.0.0/16 blackhole")
        r2.services["ospf"].restart()
        Link(r1, Host("h2"))
        lab.start()
        r2.ospf(between, area=0, priority=3)
        for router, line in ((r1, "ip route 10.99.0.0/16 blackhole"), (r2, "ip ospf cost 77")):
            assert line in router.vtysh("show running-config")
