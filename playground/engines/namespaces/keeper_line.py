"""The lines to a lab's keeper: the leash that holds the lab, the makers, the agent.

The library's end of what the docstrings of `namespaces.keeper` and `namespaces.host_maker`
lay down.

"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from playground.engines.namespaces.fork_client import forks
from playground.engines.namespaces.privileges import user_namespaces_refused
from playground.engines.seam import Channel
from playground.errors import EngineError
from playground.operations.connection.client import PipeChannel
from playground.operations.connection.socket_line import SocketLine

# A keeper that has not made its namespaces by then never will.
_READY_LIMIT_S = 30.0

# A host takes some 3 ms; a maker that was killed with one in its hands never answers.
_MAKE_LIMIT_S = 30.0

# When making was given up, what is under way is waited for, to be taken back.
_GIVEN_UP_S = 5.0

# Requests under way at once: enough for all makers, and fewer than a socket holds.
_UNDER_WAY = 16


class Leash:
    """The line that holds a lab to its owner: when the owner lets go, the lab ends."""

    def __init__(self, line: KeeperLine) -> None:
        self._line = line

    def release(self) -> None:
        """Let a lab with ``keep`` outlive this process.  One without has ended already."""
        self._line.keep()
        self._line.close()

    def abandon(self) -> None:
        """Let go, and so end the lab; returns at once."""
        self._line.let_go()


class KeeperLine:
    """The lines to a keeper that was started: leash, makers, agent, sockets."""

    def __init__(
        self,
        lab_id: str,
        environ: Mapping[str, str],
        keep: bool = False,
        enter: int | None = None,
        users: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        _lines.add(self)
        self.lab_id = lab_id
        self._lock = threading.Lock()
        self._ready: dict[str, Any] | None = None
        self._has_reader = False
        self.closed = False
        # Hosts that were asked for and not answered yet.
        self._under_way = 0
        self._leash, leash = socket.socketpair()
        self._makers, makers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket_line, sockets = SocketLine.pair()
        owner = None
        self.channel, stdio = PipeChannel.make()
        try:
            given = {"leash": leash.fileno(), "maker": makers.fileno(), "sockets": sockets.fileno()}
            if enter is None:
                given["owner"] = owner = os.pidfd_open(os.getpid())
            settings = {"lab": lab_id, "keep": keep, "enter": enter, "owner": None}
            settings["users"] = list(users)
            standard = [file.fileno() for file in stdio]
            self._origin = forks.fork_keeper(self, settings, environ, standard, given)
        except BaseException:
            self.closed = True
            for line in (self._leash, self._makers, self.socket_line, self.channel):
                line.close()
            forks.let_go(self)
            raise
        finally:
            for theirs in (leash, makers, sockets, *stdio):
                theirs.close()
            if owner is not None:
                os.close(owner)

    def ready(self) -> None:
        """Wait until the lab's namespaces are there; raises `EngineError` if they cannot be."""
        with self._lock:
            if self._ready is None:
                self._ready = self._hear()
        if "error" in self._ready:
            raise EngineError(_sentence(self._ready["error"]))

    def _hear(self) -> dict[str, Any]:
        heard = b""
        deadline = time.monotonic() + _READY_LIMIT_S
        while not heard.endswith(b"\n"):
            self._leash.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                more = self._leash.recv(1 << 16)
            except TimeoutError:
                words = f"nothing was heard of it for {_READY_LIMIT_S:g} s"
                return {"error": {"message": words, "errno": None}}
            if not more:
                words = self.channel.stderr_tail().strip() or self._origin.last_words()
                words = words or "it ended at once"
                return {"error": {"message": words, "errno": None}}
            heard += more
        message: dict[str, Any] = json.loads(heard)
        return message

    def make(
        self, requests: Iterable[Mapping[str, Any]], advance: Callable[[], object]
    ) -> dict[str, int]:
        """Have hosts made; return their process ids by name.

        Raises `EngineError` if one cannot be made; then, and after an interrupt,
        others may be there, and none is still to come.

        """
        pids: dict[str, int] = {}
        errors: list[dict[str, Any]] = []

        def take() -> None:
            reply = self._hear_of_host(_MAKE_LIMIT_S)
            if "error" in reply:
                errors.append(reply["error"])
            else:
                pids[reply["name"]] = reply["pid"]
                advance()

        with self._lock:
            if self.closed:
                raise self._no_makers()
            if self._under_way:
                raise EngineError(
                    f"lab {self.lab_id} lost a machine while it was made: stop the lab and start "
                    "it again"
                )
            try:
                for request in requests:
                    if errors:
                        break
                    if self._under_way == _UNDER_WAY:
                        take()
                    self._makers.send(json.dumps(request).encode())
                    self._under_way += 1
                while self._under_way:
                    take()
            except TimeoutError:
                raise EngineError(
                    f"no machine of lab {self.lab_id} was made for {_MAKE_LIMIT_S:g} s: the "
                    "process that was to make it was killed, or this machine is overloaded; "
                    "stop the lab and start it again"
                ) from None
            except ConnectionError:
                raise self._no_makers() from None
            except OSError as error:
                raise EngineError(
                    f"lab {self.lab_id} ended while its machines were made: {error.strerror}"
                ) from error
            finally:
                with suppress(EngineError, OSError):
                    while self._under_way:
                        self._hear_of_host(_GIVEN_UP_S)
        if errors:
            raise EngineError(f"a machine could not be made: {_sentence(errors[0])}")
        return pids

    def _hear_of_host(self, limit_s: float) -> dict[str, Any]:
        self._makers.settimeout(limit_s)
        packet = self._makers.recv(1 << 20)
        if not packet:
            raise self._no_makers()
        self._under_way -= 1
        reply: dict[str, Any] = json.loads(packet)
        return reply

    def _no_makers(self) -> EngineError:
        return EngineError(
            f"the makers of lab {self.lab_id} were killed: stop the lab and start it again"
        )

    def keep(self) -> None:
        with suppress(OSError):
            self._leash.send(b"keep")

    def let_go(self) -> None:
        """End the leash and the makers' line, also for forks and for threads that wait there."""
        self.socket_line.close()
        lines = (self._leash, self._makers)
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        # Not under the hands of a thread that was woken by that; one that a debugger
        # holds is not waited for.
        held = self._lock.acquire(timeout=_GIVEN_UP_S)
        try:
            for line in lines:
                line.close()
        finally:
            if held:
                self._lock.release()

    def hand_out(self) -> Channel:
        """Return the line to the agent, whose reader will see its end.

        To close it is to close all these lines.

        """
        self._has_reader = True
        return self

    def forget(self) -> None:
        """Close what a fork of the owner has inherited; the lab is not its own."""
        self.closed = True
        self.socket_line.forget()
        for line in (self._leash, self._makers):
            line.close()
        self.channel.forget()

    # -- the line to the agent, as a channel

    def read(self, size: int) -> bytes:
        return self.channel.read(size)

    def write(self, data: bytes) -> None:
        self.channel.write(data)

    def stderr_tail(self) -> str:
        return self.channel.stderr_tail()

    def close(self) -> None:
        self.closed = True
        self.let_go()
        self.channel.close()
        if not self._has_reader:
            while self.channel.read(1 << 16):
                pass
        forks.let_go(self)


# Those of this process.  A fork holds its copies open, whose end nobody would see.
_lines: weakref.WeakSet[KeeperLine] = weakref.WeakSet()


def _forget_all() -> None:
    for line in list(_lines):
        with suppress(AttributeError, OSError):  # one that was only half made
            line.forget()


os.register_at_fork(after_in_child=_forget_all)


def _sentence(error: Mapping[str, Any]) -> str:
    message = str(error["message"])
    if "user namespaces are refused" in message:
        return user_namespaces_refused(tried=True) or message
    return message
