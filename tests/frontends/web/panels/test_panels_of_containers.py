"""The panels of a node that is a container: they work as those of bare namespaces do."""

from __future__ import annotations

import asyncio

from playground import Host, Lab, Link
from playground.engines.docker.engine import DockerEngine
from playground.frontends.web.server import WebPage, open_page
from tests.frontends.web.page_talk import Talk, talking


def test_its_terminal_services_files_and_capture_are_opened(docker_engine: DockerEngine) -> None:
    www, h1 = Host("www", services=["http"]), Host("h1")
    Link(www, h1)
    with Lab(www, name="panels-of-containers", engine=docker_engine, quiet=True) as lab:
        page = open_page(lab)
        try:
            asyncio.run(_use(page, www, h1))
        finally:
            page.close()


async def _use(page: WebPage, www: Host, h1: Host) -> None:
    async with talking(page.address) as talk:
        await _type_in_a_terminal(talk, www)
        await talk.open_panel("node www", "Services")
        await talk.until_shown("running")
        await talk.press("Stop")
        await talk.until_shown("stopped")
        await talk.press("Start")
        await talk.until_shown("running")
        await asyncio.to_thread(www.write, "/root/<b>here", "from the container\n")
        await talk.open_panel("node www", "Files")
        await talk.until_shown("<b>here")
        await talk.open_panel("cable 0", "Capture")
        await talk.press("Start")
        await talk.until_shown("0 packets; running")
        await asyncio.to_thread(h1.run, "curl -s http://www/")
        await talk.until(lambda: any('"HTTP"' in script for script in talk.scripts))
        await talk.until(lambda: talk.find(text="Download as pcapng"))
        await talk.press("Stop")


async def _type_in_a_terminal(talk: Talk, www: Host) -> None:
    await talk.open_panel("node www", "Terminal")
    await talk.until(lambda: "#" in talk.printed)
    [terminal] = talk.find(tag="nicegui-xterm")
    await talk.event(terminal, "data", "hostname > /root/typed; echo do''ne\r")
    await talk.until(lambda: "done" in talk.printed)
    assert await asyncio.to_thread(www.read, "/root/typed") == "www\n"
