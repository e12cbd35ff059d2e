"""Services with their logs: what a host has written stays text, and is said once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from playground.errors import NotRunning
from playground.frontends.web.panels import services
from playground.frontends.web.panels.services import _Services, _word
from playground.frontends.web.view import LabView
from tests.frontends.web.panels.panel_stubs import StubView, enabled, slot, texts

EVIL = "<img src=x onerror=1>"


class Service:
    """A service that says what it was told to."""

    def __init__(self, status: str, log: str) -> None:
        self.said, self.lines = status, log

    def status(self) -> str:
        return self.said

    def log(self, lines: int) -> str:
        if not self.lines:
            raise NotRunning("h1 is stopped")
        return self.lines


def panel(view: StubView) -> _Services:
    return _Services(cast("LabView", view), view.part)


def hurry(made: _Services, view: StubView) -> None:
    made._pace.hurry()
    made._log_pace.hurry()
    view.look()


def test_each_service_has_its_state_and_the_first_ones_log_is_shown() -> None:
    http = Service("running", f"GET /{EVIL}\nGET /\x1b[2J\0")
    view = StubView(SimpleNamespace(services={"http": http, "ssh": Service("stopped", "x")}))
    with slot() as client:
        made = panel(view)
        view.look()
        said = texts(client)
        assert {"http", "running", "ssh", "stopped", "Log of http"} <= {*said}
        assert (made._status["http"].classes, made._status["ssh"].classes) == (
            ["grow", "text-positive"],
            ["grow", "text-negative"],
        )
        # Markup and control characters of a host are letters.
        assert made._text == f"GET /{EVIL}\nGET /\\x1b[2J\\x00"
        http.said = EVIL
        hurry(made, view)
        assert EVIL in texts(client)


def test_of_a_log_that_grows_what_came_is_added_and_another_log_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    http = Service("running", "one")
    view = StubView(SimpleNamespace(services={"http": http}))
    with slot():
        made = panel(view)
        pushed: list[str] = []
        monkeypatch.setattr(made._log, "push", pushed.append)
        monkeypatch.setattr(made._log, "clear", lambda: pushed.append("(clear)"))
        view.look()
        view.look()  # it is not time yet
        for lines in ("one\ntwo", "other", ""):
            http.lines = lines
            hurry(made, view)
    assert pushed == ["(clear)", "one", "two", "(clear)", "other", "(clear)", "h1 is stopped"]


def test_who_may_only_look_has_no_button_that_does_anything() -> None:
    for may_change, words in ((True, {"Start", "Stop", "Restart", "Log"}), (False, {"Log"})):
        services_ = {"http": Service("running", "x")}
        view = StubView(SimpleNamespace(services=services_), may_change=may_change)
        with slot() as client:
            services.build(cast("LabView", view), "h1")
            view.look()
            assert {*enabled(client)} == words


def test_a_node_without_services_and_one_that_does_not_answer_say_so() -> None:
    node: Any = SimpleNamespace(services={})
    with slot() as client:
        view = StubView(node)
        services.build(cast("LabView", view), "h1")
        view.look()
        assert "This node offers no services." in texts(client)


def test_a_name_in_an_attribute_is_letters() -> None:
    assert _word('my "web" =1') == "my web 1"
