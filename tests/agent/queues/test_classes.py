"""Classes in the kernel's words: rates that fit 32 bits and rates that do not."""

from __future__ import annotations

import pytest

from playground.agent.queues.classes import class_options, read_class
from playground.model.queues.classes import Classes, TrafficClass


@pytest.mark.parametrize(
    ("scheduler", "rate_mbit"), [("htb", 8.0), ("htb", 90_000.0), ("hfsc", 8.0)]
)
def test_the_rates_of_a_class_are_read_back(scheduler: str, rate_mbit: float) -> None:
    classes = Classes((TrafficClass("rest", rate_mbit, ceil_mbit=rate_mbit),), scheduler)
    _, rest = classes.request(None, 1500)["classes"]
    found = read_class(scheduler, class_options(scheduler, rest))
    assert found == {"rate_mbit": rate_mbit, "ceil_mbit": rate_mbit}


def test_classes_of_other_schedulers_are_not_read() -> None:
    assert read_class("drr", b"") == {}
