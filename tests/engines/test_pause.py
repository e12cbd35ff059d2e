"""The first program of a host: small, for each processor, and it only sleeps."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from playground.agent.kernel import seccomp
from playground.engines import pause


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_it_sleeps_and_ends_by_a_signal(machine: str, tmp_path: Path) -> None:
    emulator = [] if machine == platform.machine() else [f"qemu-{machine}"]
    if emulator and shutil.which(emulator[0]) is None:
        pytest.skip(f"to try a program for {machine} takes {emulator[0]} (apt-get qemu-user)")
    path = tmp_path / "pause"
    path.write_bytes(pause.program(machine))
    path.chmod(0o755)
    with subprocess.Popen([*emulator, str(path)]) as process:
        try:
            time.sleep(0.2)
            used = os.times().children_user
            assert process.poll() is None, "it has ended"
            assert Path(f"/proc/{process.pid}/stat").read_text().split()[2] == "S"
        finally:
            process.terminate()
        assert process.wait(10) == -15
    assert os.times().children_user - used < 0.15, "it did not sleep"


def test_there_is_one_wherever_a_host_can_be_made() -> None:
    """Hosts need the filter of system calls too: both know the same machines."""
    assert set(pause._PROGRAMS) == set(seccomp._COLUMNS)
