/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tcectl audit and top: the screens, whatever the JSON is like; KVM's counts, in a made-up debugfs; the live view in a terminal of the
 * test's, which must be as it was however it ends. */

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <utmp.h>

#include "tap.h"
#include "tcectl-screens.h"
#include "top.h"
#include "tree.h"

static const char audit_text[] =
        "{\"unreadable\":0,\"vms\":["
        "{\"pid\":4711,\"name\":\"qemu-system-ppc\",\"uid\":64055,\"machine\":\"web1\",\"uuid\":\"3f2c1d4e5a6b7c8d9e0f1a2b3c4d5e6f\","
        "\"basis\":\"machine\",\"verdict\":\"slow-path\",\"why\":\"\",\"age_usec\":1500,\"vcpus\":2,\"kernel_tables\":1,\"other_tables\":1,"
        "\"kernel_bytes\":524288,\"user_bytes\":0,\"resident_bytes\":65536,\"locked_memory\":null,\"tables\":["
        "{\"liobn\":1895825408,\"device\":\"net0\",\"kind\":\"vio\",\"window\":\"default\",\"expected\":\"kernel\",\"reason\":\"in-kernel\","
        "\"found\":\"kernel\",\"found_text\":\"kernel\",\"of_size\":1,\"kernel_of_size\":1,\"page_shift\":12,\"entries_min\":65536,"
        "\"entries\":65536,\"bytes\":524288,\"size_text\":\"\",\"resident_bytes\":65536,\"differs\":false,\"slow\":false,\"why\":\"\","
        "\"why_source\":\"none\",\"remedy\":\"\"},"
        "{\"liobn\":2147483648,\"device\":\"pci.0\",\"kind\":\"pci\",\"window\":\"default\",\"expected\":\"kernel\",\"reason\":\"in-kernel\","
        "\"found\":\"missing\",\"found_text\":\"missing\",\"of_size\":1,\"kernel_of_size\":0,\"page_shift\":12,\"entries_min\":262144,"
        "\"entries\":262144,\"bytes\":2097152,\"size_text\":\"\",\"resident_bytes\":null,\"differs\":true,\"slow\":true,"
        "\"why\":\"the locked-memory limit is 2 MiB, 576 KiB of it are taken, and the kernel charges 2112 KiB for the table\","
        "\"why_source\":\"inferred\",\"remedy\":\"Raise the VM's locked-memory limit (libvirt: <memtune><hard_limit>), then start it again\"}]},"
        "{\"pid\":4712,\"name\":\"vmm\",\"uid\":0,\"machine\":null,\"uuid\":null,\"basis\":\"nothing\",\"verdict\":\"unknown\","
        "\"why\":\"tced does not know this VM: what it should have is not known\",\"age_usec\":2500000,\"vcpus\":1,\"kernel_tables\":1,"
        "\"other_tables\":0,\"kernel_bytes\":2097152,\"user_bytes\":0,\"resident_bytes\":0,\"locked_memory\":null,\"tables\":["
        "{\"liobn\":null,\"device\":null,\"kind\":null,\"window\":null,\"expected\":null,\"reason\":null,\"found\":\"kernel\","
        "\"found_text\":\"kernel\",\"of_size\":0,\"kernel_of_size\":0,\"page_shift\":null,\"entries_min\":253953,\"entries\":262144,"
        "\"bytes\":2097152,\"size_text\":\"as long as a PHB's default window (1 GiB of 4 KiB pages)\",\"resident_bytes\":0,"
        "\"differs\":false,\"slow\":false,\"why\":\"\",\"why_source\":\"none\",\"remedy\":\"\"}]}]}";

static const TopRate rates[] = { { .pid = 4711, .per_second = 12345, .known = true }, { .pid = 4712 } };

enum { ALL, NAMED, VERBOSE, TOP, _SCREENS };

static char *render(int screen, json_object *json, unsigned width, bool colour, int *ret_r) {
        Output out = { .width = width, .legend = true, .colour = colour, .verbose = screen == VERBOSE };
        char *text = NULL;
        size_t size;

        out.f = open_memstream(&text, &size);
        *ret_r = screen == TOP ? render_top(json, rates, 2, &out) : render_audit(json, screen == NAMED ? "web1" : NULL, &out);
        (void) fclose(out.f);
        return text;
}

