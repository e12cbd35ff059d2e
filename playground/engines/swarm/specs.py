"""Specs: what Swarm is told of a node, of the servers on the machines, and of their network.  Pure.

A service has no ``network_mode=none``, no security options and no read-only paths, as a container
has: a node comes up on the engine's own bridge, and the agent takes that interface away before
anything runs there.

"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from playground.engines.docker.container_configs import FIRST_PROGRAM, container_name
from playground.engines.seam import LabLabels, NodeContainer
from playground.model.containers.capabilities import NOT_BESIDE_WRITABLE_VOLUMES
from playground.model.containers.container import ContainerSettings
from playground.model.containers.limits import DEFAULT_PROCESSES, Limits

# Of all labs on a swarm, in the words of Swarm.
NETWORK = "playground"
SECRET = "playground"  # noqa: S105 - its name
ROLE, SERVER = "playground.role", "server"

# The image of the servers that a lab was started by: those of another version know nothing of it.
HELPER = "playground.helper"

# How a service is told its machine.
_ON = "node.id=="

# What the tasks of a service have for a name: a label of DNS (RFC 1035).
_NAME_CHARACTERS = 63
_DIGEST_CHARACTERS = 8

# A tunnel's headers: Ethernet, VXLAN (RFC 7348), UDP and IPv4.  And what Docker leaves free for
# encryption, rounding down to four: pktExpansion in drivers/overlay of libnetwork.
TUNNEL_BYTES = 14 + 8 + 8 + 20
ESP_BYTES = 26 + 2

_MB = 1 << 20
_NANO = 1_000_000_000


def service_name(lab_id: str, node: str) -> str:
    """Return the name of a node's service: no two nodes of a lab have the same.

    >>> service_name("lab-1a2b3c", "www.example.com")
    'lab-1a2b3c-80fc0fb9-www-example-com'

    """
    digest = hashlib.sha256(node.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    words = re.sub(r"[^a-zA-Z0-9]+", "-", f"{lab_id}-{digest}-{node}")
    return words[:_NAME_CHARACTERS].strip("-")


def node_spec(lab: LabLabels, node: NodeContainer, machine_id: str, helper: str) -> dict[str, Any]:
    """Return the spec of a node's service: one task on that machine, never started anew.

    ``helper`` is the image of the lab's helpers, and of the servers that start them.

    """
    labels = lab.as_labels("node", node.name)
    said = node.settings
    own = node.own_image
    container = {
        "Image": own.tag if own else node.image,
        "Hostname": node.hostname,
        "Labels": dict(said.labels) | labels,
        "CapabilityAdd": [f"CAP_{name}" for name in (*node.cap_add, *said.cap_add)],
        "Mounts": [*_mounts(said, node.limits), *_volumes(lab, said)],
        # Nothing that runs in a node has anything to say before it goes.
        "StopSignal": "SIGKILL",
        "Healthcheck": {"Test": ["NONE"]},
        **_first_program(node),
        **({"Env": [f"{name}={value}" for name, value in said.env]} if said.env else {}),
        **_ulimits(said),
        **_dropped(said),
    }
    user = said.user or (own.config.user if own else "")
    workdir = said.workdir or (own.config.workdir if own else "")
    container |= {name: value for name, value in (("User", user), ("Dir", workdir)) if value}
    return {
        "Name": service_name(lab.id, node.name),
        "Labels": labels | {HELPER: helper},
        "TaskTemplate": {
            "ContainerSpec": container,
            "Resources": _resources(node.limits),
            "RestartPolicy": {"Condition": "none"},
            "Placement": {"Constraints": [f"{_ON}{machine_id}"]},
            "LogDriver": {"Name": "none"},
        },
        "Mode": {"Replicated": {"Replicas": 1}},
        # Without an address of its own, which only a network would need.
        "EndpointSpec": {"Mode": "dnsrr"},
    }


def _first_program(node: NodeContainer) -> dict[str, Any]:
    if node.own_image is not None:
        return {"Command": [FIRST_PROGRAM], "Args": []}
    if node.settings.workdir:
        # SIGCHLD stays ignored over an exec: the kernel reaps what has no parent.
        return {"Command": ["sh", "-c", "trap '' CHLD; exec sleep infinity"], "Args": []}
    return {}


def _mounts(said: ContainerSettings, limits: Limits) -> list[dict[str, Any]]:
    """Return the file systems in memory of a node; an eighth of its memory each at most."""

    def share(size_mb: float) -> int:
        eighth = limits.memory_mb / 8 if limits.memory_mb else size_mb
        return int(min(size_mb, eighth) * _MB)

    return [
        _tmpfs("/run/playground", share(16), 0o755),
        _tmpfs("/dev/shm", said.shm_mb * _MB if said.shm_mb else share(64), 0o1777),
    ]


def _volumes(lab: LabLabels, said: ContainerSettings) -> list[dict[str, Any]]:
    """Return the volumes that hosts share; those of folders are copied by the library."""
    return [
        {
            "Type": "volume",
            "Source": container_name(lab.id, volume.source),
            "Target": volume.target,
            "ReadOnly": volume.read_only,
            "VolumeOptions": {"Labels": lab.as_labels("volume")},
        }
        for volume in said.volumes
        if volume.shared
    ]


def _dropped(said: ContainerSettings) -> dict[str, Any]:
    if all(volume.read_only for volume in said.volumes if volume.shared):
        return {}
    return {"CapabilityDrop": [f"CAP_{name}" for name in NOT_BESIDE_WRITABLE_VOLUMES]}


def _tmpfs(target: str, size_bytes: int, mode: int) -> dict[str, Any]:
    options = {"SizeBytes": size_bytes, "Mode": mode}
    return {"Type": "tmpfs", "Target": target, "TmpfsOptions": options}


def _ulimits(said: ContainerSettings) -> dict[str, Any]:
    rows = [{"Name": item.name, "Soft": item.soft, "Hard": item.hard} for item in said.ulimits]
    return {"Ulimits": rows} if rows else {}


def _resources(limits: Limits) -> dict[str, Any]:
    """Return a node's limits, which its machine keeps free for it as well.

    >>> from playground.model.containers.limits import Limits
    >>> _resources(Limits(memory_mb=64))["Reservations"]
    {'MemoryBytes': 67108864}

    """
    held: dict[str, int] = {}
    if limits.memory_mb is not None:
        held["MemoryBytes"] = limits.memory_mb * _MB
    if limits.cpus is not None:
        held["NanoCPUs"] = round(limits.cpus * _NANO)
    pids = {"Pids": limits.processes or DEFAULT_PROCESSES}
    return {"Limits": held | pids, "Reservations": dict(held)}


def network_spec(encrypted: bool = False, underlay_mtu_bytes: int | None = None) -> dict[str, Any]:
    """Return the overlay network of the servers: it leads nowhere else.

    ``underlay_mtu_bytes`` is what the network between the machines takes in one packet; None
    leaves it to Docker, which reckons with 1500.

    >>> network_spec(underlay_mtu_bytes=9000)["Options"]
    {'com.docker.network.driver.mtu': '9000'}

    """
    # Docker takes the tunnel's headers off this: maxMTU() in drivers/overlay of libnetwork.
    options = {"encrypted": ""} if encrypted else {}
    if underlay_mtu_bytes is not None:
        options["com.docker.network.driver.mtu"] = str(underlay_mtu_bytes)
    return {
        "Name": NETWORK,
        "Driver": "overlay",
        "Internal": True,
        "Attachable": True,
        "CheckDuplicate": True,
        "Labels": {ROLE: SERVER},
        "Options": options,
    }


def server_name(image: str) -> str:
    """Return the name of the servers' service: another helper image, another service.

    So two versions of playground share a swarm, and each finds servers that it understands.

    """
    return f"playground-{hashlib.sha256(image.encode()).hexdigest()[:12]}"


def server_spec(image: str, secret_id: str, network_id: str) -> dict[str, Any]:
    """Return the spec of the global service that has a server on each machine."""
    command = (
        "import sys; sys.path.insert(0, '/usr/local/lib/playground'); "
        "from playground.agent.machines import server; server.main()"
    )
    socket = "/var/run/docker.sock"
    file = {"Name": SECRET, "UID": "0", "GID": "0", "Mode": 0o400}
    return {
        "Name": server_name(image),
        "Labels": {ROLE: SERVER},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": image,
                "Labels": {ROLE: SERVER},
                "Command": ["python3", "-I", "-c", command],
                "Mounts": [{"Type": "bind", "Source": socket, "Target": socket}],
                "Secrets": [{"SecretID": secret_id, "SecretName": SECRET, "File": file}],
                # It lets the packets of tunnels in, or does not.
                "CapabilityAdd": ["CAP_NET_ADMIN"],
                "StopSignal": "SIGKILL",
            },
            # Docker waits five seconds where nothing is said: who starts a lab waits as well.
            "RestartPolicy": {"Condition": "any", "Delay": _NANO},
            "Networks": [{"Target": network_id}],
        },
        "Mode": {"Global": {}},
        "EndpointSpec": {"Mode": "dnsrr"},
    }


def labels_of(service: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels of a service as the API lists it."""
    return dict(service["Spec"].get("Labels") or {})


