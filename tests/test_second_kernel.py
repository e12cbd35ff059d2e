"""The second kernel, booted for the tests that are marked for it (`tests.second_kernel`).

What runs inside are tests of this same folder, on the engine of bare namespaces.  A test that
fails there, or is skipped, fails here, with all that it said.

"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests import second_kernel

TOP = Path(__file__).resolve().parents[1]
SCRIPT = TOP / "scripts" / "second-kernel"

# A processor is busy there for some minutes, which on a busy machine come slowly.
LIMIT_S = 1500

# As the tests inside are.
pytestmark = [pytest.mark.engine, pytest.mark.namespaces]


@pytest.fixture(scope="module", autouse=True)
def another_kernel() -> None:
    """Skip where there is none for this processor, or none was installed (in CI: fail)."""
    if platform.machine() != "x86_64":
        pytest.skip("user-mode-linux runs on x86 only")
    needed = {"linux.uml": "user-mode-linux", "insmod": "kmod"}
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [needed[name] for name in needed if shutil.which(name, path=path) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"CI has to run tests on a second kernel: install {' '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {' '.join(missing)}")


def on_second_kernel(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *arguments],
        cwd=TOP,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S + 60,
        check=False,
    )


def test_a_command_finds_the_machines_files_and_changes_none(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    script = """
        echo "$(pwd), $(id -u), $0, $1"
        uname -r >&2
        modprobe sch_netem && echo netem
        touch no-such-file "$2/seen"
        exit 7
    """
    words = ["bash", "-c", script, "two words", "$HOME", shared]
    done = on_second_kernel("--share", shared, *map(str, words))
    assert done.returncode == 7, done.stderr
    first, kernel, last = done.stdout.splitlines()
    assert first == f"{TOP}, 0, two words, $HOME"
    assert kernel != platform.release()
    assert last == "netem"
    assert not (TOP / "no-such-file").exists()
    assert [path.name for path in shared.iterdir()] == ["seen"]


def test_what_does_not_end_is_ended() -> None:
    begin = time.monotonic()
    done = on_second_kernel("--limit", "4", "sh", "-c", "echo begun; sleep 1000")
    assert done.returncode == 125
    assert "was ended after its limit of 4 s" in done.stderr
    assert time.monotonic() - begin < LIMIT_S
    # Whatever ran in there was a process of this machine's, in a namespace that is gone.
    assert done.stdout in ("begun\n", "")


@pytest.mark.timeout(LIMIT_S + 120)
def test_all_tests_that_are_marked_for_it_pass_there(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    report = tmp_path / "report.xml"
    files = second_kernel.files()
    assert files
    begin = time.monotonic()
    options = ["-p", "no:cacheprovider", "--color=no", "-q", f"--junitxml={report}"]
    done = on_second_kernel(
        *("--share", tmp_path, "--limit", str(LIMIT_S)),
        *("env", "CI=true", "PLAYGROUND_TESTS_ON=second-kernel", "COLUMNS=100"),
        *(sys.executable, "-m", "pytest", *options),
        *("-m", f"{second_kernel.MARK} and (namespaces or not engine)", *files),
    )
    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said
    suite = ElementTree.parse(report).getroot().find("testsuite")
    assert suite is not None
    counted = {name: int(suite.attrib[name]) for name in ("errors", "failures", "skipped")}
    assert counted == {"errors": 0, "failures": 0, "skipped": 0}, said
    tests = int(suite.attrib["tests"])
    assert tests >= len(files)
    # tests/conftest.py prints it at the end of the run.
    took_s = time.monotonic() - begin
    record_property(
        second_kernel.MARK, f"{tests} tests of {len(files)} files passed in {took_s:.0f} s"
    )
