"""Files of the kernel that hosts do not see, or do not write."""

from __future__ import annotations

from pathlib import Path

from playground.engines.namespaces.filesystems import hidden_files


def test_what_moby_hides_is_hidden() -> None:
    """DefaultLinuxSpec of its daemon/pkg/oci/defaults.go, but for what kernels no longer have."""
    assert set(hidden_files.MASKED_FILES) | set(hidden_files.MASKED_FOLDERS) >= {
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
    }


def test_what_a_kernel_has_more_in_proc_is_looked_up(tmp_path: Path) -> None:
    for name, mode in (("kpageflags", 0o400), ("mtrr", 0o644), ("stat", 0o444), ("keys", 0o400)):
        (tmp_path / name).touch(mode)
        (tmp_path / name).chmod(mode)
    for folder, mode in (("dynamic_debug", 0o644), ("tty", 0o444), ("17", 0o644)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").touch(mode)
    (tmp_path / "self").symlink_to("17")
    assert hidden_files.not_for_hosts(str(tmp_path)) == (
        (f"{tmp_path}/kpageflags",),
        (f"{tmp_path}/dynamic_debug", f"{tmp_path}/mtrr"),
    )


def test_how_hot_each_processor_was_is_hidden(tmp_path: Path) -> None:
    for folder in ("cpu0/thermal_throttle", "cpu1/cache", "cpu12/thermal_throttle", "cpufreq"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "online").touch()
    assert hidden_files.thermal_folders(str(tmp_path)) == (
        f"{tmp_path}/cpu0/thermal_throttle",
        f"{tmp_path}/cpu12/thermal_throttle",
    )
