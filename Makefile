# SPDX-License-Identifier: GPL-2.0
# What a person calls. The kernel's build reads Kbuild.

# The kernel that the guest runs and the module is built for.
KERNEL ?= 6.1
# Options for qemu/run.sh, and which of the tests to run (none: all).
GUEST ?=
T ?=
# How many requests the test "engine_load" has one engine complete (none: a few).
NOPS ?=
# Options for ipcdev-bench.
BENCH ?=

DESTDIR ?=
PREFIX ?= /usr/local

B := $(CURDIR)/build
Q := $(if $(V),,@)
MAKEFLAGS += --no-print-directory
NPROC := $(shell nproc)
run := qemu/run.sh --kernel $(KERNEL) $(GUEST)

# With a KDIR, all, lint and install are for that kernel.
ifdef KDIR
kernel_name := kdir
kernel_or_tree := $(KDIR)
else
kernel_name := $(KERNEL)
kernel_or_tree := $(KERNEL)
endif
module_dir := $(B)/module/$(kernel_name)

# With V=1 all that the builds say; else that they run, and how they end.
quietly = $(if $(V),,qemu/progress.sh "$(1)")

.PHONY: all module userspace selftests guest run shell check check-debug \
	check-kernels model bench bench-smp lint install clean dist-clean help

all: module userspace selftests ## build the module, the user space and the tests

module: ## build the module for KERNEL, or against the tree KDIR
	$(Q)qemu/need.sh gcc libelf1 libssl3
	$(Q)$(if $(KDIR),,qemu/kernel.sh $(KERNEL) > /dev/null)
	$(Q)$(call quietly,building the module for $(kernel_or_tree)) \
		qemu/module.sh $(kernel_or_tree) $(module_dir)

userspace: ## build the library, the tool and the examples
	$(Q)qemu/need.sh gcc libc6-dev
	$(Q)$(call quietly,building the user space) \
		$(MAKE) -j $(NPROC) -C userspace O=$(B)/userspace all

selftests: ## build the tests
	$(Q)qemu/need.sh gcc libc6-dev gcc-multilib liburing-dev rsync apparmor
	$(Q)mkdir -p $(B)/selftests
	$(Q)source=$$(qemu/source.sh) && \
	$(call quietly,building the tests) \
		$(MAKE) -j $(NPROC) -C selftests OUTPUT=$(B)/selftests \
			KSELFTEST=$$source/tools/testing/selftests all

# Most of what goes there is linked statically. The libraries are for the methods
# of ipcdev-bench, which cannot be.
guest: module selftests
	$(Q)qemu/need.sh busybox-static cpio g++ pkgconf liburing-dev libzmq3-dev \
		libnng-dev libdbus-1-dev dbus-daemon
	$(Q)$(call quietly,building the guest's user space) \
		$(MAKE) -j $(NPROC) -C userspace O=$(B)/userspace-static STATIC=1 all
	$(Q)rm -rf $(B)/stage && mkdir -p $(B)/stage
	$(Q)$(MAKE) -s -C userspace O=$(B)/userspace-static STATIC=1 \
		DESTDIR=$(B)/stage PREFIX=/usr install
	$(Q)source=$$(qemu/source.sh) && \
	$(MAKE) -s -C selftests OUTPUT=$(B)/selftests \
		KSELFTEST=$$source/tools/testing/selftests \
		INSTALL_PATH=$(B)/stage/usr/libexec/ipcdev/selftests install
	$(Q)qemu/mkimage.sh $(B)/stage $(B)/guest.cpio

run: guest ## boot a guest and see real data cross /dev/ipcdev
	$(Q)$(run) --edu 1 --in "$$(qemu/data.sh):/usr/share/ipcdev/data.tar" \
		--interactive -- ipcdev-tour

shell: guest ## a root shell in the guest
	$(Q)$(run) --interactive

check: guest ## run all tests in the guest (T="queue buffer": these)
	$(Q)qemu/check.sh $(KERNEL) "$(GUEST)" $(T)

check-debug: ## the same on a debug kernel, which is built first (15 minutes, once)
	$(Q)$(MAKE) check KERNEL=debug

check-kernels: ## the same on each kernel that we support
	$(Q)set -e; for kernel in 6.1 6.1-full 6.1-rt 6.12 7.2; do \
		$(MAKE) check KERNEL=$$kernel; \
	done

model: ## check the models of protocols, and that a step less is one too few
	$(Q)qemu/model.sh

# Unless another is asked for: the 6.1 that has a binder to compare with.
bench bench-smp: bench_kernel = $(if $(filter file,$(origin KERNEL)),6.1-full,$(KERNEL))

bench: ## measure every IPC method in the guest, in instructions (BENCH="-q": quickly)
	$(Q)$(MAKE) guest KERNEL=$(bench_kernel)
	$(Q)qemu/bench.sh deterministic $(bench_kernel) "$(GUEST)" $(BENCH)

bench-smp: ## the same on two processors, in time, for ratios only
	$(Q)$(MAKE) guest KERNEL=$(bench_kernel)
	$(Q)qemu/bench.sh smp $(bench_kernel) "$(GUEST)" $(BENCH)

lint: ## run all checkers over all sources; there must be no findings
	$(Q)qemu/lint.sh $(kernel_or_tree)

install: userspace ## install the module for the running kernel (KDIR: that), and the user space
	$(Q)qemu/install.sh "$(KDIR)" "$(DESTDIR)" "$(PREFIX)"

clean: ## remove what was built here
	$(Q)rm -rf $(B)

dist-clean: clean ## also what is cached outside: packages, the debug kernel
	$(Q)cache=$${IPCDEV_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/ipcdev}; \
		rm -rf "$$cache" 2> /dev/null || sudo rm -rf "$$cache"

help: ## this list
	@echo 'make TARGET [KERNEL=6.1|6.1-full|6.1-rt|6.12|7.2|debug] [KDIR=...]'
	@echo '            [T="TEST..."] [NOPS=COUNT] [GUEST="OPTION..."] [V=1]'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 16
