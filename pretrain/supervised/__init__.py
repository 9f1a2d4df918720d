"""The image baseline: a tower of timm, fine-tuned on labelled images to answer their classes."""
