"""The web server: its settings, its documents, and its row."""

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
_ROOT = "/var/www/html"


@dataclass(frozen=True)
class HTTP(ServiceSettings):
    """A web server on port 80, and with TLS on port 443.

    ``HTTP(files="site/")`` serves a directory of this machine, which is read
    when the lab starts; ``HTTP(files={"index.html": "<h1>hi</h1>"})`` serves
    texts or bytes by name.  Without files there is a page that names the host.
    Raises `TopologyError` for a directory that is not there, more than 64 MiB,
    or a name that leads out of the document root.

    """

    files: Files | None = field(default=None, hash=False)
    service: str = field(default="http", init=False, repr=False)

    def __post_init__(self) -> None:
        set_field(self, "files", checked_files("HTTP", self.files))

    @property
    def own_places(self) -> list[str]:
        return places_of(_ROOT, self.files)


def _configure_http(settings: HTTP, context: ServiceContext) -> tuple[File, ...]:
    files = read_files(settings.files)
    if files is None:
        import html

        name = html.escape(context.name)
        page = (
            "<!doctype html>\n"
            f"<html lang=en><meta charset=utf-8><title>{name}</title>\n"
            f"<h1>{name}</h1>\n<p>A web server of the lab.</p></html>\n"
        )
        files = {"index.html": page.encode()}
    return tuple(File(f"{_ROOT}/{name}", content) for name, content in files.items())


_HTTP_REQUEST = b"HEAD / HTTP/1.0\r\nUser-Agent: playground-probe\r\n\r\n"

HTTP_ROW = ServiceRow(
    name="http",
    settings=HTTP,
    layer="http",
    programs=("nginx",),
    ports=(Port(80), Port(443, tls=True)),
    probes=(
        Probe(80, send=_HTTP_REQUEST, expect=r"HTTP/1\."),
        Probe(443, tls=True, send=_HTTP_REQUEST, expect=r"HTTP/1\."),
    ),
    logs=("/var/log/nginx/access.log", "/var/log/nginx/error.log"),
    configure=_configure_http,
    tls=True,
    processes=3,
)
