"""The root of a host: layers under memory of its own, with /proc, /sys and /dev of its own.

A neighbour of `host_maker`: standard library, `agent`, `engines.pause`, and this folder.
What a host writes goes into memory, at most `DISK_LIMIT_MB`.  No device file in its root can
be used.  Whatever the layers of a stranger's image have in the places of /proc and the like,
links that lead out of it for instance, is replaced.

See mount(2), pivot_root(2), overlayfs.rst of the kernel.

"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
from collections.abc import Sequence
from typing import Any

from playground.agent.kernel.call_list import CallList
from playground.engines import pause
from playground.engines.namespaces.filesystems import (
    machine_layer,
    mounts,
    stranger_layer,
    volumes,
)
from playground.engines.namespaces.filesystems.common_files import list_common
from playground.engines.namespaces.filesystems.device_files import list_devices
from playground.engines.namespaces.filesystems.disk_limits import (
    Sizes,
    memory_options,
    sizes_within,
)
from playground.engines.namespaces.filesystems.hidden_files import list_hidden
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


def make_root(request: dict[str, Any]) -> None:
    """Put the host's file system together and make it this process's root."""
    plain = request["layers"] is None
    view = machine_view() if plain else _view_of_layers(request["layers"])
    sizes = _sizes(request)
    calls = CallList()
    _list_memory(calls, sizes)
    calls.make_here()
    root = f"{PLACE}/root"
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
    calls = CallList()
    if plain:
        _list_own_folders(calls)
    calls.make_here()
    for folder in ("dev", "proc", "sys", "run", "run/playground"):
        _make_folder(folder)
    calls = CallList()
    _list_parts(calls, request, sizes)
    calls.make_here()
    wanted = request.get("volumes") or ()
    held = volumes.hold_volumes(wanted, _HELD.lstrip("/"), of_image=not plain)
    calls = CallList()
    _list_change(calls)
    calls.make_here()
    volumes.show_volumes(held, _HELD)
    _make_mounts(request["written"])
    calls = CallList()
    list_hidden(calls)
    calls.make_here()


def is_listed(request: dict[str, Any]) -> bool:
    """Whether nothing has to be looked up meanwhile, so that `list_root` lists all of a root.

    So it is for hosts with the machine's own root, in one piece, and without volumes.  In a
    stranger's image there may be anything in the places of /proc and the like.

    """
    return (
        request["layers"] is None
        and not request.get("volumes")
        and not request["written"]
        and list(machine_view().overlays) == ["/"]
        and not machine_view().links
        and all(map(_is_plain_folder, ("/dev", "/proc", "/sys", "/run", "/tmp")))
    )


def list_root(calls: CallList, request: dict[str, Any]) -> None:
    """List what puts a host's file system together and makes it the process's root."""
    sizes = _sizes(request)
    _list_memory(calls, sizes)
    [layers] = machine_view().overlays.values()
    upper, work = f"{PLACE}/upper0", f"{PLACE}/work0"
    calls.make_folder(upper, _mode(layers[0]))
    calls.make_folder(f"{upper}/etc", _mode(f"{layers[0]}/etc"))
    for name in machine_layer.OF_EACH_HOST:
        # As empty as in the layer below, from where the kernel would copy each once it is written.
        calls.make_file(f"{upper}/etc/{name}", 0o644)
    calls.make_folder(work)
    options = f"{overlay_options(layers)},upperdir={upper},workdir={work}"
    calls.mount("overlay", f"{PLACE}/root", "overlay", MS_NODEV, options)
    calls.add("chdir", f"{PLACE}/root", purpose="entering the root to be")
    _list_own_folders(calls)
    calls.make_folder("run/playground", 0o755)
    _list_parts(calls, request, sizes)
    _list_change(calls)
    list_hidden(calls)


def _sizes(request: dict[str, Any]) -> Sizes:
    sizes = sizes_within((request.get("limits") or {}).get("memory_mb"))
    return sizes._replace(shared_kb=request["shm_mb"] << 10) if request["shm_mb"] else sizes


def _list_memory(calls: CallList, sizes: Sizes) -> None:
    options = memory_options(sizes.disk_kb, 0o755, sizes.files)
    calls.mount("tmpfs", PLACE, "tmpfs", MS_NOSUID | MS_NODEV, options)
    calls.make_folder(f"{PLACE}/root")


def _list_own_folders(calls: CallList) -> None:
    """List what gives a host with the machine's root a /run and a /tmp of its own."""
    # Of the same memory as all that the host writes, with the same flags.
    for folder, mode in (("run", 0o755), ("tmp", 0o1777)):
        calls.make_folder(f"{PLACE}/{folder}", mode)
        calls.mount(f"{PLACE}/{folder}", folder, "", MS_BIND)
    calls.make_folder("run/lock", 0o1777)


def _list_parts(calls: CallList, request: dict[str, Any], sizes: Sizes) -> None:
    # For what a lab makes for its hosts, as on Docker: see playground.lab.provision.
    options = memory_options(sizes.lab_kb, 0o755, sizes.files_of_parts)
    calls.mount("tmpfs", "run/playground", "tmpfs", MS_NOSUID | MS_NODEV, options)
    if not request["command"]:
        # Each host has a file of its own: who changes it, as root of a host may, changes no other.
        path, content = pause.PAUSE.lstrip("/"), pause.program(os.uname().machine)
        calls.write(path, content, os.O_CREAT | os.O_EXCL)
    list_common(calls)
    calls.mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    calls.mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY)
    list_devices(calls, sizes, request["devices"])


def _list_change(calls: CallList) -> None:
    """List what makes this folder the root."""
    # pivot_root(2), "pivot_root(".", ".")".
    calls.add("pivot_root", ".", ".", purpose="changing the root")
    # No path is walked before: the machine's root is on top, and "/.." leads to it.
    calls.add("umount2", ".", MNT_DETACH, purpose="leaving the machine's root")
    calls.add("chdir", "/", purpose="entering the new root")


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


def _is_plain_folder(path: str) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISDIR(os.lstat(path).st_mode)
    return False


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
