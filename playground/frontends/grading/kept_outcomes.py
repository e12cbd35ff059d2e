"""Outcomes kept beside the marks, so that only what changed is marked anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from playground.engines.whole_files import write_whole
from playground.frontends.grading.outcomes import StudentMarks, outcome_data, outcome_from

NAME = "outcomes.json"
_FORMAT = 1


def read(folder: Path) -> dict[str, StudentMarks]:
    """Return the outcomes that are kept in a folder, by their keys; {} where there are none.

    A file of another version, or one that somebody spoilt, counts as none.

    """
    try:
        data = json.loads((folder / NAME).read_text(encoding="utf-8"))
        if data["format"] != _FORMAT:
            return {}
        return {key: outcome_from(one) for key, one in data["outcomes"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write(folder: Path, outcomes: Mapping[str, StudentMarks]) -> None:
    """Keep outcomes in a folder, by their keys; only their owner may read them."""
    data = {
        "format": _FORMAT,
        "outcomes": {key: outcome_data(one) for key, one in outcomes.items()},
    }
    write_whole(folder / NAME, json.dumps(data, indent=1), mode=0o600)
