"""Containers of a user's own, as data: image, command, environment, files, and their like.

`Host` and `Router` keep as `ContainerSettings` what `containers.arguments` made of their
keyword arguments.  Whether an image can be had is known only when the lab starts.

"""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from playground.errors import TopologyError
from playground.model.arguments import shown
from playground.model.containers.image_sources import ImageSource
from playground.model.records import dataclass


@dataclass(frozen=True)
class RestartPolicy:
    """When a program that ended is started again: `docker run --restart`.

    ``when`` is "no", "on-failure", "always" or "unless-stopped"; ``most`` is how many times
    at most, None for any number.

    """

    when: str = "no"
    most: int | None = None

    def __str__(self) -> str:
        return self.when if self.most is None else f"{self.when}:{self.most}"


# As Docker has them: RestrictedNameChars of moby, daemon/names.
_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][\w.-]{0,63}", re.ASCII)


@dataclass(frozen=True)
class Volume:
    """A folder that hosts of a lab share: made for the lab, and gone with it.

    It begins with what the image of the first host that may write has at that place, as a
    named volume of Docker does.  Hosts may change it, unless the place ends with ":ro".
    Raises `TopologyError` for what is no name.

    >>> uploads = Volume("uploads")
    >>> www = Host("www", volumes={uploads: "/srv/uploads"})
    >>> scanner = Host("scanner", volumes={uploads: "/uploads:ro"})

    """

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _VOLUME_NAME.fullmatch(self.name):
            raise TopologyError(
                f"{shown(self.name)} cannot be a volume's name: it is made of letters, digits, "
                'dots, hyphens and underscores; write for example Volume("data")'
            )


@dataclass(frozen=True)
class VolumeMount:
    """A file or folder of this machine, shown in a host; both paths are absolute.

    Of what hosts share (`Volume`) the source is the name.  ``links_in`` are the folders of
    links that were followed on the way to the source, which itself goes through none.

    """

    source: str
    target: str
    read_only: bool = True
    links_in: tuple[str, ...] = field(default=(), compare=False, repr=False)
    shared: bool = False

    @property
    def words(self) -> str:
        """How it was declared, for a repr."""
        mode = ":ro" if self.shared else ":rw"
        return self.target + (mode if self.shared == self.read_only else "")

    @property
    def title(self) -> str:
        """How a sentence calls it."""
        return f"the volume {self.source}" if self.shared else self.source


@dataclass(frozen=True)
class PublishedPort:
    """A port of a host that this machine shall reach; None where any port, or loopback, will do."""

    port: int
    protocol: str = "tcp"
    local_port: int | None = None
    local_address: str | None = None


