"""The pure half of Booktape: records, sequence rules, batches, keys, codec, book. No I/O and no clock."""
