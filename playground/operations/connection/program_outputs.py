"""What a program of a node's prints for the library, of which its root may have made another."""

from __future__ import annotations

from playground.errors import NotReady
from playground.operations.connection.client import AgentProcess

# Far more than any of those that are asked prints.
_LIMIT_BYTES = 8 << 20


def output_of(process: AgentProcess, who: str, limit_s: float, advice: str) -> bytes:
    """Return what a program has printed on its standard output when it ends.

    Raises `NotReady` when it does not end within ``limit_s`` seconds, or prints without end:
    ``who`` names it and its node, ``advice`` where to look.

    """
    try:
        stdout, _ = process.communicate(timeout_s=limit_s, limit_bytes=_LIMIT_BYTES)
    except TimeoutError:
        raise NotReady(f"{who} did not end within {limit_s:g} s: {advice}") from None
    except BufferError:
        raise NotReady(
            f"{who} printed more than {_LIMIT_BYTES >> 20} MiB, which it never does: {advice}"
        ) from None
    return stdout
