"""Writes the file that ships from a checkpoint: ``python -m training.export RUN/checkpoint.pt -o WEIGHTS …``.

Owns the file's metadata. The tensors are the moving average of the weights, in fp32, under BasicSR's names.
"""

import argparse
import datetime
from pathlib import Path

from safetensors.torch import save_file

from sr_core.models.compact import Compact
from training.data import reference_media
from training.evaluate import by_network, mean, score_folder
from training.train import Config, State, load

ARCHITECTURE = "compact"


def describe(
    state: State[Compact], config: Config, *, licence: str, command: str, date: datetime.date, stills: list[Path]
) -> dict[str, str]:
    """The file's metadata: what the network is, where it came from, its mean figures on each folder of stills."""
    network = state.average
    metadata = {
        "architecture": ARCHITECTURE,
        "scale": str(network.scale),
        "feature_count": str(network.feature_count),
        "conv_count": str(network.conv_count),
        "kind": "clean" if config.degradation is None else "video",
        "licence": licence,
        "training_command": command,
        "training_steps": str(state.step),
        "date": date.isoformat(),
    }
    for folder in stills:
        score = mean(score_folder(folder, by_network(network), scale=network.scale))
        metadata[f"{folder.name}_psnr_y_db"] = f"{score.psnr_db:.3f}"
        metadata[f"{folder.name}_ssim_y"] = f"{score.ssim:.4f}"
    return metadata


def export(state: State[Compact], path: Path, *, metadata: dict[str, str]) -> None:
    """Writes the moving average of the weights as safetensors, replacing what was there only once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    tensors = {name: tensor.detach().contiguous() for name, tensor in state.average.state_dict().items()}
    save_file(tensors, partial, metadata=metadata)
    partial.chmod(0o644)  # safetensors leaves it to its owner alone; containers read it as another user
    partial.replace(path)


def main(arguments: list[str] | None = None) -> None:
    """Writes a checkpoint's averaged weights as a safetensors file and prints its metadata."""
    stills = reference_media() / "stills"
    parser = argparse.ArgumentParser(prog="python -m training.export", description=main.__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the safetensors file to write")
    parser.add_argument("--licence", required=True, help="SPDX identifier of the licence of the weights")
    parser.add_argument("--command", required=True, help="the command that trained them, as text")
    parser.add_argument(
        "--date", type=datetime.date.fromisoformat, default=datetime.date.today(), help="today unless given"
    )
    parser.add_argument(
        "--stills", type=Path, action="append", help=f"measured into the metadata; may be repeated (default: {stills})"
    )
    options = parser.parse_args(arguments)
    folders = options.stills or [folder for folder in (stills / "set5", stills / "set14") if folder.is_dir()]
    try:
        state, config = load(options.checkpoint)
        metadata = describe(
            state, config, licence=options.licence, command=options.command, date=options.date, stills=folders
        )
        export(state, options.output, metadata=metadata)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    for name, value in metadata.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
