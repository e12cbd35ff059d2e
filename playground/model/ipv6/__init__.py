"""Declarations of IPv6 as it configures itself: router advertisements, SLAAC, DHCPv6."""
