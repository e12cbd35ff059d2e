"""How-to pages are found by their names, their tags and questions in one's own words."""

from __future__ import annotations

import inspect

import pytest

import playground
from playground import Lab
from playground.display.how_to import Overview, Page, all_pages, help_page, ranked, read_page
from playground.errors import UnknownName

SHORT = "---\ntags: [cable, two words]\n---\n\n# How do I pull a cable?\n\nSee [vlans](vlans.md).\n"


def test_a_page_is_tags_a_question_and_text() -> None:
    page = read_page("cable", SHORT)
    assert page.tags == ("cable", "two words")
    assert page.markdown == "# How do I pull a cable?\n\nSee vlans.\n"
    assert page._repr_markdown_() == repr(page) == page.markdown


@pytest.mark.parametrize("text", ["# No tags?\n", SHORT.replace("tags:", "words:"), ""])
def test_a_page_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cable begins otherwise than `---`, `tags: \[\.\.\.\]`"):
        read_page("cable", text)


def test_every_page_ends_its_question_and_has_tags() -> None:
    assert len(all_pages()) > 10
    for page in all_pages():
        assert page.question.endswith("?"), page.name
        assert page.tags, page.name


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ("vlans", "vlans"),
        ("VLAN", "vlans"),
        ("802.1q", "vlans"),
        ("pcap", "capture-to-file"),
        ("How do I slow a link down?", "slow-link"),
        ("second address", "two-addresses"),
        ("port forwarding", "port-forward"),
    ],
)
def test_a_topic_leads_to_its_page(topic: str, name: str) -> None:
    page = help_page(topic)
    assert isinstance(page, Page)
    assert page.name == name


def test_the_package_has_it_and_a_star_leaves_pythons_own() -> None:
    assert playground.help is inspect.unwrap(Lab.help) is help_page
    assert "help" not in playground.__all__


def test_no_topic_lists_all_pages() -> None:
    page = help_page()
    assert isinstance(page, Overview)
    assert page.pages == all_pages()
    assert "vlans" in repr(page)
    assert "* `vlans`: How do I" in page._repr_markdown_()


def test_pages_that_fit_alike_are_a_choice() -> None:
    pages = [Page(name, "What?", ("wire",), "") for name in ("b", "a")]
    assert [page.name for _, page in ranked("wire", pages)] == ["a", "b"]
    assert ranked("how do I", pages) == []


def test_what_no_page_speaks_of_is_told_with_what_comes_near() -> None:
    with pytest.raises(UnknownName, match="speaks of 'vlasn': did you mean 'vlan'"):
        help_page("vlasn")
    with pytest.raises(UnknownName, match=r"no how-to page speaks of 'zebra'\. `playground help`"):
        help_page("zebra")
