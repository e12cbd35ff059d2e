"""A program of a user's own as a service of a host: its settings, and its row.

The lab's supervisor runs it, which needs nothing of the host: so it runs on any image.

"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from playground.errors import TopologyError
from playground.model.arguments import check_flag, check_mapping, is_port, shown
from playground.model.containers.arguments import (
    check_env,
    check_packages,
    check_place,
    check_user,
    shell_words,
)
from playground.model.containers.container import ContainerSettings
from playground.model.records import dataclass
from playground.model.services.frr import ROUTING
from playground.model.services.served_files import folder_contents, places_of
from playground.model.services.settings import (
    File,
    Port,
    Probe,
    Readiness,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
)
from playground.model.services.table import SERVICES

Command = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
Ready = str | Sequence[str] | Callable[[Any], object]

# Where a server finds its certificate, its key, and the authority that signed it.
TLS_FILES = {
    "TLS_CERT_FILE": "/etc/playground/tls/cert.pem",
    "TLS_KEY_FILE": "/etc/playground/tls/key.pem",
    "TLS_CA_FILE": "/run/playground/ca.pem",
}

_MOST_FILES_BYTES = 64 * 1024 * 1024

_NAME = re.compile(r"[a-zA-Z0-9][\w.-]{0,62}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Service(ServiceSettings):
    """A program of your own that runs on a host as a service, in all respects like ours.

    ``command`` is what runs, in the foreground: text is a line for ``sh -c``, a list is run
    as it is.  It is started once the network is wired and the files are there, and again
    whenever it ends.  What it prints is its log.

    ``port`` is where it listens, by TCP, or with ``protocol="udp"`` by UDP.  A lab has started
    when it is ready: ``ready`` is "http" (it answers a request), "tcp" (it takes a connection;
    the default where a TCP port is known), a command, as text or list, that is run on
    the host until it succeeds, or a function that is called with the host until it returns
    something true.  Without ready and port, it must not end at once.

    ``files`` maps absolute paths on the host to texts, to bytes, or to a `Path` of this machine,
    whose file or folder is read when the lab starts.  What begins with ``#!`` may be executed.
    ``packages`` are those of Debian that it needs.  It runs in the folder ``workdir`` as
    ``user``, root where nobody has said another, with PORT and all of ``env``.  With ``tls`` it
    gets a certificate for all names and addresses of its host, signed by the lab's authority:
    TLS_CERT_FILE, TLS_KEY_FILE and TLS_CA_FILE are set to the paths, and "tcp" and "http"
    begin with TLS and check who answers.

    Raises `TopologyError` for what cannot be.

    >>> api = Service("api", "python3 -m http.server 8000", port=8000, ready="http")
    >>> Host("app", services=["ssh", api])
    Host('app', services=['ssh', 'api'])

    """

    name: str
    command: Command
    port: int | None = field(default=None, kw_only=True)
    protocol: str = field(default="tcp", kw_only=True)
    ready: Ready | None = field(default=None, kw_only=True)
    tls: bool = field(default=False, kw_only=True)
    files: Mapping[str, str | bytes | os.PathLike[str]] = field(
        default_factory=dict, kw_only=True, hash=False
    )
    packages: Sequence[str] = field(default=(), kw_only=True)
    env: Mapping[str, str] = field(default_factory=dict, kw_only=True, hash=False)
    user: str | None = field(default=None, kw_only=True)
    workdir: str = field(default="/", kw_only=True)

    def __post_init__(self) -> None:
        here = check_service_name(self.name)
        checked = {
            "service": self.name,
            "command": _check_command(f"{here}: command", self.command),
            "files": _check_files(here, self.files),
            "packages": ()
            if self.packages in ((), [])
            else check_packages(f"{here}: packages", self.packages),
            "env": _check_env(here, self.env),
            "user": None if self.user is None else check_user(f"{here}: user", self.user),
            "workdir": check_place(f"{here}: workdir", self.workdir, 'it begins with /, as "/srv"'),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        check_flag(f"{here}: tls", self.tls, TopologyError)
        _check_port(here, self.port, self.protocol)
        object.__setattr__(self, "ready", self._check_ready(here))

    def _check_ready(self, here: str) -> Ready | None:
        ready = self.ready
        if callable(ready):
            return ready
        asked = ready is None or ready in ("tcp", "http")
        if self.tls and (self.protocol != "tcp" or self.port is None):
            raise TopologyError(
                f"{here}: tls=True needs the TCP port that it listens on; add port="
            )
        if not asked:
            try:
                return _check_command(f"{here}: ready", ready)
            except TopologyError:
                raise TopologyError(
                    f'{here}: ready={shown(ready)} is neither "http" nor "tcp" nor a command nor '
                    'a function; write for example ready="http"'
                ) from None
        if ready is not None and (self.port is None or self.protocol != "tcp"):
            raise TopologyError(
                f"{here}: ready={ready!r} asks a TCP port, and none is said; add for example "
                "port=8000"
            )
        return ready

    @property
    def is_own(self) -> bool:
        """Whether it is a user's own: it is."""
        return True

    @property
    def label(self) -> str:
        """What a picture calls it: its name, and its port if it has one."""
        return self.name if self.port is None else f"{self.name}:{self.port}"

    @property
    def own_row(self) -> ServiceRow:
        """The service as the rest of playground knows it: a row as our own have one."""
        probes: tuple[Probe, ...] = ()
        readiness = Readiness()
        if callable(self.ready):
            readiness = Readiness(function=self.ready)
        elif self.ready not in (None, "tcp", "http"):
            readiness = Readiness(command=shell_words("", self.ready))
        elif self.port is not None and self.protocol == "tcp":
            question = _http_request(self.port) if self.ready == "http" else None
            expect = r"^HTTP/1\." if question else ""
            probes = (Probe(self.port, tls=self.tls, send=question, expect=expect),)
        return ServiceRow(
            name=self.name,
            settings=Service,
            layer=None,
            programs=(),
            ports=(Port(self.port, self.protocol, self.tls),) if self.port else (),
            probes=probes,
            logs=(),
            configure=_configure,
            tls=self.tls,
            processes=1,
            packages=tuple(self.packages),
            readiness=readiness,
        )

    @property
    def words(self) -> tuple[str, ...]:
        """The program and its arguments."""
        return shell_words("command", self.command)

    @property
    def environment(self) -> dict[str, str]:
        """Variables that it has beside those of its host."""
        # Python holds back what it prints into a pipe, and a log is to be read at once.
        found = {"PYTHONUNBUFFERED": "1"}
        if self.port is not None:
            found["PORT"] = str(self.port)
        if self.tls:
            found |= TLS_FILES | {"TLS_KEY_FILE": self.key_file}
        return found | dict(self.env)

    @property
    def key_file(self) -> str:
        """Where its key is: its user's alone, if it has one."""
        own = f"/etc/playground/tls/{self.name}.pem"
        return TLS_FILES["TLS_KEY_FILE"] if self.user is None else own

    @property
    def own_places(self) -> list[str]:
        found = []
        for place, content in self.files.items():
            folder = isinstance(content, Path) and content.is_dir()
            found += places_of(place, content) if folder else [place]
        return found

    def with_contents(self) -> Service:
        """Return the same with the contents of this machine's files in their place.

        A function that says whether it is ready is of this program alone, and left out.

        """
        said = None if callable(self.ready) else self.ready
        return dataclasses.replace(self, files=_read(self.name, self.files), ready=said)

    def __repr__(self) -> str:
        said = [repr(self.name), repr(self.command)]
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if not item.kw_only or value in (None, (), {}, False) or value == item.default:
                continue
            # Their names alone: they may hold whole programs.
            said.append(f"{item.name}={sorted(value) if item.name == 'files' else value!r}")
        return f"Service({', '.join(said)})"


