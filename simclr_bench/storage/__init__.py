"""Files on disk: whole or not there at all, checked when read, where a user expects them."""
