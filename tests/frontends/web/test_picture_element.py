"""The element that shows the living picture has what its script asks for."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from playground.frontends.web import picture_element
from playground.frontends.web.picture_element import PictureElement

SCRIPT = Path(picture_element.__file__).with_name("picture.js").read_text()


def test_every_method_and_prop_that_is_used_is_one_of_the_script() -> None:
    source = inspect.getsource(PictureElement)
    called = set(re.findall(r'run_method\("(\w+)"', source))
    assert called
    for name in called:
        assert re.search(rf"^    {name}\(", SCRIPT, re.M), name
    given = set(re.findall(r'_props\["(\w+)"\]', source))
    props = re.search(r"props: \{(.*?)\}", SCRIPT)
    assert props
    assert given == set(re.findall(r"(\w+):", props[1]))


def test_every_event_of_the_script_is_heard() -> None:
    emitted = set(re.findall(r'\$emit\("(\w+)"', SCRIPT)) - {"background"}
    heard = set(re.findall(r'self\.on\("(\w+)"', inspect.getsource(PictureElement)))
    assert emitted == heard


def test_the_script_puts_no_text_into_the_page_as_markup_but_the_drawn_picture() -> None:
    written = re.findall(r"innerHTML = ([^;\n]+)", SCRIPT)
    assert len(written) == 2 and written[0] == "svg"
    assert re.findall(r"\$\{([^}]+)\}", SCRIPT.partition("mark.innerHTML")[2].partition(";")[0])
    assert not re.search(r"https?://(?!www\.w3\.org)", SCRIPT)
