/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* probe_adapter.c on a made-up host: all that it needs, and then one thing after another that is missing, hidden or otherwise. */

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "build-config.h"
#include "names.h"
#include "probe_adapter.h"
#include "tap.h"
#include "tree.h"
#include "util.h"

#define APPARMOR TCED_SYSCONFDIR "/apparmor.d/"
#define ABSTRACTION APPARMOR "abstractions/libvirt-qemu"
#define LOCAL APPARMOR "local/abstractions/libvirt-qemu"
#define RULES ABSTRACTION ".d/tced-qemu"
#define ENABLED "/sys/module/apparmor/parameters/enabled"
#define ENFORCE "/sys/fs/selinux/enforce"
#define STORE "/var/lib/selinux/targeted/active"
#define MODULE STORE "/modules/400/tced_qemu/cil"
#define PARSER "/usr/sbin/apparmor_parser"
#define AT_WORK TEXT(ENABLED, "Y\n"), TEXT(PARSER, "#!")
/* Libvirt's, old and new. */
#define OLD "  #include <abstractions/base>\n  # include <abstractions/libvirt-qemu.d>\n  #include <local/abstractions/libvirt-qemu>\n"
#define NEW "  include <abstractions/base>\n  include if exists <abstractions/libvirt-qemu.d>\n"

static const char *const programs[] = { TCED_QEMU_WRAPPER, TCED_QEMU_PROGRAM, TCED_QEMU_LIBRARY };

/* A host, from the path and text of what it has; all files may be executed. Paths begin with a slash. */
static Tree host(const TreeEntry *entries) {
        Tree tree = tree_new();

        for (; entries->path; entries++)
                tree_add_one(&tree, &(TreeEntry){ entries->path + 1, entries->text, entries->link, entries->size });
        for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
                tree_add_one(&tree, &(TreeEntry){ programs[i] + 1, "#!", NULL, 0 });
                (void) chmod(tree_path(&tree, programs[i] + 1), 0755);
        }
        return tree;
}

static AdapterFacts probe(const Tree *tree, bool connect) {
        char sys[80];
        AdapterFacts f;

        (void) snprintf(sys, sizeof(sys), "%s/sys", tree->path);
        probe_adapter(tree->path, sys, connect, &f);
        return f;
}

static int listen_at(const Tree *tree) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s" TCED_SOCKET, tree->path);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || chmod(address.sun_path, 0666) < 0 || listen(fd, 1) < 0)
                exit(99);
        return fd;
}

static void test_files(void) {
        Tree tree = host((TreeEntry[]){ DIRECTORY(TCED_RUNTIME_DIR), {} });
        AdapterFacts f = probe(&tree, true);
        int fd;

        tap_ok(f.known && f.error[ADAPTER_WRAPPER] == 0 && f.error[ADAPTER_QEMU] == 0 && f.error[ADAPTER_LIBRARY] == 0, "all files are there");
        tap_ok(f.apparmor == ADAPTER_RULES_UNNEEDED && f.selinux == ADAPTER_RULES_UNNEEDED, "and nothing confines");
        tap_eq(f.error[ADAPTER_SOCKET], ENOENT, "tced never ran");
        fd = listen_at(&tree);
        tap_eq(probe(&tree, true).error[ADAPTER_SOCKET], 0, "it runs");
        (void) chmod(tree_path(&tree, &TCED_SOCKET[1]), 0600);
        tap_eq(probe(&tree, true).error[ADAPTER_SOCKET], EACCES, "and lets nobody in");
        (void) chmod(tree_path(&tree, &TCED_SOCKET[1]), 0666);
        fd = fd_close(fd);
        tap_eq(probe(&tree, true).error[ADAPTER_SOCKET], ECONNREFUSED, "it has ended");
        tap_eq(probe(&tree, false).error[ADAPTER_SOCKET], 0, "which does not show to who does not connect");
        for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
                (void) chmod(tree_path(&tree, programs[i] + 1), 0750);
                tap_eq(probe(&tree, false).error[i], EACCES, "%s is not for others", programs[i]);
                (void) chmod(tree_path(&tree, programs[i] + 1), 0744);
                tap_eq(probe(&tree, false).error[i], i == ADAPTER_LIBRARY ? 0 : EACCES, "%s can be read", programs[i]);
                (void) unlink(tree_path(&tree, programs[i] + 1));
                tap_eq(probe(&tree, false).error[i], ENOENT, "%s is not there", programs[i]);
                (void) mkdir(tree_path(&tree, programs[i] + 1), 0755);
                tap_eq(probe(&tree, false).error[i], EINVAL, "%s is a folder", programs[i]);
        }
        tree_remove(&tree);
}

