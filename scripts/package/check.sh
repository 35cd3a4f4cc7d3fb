#!/usr/bin/env bash
# Checks the Debian package as a machine will have it: builds it, installs, upgrades,
# removes and purges it on Debian 12, and runs its services there under systemd.
#
#   ./scripts/package/check.sh
#
# The machine is that of machine.sh. Debian comes from mmdebstrap once, and stays in
# .cache/package.tar; remove the file to have Debian's updates. It needs Go, and root
# on Debian with mmdebstrap.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/package/common.sh
source scripts/package/common.sh
# shellcheck source=scripts/package/machine.sh
source scripts/package/machine.sh

readonly units=(muster-master muster-slave)
readonly old=0.1.0 new=0.2.0

# Seconds that anything may take, on a machine several times slower than a quiet one.
readonly limit=180

main() {
	work="$(mktemp -d)"
	trap clean_up EXIT
	root="$work/root"
	read_stamp "$new"
	check_versions
	build_debs
	unpack_debian
	check_installation
	check_units
	check_services
	check_upgrade
	check_removal
	check_mistakes
}

clean_up() {
	stop_machine
	rm -rf "$work"
}

fail() {
	echo "scripts/package/check.sh: $1" >&2
	exit 1
}

pass() { echo "PASS  $1"; }

# --- what needs no machine

