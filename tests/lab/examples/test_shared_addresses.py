"""Ready labs in which many share one address, as they run."""

from __future__ import annotations

from playground.engines.namespaces.engine import NamespacesEngine
from playground.examples import balanced_site, carrier_grade_nat


def test_one_address_has_three_servers(namespaces_engine: NamespacesEngine) -> None:
    with balanced_site(quiet=True, engine=namespaces_engine) as lab:
        client = lab.node("client")
        said = {client.run("curl -s http://www.example.com/").stdout for _ in range(6)}
        assert said == {f"I am web{number}\n" for number in (1, 2, 3)}
        rows = lab.node("www").services["balancer"].servers()
        # One that was asked before it was there is "UP 1/2" until the next check.
        assert [row.status[:2] for row in rows] == ["UP"] * 3


def test_a_carriers_customers_come_from_one_address(namespaces_engine: NamespacesEngine) -> None:
    with carrier_grade_nat(quiet=True, engine=namespaces_engine) as lab:
        www = lab.node("www.example.com")
        with www.capture(filter="tcp port 80 and tcp[13] & 2 != 0") as packets:
            for name in ("anna", "ben"):
                assert "www.example.com" in lab.node(name).run("curl -s http://www/").stdout
        syns = [packet for packet in packets if packet.destination == "203.0.113.80"]
        assert {packet.source for packet in syns} == {"203.0.113.1"}
        assert len({packet.source_port for packet in syns}) == 2
        assert all(20000 <= packet.source_port <= 29999 for packet in syns)
        found = lab.explain(www, "203.0.113.1", port=80, protocol="tcp")
        assert (found.cause, found.node) == ("NAT", "carrier")
