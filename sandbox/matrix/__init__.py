"""The fault matrix: injects faults, and checks that the certificate reports exactly what they have cost.

The truth is the simulated venue's ledger of everything that it sent. ``python -m sandbox.matrix --help``; ``make
matrix`` runs all of it.
"""
