"""`playground grade` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from playground.frontends.cli import main


def test_a_class_is_marked_by_the_command(tmp_path: Path, namespaces_engine) -> None:
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "anna.py").write_text("1 / 0")
    (tmp_path / "exercise_test.py").write_text("def test_it(lab): ...")
    words = ["--quiet", "grade", str(tmp_path / "exercise_test.py"), str(tmp_path / "class")]
    words += ["--output", str(tmp_path / "marks")]
    shown = CliRunner().invoke(main, words)
    assert shown.exit_code == 0, shown.output
    assert "anna     0 of 1" in shown.output
    data = json.loads(CliRunner().invoke(main, [*words, "--json"]).output)
    assert (data[0]["student"], data[0]["points"]) == ("anna", 1)


def test_an_exercise_that_is_missing_is_a_sentence(tmp_path: Path) -> None:
    shown = CliRunner().invoke(main, ["grade", str(tmp_path / "no.py"), str(tmp_path)])
    assert shown.exit_code == 1
    assert "is no exercise" in shown.output
