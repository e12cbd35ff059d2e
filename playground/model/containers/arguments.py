"""Arguments of `Host` and `Router` about containers: those of `docker run` that make sense here.

`make_container` checks each at once and makes `ContainerSettings` of them.

"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

from playground.errors import TopologyError
from playground.model.addresses import address_from
from playground.model.arguments import (
    is_choice,
    is_list,
    is_number,
    is_port,
    is_whole,
    shown,
)
from playground.model.containers.capabilities import (
    DOCKERS_DEFAULT,
    HARMLESS_DEVICES,
    OF_EVERY_HOST,
    ON_REQUEST,
    TUN,
)
from playground.model.containers.container import (
    PLAIN_CONTAINER,
    ContainerSettings,
    PublishedPort,
    RestartPolicy,
    Ulimit,
    Volume,
    VolumeMount,
)
from playground.model.containers.exec_limits import MOST_PATH_BYTES, refusal, size_bytes
from playground.model.containers.image_sources import absolute_path, check_build, check_image
from playground.model.notation import check_name

# A command as a line, taken apart as a shell does it, or its words.
CommandLine = str | Sequence[str]

# Ports to publish: 80, "53/udp", "8080:80", several of these, or {8080: 80}.
Published = int | str | Sequence[int | str] | Mapping[int | str, int | str]


class ContainerArguments(TypedDict, total=False):
    """The keyword arguments of `Host` and `Router` that say what runs in it, and on what.

    ``image`` is a reference such as "postgres:17", or the `Path` of an archive that `docker
    save` has written.  ``build`` is a directory with a Dockerfile, or a Dockerfile's text;
    ``dockerfile`` names another file than "Dockerfile", seen from that directory,
    ``build_target`` the stage to be built, and ``build_args`` what its ARGs are.
    ``command`` and ``entrypoint`` stand in place of the image's own, which [] or "" takes
    away; no shell reads their lines, as with `docker run`.  Those of ``programs``, and of a
    ``command`` without an image, a shell reads where they need one ("app > log").
    ``after`` names hosts whose programs are well (their healthcheck says so) before this
    one's begin; {"migrate": "ended"} waits for the end of one, with status 0.

    """

    image: str | os.PathLike[str] | None
    build: str | os.PathLike[str] | None
    dockerfile: str | os.PathLike[str] | None
    build_target: str | int | None
    build_args: Mapping[str, object] | None
    command: CommandLine | None
    entrypoint: CommandLine | None
    env: Mapping[str, object] | None
    user: str | int | None
    workdir: str | os.PathLike[str] | None
    healthcheck: CommandLine | bool | None
    health_interval_s: float | None
    health_timeout_s: float | None
    health_start_period_s: float | None
    health_retries: int | None
    restart: str | None
    init: bool | None
    stop_signal: str | int | None
    stop_timeout_s: float | None
    hostname: str | None
    aliases: str | Sequence[str] | None
    dns: str | Sequence[str] | None
    extra_hosts: Mapping[str, str | Sequence[str]] | None
    volumes: Mapping[str | os.PathLike[str] | Volume, str | Sequence[str]] | None
    files: Mapping[str, str | bytes | os.PathLike[str]] | None
    packages: str | Sequence[str] | None
    programs: Mapping[str, CommandLine] | None
    publish: Published | None
    after: str | Sequence[str] | Mapping[str, str] | None
    cap_add: str | Sequence[str] | None
    devices: str | Sequence[str] | None
    tun: bool | None
    shm_mb: int | None
    ulimits: Mapping[str, int | Sequence[int]] | None
    labels: Mapping[str, str] | None
    read_only: bool | None


_OF_BUILD = ("dockerfile", "build_target", "build_args")


def make_container(
    kind: str, name: str, arguments: Mapping[str, Any] | ContainerArguments
) -> ContainerSettings:
    """Return what was said of a node's container, if it can be.

    Raises `TopologyError` for what cannot be, or makes no sense in a lab, and `TypeError`,
    as Python does, for a keyword that nobody knows.

    >>> make_container("Host", "db", {"image": "postgres:17", "user": 70})
    ContainerSettings(source=image='postgres:17', ..., user='70', ...)

    """
    if not arguments:
        return PLAIN_CONTAINER
    for keyword in arguments:
        if keyword in _INSTEAD:
            raise TopologyError(f"{name}: {keyword}= makes no sense in a lab: {_INSTEAD[keyword]}")
        if keyword not in ContainerArguments.__annotations__:
            raise TypeError(f"{kind}() got an unexpected keyword argument {keyword!r}")
    said = {keyword: value for keyword, value in arguments.items() if value is not None}
    if "image" in said and "build" in said:
        raise TopologyError(
            f"{name}: image= and build= both say where its image comes from; leave one out"
        )
    found: dict[str, Any] = {}
    of_build = {keyword: said.pop(keyword) for keyword in _OF_BUILD if keyword in said}
    if "build" in said:
        found["source"] = check_build(name, said.pop("build"), **of_build)
    elif of_build:
        raise TopologyError(
            f"{name}: {next(iter(of_build))}= says how an image is built, and there is no build=; "
            "name the directory with the Dockerfile"
        )
    # A host of ours has a shell for certain.
    check = _words_of_image if "image" in said or "source" in found else shell_words
    for keyword in ("command", "entrypoint"):
        if keyword in said:
            value = said.pop(keyword)
            cleared = value in ("", [], ())
            found[keyword] = () if cleared else check(f"{name}: {keyword}", value)
    for keyword, value in said.items():
        field = "source" if keyword == "image" else keyword
        found[field] = _CHECKS[keyword](f"{name}: {keyword}", value)
    found |= dict(zip(("after", "after_end"), found.get("after", ((), ())), strict=True))
    if found.pop("tun", False):
        found["devices"] = tuple(dict.fromkeys((*found.get("devices", ()), TUN)))
    settings = ContainerSettings(**found)
    for place, _ in settings.files:
        if volume := settings.volume_at(place):
            raise TopologyError(
                f"{name}: files: {place} would be written into {volume.title}, which volumes= "
                f"shows at {volume.target}; put the file there yourself, or write it elsewhere"
            )
    return settings


# -- what runs in it ----------------------------------------------------------


def check_command(here: str, value: object) -> tuple[str, ...]:
    """Return the words of a command; a line is taken apart as a shell would.

    >>> check_command("h1: command", "python3 -m http.server 80")
    ('python3', '-m', 'http.server', '80')

    """
    if isinstance(value, str):
        try:
            words = shlex.split(value)
        except ValueError as error:
            raise TopologyError(f"{here}={shown(value)}: {error}; close the quotes") from None
    elif is_list(value) and not isinstance(value, (set, frozenset)):
        words = list(value)
    else:
        words = []
    if not words or not all(isinstance(word, str) and "\0" not in word for word in words):
        raise TopologyError(
            f"{here}={shown(value)} is no command; write a line such as "
            '"python3 -m http.server 80", or its words'
        )
    _refuse_long(here, words)
    return tuple(words)


def _refuse_long(here: str, words: Sequence[str]) -> None:
    if why := refusal(words):
        raise TopologyError(f"{here} {why}; put it into a file, with files=, and name that")


def _words_of_image(here: str, value: object) -> tuple[str, ...]:
    """Return the words of a command in an image, which need not have a shell to read a line."""
    words = check_command(here, value)
    if isinstance(value, str) and (sign := _OF_A_SHELL.search(_QUOTED.sub("_", value))):
        raise TopologyError(
            f"{here}={shown(value)}: no shell reads this line, as with `docker run`, and "
            f"{sign[0].strip()} would be part of a word for the program; write the shell too, as "
            f'in ["sh", "-c", {shown(value)}], or put what is meant as it stands into quotes'
        )
    return words


# What means something to a shell alone, and what keeps a shell from reading it.
_OF_A_SHELL = re.compile(r"&&|\|\||>>|2>|[|&;<>()$`*?\[\]]|^\s*\w+=|(?:^|\s)~")
_QUOTED = re.compile(r"\\.|'[^']*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)


# Signs that mean something to a shell, quotes apart: POSIX, Shell Command Language.
_SHELL = re.compile(r"[|&;<>()$`\\*?\[\]#~%!{}\n]|^\s*\w+=")
_BUILTIN = {".", "cd", "eval", "exec", "export", "set", "trap", "ulimit", "umask", "wait"}


def shell_words(here: str, command: object) -> tuple[str, ...]:
    """Return the words of a command; a line is a shell's, as for `Host.run`, where it needs one.

    >>> shell_words("h1: command", "python3 -m http.server 80")
    ('python3', '-m', 'http.server', '80')
    >>> shell_words("h1: command", "migrate && serve")
    ('/bin/sh', '-c', 'migrate && serve')

    """
    if not isinstance(command, str) or not command.strip() or "\0" in command:
        return check_command(here, command)
    if not _SHELL.search(command):
        with contextlib.suppress(ValueError):  # an open quote: the shell says where
            words = tuple(shlex.split(command))
            if words[0] not in _BUILTIN:
                _refuse_long(here, words)
                return words
    _refuse_long(here, [command])
    return ("/bin/sh", "-c", command)


def _healthcheck(here: str, value: object) -> tuple[str, ...]:
    if value is False:
        return ("NONE",)
    if value is True:
        raise TopologyError(
            f"{here}=True: that of the image holds already; write a command, or False for none"
        )
    if isinstance(value, str) and value.strip():
        _refuse_long(here, [value])
        return ("CMD-SHELL", value)
    return ("CMD", *check_command(here, value))


# A control character: a line break in a name or a path is a mistake, and breaks whatever lists
# them by lines.
_CONTROL = re.compile(r"[\0-\x1f\x7f]")

# A variable's name holds no "=" and no NUL; environ(7).
_VARIABLE = re.compile(r"[^=\0-\x1f\x7f]+")


def check_env(here: str, value: object) -> tuple[tuple[str, str], ...]:
    """Return variables of the environment, as pairs of texts."""
    found = []
    for key, item in _mapping(here, value, '{"POSTGRES_PASSWORD": "secret"}').items():
        if not isinstance(key, str) or not _VARIABLE.fullmatch(key):
            raise TopologyError(f"{here}: {shown(key)} is no name of a variable, such as LANG")
        if not isinstance(item, (str, int, float)) or "\0" in str(item):
            raise TopologyError(f"{here}: {key}={shown(item)} is no text; write a string")
        found.append((key, str(item)))
    _refuse_long(here, [f"{name}={text}" for name, text in found])
    return tuple(found)


def _seconds_of_check(here: str, value: object) -> float:
    if not is_number(value, 0, 3600):
        raise TopologyError(f"{here}={shown(value)} is no number of seconds up to 3600; write 5")
    return float(value)


def _retries(here: str, value: object) -> int:
    if not is_whole(value, 1, 1000):
        raise TopologyError(f"{here}={shown(value)} is no number of failures in a row; write 3")
    return value


_USER = re.compile(r"[\w.][\w.$-]*(:[\w.][\w.$-]*)?", re.ASCII)


def check_user(here: str, value: object) -> str:
    """Return the user that a program runs as: a name or a number, or both."""
    if is_whole(value, 0, 2**32 - 2):
        return str(value)
    if not isinstance(value, str) or len(value) > 256 or not _USER.fullmatch(value):
        raise TopologyError(
            f'{here}={shown(value)} is no user; write a name or a number, or both as in "app:app", '
            '"1000:1000"'
        )
    return value


def check_place(here: str, value: object, what: str) -> str:
    """Return an absolute path inside of a host, without what a path can do without."""
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str) or not text.startswith("/") or "\0" in text:
        raise TopologyError(f"{here}: {shown(value)} is no path in the host; {what}")
    if size_bytes(text) > MOST_PATH_BYTES:
        raise TopologyError(f"{here}: {shown(value)} is longer than a path can be: 4095 bytes")
    if _CONTROL.search(text):
        raise TopologyError(
            f"{here}: {shown(value)} has a line break or another control character in it; leave it "
            "out"
        )
    parts = PurePosixPath(text).parts
    if ".." in parts:
        raise TopologyError(f"{here}: {shown(value)} leads back by ..; write where it ends")
    return str(PurePosixPath("/", *parts[1:]))


def _workdir(here: str, value: object) -> str:
    return check_place(here, value, 'it begins with /, as "/srv"')


def _restart(here: str, value: object) -> RestartPolicy:
    when, _, most = value.partition(":") if isinstance(value, str) else ("", "", "")
    counts = not most or (when == "on-failure" and most.isascii() and most.isdecimal())
    if when not in ("no", "on-failure", "always", "unless-stopped") or not counts:
        raise TopologyError(
            f'{here}={shown(value)} is none of "no", "on-failure", "on-failure:3", "always" and '
            '"unless-stopped"; write one'
        )
    return RestartPolicy(when, int(most) if most else None)


def _init(here: str, value: object) -> bool:
    if _flag(here, value):
        return True
    raise TopologyError(
        f"{here}=False: the first process of every host is a small init that waits for the "
        "network, and the image's program comes after it; leave it out"
    )


# signal(7): those that are counted from the first or from the last.
_REALTIME = re.compile(r"SIGRT(MIN(\+([12]?[0-9]|30))?|MAX(-([12]?[0-9]|30))?)")


def _stop_signal(here: str, value: object) -> str:
    if is_whole(value, 1, 64):
        return str(value)
    text = f"SIG{value.upper().removeprefix('SIG')}" if isinstance(value, str) else ""
    if text not in signal.Signals.__members__ and not _REALTIME.fullmatch(text):
        raise TopologyError(f'{here}={shown(value)} is no signal; write one such as "SIGINT"')
    return text


def _stop_timeout(here: str, value: object) -> float:
    # A request of a lab's waits two minutes, connection.client.
    if not is_number(value, 0, 100):
        raise TopologyError(f"{here}={shown(value)} is no number of seconds, 100 at most; write 10")
    return float(value)


_PROGRAM = re.compile(r"[a-zA-Z0-9][\w.-]{0,62}", re.ASCII)


def _programs(here: str, value: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = []
    for key, item in _mapping(here, value, '{"api": "python3 /srv/api.py"}').items():
        if not isinstance(key, str) or not _PROGRAM.fullmatch(key):
            raise TopologyError(
                f"{here}: {shown(key)} is no program's name; it is made of letters, digits, dots, "
                'hyphens and underscores, such as "api"'
            )
        if key == "main":
            raise TopologyError(
                f'{here}: "main" is the program of command= or of the image; choose another name'
            )
        found.append((key, shell_words(f"{here}: {key}", item)))
    return tuple(found)


# Debian Policy section 5.6.7: names of packages; a version may follow as apt-get takes it.
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+:~-]+)?")


def check_packages(here: str, value: object) -> tuple[str, ...]:
    """Return names of Debian packages, sorted; what can be none never reaches a shell."""
    found = _words(here, value, 'packages=["redis-server"]')
    for item in found:
        if not _PACKAGE.fullmatch(item):
            raise TopologyError(
                f"{here}: {shown(item)} is no name of a Debian package; it is made of lower-case "
                'letters, digits, "+", "-" and ".", such as "redis-server"'
            )
    return tuple(sorted(dict.fromkeys(found)))


# -- what it is called, and who it knows --------------------------------------


def _hostname(here: str, value: object) -> str:
    try:
        return check_name("hostname", value)
    except TopologyError as error:
        raise TopologyError(f"{here}: {error}") from None


# Underscores too: names of services in compose files have them, and hosts(5) does not mind.
_ALIAS = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?", re.ASCII | re.IGNORECASE)


def _aliases(here: str, value: object) -> tuple[str, ...]:
    found = _words(here, value, 'aliases=["database"]')
    for item in found:
        if not _ALIAS.fullmatch(item) or item.split(".")[-1].isdecimal():
            raise TopologyError(
                f"{here}: {shown(item)} is no name of a host; it is made of letters, digits, "
                'dots, hyphens and underscores, such as "database"'
            )
    return tuple(dict.fromkeys(found))


def _dns(here: str, value: object) -> tuple[str, ...]:
    return tuple(_address(here, item) for item in _words(here, value, 'dns="10.1.1.1"'))


def _address(here: str, value: object) -> str:
    try:
        return str(address_from(value if isinstance(value, str) else ""))
    except ValueError:
        raise TopologyError(
            f'{here}: {shown(value)} is no address; write one such as "10.0.5.7"'
        ) from None


def _extra_hosts(here: str, value: object) -> tuple[tuple[str, str], ...]:
    found = []
    for name, addresses in _mapping(here, value, '{"printer": "192.168.1.50"}').items():
        try:
            check_name("host", name)
        except TopologyError as error:
            raise TopologyError(f"{here}: {error}") from None
        for item in _words(f"{here}: {name}", addresses, f'{{"{name}": "192.168.1.50"}}'):
            found.append((name, _address(f"{here}: {name}", item)))
    return tuple(found)


# -- what it shares with this machine -----------------------------------------


# What a host cannot do without: its processes, and what `lab.provision` writes for it.
_NOT_TO_BE_HIDDEN = ("/proc/", "/run/playground/")

# Folders of every system (hier(7)): the lab writes into some, programs of the host are in others.
_OF_THE_SYSTEM = {
    *("/bin", "/dev", "/etc", "/lib", "/lib64", "/run", "/sbin", "/sys", "/usr"),
    *("/usr/bin", "/usr/lib", "/usr/sbin", "/var/run"),
}


def _volumes(here: str, value: object) -> tuple[VolumeMount, ...]:
    found: list[VolumeMount] = []
    for source, said in _mapping(here, value, '{"site/": "/var/www/html"}').items():
        for place in said if isinstance(said, (list, tuple)) and said else (said,):
            volume = _volume(here, source, place)
            if any(volume.target == other.target for other in found):
                raise TopologyError(
                    f"{here}: two would stand at {volume.target}; choose another place"
                )
            found.append(volume)
    return tuple(found)


def _volume(here: str, source: object, said: object) -> VolumeMount:
    if isinstance(source, Volume):
        target, mode = _target_and_mode(here, f"the volume {source.name}", said)
        return VolumeMount(source.name, target, mode == "ro", shared=True)
    path = absolute_path(here, source, '"site/"')
    if not path.exists():
        shared = isinstance(source, str) and re.fullmatch(r"[\w.-]+", source)
        hint = (
            f"; a folder that hosts share and that ends with the lab is Volume({source!r})"
            if shared
            else ""
        )
        raise TopologyError(f"{here}: there is no {path}; make it first, or mend the path{hint}")
    target, mode = _target_and_mode(here, str(path), said)
    # A link that was named is followed here, once, and never again.
    place, links_in = _followed(here, path)
    if place == "/":
        raise TopologyError(
            f"{here}: {path} is the whole of this machine, with what is nobody else's business; "
            "name the folder that the host needs"
        )
    return VolumeMount(place, target, mode != "rw", links_in)


def _target_and_mode(here: str, what: str, said: object) -> tuple[str, str]:
    """Return where a volume is to stand, and "ro", "rw" or "" for what was not said."""
    text = said if isinstance(said, str) else ""
    target, _, mode = text.partition(":")
    if mode not in ("", "ro", "rw"):
        raise TopologyError(
            f'{here}: {shown(said)} ends with {mode!r}; write ":rw" for what the host may '
            'change, and ":ro" for what it may only read'
        )
    target = check_place(here, target or said, 'write as in {"site/": "/var/www/html"}')
    if target == "/":
        raise TopologyError(f"{here}: {what} cannot stand in place of a host's whole root")
    if f"{target}/".startswith(_NOT_TO_BE_HIDDEN):
        raise TopologyError(
            f"{here}: {what} cannot stand at {target}, where a host finds its own processes "
            "and what its lab keeps for it; choose another place"
        )
    if target in _OF_THE_LAB:
        raise TopologyError(
            f"{here}: {what} cannot stand at {target}, which the lab writes, with every name that "
            f"the host needs; {_OF_THE_LAB[target]}"
        )
    if target in _OF_THE_SYSTEM:
        raise TopologyError(
            f"{here}: {what} cannot stand at {target}, for it would hide the system's own files "
            f'there; choose a folder or file in it, such as "{target}/site"'
        )
    return target, mode


# The kernel gives up after as many: path_resolution(7).
_MOST_LINKS = 40


def _followed(here: str, path: Path) -> tuple[str, tuple[str, ...]]:
    """Return where an absolute path leads without links, and the folders of those on the way."""
    place, links_in = "/", []
    parts = list(reversed(path.parts[1:]))
    while parts:
        part = parts.pop()
        if part == "..":
            place = os.path.dirname(place)
            continue
        found = os.path.join(place, part)
        if not os.path.islink(found):
            place = found
            continue
        links_in.append(place)
        if len(links_in) > _MOST_LINKS:
            raise TopologyError(f"{here}: {path} goes by too many links; name where it ends")
        target = PurePosixPath(os.readlink(found))
        parts += reversed(target.parts[target.is_absolute() :])
        place = "/" if target.is_absolute() else place
    return place, tuple(links_in)


def _files(here: str, value: object) -> tuple[tuple[str, bytes | Path], ...]:
    found: list[tuple[str, bytes | Path]] = []
    for place, content in _mapping(here, value, '{"/srv/api.py": Path("api.py")}').items():
        target = check_place(here, place, 'write as in {"/srv/api.py": Path("api.py")}')
        if os.fspath(place).endswith("/"):
            raise TopologyError(
                f"{here}: {shown(place)} names a folder; write the name of a file, as "
                f'"{target.rstrip("/")}/NAME"'
            )
        if target in _OF_THE_LAB:
            raise TopologyError(
                f"{here}: {target} is written by the lab, with every name that the host needs; "
                f"{_OF_THE_LAB[target]}"
            )
        if target in _OF_THE_SYSTEM or f"{target}/".startswith(("/proc/", "/sys/")):
            raise TopologyError(
                f"{here}: {target} is the system's own, and no place for a file; choose another, "
                'such as "/srv/api.py"'
            )
        _refuse_overlap(here, target, [other for other, _ in found])
        if isinstance(content, str):
            found.append((target, content.encode()))
        elif isinstance(content, (bytes, bytearray)):
            found.append((target, bytes(content)))
        elif isinstance(content, os.PathLike):
            path = absolute_path(here, content, '{"/srv/api.py": Path("api.py")}')
            if path.is_dir():
                raise TopologyError(
                    f"{here}: {path} for {target} is a folder, and files= takes files; write "
                    f'volumes={{"{path.name}/": "{target}"}} for the folder'
                )
            if not path.is_file():
                raise TopologyError(f"{here}: there is no file {path} for {target}")
            found.append((target, path))
        else:
            raise TopologyError(
                f"{here}: {shown(content)} is no content of {target}; write a text, bytes or the "
                "Path of a file"
            )
    return tuple(found)


# Whose names neighbours, services and diagnosis count on.
_OF_THE_LAB = {
    "/etc/hosts": "write extra_hosts={...} for further ones",
    "/etc/hostname": "write hostname=",
    "/etc/resolv.conf": "write dns=",
}


def _refuse_overlap(here: str, target: str, others: Sequence[str]) -> None:
    for other in others:
        if target == other:
            raise TopologyError(f"{here}: two would stand at {target}; leave one out")
        for upper, lower in ((target, other), (other, target)):
            if lower.startswith(f"{upper}/"):
                raise TopologyError(
                    f"{here}: {upper} cannot be a file and the folder of {lower} as well; give "
                    "one of them another name"
                )


_PORT = re.compile(
    r"(?:(?:(?P<address>\[[0-9a-fA-F:.]+\]|[0-9.]+):)?(?P<local>[0-9]{0,5}):)?"
    r"(?P<port>[0-9]{1,5})(?:/(?P<protocol>tcp|udp))?"
)


def _publish(here: str, value: object) -> tuple[PublishedPort, ...]:
    if isinstance(value, Mapping):
        items = [f"{local}:{port}" for local, port in value.items()]
    else:
        items = [str(item) for item in (value if is_list(value) else (value,))]
    found = [check_published(here, item) for item in items]
    if not found:
        raise TopologyError(f"{here}={shown(value)} is empty; leave it out")
    taken: dict[tuple[str, int, str | None], PublishedPort] = {}
    for one in dict.fromkeys(found):
        if one.local_port is None:
            continue
        other = taken.setdefault((one.protocol, one.local_port, one.local_address), one)
        if other is not one:
            raise TopologyError(
                f"{here}: {one.protocol} port {one.local_port} of this machine cannot be both "
                f"port {other.port} and port {one.port} of the host; choose another for one of them"
            )
    return tuple(dict.fromkeys(found))


def check_published(here: str, item: object) -> PublishedPort:
    """Return a port to publish: [[ADDRESS:]PORT HERE:]PORT THERE[/PROTOCOL], as docker run has it.

    >>> check_published("www: publish", "8080:80")
    PublishedPort(port=80, protocol='tcp', local_port=8080, local_address=None)

    """
    match = _PORT.fullmatch(str(item))
    ports = [int(match[name]) for name in ("port", "local") if match[name]] if match else [0]
    if match is None or not all(map(is_port, ports)):
        raise TopologyError(
            f'{here}: {shown(item)} is no port; write 80, "53/udp", or {{8080: 80}} for port 80 '
            "of the host at port 8080 here"
        )
    address = match["address"] and _address(here, match["address"].strip("[]"))
    local = int(match["local"]) if match["local"] else None
    return PublishedPort(ports[0], match["protocol"] or "tcp", local, address)


def _after(here: str, value: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the hosts to be well before, and those to have ended."""
    if not isinstance(value, Mapping):
        return tuple(dict.fromkeys(_words(here, value, 'after=["db"]'))), ()
    for name, state in value.items():
        if state not in ("well", "ended"):
            raise TopologyError(
                f'{here}: {shown(name)}: {shown(state)} is neither "well" nor "ended"; write one'
            )
    names = _words(here, [*value], 'after={"migrate": "ended"}')
    well, ended = ([name for name in names if value[name] == x] for x in ("well", "ended"))
    return tuple(well), tuple(ended)


