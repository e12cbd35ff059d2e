"""Links of a lab that runs, for who looks while another thread stops it."""

from __future__ import annotations

from playground import Host, Lab, Link, Switch
from playground.engines.namespaces.engine import NamespacesEngine
from playground.operations.pictures.live_links import live_links
from tests.support_agent import needs_root


def test_a_lab_that_does_not_run_has_none() -> None:
    home = Switch("home")
    Link(home, Host("h1"))
    assert live_links([home]) == []


@needs_root
def test_a_wire_is_known_after_the_lab_was_stopped(namespaces_engine: NamespacesEngine) -> None:
    home, h1 = Switch("home"), Host("h1")
    link = Link(home, h1)
    with Lab(home, name="live-links", engine=namespaces_engine, quiet=True) as lab:
        (found,) = live_links(lab.nodes)
    assert link._live is None
    assert found.link is link
    assert {end.node for end in found.ends} == {"home", "h1"}
