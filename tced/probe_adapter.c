/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* VMs run as a user of their own, whom nobody here can be: what others may do with a file is taken for what they may. */

#include "probe_adapter.h"

#include <glob.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "build-config.h"
#include "names.h"
#include "util.h"

#define ABSTRACTIONS "abstractions/libvirt-qemu"
#define APPARMOR TCED_SYSCONFDIR "/apparmor.d/"

/* Cut where it is too long, which no path of ours is. */
static const char *below(char buf[PATH_MAX], const char *root, const char *path) {
        (void) snprintf(buf, PATH_MAX, "%s%s", root, path);
        return buf;
}
#define PATH_BELOW(root, path) below((char[PATH_MAX]){}, root, path)

static int look_at_file(const char *path, mode_t type, mode_t need) {
        struct stat st;

        if (stat(path, &st) < 0)
                return errno;
        if ((st.st_mode & S_IFMT) != type)
                return EINVAL;
        return (st.st_mode & need) == need ? 0 : EACCES;
}

/* It outlives tced, so that only who connects knows. */
static int look_at_socket(const char *path, bool connect_too) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = -EBADF;
        int r = look_at_file(path, S_IFSOCK, S_IWOTH);

        if (r != 0 || !connect_too || strlen(path) >= sizeof(address.sun_path))
                return r;
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return errno;
        /* EAGAIN: so many wait that the kernel takes no more; someone is there. */
        return connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0 && errno != EAGAIN ? errno : 0;
}

/* A line of AppArmor's that includes this folder or file; "#include" is no comment there, "# include" is. */
static bool is_include(const char *line, const char *what) {
        const char *at;

        line += *line == '#';
        if (strncmp(line, "include", 7) != 0)
                return false;
        at = strstr(line, what);
        return at && strchr(">\"/\n", at[strlen(what)]);
}

/* Does the file include our rules; *local: it includes the file for an administrator's own. */
static bool has_include(const char *path, bool *local) {
        _cleanup_file_ FILE *f = fopen(path, "re");
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        bool found = false;

        while (f && !found && getline(&line, &size, f) >= 0) {
                const char *text = line + strspn(line, " \t");

                found = is_include(text, "<" ABSTRACTIONS ".d") || is_include(text, "\"" ABSTRACTIONS ".d");
                *local |= is_include(text, "<local/" ABSTRACTIONS) || is_include(text, "\"local/" ABSTRACTIONS);
        }
        return found;
}

static AdapterRules look_at_apparmor(const char *root, const char *sys) {
        char enabled[8] = "";
        bool local = false, included;
        ssize_t n = read_file_at(AT_FDCWD, PATH_BELOW(sys, "/module/apparmor/parameters/enabled"), enabled, sizeof(enabled));

        /* Where it may not be read the module is there all the same. */
        if (n < 0 ? n != -EACCES && n != -EPERM : enabled[0] != 'Y')
                return ADAPTER_RULES_UNNEEDED;
        /* libvirt's virt-aa-helper gives each VM its profile by it. Debian's kernel has AppArmor on where none of it is installed. */
        if (access(PATH_BELOW(root, "/usr/sbin/apparmor_parser"), F_OK) < 0 && access(PATH_BELOW(root, "/sbin/apparmor_parser"), F_OK) < 0)
                return ADAPTER_RULES_UNNEEDED;
        if (access(PATH_BELOW(root, APPARMOR ABSTRACTIONS), R_OK) < 0)
                return errno == ENOENT ? ADAPTER_RULES_UNNEEDED : ADAPTER_RULES_UNKNOWN;
        included = has_include(PATH_BELOW(root, APPARMOR ABSTRACTIONS), &local) ||
                   (local && has_include(PATH_BELOW(root, APPARMOR "local/" ABSTRACTIONS), &local));
        if (access(PATH_BELOW(root, APPARMOR ABSTRACTIONS ".d/tced-qemu"), F_OK) < 0)
                return errno == ENOENT ? ADAPTER_RULES_MISSING : ADAPTER_RULES_UNKNOWN;
        return included ? ADAPTER_RULES_READY : ADAPTER_RULES_NOT_INCLUDED;
}

static int stop_where_hidden(const char *path, int error) {
        (void) path;
        return error == EACCES || error == EPERM;
}

/* Below the store's folders, which glob() takes for empty where they may not be opened. */
static AdapterRules look_at_store(const char *root) {
        glob_t found = {};
        AdapterRules rules;
        int r;

        r = glob(PATH_BELOW(root, "/var/lib/selinux/*/active/modules/*/tced_qemu"), GLOB_NOSORT, stop_where_hidden, &found);
        globfree(&found);
        if (r != GLOB_NOMATCH)
                return r == 0 ? ADAPTER_RULES_READY : ADAPTER_RULES_UNKNOWN;
        rules = ADAPTER_RULES_MISSING;
        r = glob(PATH_BELOW(root, "/var/lib/selinux/*/active"), GLOB_NOSORT, NULL, &found);
        for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
                if (faccessat(AT_FDCWD, found.gl_pathv[i], R_OK | X_OK, AT_EACCESS) < 0)
                        rules = ADAPTER_RULES_UNKNOWN;
        globfree(&found);
        return rules;
}

/* The label tells of module and restorecon at once, and anyone may read it. Without one the store does, which is root's. */
static AdapterRules look_at_selinux(const char *root, const char *sys) {
        char enforce[8] = "", label[256] = "";
        ssize_t n;

        n = read_file_at(AT_FDCWD, PATH_BELOW(sys, "/fs/selinux/enforce"), enforce, sizeof(enforce));
        if (n == -EACCES || n == -EPERM)
                return ADAPTER_RULES_UNKNOWN;
        if (n < 0 || enforce[0] != '1')
                return ADAPTER_RULES_UNNEEDED;
        if (getxattr(PATH_BELOW(root, TCED_RUNTIME_DIR), "security.selinux", label, sizeof(label) - 1) > 0)
                return strstr(label, ":tced_runtime_t") ? ADAPTER_RULES_READY : ADAPTER_RULES_MISSING;
        return look_at_store(root);
}

void probe_adapter(const char *root, const char *sys, bool connect, AdapterFacts *ret) {
        static const mode_t need[_ADAPTER_PART_MAX] = {
                [ADAPTER_WRAPPER] = S_IROTH | S_IXOTH, [ADAPTER_QEMU] = S_IROTH | S_IXOTH, [ADAPTER_LIBRARY] = S_IROTH,
        };
        AdapterFacts f = { .known = true };

        for (AdapterPart part = 0; part < _ADAPTER_PART_MAX; part++) {
                const char *path = PATH_BELOW(root, adapter_part_path(part));

                f.error[part] = part == ADAPTER_SOCKET ? look_at_socket(path, connect) : look_at_file(path, S_IFREG, need[part]);
        }
        f.apparmor = look_at_apparmor(root, sys);
        f.selinux = look_at_selinux(root, sys);
        *ret = f;
}
