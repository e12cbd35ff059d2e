"""A registry of images as a service of a swarm's: Debian's, on a manager, with a password.

The machines get images from it by the manager's address.  It speaks HTTP, so each machine's
engine has to be told that it may (``insecure-registries``); who does not know the password, which
Swarm keeps, gets nothing from it and puts nothing there.

"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import secrets
import time
from typing import Any

from playground.display.progress import Progress
from playground.engines.docker.http import Refused
from playground.engines.docker.logins import remember_login
from playground.engines.docker.server_images import ServerImages
from playground.engines.images import registry_image
from playground.engines.swarm.manager import Manager, has_ended
from playground.engines.swarm.specs import ROLE
from playground.errors import BadArgument, EngineError

NAME = "playground-registry"
USER = "playground"
DEFAULT_PORT = 5000
_PORT_INSIDE = 5000

_START_LIMIT_S = 120.0
# How long one that is there may take until it runs, before another takes its place.
_SETTLE_LIMIT_S = 20.0
_LOOK_S = 0.2
_PASSWORD_BYTES = 24


def refuse_port(port: int) -> None:
    """Raise `BadArgument` for what is no port."""
    if not 0 < port < 1 << 16:
        raise BadArgument(f"port={port} is none of TCP: it is 1 to 65535, usually {DEFAULT_PORT}")


def registry_spec(image: str, machine_id: str, secret_id: str, port: int) -> dict[str, Any]:
    """Return the spec of the registry's service: one task, on that manager, with its images."""
    file = {"Name": NAME, "UID": "0", "GID": "0", "Mode": 0o400}
    return {
        "Name": NAME,
        "Labels": {ROLE: "registry"},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": image,
                "Labels": {ROLE: "registry"},
                "Mounts": [{"Type": "volume", "Source": NAME, "Target": "/var/lib/registry"}],
                "Secrets": [{"SecretID": secret_id, "SecretName": NAME, "File": file}],
            },
            "RestartPolicy": {"Condition": "any"},
            "Placement": {"Constraints": [f"node.id=={machine_id}"]},
        },
        "Mode": {"Replicated": {"Replicas": 1}},
        "EndpointSpec": {
            "Ports": [
                {
                    "Protocol": "tcp",
                    "TargetPort": _PORT_INSIDE,
                    "PublishedPort": port,
                    # On this machine alone, and without IPVS, which not every kernel has.
                    "PublishMode": "host",
                }
            ]
        },
    }


class RegistryService:
    """The registry of a swarm: started where there is none, and logged in at."""

    def __init__(self, manager: Manager, images: ServerImages) -> None:
        self._manager = manager
        self._server = manager.server
        self._images = images

    def start(self, port: int, progress: Progress) -> str:
        """Have it run on this manager; return its name, after this user was logged in there.

        One that runs is used, whatever its port.  Where it does not start, all that was made is
        removed again, and `EngineError` says why.

        """
        refuse_port(port)
        here = self._manager.check()
        with self._server.errors("starting the registry"):
            found = self._found(here)
            if found is None:
                image = registry_image()
                self._images.build([image], progress)
                with progress.step("starting the registry"):
                    found = self._make(image.tag, here, port)
            container, port = found
            registry = f"{self._address()}:{port}"
            remember_login(registry, USER, self._password(container))
        return registry

    def _found(self, here: str) -> tuple[str, int] | None:
        """Return the registry that runs; one that has been there and does not run is removed."""
        tasks = self._manager.tasks_named(NAME)
        # Its machine may have begun anew a moment ago.
        found = self._wait(here, _SETTLE_LIMIT_S) if tasks else None
        if tasks and found is None:
            self._take_away()
        return found

    def _make(self, image: str, here: str, port: int) -> tuple[str, int]:
        """Start it; where it does not run in time, nothing of it stays."""
        secret = self._secret()
        with self._server.line() as line:
            spec = registry_spec(image, here, secret, port)
            line.request("POST", "/services/create", body=spec)
        try:
            found = self._wait(here, _START_LIMIT_S)
            if found is None:
                tasks = self._manager.tasks_named(NAME)
                errors = {task["Status"].get("Err", "") for task in tasks if has_ended(task)}
                raise EngineError(
                    f"the registry has not started within {_START_LIMIT_S:g} s "
                    f"({'; '.join(sorted(filter(None, errors))) or 'no reason is known'}), and "
                    "was removed again; mend that and start it anew"
                )
        except BaseException:
            # The next try would wait for this one, which does not start.
            with contextlib.suppress(Refused, EngineError, OSError):
                self._take_away()
            raise
        return found

    def remove(self) -> None:
        """Remove the service and its password; its images stay in a volume of its name."""
        self._manager.check()
        with self._server.errors("removing the registry"):
            self._take_away()

    def _take_away(self) -> None:
        self._manager.remove([NAME])
        deadline = time.monotonic() + _START_LIMIT_S
        while True:
            try:
                with self._server.line() as line:
                    line.request("DELETE", f"/secrets/{NAME}")
                return
            except Refused as refusal:
                if refusal.status == http.client.NOT_FOUND:
                    return
                if time.monotonic() > deadline:
                    raise
            time.sleep(_LOOK_S)

    def _address(self) -> str:
        with self._server.line() as line:
            return str(line.request("GET", "/info")["Swarm"]["NodeAddr"])

    def _secret(self) -> str:
        password = secrets.token_urlsafe(_PASSWORD_BYTES).encode()
        spec = {"Name": NAME, "Data": base64.b64encode(password).decode(), "Labels": {}}
        with self._server.line() as line:
            try:
                return str(line.request("POST", "/secrets/create", body=spec)["ID"])
            except Refused as refusal:
                if refusal.status != http.client.CONFLICT:
                    raise
            rows = line.request("GET", "/secrets", {"filters": json.dumps({"name": [NAME]})})
            return next(str(row["ID"]) for row in rows if row["Spec"]["Name"] == NAME)

    def _wait(self, here: str, limit_s: float) -> tuple[str, int] | None:
        """Return the container of the task that runs, and the port that it is published at.

        None where none runs in time.  Raises `EngineError` where it is another manager's.

        """
        deadline = time.monotonic() + limit_s
        while True:
            for task in self._manager.tasks_named(NAME):
                if not has_ended(task) and task.get("NodeID", here) not in ("", here):
                    raise EngineError(
                        "the registry is on another manager: point DOCKER_HOST at that one"
                    )
                if task["Status"]["State"] == "running":
                    ports = task["Status"].get("PortStatus", {}).get("Ports") or [{}]
                    if port := ports[0].get("PublishedPort"):
                        return str(task["Status"]["ContainerStatus"]["ContainerID"]), int(port)
            if time.monotonic() > deadline:
                return None
            time.sleep(_LOOK_S)

    def _password(self, container: str) -> str:
        """Read the password where the registry does: who may ask a manager may know it."""
        with self._server.client(_START_LIMIT_S) as api:
            made = api.exec_create(container, ["cat", f"/run/secrets/{NAME}"])["Id"]
            return str(api.exec_start(made).decode().strip())
