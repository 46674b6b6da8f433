/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tcectl run: registers a VM and becomes its QEMU, with the adapter preloaded. The registration is held by this process, which stays the
 * same one over exec. The windows that QEMU makes by its words are registered, so that rules see their devices; of what those do not tell
 * the adapter asks. */

#include <unistd.h>

#include "build-config.h"
#include "commands.h"
#include "error.h"
#include "names.h"
#include "offline.h"
#include "util.h"

#define NAME_LENGTH_MAX 64U

static bool has_word(char *const *words, const char *word) {
        for (; *words; words++)
                if (streq(*words, word))
                        return true;
        return false;
}

/* What QEMU's own -name says: "web1", "guest=web1,…", "debug-threads=on,guest=web1". NULL: nothing. */
static const char *qemu_name(char *const *words) {
        for (; words[0] && words[1]; words++)
                if (streq(words[0], "-name") || streq(words[0], "--name"))
                        return strncmp(words[1], "guest=", 6) == 0 ? words[1] + 6 :
                               strstr(words[1], ",guest=")         ? strstr(words[1], ",guest=") + 7 :
                                                                     words[1];
        return NULL;
}

/* A name that tced takes: what is not of its letters becomes '-'. */
static void make_name(const Options *o, char *buf, size_t size) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
        const char *name = qemu_name(o->words), *program = strrchr(o->words[0], '/');
        size_t n;

        if (o->name) {
                (void) snprintf(buf, size, "%s", o->name);
                return;
        }
        if (name)
                (void) snprintf(buf, size, "%.*s", (int) strcspn(name, ","), name);
        else
                (void) snprintf(buf, size, "%.48s-%d", program ? program + 1 : o->words[0], (int) getpid());
        while (buf[n = strspn(buf, allowed)])
                buf[n] = '-';
}

static int set_environment(const Options *o, const char *uuid) {
        const char *before = getenv("LD_PRELOAD");
        char value[4096];
        int n;

        n = snprintf(value, sizeof(value), "%s%s%s", TCED_QEMU_LIBRARY, isempty(before) ? "" : ":", isempty(before) ? "" : before);
        if (n < 0 || (size_t) n >= sizeof(value))
                return -ENAMETOOLONG;
        if (setenv("LD_PRELOAD", value, 1) < 0 || setenv("TCED_MACHINE", uuid, 1) < 0)
                return -errno;
        if (o->user || o->address)
                return setenv("TCED_ADDRESS", o->user ? "user" : o->address, 1) < 0 ? -errno : 0;
        return 0;
}

/* Only returns where it could not. */
static int become(char **words) {
        char text[512];
        int error;

        (void) fflush(NULL);
        (void) execvp(words[0], words);
        error = errno;
        (void) snprintf(text, sizeof(text), "Can't run %.200s: %s. Give a QEMU: tcectl run -- qemu-system-ppc64 ...", words[0],
                        strerror(error));
        print_error(text);
        return -error;
}

/* tced is not there, mute or too old: that keeps nobody from running a VM. What it refuses itself does. */
static bool is_away(const Problem *problem) {
        return strncmp(problem->name, TCED_ERROR_PREFIX, strlen(TCED_ERROR_PREFIX)) != 0;
}

/* What can't be told from the words is no reason not to run: its windows are asked for when QEMU makes them. */
static int find_windows(Client *client, const Options *o, ClientWindow **ret, size_t *ret_n) {
        _cleanup_(json_putp) json_object *facts = NULL;
        OfflineHost *host = NULL;
        Problem problem = {};
        const char *text;
        int r;

        r = client_describe(client, &facts, &problem);
        if (r >= 0) {
                text = json_object_to_json_string_ext(facts, JSON_C_TO_STRING_PLAIN);
                r = text ? offline_host_read(text, strlen(text), &host, &problem) : -ENOMEM;
        }
        if (r >= 0)
                r = offline_windows(host, o->words, ret, ret_n, &problem);
        offline_host_free(host);
        return r;
}

/* Windows that tced does not take, as a VM that QEMU will not start may have them, are left to QEMU. */
static int register_vm(Client *client, const Options *o, const char *name, char **ret_path, Problem *problem) {
        ClientWindow *windows = NULL;
        size_t n = 0;
        int r;

        if (find_windows(client, o, &windows, &n) == -ENOMEM)
                return -ENOMEM;
        r = client_register(client, name, windows, n, ret_path, problem);
        if (r < 0 && n > 0 && (streq(problem->name, TCED_ERROR_INVALID_WINDOW) || streq(problem->name, TCED_ERROR_LIOBN_TAKEN) ||
                               streq(problem->name, TCED_ERROR_TOO_MANY_ENTRIES) || streq(problem->name, TCED_ERROR_INVALID_ARGUMENT))) {
                *problem = (Problem) {};
                r = client_register(client, name, NULL, 0, ret_path, problem);
        }
        offline_windows_free(windows, n);
        return r;
}

int run_run(const Options *o) {
        _cleanup_(client_freep) Client *client = NULL;
        _cleanup_free_ char *path = NULL;
        char name[NAME_LENGTH_MAX + 2], text[640];
        Problem problem = {};
        int r;

        if (has_word(o->words, "-daemonize") || has_word(o->words, "--daemonize")) {
                print_error("-daemonize makes another process of QEMU, which tced does not know. Leave it out; systemd-run runs it in the background.");
                return -EINVAL;
        }
        if (access(TCED_QEMU_LIBRARY, R_OK) < 0) {
                (void) snprintf(text, sizeof(text), "No adapter for QEMU at %s: %s. Install tced-qemu.", TCED_QEMU_LIBRARY, strerror(errno));
                print_error(text);
                return -ENOENT;
        }
        make_name(o, name, sizeof(name));
        r = command_client(o, &client);
        if (r < 0)
                return r;
        r = register_vm(client, o, name, &path, &problem);
        if (r < 0 && (r == -ENOMEM || !is_away(&problem)))
                return command_failed(r, &problem);
        if (r < 0) {
                (void) snprintf(text, sizeof(text), "%.500s The VM runs without it.", problem.text);
                print_error(text);
                return become(o->words);
        }
        r = set_environment(o, path + strlen(TCED_MACHINE_PREFIX "/"));
        if (r >= 0)
                r = become(o->words);
        else
                print_error("The environment has no room for the adapter. Shorten LD_PRELOAD.");
        (void) client_unregister(client, path, &problem);
        return r;
}
