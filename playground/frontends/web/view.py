"""A view: what a page hands to its panels, and the one place where they act upon a lab."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from typing import Any, ParamSpec, TypeVar

from nicegui import ui

from playground.errors import NotRunning, PlaygroundError
from playground.frontends.web.files import FileShelf, Source
from playground.frontends.web.link_keys import link_of, plan_of
from playground.frontends.web.rights import Right
from playground.frontends.web.sessions.packet_feed import CaptureStreams, PacketFeeds
from playground.frontends.web.sessions.shared_sessions import Sessions
from playground.frontends.web.sessions.terminals import Terminals
from playground.frontends.web.thread_shares import within
from playground.lab.lab import Lab
from playground.operations.network import Link, Machine, Node, Switch
from playground.planning.plan import Plan

P = ParamSpec("P")
R = TypeVar("R")

_LOG = logging.getLogger(__name__)

# What only looks is asked again soon; a node that restarts may wait for its daemons.
ASK_LIMIT_S, ACT_LIMIT_S = 30.0, 600.0
# Whoever closes a panel goes on without a host that hangs.
_CLOSE_LIMIT_S = 2.0


class LabView:
    """A lab as one page shows it, or one panel of a page.

    ``lab`` is the lab, ``name`` what its pages are called by, ``key`` which of that name it is,
    ``may_change`` whether who looks may change it.  What a panel has opened it gives back in
    `on_close`.

    """

    def __init__(
        self,
        lab: Lab,
        name: str,
        may_change: bool,
        threads: Executor,
        files: FileShelf,
        sessions: Sessions | None = None,
        address: Callable[[str, Right | None], str] | None = None,
        key: str = "",
        forget: Callable[[str], object] | None = None,
    ) -> None:
        self.lab = lab
        self.name = name
        self.key = key
        self.may_change = may_change
        self._threads = threads
        self._files = files
        self._address = address
        self._forget_token = forget
        self._token = ""
        self._parent: LabView | None = None
        self._is_shown: Callable[[], bool] = lambda: True
        self._drawn: Callable[[], Plan | None] = lambda: None
        self._sessions = Sessions() if sessions is None else sessions
        self._undo: list[Callable[[], object]] = []
        self._closed = False
        # One for a page and all its panels.
        self._withdrawn = threading.Event()

    def part(self, is_shown: Callable[[], bool] | None = None) -> LabView:
        """Return a view of the same lab, for a panel: closed by itself, and with this one.

        ``is_shown`` tells whether somebody sees the panel now, of several in one place.

        """
        part = LabView(
            self.lab,
            self.name,
            self.may_change,
            self._threads,
            self._files,
            self._sessions,
            self._address,
            self.key,
        )
        part._withdrawn = self._withdrawn
        part._parent = self
        part._drawn = self._drawn
        part._is_shown = is_shown or self._is_shown
        self.on_close(part.close)
        return part

    # -- what there is ---------------------------------------------------------

    def node(self, name: str) -> Node:
        """Return the node of that name."""
        return self.lab[name]

    def machine(self, name: str) -> Machine:
        """Return the host or router of that name; raises `NotRunning` for a switch."""
        node = self.lab[name]
        if isinstance(node, Switch):
            raise NotRunning(f"{name} is a switch: nothing can run on it; choose a host or router")
        return node

    def is_machine(self, name: str) -> bool:
        """Tell whether it is a host or router, on which something can run."""
        return not isinstance(self.lab[name], Switch)

    @property
    def terminals(self) -> Terminals:
        """The terminals that pages have open: of all pages of this server."""
        return self._sessions.terminals

    @property
    def streams(self) -> CaptureStreams:
        """The captures that are handed on as they run, of all pages of this server."""
        return self._sessions.streams

    @property
    def feeds(self) -> PacketFeeds:
        """The captures whose packets pages show, of all pages of this server."""
        return self._sessions.feeds

    @property
    def closed(self) -> bool:
        """Whether the panel or the page has gone."""
        return self._closed

    def link(self, key: str) -> Link:
        """Return the link of that key (`link_keys.key_of`)."""
        return link_of(self.lab, key, self.plan())

    def plan(self) -> Plan:
        """Return the plan that the picture shows (`link_keys.plan_of`); it waits for nobody."""
        return plan_of(self.lab, self._drawn())

    def show_plan(self, drawn: Callable[[], Plan | None]) -> None:
        """Take the plan that the page's picture has drawn, for where nothing runs."""
        self._drawn = drawn

    # -- doing -----------------------------------------------------------------

    async def ask(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call what only looks, in a thread of the lab's, and return its result.

        Raises `NotReady` where the lab has not answered after half a minute.

        >>> routes = await view.ask(node.run, "ip route")

        """
        self._check_not_withdrawn()
        return await self._call(ASK_LIMIT_S, partial(function, *args, **kwargs))

    async def _call(self, limit_s: float, call: Callable[[], R]) -> R:
        return await within(limit_s, f"lab {self.lab.name}", self._threads, call)

    async def act(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call what changes something, in a thread; raises `NotRunning` on a read-only page.

        >>> await view.act(link.impair, delay_ms=20)

        """
        self.check_may_change()
        return await self._call(ACT_LIMIT_S, partial(function, *args, **kwargs))

    def check_may_change(self) -> None:
        """Raise `PlaygroundError` where this page is to look at only, or was withdrawn."""
        self._check_not_withdrawn()
        if not self.may_change:
            raise PlaygroundError(
                "this page is to look at only: nothing can be changed from here; ask whoever "
                "shared it for an address that may"
            )

    def withdraw(self) -> None:
        """Let nothing be asked or done by this page and its panels from now on."""
        self._withdrawn.set()

    def _check_not_withdrawn(self) -> None:
        if self._withdrawn.is_set():
            raise PlaygroundError("this page was closed by whoever began it: ask for a new address")

    def every(
        self, seconds: float, handler: Callable[[], Any], *, when_hidden: bool = False
    ) -> ui.timer:
        """Call a handler now and again, while the panel is open; a coroutine may wait.

        A second call waits until the first is done.  It is left out while the browser is away,
        and while another panel hides this one, unless ``when_hidden``.  What fails again and again
        in the same words is told once.

        """
        client = ui.context.client

        def is_wanted() -> bool:
            return client.has_socket_connection and (when_hidden or self._is_shown())

        timer = ui.timer(seconds, repeated(handler, is_wanted))
        self.on_close(timer.cancel)
        return timer

    def serve(self, filename: str, source: Source, media_type: str | None = None) -> str:
        """Return the address at which a file can be fetched, as long as the panel is open.

        ``source`` is called for each fetch, in a thread, and returns bytes or yields them.

        """
        key = self._files.add(self.name, filename, source, media_type)
        self.on_close(lambda: self._files.remove(key))
        return self._files.address(key, filename)

    def address_for_programs(self, path: str) -> str:
        """Return the whole address of a file that is served, with a token that lets it look.

        Programs such as curl(1) have no cookie of the page.  The token goes with the page.

        """
        if self._address is None:
            return path
        if self._parent is not None:
            # One token a page: panels come and go.
            return self._parent.address_for_programs(path)
        if not self._token:
            whole = self._address(path, Right(self.name, bound_to=self.key, for_programs=True))
            self._token = whole.rpartition("?")[2]
            if (forget := self._forget_token) is not None:
                self.on_close(partial(forget, self._token.removeprefix("token=")))
            return whole
        return f"{self._address(path, None)}?{self._token}"

    # -- the end -----------------------------------------------------------------

    def on_close(self, undo: Callable[[], object]) -> None:
        """Call this, in a thread or at once, when the panel or the page goes; last first."""
        if self._closed:
            undo()
            return
        self._undo.append(undo)

    def close(self) -> None:
        """Give back all that was opened; does nothing the second time."""
        self._closed = True
        parent, self._parent = self._parent, None
        if parent is not None:
            parent._forget(self.close)
        while self._undo:
            undo = self._undo.pop()
            try:
                undo()
            except PlaygroundError:
                pass  # the lab has gone, and with it what was to be given back
            except Exception:
                _LOG.exception("a panel could not give back what it had")

    def _forget(self, undo: Callable[[], object]) -> None:
        # A page may be open for days, and its panels come and go.
        with suppress(ValueError):
            self._undo.remove(undo)

    async def close_soon(self) -> None:
        """Close in a thread: what is given back may have to wait for a host.

        It goes on there where that takes longer than a moment.

        """
        closing = asyncio.get_running_loop().run_in_executor(self._threads, self.close)
        await asyncio.wait([closing], timeout=_CLOSE_LIMIT_S)


def repeated(
    handler: Callable[[], Any], is_wanted: Callable[[], bool]
) -> Callable[[], Awaitable[None]]:
    """Return what calls a handler where it is wanted, and tells of each trouble once.

    A `PlaygroundError` is raised again only once the handler has succeeded, or says another.

    """
    told = ""

    async def call() -> None:
        nonlocal told
        if not is_wanted():
            return
        try:
            result = handler()
            if inspect.isawaitable(result):
                await result
            told = ""
        except PlaygroundError as error:
            before, told = told, str(error)
            if told != before:
                raise

    return call
