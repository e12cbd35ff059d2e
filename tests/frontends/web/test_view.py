"""A panel looks and acts by its view; a read-only one acts on nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from playground import Host, Lab, Link, PlaygroundError, Switch
from playground.errors import NotRunning
from playground.frontends.web.files import FileShelf
from playground.frontends.web.rights import Keys, Right
from playground.frontends.web.view import LabView, repeated


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def view_of(threads: ThreadPoolExecutor, may_change: bool) -> LabView:
    home = Switch("home")
    Link(home, Host("h1"))
    return LabView(Lab(home, name="seen"), "seen", may_change, threads, FileShelf())


def test_what_may_wait_runs_in_a_thread_of_its_own(threads: ThreadPoolExecutor) -> None:
    view = view_of(threads, True)
    assert asyncio.run(view.ask(threading.current_thread)) is not threading.main_thread()
    assert asyncio.run(view.act(int, "12", base=8)) == 10


def test_a_read_only_view_looks_and_never_acts(threads: ThreadPoolExecutor) -> None:
    view, done = view_of(threads, False), []
    assert asyncio.run(view.ask(len, [1])) == 1
    for one in (view, view.part()):
        with pytest.raises(PlaygroundError, match="to look at only"):
            asyncio.run(one.act(done.append, 1))
    assert done == []


def test_what_was_opened_is_given_back_once_whatever_fails(threads: ThreadPoolExecutor) -> None:
    view, done = view_of(threads, True), []

    def gone() -> None:
        raise NotRunning("the lab has gone")

    part = view.part()
    view.on_close(lambda: done.append("page"))
    part.on_close(lambda: done.append("first"))
    part.on_close(gone)
    part.on_close(lambda: done.append("last"))
    part.close()
    assert done == ["last", "first"]
    view.close()
    view.close()
    assert done == ["last", "first", "page"]
    part.on_close(lambda: done.append("late"))
    assert done[-1] == "late"


def test_a_switch_runs_nothing(threads: ThreadPoolExecutor) -> None:
    view = view_of(threads, True)
    assert view.machine("h1").name == "h1"
    with pytest.raises(NotRunning, match="home is a switch"):
        view.machine("home")


def test_an_offered_file_goes_with_its_panel(threads: ThreadPoolExecutor) -> None:
    view = view_of(threads, True)
    part = view.part()
    key = part.serve("a.txt", lambda: b"x").split("/")[2]
    assert view._files.find(key).lab == "seen"
    part.close()
    with pytest.raises(PlaygroundError, match="offered no more"):
        view._files.find(key)


def test_what_is_repeated_tells_of_each_trouble_once() -> None:
    calls: list[str] = []
    wanted = [True]
    outcomes = iter(["", "no lab", "no lab", "", "no lab", "no node"])

    async def handler() -> None:
        if words := next(outcomes):
            raise NotRunning(words)

    call = repeated(handler, lambda: wanted[0])

    async def all_of_them() -> None:
        for _ in range(6):
            try:
                await call()
                calls.append("")
            except PlaygroundError as error:
                calls.append(str(error))
        wanted[0] = False
        await call()  # nobody looks: it is not called, and nothing is left to be said

    asyncio.run(all_of_them())
    assert calls == ["", "no lab", "", "", "no lab", "no node"]


def test_a_page_that_is_open_for_days_keeps_nothing_of_panels_that_were_closed(
    threads: ThreadPoolExecutor,
) -> None:
    view = view_of(threads, True)
    for _ in range(100):
        part = view.part()
        part.part().close()
        part.close()
    assert view._undo == []


def test_a_token_for_programs_is_one_a_page_and_goes_with_it(threads: ThreadPoolExecutor) -> None:
    keys = Keys()

    def address(path: str, right: Right | None) -> str:
        return f"http://here{path}" + (f"?token={keys.issue(right)}" if right else "")

    lab = Lab(Host("h1"), name="seen")
    view = LabView(
        lab, "seen", False, threads, FileShelf(), address=address, key="k", forget=keys.forget
    )
    [token] = {
        view.part().address_for_programs(path).partition("?token=")[2] for path in ("/a", "/b")
    }
    assert keys.right_of(token) == Right("seen", bound_to="k", for_programs=True)
    view.close()
    assert keys.right_of(token) is None
