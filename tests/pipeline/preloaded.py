"""Imported by the fork server alone: what its commands share, so that each is as ready as it is.

One nursery, and what this CPU gains by bf16 and by Winograd's kernels, which every process measures for itself
otherwise.
"""

import gc

from sr_core.inference.gains import bf16_gain, winograd_gain
from sr_core.onednn import keep_kernels
from sr_core.video import nursery

keep_kernels()  # before the first convolution, as the command does
bf16_gain()
winograd_gain()
nursery.start()
gc.freeze()  # else the first collection in a fork copies all memory
