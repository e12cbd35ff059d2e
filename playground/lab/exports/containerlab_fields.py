"""Fields of a containerlab node, of what was said of a host's container and of its limits.

https://containerlab.dev/manual/nodes/ names them; each has the type that containerlab's own
JSON schema asks for.  Pure.

"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping
from typing import Any

from playground.model.containers.container import ContainerSettings, RestartPolicy, VolumeMount
from playground.planning.plan import NodePlan


def container_fields(
    node: NodePlan, checked: Collection[str]
) -> tuple[dict[str, Any], frozenset[str]]:
    """Return fields of a node, and the names of the settings that they tell wholly.

    ``checked`` are the nodes that have a healthcheck, which others can wait for.

    """
    container = node.container
    found: dict[str, Any] = {}
    told = set()
    for name, value in container.said().items():
        if name in _FIELDS and (said := _FIELDS[name](value)) is not None:
            found |= said
            told.add(name)
    told |= _take_health(container, found)
    if waits := _waits(container, checked):
        found["stages"] = {"create": {"wait-for": waits}}
        told |= {"after", "after_end"}
    if node.limits.memory_mb is not None:
        found["memory"] = f"{node.limits.memory_mb}mib"
        told.add("memory_mb")
    if node.limits.cpus is not None:
        found["cpu"] = node.limits.cpus
        told.add("cpus")
    return found, frozenset(told)


def _take_health(container: ContainerSettings, found: dict[str, Any]) -> set[str]:
    """Put a healthcheck in, whose times are whole seconds there."""
    if container.healthcheck is None:
        return set()
    said: dict[str, Any] = {"test": list(container.healthcheck)}
    told = {"healthcheck"}
    for key, name in _HEALTH.items():
        value = getattr(container, name)
        if value is not None and value == int(value):
            said[key] = int(value)
            told.add(name)
    found["healthcheck"] = said
    return told


_HEALTH = {
    "interval": "health_interval_s",
    "timeout": "health_timeout_s",
    "start-period": "health_start_period_s",
    "retries": "health_retries",
}


def _waits(container: ContainerSettings, checked: Collection[str]) -> list[dict[str, str]]:
    """Return whom a node waits for; one that nobody checks is waited for until it is set up."""
    waits = [
        {"node": name, "stage": "healthy" if name in checked else "configure"}
        for name in container.after
    ]
    return [*waits, *({"node": name, "stage": "exit"} for name in container.after_end)]


def _restart(policy: RestartPolicy) -> dict[str, Any] | None:
    return {"restart-policy": policy.when} if policy.most is None else None


def _binds(volumes: tuple[VolumeMount, ...]) -> dict[str, Any] | None:
    # A colon divides the parts there, and what hosts share has no path.
    if any(one.shared or ":" in one.source + one.target for one in volumes):
        return None
    modes = {True: ":ro", False: ""}
    return {"binds": [f"{one.source}:{one.target}{modes[one.read_only]}" for one in volumes]}


_FIELDS: Mapping[str, Callable[[Any], dict[str, Any] | None]] = {
    "aliases": lambda names: {"aliases": list(dict.fromkeys(names))},
    "cap_add": lambda names: {"cap-add": list(dict.fromkeys(names))},
    "command": lambda words: {"cmd": shlex.join(words)},
    "devices": lambda paths: {"devices": list(dict.fromkeys(paths))},
    "dns": lambda servers: {"dns": {"servers": list(dict.fromkeys(servers))}},
    "entrypoint": lambda words: {"entrypoint": shlex.join(words)},
    "env": lambda pairs: {"env": dict(pairs)},
    # An empty one is none by the schema.
    "labels": lambda pairs: {"labels": dict(pairs)} if all(dict(pairs).values()) else None,
    "restart": _restart,
    "shm_mb": lambda size: {"shm-size": f"{size}mib"},
    "user": lambda user: {"user": user},
    "volumes": _binds,
}
