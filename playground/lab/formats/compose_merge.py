"""Compose files put together: one service upon another, one file upon another.  Pure.

As "Merge and override" of the specification says it: mappings are merged, lists go on, and
what has a place of its own (a volume's target, a port) is replaced at that place.
See https://github.com/compose-spec/compose-spec/blob/main/13-merge.md.

"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from playground.lab.declarations.user_paths import expanded

# Of these the later word stands alone.
_REPLACED = {("command",), ("entrypoint",), ("healthcheck", "test")}

# These may be written as lists of words, and are merged as the mappings that they mean.
_PAIRS = {
    ("environment",): "=",
    ("labels",): "=",
    ("sysctls",): "=",
    ("annotations",): "=",
    ("extra_hosts",): "",
    ("depends_on",): "started",
    ("networks",): "",
    ("build", "args"): "=",
    ("build", "labels"): "=",
}

# Lists that may be written as one word.
_LISTS = {("dns",), ("dns_search",), ("env_file",), ("tmpfs",)}

SECTIONS = ("services", "networks", "volumes", "configs", "secrets")


def merged_files(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return one file's data with another's upon it, as `docker compose -f A -f B` has them."""
    found = {**below, **above}
    for section in SECTIONS:
        lower, upper = below.get(section) or {}, above.get(section) or {}
        if lower and upper:
            merge = merged_services if section == "services" else _merged_parts
            found[section] = {**lower, **upper} | {
                name: merge(lower[name], upper[name]) for name in lower.keys() & upper.keys()
            }
        elif lower or upper:
            found[section] = lower or upper
    return found


def without(data: Any, places: Iterable[tuple[str | int, ...]]) -> Any:
    """Return a file's data without the parts at these places, where it has them.

    A variable of a list has the place that it has in the mapping which the list means.

    >>> without({"services": {"a": {"environment": ["A=1", "B=2"]}}}, [_VARIABLE_B])
    {'services': {'a': {'environment': {'A': '1'}}}}

    """
    for place in places:
        data = _without(data, place, ())
    return data


_VARIABLE_B = ("services", "a", "environment", "B")


def _without(data: Any, place: tuple[str | int, ...], above: tuple[str, ...]) -> Any:
    """Return data without a place in it; it stands at ``above`` in its file."""
    name, *inner = place
    if above[:1] == ("services",):
        data = _as_mapping(data, _PAIRS[above[2:]]) if above[2:] in _PAIRS else data
    if not isinstance(data, Mapping):
        return data
    found = {}
    for key, value in data.items():
        if str(key) != name:
            found[key] = value
        elif inner:
            found[key] = _without(value, tuple(inner), (*above, str(key)))
    return found


def _merged_parts(below: Any, above: Any) -> Any:
    return {**(below or {}), **(above or {})}


def merged_services(below: Any, above: Any) -> dict[str, Any]:
    """Return a service with another's words upon it.

    >>> merged_services({"image": "a", "dns": "1.1.1.1"}, {"image": "b", "dns": ["1.0.0.1"]})
    {'image': 'b', 'dns': ['1.1.1.1', '1.0.0.1']}

    """
    found: dict[str, Any] = _merged(below or {}, above or {}, ())
    return found


def _merged(below: Any, above: Any, place: tuple[str, ...]) -> Any:
    if above is None:
        return below
    if below is None or place in _REPLACED:
        return above
    if place == ("build",):
        below, above = _as_build(below), _as_build(above)
    if place in _PAIRS:
        below, above = _as_mapping(below, _PAIRS[place]), _as_mapping(above, _PAIRS[place])
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        names = dict.fromkeys((*below, *above))
        return {
            name: _merged(below.get(name), above.get(name), (*place, str(name))) for name in names
        }
    if place in _LISTS:
        below, above = _as_list(below), _as_list(above)
    if isinstance(below, list) and isinstance(above, list):
        return _joined(below, above, _KEYS.get(place, _itself))
    return above


