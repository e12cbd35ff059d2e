"""Outcomes travel as JSON."""

from __future__ import annotations

import json

import pytest

from playground.frontends.grading.outcomes import outcome_data, outcome_from
from tests.frontends.grading.class_of import CLASS


@pytest.mark.parametrize("outcome", CLASS, ids=["anna", "evil"])
def test_an_outcome_is_the_same_behind_json(outcome) -> None:
    assert outcome_from(json.loads(json.dumps(outcome_data(outcome)))) == outcome


def test_points_are_those_of_its_checks() -> None:
    assert (CLASS[0].got, CLASS[0].points) == (3, 6)
