"""A kernel that has netem, booted for these tests: what links do there is measured there.

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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest

TOP = Path(__file__).resolve().parents[1]
SCRIPT = TOP / "scripts" / "with-netem"

# Each half takes some 50 s of a processor, which on a busy machine come slowly.
LIMIT_S = 480

# Of both ways that a parameter has, the one with the kernel's own netem.
AGENTS = "tests/test_impairing.py::test_{}[as the kernel can]"
LINKS = "tests/operations/links/test_link.py::test_{}[namespaces]"
VLANS = "tests/model/test_vlans.py::test_{}[namespaces]"
TAGS = "tests/model/test_vlans.py::test_{}[as the kernel can]"
FRAMES = "tests/test_measured_links.py::test_frames_fare_as_was_said"
OTHERS = (
    "tests/test_measured_links.py",
    f"--deselect={FRAMES}",
    AGENTS.format("an_impairment_gives_way_to_the_next"),
    AGENTS.format("a_refused_impairment_leaves_what_was_before"),
    LINKS.format("an_impairment_of_the_declaration_is_there_from_the_start"),
    LINKS.format("toward_a_switch_and_from_it"),
    # That kernel has 8021q and bridges that filter too.
    TAGS.format("a_trunk_of_a_node_has_an_interface_for_each_vlan"),
    VLANS.format("hosts_of_one_vlan_reach_each_other_and_no_others"),
    VLANS.format("frames_on_a_trunk_have_the_tag_of_their_vlan"),
    VLANS.format("ports_and_table_say_the_vlan"),
    VLANS.format("a_router_on_a_stick_leads_from_vlan_to_vlan"),
    "tests/planning/test_shell_script.py::test_an_office_made_by_hand_has_a_router_on_a_stick",
)


@pytest.fixture(scope="module", autouse=True)
def another_kernel() -> None:
    """Skip where there is none for this processor, or none was installed (in CI: fail)."""
    if platform.machine() != "x86_64":
        pytest.skip("user-mode-linux runs on x86 only")
    needed = {"linux.uml": "user-mode-linux", "insmod": "kmod"}
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [needed[name] for name in needed if shutil.which(name, path=path) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"CI has to measure netem: install {' '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {' '.join(missing)}")


def with_netem(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
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
    done = with_netem("--share", shared, *map(str, words))
    assert done.returncode == 7, done.stderr
    first, kernel, last = done.stdout.splitlines()
    assert first == f"{TOP}, 0, two words, $HOME"
    assert kernel != platform.release()
    assert last == "netem"
    assert not (TOP / "no-such-file").exists()
    assert [path.name for path in shared.iterdir()] == ["seen"]


def test_what_does_not_end_is_ended() -> None:
    begin = time.monotonic()
    done = with_netem("--limit", "4", "sh", "-c", "echo begun; sleep 1000")
    assert done.returncode == 125
    assert "was ended after its limit of 4 s" in done.stderr
    assert time.monotonic() - begin < LIMIT_S
    # Whatever ran in there was a process of this machine's, in a namespace that is gone.
    assert done.stdout in ("begun\n", "")


@pytest.mark.alone  # a kernel's clock is the machine's, and its one processor has to keep up
def test_links_fare_with_netem_as_is_said_of_them(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as two_kernels:
        frames = two_kernels.submit(run_inside, tmp_path / "frames", FRAMES)
        others = two_kernels.submit(run_inside, tmp_path / "others", *OTHERS)
    assert frames.result() > 1
    assert others.result() > len(OTHERS)


def run_inside(shared: Path, *chosen: str) -> int:
    """Run these tests on a kernel of their own; return how many there were: none may be skipped."""
    shared.mkdir()
    report = shared / "report.xml"
    pytest_options = ["-p", "no:cacheprovider", "--color=no", "-m", "not docker", "-q"]
    done = with_netem(
        *("--share", shared, "--limit", str(LIMIT_S)),
        *("env", "CI=true", "PLAYGROUND_TESTS_ON=netem", f"COLUMNS={100}"),
        *(sys.executable, "-m", "pytest", *pytest_options, f"--junitxml={report}", *chosen),
    )
    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said
    suite = ElementTree.parse(report).getroot().find("testsuite")
    assert suite is not None
    counted = {name: int(suite.attrib[name]) for name in ("errors", "failures", "skipped")}
    assert counted == {"errors": 0, "failures": 0, "skipped": 0}, said
    return int(suite.attrib["tests"])
