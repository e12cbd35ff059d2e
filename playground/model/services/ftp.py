"""The file server: its settings, its files, and its row."""

from __future__ import annotations

from dataclasses import field

from playground.model.records import dataclass
from playground.model.services.served_files import Files, checked_files, places_of, read_files
from playground.model.services.settings import (
    File,
    Port,
    Probe,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
    set_field,
)

# Where the image's server looks.
_ROOT = "/srv/ftp"


@dataclass(frozen=True)
class FTP(ServiceSettings):
    """A file server on port 21, active and passive, with TLS for who asks.

    ``files``, given as for `HTTP`, lie in /srv/ftp, which `anonymous` may read;
    the lab's users see the host's file system, beginning in their homes.

    """

    files: Files | None = field(default=None, hash=False)
    service: str = field(default="ftp", init=False, repr=False)

    def __post_init__(self) -> None:
        set_field(self, "files", checked_files("FTP", self.files))

    @property
    def own_places(self) -> list[str]:
        return places_of(_ROOT, self.files)


def _configure_ftp(settings: FTP, context: ServiceContext) -> tuple[File, ...]:
    files = read_files(settings.files)
    if files is None:
        files = {"README.txt": f"This is the file server {context.name}.\n".encode()}
    return tuple(File(f"{_ROOT}/{name}", content) for name, content in files.items())


FTP_ROW = ServiceRow(
    name="ftp",
    settings=FTP,
    layer="ftp",
    programs=("vsftpd",),
    ports=(Port(21),),
    probes=(Probe(21, expect=r"220[ -]"),),
    logs=("/var/log/vsftpd.log",),
    configure=_configure_ftp,
    tls=True,
    processes=2,
    accounts=("ftp",),
)
