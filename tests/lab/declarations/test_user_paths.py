"""Paths that begin in a user's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.errors import TopologyError
from playground.lab.declarations.user_paths import expanded


def test_a_users_folder_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert (expanded("~/site"), expanded("a/~"), expanded("/x")) == (
        Path("/home/me/site"),
        Path("a/~"),
        Path("/x"),
    )


def test_the_folder_of_nobody_is_refused() -> None:
    with pytest.raises(TopologyError, match="'~nosuchuser/x' begins in the folder of a user that"):
        expanded("~nosuchuser/x")
