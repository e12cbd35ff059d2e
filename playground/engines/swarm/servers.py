"""The servers on all machines: a global service started once, and lines through a manager."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from playground.display.progress import Progress
from playground.engines.docker.container_configs import container_name, helper_config
from playground.engines.docker.http import Line, Refused
from playground.engines.docker.logins import login_header
from playground.engines.docker.server import Server
from playground.engines.images import helper_image
from playground.engines.seam import Channel, LabLabels
from playground.engines.swarm.machine_engines import VARIABLE as MACHINES
from playground.engines.swarm.manager import Manager, runs
from playground.engines.swarm.registry import VARIABLE as REGISTRY
from playground.engines.swarm.registry import registry_of_environment
from playground.engines.swarm.specs import (
    NETWORK,
    ROLE,
    SECRET,
    SERVER,
    network_spec,
    server_name,
    server_spec,
)
from playground.errors import EngineError, ImageError

_START_LIMIT_S = 120.0
_LOOK_S = 0.05
_SECRET_BYTES = 32

_COMMAND = (
    "import sys; sys.path.insert(0, '/usr/local/lib/playground'); "
    "from playground.agent.machines import switchboard; switchboard.main()"
)


_SERVERS = f"{ROLE}={SERVER}"

# What an engine says of an image that it was told by its id.
_NO_IMAGE = "No such image: sha256:"


def _how_to_bring(machines: Sequence[str]) -> str:
    tag = helper_image().tag
    return (
        f"no registry is named, and the engine of {', '.join(machines)} has no image of "
        f"playground's own: name a registry, as in {REGISTRY}=registry.example.com:5000, or how "
        f"each machine's engine is reached, as in {MACHINES}=ssh://root@{{address}}, or carry the "
        f"image there by hand: docker save {tag} | ssh {machines[0]} docker load"
    )


class MachineService:
    """The global service of one helper image: made where it is missing, and its lines."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._server: Server = manager.server

    def ensure(self, image: str, progress: Progress) -> None:
        """Have a server run on every machine that takes tasks; ``image`` is the helper's.

        What is there is used; two programs that begin at once make it once.  Where a machine
        lacks the image, and no registry has it, `ImageError` says how to bring it there, and
        what was made for it is removed.

        """
        with self._server.errors("starting the servers on the machines"):
            name = server_name(image)
            if self._lacking(name) == []:
                return
            with progress.step("starting a server on each machine") as step:
                network = self._network()
                secret = self._secret()
                made = self._create(
                    "/services/create",
                    server_spec(image, secret, network),
                    login_header(registry_of_environment()),
                )
                try:
                    self._wait(name, step.note)
                except ImageError:
                    if made:  # else labs may run by those that are there
                        self._manager.remove([made])
                    raise

    def lacking(self, image: str) -> list[str]:
        """Return the machines that take tasks and have no server that runs."""
        with self._server.errors("looking for the servers on the machines"):
            return self._lacking(server_name(image))

    def _lacking(self, name: str) -> list[str]:
        """Return the machines without a server that runs."""
        tasks = self._manager.tasks_named(name)
        running = {task["NodeID"] for task in tasks if runs(task)}
        return [one.name for one in self._manager.ready() if one.id not in running]

    def _wait(self, name: str, note: Any) -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        while lacking := self._lacking(name):
            note(f"waiting for {', '.join(lacking)}")
            if empty := self._without_image(name, lacking):
                raise ImageError(_how_to_bring(empty))
            if time.monotonic() > deadline:
                errors = {
                    task["Status"]["Err"]
                    for task in self._manager.tasks_named(name)
                    if task["Status"].get("Err")
                }
                said = f": {'; '.join(sorted(errors))}" if errors else ""
                raise EngineError(
                    f"no server has started on {', '.join(lacking)} within "
                    f"{_START_LIMIT_S:g} s{said}; look at `docker service ps {name}`"
                )
            time.sleep(_LOOK_S)

    def _without_image(self, name: str, lacking: list[str]) -> list[str]:
        """Return those of some machines whose engines had no image for their server."""
        names = {one.id: one.name for one in self._manager.ready() if one.name in lacking}
        tasks = self._manager.tasks_named(name)
        return sorted(
            {
                names[task["NodeID"]]
                for task in tasks
                if task.get("NodeID") in names and _NO_IMAGE in task["Status"].get("Err", "")
            }
        )

    def _create(
        self, path: str, spec: dict[str, Any], headers: Mapping[str, str] | None = None
    ) -> str:
        """Create something that may be there; return its id, "" where it was."""
        with self._server.line() as line:
            try:
                found = line.request("POST", path, body=spec, headers=headers)
            except Refused as refusal:
                if refusal.status != http.client.CONFLICT:
                    raise
                return ""
        return str(found.get("ID") or found.get("Id") or "")

    def _network(self) -> str:
        """Return the id of the network, made by us or by another program just now."""
        found = self._made_network()
        found = found or self._create("/networks/create", network_spec()) or self._made_network()
        if not found:
            raise EngineError(
                f"the manager has a network named {NETWORK} that is none of the swarm's: remove it "
                f"with `docker network rm {NETWORK}`, if nothing of yours is on it"
            )
        return found

    def _made_network(self) -> str:
        """Return the id of the network, "" where it is not there yet."""
        found = self.network()
        return str(found["Id"]) if found else ""

    def _secret(self) -> str:
        made = self._create("/secrets/create", self._secret_spec())
        if made:
            return made
        with self._server.line() as line:
            query = {"filters": json.dumps({"name": [SECRET]})}
            rows = line.request("GET", "/secrets", query)
        return next(str(row["ID"]) for row in rows if row["Spec"]["Name"] == SECRET)

    @staticmethod
    def _secret_spec() -> dict[str, Any]:
        # As text: a key of TLS may hold any byte, a file of it is easier to look at.
        value = secrets.token_hex(_SECRET_BYTES).encode()
        return {"Name": SECRET, "Data": base64.b64encode(value).decode(), "Labels": {}}

    # -- lines --------------------------------------------------------------

    def open(self, image: str, lab: LabLabels, machines: list[str], *, new: bool) -> Channel:
        """Return the line to a lab's agents, of all machines as if they were one."""
        config = helper_config(lab, image)
        wanted = {
            "do": "serve",
            "lab": lab.id,
            "name": container_name(lab.id),
            "config": config,
            "keep": lab.keep,
            "service": server_name(image),
            "machines": machines,
            "new": new,
        }
        return self._switchboard(wanted)

    def running(self) -> list[str]:
        """Return the names of the services that have a server on the manager: of all versions."""
        here = self._manager.check()
        with self._server.errors("looking for the servers on the machines"):
            names = [str(one["Spec"]["Name"]) for one in self._manager.services(_SERVERS)]
            return [name for name in names if self._container(name, here)]

    def stop(self, service: str, lab_id: str) -> None:
        """Have the servers of a service remove what is left of a lab on all machines.

        Waits until it is gone.

        """
        channel = self._switchboard({"do": "stop", "lab": lab_id, "service": service})
        try:
            while channel.read(4096):
                pass
        finally:
            channel.close()

    def examine(self, image: str) -> list[dict[str, Any]]:
        """Return what each machine's server sees: of the others, its network and its clock."""
        channel = self._switchboard({"do": "examine", "service": server_name(image)})
        said = b""
        try:
            while data := channel.read(1 << 16):
                said += data
        finally:
            channel.close()
        if not said:
            raise EngineError("the server of playground on the manager ended without an answer")
        found: list[dict[str, Any]] = json.loads(said)
        return found

    def carry_images(self, image: str, images: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Have images of the manager's engine brought to all machines, ids by tags.

        Says which lack some, and then what went wrong where.

        """
        wanted = {"do": "carry_images", "service": server_name(image), "images": images}
        channel = self._switchboard(wanted)
        said = b""
        try:
            while data := channel.read(1 << 16):
                *lines, said = (said + data).split(b"\n")
                yield from map(json.loads, lines)
        finally:
            channel.close()

    def network(self) -> dict[str, Any] | None:
        """Return the network of the servers as the API has it; None: no lab has made it yet."""
        query = {"filters": json.dumps({"name": [NETWORK], "driver": ["overlay"]})}
        with self._server.line() as line:
            for network in line.request("GET", "/networks", query):
                if network["Name"] == NETWORK and network["Scope"] == "swarm":
                    return dict(network)
        return None

    def _container(self, service: str, here: str) -> str | None:
        """Return the container of a service's server on the manager, which is ``here``."""
        return next(
            (
                str(task["Status"]["ContainerStatus"]["ContainerID"])
                for task in self._manager.tasks_named(service)
                if task["NodeID"] == here and runs(task)
            ),
            None,
        )

    def _switchboard(self, wanted: dict[str, Any]) -> Channel:
        here = self._manager.check()
        with self._server.errors("reaching the machines of the swarm"):
            container = self._container(wanted["service"], here)
            if container is None:
                others = (
                    f"; those of other versions are there ({', '.join(others)})"
                    if (others := self.running())
                    else ""
                )
                raise EngineError(
                    f"the service {wanted['service']} has no server on this manager, and a lab is "
                    f"reached by that which started it{others}: its service was removed, or it was "
                    "started at another manager; take the lab down with `playground down`, and "
                    "start it anew"
                )
            config = {
                "AttachStdin": True,
                "AttachStdout": True,
                "AttachStderr": True,
                "Cmd": ["python3", "-I", "-c", _COMMAND],
            }

            def upgrade(line: Line) -> tuple[Any, bytes]:
                made = line.request("POST", f"/containers/{container}/exec", body=config)["Id"]
                return line.upgrade(f"/exec/{made}/start", {"Detach": False, "Tty": False})

            channel = self._server.open_channel(upgrade)
            try:
                channel.write(json.dumps(wanted).encode() + b"\n")
            except BaseException:
                channel.close()
                raise
            return channel
