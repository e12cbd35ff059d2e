"""What guards of ports have refused, read from what the agent says."""

from __future__ import annotations

from playground.model.switching.port_guards import PortGuardPlan
from playground.operations.diagnosis.evidence.port_guards import GuardedPort, guarded_ports
from playground.planning.plan_parts import SwitchPlan


def test_each_guard_has_what_it_refused() -> None:
    secured = PortGuardPlan("p1", max_macs=2, macs=("02:00:00:00:00:01",), sticky=True)
    limited = PortGuardPlan("p2", storm_limit=10)
    switch = SwitchPlan("s", "s", guards=(secured, limited))
    rows = [
        {
            "table": "port-p1",
            "learned": ["02:00:00:00:00:02"],
            "refused": [["02:00:00:00:00:03", 7]],
            "suppressed": None,
        },
        {"table": "port-p2", "learned": [], "refused": [], "suppressed": 5},
    ]
    macs = ("02:00:00:00:00:01", "02:00:00:00:00:02")
    assert guarded_ports(switch, rows) == {
        ("s", "p1"): GuardedPort(secured, macs, frozenset({"02:00:00:00:00:03"}), 0),
        ("s", "p2"): GuardedPort(limited, (), frozenset(), 5),
    }
