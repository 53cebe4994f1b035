"""Storage: the object store and its layout, raw frames, the live cache in Redis, and the clock."""