# -- what it may do, and take -------------------------------------------------


def _cap_add(here: str, value: object) -> tuple[str, ...]:
    found = []
    for item in _words(here, value, 'cap_add="SYS_NICE"'):
        name = item.upper().removeprefix("CAP_")
        if name not in DOCKERS_DEFAULT | OF_EVERY_HOST | ON_REQUEST:
            raise TopologyError(
                f"{here}: a host cannot have {shown(item)}, for the machine would be its own "
                f"then, or there is no such capability; it may have {', '.join(ON_REQUEST)}, and "
                "has NET_ADMIN and NET_RAW already"
            )
        if name in ON_REQUEST:
            found.append(name)
    return tuple(sorted(dict.fromkeys(found)))


def _devices(here: str, value: object) -> tuple[str, ...]:
    found = []
    for item in _words(here, value, 'devices="/dev/net/tun"'):
        source = check_place(
            here, item.partition(":")[0], 'it begins with /dev/, as "/dev/net/tun"'
        )
        if not source.startswith("/dev/") or ":" in item:
            raise TopologyError(
                f"{here}: {shown(item)} is no device of the machine under the same name in the "
                'host; write it as "/dev/net/tun"'
            )
        if source not in HARMLESS_DEVICES:
            raise TopologyError(
                f"{here}: a host with {source} could reach what is the machine's; it may have "
                f"{', '.join(HARMLESS_DEVICES)}"
            )
        found.append(source)
    return tuple(dict.fromkeys(found))


