"""Services that a host can offer: a module for each family, and one table of them all."""
