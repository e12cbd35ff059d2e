"""Checks of a running network, by what they look at: `lab.check` has them as methods."""
