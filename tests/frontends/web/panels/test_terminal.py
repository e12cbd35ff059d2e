"""Terminals of a node: one's own, and those of others that may be looked at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from nicegui import Client

from playground.frontends.web.panels.terminal import _Terminals
from playground.frontends.web.view import LabView
from tests.frontends.web.panels.panel_stubs import StubView, enabled, slot, texts


class Shell:
    """A terminal, as far as it is offered."""

    def __init__(self, number: int, user: str | None, lookers: int) -> None:
        self.number, self.user, self.lookers = number, user, lookers


class Open:
    """The terminals that are open on a node."""

    def __init__(self) -> None:
        self.there: list[Shell] = []

    def of(self, lab: str, node: str) -> list[Shell]:
        return self.there


def view_of(may_change: bool) -> StubView:
    lab = SimpleNamespace(users={"student": "secret"})
    return StubView(may_change=may_change, lab=lab, terminals=Open())


def offered(client: Client) -> list[str]:
    return [one for one in enabled(client) if one.startswith("Look at")]


def test_others_are_offered_with_who_looks_and_ones_own_are_not() -> None:
    view = view_of(True)
    mine, other = Shell(1, None, 1), Shell(2, None, 2)
    with slot() as client:
        made = _Terminals(cast("LabView", view), "h1")
        made._mine.add(cast("Any", mine))
        view.terminals.there = [mine, other]
        view.look()
        assert offered(client) == ["Look at terminal 2 (root, 2 at it)"]
        other.lookers = 3
        view.look()
        assert offered(client) == ["Look at terminal 2 (root, 3 at it)"]
        view.terminals.there = [mine]
        view.look()
        assert offered(client) == []


def test_who_may_only_look_opens_none_and_is_told_where_there_is_none() -> None:
    view = view_of(False)
    none = "Nobody has a terminal open on this node."
    with slot() as client:
        _Terminals(cast("LabView", view), "h1")
        view.look()
        assert none in texts(client) and enabled(client) == {}
        view.terminals.there = [Shell(1, "student", 1)]
        view.look()
        assert [*enabled(client)] == ["Look at terminal 1 (student, 1 at it)"]
        assert none not in texts(client)
