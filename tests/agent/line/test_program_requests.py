"""Requests about programs where nobody has started a supervisor, or it has died."""

from __future__ import annotations

import json
import os
import selectors
import socket
from pathlib import Path

import pytest

from playground.agent.line import supervisor
from playground.agent.line.program_requests import programs
from playground.agent.line.replies import Replies


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = str(tmp_path / "programs")
    monkeypatch.setattr(supervisor, "SOCKET_PATH", path)
    return path


def test_without_a_supervisor_no_program_is_known(place: str) -> None:
    reader, writer = os.pipe()
    with selectors.DefaultSelector() as selector:
        programs(selector, Replies(selector, writer), 1, {"do": "list", "pids": [1]})
    assert json.loads(os.read(reader, 4096)) == {"id": 1, "result": []}
    os.close(reader)
    os.close(writer)


def test_a_supervisor_that_dies_is_an_error_and_not_silence(place: str) -> None:
    reader, writer = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(place)
        listener.listen()
        programs(selector, Replies(selector, writer), 1, {"do": "status", "pid": 1, "name": "x"})
        line, _ = listener.accept()
        assert json.loads(supervisor.receive(line)) == {"do": "status", "pid": 1, "name": "x"}
        line.close()
        for key, events in selector.select(5):
            key.data(key.fd, events)
    assert "has ended" in json.loads(os.read(reader, 4096))["error"]["message"]
    os.close(reader)
    os.close(writer)


def test_why_a_supervisor_ended_is_told_and_no_fresh_one_takes_its_place(place: str) -> None:
    supervisor.write_last_words(KeyError("CapInh"))
    reader, writer = os.pipe()
    with selectors.DefaultSelector() as selector:
        programs(selector, Replies(selector, writer), 1, {"do": "log", "pid": 1, "name": "x"})
    error = json.loads(os.read(reader, 4096))["error"]
    assert error["message"].endswith(
        "has ended, and with it what it knew of them: KeyError: 'CapInh'"
    )
    assert not os.path.exists(place)
    os.close(reader)
    os.close(writer)
