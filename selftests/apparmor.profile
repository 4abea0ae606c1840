# SPDX-License-Identifier: GPL-2.0
# What the two ends of a queue run under, of which one is refused a descriptor
# (fds.c). It must not come from outside all confinement: that would be trusted.
profile ipcdev-sender {
  capability,
  file,
  network,
}

profile ipcdev-receiver {
  capability,
  file,
  network,
  deny /**/ipcdev-refused rw,
}
