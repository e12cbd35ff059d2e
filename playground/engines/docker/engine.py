"""A Docker engine: what `Engine` asks for, put together of parts.

The modules of this folder are the only ones that know Docker: all its errors leave here
as `EngineError`.  `server` is the way to it, `server_images` its images, `containers` what
is made and found there, `nodes` and `helpers` the two kinds of that.

"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from playground.display.progress import Progress
from playground.engines import kernel_limits
from playground.engines.docker import helpers
from playground.engines.docker.containers import LabContainers
from playground.engines.docker.guardian import Guardian
from playground.engines.docker.nodes import refuse_dead, start_nodes
from playground.engines.docker.server import USUAL_SOCKET, Server
from playground.engines.docker.server_images import ServerImages
from playground.engines.images import Image, helper_image, image_for
from playground.engines.seam import (
    Channel,
    Guard,
    LabLabels,
    LabRecord,
    NodeContainer,
    OwnImage,
    WantedImage,
    refuse_settings,
)
from playground.errors import EngineError

if TYPE_CHECKING:
    from playground.planning.plan import Plan


# Of what a container is told (`ContainerSettings`), what is done here as it says.
_ABLE = frozenset(
    {
        *("source", "packages", "env", "user", "workdir", "volumes"),
        *("cap_add", "devices", "shm_mb", "ulimits", "labels"),
    }
)


class DockerEngine:
    """A Docker engine, or another that speaks its API.

    ``url`` is what ``DOCKER_HOST`` may hold (``unix://``, ``tcp://``,
    ``ssh://``); None takes the environment's, else that of the docker
    command's current context, else the usual socket.  Nothing is opened until
    the first request.  One engine may be used from many threads.

    """

    nodes_are_plain = False
    has_common_files = False

    def __init__(self, url: str | None = None) -> None:
        self.server = Server(url)
        self.images = ServerImages(self.server)
        self._containers = LabContainers(self.server)

    def __repr__(self) -> str:
        return f"DockerEngine({self.url!r})" if self.url else "DockerEngine()"

    @property
    def url(self) -> str | None:
        """The address given when the engine was made; None: the environment has it."""
        return self.server.url

    def close(self) -> None:
        """Close all connections.  The engine opens new ones when it is used again."""
        self.server.close()

    def check(self) -> None:
        """Make sure that the engine answers and is not too old.

        Raises `EngineError` with a sentence that says what to do: not running,
        no permission, too old, of Windows.

        """
        with self.server.errors("asking the engine for its version"):
            self.server.negotiate()

    def answers(self) -> bool:
        """Whether an engine answers; this costs a millisecond and imports nothing."""
        return self.server.answers()

    def was_asked_for(self) -> bool:
        """Whether somebody has said which engine to use: here, by environment or context."""
        return self.server.was_asked_for()

    def describe(self) -> dict[str, Any]:
        """Return what the engine says of itself: ``url``, its ``version`` and ``info``.

        The last two are its own words, as in `docker version` and `docker info`.

        """
        return self.server.describe()

    @property
    def has_our_files(self) -> bool:
        """Whether it is on this machine, as far as its address says."""
        return self.server.has_our_files

    def refuse(self, plan: Plan) -> None:
        """Raise `EngineError` for what the engine cannot make of a plan.

        An engine on this machine shares its kernel; of another's nothing is known here.

        """
        refuse_settings(plan, "Docker", _ABLE)
        if self.server.socket_path() == USUAL_SOCKET:
            kernel_limits.check(plan)

    def image_for(self, services: frozenset[str], packages: tuple[str, ...] = ()) -> Image:
        """Return the image of a host with these services."""
        return image_for(services, packages)

    def ensure_images(self, images: Sequence[Image], progress: Progress | None = None) -> None:
        """Build the images that are missing, and the helper's; see `build_images`."""
        self.images.build((helper_image(), *images), progress)

    def own_image(self, here: str, wanted: WantedImage, progress: Progress) -> OwnImage:
        """Return an image of the user's as containers are made of it; get it if need be.

        It is looked for at the engine first, then at its registry, with the credentials of
        `docker login`.  ``here`` is the node that wants it, for what is raised: `ImageError`.

        """
        from playground.engines.docker.own_images import OwnImages

        return OwnImages(self.server, self.images).ready(here, wanted, progress)

    def build_images(self, images: Sequence[Image], progress: Progress | None = None) -> None:
        """Build the images that are missing, lowest layers first.

        What the lowest stand on is `images.PUBLIC_BASE` if that is there or can
        be pulled, else a Debian made by mmdebstrap.  Raises `ImageError` with
        the build's log; images built before that one stay.

        """
        self.images.build(images, progress)

    def has_image(self, tag: str) -> bool:
        """Whether the engine has an image of this tag."""
        return self.images.has(tag)

    def image_tags(self) -> list[str]:
        """Return the tags of the engine's images of ours.  It takes the engine a while."""
        return self.images.tags()

    def guard(self, lab: LabLabels, users: Sequence[Mapping[str, Any]] = ()) -> Guard:
        """Start a process that removes the lab's containers if this one is killed.

        What earlier programs have left, whose guardians were killed with them, is
        removed first: see `sweep`.

        """
        guardian = self._containers.guardians[lab.id] = Guardian.start(lab.id, self.url)
        try:
            self.sweep()
        except EngineError:
            pass  # this lab has no part in it
        except BaseException:
            guardian.release()
            raise
        return guardian

    def sweep(self) -> None:
        """Remove what was made for programs of this machine that have ended.

        Labs that are kept stay, and so does all whose owner bears no mark (of an
        older version), or cannot be asked from here: `owners.is_gone`.

        """
        self._containers.sweep()

    def start_helper(self, lab: LabLabels, image: Image | None = None) -> Channel:
        """Start the container that the lab's agents run in; return the line to the first.

        It sees the processes of the engine's machine, has a network namespace
        of its own without any network, and the few capabilities that plumbing
        takes.  Closing the line ends the agent, and the container with it; but
        that of a lab with ``keep`` stays.  Nothing is left after a failure.

        """
        return helpers.start_helper(self._containers, lab, image)

    def connect(self, lab_id: str) -> Channel:
        """Start an agent in the lab's helper container; return the line to it.

        Each call starts one more.  Closing the line ends that agent.

        """
        return helpers.connect(self.server, lab_id)

    def start_nodes(
        self,
        lab: LabLabels,
        nodes: Sequence[NodeContainer],
        progress: Progress | None = None,
    ) -> dict[str, int]:
        """Start a container for each node; return their process ids by name.

        Ids are those of each container's first process, as the engine's machine
        counts.  Raises `NodeDied` if a container ends at once, `EngineError` if
        the engine refuses; then, and after an interrupt, none of these
        containers is left.

        """
        return start_nodes(self._containers, lab, nodes, progress)

    def refuse_dead(self, lab: LabLabels, nodes: Sequence[NodeContainer]) -> None:
        """Raise `NodeDied`, with what it printed, if one of these nodes has ended.

        `start_nodes` asks this itself when all have started; a first program
        that lives a moment longer is found by asking again when a node fails.

        """
        refuse_dead(self._containers, lab, nodes)

    def try_in_helper(self, image: Image, code: str, timeout_s: float = 20.0) -> str:
        """Run Python source in a helper container of its own; return what it prints.

        It has the capabilities and the place of an agent, and an empty network
        namespace: `frontends.doctor` tries there what the engine's kernel can.
        Raises `EngineError` if it cannot run or fails; nothing is left of it.

        """
        return helpers.try_in_helper(self._containers, image, code, timeout_s)

    def open_machine_access(self, command: Sequence[str], machine_network: bool) -> Channel:
        """Run a command with a helper's powers, in a container that goes with its end.

        Returns the line to it.  With ``machine_network`` it is in the network of the
        engine's machine, else in one of its own.

        """
        self.ensure_images([])
        return helpers.open_machine_access(self._containers, command, machine_network)

    def pids(self, lab_id: str) -> dict[str, int]:
        """Return the process ids of the nodes of a lab that run, by their names."""
        return self._containers.pids(lab_id)

    def container(self, name: str) -> tuple[str, int] | None:
        """Return a container's id and process id, whoever made it; None: there is none.

        ``name`` is a name or an id, or the beginning of one.  Raises `EngineError`
        for one that does not run.

        """
        return self._containers.find(name)

    def stop(self, lab_id: str, nodes: Sequence[str] | None = None) -> None:
        """Remove the containers of a lab, or only those of some of its nodes.

        When it returns they are gone.  What is gone already is passed over, so
        it may be called again and for a lab that never was; all are tried
        before `EngineError` is raised for one that stays.

        """
        self._containers.stop(lab_id, nodes)

    def containers(self, lab_id: str) -> set[str]:
        """Return the names of all containers of a lab, whether they run or not."""
        return self._containers.names(lab_id)

    def labs(self) -> list[LabRecord]:
        """Return the labs that the engine has containers of, oldest first."""
        return self._containers.labs()
