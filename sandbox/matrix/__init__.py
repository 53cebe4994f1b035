"""The fault matrix: what goes wrong, what that costs, and whether the certificate says exactly that.

The judge is the simulated venue's own ledger, of everything that it sent. ``python -m sandbox.matrix --help``; ``make
matrix`` runs all of it.
"""
