/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A KVM with TCE tables for a daemon that runs elsewhere than on POWER: linked into one of its own with --wrap=ioctl, it answers
 * KVM's requests on whatever file stands in kvm's place. With TCED_FAKE_KVM=hang making a VM never ends.
 *
 * With TCED_FAKE_LIMITS=DIR (--wrap=prlimit64) processes have the limits of locked memory that DIR/PID has ("SOFT HARD", "denied" where none may
 * be set), which may be raised: for real that takes CAP_SYS_RESOURCE, which not even root has in every container. */

#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "kvm-abi.h"
#include "util.h"

/* The largest page that there is: tables of one entry are mapped by a page. */
#define TABLE_BYTES 65536

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

static int new_fd(void) {
        int fd = memfd_create("fake-kvm", MFD_CLOEXEC);

        if (fd >= 0 && ftruncate(fd, TABLE_BYTES) < 0)
                return -1;
        return fd;
}

static int check_extension(unsigned long number) {
        return number == KVM_CAP_SPAPR_TCE || number == KVM_CAP_SPAPR_TCE_64 || number == KVM_CAP_SPAPR_TCE_VFIO ||
               number == KVM_CAP_SPAPR_MULTITCE;
}

int __wrap_ioctl(int fd, unsigned long request, ...) {
        const char *mode = getenv("TCED_FAKE_KVM");
        unsigned long argument;
        va_list ap;

        va_start(ap, request);
        argument = va_arg(ap, unsigned long);
        va_end(ap);
        if ((request >> 8 & 0xff) != KVM_ABI_IO)
                return __real_ioctl(fd, request, argument);
        switch (request) {
        case KVM_GET_API_VERSION:
                return 12;
        case KVM_CHECK_EXTENSION:
                return check_extension(argument);
        case KVM_CREATE_VM:
                while (mode && streq(mode, "hang"))
                        (void) pause();
                return new_fd();
        case KVM_CREATE_SPAPR_TCE:
        case KVM_CREATE_SPAPR_TCE_64:
                return new_fd();
        case KVM_ENABLE_CAP:
                return 0;
        default:
                errno = ENOTTY;
                return -1;
        }
}

int __real_prlimit64(pid_t pid, int resource, const struct rlimit *new, struct rlimit *old);
int __wrap_prlimit64(pid_t pid, int resource, const struct rlimit *new, struct rlimit *old);

int __wrap_prlimit64(pid_t pid, int resource, const struct rlimit *new, struct rlimit *old) {
        unsigned long long soft = 65536, hard = 65536;
        const char *dir = getenv("TCED_FAKE_LIMITS");
        char path[128], text[64];
        FILE *f;

        if (!dir || resource != RLIMIT_MEMLOCK)
                return __real_prlimit64(pid, resource, new, old);
        (void) snprintf(path, sizeof(path), "%s/%d", dir, (int) pid);
        if (read_file_at(AT_FDCWD, path, text, sizeof(text)) < 0)
                *text = '\0';
        if (new && strcmp(text, "denied") == 0) {
                errno = EPERM;
                return -1;
        }
        (void) sscanf(text, "%llu %llu", &soft, &hard);
        if (old)
                *old = (struct rlimit) { .rlim_cur = soft, .rlim_max = hard };
        f = new ? fopen(path, "we") : NULL;
        if (f) {
                (void) fprintf(f, "%llu %llu", (unsigned long long) new->rlim_cur, (unsigned long long) new->rlim_max);
                (void) fclose(f);
        }
        return 0;
}
