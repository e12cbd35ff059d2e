"""Images on their way from one engine to those of other machines."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from playground.agent.machines import image_carrying
from playground.agent.machines.engine_socket import EngineRefused
from playground.agent.machines.image_carrying import (
    ImageCarrier,
    answer_images,
    from_pieces,
    in_pieces,
    lacking_images,
)
from playground.agent.machines.lines import ServerLine
from playground.agent.machines.machine_lines import MachineServers

GREETING = {"name": "m2"}


@pytest.fixture
def pair() -> Iterator[tuple[ServerLine, ServerLine]]:
    a, b = (ServerLine(one) for one in socket.socketpair())
    yield a, b
    a.close()
    b.close()


def test_pieces_come_whole_however_they_travel(pair: tuple[ServerLine, ServerLine]) -> None:
    a, b = pair
    data = [bytes([number]) * 70_000 for number in range(20)]
    b.socket.settimeout(5)
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(a.socket.sendall, b"".join(in_pieces(data)))
        assert list(from_pieces(b)) == data
        sent.result()


def test_an_image_that_ends_too_early_is_none(pair: tuple[ServerLine, ServerLine]) -> None:
    a, b = pair
    a.socket.sendall(next(in_pieces([b"half an image"])))
    a.close()
    b.socket.settimeout(5)
    with pytest.raises(ConnectionError, match="in the middle of an image"):
        list(from_pieces(b))


def test_a_piece_of_any_length_is_refused(pair: tuple[ServerLine, ServerLine]) -> None:
    a, b = pair
    a.socket.sendall(b"\xff" * 4)
    b.socket.settimeout(5)
    with pytest.raises(ValueError, match="longer than any"):
        list(from_pieces(b))


class EngineWithImages:
    """An engine that has some images, and takes more, or has no room for them."""

    def __init__(self, *images: str, full: bool = False, gone: bool = False) -> None:
        self.images, self.full, self.gone = set(images), full, gone
        self.loaded = b""

    def ask(self, method: str, path: str) -> dict[str, str]:
        if path.split("/")[2] not in self.images:
            raise EngineRefused(404, "No such image")
        return {"Id": "1"}

    def save(self, tags: Sequence[str], piece_bytes: int) -> Iterator[bytes]:
        yield " ".join(tags).encode()

    def load(self, archive: Iterator[bytes]) -> None:
        self.loaded = b"".join(archive)
        if self.full:
            raise EngineRefused(500, "no space left on device")

    def close(self) -> None:
        pass


def test_an_engine_says_what_it_lacks() -> None:
    engine = cast(Any, EngineWithImages("sha256:1"))
    assert lacking_images(engine, ["sha256:1", "sha256:2"]) == ["sha256:2"]


class ServersOfTest:
    """The servers of machines whose engines are here."""

    def __init__(self, **engines: EngineWithImages) -> None:
        self.engines = engines
        self.machines = dict(enumerate(map(_Named, engines)))

    def named(self, name: str) -> _Named:
        return _Named(name)

    def ask(self, address: str, request: Mapping[str, Any]) -> dict[str, Any]:
        engine = cast(Any, self.engines[address])
        if engine.gone:
            raise ConnectionError("the machine's server closed the line")
        return {"lacking": lacking_images(engine, request["images"])}

    def stream(self, machine: _Named, request: Mapping[str, Any], limit_s: float) -> ServerLine:
        ours, theirs = (ServerLine(one) for one in socket.socketpair())

        def serve() -> None:
            try:
                self.engines[machine.name].load(from_pieces(theirs))
                theirs.say(GREETING)
            except Exception as error:
                theirs.say(GREETING | {"error": str(error)})
            theirs.close()

        threading.Thread(target=serve, daemon=True).start()
        return ours


class _Named:
    def __init__(self, name: str) -> None:
        self.name = self.address = name


def test_each_machine_gets_what_it_lacks_and_who_cannot_take_it_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = {"playground/one:1": "sha256:1", "playground/two:1": "sha256:2"}
    has_all = EngineWithImages("sha256:1", "sha256:2")
    lacks, is_full = EngineWithImages("sha256:1"), EngineWithImages("sha256:1", full=True)
    servers = ServersOfTest(m1=has_all, m2=lacks, m3=is_full, m4=EngineWithImages(gone=True))
    monkeypatch.setattr(image_carrying, "EngineLine", lambda limit_s=0: has_all)
    carrier = ImageCarrier(cast(MachineServers, servers), images)
    assert carrier.look() == {"m2": ["sha256:2"], "m3": ["sha256:2"]}
    assert carrier.carry() == {
        "m3": "no space left on device",
        "m4": "the machine's server closed the line",
    }
    assert (has_all.loaded, lacks.loaded) == (b"", b"playground/two:1")


def test_a_server_says_when_its_engine_has_them(
    pair: tuple[ServerLine, ServerLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = pair
    engine = EngineWithImages()
    monkeypatch.setattr(image_carrying, "EngineLine", lambda limit_s=0: engine)
    for piece in in_pieces([b"an image"]):
        a.socket.sendall(piece)
    answer_images({"do": "load_images"}, b, GREETING)
    assert (a.hear(5), a.hear(5), engine.loaded) == (GREETING, GREETING, b"an image")
    answer_images({"do": "lacking_images", "images": ["sha256:1"]}, b, GREETING)
    assert a.hear(5) == GREETING | {"lacking": ["sha256:1"]}
