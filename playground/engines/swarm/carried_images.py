"""Images on their way to the machines without a registry: saved by one engine, loaded by others.

The manager's engine builds what it lacks.  The image of playground's own servers goes to each
machine's engine by the way that `machine_engines` knows; once servers run, all others go from the
manager to them (`agent.machines.image_carrying`).  Services name images by their ids, and an
engine asks no registry for those.

"""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from playground.display.progress import Progress
from playground.engines.docker.http import Refused
from playground.engines.docker.server import Server
from playground.engines.docker.server_images import ServerImages
from playground.engines.images import Image
from playground.engines.swarm.machine_engines import engine_url, way_to_machines
from playground.engines.swarm.manager import SwarmNode
from playground.engines.swarm.servers import MachineService
from playground.errors import EngineError, ImageError

_CARRY_LIMIT_S = 1800.0
# Each is a `docker save` at the manager.
_AT_ONCE = 4


class CarriedImages:
    """Images of a manager's engine, and their ids, by which all machines know them."""

    def __init__(self, server: Server, images: ServerImages, service: MachineService) -> None:
        self._server = server
        self._images = images
        self._service = service
        self._ids: dict[str, str] = {}

    def know(self, images: Sequence[Image], progress: Progress) -> None:
        """Have the manager's engine have images; those that it lacks are built."""
        missing = [image for image in dict.fromkeys(images) if image.tag not in self._ids]
        if missing:
            self._images.build(missing, progress)
            for image in missing:
                self.id_of(image.tag)

    def name_of(self, tag: str) -> str:
        """Return the id of an image that is known, else its tag."""
        return self._ids.get(tag, tag)

    def id_of(self, tag: str) -> str:
        """Return the id of an image that the manager's engine has."""
        with self._server.errors(f"looking for image {tag}"), self._server.line() as line:
            try:
                self._ids[tag] = str(line.request("GET", f"/images/{tag}/json")["Id"])
            except Refused as refusal:
                if refusal.status != http.client.NOT_FOUND:
                    raise
                raise ImageError(f"the image {tag} is gone again; try once more") from refusal
        return self._ids[tag]

    def bring_directly(self, tag: str, machines: Sequence[SwarmNode], progress: Progress) -> None:
        """Have the engines of machines load an image of the manager's, where a way leads there.

        Without one nothing is done: somebody may have loaded it by hand.

        """
        way = way_to_machines(self._server.url)
        if way is None or not machines:
            return
        names = ", ".join(machine.name for machine in machines)

        def bring(machine: SwarmNode) -> None:
            there = Server(engine_url(way, machine))
            doing = f"bringing playground's own image to the machine {machine.name}"
            try:
                with there.errors(doing):
                    self._load(tag, there)
            except EngineError as error:
                raise EngineError(f"{doing}: {error}") from error
            finally:
                there.close()

        with (
            progress.step(f"carrying playground's own image to {names}"),
            ThreadPoolExecutor(_AT_ONCE) as pool,
        ):
            list(pool.map(bring, machines))

    def _load(self, tag: str, there: Server) -> None:
        there.negotiate()
        if ServerImages(there).has(self._ids[tag]):
            return
        with (
            self._server.client(_CARRY_LIMIT_S) as manager,
            there.client(_CARRY_LIMIT_S) as other,
        ):
            for item in other.load_image(manager.get_image(tag)):
                if error := item.get("error"):
                    raise EngineError(str(error))

    def bring(self, helper: str, tags: Sequence[str], progress: Progress) -> None:
        """Have all machines have images of the manager's, by the servers of playground there.

        ``helper`` is the name of those servers' image.  Raises `ImageError` with the names of
        the machines that could not load them.

        """
        images = {tag: self._ids[tag] for tag in tags}
        said = self._service.carry_images(helper, images)
        lacking = (next(said, None) or {}).get("lacking", {})
        if lacking:
            with progress.step(f"carrying images to {', '.join(sorted(lacking))}"):
                last = next(said, None)
        else:
            last = next(said, None)
        if last is None:
            raise ImageError("the server of playground on the manager ended without an answer")
        errors = last["errors"]
        if errors:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in sorted(errors.items()))
            raise ImageError(
                f"images did not come to {', '.join(sorted(errors))}: {reasons}; is there room on "
                "their disks? `docker node update --availability drain NAME` leaves a machine out"
            )
