#!/bin/bash
# Builds every image without a Docker engine, says what is in it, and runs `sr doctor` and, when theirs are built, the four
# stages of a small job for each image of upscale, each in its image as a job definition runs it: the image's user without
# any capability, on a read-only root with /scratch as the one writable folder; and without a network on top of that. The
# server of stills is started as SageMaker starts it, asked for its health and for a still, and stopped.
#
# Needs root and Debian's buildah and podman (1.28 / 4.3 or newer), crun and debootstrap. Where the base image can be
# pulled, nothing else; where it cannot, a debootstrap tree is imported under its name. Builds from a copy of what git
# tracks, so that nothing of the checkout leaks in.
#
#   containers/build-unprivileged.sh [extract|encode|upscale|upscale-cpu|serve]...
#
# PIP_FIND_LINKS, PIP_INDEX_URL and SSL_CERT_FILE are handed on to the build. Where torch's CPU build is among the wheels at
# PIP_FIND_LINKS, all images with torch get that one.
set -euo pipefail

base=docker.io/library/debian:bookworm-slim
root=$(cd "$(dirname "$0")/.." && pwd)
images=("$@")
(( ${#images[@]} )) || images=(extract encode upscale upscale-cpu serve)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export STORAGE_DRIVER=vfs

if ! buildah inspect --type image "$base" > /dev/null 2>&1 && ! buildah pull "$base" > /dev/null 2>&1; then
    debootstrap --variant=minbase bookworm "$work/base" > "$work/debootstrap.log"
    rm -rf "$work"/base/var/cache/apt/* "$work"/base/var/lib/apt/lists/*
    tar -C "$work/base" -c . | podman import - "$base" > /dev/null
fi

mkdir "$work/context"
git -C "$root" ls-files -z -- pyproject.toml setup.py constraints.txt .dockerignore sr_core containers \
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

as_job() {  # IMAGE COMMAND...
    local container folder user environment
    container=$(buildah from --pull-never "sr-$1")
    folder=$(buildah mount "$container")
    user=$(buildah inspect --format '{{.OCIv1.Config.User}}' "$container")
    user=${user:-10001:10001}  # what the entry point of serve becomes
    mapfile -t environment < <(buildah inspect --format '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' "$container" | grep .)
    unshare --mount --net --ipc --pid --fork bash -euc '
        root=$1 scratch=$2 user=$3; shift 3
        mount --bind "$root" "$root"
        mount --bind "$scratch" "$root/scratch"
        mount -t proc proc "$root/proc"
        mount --bind /dev "$root/dev"
        mount -o remount,ro,bind "$root"
        exec chroot "$root" setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs \
            --bounding-set=-all --inh-caps=-all -- env --ignore-environment "$@"
    ' as_job "$folder" "$work/scratch" "$user" "${environment[@]}" "${@:2}"
    buildah umount "$container" > /dev/null
    buildah rm "$container" > /dev/null
}

as_endpoint() {  # as SageMaker: the entry point with `serve`, by root, with Docker's capabilities, and a loopback alone
    local container folder environment entry
    container=$(buildah from --pull-never sr-serve)
    folder=$(buildah mount "$container")
    mapfile -t environment < <(buildah inspect --format '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' "$container" | grep .)
    mapfile -t entry < <(buildah inspect --format '{{range .OCIv1.Config.Entrypoint}}{{println .}}{{end}}' "$container" | grep .)
    unshare --mount --net --ipc --pid --fork bash -euc '
        root=$1; shift
        mount -t proc proc "$root/proc"
        mount --bind /dev "$root/dev"
        python3 -c "import fcntl, socket, struct
with socket.socket() as any: fcntl.ioctl(any, 0x8914, struct.pack(\"16sh\", b\"lo\", 1))"  # SIOCSIFFLAGS: lo is up
        chroot "$root" env --ignore-environment "$@" &
        server=$!
        chroot "$root" /usr/lib/sr/bin/python - <<"EOF"
import io, time, urllib.request
from PIL import Image

address = "http://127.0.0.1:8080"
for _ in range(600):
    try:
        urllib.request.urlopen(f"{address}/ping")
        break
    except OSError:
        time.sleep(0.2)
still = io.BytesIO()
Image.new("RGB", (64, 48), "teal").save(still, "PNG")
request = urllib.request.Request(f"{address}/invocations", still.getvalue(), {"Content-Type": "image/png"})
with urllib.request.urlopen(request) as answer:
    print("   served", answer.headers["Content-Type"], Image.open(io.BytesIO(answer.read())).size)
EOF
        grep -q "^Uid:[[:space:]]*10001[[:space:]]*10001[[:space:]]*10001" "$root/proc/$server/status"
        grep -q "^CapEff:[[:space:]]*0*$" "$root/proc/$server/status"
        grep -q "^CapBnd:[[:space:]]*0*$" "$root/proc/$server/status"
        kill -TERM "$server"
        wait "$server"
    ' as_endpoint "$folder" "${environment[@]}" SR_SERVE="--host 0.0.0.0" "${entry[@]}" serve
    buildah umount "$container" > /dev/null
    buildah rm "$container" > /dev/null
}

contents() {  # IMAGE: its size, its label of licences, and the largest packages in it
    local container folder
    container=$(buildah from --pull-never "sr-$1")
    folder=$(buildah mount "$container")
    echo "== sr-$1: $(du -sm --apparent-size "$folder" | cut -f1) MB unpacked," \
        "$(buildah inspect --format '{{index .OCIv1.Config.Labels "org.opencontainers.image.licenses"}}' "$container")"
    du -sm --apparent-size "$folder"/usr/lib/sr/lib/python3*/site-packages/* | sort -rn \
        | sed -nE '1,8s/^([0-9]+)\s+.*site-packages\/(.*)/   \1 MB \2/p'  # all is read, else sort could end by SIGPIPE
    buildah umount "$container" > /dev/null
    buildah rm "$container" > /dev/null
}

mkdir "$work/scratch"
chown 10001:10001 "$work/scratch"

for image in "${images[@]}"; do
    variant=()
    [[ $image == upscale-cpu ]] && variant=(--build-arg TORCH_BACKEND=cpu)  # as in stacks/constructs/images.py
    buildah bud --layers --pull-never --isolation chroot --network host "${mounts[@]}" "${arguments[@]}" "${variant[@]}" \
        --file "$work/context/containers/${image%-cpu}/Dockerfile" --tag "sr-$image" "$work/context" > "$work/$image.log" 2>&1 \
        || { tail -n 40 "$work/$image.log"; exit 1; }
    contents "$image"
    as_job "$image" sr doctor
    as_job "$image" sh -euc '
        grep -q "^CapEff:[[:space:]]*0*$" /proc/self/status
        for place in /usr/lib/sr /tmp /var/tmp /home; do
            if touch "$place/x" 2> /dev/null; then echo "$place can be written to"; exit 1; fi
        done
        for tool in cc gcc as ld; do
            if command -v "$tool"; then echo "a compiler was left behind"; exit 1; fi
        done'
done
if [[ " ${images[*]} " == *" serve "* ]]; then as_endpoint; fi
for image in extract encode; do [[ " ${images[*]} " == *" $image "* ]] || exit 0; done

for upscale in upscale upscale-cpu; do
    [[ " ${images[*]} " == *" $upscale "* ]] || continue
    echo "== one job through the images extract, $upscale and encode"
    # The source is made in the encode image, which has the ffmpeg command.
    as_job encode python3 - "/scratch/$upscale" <<'EOF'
import hashlib, json, pathlib, subprocess, sys
import imageio_ffmpeg
from sr_core.contract import CONTRACT_VERSION

folder = pathlib.Path(sys.argv[1])
(folder / "job").mkdir(parents=True)
source = folder / "in.mp4"
tone = ["-f", "lavfi", "-i", "sine=duration=2"]
picture = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=24:duration=2"]
subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *picture, *tone, source], check=True)
request = {
    "contract_version": CONTRACT_VERSION,
    "input": str(source),
    "input_version": "sha256:" + hashlib.sha256(source.read_bytes()).hexdigest(),
    "output": str(folder / "out.mp4"),
    "settings": {"device": "cpu", "kernels": "winograd", "segment_codec": "mezzanine"},
}
(folder / "job/request.json").write_text(json.dumps(request))
EOF
    as_job extract sr extract --job "/scratch/$upscale/job"
    as_job "$upscale" sr upscale --job "/scratch/$upscale/job" --chunk 0
    as_job encode sr encode --job "/scratch/$upscale/job" --chunk 0
    as_job encode sr assemble --job "/scratch/$upscale/job"
    as_job encode sr probe "/scratch/$upscale/out.mp4"
    test "$(stat -c %u "$work/scratch/$upscale/out.mp4")" = 10001
done
