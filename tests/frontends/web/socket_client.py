"""A browser's end of a page's socket, without a browser: for tests of what may be sent."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from playground.frontends.web.gate import PROOF


@contextmanager
def visiting(address: str) -> Iterator[tuple[httpx.Client, httpx.Response]]:
    """Open a page by its address, as a browser does; yield a client with the session."""
    with httpx.Client() as client:
        first = client.get(address).raise_for_status()
        proof = re.search('data-proof="(.+?)"', first.text)
        assert proof, "the first answer has the other half of the cookie in it"
        client.headers[PROOF] = proof[1]
        yield client, client.get(address.partition("?")[0])


class Socket:
    """The socket of one page that was visited."""

    def __init__(self, address: str, headers: dict[str, str] | None = None) -> None:
        with visiting(address) as (client, self.page):
            self._cookies = dict(client.cookies)
        found = re.search(r"'client_id': '([0-9a-f-]{36})'", self.page.text)
        assert found, "a page of NiceGUI has the id of its client in it"
        self.id = found[1]
        self._host = str(self.page.url.netloc, "ascii")
        self._headers = headers or {}

    @property
    def elements(self) -> dict[str, Any]:
        """All elements of the page by their numbers, as the browser gets them."""
        found = re.search(r"parseElements\(String\.raw`(.*?)`\)", self.page.text, re.S)
        assert found, "a page of NiceGUI has its elements in it"
        text = found[1]
        for escaped, plain in (("&#36;", "$"), ("&#96;", "`"), ("&gt;", ">"), ("&lt;", "<")):
            text = text.replace(escaped, plain)
        data: dict[str, Any] = json.loads(text.replace("&amp;", "&"))
        return data

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[ClientConnection]:
        """Give the socket of the page, once hands were shaken."""
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"Origin": f"http://{self._host}", "Cookie": cookies, **self._headers}
        address = (
            f"ws://{self._host}/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
            f"&client_id={self.id}"
        )
        async with connect(
            address, additional_headers=headers, origin=None, proxy=None, max_size=1 << 24
        ) as line:
            await line.recv()
            await line.send("40")
            await line.recv()
            shake = {"client_id": self.id, "tab_id": "t", "document_id": "d", "next_message_id": 0}
            await line.send("420" + json.dumps(["handshake", shake]))
            yield line

    async def send_all(self, events: list[dict[str, Any]], wait_s: float = 1.0) -> list[str]:
        """Shake hands, send events of elements, and return what came within some time."""
        got: list[str] = []
        async with self.connected() as line:
            for event in events:
                await line.send("42" + json.dumps(["event", {"client_id": self.id, **event}]))
            try:
                async with asyncio.timeout(wait_s):
                    while True:
                        got.append(str(await line.recv()))
            except TimeoutError:
                return got
        return got
