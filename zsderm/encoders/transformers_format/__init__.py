"""CLIP and SigLIP as transformers saves them: their parts, and the encoder."""
