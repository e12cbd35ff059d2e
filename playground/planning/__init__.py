"""From declarations to a plan, and from one plan to the next: pure functions, frozen data."""
