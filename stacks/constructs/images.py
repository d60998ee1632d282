"""Images: what runs the stages, and the server of stills, built from this checkout when it is deployed."""

from pathlib import Path
from typing import Literal

import aws_cdk.aws_ecr_assets as ecr_assets
import aws_cdk.aws_ecs as ecs
from constructs import Construct

from sr_core.contract import Stage

IMAGES: dict[Stage, str] = {
    Stage.EXTRACT: "extract",
    Stage.UPSCALE: "upscale",
    Stage.ENCODE: "encode",
    Stage.ASSEMBLE: "encode",
}
"""Folder below containers/ whose image runs a stage."""
SERVER = "serve"
"""Folder whose image serves stills."""
WITHOUT_CUDA = {"TORCH_BACKEND": "cpu"}
"""Build arguments of an image that runs networks, for machines without a GPU."""
_COMPILED = (IMAGES[Stage.UPSCALE], SERVER)
"""Folders whose images run networks: the package's kernels are compiled there, by setup.py."""


class Images(Construct):
    """One image for each Dockerfile of a stage, and one more of upscale's, for machines without a GPU."""

    def __init__(
        self, scope: Construct, construct_id: str, *, root: Path, cpu_architecture: Literal["x86_64", "arm64"]
    ) -> None:
        super().__init__(scope, construct_id)
        upscale = IMAGES[Stage.UPSCALE]
        gpu = ecr_assets.Platform.LINUX_AMD64
        cpu = ecr_assets.Platform.LINUX_ARM64 if cpu_architecture == "arm64" else ecr_assets.Platform.LINUX_AMD64
        self._images = {
            name: image(self, name.capitalize(), root=root, name=name, platform=gpu if name == upscale else cpu)
            for name in sorted(set(IMAGES.values()))
        }
        self._upscale_on_cpu = image(self, "UpscaleCpu", root=root, name=upscale, platform=cpu, build_args=WITHOUT_CUDA)

    def of(self, stage: Stage) -> ecs.ContainerImage:
        """The image that runs a stage; upscale's has CUDA and is for x86."""
        return ecs.ContainerImage.from_docker_image_asset(self._images[IMAGES[stage]])

    def on_cpu(self, stage: Stage) -> ecs.ContainerImage:
        """The image that runs a stage on machines of `cpu_architecture` without a GPU: another for upscale alone."""
        if stage is Stage.UPSCALE:
            return ecs.ContainerImage.from_docker_image_asset(self._upscale_on_cpu)
        return self.of(stage)


def image(
    scope: Construct,
    construct_id: str,
    *,
    root: Path,
    name: str,
    platform: ecr_assets.Platform,
    build_args: dict[str, str] | None = None,
) -> ecr_assets.DockerImageAsset:
    """The image of a folder below containers/.

    Its tag depends on what is copied there (`.dockerignore`), `platform` and `build_args` alone.
    """
    others = {*IMAGES.values(), SERVER} - {name}
    unused = [] if name in _COMPILED else ["setup.py"]
    return ecr_assets.DockerImageAsset(
        scope,
        construct_id,
        directory=str(root),
        file=f"containers/{name}/Dockerfile",
        exclude=[*(f"containers/{other}" for other in sorted(others)), *unused],
        platform=platform,
        build_args=build_args,
    )
