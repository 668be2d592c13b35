"""What a teacher cache holds of the images of one batch, on its way to the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

#: Columns of one table: the rows of all images end to end, and ``image``, the place in the batch
#: that each row belongs to.
Columns = Mapping[str, Tensor]


@dataclass(frozen=True)
class StoredRows:
    """Rows of every table that a batch needs.

    They are compact: tensors of the size of what is stored, not of the anchors.  They are laid out
    over the anchors where they are used, on the device.
    """

    tables: Mapping[str, Columns]

    def map(self, function: Callable[[Tensor], Tensor]) -> StoredRows:
        """The same rows with ``function`` applied to each tensor."""
        return StoredRows(
            {
                table: {name: function(values) for name, values in columns.items()}
                for table, columns in self.tables.items()
            }
        )

    def to(self, device: torch.device | str) -> StoredRows:
        """The same rows on ``device``; copies do not wait where the memory is pinned."""
        return self.map(lambda values: values.to(device, non_blocking=True))

    def pin_memory(self) -> StoredRows:
        """The same rows in page-locked memory."""
        return self.map(lambda values: values.pin_memory())
