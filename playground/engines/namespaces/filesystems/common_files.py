"""Files that all hosts of a lab have alike: written once, and seen by each, who cannot change them.

Names and keys of 1,000 hosts are 110 KB of known_hosts (sshd(8)): so much memory would each host
take for them, and so much be written into each where one host is added.

The agent puts a new file in the place of an old one (`agent.nodes.files.share_files`), and never
opens one that hosts can open: whoever has a lease on a file makes others wait (fcntl(2)).

A neighbour of `host_maker`: standard library, `agent` and this folder.

"""

from __future__ import annotations

import os

from playground.agent.kernel.call_list import CallList
from playground.agent.nodes.files import COMMON, COMMON_FILES
from playground.engines.namespaces.filesystems.mounts import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REMOUNT,
    mount,
)

# In the lab's own /run: the same folder as hosts see it.  A mount of it there has its flags, so
# each host needs one call of the kernel.
_SHOWN = "/run/playground/common-read-only"


def make() -> None:
    """Make the folder, empty; to be called once a lab, in its own /run."""
    os.mkdir(COMMON, 0o755)
    os.mkdir(_SHOWN, 0o755)
    mount(COMMON, _SHOWN, "", MS_BIND)
    flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
    mount("", _SHOWN, "", MS_REMOUNT | MS_BIND | flags)


def list_common(calls: CallList) -> None:
    """List what shows the files in a root to be, which is the working directory."""
    folder = COMMON.lstrip("/")
    calls.make_folder(folder, 0o755)
    calls.mount(_SHOWN, folder, "", MS_BIND)
    for path in COMMON_FILES:
        name = os.path.basename(path)
        calls.make_link(path.lstrip("/"), f"{os.path.basename(folder)}/{name}")
