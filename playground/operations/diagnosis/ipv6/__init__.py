"""Why a node has no IPv6 address, or no way, where routers and servers were to give it one."""
