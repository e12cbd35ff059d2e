"""The table of features that a kernel may lack."""

from __future__ import annotations

from playground.model.kernel.features import FEATURES, advice


def test_each_row_names_a_module_an_option_and_what_needs_it() -> None:
    for name, row in FEATURES.items():
        assert row.name == name
        assert row.option.startswith("CONFIG_")
        assert row.module in row.lacking() and row.option in row.lacking()
        assert row.kind in ("link", "queue", "congestion", "mpls")


def test_advice_names_each_module_once() -> None:
    assert "modprobe ip_gre vrf " in advice(["gre", "vrf", "gre"])
