"""Privileges of a process for namespaces."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys

import pytest

from playground.agent.kernel import seccomp
from playground.engines.namespaces import privileges
from playground.engines.namespaces.engine import NamespacesEngine
from playground.errors import EngineError
from playground.frontends import namespaces_doctor
from playground.lab.outside.machine_access import LocalMachineAccess


@pytest.mark.parametrize(
    ("release", "root", "refused"),
    [
        ("6.1.0-28-amd64", True, ""),
        ("5.3.0", True, ""),
        ("5.2.21", True, "bare namespaces need Linux 5.3, and this is 5.2"),
        ("5.10.0-32-amd64", True, ""),
        (
            "5.10.0-32-amd64",
            False,
            "bare namespaces without root need Linux 5.11",
        ),
        ("of my own", False, ""),
    ],
)
def test_a_kernel_that_is_too_old_is_named(release: str, root: bool, refused: str) -> None:
    said = privileges.kernel_refused(release, root)
    assert said.startswith(refused)
    assert bool(said) == bool(refused)


def test_who_is_no_user_0_is_no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not privileges.is_root()


def test_a_refusal_that_no_setting_explains_is_explained_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(privileges, "is_root", lambda: False)
    monkeypatch.setattr(privileges, "_SETTINGS", ())
    assert privileges.user_namespaces_refused() == ""
    assert "run it outside of that" in privileges.user_namespaces_refused(tried=True)


@pytest.mark.parametrize(
    ("machine", "word_bytes", "said"),
    [
        ("x86_64", 8, ""),
        ("aarch64", 8, ""),
        ("riscv64", 8, "no filter of system calls for riscv64"),
        ("aarch64", 4, "for a Python of 32 bits on aarch64"),
        ("x86_64", 4, "for a Python of 32 bits on x86_64"),
        ("armv8l", 4, "for a Python of 32 bits on armv8l"),
    ],
)
def test_hosts_without_a_filter_of_system_calls_are_refused(
    machine: str, word_bytes: int, said: str
) -> None:
    reason = privileges.filter_refused(machine, word_bytes)
    assert said in reason
    assert bool(reason) == bool(said) == ("Docker" in reason)
    # Here and in the lab it is one rule, told in the same words.
    assert reason == seccomp.filter_missing(machine, word_bytes)


def test_the_engine_and_the_doctor_tell_that_there_is_no_filter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = os.uname()
    fields = (real.sysname, real.nodename, real.release, real.version, "riscv64")
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(fields))
    with pytest.raises(EngineError, match=r"no filter of system calls for riscv64.*Docker"):
        NamespacesEngine().check()
    (finding,) = namespaces_doctor.examine()
    assert finding.status == "fail"
    assert "no filter of system calls for riscv64" in finding.advice


VENV = "/home/ann/.venv/bin"


@pytest.mark.parametrize(
    ("arguments", "notebook", "command"),
    [
        (["lab.py", "a b"], False, f"{VENV}/python lab.py 'a b'"),
        (["-m", "playground", "up"], False, f"{VENV}/python -m playground up"),
        ([f"{VENV}/playground", "up", "lab.py"], False, f"{VENV}/playground up lab.py"),
        ([], False, f"{VENV}/python"),
        (["-m", "ipykernel_launcher"], True, f"{VENV}/jupyter lab --allow-root"),
        (["-c", "import os\nprint()"], False, ""),
        (["-c", "print() " * 50], False, ""),
    ],
)
def test_what_is_run_as_root_keeps_its_virtual_environment(
    arguments: list[str], notebook: bool, command: str
) -> None:
    said = privileges.command_as_root(f"{VENV}/python", arguments, notebook, without_sudo=False)
    assert said == (f"sudo {command}" if command else "")
    if command:
        said = privileges.command_as_root(f"{VENV}/python", arguments, notebook, without_sudo=True)
        assert shlex.split(said) == ["su", "-c", command]


def test_what_needs_root_says_how_to_run_this_program_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "orig_argv", ["python3", "lab.py"])
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    with pytest.raises(EngineError, match=re.escape(f"(`sudo {sys.executable} lab.py`)")):
        LocalMachineAccess().do("look", pid=1)
