/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* state_file.c: whatever has changed, and whatever became of the files meanwhile, what is in force is what was put, whole. */

#include "state_file.h"

#include <json.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tap.h"
#include "util.h"

#define TEXTS 40U
#define ROUNDS 4000U
#define HEAD "{\"head\":%u,\"machines\":["

static char folder[] = "/tmp/test-state_file-XXXXXX";
static char path[64], fresh[64];

/* What is to be there. */
typedef struct Model {
        StateFile *file;
        StateSlot slots[TEXTS];
        char *texts[TEXTS];
        unsigned head;
        unsigned asked; /* for a text */
} Model;

static Model m;

static int text_of(StateSlot *slot, char **ret) {
        m.asked++;
        *ret = strdup(m.texts[slot - m.slots]);
        return *ret ? 0 : -ENOMEM;
}

static void open_file(void) {
        m = (Model) {};
        if (state_file_new(path, fresh, text_of, &m.file) < 0)
                exit(EXIT_FAILURE);
}

static void put(size_t i, unsigned length) {
        char *text = malloc(length + 64);
        int n = sprintf(text, "{\"i\":%zu,\"x\":\"", i);

        memset(text + n, 'a' + (int) (length % 26), length);
        strcpy(text + n + length, "\"}");
        free(m.texts[i]);
        m.texts[i] = strdup(text);
        if (state_file_put_consume(m.file, &m.slots[i], text) < 0)
                exit(EXIT_FAILURE);
}

static void drop(size_t i) {
        free(m.texts[i]);
        m.texts[i] = NULL;
        state_file_drop(m.file, &m.slots[i]);
}

static int write_out(void) {
        char head[64];

        (void) snprintf(head, sizeof(head), HEAD, ++m.head);
        return state_file_write(m.file, head);
}

/* The file is JSON, and has the head and these texts, each once, and a null. */
static bool is_there(void) {
        struct json_object *o = json_object_from_file(path), *machines, *head;
        size_t wanted = 0, n;
        bool good = json_object_object_get_ex(o, "head", &head) && json_object_get_int(head) == (int) m.head &&
                    json_object_object_get_ex(o, "machines", &machines);

        for (size_t i = 0; i < TEXTS; i++)
                wanted += m.texts[i] != NULL;
        n = good ? json_object_array_length(machines) : 0;
        good = n == wanted + 1 && !json_object_array_get_idx(machines, n - 1);
        for (size_t i = 0; good && i + 1 < n; i++) {
                struct json_object *item = json_object_array_get_idx(machines, i), *number;
                int index = json_object_object_get_ex(item, "i", &number) ? json_object_get_int(number) : -1;

                good = index >= 0 && index < (int) TEXTS && m.texts[index] &&
                       streq(json_object_to_json_string_ext(item, JSON_C_TO_STRING_PLAIN), m.texts[index]);
        }
        (void) json_object_put(o);
        return good;
}

static size_t file_size(void) {
        struct stat st;

        return stat(path, &st) < 0 ? 0 : (size_t) st.st_size;
}

static void model_done(void) {
        for (size_t i = 0; i < TEXTS; i++)
                drop(i);
        m.file = state_file_free(m.file);
}

/* Anything in any order, always the same. */
static void test_changes(void) {
        unsigned wrong = 0, too_large = 0, seed = 1;
        size_t need;

        open_file();
        for (unsigned i = 0; i < ROUNDS; i++) {
                unsigned changes = 1 + (seed = seed * 1103515245 + 12345) / 65536 % 3;

                while (changes-- > 0) {
                        size_t at = (seed = seed * 1103515245 + 12345) / 65536 % TEXTS;
                        unsigned what = (seed = seed * 1103515245 + 12345) / 65536 % 4;

                        if (what == 0)
                                drop(at);
                        else
                                put(at, (seed = seed * 1103515245 + 12345) / 65536 % (what == 1 ? 9000 : 300));
                }
                wrong += write_out() < 0 || !is_there();
                /* Of what is there, with what each is rounded up by and the head. */
                for (size_t at = need = 0; at < TEXTS; at++)
                        need += m.texts[at] ? strlen(m.texts[at]) + 130 : 0;
                too_large += file_size() > need + need / 3 + (1 << 16) + 1024;
        }
        tap_eq(wrong, 0, "%u writings of one to three changes each: what is there is what was put", ROUNDS);
        tap_ok(m.asked < ROUNDS, "texts were asked for again %u times, when all was laid out anew", m.asked);
        tap_eq(too_large, 0, "it is never a third larger than that, and 64 KiB");
        for (size_t i = 0; i < TEXTS; i++)
                drop(i);
        tap_ok(write_out() == 0 && is_there(), "nothing is left of it");
        put(3, 100);
        tap_ok(write_out() == 0 && is_there() && write_out() == 0 && is_there(), "and something again, twice");
        tap_ok(file_size() < 2048, "what was blank is given back: %zu bytes", file_size());
        tap_ok(access(fresh, F_OK) == 0, "the copy that is not in force is kept");
        model_done();
        tap_ok(access(fresh, F_OK) < 0 && access(path, F_OK) == 0, "until the end; the other stays");
        (void) unlink(path);
}

