#!/usr/bin/env bash
# Checks the seeds as the machines will read them: fills the templates in, and holds
# them against Debian 12's own cloud-init, which is unpacked into a directory and not
# installed: installed, it would take this machine over at its next start.
#
#   ./scripts/cloud-init/check.sh
#
# It needs root on Debian, with mmdebstrap, mtools, fdisk and shellcheck.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

main() {
	work="$(mktemp -d)"
	trap 'rm -rf "$work"' EXIT
	root="$work/root"
	mmdebstrap --quiet --variant=extract --include=cloud-init,netplan.io bookworm "$root"
	# Nothing was configured, so the user that one renderer gives its files to is missing.
	echo "systemd-network:x:998:998::/:/usr/sbin/nologin" >>"$root/etc/passwd"
	echo "systemd-network:x:998:" >>"$root/etc/group"

	echo "no package: only its checksum counts here" >"$work/muster.deb"
	# A key as Windows ends it, and with a quote: both must reach cloud-init as they are.
	key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLE domain\\somebody's@example"
	echo "$key" >"$work/key.pub"
	mkdir "$root/seeds"
	local seeds=(./scripts/cloud-init/seeds.sh --package "$work/muster.deb")
	"${seeds[@]}" --output "$root/seeds/three" >/dev/null
	"${seeds[@]}" --output "$root/seeds/one" --masters 1 --network 10.1.2 --gateway 10.1.2.254 --dns 10.1.2.53 \
		--slots 4 --ssh-key "$work/key.pub" --package-url https://example.com/muster.deb >/dev/null

	local seed
	for seed in "$root"/seeds/*/*/; do
		check_seed "${seed%/}"
	done
	check_key
	check_mistakes
	echo "seeds of 8 machines: cloud-init's schema, its top keys, network, configuration, disk"
}

fail() {
	echo "scripts/cloud-init/check.sh: $1" >&2
	exit 1
}

# check_seed holds one machine's files against what will read them.
check_seed() {
	local seed="$1" inside="${1#"$root"}" answer renderer
	if grep -HnE '@[A-Z0-9_]+@' "$seed"/{meta-data,user-data,network-config}; then
		fail "the words above were not filled in"
	fi
	answer="$(chroot "$root" cloud-init schema --config-file "$inside/user-data" 2>&1)" ||
		fail "cloud-init refuses $inside/user-data: $answer"
	inspect "$inside" || fail "see above"
	for renderer in netplan networkd eni; do
		render "$inside/network-config" "$renderer" || fail "Debian 12's renderer \"$renderer\" refuses $inside/network-config: $(<"$work/render")"
	done
	check_installer "$seed"
	check_disk "$seed"
}

# inspect refuses keys that cloud-init does not read (its schema lets them pass), and
# writes the files of write_files below $inside/files.
inspect() {
	chroot "$root" python3 - "$1" <<'PYTHON'
import os, sys, yaml
seed = sys.argv[1]
known = {"hostname", "ssh_authorized_keys", "write_files", "runcmd", "final_message"}
text = open(seed + "/user-data").read()
if not text.startswith("#cloud-config\n"):
    sys.exit(seed + "/user-data does not begin with #cloud-config")
data = yaml.safe_load(text)
if set(data) - known:
    sys.exit(seed + "/user-data has keys that nothing reads: " + ", ".join(sorted(set(data) - known)))
meta = yaml.safe_load(open(seed + "/meta-data"))
if set(meta) != {"instance-id", "local-hostname"} or meta["local-hostname"] != data["hostname"]:
    sys.exit(seed + "/meta-data does not name the machine")
os.makedirs(seed + "/files", exist_ok=True)
for file in data["write_files"]:
    open(seed + "/files/" + os.path.basename(file["path"]), "w").write(file["content"])
PYTHON
}

# render turns a network configuration into what the machine's network service reads.
render() {
	chroot "$root" cloud-init devel net-convert --network-data "$1" --kind yaml --output-kind "$2" \
		--distro debian --directory "/rendered" >"$work/render" 2>&1
}

# check_installer checks the script that a machine runs first; it is the same for all.
check_installer() {
	local script="$1/files/muster-install"
	shellcheck "$script" || fail "mend muster-install in the templates"
	installer="${installer:-$script}" # the first one, of a master
	cmp -s "$script" "$installer" ||
		fail "muster-install differs in user-data.master and user-data.slave: make them the same"
}

# check_key looks for the SSH key as cloud-init reads it.
check_key() {
	local read
	read="$(chroot "$root" python3 -c 'import yaml; print(yaml.safe_load(open("/seeds/one/m1/user-data"))["ssh_authorized_keys"][0])')" ||
		fail "the user-data with an SSH key can't be read"
	[[ "$read" == "$key" ]] || fail "the SSH key \"$key\" became \"$read\""
}

# check_disk looks for what cloud-init looks for: a FAT file system labelled CIDATA.
check_disk() {
	local disk="$1.img@@1048576" file
	[[ "$(blkid --probe --offset 1048576 --match-tag LABEL --output value "$1.img")" == CIDATA ]] ||
		fail "$1.img has no volume labelled CIDATA"
	for file in meta-data network-config user-data; do
		mtype -i "$disk" "::$file" | cmp -s - "$1/$file" || fail "$1.img lacks $file, or has another"
	done
}

# check_mistakes makes sure that the checks above can fail.
check_mistakes() {
	local wrong=/seeds/wrong
	cp -R "$root/seeds/three/m1" "$root$wrong"
	echo 'hostnames: ["m1"]' >>"$root$wrong/user-data"
	if inspect "$wrong" 2>/dev/null; then
		fail "a mistyped top key was not noticed"
	fi
	sed -i 's|0.0.0.0/0|default|' "$root$wrong/network-config"
	if render "$wrong/network-config" netplan && render "$wrong/network-config" eni; then
		fail "a route to \"default\" was not noticed: Debian 12's cloud-init may have learnt it; check network-config's comment"
	fi
}

main "$@"
