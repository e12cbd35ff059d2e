"""`playground.services` has every service's settings that `playground` has, the same ones."""

from __future__ import annotations

import playground
import playground.services
from playground.model import services


def test_both_names_lead_to_the_same_settings() -> None:
    rows = {
        name
        for name in playground.__all__
        if getattr(getattr(services, name, None), "__module__", "") == services.__name__
    }
    assert {"OSPF", "DHCP", "HTTP"} <= rows
    rows.add("Service")  # a user's own, which is no row of that table
    assert set(playground.services.__all__) == rows
    for name in rows:
        assert getattr(playground.services, name) is getattr(playground, name)
