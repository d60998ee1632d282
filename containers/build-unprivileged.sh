#!/bin/bash
# Builds every image without a Docker engine and runs `sr doctor` in it as the image's user.
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
    buildah bud --pull-never --isolation chroot --network host "${mounts[@]}" "${arguments[@]}" \
        --file "$work/context/containers/$image/Dockerfile" --tag "sr-$image" "$work/context" > "$work/$image.log" 2>&1 \
        || { tail -n 40 "$work/$image.log"; exit 1; }
    container=$(buildah from --pull-never "sr-$image")
    folder=$(buildah mount "$container")
    echo "== sr-$image: $(du -sm "$folder" | cut -f1) MB unpacked, user $(buildah inspect --format '{{.OCIv1.Config.User}}' "$container")"
    buildah run --isolation chroot "$container" -- sr doctor
    buildah umount "$container" > /dev/null
    buildah rm "$container" > /dev/null
done
