"""Files, packets and frames: probing, scanning, cutting, reading, writing and joining.

The only package that imports PyAV or runs ffmpeg. It does not know stores, networks or what a stage is.
"""
