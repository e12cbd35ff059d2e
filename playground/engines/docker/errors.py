"""Errors of a Docker engine and of the way to it, as sentences for a student."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from playground.engines.docker.http import Refused
from playground.engines.images import Image
from playground.engines.pull_errors import pull_sentence
from playground.errors import EngineError, ImageError, PlaygroundError

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

# apt-get(8)'s words for a name or a version that it does not know.
_UNKNOWN_PACKAGE = re.compile(
    r"^(?:.*\s)?E: (?:Unable to locate package (?=\S)|Package '(?=.*has no installation)"
    r"|Version '.*' for '(?=.*was not found))([^\s']+)",
    re.MULTILINE,
)


def build_failed(image: Image, error: str, log: str) -> EngineError:
    if "no space left on device" in (error + log[-4000:]).lower():
        return EngineError(NO_SPACE)
    if image.packages and (unknown := _UNKNOWN_PACKAGE.findall(_COLOURS.sub("", log))):
        names = ", ".join(dict.fromkeys(unknown))
        return ImageError(
            f"Debian has no package {names} for the image {image.base.tag if image.base else ''}; "
            "look for its name at https://packages.debian.org, and whether this release has it",
            log,
        )
    return ImageError(
        f"image {image.title} could not be built from {image.directory}: {error.strip()}; "
        "if a download failed, look at the network and try again",
        log,
    )


def no_account(node: str, message: str) -> EngineError | None:
    """Say which user or group a container's image has not, if that is why it did not start."""
    found = _NO_ACCOUNT.search(message)
    if found is None:
        return None
    kind, name = found.groups()
    file = "/etc/passwd" if kind == "user" else "/etc/group"
    return EngineError(
        f"{node}: its image has no {kind} {name!r}: its {file} does not name one; mend user=, or "
        "give a number"
    )


# runc's words, which Docker passes on.
_NO_ACCOUNT = re.compile(r"unable to find (user|group) ([^\s:]+)")


def own_build_failed(here: str, title: str, error: str, log: str) -> EngineError:
    """Say why an image of the user's could not be built."""
    if "no space left on device" in (error + log[-4000:]).lower():
        return EngineError(NO_SPACE)
    if base := _base_that_failed(log):
        error = pull_sentence(base, error)
    return ImageError(f"{here}: {title} could not be built: {error.strip()}", log)


def _base_that_failed(log: str) -> str | None:
    """Return the image of the FROM with which a build ended: it could not be had."""
    steps: list[str] = re.findall(r"^Step [0-9]+/[0-9]+ : (.*)$", log, re.MULTILINE)
    found = re.match(r"FROM\s+(?:--\S+\s+)*(\S+)", steps[-1], re.IGNORECASE) if steps else None
    return found[1] if found else None


def pull_failed(here: str, name: str, error: str) -> EngineError:
    """Say why an image was not pulled, in the words of registries and of the engine."""
    if "no space left on device" in error.lower():
        return EngineError(NO_SPACE)
    return ImageError(f"{here}: {pull_sentence(name, error)}")


NO_SPACE = (
    "the container engine's disk is full; `docker system df` shows what takes the room, and "
    "`docker system prune` frees what nothing uses"
)


def is_foreign(error: Exception) -> bool:
    """Whether an error is of the engine or of the way to it, not a mistake of ours."""
    import docker.errors
    import requests
    import urllib3
    from paramiko import SSHException

    return isinstance(
        error,
        Refused
        | docker.errors.DockerException
        | requests.RequestException
        | urllib3.exceptions.HTTPError
        | http.client.HTTPException
        | SSHException
        | EOFError
        | OSError,
    )


@contextmanager
def engine_errors(doing: str, where: Callable[[], str]) -> Iterator[None]:
    """Turn every other library's error into an `EngineError` with a sentence.

    ``where`` returns the engine's address; it is asked only where something went wrong.

    """
    try:
        yield
    except PlaygroundError:
        raise
    except Exception as error:
        if not is_foreign(error):
            raise
        raise EngineError(sentence(error, doing, where())) from error


def sentence(error: Exception, doing: str, where: str) -> str:
    """Say what went wrong between us and the engine, and what to do."""
    import docker.errors
    from paramiko import AuthenticationException, SSHException

    causes = list(_causes(error))
    message = str(getattr(error, "explanation", None) or error)
    refused = isinstance(error, (Refused, docker.errors.APIError))
    if "no space left on device" in message.lower():
        return NO_SPACE
    if refused:
        return _refusal_sentence(message, doing)
    if any(isinstance(cause, docker.errors.TLSParameterError) for cause in causes):
        return f"the TLS settings for the container engine at {where} are incomplete: {message}"
    if "too old" in message or "too new" in message:
        return f"the container engine at {where} and this docker-py do not fit: {message}"
    if any(isinstance(cause, PermissionError) for cause in causes):
        return (
            f"you may not use the container engine at {where} (permission denied): become a "
            "member of the docker group (sudo usermod -aG docker $USER) and log in again, or "
            "work as root"
        )
    if any(
        isinstance(cause, AuthenticationException) or "No authentication methods" in str(cause)
        for cause in causes
    ):
        return (
            f"the machine at {where} does not let you in by ssh: `ssh` to it must work "
            "without a password, by a key or an agent"
        )
    if any(isinstance(cause, SSHException) for cause in causes):
        return (
            f"the ssh connection to {where} failed while {doing}: {causes[-1]}; "
            "`ssh` to it must work without a question"
        )
    # BlockingIOError: so many wait for it that it takes nobody more, connect(2) of unix(7).
    hangs = any(isinstance(cause, (TimeoutError, BlockingIOError)) for cause in causes)
    if hangs or "timed out" in message:
        return (
            f"the container engine at {where} did not answer in time while {doing}: it hangs, or "
            "the machine is overloaded. If `docker ps` does not answer either, restart the engine "
            "(systemctl restart docker), which ends what it runs; `playground doctor` says more"
        )
    if isinstance(error, docker.errors.DockerException) and not _is_about_the_way(causes):
        return f"the container engine at {where} cannot be used: {message}"
    return (
        f"no container engine answers at {where} (while {doing}): start Docker "
        "(systemctl start docker, or Docker Desktop), or set DOCKER_HOST to where it is; "
        f"the system says: {causes[-1]}"
    )


def _refusal_sentence(message: str, doing: str) -> str:
    lower = message.lower()
    if "no such image" in lower:
        return f"{message}: it was removed or never built; run `playground build` and try again"
    if "no such container" in lower:
        return f"{message} (while {doing}): the lab was stopped, by somebody else perhaps"
    if "is already in use" in lower:
        return f"the engine refuses {doing}: {message}; run `playground sweep` if it is a leftover"
    if "is not running" in lower:
        return f"{message} (while {doing}): the lab was stopped, or its container has died"
    if "range of cpus" in lower:
        return f"a node asks with cpus= for more processors than the engine has: {message}"
    return f"the engine refuses {doing}: {message}"


def _is_about_the_way(causes: Sequence[BaseException]) -> bool:
    return any(isinstance(cause, (OSError, EOFError)) for cause in causes[1:])


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it, outermost first.

    requests and urllib3 put the cause among an error's arguments, or call it
    reason, beside Python's own ways.

    """
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        item = todo.pop(0)
        if isinstance(item, BaseException) and id(item) not in seen:
            seen.add(id(item))
            yield item
            todo += [*item.args, getattr(item, "reason", None), item.__cause__, item.__context__]
