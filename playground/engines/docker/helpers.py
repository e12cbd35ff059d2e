"""Helper containers: those that agents run in, and others that lend a helper's powers."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from playground.engines import owners
from playground.engines.docker.container_configs import (
    AGENT_COMMAND,
    container_name,
    helper_config,
    machine_access_config,
)
from playground.engines.docker.containers import LabContainers, create, start
from playground.engines.docker.http import Line
from playground.engines.docker.server import Server
from playground.engines.images import Image, helper_image
from playground.engines.seam import Channel, LabLabels
from playground.errors import EngineError


def start_helper(containers: LabContainers, lab: LabLabels, image: Image | None = None) -> Channel:
    """Start the container that the lab's agents run in; return the line to the first.

    It sees the processes of the engine's machine, has a network namespace
    of its own without any network, and the few capabilities that plumbing
    takes.  Closing the line ends the agent, and the container with it; but
    that of a lab with ``keep`` stays.  Nothing is left after a failure.

    """
    config = helper_config(lab, (image or helper_image()).tag)
    name = container_name(lab.id)
    with (
        containers.server.errors("starting the helper container"),
        containers.server.line() as line,
    ):
        container = containers.create(line, lab, name, config)
        try:
            if lab.keep:
                start(line, container)
                return connect(containers.server, lab.id)
            # The agent is the container's own program, which saves the engine an exec.
            return _start_attached(containers, line, container)
        except BaseException:
            containers.remove([container])
            raise


def connect(server: Server, lab_id: str) -> Channel:
    """Start an agent in the lab's helper container; return the line to it.

    Each call starts one more.  Closing the line ends that agent.

    """
    config = {
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Cmd": list(AGENT_COMMAND),
    }
    name = container_name(lab_id)

    def upgrade(line: Line) -> tuple[Any, bytes]:
        exec_id = line.request("POST", f"/containers/{name}/exec", body=config)["Id"]
        return line.upgrade(f"/exec/{exec_id}/start", {"Detach": False, "Tty": False})

    with server.errors("starting the agent"):
        return server.open_channel(upgrade)


def open_machine_access(
    containers: LabContainers, command: Sequence[str], machine_network: bool
) -> Channel:
    """Run a command with a helper's powers, in a container that goes with its end.

    Returns the line to it.  With ``machine_network`` it is in the network of the
    engine's machine, else in one of its own.

    """
    config = machine_access_config(helper_image().tag, command, machine_network)
    name = f"playground-machine-access-{secrets.token_hex(4)}"
    with containers.server.errors("starting a helper container"), containers.server.line() as line:
        container = create(line, name, config)
        try:
            return _start_attached(containers, line, container)
        except BaseException:
            containers.remove([container])
            raise


def _start_attached(containers: LabContainers, line: Line, container: str) -> Channel:
    """Start a container with a line to its program, so that nothing of what it says is lost."""
    query = "stream=1&stdin=1&stdout=1&stderr=1"
    channel = containers.server.open_channel(
        lambda own: own.upgrade(f"/containers/{container}/attach?{query}", None)
    )
    try:
        line.request("POST", f"/containers/{container}/start")
    except BaseException:
        channel.close()
        raise
    return channel


def try_in_helper(
    containers: LabContainers, image: Image, code: str, timeout_s: float = 20.0
) -> str:
    """Run Python source in a helper container of its own; return what it prints.

    It has the capabilities and the place of an agent, and an empty network
    namespace: `frontends.doctor` tries there what the engine's kernel can.
    Raises `EngineError` if it cannot run or fails; nothing is left of it.

    """
    lab = LabLabels(
        f"doctor-{secrets.token_hex(4)}",
        "doctor",
        owners.own_name(),
        mark=owners.own_mark(),
    )
    config = helper_config(lab, image.tag)
    config["Entrypoint"] = ["python3", "-I", "-c", code]
    with containers.server.errors("trying what the engine's kernel can"):
        status, log = containers.run_once("_trial", config, lab, timeout_s)
    if status != 0:
        raise EngineError(f"a trial in the helper container failed (status {status}): {log}")
    return log
