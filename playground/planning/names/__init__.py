"""Names of a plan: lines of /etc/hosts, whom a node asks, and the tree of zones."""
