"""Images on their way to the machines of a swarm: by a registry if one is named, else carried."""

from __future__ import annotations

from collections.abc import Sequence

from playground.display.progress import Progress
from playground.engines.docker.server_images import ServerImages
from playground.engines.images import Image, helper_image
from playground.engines.swarm.carried_images import CarriedImages
from playground.engines.swarm.manager import Manager
from playground.engines.swarm.registry import RegistryImages, registry_of_environment
from playground.engines.swarm.servers import MachineService


class MachineImages:
    """Images that all machines of a swarm get, and the names by which services call them.

    ``here`` are those of the manager's engine.

    """

    def __init__(self, manager: Manager, service: MachineService) -> None:
        self.here = ServerImages(manager.server)
        self._manager = manager
        self._service = service
        self._registry = RegistryImages(manager.server, self.here)
        self._carried = CarriedImages(manager.server, self.here, service)

    def name_of(self, tag: str) -> str:
        """Return the name by which machines get an image that is known."""
        return (self._registry if registry_of_environment() else self._carried).name_of(tag)

    def know(self, images: Sequence[Image], progress: Progress) -> None:
        """Learn the names of images, and build what is missing; machines may lack them still."""
        if registry_of_environment():
            self._registry.spread(images, progress)
        else:
            self._carried.know(images, progress)

    def spread(self, images: Sequence[Image], progress: Progress) -> None:
        """Bring images to all machines, and have a server of playground on each."""
        self.know((helper_image(), *images), progress)
        helper = self.name_of(helper_image().tag)
        if not registry_of_environment():
            lacking = self._service.lacking(helper)
            machines = [one for one in self._manager.ready() if one.name in lacking]
            here = self._manager.check() if machines else ""
            others = [one for one in machines if one.id != here]
            self._carried.bring_directly(helper_image().tag, others, progress)
        self._service.ensure(helper, progress)
        self._carry([image.tag for image in images], progress)

    def spread_own(self, tag: str, progress: Progress) -> str:
        """Bring an image of the user's to all machines; return its name there."""
        if registry_of_environment():
            return self._registry.spread_own(tag, progress)
        found = self._carried.id_of(tag)
        self._carry([tag], progress)
        return found

    def _carry(self, tags: Sequence[str], progress: Progress) -> None:
        if not registry_of_environment() and len(self._manager.ready()) > 1:
            self._carried.bring(self.name_of(helper_image().tag), tags, progress)

    def are_there(self, tag: str) -> bool:
        """Whether machines could get an image now, without any being built.

        Raises `EngineError` where a registry was named and does not answer as one.

        """
        if registry_of_environment():
            return self._registry.has(tag)
        return self.here.has(tag)
