"""Features that stay where they are, usually a mapped file, and are read a chunk at a time.

Letters: N images, D embedding width, n rows of a chunk.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from zsderm.arrays import Array, RowsOnDisk, check_positive, finite_rows
from zsderm.errors import SettingsError
from zsderm.progress import Announce, silent

CHUNK_SIZE = 4096  # rows, 8 MB of 512 columns: 2 048 to 8 192 take the same time, 32 768 a fifth more


class KnownRows:
    """The rows of an array that hold no NaN, as an array of its own that is read only where it is asked for.

    Files of embeddings have a row of NaN for each image that could not be read.
    """

    def __init__(self, features: Array | RowsOnDisk) -> None:
        """Look through (N', D) features for NaN, a chunk at a time."""
        self._features = features
        known = [torch.empty(0, dtype=torch.bool, device="cpu")]
        for start in range(0, len(features), CHUNK_SIZE):
            known.append(~_in_memory(features[start : start + CHUNK_SIZE]).isnan().any(dim=1))
        self._rows = torch.cat(known).nonzero().flatten().numpy()  # (N,)
        self.shape = (len(self._rows), *features.shape[1:])
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        """N, the rows without NaN."""
        return len(self._rows)

    def __getitem__(self, rows: slice | np.ndarray) -> torch.Tensor:
        """(n, D) float32: some of the rows, in memory."""
        return _in_memory(self._features[self._rows[rows]])


@dataclass(frozen=True)
class FeatureChunks:
    """(N, D) features of any float type, read a chunk at a time; one chunk that holds all of them stays in memory.

    Attributes:
        features: (N, D), in memory or mapped from a file.
        chunk_size: n, rows in memory at a time; None keeps all rows in memory as one chunk.
        announce: is called with the progress of each pass.
        dtype: of the rows as they are read.
        centre: (D,) what is subtracted from each row as it is read; None subtracts nothing.
        device: of the rows as they are read, and so of the computations on them; features may lie elsewhere.
    """

    features: Array | KnownRows
    chunk_size: int | None = CHUNK_SIZE
    announce: Announce = silent
    dtype: torch.dtype = torch.float32
    centre: torch.Tensor | None = None
    device: str | torch.device = "cpu"

    def __post_init__(self) -> None:
        """Refuse what is not a matrix; the values are checked as they are read."""
        check_positive(chunk_size=1 if self.chunk_size is None else self.chunk_size)
        if self.features.ndim != 2 or 0 in self.features.shape:
            raise SettingsError(
                "Expected image features to be a matrix with at least one row and one column, but got shape "
                f"{tuple(self.features.shape)}."
            )

    def __len__(self) -> int:
        """N."""
        return len(self.features)

    @property
    def width(self) -> int:
        """D."""
        return self.features.shape[1]

    @cached_property
    def whole(self) -> torch.Tensor | None:
        """(N, D) all rows where they are one chunk, not to be written to; None where there are several chunks.

        Raises:
            SettingsError: for NaN or infinity.
        """
        if self.chunk_size is not None and self.chunk_size < len(self):
            return None
        rows = finite_rows(self.features[:], "image features", self.dtype, device=self.device)
        return rows if self.centre is None else rows - self.centre

    def read(self, title: str = "") -> Iterator[torch.Tensor]:
        """Make a pass: the rows (n, D) of each chunk, not to be written to, which hold until the next is asked for.

        Every pass reads into one buffer, and all chunks but the last have one shape: otherwise the allocator
        keeps a block for each shape and thread.

        Args:
            title: what the pass is for, as the progress bar says it.

        Raises:
            SettingsError: for NaN or infinity.
        """
        if self.whole is not None:
            yield self.whole
            self.announce(title, len(self))
            return
        size = self.chunk_size or len(self)
        buffer = torch.empty(size, self.width, dtype=self.dtype, device=self.device)
        for start in range(0, len(self), size):
            rows = self.features[start : start + size]
            chunk = buffer[: len(rows)]
            if isinstance(rows, torch.Tensor):
                chunk.copy_(rows)
            elif buffer.device.type == "cpu" and rows.dtype != np.float16:
                np.copyto(chunk.numpy(), rows, casting="unsafe")
            else:
                # Half-precision numbers travel as they are, and torch widens them ten times quicker than numpy. A copy
                # first, for a mapped file cannot be written to.
                chunk.copy_(torch.from_numpy(np.array(rows)).to(self.device))
            # A sum is finite only if its terms are, and ten times quicker than looking at each; it may also overflow.
            if not math.isfinite(chunk.sum().item()):
                finite_rows(chunk, "image features", device=self.device)
            yield chunk if self.centre is None else chunk.sub_(self.centre)
            self.announce(title, start + len(rows))

    def centred(self, centre: torch.Tensor) -> FeatureChunks:
        """The same rows with `centre`, (D,), subtracted from each as it is read."""
        return replace(self, centre=centre.to(self.device, self.dtype))

    def mean(self) -> torch.Tensor:
        """(D,) float32, the mean image."""
        total = torch.zeros(self.width, dtype=torch.float64, device=self.device)
        for rows in self.read("mean image"):
            total += rows.sum(dim=0)
        return (total / len(self)).float()

    def load(self) -> torch.Tensor:
        """(N, D) all rows in memory, not to be written to."""
        return self.whole if self.whole is not None else torch.cat([rows.clone() for rows in self.read()])

    def sampled(self, count: int, seed: int) -> FeatureChunks:
        """These rows where they are one chunk; else a sample of them as one chunk, see `sample`."""
        if self.whole is not None:
            return self
        return FeatureChunks(self.sample(count, seed), None, dtype=self.dtype, device=self.device)

    def sample(self, count: int, seed: int) -> torch.Tensor:
        """Rows drawn without replacement, in the order of the file; all of them where there are not more.

        Args:
            count: how many at most.
            seed: of the draw.

        Returns:
            (count, D) float32.
        """
        if count >= len(self):
            return finite_rows(self.features[:], "image features", device=self.device)
        drawn = np.sort(np.random.default_rng(seed).choice(len(self), count, replace=False))
        return finite_rows(self.features[drawn], "image features", device=self.device)


def _in_memory(rows: Array) -> torch.Tensor:
    return rows.float() if isinstance(rows, torch.Tensor) else torch.from_numpy(np.array(rows, np.float32))
