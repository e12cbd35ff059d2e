"""Programs of a node that runs, as `lab.explain` sees them."""

from __future__ import annotations

from playground import Host, Lab, Link
from playground.engines.namespaces.engine import NamespacesEngine


def test_a_program_on_another_port_is_told_from_one_that_has_ended(
    namespaces_engine: NamespacesEngine,
) -> None:
    web = Host("web", command="python3 -m http.server 8000")
    h1 = Host("h1")
    Link(web, h1)
    with Lab(web, name="eleven-other-port", engine="namespaces", quiet=True) as lab:
        found = lab.explain(h1, web, port=8001)
        assert found.cause == "other port"
        assert "(main runs, web listens on port 8000)" in found.sentence
        web.services["main"].stop()
        found = lab.explain(h1, web, port=8001)
        assert found.cause == "server stopped"
        assert "(main stopped)" in found.sentence
