"""Daemons of IPv6 as it configures itself: advertisements, DHCPv6, prefixes, NAT64."""
