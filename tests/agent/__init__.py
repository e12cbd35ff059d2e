"""Tests of the agent, in real namespaces; each file is about some of its rooms."""
