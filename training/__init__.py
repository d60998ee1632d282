"""How the weights that ship with `sr_core` were made, so that anyone can make them again.

`degrade` makes low-resolution images, `data` makes batches of pairs, `train` fits the network, `evaluate` measures it
and `export` writes the file that ships. Nothing in `sr_core` imports this package.
"""
