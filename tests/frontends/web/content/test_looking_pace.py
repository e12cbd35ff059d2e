"""A panel spends a tenth of its time in looking, at most."""

from __future__ import annotations

from playground.frontends.web.content.looking_pace import Pace


def test_a_quick_answer_leaves_the_pace_as_it_is() -> None:
    pace = Pace(1.0)
    pace.looked(10.0, 0.01)
    assert not pace.is_due(10.9)
    assert pace.is_due(11.0)


def test_a_slow_answer_is_asked_less_often_yet_asked() -> None:
    pace = Pace(1.0)
    pace.looked(10.0, 0.5)
    assert not pace.is_due(14.9)
    assert pace.is_due(15.0)
    pace.looked(15.0, 60.0)
    assert pace.is_due(45.0)


def test_a_change_is_shown_at_once() -> None:
    pace = Pace(60.0)
    pace.looked(0.0, 0.0)
    pace.hurry()
    assert pace.is_due(0.0)
