"""The figures that this project claims, and the commands that give them: ``python -m bench.NAME``. See README.md."""

from sr_core.heap import use_one_heap

use_one_heap()  # as `sr` does: before anything here starts a thread
