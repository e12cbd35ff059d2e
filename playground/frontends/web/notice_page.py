"""A page of one sentence, in the style of all others: what is not there, or not for who asks."""

from __future__ import annotations

import html

# The blue of the pages' header, and links that can be read on white and on black (WCAG 2.2, 1.4.3).
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{margin:0;font:16px/1.5 Roboto,Helvetica,Arial,sans-serif}"
    "header{background:#1f5fa8;color:#fff;font-weight:bold;font-size:18px;padding:10px 16px}"
    "main{max-width:36em;margin:3em auto;padding:0 1em;overflow-wrap:anywhere}"
    "a{color:light-dark(#1f5fa8,#8ab8ff)}"
)


def notice_page(sentence: str, *, leads_home: bool = False) -> str:
    """Return a page of HTML that says a sentence; ``leads_home`` adds a way to the list of labs.

    >>> "there is no &lt;lab&gt;" in notice_page("there is no <lab>")
    True

    """
    way = '<p><a href="/">Labs on this machine</a></p>' if leads_home else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>playground</title><style>{_STYLE}</style><header>playground</header>"
        f"<main><p>{html.escape(sentence)}</p>{way}</main></html>"
    )
