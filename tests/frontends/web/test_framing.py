"""One notebook may show the page in a frame; what a lab publishes beside it may not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from playground.frontends.web.framing import notebook_origins, origins_of


@pytest.mark.parametrize(
    ("url", "origins"),
    [
        ("http://localhost:8888/", ("http://localhost:8888", "http://127.0.0.1:8888")),
        ("http://127.0.0.1:9/x", ("http://localhost:9", "http://127.0.0.1:9")),
        ("https://hub.example/user/anna/", ("https://hub.example",)),
        ("http://[::1]:8888/", ("http://[::1]:8888",)),
        ("http://*:8888/", ()),
        ("http://a;script-src *:1/", ()),
        ("http://localhost:x/", ()),
        ("file:///etc", ()),
        ("", ()),
    ],
)
def test_an_address_has_one_origin_and_that_of_the_loopback_two(
    url: str, origins: tuple[str, ...]
) -> None:
    assert origins_of(url) == origins


def test_the_server_that_started_this_program_is_the_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    assert notebook_origins() == ()
    said = {"url": "http://localhost:8889/", "token": "t"}
    (tmp_path / "jpserver-77.json").write_text(json.dumps(said))
    monkeypatch.setenv("JPY_PARENT_PID", "77")
    assert notebook_origins() == ("http://localhost:8889", "http://127.0.0.1:8889")
