"""Queues where frames leave by a link: disciplines, and classes of traffic."""
