"""What was seen of a lab and of one packet, as frozen data."""
