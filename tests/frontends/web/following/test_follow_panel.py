"""The panel takes what people type for a port, and hands the picture text alone."""

from __future__ import annotations

import pytest

from playground import BadArgument
from playground.frontends.web.following.follow_panel import drawn, port_of
from playground.frontends.web.following.packet_way import Passage, Stop


@pytest.mark.parametrize(
    ("value", "port"), [(0, None), (None, None), ("ping", None), (80, 80), ("8080", 8080)]
)
def test_a_port_is_a_number_or_a_ping(value: object, port: int | None) -> None:
    assert port_of(value) == port


@pytest.mark.parametrize("value", ["http", "65536", "-1", "1e3", "٣x"])
def test_what_is_no_port_is_refused(value: str) -> None:
    with pytest.raises(BadArgument, match="from 1 to 65535"):
        port_of(value)


def test_what_a_host_says_reaches_the_picture_as_visible_text_of_some_letters() -> None:
    step = drawn(Stop("h1", "there", said="\x1b[2J" + "x" * 500))
    assert "\x1b" not in step["said"] and len(step["said"]) <= 120
    assert drawn(Passage(3, "h1", "back")) == {"cable": 3, "toward": "h1", "way": "back"}
