"""Compose files as labs: services become hosts, networks become switches."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

from playground.engines.seam import Engine
from playground.errors import TopologyError
from playground.lab.formats.compose_file import ComposeFile, Paths, read_compose
from playground.lab.formats.compose_services import host_arguments
from playground.lab.formats.foreign.host_names import host_name
from playground.lab.formats.foreign.notes import Notes
from playground.lab.formats.foreign.unreadable import told_as_unreadable
from playground.lab.lab import Lab
from playground.model.arguments import tells_wrong_call
from playground.operations.network import Host, Link, Switch

_DEFAULT = "default"


@tells_wrong_call
def from_compose(
    path: Paths = "compose.yaml",
    *,
    name: str | None = None,
    profiles: Collection[str] = (),
    environment: Mapping[str, str] | None = None,
    engine: Engine | str | None = None,
    quiet: bool = False,
    strict: bool = False,
) -> Lab:
    """Return a lab, not yet started, of what a compose file declares.

    ``path`` is a file, or several, each upon those before it, or a folder, whose
    compose.override.yaml counts too.  Each service is a host, each network a switch,
    that of services which name none is called "default".  Ports are published at 127.0.0.1
    unless the file names an address.  Programs of a service begin when those that it depends
    on are well.  Folders of volumes are those of this machine; named volumes are shared by the
    services that name them, and end with the lab.
    ``profiles`` are those to be heeded, ``environment`` is where variables come from, by
    default this program's environment and ``.env`` beside the file.

    What a lab does not do is told by a `LabWarning`, with file and line; with ``strict`` it is
    refused.  Raises
    `TopologyError` for what is no compose file, or would become something else.  Needs
    ``pip install 'network-playground[compose]'``.

    >>> with from_compose("compose.yaml") as lab:
    ...     print(lab["web"].run("wget -qO- http://api:8000/"))

    """
    with told_as_unreadable(path if isinstance(path, str | os.PathLike) else "the compose file"):
        file = read_compose(path, environment)
        _refuse_unknown(file)
        _choose(file, profiles)
        aliases = _aliases(file)
        services = file.data["services"]
        hosts = {service: _host(file, service, aliases[service]) for service in services}
        switches = _switches(file, {host.name for host in hosts.values()})
        for service, host in hosts.items():
            for network, said in _networks_of(file, service).items():
                _link(file, service, host, switches, network, said or {})
        _note_volumes(file)
    notes = Notes(file.path)
    notes.lines = file.left_out
    notes.tell(strict)
    linked = [switch for switch in switches.values() if switch.links]
    lab_name = name or file.data.get("name") or file.path.absolute().parent.name or "compose"
    return Lab(*linked, *hosts.values(), name=lab_name, engine=engine, quiet=quiet)


def _refuse_unknown(file: ComposeFile) -> None:
    """Refuse services that no image can be had for, or that depend on one that is not there."""
    for service, said in file.data["services"].items():
        said = said or {}
        if not said.get("image") and not said.get("build"):
            raise TopologyError(
                f"{file.at('services', service)}: {service} has neither an image nor a build; "
                "write one"
            )
        others = said.get("depends_on") or ()
        for name in others:
            how = others[name] if isinstance(others, Mapping) else None
            needed = (how or {}).get("required", True)
            if needed and name not in file.data["services"]:
                there = ", ".join(file.data["services"])
                raise TopologyError(
                    f"{file.at('services', service, 'depends_on')}: {service} depends on {name}, "
                    f"which is no service of this file; it has {there}"
                )


def _choose(file: ComposeFile, profiles: Collection[str]) -> None:
    """Leave services out whose profiles nobody asked for."""
    for service, said in [*file.data["services"].items()]:
        wanted = (said or {}).get("profiles") or []
        if wanted and not {*wanted, "*"} & {*profiles}:
            del file.data["services"][service]
    if not file.data["services"]:
        raise TopologyError(f"{file.path}: no service is left; name profiles=, one of the file's")


def _host(file: ComposeFile, service: str, aliases: Collection[str]) -> Host:
    arguments = host_arguments(file, service)
    name = host_name(service)
    if name != service.lower():
        file.leave_out(
            ("services", service),
            f"is the host {name}, as RFC 1123 has names of hosts; its neighbours find it by "
            "either name",
        )
    if aliases:
        arguments["aliases"] = [*aliases]
    try:
        return Host(name, **arguments)
    except TopologyError as error:
        raise TopologyError(f"{file.at('services', service)}: {error}") from error


def _aliases(file: ComposeFile) -> dict[str, list[str]]:
    """Return by which further names each service is known; a name stands for one alone."""
    services = file.data["services"]
    owners = {host_name(service): service for service in services}
    found: dict[str, list[str]] = {service: [] for service in services}

    def note(service: str, alias: str, *place: str | int) -> None:
        owner = owners.setdefault(alias.lower(), service)
        if owner != service:
            file.leave_out(("services", *place), f"is not done: {alias} is {owner} already")
        elif alias.lower() != host_name(service) and alias not in found[service]:
            found[service].append(alias)

    for service, said in services.items():
        note(service, service, service)
        said = said or {}
        if name := said.get("container_name"):
            note(service, name, service, "container_name")
        for network, words in _networks_of(file, service).items():
            for number, alias in enumerate((words or {}).get("aliases") or ()):
                note(service, alias, service, "networks", network, "aliases", number)
        for number, link in enumerate(said.get("links") or ()):
            other, _, alias = str(link).partition(":")
            if alias and other in services:
                note(other, alias, service, "links", number)
    return found


def _note_volumes(file: ComposeFile) -> None:
    """Say of which named volumes more is said than a folder of the lab can be."""
    for key, said in (file.data.get("volumes") or {}).items():
        for field, value in (said or {}).items():
            if field == "external" and value:
                file.leave_out(("volumes", key), "is a new folder of this lab, and empty")
            elif field in ("driver", "driver_opts") and value not in ("local", {}, None):
                file.leave_out(("volumes", key, field), "is not done: it is a folder of the lab")


def _switches(file: ComposeFile, taken: Collection[str]) -> dict[str, Switch]:
    found: dict[str, Switch] = {}
    names = set(taken)
    for network, said in {_DEFAULT: None, **(file.data.get("networks") or {})}.items():
        name = host_name(network)
        while name in names:
            name += "-net"
        names.add(name)
        try:
            found[network] = Switch(name, subnet=_subnet(file, network, said or {}))
        except TopologyError as error:
            raise TopologyError(f"{file.at('networks', network)}: {error}") from error
    return found


def _subnet(file: ComposeFile, network: str, said: Mapping[str, Any]) -> str | None:
    # No lab has a way out, and none of its networks is seen from outside.
    for field, value in said.items():
        fine = field in ("ipam", "internal", "attachable", "name", "labels") or value is None
        if not fine and (field, value) != ("driver", "bridge") and not field.startswith("x-"):
            file.leave_out(("networks", network, field), "is not done: it is a switch")
    configs = (said.get("ipam") or {}).get("config") or []
    subnets = [config["subnet"] for config in configs if config.get("subnet")]
    fours = [subnet for subnet in subnets if ":" not in subnet]
    chosen: str | None = (fours or subnets or [None])[0]
    for number, config in enumerate(configs):
        place = ("networks", network, "ipam", "config", number)
        if config.get("subnet") not in (None, chosen):
            file.leave_out(place, "is not done: a switch has one range of addresses")
        for field in sorted(set(config) - {"subnet"}):
            file.leave_out((*place, field), "is not done")
    return chosen


def _networks_of(file: ComposeFile, service: str) -> dict[str, Any]:
    said = file.data["services"][service] or {}
    mode = said.get("network_mode")
    if mode == "none":
        return {}
    if mode not in (None, "bridge"):
        raise TopologyError(
            f"{file.at('services', service, 'network_mode')}: network_mode {mode} is not done: "
            "a host of a lab has a network of its own; name networks instead"
        )
    networks = said.get("networks")
    if not networks:
        return {_DEFAULT: None}
    return dict(networks) if isinstance(networks, Mapping) else dict.fromkeys(networks)


def _link(
    file: ComposeFile,
    service: str,
    host: Host,
    switches: Mapping[str, Switch],
    network: str,
    said: Mapping[str, Any],
) -> None:
    place = ("services", service, "networks", network)
    for field in said:
        if field not in ("ipv4_address", "aliases", "priority", "gw_priority"):
            file.leave_out((*place, field), "is not done")
    try:
        given = said.get("ipv4_address")
        Link(switches[network], host, **({"address": given} if given else {}))
    except TopologyError as error:
        raise TopologyError(f"{file.at(*place)}: {error}") from error
