#!/bin/bash
# Trains both full-size networks of a scale and writes their files: called again, it goes on where it was stopped.
#   training/make-compact-full.sh 2|4 [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
scale=${1:?which scale: 2 or 4}
weights=${2:-sr_core/models/weights}

train() { # RUN FILE: with its configuration, then the averaged weights into the file
  $python -m training.train --config "training/configs/$1.json" --out "runs/$1" --save-every 250
  $python -m training.export "runs/$1/checkpoint.pt" -o "$2" --licence Apache-2.0 --command "training/make-compact-full.sh $scale"
}
train "compact_x${scale}_full" "$weights/compact-x$scale-full.safetensors"
train "compact_x${scale}_full_video" "$weights/compact-x$scale-full-video.safetensors"