def helper_of(services: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the image of the servers that a lab was started by; None where nobody noted it.

    ``services`` are those of its nodes, of which the oldest one knows.

    >>> labels = {HELPER: "playground/helper:1"}
    >>> helper_of([{"CreatedAt": "2026-01-01T00:00:00Z", "Spec": {"Labels": labels}}])
    'playground/helper:1'

    """
    by_age = sorted(services, key=lambda service: str(service.get("CreatedAt", "")))
    found = (labels_of(service).get(HELPER) for service in by_age)
    return next(filter(None, found), None)


def machine_of_service(service: Mapping[str, Any]) -> str:
    """Return what Swarm calls the machine that a node's service was told, "" for none.

    >>> placement = {"Constraints": ["node.id==x"]}
    >>> machine_of_service({"Spec": {"TaskTemplate": {"Placement": placement}}})
    'x'

    """
    placement = service["Spec"]["TaskTemplate"].get("Placement") or {}
    for constraint in placement.get("Constraints") or ():
        if constraint.startswith(_ON):
            return str(constraint.removeprefix(_ON))
    return ""


def has_volumes(service: Mapping[str, Any]) -> bool:
    """Whether a node's service has volumes that hosts share."""
    container = service["Spec"]["TaskTemplate"].get("ContainerSpec") or {}
    return any(mount["Type"] == "volume" for mount in container.get("Mounts") or ())
