"""`lab.web()` leads to the front end that is installed, or says what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util

import pytest

from playground import Host, Lab, PlaygroundError


def test_without_nicegui_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PlaygroundError, match="pip install nicegui"):
        Lab(Host("a")).web()


def test_an_installation_that_is_older_than_the_code_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **chosen: ())
    with pytest.raises(PlaygroundError, match="install it again"):
        Lab(Host("a")).web()
