"""Sliders say what `Link.impair` takes, and stand where the kernel says."""

from __future__ import annotations

import itertools

import pytest

from playground.errors import BadArgument
from playground.frontends.web.content.impairment_form import (
    BOTH,
    SLIDERS,
    arguments,
    in_direction,
    positions,
    words,
)
from playground.model.impairment import Impairment
from playground.operations.links.link import ImpairedDirection

NONE = {slider.name: 0 for slider in SLIDERS}
DELAY, LOSS, RATE = SLIDERS


def test_nothing_is_nothing() -> None:
    assert arguments(NONE, Impairment(), BOTH) == {}
    assert positions(Impairment()) == NONE


def test_each_step_goes_there_and_back() -> None:
    for slider in SLIDERS:
        for position, value in enumerate(slider.steps):
            said = arguments(NONE | {slider.name: position}, Impairment(), BOTH)
            assert said == ({slider.name: value} if position else {})
            assert positions(Impairment(**said)) == NONE | {slider.name: position}


@pytest.mark.parametrize("position", [99, -1, "2", 1.5, None, True])
def test_a_step_that_no_slider_has_is_refused(position: object) -> None:
    with pytest.raises(BadArgument, match="delay has no step"):
        arguments(NONE | {"delay_ms": position}, Impairment(), BOTH)


def test_one_direction_is_said() -> None:
    said = arguments(NONE | {"delay_ms": DELAY.position(20)}, Impairment(), "h1")
    assert said == {"delay_ms": 20, "toward": "h1"}


BEFORE = Impairment(
    delay_ms=20,
    jitter_ms=10,
    distribution="normal",
    loss_percent=1,
    loss_correlation=25,
    duplicate_percent=1,
    reorder_percent=2,
    rate_mbit=10,
    queue_packets=50,
)


def test_what_no_slider_has_stays() -> None:
    said = arguments(positions(BEFORE) | {"delay_ms": DELAY.position(50)}, BEFORE, BOTH)
    assert Impairment(**said) == Impairment(**BEFORE.settings() | {"delay_ms": 50})


@pytest.mark.parametrize("moved", [*itertools.product((0, 1, 5, 13), repeat=3)])
def test_whatever_the_sliders_say_can_be(moved: tuple[int, ...]) -> None:
    places = dict(zip(NONE, moved, strict=True))
    said = arguments(places, BEFORE, BOTH)
    assert {name: positions(Impairment(**said))[name] for name in places} == places


def test_a_value_between_two_steps_stands_at_the_nearer() -> None:
    assert DELAY.words(DELAY.position(21)) == "20 ms"
    assert RATE.words(RATE.position(None)) == "none"
    assert LOSS.words(1) == "0.1 %"


def test_what_the_kernel_says_in_words() -> None:
    rows = [ImpairedDirection("h1", Impairment(delay_ms=20), ("netem",))]
    assert words(rows) == "toward h1: delay 20 ms (by netem)"
    assert words([]) == "not impaired"
    assert in_direction(rows, "h2") == Impairment()
    assert in_direction(rows, BOTH).delay_ms == 20