def _as_build(value: Any) -> Any:
    return {"context": value} if isinstance(value, str) else value


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _as_mapping(value: Any, sign: str) -> Any:
    """Return a list of words as the mapping that it means."""
    if not isinstance(value, list):
        return value
    if sign == "started":
        return {name: {"condition": "service_started"} for name in value}
    if not sign:
        hosts = [str(item).replace("=", ":", 1).partition(":") for item in value]
        return {name: address if colon else None for name, colon, address in hosts}
    pairs = [str(item).partition(sign) for item in value]
    return {name: text if equals else None for name, equals, text in pairs}


def _joined(below: list[Any], above: list[Any], key: Callable[[Any], object]) -> list[Any]:
    """Return two lists as one, each key once: the later word at the earlier place."""
    found = {key(item): item for item in below}
    found.update({key(item): item for item in above})
    return [*found.values()]


def _itself(item: Any) -> object:
    return repr(item)


def _volume_key(item: Any) -> object:
    if isinstance(item, Mapping):
        return item.get("target")
    parts = str(item).split(":")
    return parts[1] if len(parts) > 1 else parts[0]


def _port_key(item: Any) -> object:
    if isinstance(item, Mapping):
        words = ("host_ip", "target", "published", "protocol")
        return tuple(str(item.get(word) or "") for word in words)
    return str(item)


def _mounted_key(item: Any) -> object:
    if isinstance(item, Mapping):
        return item.get("target") or item.get("source")
    return str(item)


_KEYS: dict[tuple[str, ...], Callable[[Any], object]] = {
    ("volumes",): _volume_key,
    ("ports",): _port_key,
    ("configs",): _mounted_key,
    ("secrets",): _mounted_key,
}


def merged_lines(
    below: Mapping[tuple[str | int, ...], str], above: Mapping[tuple[str | int, ...], str]
) -> dict[tuple[str | int, ...], str]:
    """Return where parts stand; of an item of a list that both have, no more than its list."""
    doubtful = {
        place for place in below.keys() & above.keys() if any(isinstance(x, int) for x in place)
    }
    return {place: at for place, at in {**below, **above}.items() if place not in doubtful}


# -- paths ---------------------------------------------------------------------


def rooted(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a file's data with paths that do not depend on where it is read: absolute ones."""
    found = dict(data)
    if isinstance(services := data.get("services"), Mapping):
        found["services"] = {name: _rooted(said, folder) for name, said in services.items()}
    for section in ("configs", "secrets"):
        if isinstance(items := data.get(section), Mapping):
            found[section] = {
                name: {**said, "file": absolute(said["file"], folder)}
                if isinstance(said, Mapping) and isinstance(said.get("file"), str)
                else said
                for name, said in items.items()
            }
    return found


def absolute(path: str, folder: Path) -> str:
    """Return a path of a file in a folder; "~" is the user's."""
    return str((folder / expanded(path)).absolute())


def _rooted(said: Any, folder: Path) -> Any:
    if not isinstance(said, Mapping):
        return said
    found = dict(said)
    build = _as_build(said.get("build"))
    if isinstance(build, Mapping) and isinstance(build.get("context", "."), str):
        context = build.get("context", ".")
        is_address = "://" in context or context.startswith("git@")
        found["build"] = {**build, "context": context if is_address else absolute(context, folder)}
    if (files := said.get("env_file")) is not None:
        found["env_file"] = [_rooted_path(item, "path", folder) for item in _as_list(files)]
    if isinstance(volumes := said.get("volumes"), list):
        found["volumes"] = [_rooted_volume(item, folder) for item in volumes]
    return found


def _rooted_path(item: Any, key: str, folder: Path) -> Any:
    if isinstance(item, Mapping):
        return {**item, key: absolute(str(item.get(key)), folder)}
    return absolute(str(item), folder)


def _rooted_volume(item: Any, folder: Path) -> Any:
    if isinstance(item, Mapping):
        is_bind = item.get("type") == "bind" and item.get("source")
        return _rooted_path(item, "source", folder) if is_bind else item
    source, colon, rest = str(item).partition(":")
    return f"{absolute(source, folder)}:{rest}" if colon and source[:1] in (".", "~") else item
