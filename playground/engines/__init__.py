"""Engines run the machines of a lab: the seam, the choice, and each engine in a folder."""