static void test_screens(void) {
        static const char *const want[_SCREENS] = {
                [ALL] =
                        "NAME   PID  VERDICT    KERNEL TABLES  OTHERS  RESIDENT  SEEN\n",
        };
        json_object *json = json_tokener_parse(audit_text);
        int r;

        for (int i = 0; i < _SCREENS; i++) {
                _cleanup_free_ char *text = render(i, json, 80, false, &r);

                tap_ok(r == 0 && is_sound(text, 80), "screen %d keeps to 80 columns", i);
                if (want[i] && !tap_ok(strncmp(text, want[i], strlen(want[i])) == 0, "screen %d begins as it should", i))
                        printf("# %s\n", text);
                printf("%s%s", getenv("SHOW") ? text : "", getenv("SHOW") ? "\n" : "");
                if (i == ALL || i == NAMED)
                        tap_ok(strstr(text, "80000000") && strstr(text, "hard_limit"), "screen %d: the slow one, and what to do", i);
                if (i == ALL)
                        tap_ok(!strstr(text, "71000000") && strstr(text, "does not know this VM"), "what is as it should be is left out");
                if (i == NAMED)
                        tap_ok(strstr(text, "71000000") && strstr(text, "(inferred)") && !strstr(text, "vmm"), "all tables of one VM");
                if (i == VERBOSE)
                        tap_ok(strstr(text, "default window"), "a table is told by its size");
                if (i == TOP)
                        tap_ok(strstr(text, "12345") && strstr(text, "  -  "), "exits, where they are known");
        }
        for (unsigned width = OUTPUT_WIDTH_MIN; width < 140; width += 3)
                for (int i = 0; i < _SCREENS; i++) {
                        _cleanup_free_ char *text = render(i, json, width, true, &r);

                        if (r < 0 || !strip_colours(text) || !is_sound(text, width))
                                tap_ok(false, "screen %d at %u columns", i, width);
                }
        tap_ok(audit_find(json, "4712") && audit_find(json, "3f2c1d4e") && audit_find(json, "3f2c1d4e-5a6b"), "a VM by its PID, or its UUID");
        tap_streq(audit_guess(json, "wbe1", (char[NEAREST_TEXT_MAX]){}), " Did you mean 'web1'?", "a name that is almost one's");
        tap_ok(!audit_find(json, "3f2c") && !audit_find(json, "vmm") && !audit_find(json, ""), "not by less");
        (void) json_object_put(json);
}

/* Whatever is not as expected. */
static void test_odd(void) {
        unsigned n_changes = 0, bad = 0;
        bool more = true;

        for (size_t at = 0; more; at++)
                for (unsigned change = 0; change <= CHANGES; change++) {
                        json_object *json = json_tokener_parse(audit_text);
                        size_t n = at;
                        int r;

                        more = mutate(json, &n, change);
                        for (int i = 0; more && i < _SCREENS; i++) {
                                _cleanup_free_ char *text = render(i, json, 80, false, &r);

                                n_changes++;
                                bad += (r < 0 && !(i == NAMED && r == -ESRCH)) || !is_sound(text, 80);
                        }
                        (void) json_object_put(json);
                }
        tap_eq(bad, 0, "%u screens of odd answers", n_changes);
}

static void test_exits(void) {
        static const TreeEntry entries[] = {
                TEXT("4711-12/exits", "40\n"), TEXT("4711-12/mmio_exits", "7\n"), TEXT("4711-13/sum_exits", "2\n"),
                TEXT("4712-9/mmio_exits", "5\n"), TEXT("4712-9/signal_exits", "6\n"), TEXT("4712-9/halt_wakeup", "100\n"),
                DIRECTORY("47-1"), TEXT("exits", "9\n"),
        };
        Tree tree = tree_new();
        uint64_t exits = 0;

        TREE_ADD(&tree, entries);
        tap_ok(top_read_exits(tree.path, 4711, &exits) == 0 && exits == 42, "the exits of a process's two VMs");
        tap_ok(top_read_exits(tree.path, 4712, &exits) == 0 && exits == 11, "by their kinds, where there is no sum");
        tap_ok(top_read_exits(tree.path, 47, &exits) < 0 && top_read_exits(tree.path, 1, &exits) < 0, "none, and no such VM");
        tap_ok(top_read_exits("/nonexistent", 4711, &exits) < 0, "no debugfs");
        tree_remove(&tree);
}

