"""The page that `scripts/bench` writes: no part is lost, no side left out in silence."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "page.py"


def load() -> Any:
    spec = importlib.util.spec_from_file_location("bench_page", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


page = load()


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
    assert "Traceback" in said[0]


def test_a_side_that_is_left_out_is_said_with_what_to_install() -> None:
    assert page.left_out(lambda name: f"/usr/bin/{name}") == []
    (words,) = page.left_out(lambda name: None if name == "brctl" else "/usr/bin/x")
    assert words == "Mininet's switch, for want of brctl (apt-get install bridge-utils)"


def test_the_kernels_floor_makes_hosts_and_wires_and_says_how_long_it_took(tmp_path: Path) -> None:
    source = FILE.parents[1] / "scripts" / "kernel-floor.c"
    program = tmp_path / "kernel-floor"
    subprocess.run(["cc", "-Wall", "-Werror", "-o", program, source], check=True)
    usage = subprocess.run([program], capture_output=True, text=True)
    assert usage.returncode == 2
    assert "HOSTS" in usage.stderr
    if os.geteuid() == 0:  # overlays of the machine's root are root's
        said = subprocess.run([program, "3", "2"], capture_output=True, text=True, check=True)
        assert set(json.loads(said.stdout)) == {"hosts_s", "wires_s", "down_s"}
