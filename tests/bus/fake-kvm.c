/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A KVM with TCE tables for a daemon that runs elsewhere than on POWER: linked into one of its own with --wrap=ioctl, it answers
 * KVM's requests on whatever file stands in kvm's place. With TCED_FAKE_KVM=hang making a VM never ends.
 *
 * With TCED_FAKE_VFIO=DIR it answers VFIO's in the same way, as DIR/mode says, and writes into DIR/log who asked for what.
 *
 * With TCED_FAKE_LIMITS=DIR (--wrap=prlimit64) processes have the limits of locked memory that DIR/PID has ("SOFT HARD", "denied" where none may
 * be set), which may be raised: for real that takes CAP_SYS_RESOURCE, which not even root has in every container.
 *
 * With TCED_FAKE_NONSENSE=FILE (--wrap=write) tced's proving children send bytes without sense as long as there is that file.
 *
 * With TCED_FAKE_NO_PEERPIDFD (--wrap=getsockopt) the kernel is one from before 6.5. */

#include <dlfcn.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

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

/* A bare-metal host's, or in another mood: "busy", "not-viable", "no-viable-device", "type1", "v1", "no-window", "full", "foreign", "odd", "slow",
 * "hang". */
static int vfio_ioctl(const char *dir, int fd, unsigned long request, void *argument) {
        static const struct {
                unsigned long request;
                const char *name, *mode; /* in which it is refused, */
                int error;               /* with this */
        } known[] = {
                { VFIO_CHECK_EXTENSION, "", "", 0 },
                { VFIO_GROUP_GET_STATUS, "", "", 0 },
                { VFIO_GROUP_SET_CONTAINER, "attach", "busy", EBUSY },
                { VFIO_GROUP_SET_CONTAINER, "attach", "not-viable", EPERM },
                { VFIO_GROUP_SET_CONTAINER, "attach", "full", EBUSY },
                { VFIO_GROUP_SET_CONTAINER, "attach", "foreign", EPERM },
                { VFIO_GROUP_SET_CONTAINER, "attach", "odd", EINVAL },
                { VFIO_GROUP_UNSET_CONTAINER, "detach", "", 0 },
                { VFIO_SET_IOMMU, "type", "", 0 },
                { VFIO_IOMMU_SPAPR_TCE_GET_INFO, "info", "", 0 },
                { VFIO_IOMMU_SPAPR_TCE_CREATE, "create", "no-window", ENODEV },
                { VFIO_IOMMU_SPAPR_TCE_REMOVE, "remove", "", 0 },
        };
        static unsigned windows;
        const char *name = NULL;
        char path[128], mode[32] = "";
        FILE *f;

        (void) snprintf(path, sizeof(path), "%s/mode", dir);
        (void) read_file_at(AT_FDCWD, path, mode, sizeof(mode));
        while (streq(mode, "hang") && request == VFIO_GROUP_SET_CONTAINER)
                (void) pause();
        if (streq(mode, "slow") && request == VFIO_GROUP_SET_CONTAINER)
                (void) usleep(400 * 1000);
        errno = 0;
        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (known[i].request == request) {
                        name = known[i].name;
                        if (known[i].error && streq(mode, known[i].mode))
                                errno = known[i].error;
                }
        if (!name)
                errno = ENOTTY;
        if (errno == 0 && request == VFIO_SET_IOMMU && streq(mode, "v1") && (uintptr_t) argument == VFIO_EXT_SPAPR_TCE_V2)
                errno = EPERM;
        if (errno)
                return -1;
        (void) snprintf(path, sizeof(path), "%s/log", dir);
        f = *name ? fopen(path, "ae") : NULL;
        if (f) {
                (void) fprintf(f, "%d %s\n", (int) getpid(), name);
                (void) fclose(f);
        }
        if (request == VFIO_CHECK_EXTENSION)
                return !streq(mode, "type1") && ((uintptr_t) argument == VFIO_EXT_SPAPR_TCE_V2 || (uintptr_t) argument == VFIO_EXT_SPAPR_TCE);
        if (request == VFIO_GROUP_GET_STATUS)
                ((struct vfio_status *) argument)->flags = streq(mode, "no-viable-device") ? 0 : VFIO_GROUP_STATUS_VIABLE;
        if (request == VFIO_IOMMU_SPAPR_TCE_GET_INFO) {
                static const struct vfio_spapr_info info = {
                        .flags = VFIO_SPAPR_INFO_DDW, .dma32_window_size = 1U << 31, .pgsizes = 0x211000, .max_dynamic_windows_supported = 2,
                        .levels = 5,
                };
                memcpy((char *) argument + 4, (const char *) &info + 4, sizeof(info) - 4);
        }
        if (request == VFIO_IOMMU_SPAPR_TCE_CREATE)
                ((struct vfio_spapr_create *) argument)->start_addr = windows++ ? UINT64_C(1) << 59 : 0;
        return 0;
}

/* Does tests/faults/layer.c, if it is preloaded, want this request to fail? */
static bool is_fault(void) {
        static bool (*fault)(void);
        static bool looked;

        if (!looked)
                fault = (bool (*)(void)) dlsym(RTLD_DEFAULT, "fault_in_ioctl");
        looked = true;
        return fault && fault();
}

int __wrap_ioctl(int fd, unsigned long request, ...) {
        const char *vfio = getenv("TCED_FAKE_VFIO");
        const char *mode = getenv("TCED_FAKE_KVM");
        unsigned long argument;
        va_list ap;

        va_start(ap, request);
        argument = va_arg(ap, unsigned long);
        va_end(ap);
        if (((request >> 8 & 0xff) == VFIO_ABI_TYPE || (request >> 8 & 0xff) == KVM_ABI_IO) && is_fault())
                return -1;
        if (vfio && (request >> 8 & 0xff) == VFIO_ABI_TYPE)
                return vfio_ioctl(vfio, fd, request, (void *) argument);
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

int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size);

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size) {
        const int peer_pidfd = 77; /* SO_PEERPIDFD */

        if (level != SOL_SOCKET || name != peer_pidfd || !getenv("TCED_FAKE_NO_PEERPIDFD"))
                return __real_getsockopt(fd, level, name, value, size);
        errno = ENOPROTOOPT;
        return -1;
}

static pid_t main_pid;

__attribute__((constructor)) static void note_main(void) {
        main_pid = getpid();
}

ssize_t __real_write(int fd, const void *buf, size_t size);
ssize_t __wrap_write(int fd, const void *buf, size_t size);

/* A child's answer ends with an error number, which stays. */
ssize_t __wrap_write(int fd, const void *buf, size_t size) {
        const char *file = getenv("TCED_FAKE_NONSENSE");

        if (file && getpid() != main_pid && size > sizeof(int) && access(file, F_OK) == 0)
                memset((char *) (uintptr_t) buf, 0x7f, size - sizeof(int));
        return __real_write(fd, buf, size);
}
