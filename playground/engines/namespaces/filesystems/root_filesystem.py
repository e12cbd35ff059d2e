"""Parts of a host's root: directories, an environment, a first program.

An engine without containers lays these directories over one another and puts a
layer of the host's own on top, which takes all that the host writes.  Where
they come from is for `images.image_roots` to say.

"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from playground.model.records import dataclass

# Docker gives this to a container whose image sets no PATH.  See
# DefaultPathEnvUnix in daemon/pkg/oci/defaults.go of moby.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class RootFilesystem:
    """The root of a host, without what the host itself will write.

    ``layers`` are directories, the uppermost first, as overlayfs takes them
    (``lowerdir=a:b:c``); ``command`` is the first program with its arguments,
    empty where the engine chooses; ``environ`` are pairs of name and value.

    """

    layers: tuple[str, ...]
    environ: tuple[tuple[str, str], ...]
    command: tuple[str, ...]
    cwd: str = "/"


def machine_root() -> RootFilesystem:
    """Return the machine's own root, for hosts that need no image."""
    return RootFilesystem(("/",), (("PATH", DEFAULT_PATH), ("LANG", "C.UTF-8")), ())


def image_root(layers: Sequence[str], config: Mapping[str, Any]) -> RootFilesystem:
    """Return the root of an image from its layers and its configuration.

    The configuration is an image's as Docker and OCI write it: ``Env``,
    ``Entrypoint``, ``Cmd``, ``WorkingDir``, each of which may be missing or null.

    """
    # https://github.com/opencontainers/image-spec/blob/main/config.md#properties
    environ = {"PATH": DEFAULT_PATH}
    for setting in config.get("Env") or ():
        name, _, value = setting.partition("=")
        environ[name] = value
    return RootFilesystem(
        tuple(layers),
        tuple(environ.items()),
        (*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())),
        config.get("WorkingDir") or "/",
    )
