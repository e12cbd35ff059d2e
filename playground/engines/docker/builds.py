"""Builds by a Docker server: one at a time, noted line by line, their log kept."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import NamedTuple

from playground.display.progress import Progress
from playground.engines.build_environment import BUILD_TIMEOUT_S, proxies
from playground.engines.build_log import BuildLog
from playground.engines.docker.build_turns import build_turn
from playground.engines.docker.server import Server
from playground.model.records import dataclass

_DIGEST_LENGTH = 16


@dataclass(frozen=True)
class BuildContext:
    """What a builder gets: an archive, the Dockerfile's name in it, a stage, values of ARGs."""

    archive: bytes
    dockerfile: str = "Dockerfile"
    target: str = ""
    args: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """Tells this context from others: of the same words the same image was built."""
        found = hashlib.sha256(self.archive)
        if (self.dockerfile, self.target, self.args) != ("Dockerfile", "", ()):
            found.update(repr((self.dockerfile, self.target, self.args)).encode())
        return found.hexdigest()[:_DIGEST_LENGTH]


class Built(NamedTuple):
    """What came of a build: the engine's complaint, "" where it went well, and the log's end."""

    error: str
    log: str


def run_build(
    server: Server,
    title: str,
    context: BuildContext,
    tag: str,
    progress: Progress,
    *,
    labels: Mapping[str, str] | None = None,
) -> Built:
    """Let the engine build an archive with a Dockerfile; ``title`` is shown meanwhile.

    To the values of the context's ARGs the proxies of this machine are added.  A
    Dockerfile that the engine refuses before it builds is a complaint like any other;
    `EngineError` is raised where the engine itself fails.

    """
    import docker.errors

    log = BuildLog()
    error = ""
    with (
        progress.step(title) as step,
        server.errors(title),
        server.client(BUILD_TIMEOUT_S) as api,
        build_turn(server.socket_path(), step.note),
    ):
        try:
            stream = api.build(
                fileobj=io.BytesIO(context.archive),
                custom_context=True,
                tag=tag,
                dockerfile=context.dockerfile,
                target=context.target or None,
                buildargs={**proxies(), **dict(context.args)},
                labels=dict(labels or {}),
                rm=True,
                forcerm=True,
                decode=True,
            )
            # Read to the end, after an error too: else the connection stays open.
            for item in stream:
                said = item.get("stream") or item.get("status") or ""
                log.add(said)
                if line := said.strip():
                    step.note(line)
                error = item.get("error", error)
        # What is no Dockerfile is refused before anything is built.
        except docker.errors.APIError as refusal:
            if not refusal.is_client_error():
                raise
            error = str(refusal.explanation or refusal)
            log.add(f"{error}\n")
    return Built(error, log.text())
