"""Order-book snapshots over REST, and the budget of requests that all fetchers of one venue share."""
