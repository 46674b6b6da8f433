/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A fake of the daemon for libtced's tests: a child process that answers what data/dbus/ says, from a made-up plan, on a
 * private socket; and can be faulty in one way. It is no model of what tced decides. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FAKE_UUID "00112233445566778899aabbccddeeff"
#define FAKE_PAGES 512

typedef enum FakeFault {
        FAKE_GOOD,
        FAKE_MUTE,             /* accepts and never says a word, not even of the authentication */
        FAKE_NO_REPLY,         /* AcquireTables is never answered */
        FAKE_HANG_UP,          /* the connection ends in the middle of AcquireTables */
        FAKE_WRONG_SIGNATURE,  /* AcquireTables answers something else */
        FAKE_SHORT_MEMFD,
        FAKE_UNSEALED_MEMFD,
        FAKE_NOT_A_MEMFD,
        FAKE_NO_FD,            /* a `user` table without index */
        FAKE_ODD_PLACEMENT,    /* a word that this library does not know */
        FAKE_ODD_PLAN,         /* entries that don't fit the size */
        FAKE_ENDLESS,          /* tables remain, and none comes */
        FAKE_FORGETS,          /* killed behind its first answer to AcquireTables, and it knows nothing of that when it is back */
        FAKE_ODD_PATH,         /* a machine's path that is none */
        FAKE_NO_CLAIM,         /* Claim answers AlreadyClaimed */
} FakeFault;

/* The made-up plan: LIOBNs from FAKE_LIOBN_… on, FAKE_PAGES pages of 4 KiB each, those of VFIO at 2^59 in pages of 64 KiB. */
#define FAKE_LIOBN_USER 0x71000000U
#define FAKE_LIOBN_KERNEL 0x80000000U
#define FAKE_LIOBN_VFIO 0x80000101U

typedef struct FakePlan {
        FakeFault fault;
        unsigned n_user, n_kernel, n_vfio;
        bool must_be_kernel; /* accel "kernel" */
        bool multitce;
        unsigned n_hang_up;  /* the first connections: accepted, and ended before a word is said */
        bool kernel_first;   /* those tables come before the others */
        bool late;           /* the first answer to AcquireTables comes when its caller has given up */
        const char *fail;    /* a method whose first call is refused: no memory */
        const char *lose;    /* a method whose first answer gets lost: it is done, half the answer is sent, and the connection ends */
} FakePlan;

/* What the fake was told, in memory that it shares with the test. */
typedef struct FakeLog {
        unsigned n_acquire, n_made, n_refused, n_claimed, n_unregistered;
        unsigned n_pidfds; /* with ClaimWithPidfd */
        int last_error;
        char last_placement[16];
        char name[32], kind[8];
        unsigned n_windows, owner;
        unsigned n_windows_opened, n_registered, n_lost, n_failed;
} FakeLog;

typedef struct Fake {
        pid_t pid;
        FakeLog *log;
        char dir[32];
        char address[64];
} Fake;

/* Listens before it returns. fake_stop() ends the child and waits for it. */
int fake_start(Fake *fake, const FakePlan *plan);
void fake_stop(Fake *fake);
