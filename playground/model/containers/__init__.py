"""What a host runs and may take of the machine: image, programs, limits, capabilities."""
