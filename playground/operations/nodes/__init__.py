"""What can be done to a running host or router."""
