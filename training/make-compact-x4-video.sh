#!/bin/bash
# Trains compact-x4-video from the first part of compact-x4 and writes its file: called again, it goes on where it was.
#   training/make-compact-x4-video.sh [FILE]
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}

training/make-compact-x4.sh --first-part
$python -m training.train --config training/configs/compact_x4_video.json --out runs/compact_x4_video
$python -m training.export runs/compact_x4_video/checkpoint.pt \
  -o "${1:-sr_core/models/weights/compact-x4-video.safetensors}" --licence Apache-2.0 \
  --command training/make-compact-x4-video.sh
