"""arXiv:2108.00587 as data: what is printed, what each row means, what the text claims.

Imports nothing but the standard library: a table can be listed and checked on a machine that cannot
train anything.
"""
