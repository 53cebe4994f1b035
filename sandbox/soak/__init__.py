"""A soak test: thousands of streams over four workers, with random disconnects and constant handovers.

At the end it compares the archive with the exchange's ledger, every reported gap with what its instance misses, and the
memory of each worker over time. ``python -m sandbox.soak --help``; ``make soak`` runs all of it.
"""
