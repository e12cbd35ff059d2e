"""`scripts/fresh`: a root of its own is entered, and nothing of it is left.

Here on a root of some programs of this machine; what it is for, the commands of README
on a bare Debian, takes many minutes and is a job of the hosted CI.

"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
PROGRAMS = ("bash", "cat", "ls", "sleep", "tar", "mount", "umount", "pivot_root", "mkdir", "rmdir")
PROGRAMS += ("touch", "hostname", "rm", "env", "ln", "dirname")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A folder with a root for the release `tiny`."""
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("CI has to run this as root")
        pytest.skip("only root makes and enters a root")
    if not (TOP / ".git").exists():
        pytest.skip("what is tried is what was committed, and this is no clone")
    folder = tmp_path / "cache"
    folder.mkdir()
    with tarfile.open(folder / "tiny.tar", "w") as tar:
        for name in ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr"):
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        found = {f"bin/{name}": str(shutil.which(name)) for name in PROGRAMS}
        said = subprocess.run(
            ["ldd", *found.values()], capture_output=True, text=True, check=True, timeout=20
        )
        for library in re.findall(r"(/\S+) \(0x", said.stdout):
            found[library.lstrip("/")] = library
        for name, path in found.items():
            tar.add(Path(path).resolve(), name)
    return folder


def fresh(cache: Path, command: str, release: str = "tiny") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [TOP / "scripts" / "fresh", "--cache", cache, release, command],
        env=dict(os.environ) | {"TMPDIR": str(cache.parent), "PIP_TIMEOUT": "17"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def nothing_is_left(cache: Path, process: subprocess.Popen[str]) -> None:
    assert [path.name for path in cache.parent.iterdir()] == ["cache"]
    assert str(cache.parent) not in Path("/proc/self/mountinfo").read_text()
    name = f"playground-fresh-{process.pid}"
    tops = ("/sys/fs/cgroup", *Path("/sys/fs/cgroup").glob("*/"))
    assert [top for top in tops if Path(top, name).exists()] == []


def test_a_command_sees_the_clone_and_nothing_of_this_machine(cache: Path) -> None:
    command = (
        "ls / /root; ls; cat /etc/pip.conf; (sleep 0.1 &); sleep 1; cat /proc/[0-9]*/comm; exit 3"
    )
    process = fresh(cache, command)
    shown, said = process.communicate(timeout=120)
    assert process.returncode == 3, said
    lines = shown.splitlines()
    assert {"README.md", "scripts", "playground"} <= set(lines)
    # Its own processes alone, and one that has lost its parent was reaped.
    assert lines[-2:] == ["bash", "bash"] and "sleep" not in lines, shown
    assert "timeout = 17" in lines
    assert "old" not in lines and "home" not in lines
    nothing_is_left(cache, process)


def test_a_bare_debian_comes_the_way_that_apt_get_goes_here(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("apt-config") is None:
        pytest.skip("no apt-config here, so no such ways")
    settings = tmp_path / "programs" / "apt.conf"
    settings.parent.mkdir()
    settings.write_text('Acquire::http::Proxy "http://192.0.2.1:3142/";\nAcquire::Retries "7";\n')
    # mmdebstrap without network: the root of the fixture, and what was asked.
    stand_in = settings.parent / "mmdebstrap"
    stand_in.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{settings.parent}/asked\n'
        f'for word; do case $word in */bare.tar.new) cp {cache}/tiny.tar "$word";; esac; done\n'
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("APT_CONFIG", str(settings))
    monkeypatch.setenv("PATH", f"{settings.parent}:{os.environ['PATH']}")
    process = fresh(cache, "echo entered", release="bare")
    shown, said = process.communicate(timeout=120)
    assert (process.returncode, shown) == (0, "entered\n"), said
    assert "E: " not in said
    asked = (settings.parent / "asked").read_text().splitlines()
    assert '--aptopt=Acquire::http::Proxy "http://192.0.2.1:3142/"' in asked
    assert '--aptopt=Acquire::Retries "7"' in asked


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupt_leaves_nothing(cache: Path, number: signal.Signals) -> None:
    process = fresh(cache, "echo begun; sleep 741")
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 128 + number
    deadline = time.monotonic() + 10
    while sleeping():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    nothing_is_left(cache, process)


def sleeping() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == b"sleep\x00741\x00":
                found.append(path.parent.name)
        except OSError:
            continue
    return found
