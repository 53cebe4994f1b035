"""The application's configuration: settings, queues, metrics, and the files that name venues and sources."""
