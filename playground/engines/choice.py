"""The choice of the engine that runs a lab: Docker, or bare namespaces.

What is asked for wins, then ``PLAYGROUND_ENGINE``; otherwise Docker where an
engine answers, else bare namespaces of this machine.

"""

from __future__ import annotations

import os

from playground.engines.seam import Engine, LabRecord
from playground.errors import EngineError, LabNotFound
from playground.model.arguments import is_choice, shown

# Each engine is imported where it is used: a lab on one needs nothing of the other.

VARIABLE = "PLAYGROUND_ENGINE"
NAMES = ("docker", "namespaces", "swarm")


def choose(engine: Engine | str | None = None) -> Engine:
    """Return the engine meant by a name, an engine, or None for what fits here.

    Raises `EngineError` for a name that is none.

    """
    if engine is None:
        if asked := os.environ.get(VARIABLE):
            if asked not in NAMES:
                raise EngineError(f"{VARIABLE}={asked} is no engine: it is {_CHOICE}")
            return _named(asked)
        return _named("docker" if _docker_is_here() else "namespaces")
    check_name(engine)
    return _named(engine) if isinstance(engine, str) else engine


def check_name(engine: object) -> None:
    """Raise `EngineError` for what can be no engine; nothing on the machine is looked at."""
    named = engine is None or is_choice(engine, NAMES)
    # Whatever can start hosts and list labs is one, ours or not.
    if not named and not (hasattr(engine, "start_nodes") and hasattr(engine, "labs")):
        raise EngineError(f"engine={shown(engine)} is no engine: it is {_CHOICE}")


def has_machines(engine: Engine | str | None) -> bool:
    """Whether an engine, or the one that the environment names, has several machines."""
    named = engine if engine is not None else os.environ.get(VARIABLE)
    return named == "swarm" or hasattr(named, "place")


_CHOICE = "'docker', 'namespaces' or 'swarm'"


def _named(name: str) -> Engine:
    if name == "docker":
        from playground.engines.docker.engine import DockerEngine

        return DockerEngine()
    if name == "swarm":
        from playground.engines.swarm.engine import SwarmEngine

        return SwarmEngine()
    from playground.engines.namespaces.engine import NamespacesEngine

    return NamespacesEngine()


def _docker_is_here() -> bool:
    """Whether a Docker engine answers here, or one was asked for that may not."""
    if not _docker_may_be_here():
        return False
    from playground.engines.docker.engine import DockerEngine

    docker = DockerEngine()
    return docker.was_asked_for() or docker.answers()


def _docker_may_be_here() -> bool:
    """Whether there is any trace of Docker: to import what speaks with it takes 40 ms."""
    named = any(os.environ.get(f"DOCKER_{name}") for name in ("HOST", "CONTEXT", "CONFIG"))
    places = ("/var/run/docker.sock", os.path.expanduser("~/.docker/config.json"))
    return named or any(map(os.path.exists, places))


class RunningLabs:
    """The labs that run on this machine, whichever engine runs them.

    ``engine`` narrows it to one, as `choose` takes it.

    """

    def __init__(self, engine: Engine | str | None = None) -> None:
        if engine is not None or os.environ.get(VARIABLE):
            self._engines = [choose(engine)]
            return
        names = ("docker", "namespaces") if _docker_is_here() else ("namespaces",)
        self._engines = [_named(name) for name in names]

    def labs(self) -> list[LabRecord]:
        """Return all labs, oldest first."""
        records = [record for engine in self._engines for record in engine.labs()]
        return sorted(records, key=lambda record: record.created)

    def find(self, name: str) -> tuple[Engine, LabRecord]:
        """Return the one lab of this name or id and its engine; raises `LabNotFound`."""
        labs = [(engine, record) for engine in self._engines for record in engine.labs()]
        found = [(engine, record) for engine, record in labs if name in (record.name, record.id)]
        # Whoever may start programs here may call a lab so, too.
        found = [pair for pair in found if not pair[1].is_strange] or found
        # One's own comes first: root sees the labs of all users.
        found = [pair for pair in found if pair[1].is_own] or found
        if len(found) == 1:
            return found[0]
        if not found:
            names = ", ".join(sorted(record.name for _, record in labs)) or "none"
            raise LabNotFound(f"no lab named {name!r} is running; those that run: {names}")
        ids = ", ".join(record.id for _, record in found)
        raise LabNotFound(
            f"{len(found)} labs named {name!r} are running: say which by its id: {ids}"
        )

    def stop(self, lab: LabRecord) -> None:
        """Take a lab down, whoever runs it; one that is gone already is passed over.

        Only where it was found: another engine may have one of the same id.

        """
        for engine in self._engines:
            if any((lab.id, lab.uid) == (record.id, record.uid) for record in engine.labs()):
                engine.stop(lab.id)

    def close(self) -> None:
        for engine in self._engines:
            engine.close()
