"""A Docker engine: images, containers, and the line into the helper.

This and the modules called docker_... are the only ones that know Docker: all its
errors leave here as `EngineError`.  docker-py brings the transports (unix
socket, tcp, TLS, ssh) and the rarer requests; the few that a lab's start
consists of go over plain HTTP connections of their own, one for each thread.

Everything made carries labels with the lab's id, and is found by them alone.

"""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import secrets
import shutil
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

from playground.display.progress import Progress, Silent
from playground.engines import kernel_limits, owners
from playground.engines.debian_base import bootstrap, mmdebstrap_command
from playground.engines.docker.errors import build_failed, is_foreign, sentence
from playground.engines.docker.guardian import Guardian
from playground.engines.docker.http import (
    FIRST_TIMEOUT_S,
    TIMEOUT_S,
    AgentChannel,
    Line,
    Patience,
    Refused,
    api_number,
    dial,
    unix_stream,
)
from playground.engines.images import LOCAL_BASE, PUBLIC_BASE, Image, helper_image, image_for
from playground.engines.seam import (
    KEEP,
    LAB,
    MARK,
    NAME,
    NODE,
    OWNER,
    Channel,
    Guard,
    LabLabels,
    LabRecord,
    NodeContainer,
)
from playground.errors import EngineError, ImageError, NodeDied, PlaygroundError
from playground.model.limits import DEFAULT_PROCESSES, Limits

if TYPE_CHECKING:
    from playground.planning.plan import Plan

# API 1.41 came with Docker 20.10, the first with the cgroup namespace mode.
MINIMUM_API = "1.41"

# Six at a time is where the engine itself stops getting faster (2 cores: it is
# bound by runc); an ssh server allows ten sessions a connection (MaxSessions in
# sshd_config(5)), and each of our connections is one.
_WORKERS = 6
_WORKERS_SSH = 4

_STOP_TIMEOUT_S = 30.0
# An engine that is well answers this in a millisecond.
_PROBE_S = 5.0
# apt may be silent for as long as a mirror is slow.
_BUILD_TIMEOUT_S = 1800.0
# A registry that has said nothing for this long is not reached from here.
_SILENCE_S = 15.0

# -I: nothing of the helper's environment or directories gets in the way.
AGENT_COMMAND = (
    "python3",
    "-I",
    "-c",
    "import sys; sys.path.insert(0, '/usr/local/lib/playground'); "
    "from playground.agent import operations; operations.main()",
)

# What the agent needs beyond Docker's default capabilities: namespaces, netlink
# and nft, other processes' /proc, signals to all.  Not --privileged, which
# fails on machines that lack any capability at all.
_HELPER_CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "SYS_CHROOT", "NET_RAW", "KILL")

# Docker's default list with /proc/sys replaced by what may stand in it except
# /proc/sys/net: the network's sysctls belong to the node's own namespace, and
# students may write them.  A path that a kernel lacks is passed over by runc.
# See daemon/pkg/oci/defaults.go of moby, and sysctl directories in the kernel's
# Documentation/admin-guide/sysctl/index.rst.
_READ_ONLY = (
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sysrq-trigger",
    # Not in moby's list; for these the kernel asks for root's number only.
    *("/proc/dynamic_debug", "/proc/mtrr", "/proc/pressure"),
    *(
        f"/proc/sys/{name}"
        for name in ("abi", "crypto", "debug", "dev", "fs", "fscache", "kernel", "sunrpc")
    ),
    *(f"/proc/sys/{name}" for name in ("user", "vm", "xen")),
    # Of all that is in net, this one is no network's own.
    "/proc/sys/net/netfilter/nf_hooks_lwtunnel",
)

# What a lab's id is made of, and a container's name may begin with.
_LAB_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")

T = TypeVar("T")


