"""A lab as its page edits it: what a draft would change of what runs, and the file it stands in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from playground.display.safe_text import visible
from playground.errors import NotRunning, PlaygroundError
from playground.frontends.web.editing import draft
from playground.frontends.web.editing.edited import Looked
from playground.frontends.web.editing.edited_file import EditedFile
from playground.lab.lab import Lab
from playground.operations.pictures.diagram import make_diagram


class RunningLab:
    """A lab, and its file if the page was begun with one: Apply writes that too.

    A lab that was declared and not started can be drawn on as well, and fetched as a file.

    """

    action = "Apply"

    def __init__(self, lab: Lab, file: EditedFile | None = None) -> None:
        self._lab = lab
        self._file = file

    @property
    def filename(self) -> str:
        """As the file that it stands in, or as the lab is called."""
        return self._file.path.name if self._file is not None else f"{self._lab.name}.yaml"

    def text(self) -> str:
        """Return the lab's file as it is declared now."""
        return draft.text_of(self._lab)

    def look(self, text: str) -> Looked:
        """Return what a draft would change; of a lab that is not started it can be fetched only."""
        lab = self._lab
        # Before: what others change meanwhile is found when it is applied.
        base = draft.text_of(lab)
        wanted = draft.declared(text, lab)
        plan = wanted.plan()
        diff = lab.apply(wanted, dry_run=True) if lab.running else plan.diff(lab.plan())
        rows = tuple(
            visible(f"{row.change} {row.node}  {row.kind}  {row.entry}") for row in diff.differences
        )
        (said, places), (had, drawn) = draft.settings_of(text), draft.settings_of(base)
        if places != drawn:
            rows = (*rows, "+   setting  positions of the picture")
        return Looked(
            base,
            (*rows, *_kept(had, said)),
            draft.python_of(text),
            make_diagram(plan, wanted.nodes),
            can_apply=bool(rows) and lab.running,
        )

    def apply(self, text: str, base: str) -> str:
        """Make the running lab what a draft says, and write its file."""
        if not self._lab.running:
            raise NotRunning(
                "this lab is not started: start it first, or keep the draft with Download"
            )
        draft.apply(text, self._lab, base)
        if self._file is None:
            return "The lab is as the draft says."
        try:
            self._file.write_lab(self._lab)
        except PlaygroundError as error:
            words = f"the lab is as the draft says, and its file is not: {error}"
            raise PlaygroundError(words) from error
        return f"The lab is as the draft says, and so is {self._file.path.name}."


def _kept(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each setting of a lab that a draft changes in vain."""
    for name in sorted({*before, *wanted}):
        # A text without a name is of any lab.
        if before.get(name) != wanted.get(name) and (name != "name" or name in wanted):
            was = f" ({visible(str(before[name]))})" if name in before else ""
            yield (
                f"a lab keeps its {name}{was}: to have another, change its file or its program, "
                "and start it anew"
            )
