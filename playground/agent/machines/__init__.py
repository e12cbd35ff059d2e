"""Many agents as one: requests shared out among the machines of a swarm, and what crosses them."""
