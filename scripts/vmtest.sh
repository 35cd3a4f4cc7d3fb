#!/usr/bin/env bash
# The failover story on five virtual machines, without Windows: it boots the same
# seeds that scripts/hyperv/New-MusterCluster.ps1 makes, in QEMU.
#
#   ./scripts/vmtest.sh            three masters and two slaves; 8 to 17 minutes on two cores
#   ./scripts/vmtest.sh --keep     leave the machines' disks and consoles where they are
#
# What differs from Hyper-V: the machines are emulated (no KVM is needed), with
# virtio disks and cards, booted by kernel and initrd instead of by firmware; the
# image is Debian made here, with the packages of Debian's cloud image. The switch
# is a bridge in a network namespace of its own, where this script is the host.
# The clock of m3's machine is an hour ahead: what has clocks of its own shows that
# the cluster does not go by them.
#
# It needs root on Debian, 6 GiB of memory and 8 GiB of disk.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly network=192.168.77
readonly tasks=400                # of the load
readonly boot_limit=1200          # seconds from the first switch-on to five machines that work
readonly namespace="muster-vmtest-$$"
readonly fast_clock=m3            # its machine's clock is an hour ahead

keep=false
declare -A pid_of address_of mac_of role_of
declare -a machines

main() {
	case "${1:-}" in
	"") ;;
	--keep) keep=true ;;
	*) usage ;;
	esac
	(($(id -u) == 0)) || die "it makes a network namespace and a file system: run it as root"
	install_needs
	work="$(mktemp -d "${TMPDIR:-/tmp}/muster-vmtest.XXXXXX")"
	trap clean_up EXIT

	say "1. Image, package, seeds"
	build_base
	build_seeds
	say "2. Five machines are switched on"
	make_switch
	boot_all
	say "3. Tasks"
	first_tasks
	say "4. The leader's plug is pulled under load"
	pull_the_plug
	say "5. Every acknowledged task, on each surviving master"
	audit
	say "6. The dead machine is switched on again"
	switch_on_again
	printf '\nAll of it held, in %d min %d s.\n' $((SECONDS / 60)) $((SECONDS % 60))
}

usage() {
	sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
	exit 2
}

say() { printf '\n%s\n' "$*"; }
tell() { printf '  %s\n' "$*"; }
pass() { printf '  PASS  %s\n' "$*"; }
die() {
	printf '  FAIL  %s\n' "$*" >&2
	exit 1
}

# milliseconds since the epoch.
now() { date +%s%3N; }

