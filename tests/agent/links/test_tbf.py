"""The token bucket filter: the rate that it is told is what is read back."""

from __future__ import annotations

import pytest

from playground.agent.links.tbf import read_tbf, tbf_options


@pytest.mark.parametrize("rate_mbit", [0.064, 2, 100, 100_000])
def test_tbf_keeps_the_rate_that_it_was_told(rate_mbit: float) -> None:
    wanted = {"rate_mbit": rate_mbit, "burst_bytes": 3000, "queue_bytes": 1 << 20}
    assert read_tbf(tbf_options(wanted)) == {"rate_mbit": rate_mbit}
