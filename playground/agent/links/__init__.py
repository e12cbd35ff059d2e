"""Interfaces, bridges, VLANs and queues: made, changed, read."""