def as_services(here: str, programs: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[Service, ...]:
    """Return the services that ``programs={"api": "python3 /srv/api.py"}`` declares."""
    try:
        return tuple(Service(name, command) for name, command in programs)
    except TopologyError as error:
        raise TopologyError(f"{here}: {error}") from None


def refuse_two_owners(
    here: str, container: ContainerSettings, services: Iterable[ServiceSettings]
) -> None:
    """Raise `TopologyError` for files of a service in a place that a volume shows already."""
    for settings in services if container.volumes else ():
        for place in settings.own_places:
            if volume := container.volume_at(place):
                raise TopologyError(
                    f"{here}: {place} of the service {settings.service} would be written into "
                    f"{volume.title}, which volumes= shows at {volume.target}; put the file "
                    "there yourself, or leave one of the two out"
                )


# ------------------------------------------------------------- on the host


def _configure(settings: Service, context: ServiceContext) -> tuple[File, ...]:
    return tuple(
        File(path, content, 0o755 if content.startswith(b"#!") else 0o644)
        for path, content in _read(settings.name, settings.files).items()
    )


def _http_request(port: int) -> bytes:
    return (
        f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: playground-probe\r\n"
        "Connection: close\r\n\r\n"
    ).encode()


def _read(name: str, files: Mapping[str, str | bytes | os.PathLike[str]]) -> dict[str, bytes]:
    """Return what is written on a host, by absolute path; folders are read here."""
    found: dict[str, bytes] = {}
    for place, content in files.items():
        if isinstance(content, bytes):
            found[place] = content
            continue
        assert isinstance(content, Path)  # made so by _check_files
        try:
            if content.is_dir():
                found |= {f"{place}/{name}": held for name, held in folder_contents(content)}
            else:
                found[place] = content.read_bytes()
        except OSError as exc:
            raise TopologyError(
                f"service {name}: cannot read {exc.filename} for its files: {exc.strerror}"
            ) from exc
        if sum(map(len, found.values())) > _MOST_FILES_BYTES:
            raise TopologyError(
                f"service {name}: its files come to more than {_MOST_FILES_BYTES >> 20} MiB; give "
                "fewer, and copy large ones in with host.put() once the lab runs"
            )
    return found


# ------------------------------------------------------------------ checks


def check_service_name(name: object) -> str:
    """Return how errors call a service of a user's own; refuse a name that it cannot have."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise TopologyError(
            f"{shown(name)} cannot be the name of a service: it is made of letters, digits, dots, "
            'hyphens and underscores; write for example "api"'
        )
    if name == "main":
        raise TopologyError('"main" is the program of an image; choose another name, such as "api"')
    ours = {program for row in SERVICES.values() for program in row.programs}
    if name in SERVICES or name in ours or name in ROUTING:
        raise TopologyError(
            f"{name!r} is a service or a program of playground's own; give yours another name, "
            f'such as "my-{name}"'
        )
    return f"service {name}"


def _check_command(here: str, command: object) -> str | tuple[str, ...]:
    if isinstance(command, os.PathLike):
        command = [command]
    if isinstance(command, (list, tuple)):
        command = [os.fspath(word) if isinstance(word, os.PathLike) else word for word in command]
    words = shell_words(here, command)
    return command if isinstance(command, str) else words


def _check_env(here: str, env: object) -> dict[str, str]:
    # A script says them, so that what a shell takes for no name cannot be one.
    given = check_mapping(f"{here}: env", env, '{"DEBUG": "1"}', TopologyError)
    found = dict(check_env(f"{here}: env", given)) if given else {}
    for name in found:
        if not _VARIABLE.fullmatch(name):
            raise TopologyError(
                f"{here}: env: {shown(name)} is no name of a variable; write for example "
                '{"DEBUG": "1"}'
            )
    return found


def _check_port(here: str, port: object, protocol: object) -> None:
    if port is not None and not is_port(port):
        raise TopologyError(f"{here}: port={shown(port)} is no port; write for example port=8000")
    if protocol not in ("tcp", "udp"):
        raise TopologyError(f'{here}: protocol={shown(protocol)} is neither "tcp" nor "udp"')


def _check_files(here: str, files: object) -> dict[str, bytes | Path]:
    example = '{"/srv/api.py": Path("api.py")}'
    given = check_mapping(f"{here}: files", files, example, TopologyError)
    checked: dict[str, bytes | Path] = {}
    for place, content in given.items():
        path = check_place(f"{here}: files", place, f"write as in {example}")
        if path == "/":
            raise TopologyError(f"{here}: files: / is the root of the host; name a file in it")
        if isinstance(content, str):
            checked[path] = content.encode()
        elif isinstance(content, (bytes, bytearray, memoryview)):
            checked[path] = bytes(content)
        elif isinstance(content, os.PathLike):
            local = Path(content).absolute()
            if not local.exists():
                raise TopologyError(
                    f"{here}: files: {local} does not exist; write text as it is, and a Path of "
                    f"what is there, as in {example}"
                )
            checked[path] = local
        else:
            raise TopologyError(
                f"{here}: files: {path} must be text, bytes, or a Path of this machine, not "
                f"{shown(content)}"
            )
    return checked
