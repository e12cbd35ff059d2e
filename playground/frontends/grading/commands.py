"""The command `playground grade`: what was asked, as options, and its answer."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from playground.errors import BadArgument


def grade_class(
    exercise: Path, submissions: Path, output: Path, asked: Mapping[str, Any], say: Any
) -> None:
    """Mark a class, and say where the marks are."""
    if importlib.util.find_spec("pytest") is None:
        raise BadArgument(
            "playground grade runs exercises by pytest, which is not here: "
            'pip install "network-playground[grade]"'
        )
    from playground.display.tables import text_table
    from playground.frontends.grading.grade import GradeOptions, grade, shown_as_table

    options = GradeOptions(
        limit_s=asked["time_limit"],
        memory_mb=asked["memory"],
        jobs=asked["jobs"],
        # Hosts of strangers: the engine on which they reach nothing else (SECURITY.md).
        engine=os.environ.get("PLAYGROUND_ENGINE") or "namespaces",
        trusted=asked["trust"],
        grants=tuple(asked["grant"]),
        again=asked["again"],
    )
    outcomes = grade(exercise, submissions, output, options, say)
    if asked["as_json"]:
        from playground.frontends.grading.outcomes import outcome_data

        data = [{**outcome_data(one), "got": one.got, "points": one.points} for one in outcomes]
        click.echo(json.dumps(data, indent=2))
        return
    click.echo(text_table(shown_as_table(outcomes), None))
    say(f"marks are in {output}: see {output / 'index.html'}")