# check_versions holds the versions that common.sh makes against dpkg's order.
check_versions() {
	local before after repository="$work/repository"
	while read -r before after; do
		before_in_debian "$before" "$after" || fail "dpkg does not order $before before $after"
	done <<-END
		1.2.3-rc1 1.2.3-rc2
		1.2.3-rc1 1.2.3
		1.2.3-rc1 1.2.3-rc1+fix
		1.2.3 1.2.4-rc1
		1.2.3 1.10.0
		1.2.3 1.2.3+modified
	END

	# Versions that git's tags lead to, from no tag at all to the one after next.
	git init -q "$repository"
	local versions=() i
	commit && versions+=("$(version_of_commit)")
	commit v1.2.2 && versions+=("$(version_of_commit)")
	commit && versions+=("$(version_of_commit)")
	commit v1.2.3-rc1 && versions+=("$(version_of_commit)")
	commit && versions+=("$(version_of_commit)")
	commit v1.2.3 && versions+=("$(version_of_commit)")
	commit && versions+=("$(version_of_commit)")
	echo changed >"$repository/file" && versions+=("$(version_of_commit)")
	[[ "${versions[1]} ${versions[3]} ${versions[5]}" == "v1.2.2 v1.2.3-rc1 v1.2.3" ]] ||
		fail "a tagged commit has not its tag's version: ${versions[*]}"
	for ((i = 1; i < ${#versions[@]}; i++)); do
		before_in_debian "${versions[i - 1]}" "${versions[i]}" || fail "dpkg does not order ${versions[i - 1]} before ${versions[i]}"
	done
	before_in_debian "${versions[7]}" v1.2.4-rc1 || fail "dpkg does not order ${versions[7]} before v1.2.4-rc1"
	if before_in_debian 1.2.3 1.2.3-rc1; then
		fail "a wrong order was not noticed"
	fi
	pass "dpkg orders the versions: $(debian_version "${versions[4]}") is before 1.2.3, $(debian_version "${versions[6]}") after it"
}

before_in_debian() { dpkg --compare-versions "$(debian_version "$1")" lt "$(debian_version "$2")"; }

# commit makes a commit, one second after the one before, and tags it.
commit() {
	local at
	at=$((1700000000 + $(git -C "$repository" rev-list --count --all)))
	GIT_COMMITTER_DATE="@$at +0000" git -C "$repository" -c user.name=check -c user.email=check@muster.invalid \
		commit -q --allow-empty -m commit
	if [[ -n "${1:-}" ]]; then
		git -C "$repository" tag "$1"
	fi
}

version_of_commit() (
	cd "$repository"
	read_stamp ""
	echo "$stamp_version"
)

# build_debs builds all packages that the check uses: one of them twice, and one for
# the other kind of machine.
build_debs() {
	local arch other=arm64
	arch="$(go env GOHOSTARCH)"
	if [[ "$arch" == arm64 ]]; then
		other=amd64
	fi
	old_deb="$(./scripts/package.sh --version "$old" --arch "$arch" --output "$work/debs" 2>/dev/null)"
	new_deb="$(./scripts/package.sh --version "$new" --arch "$arch" --output "$work/debs" 2>/dev/null)"
	other_deb="$(./scripts/package.sh --version "$new" --arch "$other" --output "$work/debs" 2>/dev/null)"
	local again
	again="$(
		umask 077
		TZ=Asia/Kolkata GOFLAGS=-ldflags=-w GOOS=plan9 GOARCH=386 \
			./scripts/package.sh --version "$new" --arch "$arch" --output "$work/again" 2>/dev/null
	)"
	cmp "$new_deb" "$again" || fail "two builds of one package differ: something of their surroundings got in"
	if cmp -s "$old_deb" "$again"; then
		fail "builds that differ were not noticed"
	fi
	[[ "$(dpkg-deb --field "$other_deb" Architecture Version)" == "$(printf 'Architecture: %s\nVersion: %s' "$other" "$new")" ]] ||
		fail "$other_deb is not for $other: $(dpkg-deb --field "$other_deb")"
	pass "built twice with the same bytes; and for $other"
}

# --- on the machine

unpack_debian() {
	local base=.cache/package.tar
	if [[ ! -e "$base" ]]; then
		echo "fetching Debian 12 into $base"
		mkdir -p .cache
		mmdebstrap --quiet --variant=essential --include=passwd,systemd-sysv,bash-completion,mandoc bookworm "$work/base.tar"
		mv "$work/base.tar" "$base.new" # from another file system, perhaps, and so not at once
		mv "$base.new" "$base"
	fi
	mkdir "$root"
	tar -xf "$base" -C "$root"
	cp "$old_deb" "$new_deb" "$root/mnt"
}

# on runs dpkg and the like in the machine's directory while it is off.
on() { chroot "$root" "$@"; }

# install FILE... says only what went wrong.
install() { on dpkg --install "/mnt/$(basename "$1")" >"$work/dpkg" 2>&1 || fail "dpkg did not install $1: $(<"$work/dpkg")"; }

check_installation() {
	# Without systemd's program useradd makes the user; both make the same.
	local by_useradd by_sysusers
	mv "$root/usr/bin/systemd-sysusers" "$work/systemd-sysusers"
	install "$old_deb"
	by_useradd="$(user_line)"
	on dpkg --purge muster >/dev/null 2>&1
	on userdel muster
	mv "$work/systemd-sysusers" "$root/usr/bin/systemd-sysusers"
	install "$old_deb"
	by_sysusers="$(user_line)"
	[[ -n "$by_sysusers" && "$by_useradd" == "$by_sysusers" ]] ||
		fail "useradd and systemd-sysusers make different users: \"$by_useradd\", \"$by_sysusers\""
	pass "the user is made by systemd-sysusers, and by useradd without it: $by_sysusers"

	check_modes "$(dpkg-deb --contents "$old_deb")" || fail "the package holds the files above"
	[[ -z "$(on dpkg --verify muster)" ]] || fail "files are not as they were packed: $(on dpkg --verify muster)"
	# shellcheck disable=SC2016 # for dpkg
	[[ "$(on dpkg-query --show --showformat '${Conffiles}' muster)" == *" /etc/default/muster "* ]] ||
		fail "/etc/default/muster is no conffile"
	[[ "$(stat -c '%a %U' "$root/etc/muster")" == "755 root" ]] || fail "/etc/muster is $(stat -c '%a %U' "$root/etc/muster")"
	[[ ! -e "$root/etc/systemd/system/multi-user.target.wants/muster-master.service" ]] || fail "a service was enabled unasked"
	says_version "$old"
	pass "files, modes, owners; muster version says v$old"

	check_pages || fail "see above"
	pass "a manual page for each of $(wc -l <"$work/commands") commands"

	mv "$root/usr/share/man/man1/muster-status.1.gz" "$work"
	if check_pages 2>/dev/null; then
		fail "a missing manual page was not noticed"
	fi
	mv "$work/muster-status.1.gz" "$root/usr/share/man/man1"
	if check_modes "-rwsrwxr-x root/muster 1 2026-01-01 00:00 ./usr/bin/muster" >/dev/null; then
		fail "wrong modes were not noticed"
	fi
}

# user_line is the user muster, without its number.
user_line() { on getent passwd muster | cut -d : -f 1,5-; }

# check_modes refuses what others than root could write to, or what runs as root.
check_modes() {
	awk '$2 != "root/root" || $1 !~ /^(drwxr-xr-x|-rw-r--r--|-rwxr-xr-x)$/ || ($1 ~ /^-rwx/ && $NF != "./usr/bin/muster") {print; bad = 1}
		END {exit bad}' <<<"$1"
}

says_version() {
	local said
	said="$(on muster version -o json)"
	[[ "$said" == *"\"version\": \"v$1\""* && "$said" == *"\"commit\": \"$stamp_commit\""* && "$said" == *"\"commit_time\": \"$stamp_time\""* ]] ||
		fail "muster version should say v$1 of commit $stamp_commit: $said"
}

# check_pages asks muster for its commands, and looks for a readable page of each.
check_pages() {
	local name page text
	list_commands >"$work/commands"
	(($(wc -l <"$work/commands") > 20)) || fail "muster's help was not understood: it names $(<"$work/commands")"
	while read -r name; do
		page="/usr/share/man/man1/${name// /-}.1.gz"
		if [[ ! -e "$root$page" ]]; then
			echo "\"$name\" has no manual page" >&2
			return 1
		fi
		on mandoc -T lint -W error "$page" || return 1
		text="$(on mandoc -T utf8 "$page" | sed 's/.\x08//g')"
		[[ "$text" == *"$name"* && "$text" == *SYNOPSIS* ]] || return 1
	done <"$work/commands"
}

# list_commands prints "muster", and each command below it, as help shows them.
list_commands() {
	local todo=(muster) name sub
	while ((${#todo[@]} > 0)); do
		name="${todo[0]}"
		todo=("${todo[@]:1}")
		echo "$name"
		# shellcheck disable=SC2086 # words of a command
		for sub in $(on $name --help | sed -n '/^Available Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'); do
			[[ "$sub" == help ]] || todo+=("$name $sub")
		done
	done
}

# check_units has Debian's systemd read the units as they were installed.
check_units() {
	local unit score wrong=/usr/lib/systemd/system/wrong.service
	for unit in "${units[@]}"; do
		verify_unit "/usr/lib/systemd/system/$unit.service" || fail "systemd finds the mistakes above in $unit.service"
		score="$(exposure "/usr/lib/systemd/system/$unit.service")" || fail "$unit.service is too exposed, 2.0 is too much: $score"
		pass "$unit.service has no mistakes; systemd-analyze security: $score"
	done

	sed 's/^ProtectSystem=/ProtectSytem=/' scripts/package/systemd/muster-slave.service >"$root$wrong"
	if verify_unit "$wrong" >/dev/null; then
		fail "a mistyped setting was not noticed"
	fi
	sed '/^ProtectSystem=/,$d' scripts/package/systemd/muster-slave.service >"$root$wrong"
	if exposure "$wrong" >/dev/null; then
		fail "a unit without hardening was not noticed"
	fi
	rm "$root$wrong"
}

# verify_unit fails if systemd says anything: what it does not understand it only prints.
verify_unit() {
	local said
	said="$(on systemd-analyze verify --man=no "$1" 2>&1)" || true
	echo -n "$said"
	[[ -z "$said" ]]
}

# exposure prints the score, and fails if it is 2.0 or more.
exposure() {
	local said
	said="$(on systemd-analyze security --no-pager --offline=true --threshold=19 "$1" 2>&1)" || {
		echo "$said"
		return 1
	}
	grep -o '[0-9.]* OK' <<<"$said"
}

# check_services runs a master and a slave as an administrator would.
check_services() {
	local unit
	# What somebody changed before the upgrade.
	echo "MUSTER_LOG_FORMAT=json" >>"$root/etc/default/muster"
	on muster init master --id m1 --bootstrap --advertise 127.0.0.1 --output /etc/muster/master.yaml >/dev/null
	on muster init slave --name slave-1 --masters 127.0.0.1 --advertise 127.0.0.1 --output /etc/muster/slave.yaml >/dev/null 2>&1
	# A forbidden system call fails in the units. Here it kills, so that none is missed.
	for unit in "${units[@]}"; do
		drop_in "$unit" check 'SystemCallErrorNumber=kill'
	done
	start_machine "$root"
	inside systemctl enable --quiet --now "${units[@]}"
	until_true "the slave is registered" slave_is v$old
	computes 'nthprime(1000)' 7919
	kill_children
	computes '2 ** 10' 1024
	for unit in "${units[@]}"; do
		check_sandbox "$unit" || fail "$unit is not confined as its unit says"
		prints '^{"time":' inside journalctl --quiet --unit "$unit" --output cat ||
			fail "$unit does not read /etc/default/muster: $(journal "$unit")"
	done
	[[ "$(inside stat -c '%a %U' /var/lib/muster /var/lib/muster/master)" == $'750 muster\n700 muster' ]] ||
		fail "the data are not the service's own: $(inside stat -c '%n %a %U' /var/lib/muster /var/lib/muster/master)"
	pass "a master and a slave run under systemd with all filters; tasks are computed, also after a child was killed"

	check_completion tas tasks || fail "bash does not complete \"muster tas\""
	if check_completion tas slaves; then
		fail "a wrong completion was not noticed"
	fi

	local before
	before="$(main_pid muster-master)"
	inside systemctl kill --signal KILL muster-master
	until_true "systemd starts the killed master again" restarted muster-master "$before"
	until_true "the slave is registered" slave_is v$old
	computes '3 * 4' 12
	pass "a killed master comes back by itself"

	for unit in "${units[@]}"; do
		check_hangup "$unit"
		until_true "the slave is registered" slave_is v$old
		computes '4 * 5' 20
	done
	pass "a reload is refused and changes nothing; SIGHUP ends a service as SIGTERM does, for good, until it is started"

	# What the checks above must notice.
	local wrong
	for wrong in ProtectSystem=no ReadOnlyPaths= $'NoExecPaths=\nNoExecPaths=/' PrivateUsers=no; do
		drop_in muster-slave wrong "$wrong"
		inside systemctl restart muster-slave
		if check_sandbox muster-slave 2>/dev/null; then
			fail "a slave with \"$wrong\" was not noticed"
		fi
	done
	drop_in muster-slave wrong 'SystemCallFilter=~prlimit64'
	inside systemctl restart muster-slave
	until_true "a system call that is not allowed ends the slave" ended_by_signal muster-slave
	rm "$root/etc/systemd/system/muster-slave.service.d/wrong.conf"
	inside systemctl daemon-reload
	inside systemctl restart muster-slave
	until_true "the slave is registered" slave_is v$old
}

# check_hangup: a unit can't be reloaded, and SIGHUP ends it as docs/deploy/running.md
# says: with 0, which systemd does not start again.
check_hangup() {
	local before
	before="$(main_pid "$1")"
	if inside systemctl reload "$1" >"$work/reload" 2>&1; then
		fail "$1 can be reloaded, and there is nothing to reload"
	fi
	[[ "$(main_pid "$1")" == "$before" ]] || fail "a refused reload changed $1: $(journal "$1")"
	inside systemctl kill --signal HUP --kill-whom main "$1"
	until_true "SIGHUP ends $1" is_over "$1"
	[[ "$(inside systemctl show --property Result --value "$1")" == success &&
		"$(inside systemctl show --property ExecMainStatus --value "$1")" == 0 ]] ||
		fail "$1 did not end well after SIGHUP: $(journal "$1")"
	prints 'hangup' inside journalctl --quiet --unit "$1" --output cat || fail "$1 does not say that a SIGHUP ended it: $(journal "$1")"
	if [[ "$1" == muster-slave ]]; then
		prints '"msg":"left"' inside journalctl --quiet --unit "$1" --output cat || fail "the slave did not say goodbye after SIGHUP: $(journal "$1")"
	fi
	inside systemctl start "$1"
}

# is_over holds when a unit has ended and systemd is not about to start it again: then
# it would be "activating".
is_over() { [[ "$(inside systemctl show --property ActiveState --value "$1")" == inactive ]]; }

# check_completion: bash finds the completion by itself, and it completes $1 to $2.
check_completion() {
	# shellcheck disable=SC2016 # for the machine's bash
	inside bash -c '
		compopt() { :; } # bash has it only while somebody presses Tab
		source /usr/share/bash-completion/bash_completion
		_completion_loader muster || (($? == 124)) # "loaded, try again"
		COMP_WORDS=(muster "$1") COMP_CWORD=1 COMP_LINE="muster $1" COMP_POINT=$((7 + ${#1})) COMP_TYPE=9
		"$(complete -p muster | sed "s/.* -F \([^ ]*\) .*/\1/")" muster "$1" muster
		[[ "${COMPREPLY[*]}" =~ ^"$2" ]]
	' bash "$1" "$2"
}

# drop_in UNIT NAME SETTINGS changes a unit as "systemctl edit" does.
drop_in() {
	mkdir -p "$root/etc/systemd/system/$1.service.d"
	printf '[Service]\n%s\n' "$3" >"$root/etc/systemd/system/$1.service.d/$2.conf"
	if [[ -n "$machine_init" ]]; then
		inside systemctl daemon-reload
	fi
}

# until_true WHAT COMMAND... waits, on a machine that may be slow.
until_true() {
	local end=$((SECONDS + limit)) what="$1"
	shift
	until "$@"; do
		((SECONDS < end)) || fail "it took too long until $what: $(journal "${units[@]}")"
		sleep 0.1
	done
}

journal() { inside journalctl --no-pager --output short-precise --lines 20 "${@/#/--unit=}"; }

main_pid() { inside systemctl show --property MainPID --value "$1"; }

restarted() { [[ "$(main_pid "$1")" != 0 && "$(main_pid "$1")" != "$2" ]]; }

ended_by_signal() { [[ "$(inside systemctl show --property Result --value "$1")" =~ ^(signal|core-dump)$ ]]; }

# slave_is holds when the slave is alive with this version.
slave_is() {
	inside muster slaves list --output jsonl 2>/dev/null |
		grep -q '"state":"alive".*"version":"'"$1"'"\|"version":"'"$1"'".*"state":"alive"'
}

# computes EXPRESSION RESULT submits a task and looks at its result.
computes() {
	local said
	said="$(inside timeout "$limit" muster submit "$1" --wait --output json 2>&1)" || fail "$1 was not computed: $said $(journal "${units[@]}")"
	[[ "$said" == *"\"result\": \"$2\""* ]] || fail "$1 should be $2: $said"
}

# kill_children kills the processes in which the slave evaluates.
kill_children() {
	local slave pid
	slave="$(main_pid muster-slave)"
	for pid in $(inside cat /sys/fs/cgroup/system.slice/muster-slave.service/cgroup.procs); do
		if [[ "$pid" != "$slave" ]]; then
			inside bash -c "kill -KILL $pid"
		fi
	done
}

# check_sandbox reads from the kernel what systemd made of a unit's hardening.
check_sandbox() {
	local pid status place options
	pid="$(main_pid "$1")"
	status="$(inside cat "/proc/$pid/status")"
	[[ "$status" == *$'NoNewPrivs:\t1'* && "$status" == *$'Seccomp:\t2'* && "$status" == *$'CapBnd:\t0000000000000000'* &&
		"$(inside readlink "/proc/$pid/ns/user")" != "$(inside readlink /proc/1/ns/user)" ]] || {
		echo "$1 keeps privileges: $status" >&2
		return 1
	}
	# The last mount at a place is the one that is seen.
	# shellcheck disable=SC2016 # for awk
	inside awk '{seen[$5] = $6} END {for (place in seen) print place, seen[place]}' "/proc/$pid/mountinfo" >"$work/mounts"
	while read -r place options; do
		case "$place" in
		/proc | /proc/* | /sys | /sys/* | /dev/pts | /dev/mqueue | /dev/hugepages) continue ;; # the kernel's own; see the units' Protect…
		esac
		if [[ ",$options," == *,rw,* && ! "$place" =~ ^(/tmp|/var/tmp|/var/lib/muster|/usr/bin/muster)$ ]]; then
			echo "$1 may write to $place" >&2
			return 1
		fi
		if [[ ",$options," != *,noexec,* && "$place" != /usr/bin/muster && ! "$place" =~ ^/run/systemd/ ]]; then
			echo "$1 may execute what is in $place" >&2
			return 1
		fi
	done <"$work/mounts"
}

# check_upgrade upgrades while both services run.
check_upgrade() {
	local kept
	kept="$(cat "$root/etc/default/muster" "$root/etc/muster/"*)"
	inside dpkg --unpack "/mnt/$(basename "$new_deb")" >"$work/dpkg" 2>&1 || fail "the upgrade was not unpacked: $(<"$work/dpkg")"
	# The services still run from the file that was replaced, and the slave's children too.
	kill_children
	computes '10 - 4' 6
	inside dpkg --configure muster >"$work/dpkg" 2>&1 || fail "the upgrade was not configured: $(<"$work/dpkg")"
	says_version "$new"
	until_true "the slave runs v$new" slave_is v$new
	computes '6 * 7' 42
	keeps "$kept" || fail "the upgrade did not keep what was changed: $(<"$work/dpkg")"
	prints '"result": "7919"' inside muster tasks get 1 --output json || fail "the upgrade lost a task"
	pass "upgrade to $new: services restarted, changed /etc/default/muster, configuration and tasks kept"
}

# prints PATTERN COMMAND...: a line of what the command prints matches. Not in a pipe,
# which fails when grep has seen enough before the command has printed all.
prints() {
	local pattern="$1" printed
	shift
	printed="$("$@")" || return
	grep -q "$pattern" <<<"$printed"
}

# keeps TEXT: the files that somebody wrote or changed are as they were.
keeps() { [[ "$(cat "$root/etc/default/muster" "$root/etc/muster/"*)" == "$1" ]]; }

check_removal() {
	local unit
	inside dpkg --remove muster >"$work/dpkg" 2>&1 || fail "it is not removed: $(<"$work/dpkg")"
	for unit in "${units[@]}"; do
		[[ "$(main_pid "$unit")" == 0 ]] || fail "$unit runs although the package is removed"
	done
	prints '"msg":"left"' inside journalctl --quiet --unit muster-slave --output cat || fail "the slave did not say goodbye: $(journal muster-slave)"
	[[ ! -e "$root/usr/bin/muster" && ! -e "$root/usr/lib/systemd/system/muster-master.service" ]] || fail "files are left behind"
	kept_data
	[[ -e "$root/etc/default/muster" ]] || fail "a removal is no purge: /etc/default/muster is gone"
	pass "remove: services stopped, the slave said goodbye, files gone; data and configuration kept"

	inside dpkg --purge muster >"$work/dpkg" 2>&1 || fail "it is not purged: $(<"$work/dpkg")"
	[[ "$(<"$work/dpkg")" == *"kept: /var/lib/muster"*"kept: /etc/muster"* ]] || fail "a purge does not say what it keeps: $(<"$work/dpkg")"
	[[ ! -e "$root/etc/default/muster" ]] || fail "a purge leaves /etc/default/muster"
	[[ -z "$(find "$root/etc/systemd/system/multi-user.target.wants" -name 'muster-*')" ]] || fail "a purge leaves the services enabled"
	kept_data
	# The hint that it prints works, and leaves nothing.
	inside rm -r /var/lib/muster
	inside userdel muster
	stop_machine
	pass "purge: /etc/default/muster and what was enabled are gone; data, user and /etc/muster kept, and said so"
}

kept_data() {
	[[ "$(on stat -c %U /var/lib/muster/master/raft.db)" == muster && -s "$root/etc/muster/master.yaml" ]] ||
		fail "the tasks or the configuration are gone"
}

# check_mistakes: a package without conffiles overwrites what was changed.
check_mistakes() {
	install "$old_deb"
	echo "MUSTER_LOG_LEVEL=debug" >>"$root/etc/default/muster"
	local kept
	kept="$(cat "$root/etc/default/muster" "$root/etc/muster/"*)"
	dpkg-deb --raw-extract "$new_deb" "$work/wrong"
	rm "$work/wrong/DEBIAN/conffiles"
	dpkg-deb --build -Znone "$work/wrong" "$root/mnt/wrong.deb" >/dev/null
	install wrong.deb
	if keeps "$kept"; then
		fail "a package that overwrites /etc/default/muster was not noticed"
	fi
	pass "planted mistakes are noticed"
}

main "$@"
