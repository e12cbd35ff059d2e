"""`playground.services` has every service's settings that `playground` has, the same ones."""

from __future__ import annotations

import playground
import playground.services


def test_both_names_lead_to_the_same_settings() -> None:
    rows = {
        name
        for name in playground.__all__
        if getattr(getattr(playground, name), "__module__", "").startswith(
            "playground.model.services."
        )
    }
    assert {"OSPF", "DHCP", "HTTP"} <= rows
    rows.add("Service")  # a user's own, which is no row of that table
    assert set(playground.services.__all__) == rows
    for name in rows:
        assert getattr(playground.services, name) is getattr(playground, name)
