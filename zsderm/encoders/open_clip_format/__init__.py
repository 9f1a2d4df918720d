"""Checkpoints in the format of open_clip: their parts, the model built from them, the encoder."""
