"""The page of a drawing is refused to whoever has not its address.

What is done on it by hand stands in `test_in_browser`, which has a browser.

"""

from __future__ import annotations

from pathlib import Path

import httpx

from playground import Host, Lab
from playground.frontends.web.drawing.drawing import Drawing
from playground.frontends.web.rights import Right
from playground.frontends.web.server import _here, open_page
from tests.frontends.web.socket_client import visiting


def test_a_drawing_is_for_who_has_its_address(tmp_path: Path) -> None:
    page = open_page(Lab(Host("a"), name="draw-page"))
    server = _here[0]
    drawing = Drawing(tmp_path / "draw-page-file.yaml", server.labs)
    server.site.drawings.add(drawing)
    where = "/draw/draw-page-file"
    with visiting(server.address(where, drawing.right)) as (client, seen):
        assert seen.status_code == 200 and "not started" in seen.text
        # Nor is it a right to a lab of that name which was not started from it.
        assert client.get(seen.url.join("/lab/draw-page")).status_code == 403
    with visiting(page.address) as (client, seen):
        assert client.get(seen.url.join(where)).status_code == 403
    stranger = server.address(where, Right("draw-page-file", True, "another"))
    assert httpx.get(stranger).status_code == 200, "one moment"
    with visiting(stranger) as (_, seen):
        assert seen.status_code == 403
    page.close()
