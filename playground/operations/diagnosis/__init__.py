"""What a lab's kernels know, why a packet does not arrive, and checks of both."""
