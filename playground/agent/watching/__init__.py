"""Looks at what passes: captures, probes, samples, states, readiness."""
