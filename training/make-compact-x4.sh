#!/bin/bash
# Trains compact-x4 in two parts and writes its file: called again, it goes on where it was stopped.
#   training/make-compact-x4.sh [FILE]
# The first part ends early, where nothing was gained any more; the second minimises nearly the squared error.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
run=runs/compact_x4

if [ ! -e $run/first.safetensors ]; then
  $python -m training.train --config training/configs/compact_x4.json --out $run --stop-at 14000
  $python -m training.export $run/checkpoint.pt -o $run/first.safetensors --licence Apache-2.0 --command "$0"
fi
[ "${1:-}" = --first-part ] && exit
$python -m training.train --config training/configs/compact_x4_finish.json --out runs/compact_x4_finish
$python -m training.export runs/compact_x4_finish/checkpoint.pt \
  -o "${1:-sr_core/models/weights/compact-x4.safetensors}" --licence Apache-2.0 --command training/make-compact-x4.sh
