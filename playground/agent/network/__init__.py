"""Network settings of a node: addresses, routes, rules, connections, leases."""
