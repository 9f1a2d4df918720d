"""From tables and shards to batches: records < tables, shards < sources < pack, sampling, dataset, validation."""
