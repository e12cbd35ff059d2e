"""All who look at a lab see one living picture, and what one moves the others see."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from playground import Host, Lab, Link, Switch
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