def _shm(here: str, value: object) -> int:
    if not is_whole(value, 1, 2**20):
        raise TopologyError(f"{here}={shown(value)} is no whole number of megabytes; write 64")
    return value


# As `docker run --ulimit` names the limits of getrlimit(2).
_ULIMITS = (
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc"),
    *("rss", "rtprio", "rttime", "sigpending", "stack"),
)


def _ulimits(here: str, value: object) -> tuple[Ulimit, ...]:
    found = []
    for name, said in _mapping(here, value, '{"nofile": 1024}').items():
        if not is_choice(name, _ULIMITS):
            raise TopologyError(
                f"{here}: there is no limit {shown(name)}; there are {', '.join(_ULIMITS)}"
            )
        pair = tuple(said) if isinstance(said, (list, tuple)) else (said, said)
        if len(pair) != 2 or not all(is_whole(item, -1, 2**63 - 1) for item in pair):
            raise TopologyError(
                f"{here}: {name}={shown(said)} is neither a whole number nor (soft, hard), such "
                "as 1024 or (1024, 4096); -1 is no limit"
            )
        soft, hard = pair
        if hard != -1 and (soft == -1 or soft > hard):
            raise TopologyError(
                f"{here}: {name}={shown(said)} has a soft limit above its hard one; turn them"
            )
        found.append(Ulimit(name, soft, hard))
    return tuple(found)


