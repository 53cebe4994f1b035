"""A soak: thousands of streams over four workers, connections cut at random, handovers all the time.

At the end the archive is held against the exchange's ledger, every told gap against what its instance lacks, and the
memory of each worker against itself. ``python -m sandbox.soak --help``; ``make soak`` runs the whole of it.
"""
