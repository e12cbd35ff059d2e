"""Features of a kernel that not every kernel has, and who needs them."""
