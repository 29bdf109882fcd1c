"""Looking for what nobody does and yet happens: what runs low, out, or wild."""
