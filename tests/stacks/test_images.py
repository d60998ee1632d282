"""Images: what their Dockerfiles put into them and leave out, their platforms, and what their tags depend on."""

import json
import re
import shutil
from pathlib import Path

import pytest

from sr_core.contract import Stage
from stacks.constructs.images import Images

from .conftest import ROOT
from .reading import Assembly, Json

NAMES = {"extract", "encode", "upscale", "upscale-cpu"}
"""Of the images of stages."""


def by_name(manifest: Path) -> dict[str, Json]:
    """The images of a manifest of assets, by the names that `make images` has for them; each with its tag."""
    found = {}
    for tag, asset in json.loads(manifest.read_text())["dockerImages"].items():
        source = asset["source"]
        name = "-".join([source["dockerFile"].split("/")[1], *source.get("dockerBuildArgs", {}).values()])
        assert name not in found
        found[name] = {**source, "tag": tag}
    return found


def images_of(checkout: Path, folder: Path) -> dict[str, Json]:
    """The images of stages that a checkout makes, synthesized into `folder`."""
    from aws_cdk import App, Stack

    app = App(outdir=str(folder))
    Images(Stack(app, "images"), "Images", root=checkout, cpu_architecture="x86_64")
    app.synth()
    return by_name(folder / "images.assets.json")


