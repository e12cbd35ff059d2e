"""The pages: the list of labs, a lab to work with, a lab to look at, and files of panels."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import Executor
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from nicegui import Client, app, ui
from starlette.exceptions import HTTPException

from playground.errors import NotReady, PlaygroundError
from playground.frontends.web import lab_page
from playground.frontends.web.body_limit import BodyLimit
from playground.frontends.web.drawing import draw_page
from playground.frontends.web.files import FILES
from playground.frontends.web.gate import RIGHTS
from playground.frontends.web.notice_page import notice_page
from playground.frontends.web.rights import Right, allows, bound
from playground.frontends.web.served_labs import LabLine
from playground.frontends.web.site import Site
from playground.frontends.web.thread_shares import within
from playground.frontends.web.view import LabView

_LIST_EVERY_S = 5.0
# The largest file that the panel of files takes, and the form around it.
_MOST_SENT_BYTES = 65 << 20
_MOST_NAMES = 24
# A lab of another program is attached to, and its picture laid out, before its page is shown.
_OPEN_LIMIT_S, _PAGE_LIMIT_S = 20.0, 60.0


def register(site: Site) -> None:
    """Give NiceGUI the pages of a site, once in a process."""
    logging.getLogger("nicegui").addFilter(is_mistake)
    app.add_middleware(BodyLimit, most_bytes=_MOST_SENT_BYTES)

    @ui.page("/")
    async def labs(request: Request) -> None:
        await _list(site, site.drawings.widened(rights_of(request)))

    @ui.page("/lab/{name}", response_timeout=_PAGE_LIMIT_S)
    async def lab(request: Request, name: str) -> Response | None:
        rights = site.drawings.widened(rights_of(request))
        if site.drawings.find(name, rights) and not allows(rights, name, change=True):
            return RedirectResponse(f"/draw/{quote(name, safe='')}")
        if not allows(rights, name, change=True):
            return _refusal("this address may not change the lab: ask for one that may")
        return await _show(site, name, rights, True)

    @ui.page("/look/{name}", response_timeout=_PAGE_LIMIT_S)
    async def look(request: Request, name: str) -> Response | None:
        rights = site.drawings.widened(rights_of(request))
        if not allows(rights, name):
            return _refusal("this address is another lab's")
        return await _show(site, name, rights, False)

    @ui.page("/draw/{name}", response_timeout=_PAGE_LIMIT_S)
    async def draw(request: Request, name: str) -> Response | None:
        return await _draw(site, name, rights_of(request))

    @app.exception_handler(404)
    async def nowhere(request: Request, exception: Exception) -> Response:
        return await _nowhere(request, exception)

    @app.get(FILES + "{key}/{filename}")
    async def fetch(request: Request, key: str, filename: str) -> Response:
        return await _fetch(site, request, key)


def is_mistake(record: logging.LogRecord) -> bool:
    """Tell whether a log's record is more than a sentence which `_say` shows who has caused it."""
    return record.exc_info is None or not isinstance(record.exc_info[1], PlaygroundError)


def rights_of(request: Request) -> frozenset[Right]:
    """Return what the gate found that this request may do."""
    found: frozenset[Right] = request.scope[RIGHTS]
    return found


def _refusal(sentence: str, status: int = 403) -> Response:
    return HTMLResponse(notice_page(sentence, leads_home=True), status_code=status)


def _missing(sentence: str) -> Response:
    """Say what is not there, with a way back to the labs that are."""
    return HTMLResponse(notice_page(sentence, leads_home=True), status_code=404)


async def _nowhere(request: Request, exception: Exception) -> Response:
    """Answer for an address that leads to no page; of what scripts fetch, as before."""
    endpoint = request.scope.get("endpoint")
    if endpoint not in (None, app) and isinstance(exception, HTTPException):
        return await http_exception_handler(request, exception)
    return _missing(f"there is no page {request.url.path}: the labs of this machine are in a list")


async def _list(site: Site, rights: Iterable[Right]) -> None:
    loop = asyncio.get_running_loop()
    ui.page_title("Labs — playground")
    ui.colors(primary="#1f5fa8")
    ui.add_css("body.body--dark a { color: #8ab8ff; }")
    with ui.column().classes("w-full max-w-3xl mx-auto p-4"):
        ui.label("Labs on this machine").classes("text-2xl")
        body = ui.column().classes("w-full")
    shown: list[LabLine] | None = None

    async def look() -> None:
        nonlocal shown
        try:
            lines = await loop.run_in_executor(site.threads, site.labs.lines)
        except PlaygroundError as error:
            lines, words = [], str(error)
        else:
            words = (
                "No lab is running: start one with `playground up lab.yaml`, or draw one with "
                "`playground web --new lab.yaml`."
            )
        lines = [line for line in lines if allows(bound(rights, line.key), line.name)]
        if lines == shown:
            return
        shown = lines
        body.clear()
        with body:
            for line in lines:
                _line(line, allows(bound(rights, line.key), line.name, change=True))
            if not lines:
                ui.label(words)

    await look()
    # A teacher leaves it open while students come and go.
    ui.timer(_LIST_EVERY_S, look, immediate=False)


