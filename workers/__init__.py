"""Connection workers: one long-running process per exchange and instance (``python -m workers --help``)."""
