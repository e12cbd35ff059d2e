"""Starting a node's programs, each under a supervisor."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from playground.errors import AgentError
from tests.support_agent import COMMANDS, Namespaces, connect, needs_root, run, wait_for

RUNSV = """#!/bin/sh
mkdir -p $1/supervise
exec 9>>$1/supervise/lock
flock -n 9 || exit 1
echo "$1 as $(id -u) in $(pwd)" >> /run/started
grep CapBnd /proc/self/status >> /run/started
echo oops >&2
exec sleep 1234
"""


@needs_root
def test_boot(tmp_path: Path) -> None:
    runsv = tmp_path / "runsv"
    runsv.write_text(RUNSV)
    runsv.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    prefix = ["setpriv", "--bounding-set=-sys_module", "--inh-caps=-all"]
    with Namespaces("h1", env=env, prefix=prefix) as h1, connect() as agent:
        run(agent, h1.pid, "mkdir -p /etc/sv/one /etc/sv/two")

        def boot(*programs: str) -> None:
            agent.call("boot", nodes=[{"pid": h1.pid, "programs": list(programs)}])

        def started() -> list[str]:
            return run(agent, h1.pid, "cat /run/started 2>/dev/null || true").splitlines()

        boot("one")
        wait_for(lambda: len(started()) == 2)
        boot("one", "two")
        wait_for(lambda: len(started()) == 4)
        bounding = Path(f"/proc/{h1.pid}/status").read_text().partition("CapBnd:")[2].split()[0]
        assert [" ".join(line.split()) for line in started()] == [
            "/run/service/one as 0 in /",
            f"CapBnd: {bounding}",
            "/run/service/two as 0 in /",
            f"CapBnd: {bounding}",
        ]
        assert run(agent, h1.pid, "cat /run/playground/boot.log") == "oops\noops\n"
        with pytest.raises(AgentError, match="no program 'three' on the node"):
            boot("three")
        agent.close()
        # They outlive the agent that started them.
        with connect() as later:
            wait_for(lambda: run(later, h1.pid, COMMANDS).count("sleep 1234") == 2)


@needs_root
def test_boot_of_a_node_without_a_supervisor(tmp_path: Path) -> None:
    with Namespaces("h1", env={"PATH": "/nowhere:/usr/bin:/bin"}) as h1, connect() as agent:
        run(agent, h1.pid, "mkdir -p /etc/sv/one")
        with pytest.raises(AgentError, match="no program 'runsv' on the node"):
            agent.call("boot", nodes=[{"pid": h1.pid, "programs": ["one"]}])
