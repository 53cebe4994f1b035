"""The replay server: recorded data over HTTP and WebSocket, as Booktape's records and as the exchange sent it."""