class DockerEngine:
    """A Docker engine, or another that speaks its API.

    ``url`` is what ``DOCKER_HOST`` may hold (``unix://``, ``tcp://``,
    ``ssh://``); None takes the environment's, else that of the docker
    command's current context, else the usual socket.  Nothing is opened until
    the first request.  One engine may be used from many threads.

    """

    def __init__(self, url: str | None = None) -> None:
        self._given_url = url
        self._lock = threading.Lock()
        self._api: Any = None
        self._version = ""
        self._patience = Patience()
        self._guardians: WeakValueDictionary[str, Guardian] = WeakValueDictionary()

    def __repr__(self) -> str:
        return f"DockerEngine({self._given_url!r})" if self._given_url else "DockerEngine()"

    @property
    def url(self) -> str | None:
        """What was given when the engine was made; None: what the environment says."""
        return self._given_url

    def close(self) -> None:
        """Close all connections.  The engine opens new ones when it is used again."""
        with self._lock:
            api, self._api = self._api, None
        if api is not None:
            api.close()

    # -- what engine ---------------------------------------------------------

    def check(self) -> None:
        """Make sure that the engine answers and is not too old.

        Raises `EngineError` with a sentence that says what to do: not running,
        no permission, too old, of Windows.

        """
        with self._errors("asking the engine for its version"):
            self._negotiate()

    def answers(self) -> bool:
        """Whether an engine answers; this costs a millisecond and imports nothing."""
        if not self._socket_path():
            return False
        try:
            with Line(self._dial, "", self._patience) as line:
                line.request("GET", "/version", limit_s=_PROBE_S)
        except (OSError, http.client.HTTPException, Refused, ValueError):
            return False
        return True

    def was_asked_for(self) -> bool:
        """Whether somebody has said which engine to use: here, by environment or context."""
        return bool(self._given_url or os.environ.get("DOCKER_HOST")) or _has_context()

    def describe(self) -> dict[str, Any]:
        """Return what the engine says of itself: ``url``, its ``version`` and ``info``.

        The last two are its own words, as in `docker version` and `docker info`.

        """
        with self._errors("asking the engine about itself"), self._line() as line:
            return {
                "url": self._where(),
                "version": line.request("GET", "/version", limit_s=FIRST_TIMEOUT_S),
                "info": line.request("GET", "/info", limit_s=FIRST_TIMEOUT_S),
            }

    def refuse(self, plan: Plan) -> None:
        """Raise `EngineError` for what the engine cannot make of a plan.

        An engine on this machine shares its kernel; of another's nothing is known here.

        """
        if self._socket_path() == _USUAL_SOCKET:
            kernel_limits.check(plan)

    # -- images --------------------------------------------------------------

    def image_for(self, services: frozenset[str]) -> Image:
        """Return the image of a host with these services."""
        return image_for(services)

    def ensure_images(self, images: Sequence[Image], progress: Progress | None = None) -> None:
        """Build the images that are missing, and the helper's; see `build_images`."""
        self.build_images((helper_image(), *images), progress)

    def build_images(self, images: Sequence[Image], progress: Progress | None = None) -> None:
        """Build the images that are missing, lowest layers first.

        What the lowest stand on is `images.PUBLIC_BASE` if that is there or can
        be pulled, else a Debian made by mmdebstrap.  Raises `ImageError` with
        the build's log; images built before that one stay.

        """
        # One by one: the engine adds up sizes when it lists, 40 ms for 50 images.
        # A complete image needs no layers below it.
        tops = dict.fromkeys(images)
        absent = [image for image in tops if not self.has_image(image.tag)]
        needed = dict.fromkeys(image for top in absent for image in top.chain)
        missing = [image for image in needed if not self.has_image(image.tag)]
        if not missing:
            return
        show: Progress = progress or Silent()
        base = self._base(show) if any(image.base is None for image in missing) else ""
        for image in missing:
            self._build(image, image.base.tag if image.base else base, show)

    def has_image(self, tag: str) -> bool:
        """Whether the engine has an image of this tag."""
        with self._errors(f"looking for image {tag}"), self._line() as line:
            try:
                line.request("GET", f"/images/{tag}/json")
            except Refused as refusal:
                if refusal.status != http.client.NOT_FOUND:
                    raise
                return False
        return True

    def image_tags(self) -> list[str]:
        """Return the tags of the engine's images of ours.  It takes the engine a while."""
        with self._errors("looking at the images"), self._line() as line:
            query = {"filters": json.dumps({"reference": ["playground/*"]})}
            found = line.request("GET", "/images/json", query)
        return [tag for image in found for tag in image.get("RepoTags") or ()]

    def _build(self, image: Image, base: str, progress: Progress) -> None:
        log: list[str] = []
        error = ""
        context = io.BytesIO(image.context())
        with (
            progress.step(f"building image {image.layer}") as step,
            self._errors(f"building image {image.layer}"),
            self._docker(_BUILD_TIMEOUT_S) as api,
        ):
            stream = api.build(
                fileobj=context,
                custom_context=True,
                tag=image.tag,
                buildargs={"BASE": base, **_proxies()},
                labels={"playground.image": image.layer},
                rm=True,
                forcerm=True,
                decode=True,
            )
            # Read to the end, after an error too: else the connection stays open.
            for item in stream:
                log.append(item.get("stream") or item.get("status") or "")
                if line := log[-1].strip():
                    step.note(line)
                error = item.get("error", error)
        if error:
            raise build_failed(image, error, "".join(log))

    def _base(self, progress: Progress) -> str:
        """Return the tag of a Debian to build on; get or make it if need be."""
        for tag in (PUBLIC_BASE, LOCAL_BASE):
            if self.has_image(tag):
                return tag
        if self._pull(PUBLIC_BASE, progress):
            return PUBLIC_BASE
        self._make_base(progress)
        return LOCAL_BASE

    def _pull(self, tag: str, progress: Progress) -> bool:
        """Try to pull an image; return False if no registry gives it.

        The limit is on silence: a slow download goes on for as long as
        something comes, and a machine without a way out does not hang.

        """
        import docker.errors
        import requests

        name, _, version = tag.partition(":")
        with progress.step(f"pulling {tag}") as step, self._errors(f"pulling {tag}"):
            try:
                with self._docker(_SILENCE_S) as api:
                    for item in api.pull(name, version, stream=True, decode=True):
                        step.note(item.get("status", ""))
            except (docker.errors.APIError, requests.RequestException):
                return False
        return self.has_image(tag)

    def _make_base(self, progress: Progress) -> None:
        """Make a Debian with mmdebstrap and load it; a Debian mirror is enough.

        As root mmdebstrap makes it directly, for other users in a user
        namespace of its own (mmdebstrap(1), --mode=auto).

        """
        if shutil.which("mmdebstrap") is None:
            raise ImageError(
                f"the engine has no {PUBLIC_BASE} and no registry gives it: install mmdebstrap "
                "(apt-get install mmdebstrap), with which a base is made from a Debian mirror, "
                "or run scripts/demo, which does all that"
            )
        import docker.errors

        repository, _, tag = LOCAL_BASE.partition(":")
        with (
            self._errors("loading the Debian base"),
            self._docker(_BUILD_TIMEOUT_S) as api,
            progress.step("making a Debian base with mmdebstrap") as step,
        ):
            command = mmdebstrap_command(api.version().get("Arch", ""))
            # Half a Debian must never get the tag: it comes when all went well.
            unfinished = f"{repository}:unfinished"
            try:
                with bootstrap(command, step.note) as archive:
                    # The tag in the name: Podman overlooks it elsewhere.
                    answer = api.import_image(archive, repository=unfinished, stream_src=True)
                if "errorDetail" in answer:
                    raise ImageError("the engine could not load the Debian base", answer)
                api.tag(unfinished, repository, tag)
            finally:
                with suppress(docker.errors.NotFound):
                    api.remove_image(unfinished)

    # -- containers ----------------------------------------------------------

    def guard(self, lab: LabLabels) -> Guard:
        """Start a process that removes the lab's containers if this one is killed.

        What earlier programs have left, whose guardians were killed with them, is
        removed first: see `sweep`.

        """
        guardian = self._guardians[lab.id] = Guardian.start(lab.id, self.url)
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
        with self._errors("looking for what ended programs have left"):
            query = {"filters": json.dumps({"label": [MARK]}), "all": 1}
            with self._line() as line:
                listed = line.request("GET", "/containers/json", query)
            stale = [item["Id"] for item in listed if _is_stale(item)]
            self._remove(stale)

    def start_helper(self, lab: LabLabels, image: Image | None = None) -> Channel:
        """Start the container that the lab's agents run in; return the line to the first.

        It sees the processes of the engine's machine, has a network namespace
        of its own without any network, and the few capabilities that plumbing
        takes.  Closing the line ends the agent, and the container with it; but
        that of a lab with ``keep`` stays.  Nothing is left after a failure.

        """
        config = _helper_config(lab, (image or helper_image()).tag)
        name = _container_name(lab.id)
        with self._errors("starting the helper container"), self._line() as line:
            container = self._create(line, lab, name, config)
            try:
                if lab.keep:
                    _start(line, container)
                    return self.connect(lab.id)
                # The agent is the container's own program, which saves the
                # engine an exec; attached before it starts, so that nothing of
                # what it says is lost.
                query = "stream=1&stdin=1&stdout=1&stderr=1"
                channel = self._open_channel(
                    lambda own: own.upgrade(f"/containers/{container}/attach?{query}", None)
                )
                try:
                    _start(line, container)
                except BaseException:
                    channel.close()
                    raise
                return channel
            except BaseException:
                self._remove([container])
                raise

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
        show: Progress = progress or Silent()
        made: list[str] = []
        pids: dict[str, int] = {}

        def start(line: Line, node: NodeContainer) -> None:
            name = _container_name(lab.id, node.name)
            # Noted first: a create whose answer is lost may have made it.
            made.append(name)
            try:
                self._create(line, lab, name, _node_config(lab, node))
            except Refused as refusal:
                if refusal.status == http.client.CONFLICT:
                    made.remove(name)  # it is somebody else's
                raise
            pids[node.name] = _start(line, name)
            step.advance()

        with (
            show.step("starting the machines", total=len(nodes)) as step,
            self._errors("starting the machines"),
        ):
            try:
                self._each(nodes, start)
                self.refuse_dead(lab, nodes)
            except BaseException:
                self._remove(made)
                raise
        return {node.name: pids[node.name] for node in nodes}

    def refuse_dead(self, lab: LabLabels, nodes: Sequence[NodeContainer]) -> None:
        """Raise `NodeDied`, with what it printed, if one of these nodes has ended.

        `start_nodes` asks this itself when all have started; a first program
        that lives a moment longer is found by asking again when a node fails.

        """
        with self._errors("looking whether the machines run"):
            running = {item["Labels"].get(NODE) for item in self._list(lab.id)}
            for node in nodes:
                if node.name not in running:
                    raise self._death(lab, node)

    def _death(self, lab: LabLabels, node: NodeContainer) -> NodeDied:
        """Say why a node ended, with what it printed.

        The container and its log are gone by then (auto-remove), so it is
        started once more without that, to die again and be read.

        """
        log, status = "", None
        try:
            status, log = self._run_once(f"{node.name}._again", _node_config(lab, node), lab, 5.0)
        except Refused as refusal:
            log = refusal.message
        what = f" with status {status}" if status is not None else ""
        return NodeDied(
            f"{node.name} ended as soon as it was started{what}: the first program of its image, "
            f"{node.image}, must go on running",
            log,
        )

    def try_in_helper(self, image: Image, code: str, timeout_s: float = 20.0) -> str:
        """Run Python source in a helper container of its own; return what it prints.

        It has the capabilities and the place of an agent, and an empty network
        namespace: `frontends.doctor` tries there what the engine's kernel can.
        Raises `EngineError` if it cannot run or fails; nothing is left of it.

        """
        lab = LabLabels(
            f"doctor-{secrets.token_hex(4)}",
            "doctor",
            owners.own_name(),
            mark=owners.own_mark(),
        )
        config = _helper_config(lab, image.tag)
        config["Entrypoint"] = ["python3", "-I", "-c", code]
        with self._errors("trying what the engine's kernel can"):
            status, log = self._run_once("_trial", config, lab, timeout_s)
        if status != 0:
            raise EngineError(f"a trial in the helper container failed (status {status}): {log}")
        return log

    def _run_once(
        self, node: str, config: dict[str, Any], lab: LabLabels, timeout_s: float
    ) -> tuple[int | None, str]:
        """Run a container to its end; return its status and what it printed.

        The status is None if it had not ended at the limit.

        """
        config["HostConfig"] |= {"AutoRemove": False, "LogConfig": {"Type": "json-file"}}
        name = _container_name(lab.id, node)
        with self._line() as line:
            try:
                _create(line, name, config)
                line.request("POST", f"/containers/{name}/start")
                status = _wait_exit(line, name, timeout_s)
                with self._docker(TIMEOUT_S) as api:
                    return status, api.logs(name, tail=200).decode(errors="replace")
            finally:
                self._remove([name])

    def pids(self, lab_id: str) -> dict[str, int]:
        """Return the process ids of the nodes of a lab that run, by their names."""
        found: dict[str, int] = {}

        def inspect(line: Line, item: Mapping[str, Any]) -> None:
            if pid := _pid(line, item["Id"]):
                found[item["Labels"][NODE]] = pid

        with self._errors(f"looking for the machines of lab {lab_id}"):
            nodes = [item for item in self._list(lab_id) if NODE in item["Labels"]]
            self._each(nodes, inspect)
        return {
            item["Labels"][NODE]: found[item["Labels"][NODE]]
            for item in nodes
            if item["Labels"][NODE] in found
        }

    def container(self, name: str) -> tuple[str, int] | None:
        """Return a container's id and process id, whoever made it; None: there is none.

        ``name`` is a name or an id, or the beginning of one.  Raises `EngineError`
        for one that does not run.

        """
        path = f"/containers/{urllib.parse.quote(name, safe='')}/json"
        with self._errors(f"looking for the container {name}"), self._line() as line:
            try:
                found = line.request("GET", path)
            except Refused as refusal:
                if refusal.status == http.client.NOT_FOUND:
                    return None
                raise
        if not found["State"]["Running"]:
            raise EngineError(
                f"the container {name} does not run, and has no network until it does: start it "
                f"with `docker start {name}`"
            )
        return str(found["Id"]), int(found["State"]["Pid"])

    def open_plumber(self, command: Sequence[str], machine_network: bool) -> Channel:
        """Run a command with a helper's powers, in a container that goes with its end.

        Returns the line to it.  With ``machine_network`` it is in the network of the
        engine's machine, else in one of its own.

        """
        self.ensure_images([])
        config = _plumber_config(helper_image().tag, command, machine_network)
        name = f"playground-plumber-{secrets.token_hex(4)}"
        with self._errors("starting a helper container"), self._line() as line:
            container = _create(line, name, config)
            try:
                query = "stream=1&stdin=1&stdout=1&stderr=1"
                channel = self._open_channel(
                    lambda own: own.upgrade(f"/containers/{container}/attach?{query}", None)
                )
                try:
                    line.request("POST", f"/containers/{container}/start")
                except BaseException:
                    channel.close()
                    raise
                return channel
            except BaseException:
                self._remove([container])
                raise

    def stop(self, lab_id: str, nodes: Sequence[str] | None = None) -> None:
        """Remove the containers of a lab, or only those of some of its nodes.

        When it returns they are gone.  What is gone already is passed over, so
        it may be called again and for a lab that never was; all are tried
        before `EngineError` is raised for one that stays.

        """
        with self._errors(f"removing the containers of lab {lab_id}"):
            self._remove_all(
                lambda: [
                    item["Id"]
                    for item in self._list(lab_id, everything=True)
                    if nodes is None or item["Labels"].get(NODE) in nodes
                ]
            )

    def containers(self, lab_id: str) -> set[str]:
        """Return the names of all containers of a lab, whether they run or not."""
        with self._errors(f"looking for the containers of lab {lab_id}"):
            listed = self._list(lab_id, everything=True)
        return {name.removeprefix("/") for item in listed for name in item["Names"]}

    def labs(self) -> list[LabRecord]:
        """Return the labs that the engine has containers of, oldest first."""
        with self._errors("looking for labs"):
            items = self._list(everything=True)
        by_lab: dict[str, list[dict[str, Any]]] = {}
        for item in items:
            # An image may carry any label, and its containers inherit it.
            if _LAB_ID.fullmatch(item["Labels"][LAB]):
                by_lab.setdefault(item["Labels"][LAB], []).append(item)
        return sorted(map(_record, by_lab.values()), key=lambda record: record.created)

    def connect(self, lab_id: str) -> Channel:
        """Start an agent in the lab's helper container; return the line to it.

        Each call starts one more.  Closing the line ends that agent.

        """
        config = {
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
            "Cmd": list(AGENT_COMMAND),
        }
        name = _container_name(lab_id)

        def upgrade(line: Line) -> tuple[Any, bytes]:
            exec_id = line.request("POST", f"/containers/{name}/exec", body=config)["Id"]
            return line.upgrade(f"/exec/{exec_id}/start", {"Detach": False, "Tty": False})

        with self._errors("starting the agent"):
            return self._open_channel(upgrade)

    def _open_channel(self, upgrade: Callable[[Line], tuple[Any, bytes]]) -> Channel:
        """Return the line that `upgrade` makes of a fresh connection."""
        # Over ssh each agent has a connection of its own: ten sessions are
        # all that one may have.
        own = self._new_client(TIMEOUT_S) if self._over_ssh() else None
        try:
            line = Line(
                partial(dial, own) if own else self._dial, self._negotiated(), self._patience
            )
            try:
                stream, rest = upgrade(line)
            except BaseException:
                line.close()
                raise
        except BaseException:
            if own is not None:
                own.close()
            raise
        return AgentChannel(stream, rest, own)

    # -- within --------------------------------------------------------------

    def _create(self, line: Line, lab: LabLabels, name: str, config: Mapping[str, Any]) -> str:
        """Create a container of a lab, known to its guardian before it is there."""
        guardian = self._guardians.get(lab.id)
        with guardian.expect(name) if guardian is not None else nullcontext():
            return _create(line, name, config)

    def _list(self, lab_id: str | None = None, everything: bool = False) -> list[dict[str, Any]]:
        """Containers of one lab, or of all; those that run, or everything there is."""
        label = LAB if lab_id is None else f"{LAB}={lab_id}"
        query = {"filters": json.dumps({"label": [label]}), "all": int(everything)}
        with self._line() as line:
            listed: list[dict[str, Any]] = line.request("GET", "/containers/json", query)
        return listed

    def _remove(self, containers: Sequence[str]) -> None:
        """Remove containers by name or id, all of them, and wait until they are gone."""
        left = list(containers)

        def still_there() -> list[str]:
            nonlocal left
            with self._line() as line:
                left = [item for item in left if _exists(line, item)]
            return left

        if left:
            with self._errors("removing containers"):
                self._delete(left)
                self._remove_all(still_there)

    def _remove_all(self, find: Callable[[], list[str]]) -> None:
        """Remove what `find` returns until it returns nothing."""
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while containers := find():
            refusals = self._delete(containers)
            if time.monotonic() > deadline:
                words = "; ".join(refusals) or "the engine gives no reason"
                raise EngineError(
                    f"{len(containers)} containers are still there after {_STOP_TIMEOUT_S:g} s "
                    f"({words}); look at `docker ps -a`, and at the engine's own log"
                )
            if refusals:
                time.sleep(0.01)

    def _delete(self, containers: Sequence[str]) -> list[str]:
        """Ask for the removal of each container; return what was said against it."""
        refusals: list[str] = []

        def delete(line: Line, container: str) -> None:
            try:
                line.request("DELETE", f"/containers/{container}", {"force": 1, "v": 1})
            except Refused as refusal:
                # 404: gone.  409: removal is in progress, by auto-remove or by
                # somebody else.  500: it ended between being found and killed.
                if refusal.status != http.client.NOT_FOUND:
                    refusals.append(refusal.message)

        self._each(containers, delete)
        return refusals

    def _each(self, items: Sequence[T], work: Callable[[Line, T], None]) -> None:
        """Do `work` for every item, some at a time, each thread on its own line.

        After the first error, and after an interrupt, what is under way is
        finished, nothing more is begun, and the error is raised.

        """
        todo = iter(items)
        lock = threading.Lock()
        errors: list[BaseException] = []

        def worker() -> None:
            try:
                with self._line() as line:
                    while not errors:
                        with lock:
                            try:
                                item = next(todo)
                            except StopIteration:
                                return
                        work(line, item)
            except BaseException as error:
                errors.append(error)

        count = min(len(items), _WORKERS_SSH if self._over_ssh() else _WORKERS)
        threads = [threading.Thread(target=worker, name="playground-engine") for _ in range(count)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except BaseException as interrupt:
            errors.insert(0, interrupt)
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        if errors:
            raise errors[0]

    def _line(self) -> Line:
        return Line(self._dial, self._negotiated(), self._patience)

    def _negotiated(self) -> str:
        return self._version or self._negotiate()

    def _negotiate(self) -> str:
        """Choose the version of the API to speak; return it.

        The oldest that both know: engines keep what a version means, and one
        dialect works with all of them.

        """
        with Line(self._dial, "", self._patience) as line:
            version = line.request("GET", "/version", limit_s=FIRST_TIMEOUT_S)
        newest, oldest = (version.get(key, "0") for key in ("ApiVersion", "MinAPIVersion"))
        if api_number(newest) < api_number(MINIMUM_API):
            raise EngineError(
                f"the container engine is too old: it is {version.get('Version', '?')} with API "
                f"{newest}, and playground needs Docker 20.10 (API {MINIMUM_API}) or newer; "
                "update it"
            )
        if version.get("Os", "linux") != "linux":
            raise EngineError(
                "the container engine runs Windows containers; switch it to Linux containers "
                "(in the menu of Docker Desktop) and try again"
            )
        self._version = max(oldest, MINIMUM_API, key=api_number)
        return self._version

    def _client(self) -> Any:
        """The docker-py client that our lines are dialled through; made at the first use."""
        with self._lock:
            if self._api is None:
                self._api = self._new_client(TIMEOUT_S)
            return self._api

    @contextmanager
    def _docker(self, timeout_s: float) -> Iterator[Any]:
        """A docker-py client for its own requests, of the version negotiated."""
        from playground.operations.nodes.sockets import on_this_machine

        with on_this_machine():
            api = self._new_client(timeout_s, self._negotiated())
            try:
                yield api
            finally:
                api.close()

    def _new_client(self, timeout_s: float, version: str = MINIMUM_API) -> Any:
        import docker

        # A version that is given costs no request.
        return docker.APIClient(**self._place(), version=version, timeout=timeout_s)

    def _place(self) -> dict[str, Any]:
        """Where the engine is, as docker-py's arguments."""
        from docker.utils import kwargs_from_env

        place: dict[str, Any] = kwargs_from_env()
        if self._given_url:
            return place | {"base_url": self._given_url}
        if "base_url" not in place and (context := _docker_context()):
            return context
        return place

    def _dial(self) -> Any:
        """Open a connection; to a unix socket without docker-py, whose import takes 0.35 s."""
        if path := self._socket_path():
            return unix_stream(path)
        from playground.operations.nodes.sockets import on_this_machine

        with on_this_machine():
            return dial(self._client())

    def _socket_path(self) -> str | None:
        """The unix socket, where that is all there is to know; else None."""
        url = self._given_url or os.environ.get("DOCKER_HOST")
        if not url:
            return None if _has_context() else _USUAL_SOCKET
        return "/" + url.removeprefix("unix://").lstrip("/") if url.startswith("unix://") else None

    def _where(self) -> str:
        if path := self._socket_path():
            return f"unix://{path}"
        return str(self._place().get("base_url") or f"unix://{_USUAL_SOCKET}")

    def _over_ssh(self) -> bool:
        return self._where().startswith("ssh://")

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        """Turn every other library's error into an `EngineError` with a sentence."""
        try:
            yield
        except PlaygroundError:
            raise
        except Exception as error:
            if not is_foreign(error):
                raise
            raise EngineError(sentence(error, doing, self._where_or_so())) from error

    def _where_or_so(self) -> str:
        """Where the engine is, also where its settings are the very mistake."""
        try:
            return self._where()
        except Exception as error:
            if not is_foreign(error):
                raise
            return self._given_url or os.environ.get("DOCKER_HOST", "its usual place")


# -- requests -----------------------------------------------------------------

# A lab's nodes print nothing: their daemons log into files.  "none" also keeps
# a machine's own choice, a remote log server perhaps, out of a lab's start.
_HOST_CONFIG = {
    "NetworkMode": "none",
    "AutoRemove": True,
    "LogConfig": {"Type": "none"},
}


def _node_config(lab: LabLabels, node: NodeContainer) -> dict[str, Any]:
    return {
        "Image": node.image,
        "Hostname": node.hostname,
        "Labels": lab.as_labels("node", node.name),
        "HostConfig": {
            **_HOST_CONFIG,
            "CapAdd": list(node.cap_add),
            **_limits_config(node.limits),
            "ReadonlyPaths": list(_READ_ONLY),
            # For what a lab makes for its nodes: see playground.lab.provision.
            "Tmpfs": {"/run/playground": f"mode=755,size={_share_kb(node.limits, 16 << 10)}k"},
            "ShmSize": _share_kb(node.limits, 64 << 10) << 10,
        },
    }


def _share_kb(limits: Limits, size_kb: int) -> int:
    """Return how large a file system in memory is in a host with such limits.

    An eighth of all its memory at most: what is full there must not be the end of all
    that starts in the host.

    """
    return size_kb if limits.memory_mb is None else min(size_kb, limits.memory_mb << 7)


def _limits_config(limits: Limits) -> dict[str, int]:
    """Return limits as the engine's host config has them.

    >>> _limits_config(Limits(memory_mb=64, cpus=0.5))
    {'PidsLimit': 4096, 'Memory': 67108864, 'MemorySwap': 67108864, 'NanoCpus': 500000000}

    """
    config = {"PidsLimit": limits.processes or DEFAULT_PROCESSES}
    if limits.memory_mb is not None:
        # MemorySwap is memory and swap together: swap is no way out.
        config["Memory"] = config["MemorySwap"] = limits.memory_mb << 20
    if limits.cpus is not None:
        config["NanoCpus"] = round(limits.cpus * 1e9)
    return config


def _helper_config(lab: LabLabels, image: str) -> dict[str, Any]:
    agent = {
        "Entrypoint": list(AGENT_COMMAND),
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": True,
        # End of file when the attached client is gone, however it went.
        "StdinOnce": True,
    }
    return {
        **({} if lab.keep else agent),
        "Image": image,
        "Hostname": "helper",
        "Labels": lab.as_labels("helper"),
        "HostConfig": {
            **_HOST_CONFIG,
            "PidMode": "host",
            # Where the engine remaps users, the helper stays outside of that.
            "UsernsMode": "host",
            "CgroupnsMode": "host",
            "CapAdd": list(_HELPER_CAPABILITIES),
            # A host's root can reach the file that a command's parent runs from, for a
            # moment before the command begins (CVE-2019-5736): it is not to be changed.
            "ReadonlyRootfs": True,
            "Tmpfs": {"/run": "mode=755", "/tmp": ""},
            "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined", "label=disable"],
            # As `systempaths=unconfined`, which only Docker's own client knows.
            "MaskedPaths": [],
            "ReadonlyPaths": [],
            "Binds": ["/sys/fs/cgroup:/sys/fs/cgroup:rw"],
        },
    }


