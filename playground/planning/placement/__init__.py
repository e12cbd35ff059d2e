"""Placement: which machine of a swarm each node of a lab runs on."""
