"""Find the most likely tokens of a vocabulary without sorting it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: The vocabulary is compared in as many rows, of which NumPy takes the maximum of each column.
ROWS = 64


def most(size: int) -> int:
    """Return the largest count for `most_likely` in a vocabulary of this size.

    With more, nearly all columns would have one of the tokens.
    """
    return size // ROWS // 2


def most_likely(logits: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.intp]:
    """Return at least the `count` tokens with the largest logits, in ascending order.

    Of tokens with the same logit, all or none are among them. Tokens with a logit of minus infinity
    are left out, also if fewer remain.

    Parameters
    ----------
    count : int
        At most `most` of the size of the vocabulary.
    """
    columns = len(logits) // ROWS
    largest = logits[: columns * ROWS].reshape(ROWS, columns).max(axis=0)
    if len(logits) % ROWS:
        largest = np.append(largest, logits[columns * ROWS :].max())
    # At least `count` columns have a token that is as likely.
    threshold = np.partition(largest, -count)[-count]
    if threshold == -np.inf:
        return np.flatnonzero(logits > threshold)
    return np.flatnonzero(logits >= threshold)
