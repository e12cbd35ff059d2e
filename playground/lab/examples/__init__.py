"""Ready labs by theme, which `playground.examples` hands on."""