static void test_apparmor(void) {
        static const struct {
                const char *name;
                TreeEntry entries[6];
                AdapterRules want;
        } cases[] = {
                { "no such module", { TEXT(ABSTRACTION, NEW) }, ADAPTER_RULES_UNNEEDED },
                { "switched off", { TEXT(ENABLED, "N\n"), TEXT(PARSER, "#!"), TEXT(ABSTRACTION, NEW) }, ADAPTER_RULES_UNNEEDED },
                { "a kernel with it, and no more", { TEXT(ENABLED, "Y\n"), TEXT(ABSTRACTION, NEW) }, ADAPTER_RULES_UNNEEDED },
                { "its parser elsewhere", { TEXT(ENABLED, "Y\n"), TEXT("/sbin/apparmor_parser", "#!"), TEXT(ABSTRACTION, NEW) }, ADAPTER_RULES_MISSING },
                { "a libvirt without it", { AT_WORK }, ADAPTER_RULES_UNNEEDED },
                { "rules that are included", { AT_WORK, TEXT(ABSTRACTION, NEW), TEXT(RULES, "#") }, ADAPTER_RULES_READY },
                { "no rules", { AT_WORK, TEXT(ABSTRACTION, NEW) }, ADAPTER_RULES_MISSING },
                { "no rules, and no include", { AT_WORK, TEXT(ABSTRACTION, OLD) }, ADAPTER_RULES_MISSING },
                { "a libvirt that does not include them", { AT_WORK, TEXT(ABSTRACTION, OLD), TEXT(RULES, "#") },
                  ADAPTER_RULES_NOT_INCLUDED },
                { "nor does the administrator",
                  { AT_WORK, TEXT(ABSTRACTION, OLD), TEXT(RULES, "#"), TEXT(LOCAL, "# include <abstractions/libvirt-qemu.d>\n") },
                  ADAPTER_RULES_NOT_INCLUDED },
                { "the administrator does",
                  { AT_WORK, TEXT(ABSTRACTION, OLD), TEXT(RULES, "#"), TEXT(LOCAL, "  include if exists <abstractions/libvirt-qemu.d>\n") },
                  ADAPTER_RULES_READY },
                { "the one file",
                  { AT_WORK, TEXT(ABSTRACTION, OLD), TEXT(RULES, "#"), TEXT(LOCAL, "#include \"abstractions/libvirt-qemu.d/tced-qemu\"") },
                  ADAPTER_RULES_READY },
                { "another folder", { AT_WORK, TEXT(ABSTRACTION, "include <abstractions/libvirt-qemu.dd>\n"), TEXT(RULES, "#") },
                  ADAPTER_RULES_NOT_INCLUDED },
                { "a local file that nobody includes",
                  { AT_WORK, TEXT(ABSTRACTION, "include <abstractions/base>\n"), TEXT(RULES, "#"),
                    TEXT(LOCAL, "include <abstractions/libvirt-qemu.d>\n") },
                  ADAPTER_RULES_NOT_INCLUDED },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Tree tree = host(cases[i].entries);

                tap_streq(adapter_rules_to_string(probe(&tree, false).apparmor), adapter_rules_to_string(cases[i].want), "AppArmor: %s", cases[i].name);
                tree_remove(&tree);
        }
}

static void test_selinux(void) {
        static const struct {
                const char *name;
                TreeEntry entries[3];
                AdapterRules want;
        } cases[] = {
                { "permissive", { TEXT(ENFORCE, "0") }, ADAPTER_RULES_UNNEEDED },
                { "in force, and no store", { TEXT(ENFORCE, "1") }, ADAPTER_RULES_MISSING },
                { "in force, and others", { TEXT(ENFORCE, "1"), TEXT(STORE "/modules/400/other/cil", "x") }, ADAPTER_RULES_MISSING },
                { "in force, with it", { TEXT(ENFORCE, "1"), TEXT(MODULE, "x") }, ADAPTER_RULES_READY },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Tree tree = host(cases[i].entries);

                tap_streq(adapter_rules_to_string(probe(&tree, false).selinux), adapter_rules_to_string(cases[i].want), "SELinux: %s", cases[i].name);
                tree_remove(&tree);
        }
}

/* To a user who may not look into the store, which is root's, as on a real host; and by the label. */
static void test_selinux_hidden(void) {
        static const char ours[] = "system_u:object_r:tced_runtime_t:s0", others[] = "system_u:object_r:var_run_t:s0";
        Tree tree = host((TreeEntry[]){ TEXT(ENFORCE, "1"), TEXT(MODULE, "x"), DIRECTORY(TCED_RUNTIME_DIR), {} });
        char run[128];

        if (geteuid() != 0) {
                tap_skip("not root", "SELinux: the store is root's");
                tap_skip("not root", "SELinux: labels");
                tree_remove(&tree);
                return;
        }
        (void) snprintf(run, sizeof(run), "%s", tree_path(&tree, &TCED_RUNTIME_DIR[1]));
        (void) chmod(tree.path, 0755);
        (void) chmod(tree_path(&tree, &STORE[1]), 0700);
        if (seteuid(65534) < 0)
                exit(99);
        tap_streq(adapter_rules_to_string(probe(&tree, false).selinux), "unknown", "SELinux: the store is root's");
        if (seteuid(0) < 0)
                exit(99);
        if (setxattr(run, "security.selinux", others, sizeof(others), 0) < 0)
                tap_skip("this file system has none", "SELinux: labels");
        else {
                tap_streq(adapter_rules_to_string(probe(&tree, false).selinux), "missing", "SELinux: loaded, and nothing is labelled");
                (void) setxattr(run, "security.selinux", ours, sizeof(ours), 0);
                tap_streq(adapter_rules_to_string(probe(&tree, false).selinux), "ready", "SELinux: labelled");
        }
        tree_remove(&tree);
}

int main(void) {
        test_files();
        test_apparmor();
        test_selinux();
        test_selinux_hidden();
        return tap_done();
}
