"""What a node's network knows: addresses, routes, rules, connections, leases."""
