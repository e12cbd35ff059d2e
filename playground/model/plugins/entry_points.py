"""Services of other packages: found by an entry point, loaded when a name asks for one.

A package says in its ``pyproject.toml`` what it adds ::

    [project.entry-points."playground.services"]
    mqtt = "playground_mqtt:MQTT"

and ``services=["mqtt"]`` is what that name stands for: a `Service`, or a function that
returns one.  Nothing is looked for until somebody asks for a name that is not ours.

"""

# https://packaging.python.org/en/latest/specifications/entry-points/

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from playground.errors import TopologyError

# It takes 20 ms to import, which most labs need not spend.
if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "playground.services"


def plugin_names() -> list[str]:
    """Return the names of all services that other packages add, in order."""
    return sorted({entry.name for entry in _entries()})


def load_plugin(name: str) -> object | None:
    """Return what another package has under a name, called if it is a function; None if nothing.

    Raises `TopologyError` for two packages that both have it, and for one that fails.

    """
    # One package may be found twice, by two folders of the same path.
    found = {(entry.value, _package(entry)): entry for entry in _entries() if entry.name == name}
    if not found:
        return None
    if len(found) > 1:
        raise TopologyError(
            f"the service {name!r} is added by several packages, {_listed(found.values())}; "
            "uninstall all of them but one"
        )
    (entry,) = found.values()
    try:
        loaded: object = entry.load()
        return loaded() if callable(loaded) else loaded
    # Whatever a package of somebody else's raises; its sys.exit() ends no program of the user's.
    except (Exception, SystemExit) as error:
        raise TopologyError(
            f"the service {name!r} comes from {_listed([entry])}, which cannot be loaded: "
            f"{type(error).__name__}: {error}; mend or uninstall it"
        ) from error


def source_of(name: str) -> str:
    """Return which package adds a service, as in "playground-mqtt (playground_mqtt:MQTT)"."""
    return _listed(entry for entry in _entries() if entry.name == name)


def _entries() -> Iterable[EntryPoint]:
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "a package without a name"


def _listed(entries: Iterable[EntryPoint]) -> str:
    return " and ".join(sorted(f"{_package(entry)} ({entry.value})" for entry in entries))
