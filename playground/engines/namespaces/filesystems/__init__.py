"""File systems of a bare host: its root and layers, devices, volumes, and what is hidden."""
