"""A lab that is only drawn: the text of a file, from an empty one to a lab that runs."""

from __future__ import annotations

import secrets
from collections import Counter
from pathlib import Path

from playground.errors import BadArgument, PlaygroundError, TopologyError
from playground.frontends.web.editing import draft
from playground.frontends.web.editing.edited import Looked
from playground.frontends.web.editing.edited_file import EditedFile
from playground.frontends.web.rights import Right
from playground.frontends.web.served_labs import ServedLabs
from playground.lab.declarations.declare import declare
from playground.lab.declarations.shapes import Declarations
from playground.lab.files.reading import LabFile
from playground.lab.lab import Lab
from playground.operations.network import Host
from playground.operations.pictures.diagram import Cable, Card, Diagram, make_diagram

# Of the lab itself, and not for a page to change: its addresses and its engine hang on them.
_STAY = ("name", "engine", "users", "keep")


class Drawing:
    """A lab file that is drawn on; ``name`` is the lab's, ``key`` no other drawing's.

    ``began`` is the key (`ServedLabs.opened`) of the lab that was started from it, "" before.
    Raises `PlaygroundError` for a file that is none.

    """

    action = "Start"

    def __init__(self, path: Path, labs: ServedLabs) -> None:
        self.file = EditedFile(path)
        self._labs = labs
        self.key = f"drawing {secrets.token_hex(8)}"
        self.began = ""
        said = draft.read(self.text(), (path.absolute().parent,))
        self._before = said.declarations
        self._settings = dict(said.settings)
        self.name = str(self._settings.get("name") or path.stem)
        Lab(Host("named"), name=self.name)  # which refuses a name that is none

    @property
    def right(self) -> Right:
        """The right to draw on it, and to work with the lab that is started from it."""
        # No lab has a slash in its name: it is a right to no lab of this name but its own.
        return Right(f"draw/{self.name}", True, self.key)

    @property
    def filename(self) -> str:
        """As the file is called on this machine."""
        return self.file.path.name

    def text(self) -> str:
        """Return what stands in the file; of a new one that it has no nodes."""
        return self.file.text or draft.EMPTY

    def look(self, text: str) -> Looked:
        """Return what starting would make; raises `TopologyError` for what cannot be."""
        said = self._read(text)
        declarations = said.declarations
        lab = self._lab(said)
        diagram = _unplanned(declarations) if lab is None else make_diagram(lab.plan(), lab.nodes)
        rows = [f"+ {node.name}  {node.kind}" for node in declarations.nodes]
        rows += [f"+ {'  '.join(link.nodes)}  link" for link in declarations.links]
        if text != self.file.text:
            rows.append(f"not saved in {self.filename} yet")
        program = draft.python_of(text)
        return Looked(text, tuple(rows), program, diagram, can_apply=lab is not None)

    def save(self, text: str) -> str:
        """Write the file, started or not; return a sentence that says so."""
        self._read(text)
        self.file.write(text)
        return f"{self.filename} is written: {_counted(self._read(text).declarations)}."

    def apply(self, text: str, base: str) -> str:
        """Write the file and start the lab, which then goes on by itself, as after `up`."""
        lab = self._lab(self._read(text))
        if lab is None:
            raise TopologyError("there is nothing to start yet: draw a host or a router")
        if any(line.name == self.name for line in self._labs.lines()):
            raise PlaygroundError(
                f"a lab {self.name} runs already: `playground down {self.name}` takes it down, or "
                "give this file another name"
            )
        self.file.write(text)
        lab.keep = True
        lab.start()
        lab.detach()
        self.began = self._labs.opened(self.name)[1]
        return f"{self.name} runs, as {self.filename} says."

    def runs(self) -> bool:
        """Tell whether the lab that was started from it runs still."""
        return bool(self.began) and any(one.key == self.began for one in self._labs.lines())

    def join(self) -> None:
        """Be the drawing of the lab of its name that runs, if one does and is as the file says.

        Raises `PlaygroundError` where it differs: Apply would write over what stands there.

        """
        if not any(line.name == self.name for line in self._labs.lines()):
            return
        lab, key = self._labs.opened(self.name)
        wanted = self._lab(self._read(self.text()))
        if wanted is None or lab.apply(wanted, dry_run=True).differences:
            raise PlaygroundError(
                f"lab {self.name} runs, and {self.file.path} says otherwise: `playground apply "
                f"{self.file.path}` makes it so, `playground web {self.name}` shows it as it is"
            )
        self.began = key

    def _read(self, text: str) -> LabFile:
        said = draft.read(text, (self.file.path.absolute().parent,))
        draft.refuse_new_reach(self._before, said.declarations)
        for name in _STAY:
            if said.settings.get(name) != self._settings.get(name):
                raise BadArgument(
                    f"{name} is not changed on a page: write it into {self.filename}, and open "
                    "the page anew"
                )
        return said

    def _lab(self, said: LabFile) -> Lab | None:
        """Return the lab that a draft declares; None as long as no machine is drawn."""
        if all(node.kind == "switch" for node in said.declarations.nodes):
            return None
        nodes = declare(said.declarations).nodes
        settings = {**said.settings, "name": self.name}
        return Lab(*nodes.values(), **settings, quiet=True)


def _unplanned(declarations: Declarations) -> Diagram:
    """Return the picture of switches alone, which are no lab yet."""
    cards = tuple(Card(node.name, node.kind, (), node.name) for node in declarations.nodes)
    cables = tuple(
        Cable(*link.nodes, (), (), "up", "", " — ".join(link.nodes)) for link in declarations.links
    )
    return Diagram("nothing to start yet", cards, cables, ())


def _counted(declarations: Declarations) -> str:
    kinds = Counter(node.kind for node in declarations.nodes)
    words = [
        f"{number} {kind}{('es' if kind == 'switch' else 's') if number > 1 else ''}"
        for kind, number in kinds.items()
    ]
    return ", ".join(words) or "no node yet"
