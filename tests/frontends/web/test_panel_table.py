"""Every panel has what the page asks of one."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

from playground.frontends.web import panels
from playground.frontends.web.panel_table import OF_LINKS, OF_NODES, Panel


@pytest.mark.parametrize("panel", [*OF_NODES, *OF_LINKS], ids=lambda one: one.__name__)
def test_a_panel_has_a_title_and_is_built_of_a_view_and_a_name(panel: Panel) -> None:
    assert panel.TITLE
    for function in (panel.fits, panel.build):
        assert list(inspect.signature(function).parameters) == ["view", "name"]


def test_titles_are_told_apart_and_every_panel_is_in_a_table() -> None:
    for table in (OF_NODES, OF_LINKS):
        titles = [panel.TITLE for panel in table]
        assert len(set(titles)) == len(titles)
    modules = [
        importlib.import_module(f"{panels.__name__}.{found.name}")
        for found in pkgutil.iter_modules(panels.__path__)
    ]
    there = [module for module in modules if hasattr(module, "TITLE")]
    assert {id(one) for one in there} == {id(one) for one in (*OF_NODES, *OF_LINKS)}
