"""Where objects, raw frames and live values are kept: the object store, its layout, the live cache and the clock."""
