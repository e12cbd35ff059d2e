"""A page used without a browser: its socket is spoken as NiceGUI's own script does.

What the page shows is known from its messages, buttons are pressed and fields filled by events.
Nothing is drawn, so that a lab on any engine can be tried in a second.

"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection

from tests.frontends.web.socket_client import Socket

PATIENCE_S = 30.0

_WRITTEN = re.compile(r"runMethod\((\d+), 'write', \[(\".*\")\]\)", re.S)


class Talk:
    """One page that is open: ``elements`` as the browser has them, by their numbers.

    ``printed`` is what terminals were told to show, ``received_bytes`` what came in all.

    """

    def __init__(self, socket: Socket, line: ClientConnection) -> None:
        self._socket, self._line = socket, line
        self.elements: dict[int, dict[str, Any]] = {
            int(number): element for number, element in socket.elements.items()
        }
        self.notes: list[str] = []
        self.scripts: list[str] = []
        self.printed = ""
        self.received_bytes = 0
        self.reads = True

    async def hear(self) -> None:
        """Take what comes, and answer as a browser does, until the line ends."""
        while True:
            while not self.reads:
                await asyncio.sleep(0.01)
            text = str(await self._line.recv())
            self.received_bytes += len(text)
            if text == "2":  # Engine.IO's ping
                await self._line.send("3")
            if text.startswith("42"):
                kind, said = json.loads(text[2:])
                await self._take(kind, said)

    async def _take(self, kind: str, said: dict[str, Any]) -> None:
        if kind == "update":
            for number, element in said.items():
                if number != "_id" and element is None:
                    self.elements.pop(int(number), None)
                elif number != "_id":
                    self.elements[int(number)] = element
        elif kind == "notify":
            self.notes.append(str(said.get("message")))
        elif kind == "run_javascript":
            self.scripts = [*self.scripts[-200:], said["code"]]
            if found := _WRITTEN.search(said["code"]):
                self.printed += json.loads(found[2])
            if "request_id" in said:
                answer = {"request_id": said["request_id"], "client_id": self._socket.id}
                await self._say("javascript_response", answer | {"result": None})

    async def _say(self, kind: str, said: dict[str, Any]) -> None:
        await self._line.send("42" + json.dumps([kind, said]))

    # -- what is seen ----------------------------------------------------------------

    def find(self, **wanted: str) -> list[int]:
        """Return elements by tag, text, or a prop such as label; in the order they were made."""
        return [
            number
            for number, element in sorted(self.elements.items())
            if all(
                str(element.get(key, element.get("props", {}).get(key))) == value
                for key, value in wanted.items()
            )
        ]

    def shows(self, words: str) -> bool:
        """Tell whether a text, or a row of a table, has these words in it."""
        return any(
            words in str(element.get("text", ""))
            or words in json.dumps(element.get("props", {}).get("rows", ""), ensure_ascii=False)
            for element in self.elements.values()
        )

    async def until(self, look: Callable[[], object]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not look():
                await asyncio.sleep(0.02)

    async def until_shown(self, words: str) -> None:
        """Wait until the page shows these words."""
        try:
            await self.until(lambda: self.shows(words))
        except TimeoutError:
            texts = [str(one.get("text", "")) for one in self.elements.values()]
            raise AssertionError(
                f"{words!r} did not come; there are: {' | '.join(filter(None, texts))[:2000]}; "
                f"notes: {self.notes}"
            ) from None

    # -- what is done ----------------------------------------------------------------

    async def event(self, number: int, kind: str, *args: Any) -> None:
        """Send an event of an element, to all who hear it."""
        heard = [
            one["listener_id"]
            for one in self.elements[number].get("events", ())
            if one["type"] == kind
        ]
        assert heard, f"{self.elements[number]} hears no {kind}"
        for listener in heard:
            message = {"client_id": self._socket.id, "id": number, "listener_id": listener}
            await self._say("event", message | {"args": [json.dumps(one) for one in args]})

    async def press(self, label: str) -> None:
        """Press the newest button with these words."""
        await self.until(lambda: self.find(label=label))
        await self.event(self.find(label=label)[-1], "click", {})

    async def fill(self, label: str, value: str) -> None:
        """Fill a field, and leave it by Enter."""
        number = self.find(label=label)[-1]
        kinds = [one["type"] for one in self.elements[number]["events"]]
        await self.event(number, next(k for k in kinds if k.startswith("update:")), value)
        if "keydown" in kinds:
            await self.event(number, "keydown", {})

    async def open_panel(self, part: str, title: str) -> None:
        """Open the panels of a part of the picture, and one of them."""
        [picture] = [
            number
            for number, element in self.elements.items()
            if any(one["type"] == "open" for one in element.get("events", ()))
        ]
        before = set(self.find(tag="q-tab-panels"))
        await self.event(picture, "open", {"part": part})
        await self.until(lambda: set(self.find(tag="q-tab-panels")) - before)
        [bodies] = set(self.find(tag="q-tab-panels")) - before
        await self.event(bodies, "update:modelValue", title)


@asynccontextmanager
async def talking(address: str) -> AsyncIterator[Talk]:
    """Open a page by its address, and talk with it."""
    socket = await asyncio.to_thread(Socket, address)
    async with socket.connected() as line:
        talk = Talk(socket, line)
        hearing = asyncio.create_task(talk.hear())
        try:
            yield talk
        finally:
            hearing.cancel()
            with suppress(asyncio.CancelledError):
                await hearing
