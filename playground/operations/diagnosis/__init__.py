"""Diagnosis: the state of a lab's kernels, why a packet does not arrive, and checks of both."""
