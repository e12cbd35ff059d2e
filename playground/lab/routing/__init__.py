"""Routing of a lab that runs: saved, and waited for."""
