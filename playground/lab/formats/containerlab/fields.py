"""Fields of a node that are arguments of a host: a row for each, with what reads it.

https://containerlab.dev/manual/nodes/

"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from playground.errors import TopologyError
from playground.lab.formats.containerlab.topology_file import NodeFile
from playground.lab.formats.foreign.env_files import read_env_file
from playground.lab.formats.foreign.folder_paths import is_within
from playground.model.arguments import shown
from playground.model.containers.capabilities import (
    DOCKERS_DEFAULT,
    HARMLESS_DEVICES,
    OF_EVERY_HOST,
    ON_REQUEST,
)

Take = Callable[[NodeFile, dict[str, Any]], None]


def take_binds(node: NodeFile, arguments: dict[str, Any]) -> None:
    """Take binds as volumes; what lies outside of the lab's folder is noted."""
    volumes: dict[Any, list[str]] = {}
    for target, (source, mode) in _binds_by_target(node).items():
        path = node.path(source)
        if path is None or not path.exists():
            node.note("binds", f"{source} is not there, and nothing is shown at {target}")
        elif not is_within(node.file.folder, path):
            node.note(
                "binds",
                f"{source} lies outside of the lab's folder, and is not shown at {target}; "
                "volumes= of the host shows it",
            )
        else:
            words = target if "ro" in mode.split(",") else f"{target}:rw"
            volumes.setdefault(path, []).append(words)
    if volumes:
        arguments["volumes"] = volumes


def _binds_by_target(node: NodeFile) -> dict[str, tuple[str, str]]:
    """Return source and mode of what is shown at each place: the nearest level's counts."""
    found: dict[str, tuple[str, str]] = {}
    for bind in node.texts("binds"):
        source, colon, rest = bind.partition(":")
        target, _, mode = rest.partition(":")
        if colon:  # without one, it is a volume of the container's own
            found[target] = (source, mode)
    return found


def _env(node: NodeFile, arguments: dict[str, Any]) -> None:
    found: dict[str, str] = {}
    for text in node.texts("env-files"):
        path = node.path(text)
        if path is None or not path.is_file():
            node.note("env-files", f"{shown(text)} is not there, and sets no variables")
        elif node.own_file("env-files", path) is not None:
            found |= read_env_file(path)
    for name, value in node.pairs("env").items():
        if name == "__IMPORT_ENVS":
            node.note("env", "__IMPORT_ENVS is not heeded: a host has no variables of this shell")
        elif isinstance(value, (dict, list)):
            raise TopologyError(f"{node.place('env')}: env: {name}: {shown(value)} is no text")
        else:
            found[name] = "" if value is None else _as_written(value)
    if found:
        arguments["env"] = found


def _as_written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([kmgKMG]?)(i?[bB])?")


def _size(key: str, argument: str, least_mb: int) -> Take:
    def take(node: NodeFile, arguments: dict[str, Any]) -> None:
        text = node.text(key) or ""
        match = _SIZE.fullmatch(text)
        if match is None:
            node.note(key, f"{shown(text)} is no size, such as 512mb")
            return
        unit = {"": 2**-20, "k": 2**-10, "m": 1, "g": 1024}[match[2].lower()]
        arguments[argument] = max(least_mb, int(float(match[1]) * unit))

    return take


def _cpu(node: NodeFile, arguments: dict[str, Any]) -> None:
    try:
        arguments["cpus"] = float(node.text("cpu") or "")
    except ValueError:
        node.note("cpu", "is no number of processors")


def _dns(node: NodeFile, arguments: dict[str, Any]) -> None:
    said = node.pairs("dns")
    servers = said.get("servers")
    if isinstance(servers, list) and servers:
        arguments["dns"] = [str(one) for one in servers]
    for key in said:
        if key != "servers":
            node.note("dns", f"{key} is not heeded: a lab writes resolv.conf itself")


