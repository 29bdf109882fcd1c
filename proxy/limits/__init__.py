"""What a call must keep to before it is held: allow-lists, and limits a minute."""
