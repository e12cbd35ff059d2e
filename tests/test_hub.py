"""The image of a notebook server for a class: what its students may not."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

HUB = Path(__file__).resolve().parents[1] / "notebooks" / "hub"
PAGE = HUB.parents[1] / "docs" / "how-to" / "jupyterhub.md"


@pytest.mark.parametrize(
    "call",
    ["bpf", "io_uring_setup", "keyctl", "init_module", "kexec_load", "open_by_handle_at", "swapon"],
)
def test_the_filter_refuses_what_reaches_the_kernel(call: str) -> None:
    [refused] = json.loads((HUB / "seccomp.json").read_text())["syscalls"]
    assert refused["action"] == "SCMP_ACT_ERRNO"
    assert call in refused["names"]


@pytest.mark.parametrize("call", ["clone", "unshare", "mount", "setns", "pivot_root"])
def test_it_lets_labs_be_made(call: str) -> None:
    [refused] = json.loads((HUB / "seccomp.json").read_text())["syscalls"]
    assert call not in refused["names"]


def test_the_page_gives_the_container_no_power_over_networks_or_the_machine() -> None:
    given = set(re.findall(r"--cap-add (\w+)", PAGE.read_text()))
    assert given == {"CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"}
    assert "--privileged" not in PAGE.read_text()
    assert "docker.sock" not in PAGE.read_text()


def test_the_programs_of_the_image_can_be_read() -> None:
    subprocess.run(["sh", "-n", HUB / "start-hub"], check=True)
    compile((HUB / "jupyterhub_config.py").read_text(), "jupyterhub_config.py", "exec")


def test_every_library_that_the_package_needs_is_in_the_image() -> None:
    text = (HUB.parents[1] / "setup.cfg").read_text()
    needed = re.search(r"^install_requires =\n((?: .*\n)+)", text, re.M)
    assert needed is not None
    names = re.findall(r"^ +([\w.]+)", needed[1], re.M)
    # As Debian calls them.
    packages = {f"python3-{ {'cattrs': 'cattr'}.get(name, name) }" for name in names}
    dockerfile = (HUB / "Dockerfile").read_text()
    assert {package for package in packages if package not in dockerfile} == set()
