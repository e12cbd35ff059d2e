"""What a terminal is sent is one string of JavaScript, whatever a host prints."""

from __future__ import annotations

import json

import pytest

from playground.frontends.web.widgets.terminal_box import _quoted


@pytest.mark.parametrize(
    "text", ["", "'\"\\`${x}\n\r\u2028</script>", "\x1b[31mred\x00", "größe 🕸"], ids=repr
)
def test_it_comes_back_as_it_was(text: str) -> None:
    quoted = _quoted(text)
    assert quoted.isascii()
    assert json.loads(quoted) == text


def test_half_characters_are_in_no_json_that_a_browser_takes() -> None:
    assert json.loads(_quoted("a\udce9b")) == "a?b"
