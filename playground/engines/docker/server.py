"""The way to a Docker server: where it is, which API it speaks, and lines to it.

docker-py brings the transports (unix socket, tcp, TLS, ssh) and the rarer requests; the
few that a lab's start consists of go over plain HTTP connections of their own, one for
each thread.

"""

from __future__ import annotations

import http.client
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from playground.engines.docker.errors import engine_errors, is_foreign
from playground.engines.docker.http import (
    FIRST_TIMEOUT_S,
    TIMEOUT_S,
    AgentChannel,
    Line,
    Patience,
    Refused,
    api_number,
    dial,
    unix_stream,
)
from playground.engines.seam import Channel
from playground.errors import EngineError

# API 1.41 came with Docker 20.10, the first with the cgroup namespace mode.
MINIMUM_API = "1.41"

# Six at a time is where the engine itself stops getting faster (2 cores: it is
# bound by runc); an ssh server allows ten sessions a connection (MaxSessions in
# sshd_config(5)), and each of our connections is one.
_WORKERS = 6
_WORKERS_SSH = 4

# An engine that is well answers this in a millisecond.
_PROBE_S = 5.0

USUAL_SOCKET = "/var/run/docker.sock"

T = TypeVar("T")


class Server:
    """A Docker server, or another that speaks its API; ``url`` as `DockerEngine` has it."""

    def __init__(self, url: str | None = None) -> None:
        self.url = url
        self._lock = threading.Lock()
        self._api: Any = None
        self._version = ""
        # Of the engine's processor, as GOARCH has it; known once the version is.
        self.architecture = ""
        self._patience = Patience()

    def close(self) -> None:
        """Close all connections.  The engine opens new ones when it is used again."""
        with self._lock:
            api, self._api = self._api, None
        if api is not None:
            api.close()

    def answers(self) -> bool:
        """Whether an engine answers; this costs a millisecond and imports nothing."""
        if not self.socket_path():
            return False
        try:
            with Line(self._dial, "", self._patience) as line:
                line.request("GET", "/version", limit_s=_PROBE_S)
        except (OSError, http.client.HTTPException, Refused, ValueError):
            return False
        return True

    def was_asked_for(self) -> bool:
        """Whether somebody has said which engine to use: here, by environment or context."""
        return bool(self.url or os.environ.get("DOCKER_HOST")) or _has_context()

    def describe(self) -> dict[str, Any]:
        """Return what the engine says of itself: ``url``, its ``version`` and ``info``.

        The last two are its own words, as in `docker version` and `docker info`.

        """
        with self.errors("asking the engine about itself"), self.line() as line:
            return {
                "url": self._where(),
                "version": line.request("GET", "/version", limit_s=FIRST_TIMEOUT_S),
                "info": line.request("GET", "/info", limit_s=FIRST_TIMEOUT_S),
            }

    def line(self) -> Line:
        return Line(self._dial, self.negotiated(), self._patience)

    def negotiated(self) -> str:
        return self._version or self.negotiate()

    def negotiate(self) -> str:
        """Choose the version of the API to speak; return it.

        The oldest that both know: engines keep what a version means, and one
        dialect works with all of them.

        """
        with Line(self._dial, "", self._patience) as line:
            version = line.request("GET", "/version", limit_s=FIRST_TIMEOUT_S)
        newest, oldest = (version.get(key, "0") for key in ("ApiVersion", "MinAPIVersion"))
        if api_number(newest) < api_number(MINIMUM_API):
            raise EngineError(
                f"the container engine is too old: it is {version.get('Version', '?')} with API "
                f"{newest}, and playground needs Docker 20.10 (API {MINIMUM_API}) or newer; "
                "update it"
            )
        if version.get("Os", "linux") != "linux":
            raise EngineError(
                "the container engine runs Windows containers; switch it to Linux containers "
                "(in the menu of Docker Desktop) and try again"
            )
        self.architecture = str(version.get("Arch", ""))
        self._version = max(oldest, MINIMUM_API, key=api_number)
        return self._version

    def each(self, items: Sequence[T], work: Callable[[Line, T], None]) -> None:
        """Do `work` for every item, some at a time, each thread on its own line.

        After the first error, and after an interrupt, what is under way is
        finished, nothing more is begun, and the error is raised.

        """
        todo = iter(items)
        lock = threading.Lock()
        errors: list[BaseException] = []

        def worker() -> None:
            try:
                with self.line() as line:
                    while not errors:
                        with lock:
                            try:
                                item = next(todo)
                            except StopIteration:
                                return
                        work(line, item)
            except BaseException as error:
                errors.append(error)

        count = min(len(items), _WORKERS_SSH if self._over_ssh() else _WORKERS)
        threads = [threading.Thread(target=worker, name="playground-engine") for _ in range(count)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except BaseException as interrupt:
            errors.insert(0, interrupt)
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        if errors:
            raise errors[0]

    def open_channel(self, upgrade: Callable[[Line], tuple[Any, bytes]]) -> Channel:
        """Return the line that `upgrade` makes of a fresh connection."""
        # Over ssh each agent has a connection of its own: ten sessions are
        # all that one may have.
        own = self._new_client(TIMEOUT_S) if self._over_ssh() else None
        try:
            line = Line(
                partial(dial, own) if own else self._dial, self.negotiated(), self._patience
            )
            try:
                stream, rest = upgrade(line)
            except BaseException:
                line.close()
                raise
        except BaseException:
            if own is not None:
                own.close()
            raise
        return AgentChannel(stream, rest, own)

    @contextmanager
    def client(self, timeout_s: float) -> Iterator[Any]:
        """A docker-py client for its own requests, of the version negotiated."""
        from playground.operations.connection.host_sockets import on_this_machine

        with on_this_machine():
            api = self._new_client(timeout_s, self.negotiated())
            try:
                yield api
            finally:
                api.close()

    def _shared_client(self) -> Any:
        """The docker-py client that our lines are dialled through; made at the first use."""
        with self._lock:
            if self._api is None:
                self._api = self._new_client(TIMEOUT_S)
            return self._api

    def _new_client(self, timeout_s: float, version: str = MINIMUM_API) -> Any:
        import docker

        # A version that is given costs no request.
        return docker.APIClient(**self._place(), version=version, timeout=timeout_s)

    def _place(self) -> dict[str, Any]:
        """Where the engine is, as docker-py's arguments."""
        from docker.utils import kwargs_from_env

        place: dict[str, Any] = kwargs_from_env()
        if self.url:
            return place | {"base_url": self.url}
        if "base_url" not in place and (context := _docker_context()):
            return context
        return place

    def _dial(self) -> Any:
        """Open a connection; to a unix socket without docker-py, whose import takes 0.35 s."""
        if path := self.socket_path():
            return unix_stream(path)
        from playground.operations.connection.host_sockets import on_this_machine

        with on_this_machine():
            return dial(self._shared_client())

    def socket_path(self) -> str | None:
        """The unix socket, where that is all there is to know; else None."""
        url = self.url or os.environ.get("DOCKER_HOST")
        if not url:
            return None if _has_context() else USUAL_SOCKET
        return "/" + url.removeprefix("unix://").lstrip("/") if url.startswith("unix://") else None

    @property
    def has_our_files(self) -> bool:
        """Whether the engine is on this machine, as far as its address says."""
        return self.socket_path() is not None

    def _where(self) -> str:
        if path := self.socket_path():
            return f"unix://{path}"
        return str(self._place().get("base_url") or f"unix://{USUAL_SOCKET}")

    def _over_ssh(self) -> bool:
        return self._where().startswith("ssh://")

    def errors(self, doing: str) -> AbstractContextManager[None]:
        """Turn every other library's error into an `EngineError` with a sentence."""
        return engine_errors(doing, self._where_or_so)

    def _where_or_so(self) -> str:
        """Where the engine is, also where its settings are the very mistake."""
        try:
            return self._where()
        except Exception as error:
            if not is_foreign(error):
                raise
            return self.url or os.environ.get("DOCKER_HOST", "its usual place")


def _has_context() -> bool:
    """Whether the docker command may have been told to use another engine."""
    if os.environ.get("DOCKER_CONTEXT"):
        return True
    directory = os.environ.get("DOCKER_CONFIG") or Path("~/.docker").expanduser()
    try:
        return '"currentContext"' in Path(directory, "config.json").read_text(errors="replace")
    except OSError:
        return False


def _docker_context() -> dict[str, Any]:
    """The engine that `docker context use` chose, as docker-py's arguments."""
    import docker.errors
    from docker.context import ContextAPI

    try:
        context = ContextAPI.get_current_context()
    except (docker.errors.DockerException, OSError, ValueError):
        return {}
    if context is None or context.Name == "default" or not context.Host:
        return {}
    return {"base_url": context.Host, "tls": context.TLSConfig or False}
