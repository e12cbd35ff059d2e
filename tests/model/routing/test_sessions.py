"""Settings of sessions: what is taken, what is refused."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.model.routing.sessions import check_bfd, check_password, check_whole


@pytest.mark.parametrize("password", ["", "with blank", "new\nline", "x" * 17, 7, 'quo"te', "a!b"])
def test_what_a_line_of_frr_cannot_hold_is_no_password(password: object) -> None:
    with pytest.raises(TopologyError, match="is no password: one has 1 to 16 letters"):
        check_password("r1", password, 16)


def test_what_can_be_is_taken() -> None:
    check_password("r1", None, 16)
    check_password("r1", "s3cret-$", 16)
    check_bfd("r1", None)
    check_bfd("r1", 100)
    check_whole("r1", "paths", 4, 1, 64)


@pytest.mark.parametrize("interval", [True, 9, 0.5, "fast", 60_001])
def test_an_interval_of_bfd_is_a_number_of_milliseconds(interval: object) -> None:
    with pytest.raises(TopologyError, match="whole number of milliseconds from 10 to 60,000"):
        check_bfd("r1", interval)
