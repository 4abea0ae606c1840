# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2034 # used by those who source this
#
# What the scripts of this folder share. To be sourced.

set -euo pipefail

# Plain users' PATH lacks what handles modules.
PATH=$PATH:/usr/sbin:/sbin

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$top/build

# What takes long to fetch or to build outlives the clone, and serves the next.
cache=${IPCDEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ipcdev}

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 125; }

# progress LABEL COMMAND...: runs the command silently, shows the time that
# it has taken so far (on a terminal) or a dot now and then (elsewhere), and
# what it said only if it warned or failed.
progress()
{
	local label=$1 log start=$SECONDS ticker status=0
	shift
	log=$(mktemp)
	printf '%s ' "$label" >&2
	if [ -t 2 ]; then
		while sleep 1; do
			printf '\r%s %d s ' "$label" $((SECONDS - start)) >&2
		done &
	else
		while sleep 10; do printf . >&2; done &
	fi
	ticker=$!
	"$@" > "$log" 2>&1 < /dev/null || status=$?
	kill $ticker
	wait $ticker 2> /dev/null || true
	if [ $status != 0 ]; then
		say failed
		tail -n 100 "$log" >&2
	else
		say "done ($((SECONDS - start)) s)"
		! grep -q 'warning:' "$log" || cat "$log" >&2
	fi
	rm -f "$log"
	return $status
}

# archive FOLDER [CONDITION]...: prints a cpio archive of what there is in the folder
# (that find finds so): the same one for the same files, whenever they were made.
archive()
(
	cd "$1" || exit
	shift
	find . "$@" -exec touch -hd @0 {} + -print | LC_ALL=C sort |
		cpio --quiet --reproducible -o -H newc -R 0:0
)

# as_root COMMAND...: what changes the machine's installed packages.
as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo > /dev/null; then
		sudo "$@"
	else
		die "needs root, or sudo, for: $*"
	fi
}

# once FILE COMMAND...: runs the command unless FILE exists, and holds a lock
# meanwhile, so that of two runs in parallel only one does the work.
once()
{
	local file=$1
	shift
	[ -e "$file" ] && return
	mkdir -p "$(dirname "$file")"
	(
		flock 9
		[ -e "$file" ] || "$@"
	) 9> "$file.lock"
}

# fetch PACKAGE...: downloads packages into the cache, unless they are there,
# and prints their files' names. A version must be given with the name
# (name=version), so that an old download is not taken for a new one.
fetch()
{
	local package file
	mkdir -p "$cache/deb"
	for package; do
		# apt writes the colon of an epoch as %3a.
		file=$(ls "$cache/deb/${package%%=*}_${package#*=}"_*.deb 2> /dev/null || true)
		if [ -z "$file" ]; then
			(cd "$cache/deb" &&
			 progress "fetching ${package%%=*}" apt-get download "$package") ||
				die "cannot download $package; try: apt-get update"
			file=$(ls "$cache/deb/${package%%=*}_${package#*=}"_*.deb)
		fi
		printf '%s\n' "$file"
	done
}

# candidate PACKAGE: prints the version that apt would install.
candidate()
{
	local version
	version=$(apt-cache policy "$1" | awk '$1 == "Candidate:" { print $2 }')
	if [ -z "$version" ] || [ "$version" = "(none)" ]; then
		as_root true
		progress "fetching the package lists" as_root apt-get update ||
			die "apt-get update fails; see to apt's sources"
		version=$(apt-cache policy "$1" | awk '$1 == "Candidate:" { print $2 }')
	fi
	case $version in
	"" | "(none)") die "apt knows no package $1; see to apt's sources" ;;
	esac
	printf '%s\n' "$version"
}

# linux_source DEB FOLDER [PATH...]: extracts the kernel's source, or only the
# named parts of it, from a linux-source package.
linux_source()
{
	local deb=$1 folder=$2 name
	shift 2
	name=$(basename "${deb%%_*}")
	dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/$name.tar.xz" |
		tar -xJ --strip-components=1 -C "$folder" "${@/#/$name/}"
}
