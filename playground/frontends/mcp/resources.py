"""Resources for an assistant: how-to pages, and of each lab its picture and its file.

They are named by addresses: ``playground://how-to/vlans``, ``playground://labs/office/lab.yaml``,
``playground://labs/office/picture.svg``, ``playground://lab-file.schema.json``.

"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import quote, unquote

from playground.display.how_to import all_pages
from playground.errors import UnknownName
from playground.frontends.mcp.answers import bounded
from playground.frontends.mcp.workshop import Workshop
from playground.frontends.mcp.workshop_tools import lab_text
from playground.lab.files.schema import lab_file_schema
from playground.model.arguments import shown
from playground.model.records import dataclass

SCHEME = "playground://"
SCHEMA = f"{SCHEME}lab-file.schema.json"

_LABS = re.compile(rf"{SCHEME}labs/(?P<lab>[^/]+)/(?P<what>lab\.yaml|picture\.svg|picture\.txt)")


@dataclass(frozen=True)
class AssistantResource:
    """One resource: where it is, what it is about, and its kind (RFC 2046)."""

    uri: str
    title: str
    media_type: str


_KINDS = {
    "lab.yaml": ("application/yaml", "declarations of lab {}"),
    "picture.svg": ("image/svg+xml", "picture of lab {}"),
    "picture.txt": ("text/plain", "network of lab {}, as a tree of text"),
}


def resources(workshop: Workshop) -> Iterator[AssistantResource]:
    """Yield all resources that there are now: those of labs first."""
    for lab in workshop.labs:
        for what, (media_type, title) in _KINDS.items():
            uri = f"{SCHEME}labs/{quote(lab.name, safe='')}/{what}"
            yield AssistantResource(uri, title.format(lab.name), media_type)
    yield AssistantResource(SCHEMA, "JSON schema of lab files", "application/schema+json")
    for page in all_pages():
        yield AssistantResource(f"{SCHEME}how-to/{page.name}", page.question, "text/markdown")


def read_resource(workshop: Workshop, uri: str) -> tuple[str, str]:
    """Return the kind and the text of a resource; raise `UnknownName` for one that is not there."""
    if uri == SCHEMA:
        return "application/schema+json", json.dumps(lab_file_schema())
    name = uri.removeprefix(f"{SCHEME}how-to/")
    for page in all_pages():
        if page.name == name:
            return "text/markdown", page.markdown
    match = _LABS.fullmatch(uri)
    if match is None:
        raise UnknownName(
            f"there is no resource {shown(uri)}: there is {SCHEME}how-to/vlans and the like, and "
            f"of a lab {SCHEME}labs/NAME/lab.yaml"
        )
    lab, what = workshop.lab(unquote(match["lab"])), match["what"]
    media_type, _ = _KINDS[what]
    if what == "lab.yaml":
        return media_type, lab_text(lab)
    # A drawing that is cut off is none.
    return media_type, bounded(str(lab.picture())) if what == "picture.txt" else lab.picture().svg()
