"""Lines in FRR's own words that a router is told beside all else."""

from __future__ import annotations

import os

from playground.model.parts import MachineBase, taken_or_undone
from playground.model.routing.protocols import read_frr


class Configured(MachineBase):
    """The part of a `Router` that is told lines in FRR's own words.

    ``frr`` is its whole configuration in them, None where the lab writes one; ``frr_lines`` what
    `configure` has said, in order.

    """

    frr: str | None
    frr_lines: tuple[str, ...]

    def configure(self, lines: str | os.PathLike[str]) -> None:
        """Add lines in FRR's own words (https://docs.frrouting.org) to a router's configuration.

        ``lines`` is a text, or the `Path` of a file; they stand as they would in ``frr.conf``,
        each with the line before it that it belongs to::

            r1.configure("interface eth1\\n ip ospf cost 77\\nip route 10.9.0.0/16 10.0.1.2")

        They are for what no argument says, and come after what the lab says itself; ``no ...``
        takes back what an earlier line said.  They are kept: a daemon that starts anew, and a
        lab that grows, has them too.  Daemons that they need are started.  The same text
        said a second time changes nothing.

        FRR reads the lines before any daemon does: `TopologyError` names the line that it
        refuses, here in a lab that runs, and else at its start; no line has been told then.  What
        only the daemon itself can refuse, such as a neighbour of an unknown group, raises
        `TopologyError` too, after the lines before it.  It is also raised for a router that runs
        without FRR.  Nobody waits for what these lines lead to; `Lab.wait_converged` does.

        >>> r1.configure("ip route 10.9.0.0/16 blackhole")

        """
        text = read_frr(self.name, "lines=", lines)
        if text in self.frr_lines:
            return
        before = self.frr_lines

        def undo() -> None:
            self.frr_lines = before

        with taken_or_undone(self.listener, undo):
            self.frr_lines = (*before, text)

    @property
    def frr_text(self) -> str | None:
        """All that it is told in FRR's words; None where that is nothing."""
        said = [text for text in (self.frr, *self.frr_lines) if text is not None]
        return "\n".join(text.rstrip("\n") for text in said) + "\n" if self.frr_lines else self.frr
