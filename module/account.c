// SPDX-License-Identifier: GPL-2.0
/*
 * What each user has taken, and the limits.
 *
 * A charge is made to the caller's user and to the owners of its user namespace
 * and of all those above, so that making namespaces makes no room. An account is
 * that list of users. The kernel's own ucounts would do, were they exported.
 */
#include <linux/cred.h>
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "ipcdev.h"

unsigned int ipcdev_max_objects = 1024;
module_param_named(max_objects, ipcdev_max_objects, uint, 0644);
MODULE_PARM_DESC(max_objects, "objects for each user (1024)");

unsigned long ipcdev_max_bytes;
module_param_named(max_bytes, ipcdev_max_bytes, ulong, 0644);
MODULE_PARM_DESC(max_bytes, "bytes of buffers, rings, engines and queues' capacity for each user (a quarter of the memory)");

unsigned int ipcdev_max_eventfds = 1024;
module_param_named(max_eventfds, ipcdev_max_eventfds, uint, 0644);
MODULE_PARM_DESC(max_eventfds, "attached eventfds for each user (1024)");

unsigned int ipcdev_max_names = 8192;
module_param_named(max_names, ipcdev_max_names, uint, 0644);
MODULE_PARM_DESC(max_names, "files and directories in ipcdevfs for each user (8192)");

unsigned int ipcdev_max_depth = 8192;
module_param_named(max_depth, ipcdev_max_depth, uint, 0644);
MODULE_PARM_DESC(max_depth, "messages in one queue, requests of one engine (8192)");

unsigned int ipcdev_max_requests = 65536;
module_param_named(max_requests, ipcdev_max_requests, uint, 0644);
MODULE_PARM_DESC(max_requests, "requests of all engines for each user (65536)");

unsigned int ipcdev_max_msg_size = 16 << 20;
module_param_named(max_msg_size, ipcdev_max_msg_size, uint, 0644);
MODULE_PARM_DESC(max_msg_size, "bytes in one message (16 MiB)");

unsigned int ipcdev_max_batch = 1024;
module_param_named(max_batch, ipcdev_max_batch, uint, 0644);
MODULE_PARM_DESC(max_batch, "messages or requests in one batch (1024)");

unsigned long ipcdev_timer_period_min = 100000;
module_param_named(timer_period_min, ipcdev_timer_period_min, ulong, 0644);
MODULE_PARM_DESC(timer_period_min, "nanoseconds in the shortest period of a timer (100000)");

unsigned int ipcdev_timer_rate_max = 100000;
module_param_named(timer_rate_max, ipcdev_timer_rate_max, uint, 0644);
MODULE_PARM_DESC(timer_rate_max, "periods of timers a second for each user (100000)");

/**
 * struct ipcdev_user - one user's consumption
 * @node: in the table, while @accounts is not 0
 * @uid: whose
 * @accounts: accounts that list it
 * @used: by enum ipcdev_resource
 *
 * All protected by users_lock.
 */
struct ipcdev_user {
	struct hlist_node node;
	kuid_t uid;
	unsigned int accounts;
	u64 used[IPCDEV_RESOURCES];
};

struct ipcdev_account {
	refcount_t ref;
	unsigned int count;
	struct ipcdev_user *users[];
};

static DEFINE_SPINLOCK(users_lock);
static DEFINE_HASHTABLE(users, 6);

void ipcdev_account_init(void)
{
	if (!ipcdev_max_bytes)
		ipcdev_max_bytes = (totalram_pages() / 4) << PAGE_SHIFT;
}

static struct ipcdev_user *user_find(kuid_t uid)
{
	struct ipcdev_user *user;

	lockdep_assert_held(&users_lock);
	hash_for_each_possible(users, user, node, __kuid_val(uid)) {
		if (uid_eq(user->uid, uid))
			return user;
	}
	return NULL;
}

static struct ipcdev_user *user_get(kuid_t uid)
{
	struct ipcdev_user *user, *fresh;

	fresh = kzalloc(sizeof(*fresh), IPCDEV_GFP);
	if (!fresh)
		return NULL;

	spin_lock(&users_lock);
	user = user_find(uid);
	if (!user) {
		user = fresh;
		fresh = NULL;
		user->uid = uid;
		hash_add(users, &user->node, __kuid_val(uid));
	}
	user->accounts++;
	spin_unlock(&users_lock);
	kfree(fresh);
	return user;
}

static void user_put(struct ipcdev_user *user)
{
	spin_lock(&users_lock);
	if (--user->accounts) {
		spin_unlock(&users_lock);
		return;
	}
	hash_del(&user->node);
	spin_unlock(&users_lock);
	kfree(user);
}

static bool account_lists(const struct ipcdev_account *account, kuid_t uid)
{
	unsigned int i;

	for (i = 0; i < account->count; i++) {
		if (uid_eq(account->users[i]->uid, uid))
			return true;
	}
	return false;
}