@dataclass(frozen=True)
class Ulimit:
    """One limit of setrlimit(2) by its name in `docker run --ulimit`; -1 is no limit."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True)
class ContainerSettings:
    """The settings of a host's or router's container; see `containers.arguments`.

    Whatever was not said is None, or empty, and then the image's own word holds.
    ``healthcheck`` is as in an image: ("CMD", ...), ("CMD-SHELL", line) or ("NONE",).

    """

    source: ImageSource | None = None
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    env: tuple[tuple[str, str], ...] = ()
    user: str | None = None
    workdir: str | None = None
    healthcheck: tuple[str, ...] | None = None
    health_interval_s: float | None = None
    health_timeout_s: float | None = None
    health_start_period_s: float | None = None
    health_retries: int | None = None
    restart: RestartPolicy | None = None
    init: bool | None = None
    stop_signal: str | None = None
    stop_timeout_s: float | None = None
    hostname: str | None = None
    aliases: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    extra_hosts: tuple[tuple[str, str], ...] = ()
    volumes: tuple[VolumeMount, ...] = ()
    files: tuple[tuple[str, bytes | Path], ...] = ()
    packages: tuple[str, ...] = ()
    programs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    publish: tuple[PublishedPort, ...] = ()
    # Hosts whose programs are well, and those whose programs have ended, before its own begin.
    after: tuple[str, ...] = ()
    after_end: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    shm_mb: int | None = None
    ulimits: tuple[Ulimit, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    read_only: bool = False

    def __bool__(self) -> bool:
        """Tell whether anything was said."""
        return self != PLAIN_CONTAINER

    @property
    def waits_for(self) -> tuple[str, ...]:
        """All hosts that its programs wait for."""
        return (*self.after, *self.after_end)

    def volume_at(self, path: str) -> VolumeMount | None:
        """Return the volume whose place this path is, or lies below; None for none.

        >>> ContainerSettings(volumes=(VolumeMount("/me/d", "/srv"),)).volume_at("/srv/x").source
        '/me/d'

        """
        for volume in self.volumes:
            if path.rstrip("/") == volume.target or path.startswith(f"{volume.target}/"):
                return volume
        return None

    def said(self) -> dict[str, Any]:
        """Return the fields that say anything, by name."""
        fields = dataclasses.fields(self)
        return {
            field.name: value
            for field in fields
            if (value := getattr(self, field.name)) != field.default
        }

    def options(self) -> list[str]:
        """Return what was said as arguments, for a repr; long things are counted."""
        return [_option(name, value) for name, value in self.said().items()]


PLAIN_CONTAINER = ContainerSettings()


def refuse_strange_links(containers: Mapping[str, ContainerSettings]) -> None:
    """Raise `TopologyError` for a volume named by way of a link that a host may have made.

    Such a link stands in what is a writable volume of the same lab, and leads out of it.
    ``containers`` are those of all hosts, by name.

    """
    writable = [
        (name, volume.source)
        for name, container in containers.items()
        for volume in container.volumes
        if not volume.read_only and not volume.shared
    ]
    for name, container in containers.items():
        for volume in container.volumes:
            for owner, folder in writable:
                if volume.shared or _is_in(volume.source, folder):
                    continue
                if any(_is_in(place, folder) for place in volume.links_in):
                    raise TopologyError(
                        f"{name}: volumes: the way to {volume.source} goes by a link in {folder}, "
                        f"where {owner} may make links to whatever this machine has; name the "
                        "path that it leads to, if that is what you meant"
                    )


def _is_in(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def file_content(content: bytes | Path) -> bytes:
    """Return what a file of ``files`` is to hold; one of this machine is read now."""
    if isinstance(content, bytes):
        return content
    try:
        return content.read_bytes()
    except OSError as error:
        raise TopologyError(f"{content} cannot be read: {error.strerror or error}") from error


def _option(name: str, value: Any) -> str:
    match name:
        case "source":
            return repr(value)
        case "restart":
            return f"restart={str(value)!r}"
        case "env" | "labels":
            return f"{name}={dict(value)!r}"
        case "files":
            return f"files=<{', '.join(place for place, _ in value)}>"
        case "volumes":
            places: dict[str, list[str]] = {}
            for item in value:
                source = f"Volume({item.source!r})" if item.shared else repr(item.source)
                places.setdefault(source, []).append(item.words)
            pairs = [
                f"{source}: {(words[0] if len(words) == 1 else words)!r}"
                for source, words in places.items()
            ]
            return f"volumes={{{', '.join(pairs)}}}"
        case "programs":
            return f"programs={ {key: shlex.join(words) for key, words in value}!r}"
        case "ulimits":
            return f"ulimits={ {item.name: (item.soft, item.hard) for item in value}!r}"
        case "publish":
            return f"publish={[port_words(item) for item in value]!r}"
        case "after_end":
            return f"after={dict.fromkeys(value, 'ended')!r}"
        case "command" | "entrypoint":
            return f"{name}={shlex.join(value)!r}"
        case "healthcheck":
            return f"healthcheck={value[-1] if value[0] == 'CMD-SHELL' else list(value[1:])!r}"
        case "extra_hosts":
            found: dict[str, list[str]] = {}
            for key, address in value:
                found.setdefault(key, []).append(address)
            return f"extra_hosts={found!r}"
    return f"{name}={list(value) if isinstance(value, tuple) else value!r}"


def port_words(port: PublishedPort) -> int | str:
    """Return a published port as it is declared: 80, "53/udp", "8080:80"."""
    local = "" if port.local_port is None else f"{port.local_port}:"
    if port.local_address is not None:
        brackets = "[{}]" if ":" in port.local_address else "{}"
        local = f"{brackets.format(port.local_address)}:{local or ':'}"
    if not local and port.protocol == "tcp":
        return port.port
    return f"{local}{port.port}" + ("" if port.protocol == "tcp" else f"/{port.protocol}")
