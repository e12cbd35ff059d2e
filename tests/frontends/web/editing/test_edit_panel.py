"""The panel has a form for all that can be drawn."""

from __future__ import annotations

from playground.frontends.web.editing.edit_panel import _KINDS
from playground.frontends.web.editing.form_fields import fields_of


def test_every_kind_that_is_drawn_has_a_form() -> None:
    for kind in _KINDS:
        assert any(field.usual for field in fields_of(kind))