static int ask(void *userdata, json_object **ret) {
        int *left = userdata;

        if (left && (*left)-- == 0)
                return -EIO;
        *ret = json_tokener_parse(audit_text);
        return 0;
}

/* What comes from the terminal until it has this text; false: it does not come. */
static bool terminal_says(int fd, char *all, size_t size, const char *text) {
        size_t have = strlen(all);

        for (unsigned i = 0; i < 200 && !strstr(all, text); i++) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                ssize_t n = poll(&p, 1, 100) > 0 ? read(fd, all + have, size - 1 - have) : 0;

                if (n < 0)
                        break;
                have += (size_t) n;
                all[have] = '\0';
        }
        return strstr(all, text) != NULL;
}

/* In a terminal of its own, ended by a key, by a signal, by an error of tced's. Its settings are looked at through `guard`, which stays open. */
static void test_terminal(const char *name, const char *key, int signal_number, int answers) {
        struct winsize size = { .ws_row = 24, .ws_col = 80 };
        int main_fd, guard, status = 0;
        struct termios before, now;
        char all[32768] = "";
        pid_t pid;

        if (openpty(&main_fd, &guard, NULL, NULL, &size) < 0) {
                tap_skip("there is no terminal to be had", name);
                return;
        }
        (void) tcgetattr(guard, &before);
        pid = fork();
        if (pid == 0) {
                Output out = { .width = 80, .legend = true };
                int r;

                (void) login_tty(guard);
                out.f = stdout;
                r = top_run(ask, answers ? &answers : NULL, "/nonexistent", 300, false, &out);
                _exit(r < 0 ? 1 : 0);
        }
        tap_ok(terminal_says(main_fd, all, sizeof(all), "q: quit"), "%s: a screen", name);
        (void) tcgetattr(guard, &now);
        tap_ok(strstr(all, "\033[?1049h") && strstr(all, "web1") && !(now.c_lflag & (ICANON | ECHO)), "%s: it has the terminal for itself", name);
        if (answers == 0) {
                size.ws_col = 60;
                all[0] = '\0';
                (void) ioctl(main_fd, TIOCSWINSZ, &size);
                tap_ok(terminal_says(main_fd, all, sizeof(all), "q: quit"), "%s: it is drawn again in another size", name);
        }
        if (key)
                (void) !write(main_fd, key, strlen(key));
        if (signal_number)
                (void) kill(pid, signal_number);
        tap_ok(terminal_says(main_fd, all, sizeof(all), "\033[?1049l"), "%s: it leaves the screen", name);
        (void) waitpid(pid, &status, 0);
        tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == (answers ? 1 : 0), "%s: and ends by itself", name);
        (void) tcgetattr(guard, &now);
        tap_ok(now.c_lflag == before.c_lflag && now.c_iflag == before.c_iflag && now.c_oflag == before.c_oflag,
               "%s: the terminal is as it was", name);
        (void) close(main_fd);
        (void) close(guard);
}

/* For scripts: no escapes, over the time that it counts. */
static void test_once(void) {
        Output out = { .width = 80, .legend = true };
        char *text = NULL;
        size_t size;
        int r;

        out.f = open_memstream(&text, &size);
        r = top_run(ask, NULL, "/nonexistent", 10, true, &out);
        (void) fclose(out.f);
        tap_ok(r == 0 && is_sound(text, 80) && !strchr(text, '\033') && strstr(text, "web1"), "once: a table and no escapes");
        free(text);
}

int main(void) {
        (void) setlocale(LC_ALL, "C.UTF-8");
        test_screens();
        test_odd();
        test_exits();
        test_once();
        test_terminal("q", "q", 0, 0);
        test_terminal("SIGINT", NULL, SIGINT, 0);
        test_terminal("SIGTERM", NULL, SIGTERM, 0);
        test_terminal("tced goes away", NULL, 0, 2);
        return tap_done();
}
