"""An image's own configuration: how its program is run, and what system it is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from playground.engines.images import Image, image_for
from playground.engines.seam import WantedImage
from playground.errors import ImageError
from playground.model.containers.exec_limits import MOST_PATH_BYTES, refusal, size_bytes
from playground.planning.program_plans import MOST_HEALTH_S, ImageConfig, make_healthcheck

_NANOSECONDS = 1e9
# Go's time.Duration, which holds these, is an int64.
_MOST_NANOSECONDS = 1 << 63
_MOST_RETRIES = 1000
_MOST_USER_CHARACTERS = 256


def image_config(data: Mapping[str, Any]) -> ImageConfig:
    """Return an image's config as the engine tells it; raises `ImageError` for one that cannot be.

    >>> image_config({"Cmd": ["sh"], "Env": ["LANG=C"]}).command
    ('sh',)

    """
    shell = tuple(data.get("Shell") or ("/bin/sh", "-c"))
    check = data.get("Healthcheck") or {}
    times = {
        "interval_s": check.get("Interval"),
        "timeout_s": check.get("Timeout"),
        "start_period_s": check.get("StartPeriod"),
    }
    said: dict[str, Any] = {
        name: min(value / _NANOSECONDS, MOST_HEALTH_S)
        for name, value in times.items()
        if _is_number(value)
    }
    if _is_number(retries := check.get("Retries")):
        said["retries"] = min(int(retries), _MOST_RETRIES)
    env = [item.partition("=") for item in data.get("Env") or ()]
    found = ImageConfig(
        entrypoint=tuple(data.get("Entrypoint") or ()),
        command=tuple(data.get("Cmd") or ()),
        env=tuple((name, value) for name, _, value in env),
        user=data.get("User") or "",
        workdir=data.get("WorkingDir") or "",
        healthcheck=make_healthcheck(tuple(check.get("Test") or ()), shell, **said),
        stop_signal=data.get("StopSignal") or "",
        shell=shell,
        ports=tuple(sorted(data.get("ExposedPorts") or ())),
        volumes=tuple(sorted(data.get("Volumes") or ())),
    )
    _refuse_words(found)
    return found


def _refuse_words(said: ImageConfig) -> None:
    """Raise `ImageError` for words that the kernel does not take, by what a Dockerfile says."""
    env = [f"{name}={value}" for name, value in said.env]
    check = said.healthcheck.argv if said.healthcheck else ()
    places = (said.workdir, *said.volumes)
    for what, words in {
        "ENTRYPOINT": said.entrypoint,
        "CMD": said.command,
        "ENV": env,
        "HEALTHCHECK": check,
        "USER": (said.user,),
        "WORKDIR or VOLUME": places,
    }.items():
        why = refusal(words)
        if any("\0" in word for word in words):
            why = "has a NUL character in it, which ends a text for the kernel"
        elif what == "ENV" and any(word.startswith("=") for word in words):
            why = "has a variable without a name"
        elif what == "USER" and len(said.user) > _MOST_USER_CHARACTERS:
            why = f"is longer than {_MOST_USER_CHARACTERS} characters"
        elif words is places and max(map(size_bytes, places)) > MOST_PATH_BYTES:
            why = f"is longer than a path can be: {MOST_PATH_BYTES} bytes"
        if why:
            raise ImageError(f"the {what} of its image {why}; mend the image")


def _is_number(value: object) -> TypeGuard[float]:
    """Whether this says something: an image's own config may hold any JSON."""
    return isinstance(value, int | float) and 0 < value < _MOST_NANOSECONDS


def refuse_onbuild(here: str, wanted: WantedImage, config: Mapping[str, Any]) -> None:
    """Raise `ImageError` for an image that is to be built upon first: ONBUILD of a Dockerfile."""
    if config.get("OnBuild"):
        raise ImageError(
            f"{here}: {wanted.source.title} is made to be built upon (ONBUILD): write a "
            "Dockerfile that begins with it, and give its directory as build="
        )


def wanted_layers(wanted: WantedImage) -> tuple[Image, ...]:
    """Return the layers of ours that are to stand on a user's image, the lowest first."""
    if not wanted.services and not wanted.packages:
        return ()
    chain = image_for(wanted.services, wanted.packages).chain
    # Packages alone need nothing of our base.
    return chain if wanted.services else chain[-1:]


# Where the daemon of a service begins to read what is written for it: Dovecot 2.4.
_DOVECOT = {"debian": (13, 0), "ubuntu": (25, 4)}
_FIRST_RELEASES = {"imap": _DOVECOT, "pop": _DOVECOT}


def refuse_other_systems(here: str, wanted: WantedImage, os_release: str) -> None:
    """Raise `ImageError` for an image that our layers cannot stand on, by its os-release(5).

    ``here`` is the node that wants it.

    """
    rows = _system_rows(os_release)
    name = rows.get("ID", "").split() + rows.get("ID_LIKE", "").split()
    if not {"debian", "ubuntu"}.intersection(name):
        layers = [
            f"{word} ({', '.join(names)})"
            for word, names in (
                ("services", sorted(wanted.services)),
                ("packages", wanted.packages),
            )
            if names
        ]
        system = f"is {name[0]}" if name else "says nothing of its system"
        raise ImageError(
            f"{here}: {wanted.source.title} {system}, and {' and '.join(layers)} are programs "
            "of Debian: take an image of Debian or Ubuntu, or leave them out and start "
            "programs of the image with command= or programs="
        )
    release = rows.get("VERSION_ID", "")
    for service in sorted(wanted.services & _FIRST_RELEASES.keys()):
        first = _FIRST_RELEASES[service].get(name[0])
        if first is not None and _is_before(release, first):
            raise ImageError(
                f"{here}: {wanted.source.title} is {rows.get('PRETTY_NAME') or name[0]}, whose "
                f"daemon for {service} is too old: take an image of Debian 13 or Ubuntu 25.04 or "
                f"later, or have another host offer {service}"
            )


def _is_before(release: str, first: tuple[int, int]) -> bool:
    """Tell whether a VERSION_ID is one before another; what has none is of the newest.

    >>> _is_before("24.04", (25, 4)), _is_before("13", (13, 0)), _is_before("", (13, 0))
    (True, False, False)

    """
    major, _, minor = release.partition(".")
    return major.isdigit() and (int(major), int(minor) if minor.isdigit() else 0) < first


def _system_rows(os_release: str) -> dict[str, str]:
    """Return what os-release(5) says, without its quotes."""
    rows = [line.split("=", 1) for line in os_release.splitlines() if "=" in line]
    return {name: value.strip("\"' ") for name, value in rows}
