"""Images carried from one machine's engine to those of others, where there is no registry.

The switchboard reads them from the engine of its machine (``docker save``) and sends them in pieces
to the servers of the machines that lack some; each server hands the pieces to its own engine
(``docker load``).  An image keeps its id on the way, by which services name it.

A piece is its length in four bytes, the highest first, and its bytes; one of no length is the
end.

"""

from __future__ import annotations

import http.client
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from playground.agent.machines.engine_socket import EngineLine, EngineRefused
from playground.agent.machines.lines import ServerLine
from playground.agent.machines.machine_lines import MachineLine, MachineServers
from playground.agent.machines.tasks import RemoteError
from playground.agent.protocol import Request

_LENGTH = struct.Struct(">I")
_PIECE_BYTES = 1 << 18
_MOST_PIECE_BYTES = 1 << 20

# To write gigabytes to a slow disk: who sends waits for who writes.
_LIMIT_S = 600.0
_LAST_WORDS_S = 2.0
_AT_ONCE = 32


def lacking_images(engine: EngineLine, images: Iterable[str]) -> list[str]:
    """Return those of some images that an engine does not have."""
    found = []
    for image in images:
        try:
            engine.ask("GET", f"/images/{image}/json")
        except EngineRefused as refusal:
            if refusal.status != http.client.NOT_FOUND:
                raise
            found.append(image)
    return found


def in_pieces(data: Iterable[bytes]) -> Iterator[bytes]:
    """Frame bytes of any length, and say where they end.

    >>> list(in_pieces([b"one", b"", b"two"]))
    [b'\\x00\\x00\\x00\\x03one', b'\\x00\\x00\\x00\\x03two', b'\\x00\\x00\\x00\\x00']

    """
    for part in data:
        if part:
            yield _LENGTH.pack(len(part)) + part
    yield _LENGTH.pack(0)


def from_pieces(line: ServerLine) -> Iterator[bytes]:
    """Return what was framed, as it comes; raises `ConnectionError` where the line ends before."""
    received = bytearray()

    def have(count: int) -> None:
        while len(received) < count:
            data = line.read()
            if not data:
                raise ConnectionError("the line ended in the middle of an image")
            received.extend(data)

    while True:
        have(_LENGTH.size)
        (length,) = _LENGTH.unpack_from(received)
        if not length:
            return
        if length > _MOST_PIECE_BYTES:
            raise ValueError("a piece of an image is longer than any")
        have(_LENGTH.size + length)
        yield bytes(received[_LENGTH.size : _LENGTH.size + length])
        del received[: _LENGTH.size + length]


def load_images(line: ServerLine) -> None:
    """Hand the images that come by a line to this machine's engine."""
    line.socket.settimeout(_LIMIT_S)
    engine = EngineLine(limit_s=_LIMIT_S)
    try:
        engine.load(from_pieces(line))
    finally:
        engine.close()


class ImageCarrier:
    """The images of this machine's engine, on their way to all machines that lack some.

    ``images`` are their ids by the tags under which the engine has them, and they get there.

    """

    def __init__(self, servers: MachineServers, images: Mapping[str, str]) -> None:
        self._servers = servers
        self._images = images
        self._lacking: dict[str, list[str]] = {}
        self._errors: dict[str, str] = {}

    def look(self) -> dict[str, list[str]]:
        """Ask each machine what it lacks; return the ids by the machine's name."""
        request = {"do": "lacking_images", "images": list(self._images.values())}

        def ask(machine: MachineLine) -> tuple[str, list[str]]:
            try:
                return machine.name, self._servers.ask(machine.address, request)["lacking"]
            except (OSError, RemoteError) as error:
                self._errors[machine.name] = str(error)
                return machine.name, []

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            answers = dict(pool.map(ask, self._servers.machines.values()))
        self._lacking = {name: ids for name, ids in answers.items() if ids}
        return self._lacking

    def carry(self) -> dict[str, str]:
        """Send what is lacking, all machines the same; return errors by the machine's name."""
        wanted = {image for images in self._lacking.values() for image in images}
        tags = [tag for tag, image in self._images.items() if image in wanted]
        if not tags:
            return self._errors
        lines = {name: line for name in self._lacking if (line := self._opened(name))}
        try:
            engine = EngineLine(limit_s=_LIMIT_S)
            for piece in in_pieces(engine.save(tags, _PIECE_BYTES)):
                self._send_all(lines, piece)
            for name, line in lines.items():
                self._hear_end(name, line, _LIMIT_S)
        finally:
            for line in lines.values():
                line.close()
        return self._errors

    def _opened(self, name: str) -> ServerLine | None:
        try:
            return self._servers.stream(self._servers.named(name), {"do": "load_images"}, _LIMIT_S)
        except Exception as error:
            self._errors[name] = str(error)
            return None

    def _send_all(self, lines: dict[str, ServerLine], piece: bytes) -> None:
        for name, line in list(lines.items()):
            try:
                line.socket.sendall(piece)
            except OSError:
                self._hear_end(name, line, _LAST_WORDS_S)  # it may have said why
                lines.pop(name).close()

    def _hear_end(self, name: str, line: ServerLine, limit_s: float) -> None:
        try:
            said = line.hear(limit_s)
        except (OSError, ValueError) as error:
            said = {"error": str(error)}
        if said is None or "error" in said:
            self._errors[name] = (said or {}).get("error", "its server closed the line")


def carry_images(servers: MachineServers, images: Mapping[str, str]) -> Iterator[Request]:
    """Bring images to all machines; say first which lack what, then what went wrong where."""
    carrier = ImageCarrier(servers, images)
    yield {"lacking": carrier.look()}
    yield {"errors": carrier.carry()}


def answer_images(request: Mapping[str, Any], line: ServerLine, greeting: Request) -> None:
    """Do what a server is asked to do with images."""
    if request["do"] == "load_images":
        line.say(greeting)
        load_images(line)
        line.say(greeting)
        return
    images: Sequence[str] = request["images"]
    engine = EngineLine()
    try:
        line.say(greeting | {"lacking": lacking_images(engine, images)})
    finally:
        engine.close()
