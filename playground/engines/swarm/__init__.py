"""Machines of a lab as services of a Docker Swarm, on several machines."""
