"""IPv6 as it configures itself, in a plan: who advertises what, and whose address comes of it."""