def _line(line: LabLine, may_change: bool) -> None:
    """Show a lab in the list: its name is a link to its page."""
    kind = "lab" if may_change else "look"
    with ui.card().classes("w-full gap-1"):
        ui.link(line.name, f"/{kind}/{quote(line.name, safe='')}").classes("text-lg font-bold")
        words = f"{len(line.nodes)} nodes, begun by {line.owner}"
        if line.created is not None:
            words += f" at {datetime.fromtimestamp(line.created):%H:%M on %d %B}"
        ui.label(words).classes("text-sm")
        names = ", ".join(line.nodes[:_MOST_NAMES]) + (" …" * (len(line.nodes) > _MOST_NAMES))
        ui.label(names).classes("text-sm font-mono break-words")


async def _show(
    site: Site, name: str, rights: frozenset[Right], may_change: bool
) -> Response | None:
    loop = asyncio.get_running_loop()
    threads = site.threads_of(name)
    try:
        lab, key = await within(
            _OPEN_LIMIT_S, f"lab {name}", threads, partial(site.labs.opened, name)
        )
    except NotReady as error:
        return _refusal(str(error), 503)
    except PlaygroundError as error:
        if site.drawings.find(name, rights) is not None:  # it has ended, and its file is there
            return RedirectResponse(f"/draw/{quote(name, safe='')}")
        return _missing(str(error))
    # What was bound to a lab that had this name before ends here, for good.
    site.withdraw(name, but=key)
    if not allows(bound(rights, key), name, may_change):
        return _refusal("the lab of this address has ended, and another has its name: ask anew")
    view = LabView(
        lab,
        name,
        may_change,
        threads,
        site.files,
        site.sessions,
        site.address,
        key,
        site.keys.forget,
    )
    client = ui.context.client

    def shut() -> None:
        if client.id in Client.instances:
            client.delete()

    site.opened(view, lambda: loop.call_soon_threadsafe(shut))
    client.on_delete(view.close_soon)
    ui.on_exception(_say)
    try:
        await lab_page.build(view, site)
    except NotReady as error:
        return _refusal(str(error), 503)
    return None


async def _draw(site: Site, name: str, rights: frozenset[Right]) -> Response | None:
    drawing = site.drawings.find(name, rights)
    if drawing is None:
        return _refusal("this address draws no lab here, or another one")
    if await asyncio.get_running_loop().run_in_executor(site.threads, drawing.runs):
        return RedirectResponse(f"/lab/{quote(name, safe='')}")
    ui.on_exception(_say)
    await draw_page.build(drawing, site.threads)
    return None


def _say(error: Exception) -> None:
    """Show what went wrong in a handler: a sentence of ours, or that it is our mistake."""
    if isinstance(error, PlaygroundError):
        words = str(error)
    else:
        words = f"{type(error).__name__}: this is a mistake in playground itself"
    ui.notify(
        words,
        type="negative",
        multi_line=True,
        # Below are the buttons that one wants next; a button that has no colour is blue.
        position="top",
        actions=[{"label": "OK", "color": "white"}],
        timeout=10_000,
        # One at a time: what is said last takes the place of what was said before.
        group="wrong",
        badgeClass="hidden",
    )


async def _fetch(site: Site, request: Request, key: str) -> Response:
    try:
        file = site.files.find(key)
    except PlaygroundError as error:
        return PlainTextResponse(str(error), status_code=404)
    if not allows(site.drawings.widened(rights_of(request)), file.lab):
        return _refusal("this address is another lab's")
    loop = asyncio.get_running_loop()
    threads = site.threads_of(file.lab)
    try:
        content = await loop.run_in_executor(threads, file.source)
    except PlaygroundError as error:
        return PlainTextResponse(str(error), status_code=409)
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(file.filename, safe='')}",
        # A file of a host is no page of this server, whatever it holds.
        "content-security-policy": "sandbox; default-src 'none'",
    }
    media_type = file.media_type or "application/octet-stream"
    if isinstance(content, bytes):
        return Response(content, media_type=media_type, headers=headers)
    pieces = _pieces(iter(content), threads, request)
    return StreamingResponse(pieces, media_type=media_type, headers=headers)


async def _pieces(
    content: Iterator[bytes], threads: Executor, request: Request
) -> AsyncIterator[bytes]:
    """Yield what an iterator has, each piece waited for in a thread; close it in the end.

    The end is also where who fetches it has gone, which uvicorn tells nobody who only sends.

    """
    loop = asyncio.get_running_loop()
    end: Any = object()
    try:
        while (piece := await loop.run_in_executor(threads, next, content, end)) is not end:
            if await request.is_disconnected():
                break
            yield piece
    finally:
        close = getattr(content, "close", None)
        if close is not None:
            await loop.run_in_executor(threads, close)
