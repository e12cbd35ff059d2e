"""Terminals on a node: shared, bounded, and gone with the last who looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from playground import Host, Lab, Link, PlaygroundError
from playground.engines.namespaces.engine import NamespacesEngine
from playground.frontends.web.sessions import terminals as module
from playground.frontends.web.sessions.terminals import Looker, Terminal, Terminals
from playground.operations.connection.commands import start_process
from tests.support_agent import needs_root

pytestmark = needs_root

LIMIT_S = 20.0


@pytest.fixture(scope="module")
def host(namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]) -> Iterator[Host]:
    host = Host("h1")
    Link(host, Host("h2"))
    with Lab(host, name="panels-terminals", engine=namespaces_engine, quiet=True) as lab:
        keep_lab(lab.id)
        yield host


@pytest.fixture
def rooms() -> Iterator[Terminals]:
    rooms = Terminals()
    yield rooms
    rooms.close()


class Reader(Looker):
    """One who reads all that is printed, when he is asked to."""

    def __init__(self, size: tuple[int, int] | None = (80, 24)) -> None:
        super().__init__(lambda: None, size)
        self.text = ""

    def read(self, terminal: Terminal) -> str:
        while data := terminal.take(self, 1 << 16)[0]:
            self.text += data.decode("utf-8", "replace")
        return self.text

    def wait_for(self, terminal: Terminal, words: str) -> str:
        _until(lambda: words in self.read(terminal))
        return self.text


def _until(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not look():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def begin(
    rooms: Terminals, host: Host, size: tuple[int, int] = (80, 24)
) -> tuple[Terminal, Reader]:
    reader = Reader(size)
    return rooms.open("lab", host, None, size, reader), reader


def test_a_shell_of_the_node_has_the_size_that_was_asked_for(rooms: Terminals, host: Host) -> None:
    terminal, reader = begin(rooms, host, (91, 33))
    terminal.write(b"hostname; stty size; echo $TERM\n")
    assert "h1" in reader.wait_for(terminal, "xterm-256color")
    assert "33 91" in reader.text


def test_two_look_at_one_and_it_has_the_size_that_both_can_show(
    rooms: Terminals, host: Host
) -> None:
    terminal, first = begin(rooms, host, (100, 40))
    terminal.write(b"echo be''fore\n")
    first.wait_for(terminal, "before")
    second, watcher = Reader((70, 50)), Reader(None)
    for looker in (second, watcher):
        terminal.join(looker)
    terminal.fit()
    terminal.write(b"stty size\n")
    for looker in (first, second, watcher):
        assert "before" in looker.wait_for(terminal, "40 70")
    assert rooms.of("lab", "h1") == [terminal]
    assert rooms.of("another lab", "h1") == []
    assert [terminal.is_first(one) for one in (first, second, watcher)] == [True, False, False]
    # The last who may type closes it, whoever else still looks.
    rooms.leave("lab", terminal, first)
    assert not terminal.ended
    rooms.leave("lab", terminal, second)
    rooms.leave("lab", terminal, watcher)
    _until(lambda: terminal.ended)
    assert rooms.of("lab", "h1") == []


def test_what_it_has_started_ends_with_it(rooms: Terminals, host: Host) -> None:
    terminal, reader = begin(rooms, host)
    terminal.write(b"sleep 4321 &\necho star''ted\n")
    reader.wait_for(terminal, "started")
    assert any("sleep 4321" in row.command for row in host.processes())
    rooms.leave("lab", terminal, reader)
    _until(lambda: not any("sleep 4321" in row.command for row in host.processes()))
    assert not any("bash" in row.command for row in host.processes())


def test_a_program_that_prints_without_end_waits_for_who_reads(
    rooms: Terminals, host: Host
) -> None:
    terminal, reader = begin(rooms, host)
    terminal.write(b"yes\n")
    _until(lambda: terminal._kept.end > module._AHEAD_BYTES)
    before = terminal._kept.end
    assert before < 2 * module._AHEAD_BYTES
    assert "y" in reader.read(terminal)
    terminal.write(b"\x03")
    terminal.write(b"echo go''ne on\n")
    reader.wait_for(terminal, "gone on")


def test_it_says_how_it_has_ended(rooms: Terminals, host: Host) -> None:
    terminal, _ = begin(rooms, host)
    terminal.write(b"exit 3\n")
    _until(lambda: terminal.ended)
    assert terminal.ended == "ended with exit status 3"
    terminal.write(b"nobody reads this\n")
    terminal.fit()


def test_no_more_may_be_open_than_a_machine_bears(
    rooms: Terminals, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_OF_A_NODE", 2)
    first, looker = begin(rooms, host)
    second, _ = begin(rooms, host)
    assert [first.number, second.number] == [1, 2]
    with pytest.raises(PlaygroundError, match="2 terminals are open on h1"):
        begin(rooms, host)
    rooms.leave("lab", first, looker)
    assert begin(rooms, host)[0].number == 1


def test_one_that_takes_its_time_to_begin_keeps_nobody_waiting(
    rooms: Terminals, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    begins, go_on = threading.Event(), threading.Event()
    quick = start_process

    def slow(*args: Any, **arguments: Any) -> Any:
        begins.set()
        assert go_on.wait(LIMIT_S)
        return quick(*args, **arguments)

    monkeypatch.setattr(module, "start_process", slow)
    thread = threading.Thread(target=begin, args=[rooms, host])
    thread.start()
    try:
        assert begins.wait(LIMIT_S)
        assert rooms.of("lab", "h1") == []  # answered at once
        monkeypatch.setattr(module, "start_process", quick)
        assert begin(rooms, host)[0].number == 2  # the first number is taken already
    finally:
        go_on.set()
        thread.join(LIMIT_S)
    assert sorted(one.number for one in rooms.of("lab", "h1")) == [1, 2]
