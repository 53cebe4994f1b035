"""From sockets to the store: everything of the ingest path that does I/O."""
