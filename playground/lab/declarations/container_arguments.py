"""Arguments of `Host` and `Router` about containers, found back from `ContainerSettings`.

`model.containers.arguments.make_container` is the way there: what it makes of these
arguments equals the settings.

"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playground.model.containers.container import ContainerSettings, Volume, port_words
from playground.model.containers.image_sources import ImageSource


def container_arguments(container: ContainerSettings) -> dict[str, Any]:
    """Return the arguments that say what a container's settings do.

    >>> container_arguments(ContainerSettings(env=(("A", "1"),)))
    {'env': {'A': '1'}}

    """
    found: dict[str, Any] = {}
    for name, value in container.said().items():
        if name in _ARGUMENTS:
            for argument, said in _ARGUMENTS[name](value).items():
                both = isinstance(said, dict) and argument in found
                found[argument] = found[argument] | said if both else said
        else:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def _source(source: ImageSource) -> dict[str, Any]:
    match source.kind:
        case "reference":
            return {"image": source.value}
        case "archive":
            return {"image": Path(source.value)}
    directory = source.kind == "directory"
    further = {
        "dockerfile": source.dockerfile,
        "build_target": source.target,
        "build_args": dict(source.args),
    }
    said: dict[str, Any] = {name: value for name, value in further.items() if value}
    if directory and source.dockerfile and source.dockerfile_text is None:
        said["dockerfile"] = Path(source.dockerfile)
    return {"build": Path(source.value) if directory else source.value} | said


def _volumes(volumes: Any) -> dict[str, Any]:
    found: dict[Any, list[str]] = {}
    for item in volumes:
        if item.shared:
            found.setdefault(Volume(item.source), []).append(item.words)
        else:
            found.setdefault(Path(item.source), []).append(item.words)
    return {"volumes": {source: _one(words) for source, words in found.items()}}


def _healthcheck(words: tuple[str, ...]) -> dict[str, Any]:
    match words[0]:
        case "NONE":
            return {"healthcheck": False}
        case "CMD-SHELL":
            return {"healthcheck": words[1]}
    return {"healthcheck": list(words[1:])}


def _extra_hosts(pairs: Any) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    for name, address in pairs:
        found.setdefault(name, []).append(address)
    return {"extra_hosts": {name: _one(addresses) for name, addresses in found.items()}}


def _one(items: list[str]) -> Any:
    return items[0] if len(items) == 1 else items


def _limits(limits: Any) -> dict[str, Any]:
    return {
        "ulimits": {
            item.name: item.soft if item.soft == item.hard else [item.soft, item.hard]
            for item in limits
        }
    }


# Fields that are no argument of their own name and shape.
_ARGUMENTS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "source": _source,
    "env": lambda pairs: {"env": dict(pairs)},
    "labels": lambda pairs: {"labels": dict(pairs)},
    "healthcheck": _healthcheck,
    "restart": lambda policy: {"restart": str(policy)},
    "extra_hosts": _extra_hosts,
    "volumes": _volumes,
    "files": lambda pairs: {"files": dict(pairs)},
    "programs": lambda pairs: {"programs": {name: list(words) for name, words in pairs}},
    "publish": lambda ports: {"publish": [port_words(port) for port in ports]},
    "after": lambda names: {"after": dict.fromkeys(names, "well")},
    "after_end": lambda names: {"after": dict.fromkeys(names, "ended")},
    "ulimits": _limits,
}
