"""The wheel is whole: installed outside the clone, it needs nothing of the clone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from playground.engines.seam import Engine

TOP = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it; what it needs is lent by this one."""
    place = tmp_path_factory.mktemp("elsewhere")
    wheel = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    copy_clone(place / "source")
    run([*wheel, "--wheel-dir", place, place / "source"], place)
    python = make_environment(place)
    run([python, "-m", "pip", "install", "-q", "--no-deps", *place.glob("*.whl")], place)
    return place


def copy_clone(place: Path) -> None:
    # A copy: setuptools leaves a build directory behind, with files of long ago.
    kept = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "tests")
    shutil.copytree(TOP, place, ignore=kept, symlinks=True)


def make_environment(place: Path) -> Path:
    """Make a virtual environment to which this one lends its packages; return its python.

    Pip and setuptools are lent too: those that Python brings are older, and may build no wheel
    without a package of that name.

    """
    venv.create(place / "venv", with_pip=False)
    (site,) = (place / "venv" / "lib").glob("python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place / "venv" / "bin" / "python"


def run(command: Sequence[object], place: Path, timeout_s: float = 300) -> str:
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_installed_package_is_the_one_that_runs(elsewhere: Path) -> None:
    python = elsewhere / "venv" / "bin" / "python"
    where = run([python, "-c", "import playground; print(playground.__file__)"], elsewhere)
    assert where.startswith(str(elsewhere))
    assert "0." in run([elsewhere / "venv" / "bin" / "playground", "version"], elsewhere)


def test_it_finds_its_images_and_its_agent_and_they_are_those_of_the_clone(elsewhere: Path) -> None:
    program = (
        "from playground.engines import images;print(*(image.tag for image in images.all_images()))"
    )
    python = elsewhere / "venv" / "bin" / "python"
    assert run([python, "-c", program], elsewhere) == run([sys.executable, "-c", program], TOP)


def test_it_brings_the_pages_that_help_shows(elsewhere: Path) -> None:
    shown = run([elsewhere / "venv" / "bin" / "playground", "help", "vlan"], elsewhere)
    assert shown.startswith("# How do I make a switch with VLANs?")


def test_a_program_beside_a_clone_finds_the_package_and_not_the_clones_folder(
    tmp_path: Path,
) -> None:
    """The path of a program begins with its folder, in which the clone is a folder `playground`."""
    copy_clone(tmp_path / "playground")
    python = make_environment(tmp_path)
    editable = ("install", "-q", "--no-deps", "--no-build-isolation", "-e")
    run([python, "-m", "pip", *editable, tmp_path / "playground"], tmp_path)
    (tmp_path / "beside.py").write_text(
        "from playground import Host; from playground.engines import images\n"
        "print(Host('h1').name, images.images_directory())\n"
    )
    shown = run([python, "beside.py"], tmp_path)
    assert shown == f"h1 {tmp_path / 'playground' / 'images'}\n"


def test_advice_to_install_names_packages_that_we_know() -> None:
    """`playground` itself is somebody else's on the public index: advice never names it."""
    ours = {Requirement(text).name for text in metadata.requires("network-playground") or []}
    pages = [*(TOP / "playground").rglob("*.py"), *(TOP / "notebooks").glob("*.*")]
    texts = [path.read_text() for path in (*pages, *TOP.glob("*.md"), *TOP.glob("docs/*.md"))]
    advised = {
        word
        for text in texts
        for words in re.findall(r"pip install((?: [\w-]+)+)", text)
        for word in words.split()
    }
    assert {"matplotlib", "scapy"} <= advised
    assert advised - ours - {"network-playground"} == set()
    assert not [text for text in texts if re.search(r"\binstall\b[^\n]{0,9}\bplayground\[", text)]


def test_a_version_is_the_same_wherever_it_is_told() -> None:
    version = metadata.version("network-playground")
    assert f"\nversion: {version}\n" in (TOP / "CITATION.cff").read_text()
    assert f"\n## {version}" in (TOP / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("wanted", metadata.requires("network-playground") or [])
def test_what_it_says_it_needs_is_what_these_tests_ran_with(wanted: str) -> None:
    requirement = Requirement(wanted)
    if requirement.marker is None or requirement.marker.evaluate({"extra": "test"}):
        assert requirement.specifier.contains(metadata.version(requirement.name))


def test_the_demonstration_runs_from_the_wheel(elsewhere: Path, engine: Engine) -> None:
    shown = run([elsewhere / "venv" / "bin" / "playground", "--quiet", "demo"], elsewhere)
    assert "FAILED" not in shown
    assert "Enter it yourself" in shown
