"""Waiting for what should be so."""

from __future__ import annotations

import pytest

from playground.errors import BadArgument
from playground.operations.diagnosis.checking.looking import check_within, wait


def test_it_looks_until_it_is_right_or_time_is_over() -> None:
    seen = iter(range(100))
    assert wait(lambda: next(seen), lambda number: number == 2, 60) == 2
    assert wait(lambda: next(seen), lambda number: False, 0) == 3


@pytest.mark.parametrize("within_s", [-1, "5", None, float("nan"), True])
def test_what_is_no_time_is_refused(within_s: object) -> None:
    with pytest.raises(BadArgument, match="is no number of seconds; write within_s=5"):
        check_within(within_s)
