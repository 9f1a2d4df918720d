"""``zsderm pretrain``: train an encoder, and what comes before and after."""

from zsderm.cli.pretrain.run import pretrain

__all__ = ["pretrain"]
