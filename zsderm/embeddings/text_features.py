"""Texts to unit rows, each distinct text once."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from zsderm.embeddings.cache import TEXTS, FeatureCache, is_unit
from zsderm.errors import SettingsError

if TYPE_CHECKING:
    from zsderm.encoders.base import Encoder

log = logging.getLogger(__name__)

TEXT_BATCH = 256


def embed_texts(encoder: Encoder, texts: Sequence[str], *, cache: str | os.PathLike[str] | None = None) -> np.ndarray:
    """Embed texts, each distinct one once.

    Args:
        encoder: gives the rows.
        texts: M strings.
        cache: a folder that keeps rows between runs, or ``None``. A text that was cut is warned of only when it is
            encoded.

    Returns:
        (M, D) float32 unit rows; equal texts have equal rows.
    """
    if isinstance(texts, str):
        raise SettingsError(f"Expected argument `texts` to be a list of strings, but got the string {texts[:40]!r}.")
    store = None if cache is None else FeatureCache(Path(cache), encoder.fingerprint, encoder.card.width, TEXTS)
    rows = {text: None if store is None else store.read(_key(text)) for text in texts}
    missing = [text for text, row in rows.items() if row is None]
    for start in range(0, len(missing), TEXT_BATCH):
        batch = missing[start : start + TEXT_BATCH]
        with torch.inference_mode():
            encoded = encoder.encode_texts(batch).float().cpu().numpy()  # (B, D)
        for text, row in zip(batch, encoded, strict=True):
            rows[text] = row
            if store is not None and is_unit(row):
                store.write(_key(text), row)
    log.debug("%d texts embedded, %d taken from the cache", len(missing), len(rows) - len(missing))
    table = [row for text in texts if (row := rows[text]) is not None]
    return np.stack(table) if table else np.zeros((0, encoder.card.width), np.float32)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()
