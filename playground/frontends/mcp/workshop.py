"""The labs of an assistant, and what of this machine it may touch."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from playground.engines.choice import choose
from playground.engines.seam import Engine
from playground.errors import BadArgument, LabNotFound, TopologyError
from playground.frontends.mcp.isolation import check_settings, refuse_reaching_out
from playground.lab.declarations.declare import Declared, declare
from playground.lab.declarations.gather import gather
from playground.lab.declarations.shapes import FilePlace
from playground.lab.files.reading import FORMAT, FORMAT_KEY, understand
from playground.lab.files.yaml_document import Document, parse_document
from playground.lab.lab import Lab
from playground.model.arguments import shown
from playground.model.containers.reaching_out import MOST_NODES
from playground.model.records import dataclass

MOST_LABS = 8


@dataclass
class SpokenDocument(Document):
    """A lab that was said in the words of a lab file, and stands in none: a part is its place."""

    def at(self, *way: Any) -> FilePlace:
        """Return the place of a part, as in ``nodes.h1.calls[0]``."""
        words = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in way)
        return FilePlace(words.lstrip(".") or "lab")


class Workshop:
    """The labs that an assistant has declared; they end with the block.

    ``folder`` is the only folder of this machine that it may read and write, None for none; with
    ``own_images`` hosts may have images of their own.

    ::

        with Workshop() as workshop:
            lab = workshop.declare("first", {"h1": {}, "h2": {}}, [["h1", "h2"]])
            lab.start()

    """

    def __init__(
        self,
        folder: Path | None = None,
        own_images: bool = False,
        engine: Engine | str | None = None,
    ) -> None:
        self.folder = None if folder is None else folder.resolve()
        self.own_images = own_images
        self._asked_engine = engine
        self._labs: dict[str, Lab] = {}
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def labs(self) -> tuple[Lab, ...]:
        """All labs, in the order in which they were declared."""
        with self._lock:
            return tuple(self._labs.values())

    def lab(self, name: str | None = None) -> Lab:
        """Return the lab of this name; without one, the only lab that there is."""
        with self._lock:
            names = [*self._labs]
            if name is None and len(names) == 1:
                return self._labs[names[0]]
            if isinstance(name, str) and name in self._labs:
                return self._labs[name]
        if not names:
            raise LabNotFound("there is no lab yet: declare one first, or take one of the examples")
        if name is None:
            raise LabNotFound(f"there are {len(names)} labs: say which, lab={' or '.join(names)}")
        near = difflib.get_close_matches(str(name), names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(names)}"
        raise LabNotFound(f"there is no lab {shown(name)}: {hint}")

    # -- declaring --------------------------------------------------------------

    def declare(
        self, name: str | None, nodes: Mapping[str, Any], links: list[Any], **settings: Any
    ) -> Lab:
        """Declare a lab by the words of a lab file, and keep it.

        Raises `TopologyError`, with the place of what cannot be, or may not.

        """
        data = {FORMAT_KEY: FORMAT, **settings, "nodes": nodes, "links": links}
        return self._declared(SpokenDocument(self._virtual(), data), name)

    def read(self, text: str, name: str | None, path: Path | None = None) -> Lab:
        """Declare the lab of a lab file, text of YAML; its paths begin beside ``path``."""
        return self._declared(parse_document(text.encode(), path or self._virtual()), name)

    def take(self, lab: Lab) -> Lab:
        """Keep a lab that was declared otherwise; one of its name that does not run goes."""
        with self._lock:
            if self._closed:
                raise BadArgument("this program ends; no lab is declared any more")
            before = self._labs.get(lab.name)
            if before is not None and not before._state.lock.acquire(blocking=False):
                # It would start, and nobody here would know it any more.
                raise BadArgument(
                    f"lab {lab.name} starts or changes at this moment: wait for that, or give "
                    "this one another name"
                )
            if before is not None:
                before._state.lock.release()
            if before is not None and before.running:
                raise BadArgument(
                    f"lab {lab.name} runs: extend it, or stop it first, or give this one another "
                    "name"
                )
            if before is None and len(self._labs) >= MOST_LABS:
                raise BadArgument(
                    f"there are {MOST_LABS} labs already, and no more at a time: forget one of "
                    f"{', '.join(self._labs)}"
                )
            self._labs[lab.name] = lab
        return lab

    def extend(self, lab: Lab, nodes: Mapping[str, Any], links: list[Any]) -> None:
        """Declare more nodes and links of a lab; links may name nodes that it has already."""
        document = SpokenDocument(
            self._virtual(), {FORMAT_KEY: FORMAT, "nodes": nodes, "links": links}
        )
        said = understand(document, self._within).declarations
        refuse_reaching_out(said, self.own_images)
        known = parts_of(lab)
        for node in said.nodes:
            if node.name in known.nodes:
                raise TopologyError(f"{node.place}: lab {lab.name} has a node {node.name} already")
        if len(known.nodes) + len(said.nodes) > MOST_NODES:
            raise TopologyError(f"a lab of an assistant has at most {MOST_NODES} nodes")
        declare(said, known)

    def forget(self, lab: Lab) -> None:
        """Stop a lab, and keep it no longer."""
        lab.stop()
        with self._lock:
            if self._labs.get(lab.name) is lab:
                del self._labs[lab.name]

    def _declared(self, document: Document, name: str | None) -> Lab:
        said = understand(document, self._within)
        refuse_reaching_out(said.declarations, self.own_images)
        settings = check_settings(said.settings)
        settings["name"] = name or settings.get("name") or "lab"
        nodes = declare(said.declarations).nodes.values()
        return self.take(Lab(*nodes, **settings, engine=self.engine(), quiet=True))

    def engine(self) -> Engine:
        """Return the engine of its labs, on which hosts see nothing of this machine."""
        engine = choose(self._asked_engine)
        from playground.engines.namespaces.engine import NamespacesEngine

        # A usual host of bare namespaces has the machine's own files below its own.
        if type(engine) is NamespacesEngine:
            return NamespacesEngine(plain_root="image")
        return engine

    # -- files ------------------------------------------------------------------

    @property
    def _within(self) -> tuple[Path, ...]:
        return () if self.folder is None else (self.folder,)

    def _virtual(self) -> Path:
        """Return where paths begin that stand in no file."""
        return (self.folder or Path("/nonexistent")) / "lab.yaml"

    def path(self, name: str) -> Path:
        """Return the path of a file in the folder.

        Raises `BadArgument` for one that is not in it, by ".." or by a link either, and where
        there is no folder.

        """
        if self.folder is None:
            raise BadArgument(
                "no file of this machine can be read or written: its user did not name a folder, "
                "as `playground mcp --folder labs` does"
            )
        if not isinstance(name, str) or not name or "\0" in name:
            raise BadArgument(f'{shown(name)} is no name of a file: write for example "lab.yaml"')
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder) or path == self.folder:
            raise BadArgument(
                f"{shown(name)} is not in the folder that this program may use; name a file in it, "
                'such as "lab.yaml"'
            )
        return path

    # -- the end ----------------------------------------------------------------

    def close(self) -> None:
        """Stop all labs; every one is tried, and the last error raised."""
        with self._lock:
            self._closed = True
            labs, self._labs = [*self._labs.values()], {}
        with ExitStack() as stack:
            for lab in labs:
                stack.callback(lab.stop)


def parts_of(lab: Lab) -> Declared:
    """Return the nodes and links of a lab by the names that its file has for them."""
    found = Declared()
    found.nodes = {node.name: node for node in lab.nodes}
    links = sorted(lab.links, key=lambda link: link.serial)
    said = gather(lab.nodes).links
    found.links = {one.id: link for one, link in zip(said, links, strict=True)}
    return found
