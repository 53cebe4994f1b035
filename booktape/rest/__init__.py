"""Requests to venues over REST: order books, lists of instruments, past trades. All processes share a rate limit."""
