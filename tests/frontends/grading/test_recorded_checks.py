"""Checks are written down, with what came of them."""

from __future__ import annotations

import pytest

from playground import CheckFailed, Host, Link
from playground.frontends.grading.outcomes import Tried
from playground.frontends.grading.recorded_checks import RecordedLab


def test_each_check_is_written_down_with_its_way(namespaces_engine) -> None:
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    with RecordedLab(h1, name="recorded", engine=namespaces_engine, quiet=True) as lab:
        lab.tried = []
        lab.check.reaches("h1", h2)
        with pytest.raises(CheckFailed):
            lab.check.reaches(h1, h2, port=80, within_s=0)
    assert lab.tried == [
        Tried("reaches: h1, h2 (h1 - h2)", True),
        Tried("reaches: h1, h2, port=80, within_s=0", False),
    ]
