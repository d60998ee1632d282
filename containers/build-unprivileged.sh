#!/bin/bash
# Builds every image without a Docker engine, runs `sr doctor` in each as the image's user and, when all are built, the
# stages of one small job, each in its image, in one shared scratch folder.
#
# Needs Debian's buildah and podman (1.28 / 4.3 or newer), crun and debootstrap. Where the base image can be pulled,
# nothing else; where it cannot, a debootstrap tree is imported under its name. Builds from a copy of what git tracks, so
# that nothing of the checkout leaks in.
#
#   containers/build-unprivileged.sh [extract|encode|upscale]...
#
# PIP_FIND_LINKS, PIP_INDEX_URL and SSL_CERT_FILE are handed on to the build.
set -euo pipefail

base=docker.io/library/debian:bookworm-slim
root=$(cd "$(dirname "$0")/.." && pwd)
images=("$@")
(( ${#images[@]} )) || images=(extract encode upscale)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export STORAGE_DRIVER=vfs

if ! buildah inspect --type image "$base" > /dev/null 2>&1 && ! buildah pull "$base" > /dev/null 2>&1; then
    debootstrap --variant=minbase bookworm "$work/base" > "$work/debootstrap.log"
    rm -rf "$work"/base/var/cache/apt/* "$work"/base/var/lib/apt/lists/*
    tar -C "$work/base" -c . | podman import - "$base" > /dev/null
fi

mkdir "$work/context"
git -C "$root" ls-files -z -- pyproject.toml constraints.txt .dockerignore sr_core containers \
    | tar -C "$root" --null --files-from=- -c | tar -C "$work/context" -x

mounts=()
arguments=()
if [[ -n ${SSL_CERT_FILE:-} ]]; then
    mounts+=(--volume "$SSL_CERT_FILE:/run/host-ca.crt:ro")
    arguments+=(--build-arg PIP_CERT=/run/host-ca.crt)
fi
if [[ -d ${PIP_FIND_LINKS:-} ]]; then
    mounts+=(--volume "$PIP_FIND_LINKS:/run/wheels:ro")
    arguments+=(--build-arg PIP_FIND_LINKS=/run/wheels)
fi
[[ -n ${PIP_INDEX_URL:-} ]] && arguments+=(--build-arg "PIP_INDEX_URL=$PIP_INDEX_URL")

for image in "${images[@]}"; do
    buildah bud --layers --pull-never --isolation chroot --network host "${mounts[@]}" "${arguments[@]}" \
        --file "$work/context/containers/$image/Dockerfile" --tag "sr-$image" "$work/context" > "$work/$image.log" 2>&1 \
        || { tail -n 40 "$work/$image.log"; exit 1; }
    container=$(buildah from --pull-never "sr-$image")
    folder=$(buildah mount "$container")
    user=$(buildah inspect --format '{{.OCIv1.Config.User}}' "$container")
    echo "== sr-$image: $(du -sm "$folder" | cut -f1) MB unpacked, user $user"
    buildah run --isolation chroot "$container" -- sr doctor
    buildah umount "$container" > /dev/null
    buildah rm "$container" > /dev/null
done
(( ${#images[@]} == 3 )) || exit 0

mkdir -p "$work/scratch/job"
chown -R 10001:10001 "$work/scratch"

in_image() {  # IMAGE COMMAND...
    local container
    container=$(buildah from --pull-never "sr-$1")
    buildah run --isolation chroot --volume "$work/scratch:/scratch" "$container" -- "${@:2}"
    buildah rm "$container" > /dev/null
}

echo "== one job through the three images"
in_image encode python3 - <<'EOF'
import hashlib, json, pathlib, subprocess
import imageio_ffmpeg

source = pathlib.Path("/scratch/in.mp4")
tone = ["-f", "lavfi", "-i", "sine=duration=2"]
picture = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=24:duration=2"]
subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *picture, *tone, source], check=True)
request = {
    "contract_version": 1,
    "input": str(source),
    "input_version": "sha256:" + hashlib.sha256(source.read_bytes()).hexdigest(),
    "output": "/scratch/out.mp4",
    "settings": {"device": "cpu"},
}
pathlib.Path("/scratch/job/request.json").write_text(json.dumps(request))
EOF
in_image extract sr extract --job /scratch/job
in_image upscale sr upscale --job /scratch/job --chunk 0
in_image encode sr assemble --job /scratch/job
in_image encode sr probe /scratch/out.mp4
test "$(stat -c %u "$work/scratch/out.mp4")" = 10001
