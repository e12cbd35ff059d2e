"""Links that are made of others: where tunnels lead below, and what kernels need for them."""
