"""Links that run over others, or are made of several: tunnels."""
