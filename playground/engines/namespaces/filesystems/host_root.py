"""The root of a host: layers under memory of its own, with /proc, /sys and /dev of its own.

A neighbour of `host_maker`: standard library, `agent`, `engines.pause`, and this folder.
What a host writes goes into memory, at most `DISK_LIMIT_MB`.  No device file in its root can
be used.  Whatever the layers of a stranger's image have in the places of /proc and the like,
links that lead out of it for instance, is replaced.

See mount(2), pivot_root(2), overlayfs.rst of the kernel.

"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import stat
from collections.abc import Sequence
from typing import Any

from playground.agent.kernel import syscalls
from playground.engines import pause
from playground.engines.namespaces.filesystems import (
    machine_layer,
    mounts,
    stranger_layer,
    volumes,
)
from playground.engines.namespaces.filesystems.device_files import make_devices
from playground.engines.namespaces.filesystems.disk_limits import memory_options, sizes_within
from playground.engines.namespaces.filesystems.hidden_files import hide_and_protect
from playground.engines.namespaces.filesystems.mounts import (
    MNT_DETACH,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    in_user_namespace,
    mount,
    overlay_options,
)
from playground.engines.namespaces.filesystems.paths_in_root import made_place

# mount(2) takes a page of options, of which an overlay's other ones have the rest.
_ROOM_FOR_LAYERS = 3500

# Where a host's root is put together, in the lab's own /run; each host sees
# another file system there, for each has a mount namespace of its own.
PLACE = "/run/playground/node"

# In a host's root, of that root's own memory: where its volumes wait for it.
_HELD = "/run/playground/volumes"

_libc = ctypes.CDLL(None, use_errno=True)


def make_root(request: dict[str, Any]) -> None:
    """Put the host's file system together and make it this process's root."""
    root = f"{PLACE}/root"
    sizes = sizes_within((request.get("limits") or {}).get("memory_mb"))
    if request["shm_mb"]:
        sizes = sizes._replace(shared_kb=request["shm_mb"] << 10)
    options = memory_options(sizes.disk_kb, 0o755, sizes.files)
    mount("tmpfs", PLACE, "tmpfs", MS_NOSUID | MS_NODEV, options)
    os.mkdir(root)
    plain = request["layers"] is None
    view = machine_view() if plain else _view_of_layers(request["layers"])
    if "/" not in view.overlays:
        mount(root, root, "", MS_BIND)
        for folder in ("dev", "proc", "sys", "run", "tmp"):
            os.mkdir(f"{root}/{folder}")
    for number, (folder, layers) in enumerate(view.overlays.items()):
        upper, work = f"{PLACE}/upper{number}", f"{PLACE}/work{number}"
        target = root + folder.rstrip("/")
        os.makedirs(target, 0o755, exist_ok=True)
        if layers:
            os.mkdir(upper, _mode(layers[0]))
            os.mkdir(work)
            _overlay(target, layers, upper, work)
    for place, leads_to in view.links.items():
        os.symlink(leads_to, root + place)
    os.chdir(root)
    if plain:
        # Of the same memory as all that the host writes, with the same flags.
        for folder, mode in (("run", 0o755), ("tmp", 0o1777)):
            os.mkdir(f"{PLACE}/{folder}", mode)
            mount(f"{PLACE}/{folder}", folder, "", MS_BIND)
        os.mkdir("run/lock", 0o1777)
    for folder in ("dev", "proc", "sys", "run", "run/playground"):
        _make_folder(folder)
    # For what a lab makes for its hosts, as on Docker: see playground.lab.provision.
    options = memory_options(sizes.lab_kb, 0o755, sizes.files_of_parts)
    mount("tmpfs", "run/playground", "tmpfs", MS_NOSUID | MS_NODEV, options)
    if not request["command"]:
        pause.write()
    mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY)
    make_devices(sizes, request["devices"])
    wanted = request.get("volumes") or ()
    held = volumes.hold_volumes(wanted, _HELD.lstrip("/"), of_image=not plain)
    # pivot_root(2), "pivot_root(".", ".")".
    syscalls.checked(_libc.pivot_root(b".", b"."), "changing the root")
    # No path is walked before: the machine's root is on top, and "/.." leads to it.
    syscalls.checked(_libc.umount2(b".", MNT_DETACH), "leaving the machine's root")
    os.chdir("/")
    volumes.show_volumes(held, _HELD)
    _make_mounts(request["written"])
    hide_and_protect()


def _make_mounts(paths: Sequence[str]) -> None:
    """Make folders mounts of their own, which stay open when the root is closed: VOLUME.

    Of the kernel's file systems none is shown a second time, without what is hidden in it.

    """
    for path in paths:
        with contextlib.suppress(NotADirectoryError), made_place(path) as place:
            if place.path.split("/")[1] not in ("", "dev", "proc", "run", "sys"):
                mount(place.name, place.name, "", MS_BIND)


def _view_of_layers(layers: Sequence[str]) -> machine_layer.View:
    # An image without any files has no layers; its root is made as one in pieces is.
    return machine_layer.View({"/": list(layers)} if layers else {}, {})


def _make_folder(path: str) -> None:
    """Make sure that a path of the root to be is a folder, for a mount.

    The root is no process's root yet: a link that an image has there would lead to the
    machine's files.

    """
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            return
        os.unlink(path)
    except FileNotFoundError:
        pass
    os.mkdir(path, 0o755)


def _mode(folder: str) -> int:
    """The mode of a folder, which is that of the uppermost layer in an overlay."""
    return os.stat(folder).st_mode & 0o7777


def _overlay(target: str, layers: Sequence[str], upper: str, work: str) -> None:
    own = f",upperdir={upper},workdir={work}"
    if in_user_namespace():
        # Without root its notes are in other attributes: overlayfs.rst.
        own += ",userxattr"
    # nodev: a host may make device files (CAP_MKNOD), but use none.
    with mounts.short_names(layers, _ROOM_FOR_LAYERS) as lower:
        mount("overlay", target, "overlay", MS_NODEV, overlay_options(lower) + own)


@functools.cache
def machine_view() -> machine_layer.View:
    """Return how the machine's root is shown; looked at once, before hosts are made."""
    if in_user_namespace():
        return machine_layer.view_in_pieces()
    whole = machine_layer.whole_view()
    return machine_layer.View(stranger_layer.shown(whole.overlays), whole.links)
