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
    rows |= {"Service", "Volume"}  # a service of the user's own, and its folder: no rows
    assert set(playground.services.__all__) == rows
    for name in rows:
        assert getattr(playground.services, name) is getattr(playground, name)
