"""What a client may ask for free: of a key, of a call to come, of a call made."""
