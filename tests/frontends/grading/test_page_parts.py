"""Pages hold strangers' words, which do nothing."""

from __future__ import annotations

from playground.frontends.grading.page_parts import page, picture, text, track


def test_text_is_shown_and_does_nothing() -> None:
    assert text('<b onclick="x">\x1b') == "&lt;b onclick=&quot;x&quot;&gt;\\x1b"


def test_no_page_runs_a_script_or_loads_anything() -> None:
    assert "default-src 'none'" in page("<t>", "")
    assert "<title>&lt;t&gt;</title>" in page("<t>", "")


def test_a_picture_is_an_image_of_its_own() -> None:
    shown = picture("<svg><script>alert(1)</script></svg>", '"><script>')
    assert "<script>" not in shown


def test_a_bar_is_never_longer_than_its_track() -> None:
    assert "width:100%" in track(7)
    assert "width:0%" in track(-1)
