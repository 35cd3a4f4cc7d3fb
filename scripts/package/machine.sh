# A machine for check.sh, without a virtual machine: a directory with Debian in it,
# booted by Debian's own systemd as process 1 of namespaces of its own. Services run
# as they do on a real machine, with users, mounts, filters of system calls and a
# journal; it shares the kernel with this machine, and has a network of its own that
# reaches nothing. Sourced; needs root and a kernel with namespaces and cgroup2.
# shellcheck shell=bash

machine_outside="" # unshare's pid; its only child is systemd
machine_init=""    # systemd's pid, seen from outside
machine_cgroup=""  # what it may divide among its services

# start_machine ROOT boots it and returns when it is up.
start_machine() {
	local root="$1" cgroups state="" end=$((SECONDS + 180))
	cgroups="$(findmnt --noheadings --output TARGET --types cgroup2 | head -n 1)"
	[[ -n "$cgroups" ]] || fail "no cgroup2 is mounted, which systemd needs: mount -t cgroup2 cgroup2 DIRECTORY"
	machine_cgroup="$cgroups/muster-check-$$"
	mkdir "$machine_cgroup" || fail "no cgroup can be made in $cgroups: a container needs to be privileged for this"
	machine_script >"$root.boot"
	(
		echo "$BASHPID" >"$machine_cgroup/cgroup.procs"
		exec unshare --cgroup --mount --pid --fork --kill-child --uts --ipc --net bash "$root.boot" "$root"
	) >"$root.console" 2>&1 </dev/null &
	machine_outside=$!
	until [[ "$state" == running ]]; do
		kill -0 "$machine_outside" 2>/dev/null || fail "the machine did not boot: $(<"$root.console")"
		((SECONDS < end)) || fail "the machine is \"$state\" after three minutes: $(<"$root.console") $(inside systemctl --failed --no-legend)"
		sleep 0.1
		machine_init="$(pgrep --parent "$machine_outside")" || continue
		state="$(inside systemctl is-system-running 2>/dev/null)" || true
	done
}

# machine_script is what runs as process 1 until systemd takes its place.
machine_script() {
	cat <<'END'
set -euo pipefail
cd "$1"
mount --bind . .
cd "$1"
mount -t proc proc proc
# The kernel is not the machine's own: its settings are not for it to change.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
	touch "dev/$device"
	mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
pivot_root . mnt
umount -l mnt
exec env -i container=muster-check PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --log-target=console --log-level=notice
END
}

# inside runs a command in the machine.
inside() {
	nsenter --target "$machine_init" --mount --pid --uts --ipc --net --cgroup -- "$@"
}

# stop_machine pulls its plug; it may be repeated.
stop_machine() {
	local end=$((SECONDS + 60))
	[[ -n "$machine_outside" ]] || return 0
	# It takes systemd with it, and systemd's end is the end of all its processes.
	kill -KILL "$machine_outside" 2>/dev/null || true
	wait "$machine_outside" 2>/dev/null || true
	until find "$machine_cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || ((SECONDS > end)); do
		sleep 0.1
	done
	machine_outside="" machine_init="" machine_cgroup=""
}
