"""Plumbing that reaches out of labs: into containers, and into the machine."""
