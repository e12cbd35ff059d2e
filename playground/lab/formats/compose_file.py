"""Compose files as checked data: read, variables put in, put together, each part with its line.

What may stand in such a file is checked by the package compose-spec, ``.env`` and ``env_file``
are read by python-dotenv.  See https://github.com/compose-spec/compose-spec/blob/main/spec.md.

"""

from __future__ import annotations

import difflib
import io
import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from playground.errors import TopologyError
from playground.lab.files.bounded_files import read_bounded
from playground.lab.formats.compose_merge import (
    SECTIONS,
    absolute,
    merged_files,
    merged_lines,
    merged_services,
    rooted,
    without,
)
from playground.lab.formats.yaml_lines import Place, read_yaml
from playground.model.arguments import check_path, is_list, shown
from playground.model.records import dataclass

EXTRA = "compose"

# As the specification names them, in the order in which they are looked for.
COMPOSE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


# Tags of parts that are not to be merged with what another file has at that place: "Reset value"
# and "Replace value" of the specification.
_RESET, _OVERRIDE = "!reset", "!override"


@dataclass
class ComposeFile:
    """A compose file; ``left_out`` are its keys that nobody heeds, with file and line.

    ``alone`` are the places of parts that take nothing from files or services below.

    """

    path: Path
    data: dict[str, Any]
    lines: dict[Place, str]
    environment: Mapping[str, str]
    left_out: list[str] = field(default_factory=list)
    alone: set[Place] = field(default_factory=set)
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
        return self.lines.get(place, f"{self.path}:1")

    def add(self, other: ComposeFile) -> None:
        """Put another file upon this one: `docker compose -f THIS -f OTHER`."""
        self.data = merged_files(without(self.data, other.alone), other.data)
        self.lines = merged_lines(_without_lines(self.lines, other.alone), other.lines)
        self.left_out += other.left_out
        self.alone |= other.alone

    def leave_out(self, place: Place, why: str) -> None:
        """Note that a part is not done."""
        self.left_out.append(f"{self.at(*place)}: {'.'.join(map(str, place))} {why}")


Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def read_compose(path: Paths, environment: Mapping[str, str] | None = None) -> ComposeFile:
    """Read a compose file, or that of a folder; raises `TopologyError` for what is none.

    Of several files each is read upon those before it.  Beside that of a folder its
    compose.override.yaml is read, where there is one.  ``include`` and ``extends`` are
    followed.  Variables come from ``environment``, by default this program's, and then from
    ``.env`` beside the first file.

    """
    given = [*path] if is_list(path) else [path]
    if not given:
        raise TopologyError('no compose file is named; write for example "compose.yaml"')
    paths = [found for one in given for found in _find(check_path(one, '"compose.yaml"'))]
    file = _read(paths, os.environ if environment is None else environment, ())
    if not isinstance(file.data.get("services"), dict):
        raise _no_compose_file(paths[0])
    if not file.data["services"]:
        raise TopologyError(f"{file.at('services')}: services is empty; write one")
    _extend(file)
    file.data = _checked(file, file.data)
    return file


