"""Which links are one network, who has which address there, and what NAT divides."""
