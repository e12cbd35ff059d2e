"""The time that services and programs have to become ready, before a lab gives them up."""

from __future__ import annotations

# Who has not answered by then never will: the slowest of our services, a mail server, takes
# under a second on an idle machine of 2 cores.
READY_TIMEOUT_S = 60.0
