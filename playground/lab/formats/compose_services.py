"""A service of a compose file in the words of `Host`.

Each field has a row in `_FIELDS`, a function that puts what it says into the host's
arguments; what has none is left out, and that is said.

"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from playground.errors import TopologyError
from playground.lab.declarations.user_paths import expanded
from playground.lab.formats.compose_file import ComposeFile, missing, read_variables
from playground.lab.formats.foreign.host_names import host_name
from playground.lab.formats.yaml_lines import Place
from playground.model.arguments import shown
from playground.model.containers.container import Volume


class ComposeService:
    """One service on its way to the arguments of a host."""

    def __init__(self, file: ComposeFile, name: str) -> None:
        self.file = file
        self.name = name
        self.said: Mapping[str, Any] = file.data["services"][name] or {}
        self.arguments: dict[str, Any] = {}

    def place(self, *further: str | int) -> Place:
        return ("services", self.name, *further)

    def leave_out(self, further: Iterable[str | int], why: str) -> None:
        self.file.leave_out(self.place(*further), why)

    def refuse(self, further: Iterable[str | int], why: str) -> TopologyError:
        return TopologyError(f"{self.file.at(*self.place(*further))}: {why}")


def host_arguments(file: ComposeFile, name: str) -> dict[str, Any]:
    """Return the keyword arguments of the host that a service is.

    Raises `TopologyError` where a host would be another thing than the service.

    """
    words = ComposeService(file, name)
    for field, value in words.said.items():
        if field in _FIELDS and value is not None:
            _FIELDS[field](words, value)
        elif field not in _ELSEWHERE and field not in _FIELDS and not field.startswith("x-"):
            words.leave_out([field], _WHY.get(field, "is not done in a lab"))
    return words.arguments


# -- the fields -------------------------------------------------------------------


def _as(argument: str) -> Callable[[ComposeService, Any], None]:
    """Return what hands a value on as it is."""

    def put(words: ComposeService, value: Any) -> None:
        words.arguments[argument] = value

    return put


def _command(argument: str) -> Callable[[ComposeService, Any], None]:
    """Return what takes a line apart: no shell reads the lines of compose files."""

    def put(words: ComposeService, value: Any) -> None:
        try:
            words.arguments[argument] = shlex.split(value) if isinstance(value, str) else value
        except ValueError as error:
            raise words.refuse([argument], f"{shown(value)}: {error}; close the quotes") from None

    return put


def _build(words: ComposeService, value: Any) -> None:
    said = {"context": value} if isinstance(value, str) else dict(value)
    inline, context = said.pop("dockerfile_inline", None), said.pop("context", ".")
    if "://" in context or context.startswith("git@"):
        raise words.refuse(
            ["build", "context"], f"{context} is not fetched; fetch it, and name its folder"
        )
    words.arguments["build"] = words.file.folder / context
    named = said.pop("dockerfile", None)
    if inline is not None:
        words.arguments["dockerfile"] = f"{inline}\n"
    elif named is not None:
        words.arguments["dockerfile"] = named
    if (target := said.pop("target", None)) is not None:
        words.arguments["build_target"] = target
    if args := _variables(words, said.pop("args", None) or {}):
        words.arguments["build_args"] = args
    for field in said:
        words.leave_out(["build", field], "is not handed to the builder")
    words.arguments.pop("image", None)


def _image(words: ComposeService, value: Any) -> None:
    # Beside a build it is only what the result is called.
    if "build" not in words.said:
        words.arguments["image"] = value


def _environment(words: ComposeService, value: Any) -> None:
    found = words.arguments.pop("env", {}) | _variables(words, value)
    if found:
        words.arguments["env"] = found


def _variables(words: ComposeService, value: Any) -> dict[str, str]:
    """Return variables by name; those that are only named are what this program has for them."""
    found = {}
    pairs = value.items() if isinstance(value, Mapping) else (_pair(str(item)) for item in value)
    for name, text in pairs:
        if text is None:
            text = words.file.environment.get(name)
        if text is not None:
            found[name] = str(text).lower() if isinstance(text, bool) else str(text)
    return found


def _pair(item: str) -> tuple[str, str | None]:
    name, equals, text = item.partition("=")
    return name, text if equals else None


def _env_file(words: ComposeService, value: Any) -> None:
    # Values of `environment` count more, wherever it stands.
    for number, item in enumerate(value if isinstance(value, list) else [value]):
        said = item if isinstance(item, Mapping) else {"path": item}
        path = words.file.folder / said["path"]
        if not path.is_file():
            if said.get("required", True):
                raise words.refuse(["env_file", number], f"there is no file {path}")
            continue
        for name, text in read_variables(path).items():
            words.arguments.setdefault("env", {})[name] = text
    if words.said.get("environment"):
        _environment(words, words.said["environment"])


_PORT = re.compile(
    r"(?:(?:(?P<address>\[[^]]+\]|[0-9.]+):)?(?:(?P<local>\d+)(?:-(?P<local_end>\d+))?)?:)?"
    r"(?P<port>\d+)(?:-(?P<end>\d+))?(?:/(?P<protocol>tcp|udp))?"
)


def _ports(words: ComposeService, value: Any) -> None:
    found: list[str] = []
    for number, item in enumerate(value):
        text = _port_text(item) if isinstance(item, Mapping) else str(item)
        match = _PORT.fullmatch(text)
        if match is None:
            words.leave_out(["ports", number], f"is no port that can be published: {text}")
            continue
        address = f"{match['address']}:" if match["address"] else ""
        protocol = f"/{match['protocol']}" if match["protocol"] else ""
        first, last = int(match["port"]), int(match["end"] or match["port"])
        local = int(match["local"]) if match["local"] else None
        count = last - first + 1
        ends_at = int(match["local_end"] or 0)
        if local is not None and ends_at and ends_at - local + 1 != count:
            words.leave_out(["ports", number], "has ranges of two lengths")
            continue
        for step in range(count):
            here = "" if local is None else str(local + step)
            before = f"{address}{here}:" if address or here else ""
            found.append(f"{before}{first + step}{protocol}")
    if found:
        words.arguments["publish"] = found


def _port_text(item: Mapping[str, Any]) -> str:
    """Return the long syntax of a port in the short one."""
    address, local = item.get("host_ip"), item.get("published")
    before = f"{local or ''}:" if address or local else ""
    if address:
        before = (f"[{address}]:" if ":" in address else f"{address}:") + before
    return f"{before}{item['target']}/{item.get('protocol', 'tcp')}"


def _volumes(words: ComposeService, value: Any) -> None:
    for number, item in enumerate(value):
        short = not isinstance(item, Mapping)
        said = _volume_words(str(item)) if short else item
        source, kind = said.get("source"), said.get("type")
        mode = ":ro" if said.get("read_only") else ":rw"
        if kind == "bind" and source:
            path = (words.file.folder / expanded(source)).absolute()
            if path.name == "docker.sock":
                words.leave_out(
                    ["volumes", number], "is not shown: who has the engine's socket has the machine"
                )
            elif path.exists() or not (short or (said.get("bind") or {}).get("create_host_path")):
                _show(words, str(path), said["target"] + mode)
            else:
                words.leave_out(
                    ["volumes", number], "is not there: a folder of the lab stands for it"
                )
                _show(words, _unnamed(words), said["target"] + mode)
        elif kind == "volume":
            for field in sorted(said.get("volume") or {}):
                words.leave_out(["volumes", number, "volume", field], "is not done")
            shared = Volume(volume_name(source)) if source else _unnamed(words)
            _show(words, shared, said["target"] + mode)
        elif kind == "tmpfs":
            _show(words, _unnamed(words), said["target"] + mode)
        else:
            words.leave_out(["volumes", number], f"is no folder of this machine ({kind})")


def _show(words: ComposeService, source: str | Volume, place: str) -> None:
    words.arguments.setdefault("volumes", {}).setdefault(source, []).append(place)


def volume_name(name: str) -> str:
    """Return what a volume of a compose file is called in a lab."""
    return re.sub(r"[^\w.-]", "-", name).lstrip("_.-")[:64] or "volume"


def _unnamed(words: ComposeService) -> Volume:
    """Return a volume of this service alone."""
    count = sum(isinstance(source, Volume) for source in words.arguments.get("volumes", {}))
    return Volume(volume_name(f"{words.name}.own{count + 1}"))


def _volume_words(text: str) -> dict[str, Any]:
    """Take the short syntax apart: [SOURCE:]TARGET[:MODE]."""
    source, _, rest = text.partition(":")
    if not rest:
        return {"type": "volume", "target": text}
    target, _, mode = rest.partition(":")
    kind = "bind" if source[0] in "./~" else "volume"
    return {"type": kind, "source": source, "target": target, "read_only": "ro" in mode.split(",")}


def _tmpfs(words: ComposeService, value: Any) -> None:
    for number, item in enumerate(value if isinstance(value, list) else [value]):
        target, _, options = str(item).partition(":")
        if options:
            words.leave_out(["tmpfs", number], "is as large as any folder of the lab's")
        _show(words, _unnamed(words), target)


def _mounted(section: str, folder: str) -> Callable[[ComposeService, Any], None]:
    """Return what writes configs or secrets, which are files of this machine or texts."""

    def put(words: ComposeService, value: Any) -> None:
        for number, item in enumerate(value):
            said = item if isinstance(item, Mapping) else {"source": item}
            name = said["source"]
            defined = (words.file.data.get(section) or {}).get(name) or {}
            target = said.get("target") or name
            place = target if target.startswith("/") else f"{folder}{target}"
            files = words.arguments.setdefault("files", {})
            if "file" in defined:
                files[place] = words.file.folder / defined["file"]
            elif "content" in defined:
                files[place] = defined["content"]
            elif "environment" in defined:
                files[place] = words.file.environment.get(defined["environment"], "")
            else:
                words.leave_out([section, number], f"is defined nowhere that can be read: {name}")

    return put


def _healthcheck(words: ComposeService, value: Any) -> None:
    test = value.get("test")
    if value.get("disable") or test == ["NONE"]:
        words.arguments["healthcheck"] = False
    elif isinstance(test, list):
        kind, *rest = test
        words.arguments["healthcheck"] = rest[0] if kind == "CMD-SHELL" else rest
    elif test is not None:
        words.arguments["healthcheck"] = test
    for field, put in _HEALTH.items():
        if value.get(field) is not None:
            put(words, value[field])
    for field in value:
        if field not in ("test", "disable", *_HEALTH):
            words.leave_out(["healthcheck", field], "is not heeded: it is asked each 0.2 s at most")


def _depends_on(words: ComposeService, value: Any) -> None:
    said = value if isinstance(value, Mapping) else dict.fromkeys(value)
    found: dict[str, str] = {}
    for name, how in said.items():
        if name not in words.file.data["services"]:
            continue  # of a profile that was not asked for
        ended = (how or {}).get("condition") == "service_completed_successfully"
        found[host_name(name)] = "ended" if ended else "well"
        if (how or {}).get("restart"):
            words.leave_out(["depends_on", name, "restart"], "is not done in a lab")
    if found:
        words.arguments["after"] = found


def _split(item: str) -> tuple[str, str]:
    name, _, address = item.replace("=", ":", 1).partition(":")
    return name, address


def _extra_hosts(words: ComposeService, value: Any) -> None:
    pairs = value.items() if isinstance(value, Mapping) else (_split(item) for item in value)
    found = {}
    for name, address in pairs:
        if address == "host-gateway":
            words.leave_out(["extra_hosts", name], "leads to this machine, which no lab reaches")
        else:
            found[name] = address
    if found:
        words.arguments["extra_hosts"] = found


def _seconds(argument: str) -> Callable[[ComposeService, Any], None]:
    def put(words: ComposeService, value: Any) -> None:
        try:
            import compose_spec
        except ImportError:
            raise missing("compose-spec") from None
        words.arguments[argument] = compose_spec.parse_duration(str(value))

    return put


_UNITS = {"": 0, "b": 0, "k": 10, "kb": 10, "m": 20, "mb": 20, "g": 30, "gb": 30}


def _megabytes(argument: str) -> Callable[[ComposeService, Any], None]:
    def put(words: ComposeService, value: Any) -> None:
        match = re.fullmatch(r"([\d.]+)([kmg]?b?)", str(value).lower())
        if match is None:
            raise words.refuse([], f"{value!r} is no size; write for example 64m")
        size = float(match[1]) * (1 << _UNITS[match[2]])
        words.arguments[argument] = max(1, round(size / (1 << 20)))

    return put


def _number(argument: str) -> Callable[[ComposeService, Any], None]:
    def put(words: ComposeService, value: Any) -> None:
        words.arguments[argument] = float(value) if argument == "cpus" else int(value)

    return put


def _deploy(words: ComposeService, value: Any) -> None:
    said = dict(value)
    resources = dict(said.pop("resources", None) or {})
    limits = dict(resources.pop("limits", None) or {})
    for field, argument, put in (
        ("cpus", "cpus", _number("cpus")),
        ("memory", "memory_mb", _megabytes("memory_mb")),
        ("pids", "processes", _number("processes")),
    ):
        found = limits.pop(field, None)
        if found is not None and argument not in words.arguments:
            put(words, found)
    if said.pop("replicas", 1) != 1:
        words.leave_out(["deploy", "replicas"], "is one: a service is one host")
    for field in limits:
        words.leave_out(["deploy", "resources", "limits", field], "is not done in a lab")
    for field in resources:
        words.leave_out(["deploy", "resources", field], "is not done in a lab")
    for field in said:
        words.leave_out(["deploy", field], "is not done in a lab")


def _sysctls(words: ComposeService, value: Any) -> None:
    pairs = value.items() if isinstance(value, Mapping) else (_pair(str(item)) for item in value)
    for name, text in pairs:
        if name.startswith("net."):
            words.arguments.setdefault("sysctls", {})[name] = text
        else:
            words.leave_out(["sysctls", name], "is none of a host's network, and not set")


def _ulimits(words: ComposeService, value: Any) -> None:
    words.arguments["ulimits"] = {
        name: (said["soft"], said["hard"]) if isinstance(said, Mapping) else said
        for name, said in value.items()
    }


def _labels(words: ComposeService, value: Any) -> None:
    pairs = value.items() if isinstance(value, Mapping) else (_pair(item) for item in value)
    words.arguments["labels"] = {name: "" if x is None else str(x) for name, x in pairs}


def _devices(words: ComposeService, value: Any) -> None:
    found = []
    for number, item in enumerate(value):
        source, _, target = str(item).partition(":")
        if target.partition(":")[0] not in ("", source):
            words.leave_out(["devices", number], "has another name within, which is not done")
        else:
            found.append(source)
    if found:
        words.arguments["devices"] = found


def _privileged(words: ComposeService, value: Any) -> None:
    if value is not False:
        raise words.refuse(
            ["privileged"],
            "privileged is not done: whoever has all rights has the machine; name what is "
            "needed in cap_add",
        )


_HEALTH: dict[str, Callable[[ComposeService, Any], None]] = {
    "interval": _seconds("health_interval_s"),
    "timeout": _seconds("health_timeout_s"),
    "start_period": _seconds("health_start_period_s"),
    "retries": _number("health_retries"),
}

_FIELDS: dict[str, Callable[[ComposeService, Any], None]] = {
    "build": _build,
    "cap_add": _as("cap_add"),
    "command": _command("command"),
    "configs": _mounted("configs", "/"),
    "cpus": _number("cpus"),
    "depends_on": _depends_on,
    "deploy": _deploy,
    "devices": _devices,
    "dns": _as("dns"),
    "entrypoint": _command("entrypoint"),
    "env_file": _env_file,
    "environment": _environment,
    "extra_hosts": _extra_hosts,
    "healthcheck": _healthcheck,
    "hostname": _as("hostname"),
    "image": _image,
    "init": _as("init"),
    "labels": _labels,
    "mem_limit": _megabytes("memory_mb"),
    "pids_limit": _number("processes"),
    "ports": _ports,
    "privileged": _privileged,
    "read_only": _as("read_only"),
    "restart": _as("restart"),
    "secrets": _mounted("secrets", "/run/secrets/"),
    "shm_size": _megabytes("shm_mb"),
    "stop_grace_period": _seconds("stop_timeout_s"),
    "stop_signal": _as("stop_signal"),
    "sysctls": _sysctls,
    "tmpfs": _tmpfs,
    "ulimits": _ulimits,
    "user": _as("user"),
    "volumes": _volumes,
    "working_dir": _as("workdir"),
}

# Keys that are read where networks are made, or that change nothing in a lab.
_ELSEWHERE = {
    *("networks", "network_mode", "profiles", "expose", "stdin_open", "tty"),
    *("container_name", "links", "attach"),
}

_WHY = {
    "cap_drop": "is not done: hosts of a lab are all held alike",
    "security_opt": "is not done: hosts of a lab are all held alike",
    "platform": "is not heeded: an image has to be of this machine's",
    "pull_policy": "is not heeded: an image is pulled where it is not there",
    "scale": "is not done: a service is one host",
    "logging": "is not done: what a program prints is its log",
    "network_mode": "is not done",
}