def _labels(here: str, value: object) -> tuple[tuple[str, str], ...]:
    found = []
    for key, item in _mapping(here, value, '{"course": "networks"}').items():
        if not isinstance(key, str) or not key or not isinstance(item, str):
            raise TopologyError(f"{here}: {shown(key)}: {shown(item)} are no two strings")
        if key.split(".")[0] == "playground":
            raise TopologyError(
                f"{here}: a label {key!r} would be taken for one of playground's own; choose "
                "another name"
            )
        found.append((key, item))
    return tuple(found)


def _flag(here: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TopologyError(f"{here}={shown(value)} is neither True nor False; write one")
    return value


# -- shapes -------------------------------------------------------------------


def _mapping(here: str, value: object, example: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping) or not value:
        raise TopologyError(
            f"{here}={shown(value)} maps nothing to anything; write for example {example}"
        )
    return value


def _words(here: str, value: object, example: str) -> tuple[str, ...]:
    """Return one or several strings as a tuple."""
    items = tuple(value) if is_list(value) else (value,)
    if not items or not all(isinstance(item, str) and item for item in items):
        raise TopologyError(
            f"{here}={shown(value)} is neither a string nor a list of them; write for example "
            f"{example}"
        )
    return items


_CHECKS = {
    "image": check_image,
    "env": check_env,
    "user": check_user,
    "workdir": _workdir,
    "healthcheck": _healthcheck,
    "health_interval_s": _seconds_of_check,
    "health_timeout_s": _seconds_of_check,
    "health_start_period_s": _seconds_of_check,
    "health_retries": _retries,
    "restart": _restart,
    "init": _init,
    "stop_signal": _stop_signal,
    "stop_timeout_s": _stop_timeout,
    "hostname": _hostname,
    "aliases": _aliases,
    "dns": _dns,
    "extra_hosts": _extra_hosts,
    "volumes": _volumes,
    "files": _files,
    "packages": check_packages,
    "programs": _programs,
    "publish": _publish,
    "after": _after,
    "cap_add": _cap_add,
    "devices": _devices,
    "tun": _flag,
    "shm_mb": _shm,
    "ulimits": _ulimits,
    "labels": _labels,
    "read_only": _flag,
}

# Words of `docker run`, of compose files and of docker-py that say elsewhere, or never, what
# they say here.
_LINKS = "networks are made of links, as in Link(switch, host)"
_INSTEAD = {
    **dict.fromkeys(("network", "networks", "network_mode", "net"), _LINKS),
    **dict.fromkeys(("mac_address", "mac"), "write macs= at the Link"),
    **dict.fromkeys(("ip", "ip6", "address"), "write address= at the Link"),
    "links": _LINKS,
    "privileged": "whoever has all rights has the machine; name what is needed in cap_add=",
    **dict.fromkeys(
        ("pid", "pid_mode", "ipc", "ipc_mode", "uts", "userns", "userns_mode", "cgroupns"),
        "a host's processes, names and users are its own, and nobody else's",
    ),
    **dict.fromkeys(("cgroup_parent", "runtime", "isolation"), "the engine's affair; leave it out"),
    **dict.fromkeys(
        ("security_opt", "cap_drop"),
        "hosts of a lab are all held alike; leave it out, or say less in cap_add=",
    ),
    **dict.fromkeys(
        ("detach", "rm", "remove", "auto_remove", "tty", "stdin_open", "interactive"),
        "a host lives and goes with its lab; leave it out",
    ),
    **dict.fromkeys(
        ("port", "ports", "expose"),
        "ports of a host are open to its neighbours at once; "
        "write publish= for one that this machine shall reach",
    ),
    **dict.fromkeys(("environment", "env_file"), "write env={...}"),
    **dict.fromkeys(("network_alias", "alias", "container_name"), "write aliases=[...]"),
    "depends_on": "write after=[...]",
    "health_cmd": "write healthcheck=",
    "health_start_period": "write health_start_period_s=",
    "health_interval": "write health_interval_s=",
    "health_timeout": "write health_timeout_s=",
    "working_dir": "write workdir=",
    "mem_limit": "write memory_mb=",
    "memory": "write memory_mb=",
    "pids_limit": "write processes=",
    "shm_size": "write shm_mb=",
    **dict.fromkeys(("volume", "mounts", "volumes_from"), "write volumes={...}"),
    "tmpfs": "a host may write wherever its user may; leave it out",
    "add_host": "write extra_hosts={...}",
    "stop_grace_period": "write stop_timeout_s=",
    **dict.fromkeys(("buildargs", "args"), "write build_args={...}, beside build="),
    "target": "write build_target=, beside build=",
    "platform": "an image runs where its platform is the machine's; leave it out",
}