/* Whether an account lists just those whom the caller's would list. */
static bool account_is_callers(const struct ipcdev_account *account)
{
	struct user_namespace *ns = current_user_ns();
	kuid_t uid = current_euid();
	unsigned int found = 0;

	for (;;) {
		/* An owner that repeats is the one before: see ipcdev_account_get(). */
		if (found < account->count && uid_eq(account->users[found]->uid, uid))
			found++;
		else if (!account_lists(account, uid))
			return false;
		if (!ns->parent)
			return found == account->count;
		uid = ns->owner;
		ns = ns->parent;
	}
}

/**
 * ipcdev_account_get_kept - ipcdev_account_get() that remembers the first answer
 * @kept: NULL at first, and never changed after that; whoever owns it ends it
 *	with ipcdev_account_put()
 *
 * For those who ask often: most of the time it is the same caller.
 *
 * Context: may sleep.
 * Return: as ipcdev_account_get().
 */
struct ipcdev_account *ipcdev_account_get_kept(struct ipcdev_account **kept)
{
	/* Pairs with the cmpxchg() below. */
	struct ipcdev_account *account = smp_load_acquire(kept);

	if (likely(account && account_is_callers(account))) {
		refcount_inc(&account->ref);
		return account;
	}
	account = ipcdev_account_get();
	if (account && !READ_ONCE(*kept)) {
		refcount_inc(&account->ref);
		if (cmpxchg(kept, NULL, account))
			refcount_dec(&account->ref);
	}
	return account;
}

/**
 * ipcdev_account_get - the caller's account
 *
 * Context: may sleep.
 * Return: a reference for ipcdev_account_put(), or NULL without memory.
 */
struct ipcdev_account *ipcdev_account_get(void)
{
	struct user_namespace *ns = current_user_ns();
	kuid_t uid = current_euid();
	struct ipcdev_account *account;

	/* The user itself, and an owner for each level of namespaces. */
	account = kzalloc(struct_size(account, users, ns->level + 1), IPCDEV_GFP);
	if (!account)
		return NULL;
	refcount_set(&account->ref, 1);

	for (;;) {
		/* Most own the namespace that they live in: charge them once. */
		if (!account_lists(account, uid)) {
			account->users[account->count] = user_get(uid);
			if (!account->users[account->count]) {
				ipcdev_account_put(account);
				return NULL;
			}
			account->count++;
		}
		if (!ns->parent)
			return account;
		uid = ns->owner;
		ns = ns->parent;
	}
}

/**
 * ipcdev_account_owner - who answers for the caller in the end
 *
 * Where users take turns, making namespaces, and users there, makes no more turns.
 *
 * Return: the caller's user, or the owner of the namespace that it lives in and that the
 * initial one is the parent of.
 */
kuid_t ipcdev_account_owner(void)
{
	struct user_namespace *ns = current_user_ns();
	kuid_t uid = current_euid();

	for (; ns->parent; ns = ns->parent)
		uid = ns->owner;
	return uid;
}

void ipcdev_account_put(struct ipcdev_account *account)
{
	if (!account || !refcount_dec_and_test(&account->ref))
		return;
	while (account->count)
		user_put(account->users[--account->count]);
	kfree(account);
}

/**
 * ipcdev_charge - take from the limits of a user, and of those it answers to
 * @account: who
 * @what: of which resource
 * @amount: how much
 * @limit: that nobody in @account may pass
 *
 * Return: 0, or -EDQUOT with nothing charged. A charge holds no reference to
 * the account: that is the caller's to keep.
 */
int ipcdev_charge(struct ipcdev_account *account, enum ipcdev_resource what, u64 amount,
		  u64 limit)
{
	unsigned int i;
	int ret = 0;

	spin_lock(&users_lock);
	for (i = 0; i < account->count; i++) {
		u64 used = account->users[i]->used[what];

		if (used > limit || amount > limit - used) {
			ret = -EDQUOT;
			goto out;
		}
	}
	for (i = 0; i < account->count; i++)
		account->users[i]->used[what] += amount;
out:
	spin_unlock(&users_lock);
	return ret;
}

void ipcdev_uncharge(struct ipcdev_account *account, enum ipcdev_resource what, u64 amount)
{
	unsigned int i;

	spin_lock(&users_lock);
	for (i = 0; i < account->count; i++)
		account->users[i]->used[what] -= amount;
	spin_unlock(&users_lock);
}

/**
 * ipcdev_account_usage - what the caller's user has taken
 * @used: by enum ipcdev_resource
 */
void ipcdev_account_usage(u64 used[IPCDEV_RESOURCES])
{
	struct ipcdev_user *user;

	spin_lock(&users_lock);
	user = user_find(current_euid());
	if (user)
		memcpy(used, user->used, sizeof(user->used));
	else
		memset(used, 0, sizeof(user->used));
	spin_unlock(&users_lock);
}