_PLUMBER = "playground.plumber"


def _plumber_config(image: str, command: Sequence[str], machine_network: bool) -> dict[str, Any]:
    """What a helper is, for one command and without a lab."""
    config = _helper_config(LabLabels("", "", "", keep=True), image)
    network = {"NetworkMode": "host"} if machine_network else {}
    return config | {
        "Entrypoint": list(command),
        # Its end says that whoever asked is gone.
        "AttachStdin": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdout": True,
        "AttachStderr": True,
        # No lab's, but found when its program is gone: `DockerEngine.sweep`.
        "Labels": {
            _PLUMBER: "1",
            OWNER: owners.own_name(),
            MARK: owners.own_mark(),
        },
        "HostConfig": config["HostConfig"] | network,
    }


def _container_name(lab_id: str, node: str = "_helper") -> str:
    """The name of a node's container; no node is called _helper (RFC 1123)."""
    return f"{lab_id}.{node}"


def _create(line: Line, name: str, config: Mapping[str, Any]) -> str:
    answer = line.request("POST", "/containers/create", {"name": name}, config)
    return str(answer["Id"])


def _start(line: Line, container: str) -> int:
    """Start a container; return its process id, 0 if it has ended already."""
    line.request("POST", f"/containers/{container}/start")
    return _pid(line, container)


