"""A compose file as checked data: read, its variables put in, each part with its line.

What may stand in such a file is checked by the package compose-spec, ``.env`` and ``env_file``
are read by python-dotenv.  See https://github.com/compose-spec/compose-spec/blob/main/spec.md.

"""

from __future__ import annotations

import difflib
import io
import json
import os
import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from playground.errors import TopologyError
from playground.lab.formats.yaml_lines import Place, read_yaml
from playground.model.arguments import shown
from playground.model.records import dataclass

EXTRA = "compose"

# As the specification names them, in the order in which they are looked for.
_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


@dataclass
class ComposeFile:
    """A compose file; ``left_out`` are its keys that nobody heeds, with file and line."""

    path: Path
    data: dict[str, Any]
    lines: Mapping[Place, int]
    environment: Mapping[str, str]
    left_out: list[str] = field(default_factory=list)
    room: _Room = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.room = _Room(str(self.path))

    @property
    def folder(self) -> Path:
        """Where its relative paths begin."""
        return self.path.parent

    def at(self, *place: str | int) -> str:
        """Return file and line of a part, or of the nearest around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return f"{self.path}:{self.lines.get(place, 1)}"

    def leave_out(self, place: Place, why: str) -> None:
        """Note that a part is not done."""
        self.left_out.append(f"{self.at(*place)}: {'.'.join(map(str, place))} {why}")


def read_compose(
    path: str | os.PathLike[str], environment: Mapping[str, str] | None = None
) -> ComposeFile:
    """Read a compose file, or that of a folder; raises `TopologyError` for what is none.

    Variables come from ``environment``, by default this program's, and then from ``.env``
    beside the file.

    """
    found = _find(Path(path))
    data, lines = read_yaml(found, EXTRA)
    if not isinstance(data, dict) or not isinstance(data.get("services"), dict):
        raise TopologyError(f"{found}: this is no compose file: it has no services")
    data["services"] = {str(name): said for name, said in data["services"].items()}
    variables = read_variables(found.parent / ".env") if (found.parent / ".env").is_file() else {}
    variables |= os.environ if environment is None else environment
    file = ComposeFile(found, data, lines, variables)
    for name in ("include", "extends"):
        _refuse_more_files(file, name)
    file.data = _checked(file, _filled(file, data, ()))
    return file


def _find(path: Path) -> Path:
    if not path.is_dir():
        return path
    for name in _NAMES:
        if (path / name).is_file():
            return path / name
    raise TopologyError(f"there is no compose file in {path}: it would be called {_NAMES[0]}")


def _refuse_more_files(file: ComposeFile, name: str) -> None:
    places: list[Place] = [(name,)] if name in file.data else []
    places += [
        ("services", service, name)
        for service, said in file.data["services"].items()
        if isinstance(said, dict) and name in said
    ]
    if places:
        raise TopologyError(
            f"{file.at(*places[0])}: {name} is not read; write what it leads to into this file, "
            "as `docker compose config` prints it"
        )


def read_variables(path: Path) -> dict[str, str]:
    """Return the variables of an env file, without those that have no value."""
    try:
        import dotenv
        from dotenv.variables import parse_variables
    except ImportError:
        raise missing("python-dotenv") from None
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MOST_CHARACTERS + 1)
        room = _Room(str(path))
        room.take(text)
        said = dotenv.dotenv_values(stream=io.StringIO(text), interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise TopologyError(f"{path} cannot be read: {error}") from error
    found: dict[str, str] = {}
    for name, value in said.items():
        if value is not None:
            # As dotenv_values does it, which puts no bound to variables made of variables.
            env = {**os.environ, **found}
            atoms = parse_variables(value)
            found[name] = "".join(room.take(atom.resolve(env)) for atom in atoms)
    return found


# A thousand times what such files hold.
_MOST_CHARACTERS = 4 << 20


class _Room:
    """How much the variables of one file may still bring: variables of variables grow fast."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._left = _MOST_CHARACTERS

    def take(self, text: str) -> str:
        """Return the text if there is room for it; raises `TopologyError` if not."""
        self._left -= len(text)
        if self._left < 0:
            raise TopologyError(
                f"{self._where} comes to more than {_MOST_CHARACTERS:,} characters with its "
                "variables written out; let none stand for so many others"
            )
        return text


def missing(package: str) -> TopologyError:
    """Return the error for who has not installed what reads compose files."""
    return TopologyError(
        f"compose files are read with {package}, which is not installed: pip install "
        f"'network-playground[{EXTRA}]'"
    )


# -- variables -----------------------------------------------------------------

# "Interpolation" of the specification; a default may hold variables itself.
_WORD = r"[^{}]*"
for _ in range(5):  # so deep they may stand within each other
    _WORD = rf"(?:[^{{}}]|\{{{_WORD}\}})*"
_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<bare>[A-Za-z_]\w*)"
    rf"|\{{(?P<name>[A-Za-z_]\w*)(?:(?P<rule>:?[-?+])(?P<word>{_WORD}))?\}}|(?P<odd>))"
)


def _filled(file: ComposeFile, value: Any, place: Place) -> Any:
    """Return data with variables put in."""
    if isinstance(value, dict):
        return {key: _filled(file, item, (*place, str(key))) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(file, item, (*place, number)) for number, item in enumerate(value)]
    return fill(file, value, place) if isinstance(value, str) else value


