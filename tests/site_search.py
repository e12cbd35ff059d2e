"""The site's search, as it runs in the browser, for tests: lunr over the index that was built.

What Material does with a query and with results is repeated here from its worker
(src/templates/assets/javascripts/integrations/search, `search` and `transform`).

"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lunr.builder import Builder


class SiteSearch:
    """Finds pages of a built site as the field at its top does."""

    def __init__(self, site: Path) -> None:
        built = json.loads((site / "search" / "search_index.json").read_text())
        config = built["config"]
        assert config["pipeline"] == []  # of lunr's three none
        assert config["separator"] == r"[\s\-]+"  # as lunr's own
        builder = Builder()
        builder.b(0)
        builder.ref("location")
        for name, field in config["fields"].items():
            builder.field(name, boost=field["boost"])
        for document in built["docs"]:
            words = {name: re.sub(r"<[^>]+>", " ", document[name]) for name in ("title", "text")}
            tags = " ".join(document.get("tags", ()))
            here = {**words, "tags": tags, "location": document["location"]}
            builder.add(here, {"boost": document.get("boost", 1)})
        self._index: Any = builder.build()
        # What our own script takes out of a question before the worker gets it.
        small = re.search(r"SMALL = /(.+)/gi;", (site / "search.js").read_text())
        assert small is not None
        self._small = re.compile(small[1], re.IGNORECASE)

    def find(self, words: str) -> list[str]:
        """Return the pages that are found, best first."""
        words = self._small.sub("", words).strip() or words
        terms = re.findall(r"[\w.]+", words.lower())
        scores: dict[str, float] = {}
        for result in self._index.search(" ".join(f"{term}*" for term in terms)):
            matched = result["match_data"].metadata
            share = sum(any(one.startswith(term) for one in matched) for term in terms) / len(terms)
            page, _, part = str(result["ref"]).partition("#")
            score = result["score"] * (1 + (share + (not part)) ** 2)
            scores[page] = max(scores.get(page, 0), score)
        return sorted(scores, key=lambda page: -scores[page])
