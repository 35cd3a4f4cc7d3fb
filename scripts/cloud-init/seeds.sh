#!/usr/bin/env bash
# Writes the seeds of a cluster's machines: for each a small disk labelled CIDATA
# that cloud-init reads at the first boot, with muster's package on it.
#
#   ./scripts/cloud-init/seeds.sh --package muster.deb --output DIR
#
#   --masters N       masters (3)
#   --slaves N        slaves (2)
#   --network A.B.C   the first three numbers of the machines' network (192.168.77)
#   --gateway IP      the way out (A.B.C.1)
#   --dns IP[,IP]     name servers (1.1.1.1,9.9.9.9)
#   --slots N         tasks at once, for each slave (1)
#   --ssh-key FILE    a public key that may log in as the image's own user
#   --package FILE    the Debian package, put onto the seeds
#   --package-url URL where the machines fetch it instead; FILE still says what it must be
#   --output DIR      DIR/machines.tsv: name, role, address, MAC, a machine a line;
#                     DIR/NAME/: its cloud-init files; DIR/NAME.img: its disk
#
# scripts/hyperv/Muster.ps1 fills in the same templates by the same plan, on Windows.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

masters=3 slaves=2 network=192.168.77 gateway="" dns=1.1.1.1,9.9.9.9 slots=1 ssh_key="" package="" url="" output=""

main() {
	read_arguments "$@"
	local sha256
	sha256="$(sha256sum "$package" | cut -d ' ' -f 1)"
	mkdir -p "$output"
	plan >"$output/machines.tsv"
	local name role address mac
	while IFS=$'\t' read -r name role address mac; do
		write_files "$name" "$role" "$address" "$mac" "$sha256"
		write_disk "$output/$name" "$output/$name.img"
	done <"$output/machines.tsv"
	cat "$output/machines.tsv"
}

read_arguments() {
	while (($# > 0)); do
		(($# > 1)) || usage "$1 needs a value"
		case "$1" in
		--masters) masters="$2" ;;
		--slaves) slaves="$2" ;;
		--network) network="$2" ;;
		--gateway) gateway="$2" ;;
		--dns) dns="$2" ;;
		--slots) slots="$2" ;;
		--ssh-key) ssh_key="$2" ;;
		--package) package="$2" ;;
		--package-url) url="$2" ;;
		--output) output="$2" ;;
		*) usage "there is no option \"$1\"" ;;
		esac
		shift 2
	done
	[[ "$masters" =~ ^[1-9]$ ]] || usage "--masters \"$masters\" is not 1 to 9; take 1, 3 or 5"
	[[ "$slaves" =~ ^[0-9]{1,2}$ ]] || usage "--slaves \"$slaves\" is not a number from 0 to 99"
	[[ "$slots" =~ ^[1-9][0-9]*$ ]] || usage "--slots \"$slots\" is not a number above 0"
	[[ "$network" =~ ^[0-9]{1,3}(\.[0-9]{1,3}){2}$ ]] || usage "--network \"$network\" is not the first three numbers of a network, like 192.168.77"
	[[ -n "$output" ]] || usage "--output is missing: where should the seeds go?"
	[[ -f "$package" ]] || usage "--package \"$package\" is not a file; ./scripts/package.sh builds one"
	[[ -z "$ssh_key" || -f "$ssh_key" ]] || usage "--ssh-key \"$ssh_key\" is not a file"
	gateway="${gateway:-$network.1}"
	local tool
	for tool in sfdisk mformat mcopy; do
		command -v "$tool" >/dev/null || usage "$tool is missing; on Debian: apt-get install fdisk mtools"
	done
}

usage() {
	echo "scripts/cloud-init/seeds.sh: $1" >&2
	sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
	exit 2
}

# plan prints the machines: masters from .11 on, slaves from .21 on. The MACs lie
# in Hyper-V's own range; the last two bytes follow the address.
plan() {
	local i
	for ((i = 1; i <= masters; i++)); do
		machine "m$i" master $((10 + i))
	done
	for ((i = 1; i <= slaves; i++)); do
		machine "slave-$i" slave $((20 + i))
	done
}

machine() {
	printf '%s\t%s\t%s.%d\t00:15:5d:4d:%02x:%02x\n' "$1" "$2" "$network" "$3" "${network##*.}" "$3"
}

# founders prints the list that is the same for every master.
founders() {
	local list="" i at
	for ((i = 1; i <= masters; i++)); do
		at="$network.$((10 + i))"
		list+=",m$i=$at:7101=http://$at:8101"
	done
	echo "${list#,}"
}

master_urls() {
	local list="" i
	for ((i = 1; i <= masters; i++)); do
		list+=",http://$network.$((10 + i)):8101"
	done
	echo "${list#,}"
}

# write_files fills the templates in for one machine.
write_files() {
	local name="$1" role="$2" address="$3" mac="$4" sha256="$5" template text
	local directory="$output/$name" keys="# No SSH key was given: nobody can log in from outside."
	if [[ -n "$ssh_key" ]]; then
		# In single quotes: Windows ends a key with DOMAIN\user.
		keys="ssh_authorized_keys: ['$(tr -d '\r\n' <"$ssh_key" | sed "s/'/''/g")']"
	fi
	rm -rf "$directory"
	mkdir "$directory"
	for template in meta-data network-config "user-data.$role"; do
		text="$(<"$here/$template")"
		text="${text//@HOSTNAME@/muster-$name}"
		text="${text//@ID@/$name}"
		text="${text//@ADDRESS@/$address}"
		text="${text//@PREFIX@/24}"
		text="${text//@GATEWAY@/$gateway}"
		text="${text//@MAC@/$mac}"
		text="${text//@DNS@/[\"${dns//,/\", \"}\"]}"
		text="${text//@FOUNDERS@/$(founders)}"
		text="${text//@MASTERS@/$(master_urls)}"
		text="${text//@SLOTS@/$slots}"
		text="${text//@SSH_KEYS@/$keys}"
		text="${text//@PACKAGE@/${url:-muster.deb}}"
		text="${text//@SHA256@/$sha256}"
		printf '%s\n' "$text" >"$directory/${template%%.*}"
	done
	if [[ -z "$url" ]]; then
		cp "$package" "$directory/muster.deb"
	fi
}

# write_disk makes a disk as Windows makes it: one FAT32 partition, labelled
# CIDATA, behind an MBR.
write_disk() {
	local directory="$1" disk="$2" start=$((1024 * 1024))
	rm -f "$disk"
	truncate -s 128M "$disk"
	echo "start=2048, type=c" | sfdisk --quiet "$disk"
	mformat -i "$disk@@$start" -F -v CIDATA -T $(((128 - 1) * 2048)) ::
	mcopy -i "$disk@@$start" "$directory"/* ::
}

main "$@"