def fill(file: ComposeFile, text: str, place: Place) -> str:
    """Return a text with variables put in; raises `TopologyError` for one that must be set."""

    def replace(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        name = match["bare"] or match["name"]
        if name is None:
            raise TopologyError(
                f"{file.at(*place)}: {shown(text)} has a $ that begins no variable; "
                "write $$ for one $"
            )
        rule, word = match["rule"] or "", match["word"] or ""
        value = file.environment.get(name)
        is_set = bool(value) if rule.startswith(":") else value is not None
        if rule.endswith("-"):
            return (
                file.room.take(value) if is_set and value is not None else fill(file, word, place)
            )
        if rule.endswith("+"):
            return fill(file, word, place) if is_set else ""
        if rule.endswith("?") and not is_set:
            raise TopologyError(f"{file.at(*place)}: ${name} must be set: {word or 'it is not'}")
        if value is None:
            file.leave_out(place, f"names ${name}, which is not set, and is empty there")
        return file.room.take(value or "")

    return _VARIABLE.sub(replace, text)


# -- what may stand there ------------------------------------------------------


def _checked(file: ComposeFile, data: dict[str, Any]) -> dict[str, Any]:
    """Return the data as compose-spec writes it down, if it is a compose file's."""
    try:
        import compose_spec
    except ImportError:
        raise missing("compose-spec") from None
    networks = data.get("networks") or {}
    services = {name: _simplified(said) for name, said in data["services"].items()}
    try:
        whole = {**data, "services": services, "networks": {"default": None, **networks}}
        spec = compose_spec.PyCompose.from_json(json.dumps(whole, default=str))
        spec.validate()
        found: dict[str, Any] = spec.to_dict()
    except (ValueError, TypeError) as error:
        place, told = _wrong_field(services) or ((), error)
        words = re.findall(r"`([^`]+)`", str(told))
        below = [part for part in file.lines if part and part[: len(place)] == place]
        near = [part for part in below if str(part[-1]) in words] or [place]
        # Where it stands in what was handed over is no line of the file.
        reason = re.sub(r" at line \d+ column \d+$", "", str(told))
        reason = re.sub(r"extension key `([^`]+)` does not start.*", _unknown, reason)
        where = f"{'.'.join(map(str, place))}: " if place else ""
        raise TopologyError(f"{file.at(*near[-1])}: {where}{reason}") from error
    # A name such as 1 comes back as a number.
    found["services"] = {str(name): said for name, said in found["services"].items()}
    for name, said in data["services"].items():
        for key in set(said or {}) & set(found["services"][name]) & _KEPT:
            found["services"][name][key] = said[key]
    return found


def _wrong_field(services: dict[str, Any]) -> tuple[Place, Exception] | None:
    """Return which field of which service cannot be read by itself, and why; None for none."""
    import compose_spec

    for name, said in services.items():
        for key, value in said.items() if isinstance(said, dict) else ():
            alone = {"services": {name: {"image": "x", key: value}}}
            try:
                compose_spec.PyCompose.from_json(json.dumps(alone, default=str))
            except (ValueError, TypeError) as error:
                return ("services", name, key), error
    return None


# Keys of a service and of its parts, and of the file itself, as the specification has them.
_KEYS = (
    *("services", "networks", "volumes", "configs", "secrets", "name", "version", "include"),
    *("build", "image", "command", "entrypoint", "environment", "env_file", "ports", "expose"),
    *("healthcheck", "depends_on", "hostname", "container_name", "user", "working_dir", "dns"),
    *("cap_add", "cap_drop", "extra_hosts", "restart", "init", "deploy", "profiles", "labels"),
    *("network_mode", "privileged", "read_only", "devices", "ulimits", "shm_size", "tmpfs"),
    *("mem_limit", "pids_limit", "cpus", "stop_grace_period", "stop_signal", "logging", "links"),
    *("tty", "stdin_open", "sysctls", "platform", "pull_policy", "security_opt", "domainname"),
    *("test", "interval", "timeout", "retries", "start_period", "disable"),
    *("context", "dockerfile", "dockerfile_inline", "args", "target"),
    *("ipam", "driver", "driver_opts", "internal", "external", "attachable", "enable_ipv6"),
    *("ipv4_address", "ipv6_address", "aliases", "priority"),
    *("source", "published", "protocol", "host_ip", "condition", "required", "limits"),
)


def _unknown(match: re.Match[str]) -> str:
    """Return what is wrong with a key that the specification has not."""
    near = difflib.get_close_matches(match[1], _KEYS, n=1)
    hint = f"; did you mean {near[0]}?" if near else "."
    return f"compose files know no {match[1]}{hint} A key of your own begins with x-"


# The specification allows these and compose-spec 0.2 does not: they are simpler for the check.
_KEPT = {"restart", "extra_hosts"}
_TRIES = re.compile(r"on-failure:\d+")
_GATEWAY = "host-gateway"
# RFC 5737: an address for documentation.
_ANY_ADDRESS = "192.0.2.1"


def _simplified(said: Any) -> Any:
    """Return a service as compose-spec can check it: without counts, and with addresses alone."""
    if not isinstance(said, dict):
        return said
    found = dict(said)
    if _TRIES.fullmatch(str(said.get("restart"))):
        found["restart"] = "on-failure"
    hosts = said.get("extra_hosts")
    if isinstance(hosts, dict):
        found["extra_hosts"] = {
            name: _ANY_ADDRESS if address == _GATEWAY else address
            for name, address in hosts.items()
        }
    elif isinstance(hosts, list):
        found["extra_hosts"] = [str(item).replace(_GATEWAY, _ANY_ADDRESS) for item in hosts]
    return found
