"""Scripts that set hosts up: lines that a shell could not run."""

from __future__ import annotations

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
from playground.errors import LabWarning
from playground.lab.lab import Lab
from playground.operations.network import Host
from playground.operations.programs.script_failures import SCRIPT, failures


def test_what_shells_say_of_their_lines_is_found() -> None:
    log = (
        "hello\n/hostlab/startup: line 3: ovs-vsctl: command not found\n"
        "/hostlab/startup: 4: smbd: not found\nRTNETLINK answers: File exists\n"
        "/hostlab/startup: line 3: ovs-vsctl: command not found\n"
    )
    assert failures(log) == ["line 3: ovs-vsctl: command not found", "line 4: smbd: not found"]
    assert len(failures("".join(f"{SCRIPT}: {n}: x: not found\n" for n in range(99)))) == 3
    assert failures(f"{SCRIPT}: 1: \x1b[31m" + "x" * 999)[0].endswith("x")
    assert "\x1b" not in failures(f"{SCRIPT}: 1: \x1b[31mred")[0]


def test_a_lab_tells_of_them_and_starts(namespaces_engine: NamespacesEngine) -> None:
    script = {SCRIPT: "true\nnever-heard-of --this\n"}
    host = Host(
        "h1",
        files=script,
        command=f"sh -c 'bash {SCRIPT}; touch /done; exec sleep infinity'",
        healthcheck="test -e /done",
    )
    lab = Lab(host, name="failing", quiet=True, engine=namespaces_engine)
    with (
        pytest.warns(LabWarning, match="h1: its script fails: line 2: never-heard-of") as told,
        lab,
    ):
        assert 'lab["h1"].services["main"].log()' in str(told[0].message)
