"""All who look at a lab see one living picture, and what one moves the others see."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from playground import Host, Lab, Link, Switch
from playground.frontends.web import picture_watch
from playground.frontends.web.picture_watch import PictureWatch
from playground.operations.pictures.live import PictureChange


@pytest.fixture
def watch() -> Iterator[PictureWatch]:
    home = Switch("home")
    for name in ("h1", "h2"):
        Link(home, Host(name))
    with ThreadPoolExecutor(2) as threads:
        yield PictureWatch(Lab(home, name="watched"), threads)


def test_who_joins_gets_the_whole_and_after_leaving_nothing_is_asked(watch: PictureWatch) -> None:
    async def look() -> None:
        told: list[PictureChange] = []
        whole = await watch.join(told.append)
        assert whole.svg.startswith("<svg")
        assert watch.ends == [("home", "h1"), ("home", "h2")]
        task = watch._task
        while not told:
            await asyncio.sleep(0.01)
        assert told[0].attributes["lab"] == {"data-state": "rests"}
        watch.leave(told.append)
        watch._shows.clear()
        assert task is not None
        await asyncio.wait_for(task, 5)  # it ends by itself, after its pause

    asyncio.run(look())


def test_a_moved_card_is_seen_by_all_and_stays_where_it_was_put(watch: PictureWatch) -> None:
    async def move() -> None:
        seen: dict[str, list[PictureChange]] = {"one": [], "other": []}
        for changes in seen.values():
            await watch.join(changes.append)
        await watch.move("h1", (700.0, 500.0))
        assert all(any(change.svg for change in changes) for changes in seen.values())
        assert watch.places["h1"] == (700.0, 500.0)
        before = watch.places["h2"]
        await watch.move("h1", (-300.0, 500.0))
        across = watch.places["h2"][0] - before[0]
        # All of it was shifted, and to move another shifts it no more.
        assert across > 300 and watch.places["h1"][0] > 0
        places = dict(watch.places)
        await watch.move("h2", places["h2"])
        assert watch.places == places
        watch._shows.clear()

    asyncio.run(move())


def test_a_look_that_fails_ends_no_picture_and_who_looks_is_told(
    watch: PictureWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_watch, "_FAILED_PAUSE_S", 0.0)
    look, fails = watch._look, iter([KeyError("h9"), KeyError("h9")])

    def fail_twice() -> tuple[PictureChange, float]:
        for error in fails:
            raise error
        return look()

    monkeypatch.setattr(watch, "_look", fail_twice)

    def broken(change: PictureChange) -> None:
        raise RuntimeError("its browser has gone")

    async def go_on() -> None:
        told: list[PictureChange] = []
        await watch.join(broken)
        await watch.join(told.append)
        while len(told) < 2:
            await asyncio.sleep(0.01)
        watch._shows.clear()
        # Once, however often it fails; then all of it anew.
        assert told[0].attributes == {"lab": {"data-state": picture_watch.UNKNOWN}}
        assert told[1].svg and told[1].attributes["lab"] == {"data-state": "rests"}

    asyncio.run(asyncio.wait_for(go_on(), 20))


def test_a_lab_that_does_not_answer_is_not_known_now_and_is_asked_once(
    watch: PictureWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_watch, "_SILENT_S", 0.01)
    go_on, looks, look = threading.Event(), [], watch._look

    def hang() -> tuple[PictureChange, float]:
        looks.append(1)
        go_on.wait(20)
        return look()

    monkeypatch.setattr(watch, "_look", hang)

    async def wait() -> None:
        told: list[PictureChange] = []
        await watch.join(told.append)
        while not told:
            await asyncio.sleep(0.01)
        assert told[0].attributes == {"lab": {"data-state": picture_watch.UNKNOWN}}
        await asyncio.sleep(0.05)
        assert len(told) == len(looks) == 1
        go_on.set()
        while len(told) < 2:
            await asyncio.sleep(0.01)
        watch._shows.clear()
        assert told[1].svg and told[1].attributes["lab"] == {"data-state": "rests"}

    asyncio.run(asyncio.wait_for(wait(), 20))
