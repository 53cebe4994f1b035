"""The past over HTTP and WebSocket: as Booktape's own records, and as the venue would have sent it."""
