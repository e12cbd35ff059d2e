"""Guards at the ports of a switch: addresses that they learn, floods that they pass."""