def _find(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    for name in COMPOSE_NAMES:
        if (path / name).is_file():
            stem, _, ending = name.partition(".")
            others = [path / f"{stem}.override.{kind}" for kind in (ending, "yml", "yaml")]
            return [path / name, *[other for other in others if other.is_file()][:1]]
    raise TopologyError(
        f"there is no compose file in {path}: it would be called {COMPOSE_NAMES[0]}"
    )


# As many files may lead from one to the next: more are a mistake.
_MOST_FILES = 50


def _read(
    paths: Sequence[Path],
    environment: Mapping[str, str],
    through: tuple[Path, ...],
    folder: Path | None = None,
    env_files: Sequence[Path] | None = None,
) -> ComposeFile:
    """Return files, each upon those before it, with what they include, and variables put in.

    Paths in the files begin at ``folder``, by default that of the first, where ``.env`` lies
    too unless ``env_files`` are others.  ``through`` are the files that led here.

    """
    _refuse_circle(paths[0], through)
    folder = folder or paths[0].parent
    variables: dict[str, str] = {}
    for env_file in [folder / ".env"] if env_files is None else env_files:
        if env_file.is_file():
            variables |= read_variables(env_file)
    variables |= environment
    found = ComposeFile(paths[0], {}, {}, variables)
    for path in paths:
        data, lines, tags = read_yaml(path, EXTRA, (_RESET, _OVERRIDE))
        if not isinstance(data, dict):
            raise _no_compose_file(path)
        if isinstance(services := data.get("services"), dict):
            data["services"] = {str(name): said for name, said in services.items()}
        one = ComposeFile(
            path, data, {place: f"{path}:{n}" for place, n in lines.items()}, variables
        )
        one.room = found.room
        one.alone = _places_alone(one, tags)
        data = without(data, [place for place, tag in tags.items() if tag == _RESET])
        one.data = rooted(_filled(one, data, ()), folder)
        found.add(one)
        for number, said in enumerate(one.data.pop("include", None) or ()):
            found.data.pop("include", None)
            _include(found, one, said, ("include", number), (*through, path))
    return found


def _places_alone(file: ComposeFile, tags: Mapping[Place, str]) -> set[Place]:
    for place, tag in tags.items():
        if not place or isinstance(place[-1], int):
            raise TopologyError(
                f"{file.at(*place)}: {tag} stands before the value of a key, as `ports: {tag} []`"
            )
    return {*tags}


def _without_lines(lines: Mapping[Place, str], places: Collection[Place]) -> dict[Place, str]:
    return {
        place: at
        for place, at in lines.items()
        if not any(place[: len(one)] == one for one in places)
    }


def _refuse_circle(path: Path, through: tuple[Path, ...]) -> None:
    if path in through or len(through) > _MOST_FILES:
        way = " -> ".join(map(str, (*through[-3:], path)))
        raise TopologyError(f"{path}: files lead to each other without end ({way}); mend that")


def _include(
    whole: ComposeFile, file: ComposeFile, said: Any, place: Place, through: tuple[Path, ...]
) -> None:
    """Add what a file includes; raises `TopologyError` for names that are there already."""
    words = said if isinstance(said, dict) else {"path": said}
    given = [Path(absolute(str(one), file.folder)) for one in _listed(words.get("path"))]
    if not given:
        raise TopologyError(f"{file.at(*place)}: include names no path; write one")
    for one in given:
        if not one.is_file():
            raise TopologyError(f"{file.at(*place)}: there is no file {one}")
    folder = words.get("project_directory")
    env_files = [Path(absolute(str(one), file.folder)) for one in _listed(words.get("env_file"))]
    inner = _read(
        given,
        file.environment,
        through,
        Path(absolute(str(folder), file.folder)) if folder else None,
        env_files or None,
    )
    for section in SECTIONS:
        there, more = whole.data.get(section) or {}, inner.data.get(section) or {}
        for name in more:
            if name in there and there[name] != more[name]:
                raise TopologyError(
                    f"{file.at(*place)}: {inner.path} has {section}.{name} too; give one of them "
                    "another name"
                )
        whole.data[section] = {**there, **more}
    whole.lines = {**inner.lines, **whole.lines}
    whole.left_out += inner.left_out
    whole.alone |= inner.alone


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _extend(file: ComposeFile) -> None:
    """Put in the place of each service with ``extends`` what the two come to."""
    for name in file.data["services"]:
        file.data["services"][name] = _extended(file, file, name, ())


def _extended(
    whole: ComposeFile, file: ComposeFile, name: str, through: tuple[tuple[Path, str], ...]
) -> Any:
    """Return a service of a file; lines of what it extends are noted in ``whole``."""
    said = file.data["services"][name]
    place = ("services", name, "extends")
    if not isinstance(said, dict) or said.get("extends") is None:
        return said
    words = said["extends"] if isinstance(said["extends"], dict) else {"service": said["extends"]}
    if (file.path, name) in through or len(through) > _MOST_FILES:
        raise TopologyError(f"{file.at(*place)}: services extend each other without end; mend that")
    other, service = file, str(words.get("service"))
    if words.get("file") is not None:
        path = Path(absolute(str(words["file"]), file.folder))
        if not path.is_file():
            raise TopologyError(f"{file.at(*place)}: there is no file {path}")
        if path.absolute() != file.path.absolute():
            other = _read([path], file.environment, ())
            whole.left_out += other.left_out
    there = other.data.get("services") or {}
    if service not in there:
        raise TopologyError(
            f"{file.at(*place)}: {service} is no service of {other.path}; it has "
            f"{', '.join(there) or 'none'}"
        )
    below = _extended(whole, other, service, (*through, (file.path, name)))
    lines = {
        ("services", name, *known[2:]): where
        for known, where in other.lines.items()
        if known[:2] == ("services", service)
    }
    alone = {place for place in file.alone if place[:2] == ("services", name)}
    whole.lines = merged_lines(_without_lines(lines, alone), whole.lines)
    below = without({"services": {name: below}}, alone)["services"].get(name)
    return merged_services(below, {key: item for key, item in said.items() if key != "extends"})


def read_variables(path: Path) -> dict[str, str]:
    """Return the variables of an env file, without those that have no value."""
    try:
        from dotenv.parser import parse_stream
        from dotenv.variables import parse_variables
    except ImportError:
        raise missing("python-dotenv") from None
    try:
        # With the ends of lines that a text has in Python.
        content = read_bounded(path, _MOST_CHARACTERS).decode("utf-8")
        text = io.StringIO(content, newline=None).read()
        room = _Room(str(path))
        room.take(text)
        said = [*parse_stream(io.StringIO(text))]
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise TopologyError(f"{path}:{line}: this is no text in UTF-8") from error
    found: dict[str, str] = {}
    values: dict[str, str | None] = {}
    for one in said:
        if one.error:
            words = one.original.string.strip().partition("\n")[0]
            raise TopologyError(
                f"{path}:{one.original.line}: {shown(words)} sets no variable; write NAME=VALUE"
            )
        if one.key is not None:
            values[one.key] = one.value
    for name, value in values.items():
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


def _no_compose_file(path: Path) -> TopologyError:
    return TopologyError(
        f"{path}:1: this is no lab file: one of ours says `playground: 1`, a topology of "
        "containerlab has topology:, and a compose file has services:"
    )


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
    for name, said in data["services"].items():
        if not isinstance(said, dict):
            raise TopologyError(
                f"{file.at('services', str(name))}: services.{name}: {shown(said)} is no service; "
                "write what it has, as in {image: nginx}"
            )
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
        reason = re.sub(
            r"invalid type: \w+ [`\"](.*)[`\"], expected a (set|sequence)", _no_list, reason
        )
        reason = re.sub(r"extension key `([^`]+)` does not start.*", _unknown, reason)
        where = f"{'.'.join(map(str, place))}: " if place else ""
        # A variable that is not set may be all that is wrong.
        start = f": {'.'.join(map(str, place))} names $"
        unset = [line.partition(": ")[2] for line in file.left_out if place and start in line]
        reason = "; ".join([reason, *unset])
        raise TopologyError(f"{file.at(*near[-1])}: {where}{reason}") from error
    # A name such as 1 comes back as a number.
    found["services"] = {str(name): said for name, said in found["services"].items()}
    for name, said in data["services"].items():
        for key in set(said or {}) & set(found["services"][name]) & _KEPT:
            found["services"][name][key] = said[key]
    return found


# In the words of compose-spec.
_ANOTHER_TYPE = re.compile(r"invalid type: \w+ [`\"](.*)[`\"], expected a (set|sequence)")


def _no_list(match: re.Match[str]) -> str:
    return f"{match[1]} is no list; write [{match[1]}]"


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
