"""A forked keeper has the environment of its lab; test_fork_client.py has the rest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CLONE = Path(__file__).resolve().parents[3]

PROGRAM = """
import json, os, subprocess, sys
from pathlib import Path
from playground.engines.namespaces.fork_server import write_environment
try:
    write_environment(json.loads(sys.argv[1]))
except ValueError as error:
    sys.exit(str(error))
print(Path("/proc/self/environ").read_text().rstrip("\\0").split("\\0"))
print(subprocess.run(["/usr/bin/env"], capture_output=True, text=True).stdout.split())
"""


def run(environ: str, room_bytes: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, environ],
        env={"PYTHONPATH": str(CLONE), "ROOM": "." * room_bytes},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_an_environment_is_seen_in_proc_and_by_what_is_run() -> None:
    said = run('{"PATH": "/bin", "playground.lab": "a=b"}', 1000)
    assert said.stderr == ""
    assert said.stdout == "['PATH=/bin', 'playground.lab=a=b']\n" * 2


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
def test_an_environment_without_room_is_refused(more: int, fits: bool) -> None:
    room = 1000
    all_bytes = len(f"PYTHONPATH={CLONE}") + 1 + len("ROOM=") + room + 1
    value = "x" * (all_bytes - len("A=") - 1 + more)
    said = run(f'{{"A": "{value}"}}', room)
    assert (said.returncode == 0) == fits
    assert fits or "too long: give it a shorter name" in said.stderr
