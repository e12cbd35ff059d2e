"""Captures of panels: packets as they come, and a stream that another program may leave."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from playground import BadArgument, Host, Lab, Link, PlaygroundError
from playground.engines.namespaces.engine import NamespacesEngine
from playground.frontends.web.sessions.packet_feed import (
    MOST_FEEDS,
    MOST_FEEDS_OF_A_LAB,
    MOST_STREAMS,
    CaptureStreams,
    PacketFeed,
    PacketFeeds,
)
from playground.operations.captures.capture import Capture
from tests.support_agent import needs_root

pytestmark = needs_root


@pytest.fixture(scope="module")
def link(namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]) -> Iterator[Link]:
    host = Host("h1")
    link = Link(host, Host("h2"))
    with Lab(host, name="panels-feed", engine=namespaces_engine, quiet=True) as lab:
        keep_lab(lab.id)
        yield link


def ping(link: Link) -> None:
    link.ends[0].node.ping("h2", count=1)


def until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not look():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def test_packets_come_while_it_runs_and_stay_when_it_has_ended(link: Link) -> None:
    feed = PacketFeed(link.capture(filter="icmp")).start()
    ping(link)
    until(lambda: len(feed) == 2)
    request, reply = feed.since(0, 100)
    assert [request.info[:19], reply.number] == ["Echo (ping) request", 2]
    assert feed.since(1, 100) == [reply]
    assert feed.find(2) is reply
    assert feed.find(3) is None
    feed.stop()
    feed.stop()
    assert not feed.capture.running
    assert b"".join(feed.pcapng()).count(request.data) == 1


def test_a_wrong_filter_begins_nothing(link: Link) -> None:
    with pytest.raises(BadArgument, match="is not one"):
        PacketFeed(link.capture(filter="no filter")).start()


def test_a_stream_has_what_passes_until_its_reader_goes(link: Link) -> None:
    streams = CaptureStreams()
    capture = link.capture(filter="icmp")
    stream = streams.begin("lab", capture)
    assert streams.running == 1
    got = next(stream)
    assert got[:4] == b"\x0a\x0d\x0d\x0a"
    # Nothing for half a second: no thread waits for longer.
    assert next(stream) == b""
    ping(link)
    until(lambda: b"h1/eth0" in got and len(next(stream)) > 60)
    # Another thread may close it while one waits in it.
    waiting = threading.Thread(target=lambda: list(stream), daemon=True)
    waiting.start()
    stream.close()
    waiting.join(20)
    assert not waiting.is_alive()
    assert not capture.running
    with pytest.raises(StopIteration):
        next(stream)


def test_no_more_are_handed_on_than_there_are_threads_for(link: Link) -> None:
    streams = CaptureStreams()
    running = [streams.begin(f"lab {number % 2}", link.capture()) for number in range(MOST_STREAMS)]
    with pytest.raises(PlaygroundError, match="2 captures are handed on"):
        streams.begin("lab 0", link.capture())
    for one in running:
        one.close()
    until(lambda: streams.running == 0)
    with pytest.raises(BadArgument):
        streams.begin("lab 0", link.capture(filter="no filter"))
    until(lambda: streams.running == 0)


class Quiet:
    """A capture at which nothing passes."""

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def __iter__(self) -> Iterator[object]:
        return iter(())


def test_no_more_captures_are_held_than_a_machine_bears() -> None:
    feeds, quiet = PacketFeeds(), cast(Capture, Quiet())
    held = [feeds.begin("one", quiet) for _ in range(MOST_FEEDS_OF_A_LAB)]
    with pytest.raises(PlaygroundError, match="of this lab are shown already"):
        feeds.begin("one", quiet)
    for number in range(MOST_FEEDS - MOST_FEEDS_OF_A_LAB):
        feeds.begin(f"lab {number}", quiet)
    with pytest.raises(PlaygroundError, match=f"{MOST_FEEDS} in all"):
        feeds.begin("new", quiet)
    for _ in range(2):
        feeds.let_go(held[0])
    assert feeds.begin("one", quiet) is not held[0]


def test_a_capture_that_does_not_begin_is_not_held(link: Link) -> None:
    feeds = PacketFeeds()
    for _ in range(MOST_FEEDS_OF_A_LAB + 1):
        with pytest.raises(BadArgument, match="is not one"):
            feeds.begin("lab", link.capture(filter="no filter"))


class Endless(Quiet):
    """A capture at which nothing passes until it is stopped."""

    def __init__(self) -> None:
        self.stopped = threading.Event()

    def stop(self) -> None:
        self.stopped.set()

    def pcapng(self) -> Iterator[bytes]:
        self.stopped.wait(20)
        return iter(())


def test_a_stream_that_nobody_asks_ends_though_nothing_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("playground.frontends.web.sessions.packet_feed._ABANDONED_S", 0.1)
    streams = CaptureStreams()
    stream = streams.begin("lab", cast(Capture, Endless()))
    until(lambda: stream.has_ended and streams.running == 0)
