"""What a lab waits for, and asks the kernel for, because of links that are no plain cables."""
