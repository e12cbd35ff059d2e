"""The choice of tests that run on a swarm."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.swarm_choice import NOT_ON_SWARM, ON_SWARM, ONLY, is_chosen

TESTS = Path(__file__).parent


SOME = [f"{file}::{name}" for file, names in ONLY.items() for name in names]


@pytest.mark.parametrize("place", [*ON_SWARM, *SOME, *NOT_ON_SWARM])
def test_what_is_named_is_there_and_asks_for_an_engine(place: str) -> None:
    file, _, name = place.partition("::")
    text = (TESTS / file).read_text()
    assert "engine" in text
    assert f"def {name}(" in text or not name


def test_a_run_of_all_takes_what_no_table_has() -> None:
    other = Path("lab/test_lab.py")
    assert is_chosen(other, "test_any", everything=True)
    assert not is_chosen(other, "test_any", everything=False)
    whole = next(file for file in ON_SWARM if file not in ONLY)
    assert is_chosen(Path(whole), "test_any", everything=False)


def test_of_some_files_a_run_takes_some() -> None:
    assert ONLY.keys() <= ON_SWARM.keys()
    file, names = next(iter(ONLY.items()))
    assert is_chosen(Path(file), names[0], everything=False)
    assert not is_chosen(Path(file), "test_any", everything=False)
    assert is_chosen(Path(file), "test_any", everything=True)
