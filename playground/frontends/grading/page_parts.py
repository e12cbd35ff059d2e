"""Parts that pages of marks have in common: their frame, their colours, text made safe.

Pages hold strangers' words.  All of these pass `text`, pictures stand in `<img>`, in which no
script runs, and the page's own policy lets none run anywhere (Content Security Policy level 3).

"""

from __future__ import annotations

import base64
import html

from playground.display.safe_text import visible

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--paper:#fff;--card:#f5f7fa;
--line:#dde3ea;--good:#1a7f4b;--part:#a86400;--bad:#c0362c;--bar:#3b6fb6;--track:#e6ebf1}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa6b5;--paper:#14181e;
--card:#1d232b;--line:#313a46;--good:#5cc78d;--part:#e0a44a;--bad:#f0837a;--bar:#7aa7e8;
--track:#2a323d}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0}
main{max-width:62rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:2.25rem 0 .75rem}
a{color:var(--bar)}
.soft{color:var(--soft)}
.points{font-size:2.2rem;font-weight:600;margin:.5rem 0 0}
.points small{font-size:1rem;font-weight:400;color:var(--soft)}
.track{background:var(--track);border-radius:4px;height:8px;overflow:hidden;min-width:5rem}
.track i{display:block;height:100%;background:var(--bar)}
.track i.bad{background:var(--bad)}
.note{border-left:4px solid var(--bad);background:var(--card);padding:.75rem 1rem;margin:1.25rem 0;
white-space:pre-wrap;overflow-wrap:anywhere}
.note.hint{border-color:var(--part)}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;margin:.6rem 0;
padding:.7rem 1rem}
.card>summary,.card>.head{display:flex;gap:.75rem;align-items:baseline;cursor:default}
.card>summary{cursor:pointer}
.card .title{flex:1;font-weight:600;overflow-wrap:anywhere}
.sign{font-weight:700;width:1.2rem;flex:none;text-align:center}
.good{color:var(--good)}.part{color:var(--part)}.bad{color:var(--bad)}
.num{font-variant-numeric:tabular-nums;white-space:nowrap}
pre{font:13px/1.45 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;
margin:.6rem 0 0}
.net{max-width:100%;height:auto;display:block;margin:0 auto}
.frame{border:1px solid var(--line);border-radius:8px;padding:1rem}
ul{margin:.5rem 0 0;padding-left:1.25rem}li{overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.45rem .75rem .45rem 0;border-bottom:1px solid var(--line);
vertical-align:baseline;overflow-wrap:anywhere}
th{color:var(--soft);font-weight:500;font-size:.875rem;overflow-wrap:normal}
td.num,th.num{text-align:right}
.facts{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.25rem 0 0;padding:0}
.facts div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.5rem 1rem}
.facts b{display:block;font-size:1.4rem}
.facts span{color:var(--soft);font-size:.875rem}
.bars rect{fill:var(--bar)}.bars text{fill:var(--soft);font-size:12px}
.bars .zero{fill:var(--track)}
.bars{width:100%;max-width:40rem;height:auto}
@media print{main{max-width:none;padding:0}.card{break-inside:avoid}}
"""


def page(title: str, body: str) -> str:
    """Return a whole page of HTML; ``title`` is text, ``body`` HTML."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{text(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def text(words: str) -> str:
    """Return text as HTML that shows it, and does nothing else."""
    return html.escape(visible(words))


def number(value: float) -> str:
    """Return points as people write them.

    >>> number(2.0), number(2.5)
    ('2', '2.5')

    """
    return f"{round(value, 2):g}"


def track(share: float, kind: str = "") -> str:
    """Return a bar that is filled to a share of 0 to 1."""
    width = round(100 * min(1.0, max(0.0, share)))
    return f'<div class="track"><i class="{kind}" style="width:{width}%"></i></div>'


def picture(svg: str, words: str) -> str:
    """Return a drawing as an image, in which nothing runs and from which nothing is loaded."""
    data = base64.b64encode(svg.encode(errors="replace")).decode()
    return (
        f'<div class="frame"><img class="net" alt="{text(words)}" '
        f'src="data:image/svg+xml;base64,{data}"></div>'
    )
