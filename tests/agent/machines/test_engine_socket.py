"""The engine of the machine that this runs on, asked by its socket."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from playground.agent.machines.engine_socket import (
    EngineLine,
    EngineRefused,
    Unframed,
    filters,
    remove_container,
)

Answer = Callable[[str, bytes], bytes]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[tuple[str, dict[str, bytes], list[str]]]:
    """A socket that answers by path, "GET /info": an HTTP answer; and what it was asked."""
    path = str(tmp_path / "docker.sock")
    answers: dict[str, bytes] = {}
    asked: list[str] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    line, _ = listener.accept()
                except OSError:
                    return
                with line:
                    while head := line.recv(65536):
                        words = head.split(b" ", 2)
                        key = f"{words[0].decode()} {words[1].decode().partition('?')[0]}"
                        asked.append(head.decode())
                        line.sendall(answers[key.replace("/v1.41", "")])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path, answers, asked
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def reply(status: str, body: object = None) -> bytes:
    content = json.dumps(body).encode() if body is not None else b""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


def test_an_answer_comes_decoded(engine: tuple[str, dict[str, bytes], list[str]]) -> None:
    path, answers, asked = engine
    answers["GET /tasks"] = reply("200 OK", [{"ID": "t1"}])
    line = EngineLine(path)
    assert line.ask("GET", "/tasks", filters(label="a=b")) == [{"ID": "t1"}]
    assert "filters=%7B%22label%22%3A+%5B%22a%3Db%22%5D%7D" in asked[0]
    line.close()


def test_a_refusal_has_the_engine_s_words(
    engine: tuple[str, dict[str, bytes], list[str]],
) -> None:
    path, answers, _ = engine
    answers["GET /info"] = reply("500 Error", {"message": "no disk"})
    line = EngineLine(path)
    with pytest.raises(EngineRefused, match="no disk") as caught:
        line.ask("GET", "/info")
    assert caught.value.status == 500
    line.close()


def test_what_is_gone_already_is_removed(
    engine: tuple[str, dict[str, bytes], list[str]],
) -> None:
    path, answers, _ = engine
    line = EngineLine(path)
    for status in ("404 Not Found", "409 Conflict", "204 No Content"):
        answers["DELETE /containers/x"] = reply(status)
        remove_container(line, "x")
    answers["DELETE /containers/x"] = reply("500 Error", {"message": "stuck"})
    with pytest.raises(EngineRefused, match="stuck"):
        remove_container(line, "x")
    line.close()


def test_a_stream_begins_right_behind_the_answer(
    engine: tuple[str, dict[str, bytes], list[str]],
) -> None:
    path, answers, _ = engine
    answers["POST /containers/x/attach"] = b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nfirst"
    stream, rest = EngineLine(path).upgrade("/containers/x/attach", {"stream": 1})
    assert rest == b"first"
    stream.close()
    answers["POST /containers/x/attach"] = reply("404 Not Found", {"message": "no such"})
    line = EngineLine(path)
    with pytest.raises(EngineRefused, match="no such"):
        line.upgrade("/containers/x/attach")
    line.close()


def frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxL", kind, len(payload)) + payload


def test_frames_are_taken_off_however_they_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    data = frame(1, b"one ") + frame(2, b"a warning\n") + frame(1, b"two")
    for size in (1, 7, len(data)):
        printed = Unframed()
        parts = [data[at : at + size] for at in range(0, len(data), size)]
        assert b"".join(map(printed.take, parts)) == b"one two"
    assert capsys.readouterr().err == "a warning\n" * 3
    assert Unframed(frame(1, b"was there")).take(b"") == b"was there"