def _pid(line: Line, container: str) -> int:
    try:
        state = line.request("GET", f"/containers/{container}/json")["State"]
    except Refused as refusal:
        if refusal.status == http.client.NOT_FOUND:
            return 0
        raise
    return int(state["Pid"]) if state["Running"] else 0


def _exists(line: Line, container: str) -> bool:
    try:
        line.request("GET", f"/containers/{container}/json")
    except Refused as refusal:
        if refusal.status == http.client.NOT_FOUND:
            return False
        raise
    return True


def _wait_exit(line: Line, container: str, timeout_s: float) -> int | None:
    """Wait until a container has ended; return its exit status, None if it goes on."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        state = line.request("GET", f"/containers/{container}/json")["State"]
        if state["Status"] in ("exited", "dead"):
            return int(state["ExitCode"])
        time.sleep(0.02)
    return None


def _record(items: list[dict[str, Any]]) -> LabRecord:
    labels = items[0]["Labels"]
    nodes = {item["Labels"].get(NODE) for item in items}
    return LabRecord(
        id=labels[LAB],
        name=labels.get(NAME, ""),
        owner=labels.get(OWNER, ""),
        nodes=tuple(sorted(node for node in nodes if node)),
        created=min(float(item["Created"]) for item in items),
        keep=labels.get(KEEP) == "1",
        mark=labels.get(MARK, ""),
    )


def _is_stale(item: Mapping[str, Any]) -> bool:
    """Whether a container, as it is listed, should have gone with its program."""
    labels = item["Labels"]
    # A helper container may stay for what it has made, but not where it never ran.
    stays = labels.get(KEEP) == "1" or (_PLUMBER in labels and item["State"] != "created")
    return not stays and owners.is_gone(labels.get(OWNER, ""), labels[MARK])


# -- places -------------------------------------------------------------------


_USUAL_SOCKET = "/var/run/docker.sock"


def _has_context() -> bool:
    """Whether the docker command may have been told to use another engine."""
    if os.environ.get("DOCKER_CONTEXT"):
        return True
    directory = os.environ.get("DOCKER_CONFIG") or Path("~/.docker").expanduser()
    try:
        return '"currentContext"' in Path(directory, "config.json").read_text(errors="replace")
    except OSError:
        return False


def _docker_context() -> dict[str, Any]:
    """The engine that `docker context use` chose, as docker-py's arguments."""
    import docker.errors
    from docker.context import ContextAPI

    try:
        context = ContextAPI.get_current_context()
    except (docker.errors.DockerException, OSError, ValueError):
        return {}
    if context is None or context.Name == "default" or not context.Host:
        return {}
    return {"base_url": context.Host, "tls": context.TLSConfig or False}


def _proxies() -> dict[str, str]:
    """The proxies that a build must use to reach a mirror from here."""
    names = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
    found = {name: os.environ.get(name) or os.environ.get(name.upper()) for name in names}
    return {name: value for name, value in found.items() if value}