install_needs() {
	local packages=(qemu-system-x86 qemu-utils mmdebstrap mtools fdisk e2fsprogs iproute2 jq curl python3) missing=() package
	for package in "${packages[@]}"; do
		dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
	done
	if ((${#missing[@]} > 0)); then
		echo "installing ${missing[*]}"
		apt-get -qq update
		DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
	fi
}

# clean_up ends what was started, by pid, and removes what was made.
clean_up() {
	local pid
	for pid in "${pid_of[@]}" ${server_pid:-} ${load_pid:-}; do
		kill -9 "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	ip netns del "$namespace" 2>/dev/null || true
	if $keep; then
		echo "the machines' disks and consoles are in $work"
	else
		rm -rf "$work"
	fi
}

# build_base makes the disk that all machines start from: Debian with its cloud
# kernel and cloud-init, like Debian's cloud image. It is kept in .cache.
build_base() {
	local include=linux-image-cloud-amd64,systemd-sysv,systemd-resolved,udev,dbus,cloud-init,netplan.io,iproute2,curl,ca-certificates,openssh-server,kmod,initramfs-tools
	local cache=".cache/vmtest" root="$work/root"
	if [[ ! -e "$cache/base.qcow2" ]]; then
		tell "building the image with mmdebstrap"
		mkdir -p "$cache" "$root"
		mmdebstrap --quiet --variant=minbase --include="$include" bookworm "$work/root.tar"
		tar -xf "$work/root.tar" -C "$root" --exclude='./dev/*'
		chroot "$root" sh -c 'lsinitramfs /boot/initrd.img-*' >"$cache/initrd.files"
		cp "$root"/boot/vmlinuz-* "$cache/vmlinuz"
		cp "$root"/boot/initrd.img-* "$cache/initrd"
		truncate -s 3G "$work/base.raw"
		mke2fs -q -t ext4 -L root -d "$root" "$work/base.raw"
		qemu-img convert -O qcow2 "$work/base.raw" "$cache/base.qcow2.new"
		mv "$cache/base.qcow2.new" "$cache/base.qcow2"
		rm -rf "$root" "$work/root.tar" "$work/base.raw"
	fi
	local driver
	for driver in hv_vmbus hv_storvsc hv_netvsc; do
		grep -q "/$driver.ko" "$cache/initrd.files" || die "the image's initrd lacks $driver, without which it does not start on Hyper-V"
	done
	pass "Debian's cloud kernel, with Hyper-V's drivers in its initrd: hv_vmbus, hv_storvsc, hv_netvsc"
}

build_seeds() {
	muster="$work/muster"
	go build -o "$muster" ./cmd/muster
	package="$(./scripts/package.sh --output "$work" 2>"$work/package.log")" || die "no package was built: $(<"$work/package.log")"
	pass "the package is built: ${package##*/}"
	./scripts/cloud-init/seeds.sh --network "$network" --package "$package" --output "$work/seeds" >/dev/null
	# One machine fetches the package over HTTP, as machines in a cloud do.
	./scripts/cloud-init/seeds.sh --network "$network" --package "$package" --package-url "http://$network.1:8000/${package##*/}" --output "$work/web" >/dev/null
	mv -f "$work/web/slave-2.img" "$work/seeds/slave-2.img"
	local name role address mac
	while IFS=$'\t' read -r name role address mac; do
		machines+=("$name")
		role_of["$name"]="$role" address_of["$name"]="$address" mac_of["$name"]="$mac"
	done <"$work/seeds/machines.tsv"
	pass "a seed for each of ${machines[*]}; slave-2's has the package's URL instead of the package"
}

inside() { ip netns exec "$namespace" "$@"; }

# make_switch makes what Hyper-V's internal switch is: the machines and this host
# are on it, and nobody else.
make_switch() {
	local name
	ip netns add "$namespace"
	inside ip link set lo up
	inside ip link add switch type bridge
	inside ip addr add "$network.1/24" dev switch
	inside ip link set switch up
	for name in "${machines[@]}"; do
		inside ip tuntap add "$name" mode tap
		inside ip link set "$name" master switch up
	done
	ip netns exec "$namespace" python3 -m http.server --bind "$network.1" --directory "$work" 8000 >/dev/null 2>&1 &
	server_pid=$!
}

# power_on boots a machine from its own disk, over the image that all share.
power_on() {
	local name="$1" disk="$work/$1.qcow2"
	local clock=utc
	if [[ ! -e "$disk" ]]; then
		qemu-img create -q -f qcow2 -F qcow2 -b "$PWD/.cache/vmtest/base.qcow2" "$disk"
	fi
	if [[ "$name" == "$fast_clock" ]]; then
		clock="$(date --utc --date '1 hour' +%Y-%m-%dT%H:%M:%S)"
	fi
	# Not through a function: the pid is to be QEMU's own.
	ip netns exec "$namespace" qemu-system-x86_64 -accel tcg,tb-size=256 -cpu max -smp 1 -m 512 -display none -monitor none -no-reboot -rtc "base=$clock" \
		-kernel .cache/vmtest/vmlinuz -initrd .cache/vmtest/initrd -append "root=LABEL=root rw console=ttyS0" \
		-serial "file:$work/$name.console" \
		-drive "file=$disk,if=virtio,format=qcow2,cache=none" \
		-drive "file=$work/seeds/$name.img,if=virtio,format=raw,readonly=on" \
		-netdev "tap,id=card,ifname=$name,script=no,downscript=no" \
		-device "virtio-net-pci,netdev=card,mac=${mac_of[$name]}" \
		-device virtio-rng-pci >"$work/$name.qemu" 2>&1 &
	pid_of["$name"]=$!
}

boot_all() {
	local name before=$SECONDS
	for name in "${machines[@]}"; do
		power_on "$name"
		tell "$name: ${role_of[$name]}, ${address_of[$name]}, ${mac_of[$name]}"
	done
	export MUSTER_ADDRESS="http://$network.11:8101,http://$network.12:8101,http://$network.13:8101"
	until_true "$boot_limit" "three masters are ready and two slaves alive" five_work
	pass "three masters are ready and two slaves alive $((SECONDS - before)) s after switching on"
	inside "$muster" status >"$work/status"
	indent <"$work/status"
	grep -q "The wall clock of $fast_clock is .* ahead of the cluster's clock" "$work/status" || die "nothing is said of $fast_clock's clock"
}

five_work() {
	local status
	status="$(inside "$muster" status -o json 2>/dev/null)" || return 1
	inside "$muster" slaves list -o jsonl 2>/dev/null | jq -es 'map(select(.state == "alive")) | length == 2' >/dev/null &&
		jq -e '[.masters[] | select(.status.ready)] | length == 3' <<<"$status" >/dev/null
}

# until_true repeats a command each second until it succeeds: until_true SECONDS WHAT COMMAND...
until_true() {
	local end=$((SECONDS + $1)) what="$2" name
	shift 2
	until "$@"; do
		for name in "${machines[@]}"; do
			kill -0 "${pid_of[$name]:-$$}" 2>/dev/null || die "$name's QEMU has ended: $(cat "$work/$name.qemu")"
		done
		((SECONDS < end)) || give_up "$what"
		sleep 1
	done
}

# give_up shows the machines' consoles: they say what went wrong.
give_up() {
	local name
	for name in "${machines[@]}"; do
		echo "== the end of $name's console" >&2
		tail -n 15 "$work/$name.console" >&2 || true
	done
	die "it took too long until $1"
}

indent() { sed 's/^/  /'; }

first_tasks() {
	tell "muster submit '2 + 3*x' -p x=4 --wait"
	[[ "$(inside "$muster" submit '2 + 3*x' -p x=4 --wait -o json | jq -r .task.result)" == 14 ]] || die "2 + 3*4 is not 14"
	pass "2 + 3*x with x = 4 is 14"
	delayed_task
	tell "a task of 15 seconds for each slave, then one more"
	inside "$muster" submit 'sleep(15) * x' -p x=6 2>&1 | indent
	inside "$muster" submit 'sleep(15) * x' -p x=9 2>&1 | indent
	local code=0
	inside "$muster" submit '2 + 3*x' -p x=4 >"$work/third" 2>&1 || code=$?
	indent <"$work/third"
	((code == 7)) || die "the third task should find full capacity (exit code 7), and got $code"
	pass "full capacity is said, and nothing recorded"
}

# delayed_task submits one that is to start in 10 seconds. By the fast clock it is due
# at once.
delayed_task() {
	local took before
	tell "muster submit '6*7' --not-before 10s --wait"
	before="$(now)"
	inside "$muster" submit '6*7' --not-before 10s --when-full queue --wait >/dev/null
	took=$(($(now) - before))
	((took > 8000 && took < 20000)) || die "a task that was to start in 10 s was done after $took ms"
	pass "a task that was to start in 10 s was done after $((took / 100))00 ms, although a clock is an hour ahead"
}

leader() { inside "$muster" masters list -o jsonl 2>/dev/null | jq -ers 'map(select(.role == "leader"))[0].id'; }

acknowledged() { wc -l <"$work/acks"; }

# pull_the_plug submits tasks one after the other and kills the leader's machine.
pull_the_plug() {
	local i
	for ((i = 1; i <= tasks; i++)); do
		printf '{"expression": "x * x", "parameters": {"x": %d}}\n' "$i"
	done >"$work/tasks.jsonl"
	: >"$work/acks"
	load &
	load_pid=$!
	until_true 120 "a hundred tasks are acknowledged" enough 100
	# Emulated machines are slow enough to lose a leader now and then by themselves.
	until_true 60 "a master leads" leader >/dev/null
	old="$(leader)" || die "the leader lost its place at this very moment: run it again"
	local killed
	killed="$(now)"
	kill -9 "${pid_of[$old]}"
	wait "${pid_of[$old]}" 2>/dev/null || true
	unset "pid_of[$old]"
	tell "kill -9 of the QEMU process of $old, the leader, after $(acknowledged) acknowledged tasks"
	wait "$load_pid" || die "the load ended before all tasks were acknowledged: $(tail -n 3 "$work/load.errors")"
	(($(acknowledged) == tasks)) || die "$(acknowledged) of $tasks tasks were acknowledged"
	local first
	first="$(jq -s --argjson killed "$killed" 'map(select(.at > $killed) | .at) | min - $killed' "$work/acks")"
	until_true 60 "another master leads" leader >/dev/null
	new="$(leader)" || die "nobody took over"
	[[ "$new" != "$old" ]] || die "$old is dead and still called the leader"
	pass "$new leads; the next task was acknowledged $first ms after the plug was pulled"
	pass "all $tasks tasks of the load were acknowledged"
}

enough() { (($(acknowledged) >= $1)); }

# load submits a task at a time, each with a key of its own, and writes each
# acknowledged one down with the moment of its acknowledgement.
load() {
	local i=0 line
	while read -r line; do
		i=$((i + 1))
		until inside curl -sf -m 5 --connect-timeout 1 -L --location-trusted "http://$network.$((11 + RANDOM % 3)):8101/v1/tasks" \
			-H "Idempotency-Key: vmtest-$i" -d "${line%\}}, \"when_full\": \"queue\"}" >"$work/answer" 2>>"$work/load.errors"; do
			((SECONDS < boot_limit + 900)) || return 1
		done
		jq -c --argjson at "$(now)" '{at: $at, id: .task.id, x: .task.parameters.x}' "$work/answer" >>"$work/acks"
	done <"$work/tasks.jsonl"
}

# exported writes what one master has of all tasks, without what differs by nature.
exported() { inside "$muster" --address "http://${address_of[$1]}:8101" tasks export "$work/$1.tasks" >/dev/null; }

everything_done() {
	inside "$muster" tasks list --limit 1 -o json 2>/dev/null | jq -e '.counts.pending + .counts.in_progress == 0' >/dev/null
}

audit() {
	until_true 300 "all tasks are done" everything_done
	local name
	for name in "${machines[@]}"; do
		[[ "${role_of[$name]}" == master && "$name" != "$old" ]] || continue
		judge "$name"
	done
}

# judge holds one master's tasks against what was acknowledged.
judge() {
	exported "$1"
	jq -es --slurpfile acks "$work/acks" '
		(map({key: (.id | tostring), value: .}) | from_entries) as $tasks
		| $acks | all(. as $ack | $tasks[$ack.id | tostring]
			| .status == "done" and .outcome == "succeeded" and .parameters.x == $ack.x and (.result | tonumber) == $ack.x * $ack.x)
	' "$work/$1.tasks" >/dev/null || die "$1 lacks a task that was acknowledged, or has it with another result"
	pass "$1 has all $tasks: done, with the right result"
}

switch_on_again() {
	local before=$SECONDS
	power_on "$old"
	until_true "$boot_limit" "$old has caught up" caught_up
	pass "$old has caught up $((SECONDS - before)) s after switching on"
	judge "$old"
	cmp -s "$work/$old.tasks" "$work/$new.tasks" || die "$old and $new differ"
	pass "$old and $new export the same bytes"
	inside "$muster" status --fingerprint | indent
}

# caught_up holds when all masters are ready with one fingerprint.
caught_up() {
	inside "$muster" status --fingerprint -o json 2>/dev/null |
		jq -e '[.masters[] | select(.status.ready) | .status.fingerprint] | length == 3 and (unique | length == 1)' >/dev/null
}

main "$@"
