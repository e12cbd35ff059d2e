"""The machine's root as a stranger may read it: what is closed there is closed to hosts.

A host's root may read each file that it sees (CAP_DAC_OVERRIDE).  But an overlay looks
into its layers with the rights of who mounted it (the kernel's
Documentation/filesystems/overlayfs.rst, "Permission model").  So what hides parts of the
machine, and the machine below it, are laid over one another once a lab by a stranger,
who owns no file and is in no group, and that is a layer of the hosts' roots.  Whatever
is closed to him no host reads, whenever it came to be there.

In a user namespace this is so without it: its root is a stranger on the machine.  Where
the machine's own root is an overlay (in a container, say) the kernel has no room for two
more above it (FILESYSTEM_MAX_STACK_DEPTH); there hosts have the layers as they are.

A neighbour of `host_maker`: standard library, `agent`, `machine_layer` and `mounts`.

"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator, Mapping

from playground.agent.kernel import syscalls
from playground.engines.namespaces.filesystems import machine_layer, mounts

# In the lab's own /run: a folder for each file system of the machine's.
_PLACE = "/run/playground/shown"
_NOTHING = "/run/playground/nothing"

# Nobody's: -1 means "leave it", and -2 was once an account of NFS.
_STRANGER = (1 << 32) - 5

_libc = ctypes.CDLL(None, use_errno=True)

Overlays = Mapping[str, list[str]]


def show(overlays: Overlays) -> None:
    """Mount what `shown` has; to be called once a lab, after `machine_layer.make`.

    ``overlays`` are those of a `View` of the whole machine.

    """
    os.mkdir(_NOTHING, 0o755)
    for number, layers in enumerate(overlays.values()):
        folder = f"{_PLACE}/{number}"
        os.makedirs(folder, 0o755)
        # At least two, where nothing can be written.
        _, below = _split(layers)
        options = mounts.overlay_options(below if len(below) > 1 else [_NOTHING, *below])
        try:
            with _as_stranger():
                mounts.mount("overlay", folder, "overlay", mounts.MS_NODEV, options)
        except PermissionError:
            os.rmdir(folder)  # it is in a closed folder itself
            continue
        if not _has_room_above(folder):
            mounts.unmount(folder)


def shown(overlays: Overlays) -> dict[str, list[str]]:
    """Return the overlays of a host: what is fresh, and below it what was mounted.

    Of a file system that is mounted in a closed folder there is none.

    """
    found = {}
    for number, (place, layers) in enumerate(overlays.items()):
        folder = f"{_PLACE}/{number}"
        if os.path.isdir(folder):
            fresh, _ = _split(layers)
            found[place] = [*fresh, folder] if os.path.ismount(folder) else list(layers)
    return found


def _split(layers: list[str]) -> tuple[list[str], list[str]]:
    """Tell the layer of what is fresh, which is the lab's own, from those below."""
    own = machine_layer.LAYERS[0]
    fresh = [layer for layer in layers if layer == own or layer.startswith(f"{own}/")]
    return fresh, layers[len(fresh) :]


def _has_room_above(folder: str) -> bool:
    """Say whether one more overlay can be laid over this one: tried, for no file tells."""
    try:
        options = mounts.overlay_options([_NOTHING, folder])
        mounts.mount("overlay", _NOTHING, "overlay", 0, options)
    except OSError:
        return False
    mounts.unmount(_NOTHING)
    return True


@contextlib.contextmanager
def _as_stranger() -> Iterator[None]:
    """Look at files as a stranger within the block, with the power to mount.

    With the number by which it looks the kernel takes root's power over files away, and
    gives it back: setfsuid(2), capabilities(7).

    """
    groups = os.getgroups()
    with syscalls.keeping_death_signal():
        os.setgroups([])
        _libc.setfsgid(ctypes.c_uint(_STRANGER))
        _libc.setfsuid(ctypes.c_uint(_STRANGER))
        try:
            yield
        finally:
            _libc.setfsuid(0)
            _libc.setfsgid(0)
            os.setgroups(groups)
