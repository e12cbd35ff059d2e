"""The style of a living picture: each state looks another way, and not by colour alone."""

from __future__ import annotations

import re

import pytest

from playground.display.live_picture import traffic_level
from playground.operations.pictures.live_style import LIVE_STYLE


@pytest.mark.parametrize("state", ["down", "blocked", "impaired"])
def test_a_state_is_told_by_the_line_itself(state: str) -> None:
    rules = re.findall(rf"\.pg-cable\[data-state={state}\] path[^{{]*{{([^}}]*)}}", LIVE_STYLE)
    assert any("stroke-dasharray" in rule for rule in rules)


@pytest.mark.parametrize("end", ["a", "b"])
def test_each_level_of_traffic_is_wider_than_the_one_before(end: str) -> None:
    pattern = rf'\[data-{end}="(\d)"\] \.pg-flow-{end}{{visibility:visible;stroke-width:([\d.]+)}}'
    widths = [float(width) for _, width in sorted(re.findall(pattern, LIVE_STYLE))]
    assert len(widths) == traffic_level(1e12)
    assert widths == sorted(set(widths))


def test_who_wants_no_motion_has_none() -> None:
    before, _, after = LIVE_STYLE.partition("@media (prefers-reduced-motion:no-preference){")
    moving = after.partition("\n}\n")[0]
    assert "animation:" in moving
    assert "animation:" not in LIVE_STYLE.replace(moving, "")
    assert before.count("{") == before.count("}")
    assert LIVE_STYLE.count("{") == LIVE_STYLE.count("}")
