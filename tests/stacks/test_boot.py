"""What a machine does before it takes its first job: the user data's script, run."""

import base64
import os
import subprocess
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from .reading import Assembly


@pytest.fixture
def boot_script(production: Assembly) -> str:
    """The shell part of the user data, which Batch wants as MIME multipart; the same on every machine."""
    data, *others = [
        found.properties["LaunchTemplateData"]["UserData"] for found in production.of("EC2::LaunchTemplate")
    ]
    assert others == [data, data]
    parts = message_from_bytes(base64.b64decode(data)).get_payload()
    assert isinstance(parts, list)
    (part,) = parts
    assert isinstance(part, Message)
    assert part.get_content_type() == "text/x-shellscript"
    script = part.get_payload(decode=True)
    assert isinstance(script, bytes)
    return script.decode()


def test_machines_drain_on_a_spot_notice_and_keep_scratch_and_cache_for_the_jobs_user(boot_script: str) -> None:
    assert "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true" in boot_script
    assert "--owner 10001 --group 10001 /scratch /scratch/cache" in boot_script


def test_the_boot_script_is_a_shell_script(boot_script: str) -> None:
    assert boot_script.startswith("#!/bin/bash\n")
    checked = subprocess.run(["bash", "-n"], input=boot_script, capture_output=True, text=True)
    assert checked.stderr == ""


GB = 10**9
DISK = "/dev/nvme{}n1 {} Amazon EC2 NVMe Instance Storage"
VOLUME = "/dev/nvme0n1 107374182400 Amazon Elastic Block Store"


class Boot:
    """The boot script, run by bash, among stand-ins for disks and system services that note how they are called."""

    NOTED = ("mkfs.xfs", "mount", "mdadm", "install", "systemctl", "shutdown")

    def __init__(self, script: str, folder: Path) -> None:
        self.folder = folder
        self.script = script.replace("/etc/", f"{folder}/etc/")
        for made in ("bin", "etc/ecs", "etc/tmpfiles.d"):
            (folder / made).mkdir(parents=True)
        for name in self.NOTED:
            self.stand_in(name, f'echo "{name} $*" >> {folder}/calls')

    def stand_in(self, name: str, body: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)

    def run(self, *disks: str, left_on_volume: int, broken: str | None = None) -> tuple[int, list[str]]:
        """Exit code, and the calls in their order. `broken` is the command that fails."""
        listing = "\n".join((VOLUME, *disks))
        self.stand_in("lsblk", f"cat <<'END'\n{listing}\nEND")
        self.stand_in("df", f"echo Avail; echo {left_on_volume}")
        if broken is not None:
            self.stand_in(broken, f'echo "{broken} $*" >> {self.folder}/calls; exit 1')
        environment = {"PATH": f"{self.folder}/bin:{os.environ['PATH']}"}
        ended = subprocess.run(["bash"], input=self.script, capture_output=True, text=True, env=environment)
        return ended.returncode, (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def boot(boot_script: str, tmp_path: Path) -> Boot:
    return Boot(boot_script, tmp_path)


READY = "install --directory --mode 0700 --owner 10001 --group 10001 /scratch /scratch/cache"


def test_nvme_holds_the_scratch_files_where_it_is_the_larger(boot: Boot) -> None:
    code, calls = boot.run(DISK.format(1, 125 * GB), left_on_volume=60 * GB)
    assert (code, calls[1:]) == (
        0,
        ["mkfs.xfs -f /dev/nvme1n1", "mount --options noatime,nosuid,nodev /dev/nvme1n1 /scratch", READY],
    )
    assert "prefer-cached" in (boot.folder / "etc/ecs/ecs.config").read_text()


def test_several_disks_count_and_serve_as_one(boot: Boot) -> None:
    _, calls = boot.run(DISK.format(1, 75 * GB), DISK.format(2, 75 * GB), left_on_volume=100 * GB)
    assert calls[1].startswith("mdadm --create /dev/md/scratch --level 0 --raid-devices 2")
    assert calls[1].endswith("/dev/nvme1n1 /dev/nvme2n1")
    assert calls[-1] == READY


@pytest.mark.parametrize("disks", [(), (DISK.format(1, 300 * GB),)], ids=["no NVMe", "smaller NVMe"])
def test_a_machine_has_no_less_scratch_than_the_config_says(boot: Boot, disks: tuple[str, ...]) -> None:
    # given an r5d.2xlarge, say, which brings 300 GB, where jobs go that ran out of disk
    code, calls = boot.run(*disks, left_on_volume=420 * GB)
    assert (code, calls) == (0, ["install --directory /scratch", READY])


@pytest.mark.parametrize("broken", ["lsblk", "mkfs.xfs", "mount", "install"])
def test_a_machine_whose_disk_fails_takes_no_job(boot: Boot, broken: str) -> None:
    # else every job there would find that it may not write, call that a wrong input and end its video
    code, calls = boot.run(DISK.format(1, 125 * GB), left_on_volume=60 * GB, broken=broken)
    assert code != 0
    assert calls[-2:] == ["systemctl mask --now ecs.service", "shutdown --poweroff now"]
    assert READY not in calls[:-2] or broken == "install"
