"""The figures that this project claims, and the commands that give them: ``python -m bench.NAME``. See README.md."""

from sr_core.heap import use_one_heap
from sr_core.onednn import keep_kernels

# As `sr` does: before anything here starts a thread or convolves.
use_one_heap()
keep_kernels()
