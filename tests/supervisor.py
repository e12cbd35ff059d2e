"""A folder to build from: sshd and apache2 below a supervisord, on Debian."""

from __future__ import annotations

import shutil
from pathlib import Path

from playground.display.progress import Silent
from playground.engines.docker.engine import DockerEngine
from playground.engines.images import LOCAL_BASE, PUBLIC_BASE, image_for
from playground.engines.seam import Engine

SOURCE = Path(__file__).parent / "data" / "supervisor"


def supervisor_folder(engine: Engine, place: Path) -> Path:
    """Return the folder, copied if it has to stand on a Debian that was made here."""
    # It brings a Debian, from a registry or from a mirror.
    engine.ensure_images([image_for(())], Silent())
    docker = DockerEngine()
    try:
        public = docker.answers() and docker.images.has(PUBLIC_BASE)
    finally:
        docker.close()
    if public:
        return SOURCE
    folder = place / "supervisor"
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
    text = (folder / "Dockerfile").read_text()
    (folder / "Dockerfile").write_text(text.replace(PUBLIC_BASE, LOCAL_BASE, 1))
    return folder
