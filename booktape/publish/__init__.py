"""The nightly publication of a data source: each step of it, and the record of what was done.

``merge → check → rename → create revision → import → poll → finalise → change set → poll``. Every step can be repeated:
its result is kept in the run's manifest (:mod:`booktape.publish.manifest`), and whatever it asks of AWS is looked for
there before it is asked for again.
"""
