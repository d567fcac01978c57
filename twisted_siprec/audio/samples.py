"""
What audio is inside the house: one-dimensional arrays of 16-bit linear samples,
one channel, in the machine's byte order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

NO_SAMPLES: Samples = np.zeros(0, dtype=np.int16)
NO_SAMPLES.flags.writeable = False
