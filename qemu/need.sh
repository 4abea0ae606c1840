#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# need.sh PACKAGE...: installs those of the packages that are missing. Where there
# are no Debian packages it does nothing.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Elsewhere than on Debian and its kin it is the user who sees to that.
command -v dpkg-query > /dev/null || exit 0

# Libraries that have got times of 64 bits have got another name with them.
missing=()
for package; do
	states=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" "${package}t64" \
		2> /dev/null || true)
	grep -qx installed <<< "$states" || missing+=("$package")
done
[ ${#missing[@]} = 0 ] && exit

# Lists that are missing or stale are the usual reason for a first refusal.
apt_install()
{
	local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -y
		   -o DPkg::Lock::Timeout=600)
	"${apt[@]}" install --no-install-recommends "$@" && return
	"${apt[@]}" update
	"${apt[@]}" install --no-install-recommends "$@"
}

# Only this may ask for a password: what runs below progress has no terminal.
as_root true
progress "installing ${missing[*]}" as_root apt_install "${missing[@]}" ||
	die "cannot install; try: apt-get install ${missing[*]}"
