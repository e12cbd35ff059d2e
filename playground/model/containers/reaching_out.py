"""Arguments by which a host reaches what is not its lab's: who may not say all of them asks here.

A submission, an assistant and a page declare hosts for somebody whose machine it is not.

"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from playground.model.containers.own_service import Service

# Of a lab that is somebody else's word.
MOST_NODES = 200

# What a host does with each: files, ports, devices of the machine, its engine, and programs that
# nobody there has looked at.
REACHING_OUT: Mapping[str, str] = {
    "image": "runs an image of its own",
    "build": "builds an image of its own",
    "dockerfile": "builds an image of its own",
    "build_target": "builds an image of its own",
    "build_args": "builds an image of its own",
    "volumes": "has files of this machine as a volume",
    "packages": "has packages installed",
    "publish": "publishes a port of this machine",
    "cap_add": "asks for capabilities",
    "devices": "asks for devices of this machine",
    "ulimits": "sets limits of its own",
    "labels": "sets labels of containers",
    "machine": "chooses the machine that it runs on",
}

# Arguments that stay within a lab's hosts.  A test holds that each argument is in one of both.
WITHIN = frozenset(
    {
        *("services", "routing", "as_number", "redistribute", "memory_mb", "cpus", "processes"),
        *("sysctls", "congestion_control", "loopback", "frr", "command", "entrypoint", "env"),
        *("user", "workdir", "healthcheck", "health_interval_s", "health_timeout_s"),
        *("health_start_period_s", "health_retries", "restart", "init", "stop_signal"),
        *("stop_timeout_s", "hostname", "aliases", "dns", "extra_hosts", "files", "programs"),
        *("after", "tun", "shm_mb", "read_only"),
    }
)

# Of `REACHING_OUT`, what brings programs, by way of the machine's network.
OF_IMAGES = ("image", "build", "dockerfile", "build_target", "build_args", "packages")


def reached(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a host's arguments have of `REACHING_OUT`: packages of its services count too.

    >>> reached({"publish": 80, "env": {"A": "b"}, "volumes": None})
    {'publish': 80}

    """
    found = {
        name: value
        for name, value in arguments.items()
        if name in REACHING_OUT and value not in (None, (), [], {})
    }
    services: Iterable[Any] = arguments.get("services") or ()
    brought = [one.packages for one in services if isinstance(one, Service) and one.packages]
    if brought:
        found["packages"] = (found.get("packages"), *brought)
    return found
