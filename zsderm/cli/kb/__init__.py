"""``zsderm kb``: look into knowledge bases, check them, make them."""

from zsderm.cli.kb.look import kb

__all__ = ["kb"]
