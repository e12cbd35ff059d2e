"""The page that `scripts/bench` writes: no part is lost, no side left out in silence."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"bench_{Path(name).stem}", FOLDER / name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses look for what their annotations name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


page = load("page.py")
measured = load("against_kernel/measured.py")


def test_a_part_that_fails_is_said_and_the_others_are_written_when_they_are_there() -> None:
    pages: list[str] = []
    said: list[str] = []

    def broken() -> str:
        raise OSError("no libpcap\nand more")

    parts = {"One": lambda: "## One\n1\n", "Two": broken, "Three": lambda: "## Three\n3\n"}
    assert page.measure_parts(parts, pages.append, said.append, "# Page") == ["Two"]
    assert pages[0] == "# Page\n\n## One\n1\n"
    assert pages[2] == (
        "# Page\n\n## One\n1\n\n## Two\n\nNot measured: OSError: no libpcap\n\n## Three\n3\n"
    )
    assert said[0] == "One: took 0 s"
    assert "Traceback" in said[1]


def test_a_section_that_is_measured_alone_takes_the_place_of_the_old_one() -> None:
    old = "# Page\n\n## One\n1\n\n## Two\n2\n"
    new = "# New\n\n## Two\n\n3\n\n## Three\n4\n"
    told = "# Page\n\n## One\n1\n\n## Two\n\n3\n\n## Three\n4\n"
    assert page.merged(old, new) == told
    assert page.merged(told, new) == told


def test_a_side_that_is_left_out_is_said_with_what_to_install() -> None:
    assert page.left_out(lambda name: f"/usr/bin/{name}") == []
    (words,) = page.left_out(lambda name: None if name == "brctl" else "/usr/bin/x")
    assert words == "Mininet's switch, for want of brctl (apt-get install bridge-utils)"


def test_the_kernels_floor_makes_hosts_and_wires_and_says_how_long_it_took(tmp_path: Path) -> None:
    source = FOLDER.parent / "scripts" / "kernel-floor.c"
    program = tmp_path / "kernel-floor"
    subprocess.run(["cc", "-Wall", "-Werror", "-o", program, source], check=True)
    usage = subprocess.run([program], capture_output=True, text=True)
    assert usage.returncode == 2
    assert "HOSTS" in usage.stderr
    if os.geteuid() == 0:  # overlays of the machine's root are root's
        said = subprocess.run([program, "3", "2"], capture_output=True, text=True, check=True)
        assert set(json.loads(said.stdout)) == {"hosts_s", "wires_s", "down_s"}


def lines(*kinds: str) -> tuple[Any, ...]:
    return tuple(measured.Line(f"row {kind}", "2x", "1x", measured.Kind[kind]) for kind in kinds)


def test_a_row_has_medians_and_the_median_of_the_ratios_of_its_turns() -> None:
    ratio, share, seconds = lines("RATIO", "SHARE", "SECONDS")
    # The machine was slow in the third turn, for both.
    turns = measured.Measured([2.0, 2.0, 12.0], [1.0, 1.0, 6.0])
    assert measured.number(ratio, turns) == "2.00x (2.00 s / 1.00 s)"
    assert measured.number(share, turns) == "200 % (2.0 of 1.0 Gbit/s)"
    assert measured.number(seconds, measured.Measured([0.02, 0.5])) == "0.26 s"
    assert "not installed" in measured.number(ratio, measured.Measured([2.0]))
    assert measured.row(ratio, "1.5x") == "| row RATIO | 2x | 1.5x | 1x |  |"


def test_rows_that_fail_or_hang_are_told_and_those_after_them_are_measured() -> None:
    def broken(runs: int, say: Any) -> Any:
        raise OSError("no nft\nand more")

    def hangs(runs: int, say: Any) -> Any:
        with measured.at_most(0.01):
            time.sleep(60)

    def works(runs: int, say: Any) -> Any:
        return [measured.Measured([0.25])] * 2

    said: list[str] = []
    found = [
        measured.finish(measured.Job("key", lines("SECONDS", "SECONDS"), 1, *how), 5, said.append)
        for how in ((broken,), (hangs,), (works, "without an engine"), (works,))
    ]
    assert [one.error for one in found] == [
        "OSError: no nft",
        "TimeoutError: took longer than 0 s",
        "without an engine",
        "",
    ]
    assert all("not measured: " in row for one in found[:3] for row in one.rows)
    assert [row.split(" | ")[2] for row in found[3].rows] == ["0.25 s", "0.25 s"]
    assert len(said) == 2 and "Traceback" in said[0]


def test_rows_are_chosen_by_their_keys() -> None:
    jobs = [measured.Job(key, (), 1, lambda runs, say: []) for key in ("stars", "rules")]
    assert measured.chosen(jobs, None) == jobs
    assert measured.chosen(jobs, ["rules"]) == jobs[1:]
    with pytest.raises(KeyError, match="walls"):
        measured.chosen(jobs, ["walls", "rules"])
