"""What a profile's jobs are made from: data, networks, their hashes, and how each is obtained.

`interface` says what a profile has to offer; `embedded` and `paper` offer it.
"""