def _healthcheck(node: NodeFile, arguments: dict[str, Any]) -> None:
    said = node.pairs("healthcheck")
    test = said.get("test")
    if isinstance(test, list) and len(test) > 1:
        words = [str(word) for word in test[1:]]
        arguments["healthcheck"] = words if test[0] == "CMD" else words[0]
    else:
        node.note("healthcheck", "says no test, such as [CMD-SHELL, curl -f localhost]")
        return
    for key, argument in (
        ("interval", "health_interval_s"),
        ("timeout", "health_timeout_s"),
        ("start-period", "health_start_period_s"),
        ("retries", "health_retries"),
    ):
        if isinstance(said.get(key), (int, float)) and not isinstance(said[key], bool):
            arguments[argument] = said[key]


def _cap_add(node: NodeFile, arguments: dict[str, Any]) -> None:
    allowed = []
    for text in node.texts("cap-add"):
        name = text.upper().removeprefix("CAP_")
        if name in DOCKERS_DEFAULT | OF_EVERY_HOST | ON_REQUEST:
            allowed.append(name)
        else:
            node.note("cap-add", f"{text} is not given: with it a host has the machine")
    if allowed:
        arguments["cap_add"] = allowed


def _devices(node: NodeFile, arguments: dict[str, Any]) -> None:
    harmless = []
    for text in node.texts("devices"):
        source, _, rest = text.partition(":")
        target = rest.partition(":")[0]
        if source in HARMLESS_DEVICES and target in ("", source):
            harmless.append(source)
        else:
            node.note("devices", f"{text} is not given: it reaches what is the machine's")
    if harmless:
        arguments["devices"] = harmless


def _texts(key: str, argument: str) -> Take:
    def take(node: NodeFile, arguments: dict[str, Any]) -> None:
        if texts := node.texts(key):
            arguments[argument] = texts

    return take


def _text(key: str, argument: str) -> Take:
    def take(node: NodeFile, arguments: dict[str, Any]) -> None:
        arguments[argument] = node.text(key)

    return take


def _pairs(key: str, argument: str) -> Take:
    def take(node: NodeFile, arguments: dict[str, Any]) -> None:
        arguments[argument] = {
            name: _as_written(value) for name, value in node.pairs(key).items() if value is not None
        }

    return take


FIELDS: Mapping[str, Take] = {
    "binds": take_binds,
    "cap-add": _cap_add,
    "cpu": _cpu,
    "devices": _devices,
    "dns": _dns,
    "env": _env,
    "env-files": _env,
    "healthcheck": _healthcheck,
    "labels": _pairs("labels", "labels"),
    "memory": _size("memory", "memory_mb", 8),
    "ports": _texts("ports", "publish"),
    "restart-policy": _text("restart-policy", "restart"),
    "shm-size": _size("shm-size", "shm_mb", 1),
    "sysctls": _pairs("sysctls", "sysctls"),
    "user": _text("user", "user"),
}

# Said where nodes and links are made, or without an effect in a lab.
ELSEWHERE = (
    *("aliases", "cmd", "entrypoint", "exec", "extras", "group", "image", "kind", "network-mode"),
    *("position", "stages", "startup-config", "type", "wait-for"),
    *("auto-remove", "enforce-startup-config", "suppress-startup-config"),
)

# Why a field is not heeded; of many nodes that is said once.
WHY = {
    **dict.fromkeys(
        ("mgmt-ipv4", "mgmt-ipv6"), "is not heeded: a lab has no network for management"
    ),
    "certificate": 'is not made: a server of services=["http"] has one of the lab\'s authority',
    "config": "is not heeded: no templates are filled in",
    "cpu-set": "is not heeded: cpus= says how much of the processors a host has, and not which",
    "credentials": "is not heeded: users= of the lab says who may log in",
    "image-pull-policy": "is not heeded: an image is pulled where it is not there",
    "license": "is not needed: no vendor's system is run",
    "publish": "is not done: lab.publish() makes a port of this machine lead to a host",
    "runtime": "is not heeded: engine= says what runs a lab",
    "startup-delay": "is not heeded: name those that are to be well before in wait-for",
}
