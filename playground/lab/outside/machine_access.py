"""Access to the machine: who runs `outside.machine_side`, which reaches out of labs.

As root on this machine it is a process of its own; for a Docker engine it is a
short-lived container beside those of the engine, which sees their processes.

"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from playground.engines.namespaces.privileges import run_as_root
from playground.errors import AgentError, EngineError

if TYPE_CHECKING:
    from playground.engines.docker.engine import DockerEngine

# The limit of requests that wait for nothing but the kernel.
_LIMIT_S = 60.0

# pyroute2 without its own __init__, which imports all that it has, and with it asyncio.
_PYROUTE2 = """
import importlib.util, sys, types
found = importlib.util.find_spec("pyroute2")
package = sys.modules["pyroute2"] = types.ModuleType("pyroute2")
package.__path__ = found.submodule_search_locations
"""

# As in `namespaces.engine`: without the package's own __init__.  Of all that is installed
# beside this package it may import pyroute2.
_START = f"""
import sys
sys.path.append(sys.argv[2])
{_PYROUTE2}
package = sys.modules["playground"] = types.ModuleType("playground")
package.__path__ = [sys.argv[1]]
from playground.lab.outside import machine_side
machine_side.main()
"""

# In a container of the helper's image, which has the agent but not the script.
_START_IN_CONTAINER = f"""
{_PYROUTE2}
sys.path.insert(0, "/usr/local/lib/playground")
exec(compile({{source!r}}, "machine_side.py", "exec"))
main()
"""

# These are done in the machine's own network namespace: operations, and kinds of `plug`.
_ON_MACHINE = ("reach", "release", "unplug", "macvlan", "physical", "dummy")


class MachineAccess(Protocol):
    """Whoever can do what `outside.machine_side` describes."""

    def do(self, op: str, **request: Any) -> Any:
        """Do it and return its result; raises `AgentError` with the reason."""


class LocalMachineAccess:
    """Does it in a process of this machine; needs root."""

    def do(self, op: str, **request: Any) -> Any:
        if os.geteuid() != 0:
            raise EngineError(
                "to reach into the network of another container, or into this machine's, takes "
                f"root: {run_as_root()}"
            )
        limit_s = None if op == "wait" and request["timeout_s"] is None else _limit_s(request)
        argument = json.dumps({"op": op, **request})
        here = str(Path(__file__).resolve().parents[2])
        # Its other end is closed when this program ends, however it does.
        alive, held = os.pipe()
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-S", "-c", _START, here, _folder_of("pyroute2"), argument],
                stdin=alive,
                capture_output=True,
                timeout=limit_s,
                check=False,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            raise AgentError(f"the operation {op!r} took more than {limit_s:g} s", op) from None
        finally:
            os.close(alive)
            os.close(held)
        return _result(op, done.stdout, done.stderr.decode(errors="replace"))


def _folder_of(package: str) -> str:
    """Return the folder that a package is installed in, without importing it."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise EngineError(
            f"the package {package} is missing, which reaches into the network of the machine: "
            f"pip install {package}"
        )
    return str(Path(found.origin).parents[1])


class DockerMachineAccess:
    """Does it in a container of a Docker engine.

    Only for what concerns the machine's own network the container is in it.

    """

    def __init__(self, engine: DockerEngine) -> None:
        self._engine = engine

    def do(self, op: str, **request: Any) -> Any:
        # Its last lines, which run it as a script, are of no use there.
        source = Path(__file__).with_name("machine_side.py").read_text()
        code = _START_IN_CONTAINER.format(source=source.partition("\nif __name__")[0])
        command = ["python3", "-I", "-c", code, json.dumps({"op": op, "stay": True, **request})]
        machine_network = op in _ON_MACHINE or request.get("kind") in _ON_MACHINE
        said = b""
        with (
            closing(self._engine),
            closing(self._engine.open_machine_access(command, machine_network)) as channel,
        ):
            while not said.endswith(b"\n") and (more := channel.read(1 << 16)):
                said += more
            return _result(op, said, channel.stderr_tail())


def _limit_s(request: dict[str, Any]) -> float:
    more = request.get("dhcp") or request
    return _LIMIT_S + float(more.get("timeout_s") or 0)


def _result(op: str, said: bytes, complaint: str) -> Any:
    try:
        reply = json.loads(said)
    except ValueError:
        raise AgentError(f"the operation {op!r} gave no answer: {complaint.strip()}", op) from None
    if "error" in reply:
        error = reply["error"]
        raise AgentError(error["message"], op, error.get("errno"), error.get("traceback", ""))
    return reply["result"]
