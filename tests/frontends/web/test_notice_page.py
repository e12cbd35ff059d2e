"""A page of one sentence says it as text, and leads home where that helps."""

from __future__ import annotations

from playground.frontends.web.notice_page import notice_page


def test_what_it_says_is_text() -> None:
    page = notice_page("no lab <img src=x>")
    assert "<p>no lab &lt;img src=x&gt;</p>" in page
    assert "<a " not in page and "https:" not in page


def test_it_leads_to_the_list_of_labs() -> None:
    assert '<a href="/">' in notice_page("gone", leads_home=True)
