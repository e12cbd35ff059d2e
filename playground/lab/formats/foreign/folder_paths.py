"""Paths that a file of somebody else names: none leads out of the folder that the file is in."""

from __future__ import annotations

from pathlib import Path


def is_within(folder: Path, path: Path) -> bool:
    """Whether a path leads to something in a folder, its symbolic links (and "..") followed.

    A path that cannot be followed leads nowhere.

    """
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle, no name of a file
        return False
