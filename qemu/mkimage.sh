#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mkimage.sh FOLDER IMAGE: makes the guest's initramfs from busybox, our init,
# the FOLDER, which holds what "make install" put there, what ipcdev-bench
# compares with and has to find, and the shared libraries of these programs.
# Left alone if nothing has changed.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

stage=$(realpath "$1") image=$(realpath -m "$2")
busybox=/bin/busybox
dbus_daemon=/usr/bin/dbus-daemon
qemu=$top/qemu

# libraries PROGRAM...: the shared libraries that they need, with the loader.
libraries()
{
	ldd "$@" | grep -oE '/[^ ]+ \(0x' | sed 's/ .*//' | sort -u
}
mapfile -t libraries < <(libraries "$stage/usr/bin/ipcdev-bench" "$dbus_daemon")

# The tar stands for names, modes and contents, in the order of the names.
contents()
{
	tar -c --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 \
		-C "$stage" . -C "$qemu" init mkimage.sh \
		-C / "${busybox#/}" "${dbus_daemon#/}" -h "${libraries[@]#/}"
}
key=$(contents | sha256sum)
[ -e "$image" ] && [ "$(cat "$image.key" 2> /dev/null)" = "$key" ] && exit

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cd "$root" || exit
mkdir -p dev proc sys tmp run root out etc home/alice home/bob usr/bin
ln -s usr/bin bin
ln -s usr/bin sbin
ln -s bin usr/sbin
mkdir usr/lib usr/lib64
ln -s usr/lib usr/lib64 .
cp "$busybox" "$dbus_daemon" usr/bin
for library in "${libraries[@]}"; do
	mkdir -p ".${library%/*}"
	cp -L "$library" ".$library"
done
for applet in $(busybox --list); do
	[ "$applet" = busybox ] || ln -s busybox "usr/bin/$applet"
done
cp "$qemu/init" .

cat > etc/passwd << 'END'
root:x:0:0:root:/root:/bin/sh
alice:x:1000:1000:Alice:/home/alice:/bin/sh
bob:x:1001:1001:Bob:/home/bob:/bin/sh
nobody:*:65534:65534:Nobody:/:/bin/false
END
cat > etc/group << 'END'
root:x:0:
alice:x:1000:
bob:x:1001:
nogroup:x:65534:
END
printf '%s: files\n' passwd group > etc/nsswitch.conf
# shellcheck disable=SC2028 # the shell expands it
echo "PS1='ipcdev:\\w# '" > etc/profile
echo '127.0.0.1 localhost ipcdev' > etc/hosts
cp -a "$stage/." .
chmod 755 .

# Not compressed: the guest would take longer over that than the host does
# over copying it.
mkdir -p "$(dirname "$image")"
archive . > "$image.new"
mv "$image.new" "$image"
printf '%s\n' "$key" > "$image.key"
