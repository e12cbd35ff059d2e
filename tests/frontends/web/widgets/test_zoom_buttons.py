"""The buttons call what the picture's script has."""

from __future__ import annotations

import re
from pathlib import Path

from playground.frontends.web import picture_element
from playground.frontends.web.widgets.zoom_buttons import BUTTONS


def test_each_button_calls_a_method_of_the_script() -> None:
    script = Path(picture_element.__file__).with_name("picture.js").read_text()
    for _, said, method, arguments in BUTTONS:
        assert re.search(rf"^    {method}\((\w*)\) \{{", script, re.M), said
        assert arguments == "" or float(arguments) > 0
