"""Publishes a source's day as a run of steps, and records each step's result in the run's manifest.

``backfill → merge → check → certify → rename → Parquet`` make the files; ``create revision → import → poll → finalise →
change set → poll → revoke`` publish them at AWS.

Any step can be repeated. A step that has a result is not done again (:mod:`booktape.publish.manifest`), and the steps
at AWS look for what exists before they create it.
"""