def copied(checkout: Path) -> Path:
    """The checkout, copied there, as far as images and these tests go."""
    shutil.copytree(ROOT / "sr_core", checkout / "sr_core", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    shutil.copytree(ROOT / "containers", checkout / "containers")
    for name in (".dockerignore", "pyproject.toml", "setup.py", "constraints.txt", "README.md", "Makefile"):
        shutil.copy(ROOT / name, checkout / name)
    return checkout


@pytest.fixture(scope="module")
def unedited(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    folder = tmp_path_factory.mktemp("unedited")
    return images_of(copied(folder / "checkout"), folder / "cdk.out")


@pytest.mark.parametrize("image", ["extract", "encode", "upscale"])
def test_dockerfiles_make_the_user_that_the_stacks_name(image: str) -> None:
    text = (ROOT / "containers" / image / "Dockerfile").read_text()
    assert "USER 10001:10001" in text
    assert 'ENTRYPOINT ["sr"]' in text
    assert ("[inference,zoo]" in text) == (image == "upscale"), "torch is for upscale alone"
    assert ("rm -rf /usr/lib/sr/lib/python3*/site-packages/imageio_ffmpeg/binaries" in text) == (image != "encode"), (
        "the ffmpeg command is for converting audio, which assemble does"
    )


@pytest.mark.parametrize("image", ["extract", "encode", "upscale", "serve"])
def test_images_that_run_networks_compile_their_kernels_and_no_other_holds_a_compiler(image: str) -> None:
    # a compiler stays in the stage that is thrown away; without kernels, the build fails
    build, shipped = (ROOT / "containers" / image / "Dockerfile").read_text().split("\nFROM ")[1:]
    runs_networks = image in ("upscale", "serve")
    assert ("gcc libc6-dev" in build) == runs_networks
    assert ("setup.py" in build) == runs_networks
    assert ("&& ls /usr/lib/sr/lib/python3*/site-packages/sr_core/inference/winograd_*.so" in build) == runs_networks
    assert "gcc" not in shipped


@pytest.mark.parametrize(("example", "cpu"), [("production", "linux/amd64"), ("isolated", "linux/arm64")])
def test_what_runs_without_a_gpu_is_for_the_architecture_of_the_cpus(
    assemblies: dict[str, Assembly], example: str, cpu: str
) -> None:
    # given a config for x86, and one for Graviton
    (manifest,) = assemblies[example].folder.glob("*-pipeline.assets.json")
    # when
    images = by_name(manifest)
    # then the one image with CUDA is for x86
    assert {name: image["platform"] for name, image in images.items()} == {
        **dict.fromkeys(NAMES, cpu),
        "upscale": "linux/amd64",
    }


def test_upscales_two_images_are_of_one_dockerfile_and_of_the_same_files(production: Assembly) -> None:
    images = by_name(production.folder / "sr-pipeline.assets.json")
    with_cuda, on_cpus = images["upscale"], images["upscale-cpu"]
    assert "dockerBuildArgs" not in with_cuda
    assert on_cpus["dockerBuildArgs"] == {"TORCH_BACKEND": "cpu"}
    assert on_cpus["dockerFile"] == with_cuda["dockerFile"]

    def files(image: Json) -> dict[Path, bytes]:
        context = production.folder / image["directory"]
        return {path.relative_to(context): path.read_bytes() for path in context.rglob("*") if path.is_file()}

    assert files(on_cpus) == files(with_cuda)
    # else one of them would be pushed in place of the other
    assert on_cpus["tag"] != with_cuda["tag"]


@pytest.mark.parametrize("stage", Stage)
def test_only_upscale_has_another_image_on_cpus(tmp_path: Path, stage: Stage) -> None:
    # given a stack that uses both images of a stage
    from aws_cdk import App, CfnOutput, Stack
    from aws_cdk import aws_ecs as ecs

    app = App(outdir=str(tmp_path))
    stack = Stack(app, "images")
    images = Images(stack, "Images", root=ROOT, cpu_architecture="arm64")
    task = ecs.Ec2TaskDefinition(stack, "Task")
    for name, image in (("usual", images.of(stage)), ("cpu", images.on_cpu(stage))):
        CfnOutput(stack, name, value=task.add_container(name, image=image, memory_limit_mib=4).image_name)
    # when
    app.synth()
    # then
    outputs = json.loads((tmp_path / "images.template.json").read_text())["Outputs"]
    tags = {name: outputs[name]["Value"]["Fn::Sub"].rsplit(":", 1)[1] for name in ("usual", "cpu")}
    made = by_name(tmp_path / "images.assets.json")
    usual = {"assemble": "encode"}.get(stage.value, stage.value)
    assert tags == {
        "usual": made[usual]["tag"],
        "cpu": made["upscale-cpu" if stage is Stage.UPSCALE else usual]["tag"],
    }


def test_an_image_is_made_of_the_package_and_its_own_dockerfile_alone(production: Assembly) -> None:
    images = by_name(production.folder / "sr-pipeline.assets.json")
    assert set(images) == NAMES
    for name, image in images.items():
        context = production.folder / image["directory"]
        inside = {path.relative_to(context).parts[0] for path in context.rglob("*") if path.is_file()}
        compiled = {"setup.py"} if name.startswith("upscale") else set()
        always = {".dockerignore", "pyproject.toml", "sr_core", "containers"}
        assert always | compiled <= inside <= always | compiled | {"constraints.txt"}
        folder = name.removesuffix("-cpu")
        assert [path.relative_to(context) for path in context.glob("containers/**/*") if path.is_file()] == [
            Path("containers", folder, "Dockerfile")
        ]
        assert not list(context.rglob("__pycache__"))
        assert not list(context.rglob("*.so")), "what this machine compiled runs on this machine"
        kernels = {path.name for path in (context / "sr_core/inference/kernels").iterdir()}
        assert {"planes.c", "winograd.c"} <= kernels


@pytest.mark.parametrize(
    ("edited", "anew"),
    [
        ("README.md", set()),
        ("Makefile", set()),
        ("containers/build-unprivileged.sh", set()),
        ("containers/serve/Dockerfile", set()),
        ("containers/extract/Dockerfile", {"extract"}),
        ("containers/upscale/Dockerfile", {"upscale", "upscale-cpu"}),
        ("setup.py", {"upscale", "upscale-cpu"}),
        ("constraints.txt", NAMES),
        ("sr_core/contract.py", NAMES),
    ],
)
def test_an_edit_makes_those_images_anew_that_it_reaches(
    unedited: dict[str, Json], tmp_path: Path, edited: str, anew: set[str]
) -> None:
    # given
    checkout = copied(tmp_path / "checkout")
    # when
    with (checkout / edited).open("a") as file:
        file.write("# edited\n")
    images = images_of(checkout, tmp_path / "cdk.out")
    # then
    assert set(images) == set(unedited) == NAMES
    assert {name for name in NAMES if images[name]["tag"] != unedited[name]["tag"]} == anew


def test_make_images_builds_them_all_with_the_same_build_arguments() -> None:
    script = (ROOT / "containers" / "build-unprivileged.sh").read_text()
    (built,) = re.findall(r"\|\| images=\((.*)\)", script)
    assert set(built.split()) == NAMES | {"serve"}
    assert "[[ $image == upscale-cpu ]] && variant=(--build-arg TORCH_BACKEND=cpu)" in script


@pytest.mark.parametrize("image", ["upscale", "serve"])
def test_uv_is_the_makefiles_and_is_not_shipped(image: str) -> None:
    build, shipped = (ROOT / "containers" / image / "Dockerfile").read_text().split("\nFROM ")[1:]
    assert re.findall(r"\buv==([\d.]+)", build) == re.findall(
        r"^UV_VERSION := ([\d.]+)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE
    )
    assert "python3 -m venv /opt/uv" in build
    assert re.findall(r"^COPY (.*)$", shipped, flags=re.MULTILINE) == ["--from=build /usr/lib/sr /usr/lib/sr"]
