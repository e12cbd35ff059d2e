"""Sentences for an image that cannot be pulled: what a registry says, in a student's words.

Docker's words and buildah's both come from the registry's own (the distribution
specification, "Error Codes") and from Go's network library.

"""

from __future__ import annotations

import re

# The words of each, in lower case; the first that is found is the reason.  `{name}` is the
# image, `{where}` its registry, `{us}` this machine's kind.
_REASONS = (
    (
        r"no image found in (image index|manifest list)|no matching manifest|"
        r"does not match the (expected|specified) platform",
        "{name} is not for machines of this kind{us}, says {where}: look for a tag that is, or "
        "build it here with build=",
    ),
    (
        r"unauthorized|authentication required|no basic auth credentials|"
        r"incorrect username or password|authorization failed",
        "{where} gives {name} only to who has logged in: run `docker login {where}` (or `buildah "
        "login {where}`) as the user who runs this, and try again",
    ),
    (
        r"manifest unknown|manifest for \S+ not found|name unknown|repository name not known|"
        r"not found: manifest",
        "{where} has no image {name}: look at how its name and its tag are written",
    ),
    (
        r"access to the resource is denied|pull access denied|repository does not exist|"
        r"denied: ",
        "{where} has no image {name}, or only for who has logged in: look at how its name is "
        "written, or run `docker login {where}`",
    ),
    (
        r"toomanyrequests|too many requests|rate limit",
        "{where} gives no more images for now, as it has a limit for each address: log in with "
        "`docker login {where}`, or wait",
    ),
    (
        r"x509|certificate|server gave http response to https client|tls: ",
        "{where} cannot be trusted as it is: its certificate is not known here, or it speaks "
        "HTTP alone, which is taken from this machine's own registries only",
    ),
    (
        r"no such host|connection refused|i/o timeout|network is unreachable|no route to host|"
        r"connection reset|tls handshake timeout|was not done after|context deadline exceeded|"
        r"temporary failure in name resolution|server misbehaving|proxyconnect|: eof",
        "the registry {where} of the image {name} is not reached from here: look at this "
        'machine\'s network, save the image elsewhere (`docker save -o image.tar {name}`) and give '
        'image=Path("image.tar"), or build one with build=',
    ),
)  # fmt: skip


def pull_sentence(reference: str, said: str, machine: str = "") -> str:
    """Return why an image could not be pulled, and what to do.

    ``said`` is what the registry, or who asked it, printed; ``machine`` is this machine's kind
    as images name it, "amd64", where it is known.

    >>> pull_sentence("web:2", "manifest unknown")
    'docker.io has no image web:2: look at how its name and its tag are written'

    """
    where = registry(reference)
    for pattern, sentence in _REASONS:
        if re.search(pattern, said.lower()):
            return sentence.format(name=reference, where=where, us=machine and f" ({machine})")
    last = said.strip().rpartition("\n")[2].removeprefix("Error: ")
    return f"the image {reference} could not be pulled from {where}: {last or 'nothing was said'}"


def registry(reference: str) -> str:
    """Return the registry that a reference names, by Docker's rule.

    >>> registry("postgres:17"), registry("team/web"), registry("localhost:5000/web")
    ('docker.io', 'docker.io', 'localhost:5000')

    """
    # https://pkg.go.dev/github.com/distribution/reference: splitDockerDomain.
    first, slash, _ = reference.partition("/")
    if slash and (set(".:") & set(first) or first == "localhost" or first.lower() != first):
        return first
    return "docker.io"


def whole_name(reference: str) -> str:
    """Return a reference with its registry and its tag, as stores know it.

    >>> whole_name("postgres"), whole_name("team/web:2")
    ('docker.io/library/postgres:latest', 'docker.io/team/web:2')

    Beside a digest a tag says nothing, and stores take no more than one of them.

    """
    where = registry(reference)
    rest = reference.removeprefix(f"{where}/")
    if where == "docker.io" and "/" not in rest:
        rest = f"library/{rest}"
    name, at, digest = rest.partition("@")
    if at:
        path, slash, last = name.rpartition("/")
        rest = f"{path}{slash}{last.partition(':')[0]}@{digest}"
    tagged = "@" in rest or ":" in rest.rpartition("/")[2]
    return f"{where}/{rest}" if tagged else f"{where}/{rest}:latest"


def is_loopback(reference: str) -> bool:
    """Whether the registry is on this machine, where Docker too takes HTTP."""
    host = registry(reference).rpartition(":")[0] or registry(reference)
    return host in ("localhost", "[::1]") or re.fullmatch(r"127(\.\d+){3}", host) is not None


def machine_kind(machine: str) -> str:
    """Return what images call a machine of uname(2): "amd64" for "x86_64" (Go's GOARCH)."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
