"""Outcomes are kept beside the marks."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.frontends.grading import kept_outcomes
from tests.frontends.grading.class_of import CLASS


def test_what_is_kept_is_read_again_by_its_owner_only(tmp_path: Path) -> None:
    kept_outcomes.write(tmp_path, {"a": CLASS[0], "b": CLASS[1]})
    assert kept_outcomes.read(tmp_path) == {"a": CLASS[0], "b": CLASS[1]}
    assert (tmp_path / kept_outcomes.NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "outcomes": {"a": {}}}'])
def test_a_spoilt_file_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / kept_outcomes.NAME).write_text(text)
    assert kept_outcomes.read(tmp_path) == {}
