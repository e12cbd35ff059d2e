"""The file servers, FTP and TFTP: their settings, their files, and their rows."""

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


# -- TFTP ----------------------------------------------------------------------

_TFTP_ROOT = "/srv/tftp"


@dataclass(frozen=True)
class TFTP(ServiceSettings):
    """A server of files without any log-in on UDP port 69 (RFC 1350), as for phones and routers.

    ``files``, given as for `HTTP`, lie in /srv/tftp; nobody may write.  ``curl
    tftp://server/file`` fetches one.  Behind a NAT router it needs
    ``masquerade(..., helpers=["tftp"])``, for it answers from another port.

    >>> Host("boot", services=[TFTP(files={"switch.cfg": "hostname sw1"})])
    Host('boot', services=['tftp'])

    """

    files: Files | None = field(default=None, hash=False)
    service: str = field(default="tftp", init=False, repr=False)

    def __post_init__(self) -> None:
        set_field(self, "files", checked_files("TFTP", self.files))

    @property
    def own_places(self) -> list[str]:
        return places_of(_TFTP_ROOT, self.files)


# dnsmasq(8), which the layer of the service dns has already.
_TFTP_RUN = f"""\
#!/bin/sh
mkdir -p {_TFTP_ROOT}
exec chpst -P /usr/sbin/dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 \\
    --no-hosts --no-resolv --user=root --pid-file=/run/dnsmasq-tftp.pid \\
    --log-facility=/var/log/dnsmasq-tftp.log --enable-tftp --tftp-root={_TFTP_ROOT}
"""


def _configure_tftp(settings: TFTP, context: ServiceContext) -> tuple[File, ...]:
    files = read_files(settings.files)
    if files is None:
        files = {"README.txt": f"This is the file server {context.name}.\n".encode()}
    return (
        File("/etc/sv/dnsmasq-tftp/run", _TFTP_RUN.encode(), 0o755),
        *(File(f"{_TFTP_ROOT}/{name}", content) for name, content in files.items()),
    )


TFTP_ROW = ServiceRow(
    name="tftp",
    settings=TFTP,
    layer="dns",
    programs=("dnsmasq-tftp",),
    ports=(Port(69, "udp"),),
    # RFC 1350 section 5: a file that is not there is an error.
    probes=(Probe(69, "udp", send=b"\0\1/\0octet\0", expect=r"^\x00\x05", other_port=True),),
    logs=("/var/log/dnsmasq-tftp.log",),
    configure=_configure_tftp,
    accounts=("dnsmasq",),
)
