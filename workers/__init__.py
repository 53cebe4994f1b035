"""Connection workers: long-running, one process per exchange and instance (``python -m workers --help``)."""
