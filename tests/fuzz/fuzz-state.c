/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A libFuzzer target: the state file, as anybody may have left it. An input must not crash, leak or hang; what was read can be written, and
 * is the same when it is read again. */

#include "fuzz.h"
#include "machine_json.h"
#include "util.h"

#define EXPECT(what) fuzz_expect((what), #what)
#define BOOT "00112233445566778899aabbccddeeff"

static void on_ended(Machine *machine, void *userdata) {
}

static int read_state(const char *text, size_t size, State *ret) {
        char error[STATE_ERROR_MAX] = "";
        int r = state_read(text, size, BOOT, on_ended, NULL, ret, error);

        EXPECT(r == 0 || r == -EINVAL || r == -ESTALE || r == -ENOMEM);
        EXPECT((r == -EINVAL) == (*error != '\0'));
        return r;
}

/* As the manager writes it. */
static char *write_state(const State *s) {
        char head[STATE_HEAD_MAX], *text = strdup(state_head_to_json(&s->head, head));

        for (size_t i = 0; text && i < s->n_machines; i++) {
                char *line, *longer = NULL;

                EXPECT(machine_to_json(s->machines[i], &line) == 0 && !strchr(line, '\n'));
                if (asprintf(&longer, "%s%s,\n", text, line) < 0)
                        abort();
                free(text);
                free(line);
                text = longer;
        }
        text = text ? realloc(text, strlen(text) + sizeof(STATE_TAIL)) : NULL;
        return text ? strcat(text, STATE_TAIL) : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        State state = {}, again = {};
        char *text, *text_again;

        if (read_state((const char *) data, size, &state) < 0)
                return 0;
        text = write_state(&state);
        EXPECT(text && read_state(text, strlen(text), &again) == 0);
        text_again = write_state(&again);
        EXPECT(text_again && streq(text, text_again));
        free(text);
        free(text_again);
        state_clear(&state);
        state_clear(&again);
        return 0;
}
