"""One address at two places, as the ready lab has it."""

from __future__ import annotations

from playground.engines.namespaces.engine import NamespacesEngine
from playground.examples import anycast_dns


def test_everybody_reaches_the_nearest_and_then_the_other(
    namespaces_engine: NamespacesEngine,
) -> None:
    with anycast_dns(quiet=True, engine=namespaces_engine) as lab:
        who = "dig +short +tries=2 +time=3 @192.0.2.53 CH TXT id.server"
        assert lab.explain("anna", "192.0.2.53").path[-1] == "east"
        assert lab.explain("ben", "192.0.2.53").path[-1] == "west"
        # In the middle, from where both are as far.
        resolver = lab.node("resolver")
        assert resolver.run(who).stdout.strip() in ('"east"', '"west"')
        assert resolver.run("dig +short anna").stdout.strip() == lab.node("anna").address
        lab.link("r1", "east").down()
        lab.wait_converged()
        assert lab.explain("anna", "192.0.2.53").path[-1] == "west"
        assert resolver.run(who).stdout.strip() == '"west"'
