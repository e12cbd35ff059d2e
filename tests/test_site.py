"""The documentation's site builds without a warning, and answers what a newcomer asks first."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import playground
from docs import pages
from docs.docstrings import as_markdown
from docs.links import broken
from playground.display import how_to
from playground.frontends.cli import main
from tests.site_search import SiteSearch

TOP = Path(__file__).resolve().parents[1]
# As many results of `playground help` as are seen without scrolling.
SEEN = 5


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as scripts/docs builds it, strictly."""
    place = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", place],
        cwd=TOP,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return place


# -- links and pages ---------------------------------------------------------


def test_every_link_leads_somewhere(site: Path) -> None:
    assert list(broken(site)) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<p id="a"><a href="#a"></a><a href="#b"></a><img src="c">'
    )
    assert list(broken(tmp_path)) == [
        "index.html: #b leads to no place of that page",
        "index.html: c is not there",
    ]


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text()
        fetched = re.findall(
            r"<(?:script|link|img|iframe)[^>]* (?:src|href)=\"(https?:[^\"]*)", text
        )
        assert fetched == [], path


def test_the_reference_has_every_public_name(site: Path) -> None:
    text = "".join(path.read_text() for path in (site / "reference").rglob("*.html"))
    places = set(re.findall(r' id="([^"]+)"', text))
    for name in playground.__all__:
        value = getattr(playground, name)
        is_error = isinstance(value, type) and issubclass(value, BaseException)
        assert (name.lower() if is_error else pages.path_of(name)) in places, name


@pytest.mark.parametrize(
    "member",
    ["Host.run", "Router.masquerade", "Router.ping", "Switch.table", "Link.impair", "Lab.explain"],
)
def test_the_reference_has_what_a_class_takes_from_others(site: Path, member: str) -> None:
    name, _, method = member.partition(".")
    text = "".join(path.read_text() for path in (site / "reference").rglob("*.html"))
    assert f'id="{pages.path_of(name)}.{method}"' in text


def test_the_reference_has_every_command(site: Path) -> None:
    text = (site / "reference" / "command-line" / "index.html").read_text()
    for name, command in main.commands.items():
        assert (f'id="playground-{name}"' in text) == (not command.hidden)


def test_every_ready_lab_is_in_the_gallery_with_its_picture(site: Path) -> None:
    text = (site / "gallery" / "index.html").read_text()
    assert len(pages.ready_labs()) >= 6
    for name in pages.ready_labs():
        assert f'src="../pictures/{name.replace("_", "-")}.svg"' in text


def test_the_course_has_every_notebook(site: Path) -> None:
    for path in (TOP / "notebooks").glob("*.ipynb"):
        assert (site / "course" / path.stem / "index.html").exists()


def test_a_docstring_becomes_markdown() -> None:
    text = "Say so::\n\n    `a`\n\nSee `Lab`, ``Lab``.\n\n>>> b\nc\n"
    assert as_markdown(text, {"Lab": "x.Lab"}) == (
        "Say so:\n\n    `a`\n\nSee [`Lab`][x.Lab], ``Lab``.\n\n```pycon\n>>> b\nc\n```\n"
    )


# -- search ------------------------------------------------------------------


@pytest.fixture(scope="module")
def search(site: Path) -> SiteSearch:
    return SiteSearch(site)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("a switch with VLANs", "how-to/vlans/"),
        ("two addresses", "how-to/two-addresses/"),
        ("a firewall", "how-to/firewall/"),
        ("capture to a file", "how-to/capture-to-file/"),
        ("my own web site", "how-to/own-web-site/"),
        ("outlive the script", "how-to/outlive/"),
        ("in pytest of my project", "how-to/pytest/"),
        ("a slow link", "how-to/slow-link/"),
        ("why does it not work", "how-to/why-not/"),
        ("my own image", "how-to/own-image/"),
        ("how do I capture packets", "how-to/capture-to-file/"),
    ],
)
def test_a_newcomers_question_is_answered_by_the_first_result(
    search: SiteSearch, question: str, answer: str
) -> None:
    assert search.find(question)[0] == answer
    page = how_to.help_page(question)
    found = page.pages if isinstance(page, how_to.Overview) else (page,)
    assert answer.split("/")[1] in {one.name for one in found[:SEEN]}


def test_what_nobody_wrote_is_not_found(search: SiteSearch) -> None:
    assert search.find("zeppelin") == []
