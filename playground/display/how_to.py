"""How-to pages: short answers to questions as people ask them, found and shown offline.

The pages are docs/how-to/*.md of the clone, which the wheel carries as `playground/_how_to`.
A page begins with its tags, the words that somebody may look for::

    ---
    tags: [vlan, trunk, 802.1q]
    ---
    # How do I make a switch with VLANs?

`help_page("trunk")` returns that page, and `playground help trunk` prints it.

"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from playground.errors import BadArgument, UnknownName

FOLDER = Path(__file__).resolve().parents[1] / "_how_to"
# The list of all pages, which is for the site: here `overview` says the same.
INDEX = "index"
_PAGE = re.compile(
    r"---\ntags: \[(?P<tags>[^\]\n]*)\]\n---\n+# (?P<question>[^\n]+)\n(?P<text>.*)", re.S
)
# Words of a question that say nothing of its subject.
_EMPTY = frozenset(
    """
    a about an and are as at be between by can did do does for from get give has have how i in
    into is it its make many me more my no not of on one or own put should that the them there
    this to up use want was what when where which who why will with would you
    """.split()  # noqa: SIM905 - a list of sixty strings would be sixty lines
)


@dataclass(frozen=True, slots=True)
class Page:
    """A how-to page: the question, the answer as Markdown, and the words it is found by.

    It shows itself as Markdown in a notebook, and as text elsewhere.

    """

    name: str
    question: str
    tags: tuple[str, ...]
    text: str

    @property
    def markdown(self) -> str:
        """The page as Markdown, without the links to other pages, which lead nowhere here."""
        text = re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", self.text)
        return f"# {self.question}\n{text}"

    def _repr_markdown_(self) -> str:
        return self.markdown

    def __repr__(self) -> str:
        return self.markdown


@dataclass(frozen=True, slots=True)
class Overview:
    """The questions that there are pages for, all or some, each with the word that leads to it."""

    pages: tuple[Page, ...]

    @property
    def markdown(self) -> str:
        """The list as Markdown."""
        return "".join(f"* `{page.name}`: {page.question}\n" for page in self.pages)

    def _repr_markdown_(self) -> str:
        return self.markdown

    def __repr__(self) -> str:
        width = max((len(page.name) for page in self.pages), default=0)
        return "\n".join(f"{page.name:{width}}  {page.question}" for page in self.pages)


_LISTED = "`playground help` lists all pages, and so does `lab.help()`"


def help_page(topic: str = "", *, listed: str = _LISTED) -> Page | Overview:
    """Return the how-to page about a topic, or all pages where several or none are meant.

    ``topic`` is a page's name ("vlans"), one of its tags ("trunk"), or a question in your own
    words ("how do I slow a link down?").  Without it you get the list of all pages.  ``listed``
    says where that list is to who asked in vain.

    Raises `BadArgument` for what is no text, `UnknownName` where no page has any
    of these words; it names what comes near.

    >>> help_page("trunk").name
    'vlans'

    """
    if not isinstance(topic, str):
        raise BadArgument(f'{type(topic).__name__} is no topic: write a word or two, help("vlan")')
    pages = all_pages()
    if not topic.strip():
        return Overview(pages)
    found = ranked(topic, pages)
    if not found:
        import difflib  # only who asked in vain waits for it

        words = {word for page in pages for word in (page.name, *page.tags)}
        near = difflib.get_close_matches(topic.strip().lower(), words, n=1)
        hint = f": did you mean {near[0]!r}?" if near else "."
        raise UnknownName(f"no how-to page speaks of {topic!r}{hint} {listed}")
    best, leader = found[0]
    # Several pages that fit alike are a choice, which is the reader's.
    alike = tuple(page for score, page in found if score == best)
    return leader if len(alike) == 1 else Overview(alike)


def ranked(topic: str, pages: Iterable[Page]) -> list[tuple[float, Page]]:
    """Return the pages that speak of a topic, each with its score, best first.

    The name counts most, then tags, then words of the question.

    """
    wanted = [_stem(word) for word in _words(topic)]
    whole = "-".join(_words(topic))
    scored = []
    for page in pages:
        score = 100.0 if whole == page.name else 0.0
        score += 50.0 * any(whole == "-".join(_words(tag)) for tag in page.tags)
        tags = {_stem(word) for tag in (page.name, *page.tags) for word in _words(tag)}
        question = {_stem(word) for word in _words(page.question)}
        for word in wanted:
            if word not in _EMPTY:
                score += 3 * (word in tags) + 2 * (word in question)
        if score:
            scored.append((score, page))
    return sorted(scored, key=lambda item: (-item[0], item[1].name))


@cache
def all_pages() -> tuple[Page, ...]:
    """Return every page, in the order of their names."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.md")) if path.stem != INDEX)


def read_page(name: str, text: str) -> Page:
    """Return the page that a file's text is; raise ValueError where it has another form."""
    match = _PAGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{name} begins otherwise than `---`, `tags: [...]`, `---`, `# Question`")
    tags = tuple(filter(None, (tag.strip() for tag in match["tags"].split(","))))
    return Page(name, match["question"], tags, match["text"])


def _read(path: Path) -> Page:
    return read_page(path.stem, path.read_text(encoding="utf-8"))


def _words(text: str) -> Iterator[str]:
    return iter(re.findall(r"[a-z0-9.]*[a-z0-9]", text.lower()))


def _stem(word: str) -> str:
    """Return a word as its plural would be found by: "links" and "link" are one."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