static bool write_limited(rlim_t bytes) {
        struct rlimit before;
        int r;

        (void) signal(SIGXFSZ, SIG_IGN);
        (void) getrlimit(RLIMIT_FSIZE, &before);
        (void) setrlimit(RLIMIT_FSIZE, &(struct rlimit) { .rlim_cur = bytes, .rlim_max = before.rlim_max });
        r = write_out();
        (void) setrlimit(RLIMIT_FSIZE, &before);
        return r == -EFBIG;
}

/* Both copies are there, and hold this. */
static void begin(void) {
        open_file();
        put(0, 100);
        put(1, 1000);
        if (write_out() < 0 || write_out() < 0 || write_out() < 0)
                exit(EXIT_FAILURE);
}

static void test_failures(void) {
        char *before, large[STATE_FILE_HEAD_MAX + 2] = "";
        struct stat st;

        begin();
        tap_ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600, "it is for its owner alone");
        before = m.texts[1];
        m.texts[1] = strdup(before);
        put(1, 3000);
        tap_ok(write_limited(1000), "half of it can be written");
        m.head--;
        free(m.texts[1]);
        m.texts[1] = before;
        tap_ok(is_there(), "what was there is there");
        put(1, 3000);
        tap_ok(write_out() == 0 && is_there() && write_out() == 0 && is_there(), "and the new one when it can be written");

        m.asked = 0;
        put(0, 200);
        tap_ok(write_out() == 0 && write_out() == 0 && write_out() == 0 && is_there() && m.asked == 0, "what is in both copies is not asked for again");
        (void) unlink(path);
        (void) unlink(fresh);
        put(0, 300);
        tap_ok(write_out() == 0 && is_there() && m.asked == 1, "both are removed: it is there again, and one text was asked for");
        tap_ok(write_out() == 0 && is_there() && write_out() == 0 && is_there() && m.asked == 1, "and goes on");

        (void) unlink(path);
        tap_ok(write_out() == 0 && is_there(), "who removes it gets the new one");
        (void) write_out();
        (void) unlink(path);
        (void) symlink("/etc/passwd", path);
        tap_ok(write_out() == 0 && is_there() && lstat(path, &st) == 0 && S_ISREG(st.st_mode), "a link in its place is replaced, not followed");
        (void) write_out();
        (void) unlink(fresh);
        tap_ok(write_out() == 0 && is_there(), "the copy is removed: another is made");
        (void) write_out();
        (void) unlink(fresh);
        (void) symlink("/etc/passwd", fresh);
        tap_ok(write_out() == 0 && is_there() && lstat(path, &st) == 0 && S_ISREG(st.st_mode), "a link in the copy's place is not put in force");
        (void) write_out();
        (void) unlink(fresh);
        (void) mkdir(fresh, 0700);
        tap_ok(write_out() < 0, "a folder in the copy's place is an error");
        m.head--;
        tap_ok(is_there(), "what was there is there");
        (void) rmdir(fresh);
        (void) unlink(path);
        (void) mkdir(path, 0700);
        tap_ok(write_out() < 0, "so is one in the file's place");
        (void) rmdir(path);
        tap_ok(write_out() == 0 && is_there(), "when it has gone all is well");
        memset(large, 'x', sizeof(large) - 1);
        tap_eq(state_file_write(m.file, large), -EINVAL, "a head that has no room");
        tap_ok(is_there(), "changes nothing");
        model_done();
        tap_ok(state_file_free(NULL) == NULL, "freed");
        (void) unlink(path);
}

int main(void) {
        if (!mkdtemp(folder))
                return 1;
        (void) snprintf(path, sizeof(path), "%s/state.json", folder);
        (void) snprintf(fresh, sizeof(fresh), "%s/state.json.new", folder);
        test_changes();
        test_failures();
        (void) rmdir(folder);
        return tap_done();
}
