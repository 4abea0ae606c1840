// SPDX-License-Identifier: GPL-2.0
#include <stdatomic.h>
#include <sys/mman.h>

#include "bench.h"

/**
 * struct words - what the two sides share, and nothing else
 * @to: counts what was sent to each side; each on a cache line of its own
 */
struct words {
	struct {
		_Alignas(64) atomic_uint count;
	} to[2];
};

struct own {
	struct words *words;
};

static int setup(struct link *link)
{
	struct own *own = link->own;

	own->words = shared_memory(sizeof(*own->words));
	return own->words ? 0 : -1;
}

static void teardown(struct link *link)
{
	struct own *own = link->own;

	if (own->words)
		munmap(own->words, sizeof(*own->words));
}

static struct words *words_of(const struct end *end)
{
	return ((struct own *)end->link->own)->words;
}

static unsigned int load(atomic_uint *count)
{
	return atomic_load_explicit(count, memory_order_acquire);
}

/*
 * More than is needed, since only one side writes each: but it is seen sooner than
 * what may stay in a store buffer while its writer looks at the other word.
 */
static void store(atomic_uint *count, unsigned int value)
{
	atomic_store(count, value);
}

/* Who asks is one ahead until the answer has come. */
static int call(struct end *end, size_t len)
{
	struct words *words = words_of(end);
	unsigned int number = load(&words->to[1].count) + 1;

	(void)len;
	store(&words->to[1].count, number);
	while (load(&words->to[0].count) != number)
		relax();
	return 0;
}

static int wait(struct end *end, size_t len)
{
	struct words *words = words_of(end);
	unsigned int number = load(&words->to[0].count);

	(void)len;
	while (load(&words->to[1].count) == number)
		relax();
	return 0;
}

static int serve(struct end *end, size_t len)
{
	atomic_uint *count = &words_of(end)->to[0].count;

	store(count, load(count) + 1);
	return wait(end, len);
}

const struct method floor_atomics_method = {
	.name = "floor-atomics",
	.about = "two bare atomics, one for each way, both sides spinning",
	.only = ONLY(ROUNDTRIP),
	.floor = true,
	.empty = true,
	.spins = true,
	.apart = true,
	.link_size = sizeof(struct own),
	.setup = setup,
	.teardown = teardown,
	.recv = wait,
	.call = call,
	.serve = serve,
};
