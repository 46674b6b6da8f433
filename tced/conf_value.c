/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reads the values of settings. A value that does not fit leaves what was there. */

#include "conf_value.h"

#include "log.h"
#include "policy.h"
#include "util.h"

/* More than any kernel has (MAX_NUMNODES is 256 on POWER, 1024 on x86), and few enough for a mask of bits. */
#define NODE_MAX 1023
/* A count above this is a slip of the pen. */
#define COUNT_MAX (1024 * 1024)
#define TIMEOUT_SEC_MAX 3600
#define PATIENCE_SEC_MAX 60
#define USEC_PER_SEC UINT64_C(1000000)
#define GROUP_NAME_MAX 32
#define URI_MAX 160

/* Shown with a value that was not understood: what to write instead. */
static const char *const value_type_texts[_VALUE_TYPE_MAX] = {
        [VALUE_ACCEL] = "auto, kernel or user",
        [VALUE_TRISTATE] = "auto, yes or no",
        [VALUE_NODE] = "the number of a NUMA node, or any",
        [VALUE_COUNT] = "a number up to 1048576",
        [VALUE_SIZE] = "a number of bytes, with K, M, G or T behind it if you like",
        [VALUE_TIMEOUT] = "a whole number of seconds from 1 to 3600",
        [VALUE_PATIENCE] = "a whole number of seconds from 1 to 60",
        [VALUE_BOOL] = "yes or no",
        [VALUE_LEVEL] = "emerg, alert, crit, err, warning, notice, info or debug",
        [VALUE_GROUP] = "the name of a group",
        [VALUE_URI] = "the URI of a libvirt connection, such as qemu:///system",
        [VALUE_DEVICES] = "PCI addresses, such as 0001:00:00.0, with spaces between",
};

const char *value_type_text(ValueType type) {
        return value_type_texts[type];
}

const Setting *setting_find(const Setting *settings, size_t n, const char *section, const char *key) {
        for (size_t i = 0; i < n; i++)
                if (streq(settings[i].section, section) && streq(settings[i].key, key))
                        return &settings[i];
        return NULL;
}

static int parse_node(const char *text, int *ret) {
        uint64_t n;

        if (streq(text, "any")) {
                *ret = NUMA_NODE_ANY;
                return 0;
        }
        if (parse_u64(text, NODE_MAX, &n) < 0)
                return -EINVAL;
        *ret = (int) n;
        return 0;
}

/* Zero would be no time for anything: a proof can't be switched off by it. */
static int parse_timeout(const char *text, uint64_t max_seconds, uint64_t *ret_usec) {
        uint64_t seconds;

        if (parse_u64(text, max_seconds, &seconds) < 0 || seconds == 0)
                return -EINVAL;
        *ret_usec = seconds * USEC_PER_SEC;
        return 0;
}

static int store_text(const char *text, char **place) {
        char *copy = strdup(text);

        if (!copy)
                return -ENOMEM;
        free(*place);
        *place = copy;
        return 0;
}

/* As groupadd(8) has it, capitals and dots besides; whether there is such a group is not asked here. */
static int parse_group(const char *text, char **name) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
        size_t n = strlen(text);

        if (n == 0 || n > GROUP_NAME_MAX || strspn(text, allowed) != n || text[0] == '-')
                return -EINVAL;
        return store_text(text, name);
}

/* Whether libvirt can do with it is for libvirt to say; it becomes a program's argument, so it begins with a letter. */
static int parse_uri(const char *text, char **uri) {
        const char *colon = strchr(text, ':');

        if (!colon || colon == text || !((text[0] | 0x20) >= 'a' && (text[0] | 0x20) <= 'z') || strlen(text) > URI_MAX)
                return -EINVAL;
        for (const char *c = text; *c; c++)
                if (*c <= ' ' || (unsigned char) *c >= 0x7f)
                        return -EINVAL;
        return store_text(text, uri);
}

/* All or nothing: half a list would bind half of what was meant. */
static int parse_devices(const char *text, char ***list) {
        _cleanup_free_ char *copy = strdup(text);
        char **grown = NULL, *rest = NULL;
        size_t before = 0, n;

        if (!copy)
                return -ENOMEM;
        if (isempty(text)) {
                strings_free(*list);
                *list = NULL;
                return 0;
        }
        for (const char *word = strtok_r(copy, " \t,", &rest); word; word = strtok_r(NULL, " \t,", &rest))
                if (!pci_address_valid(word))
                        return -EINVAL;
        while (*list && (*list)[before])
                before++;
        n = before;
        grown = calloc(before + strlen(text) / 2 + 2, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        (void) strcpy(copy, text);
        for (const char *word = strtok_r(copy, " \t,", &rest); word; word = strtok_r(NULL, " \t,", &rest)) {
                grown[n] = strdup(word);
                if (!grown[n]) {
                        strings_free(grown);
                        return -ENOMEM;
                }
                n++;
        }
        if (before > 0)
                memcpy(grown, *list, before * sizeof(*grown));
        free(*list);
        *list = grown;
        return 0;
}

/* Stores what a …_from_string() gave, unless it is negative. */
static int store_int(int value, int *ret) {
        if (value < 0)
                return -EINVAL;
        *ret = value;
        return 0;
}

int setting_parse(const Setting *setting, const char *text, void *base) {
        void *place = (char *) base + setting->offset;
        int value, r = -EINVAL;

        switch (setting->type) {
        case VALUE_ACCEL:
                r = store_int(accel_from_string(text), &value);
                if (r == 0)
                        *(Accel *) place = (Accel) value;
                break;
        case VALUE_TRISTATE:
                r = store_int(tristate_from_string(text), &value);
                if (r == 0)
                        *(Tristate *) place = (Tristate) value;
                break;
        case VALUE_NODE:
                r = parse_node(text, place);
                break;
        case VALUE_COUNT:
                r = parse_u64(text, COUNT_MAX, place);
                break;
        case VALUE_SIZE:
                r = parse_size(text, place);
                break;
        case VALUE_TIMEOUT:
                r = parse_timeout(text, TIMEOUT_SEC_MAX, place);
                break;
        case VALUE_PATIENCE:
                r = parse_timeout(text, PATIENCE_SEC_MAX, place);
                break;
        case VALUE_BOOL:
                r = parse_bool(text, place);
                break;
        case VALUE_LEVEL:
                r = store_int(log_level_from_string(text), place);
                break;
        case VALUE_GROUP:
                r = parse_group(text, place);
                break;
        case VALUE_URI:
                r = parse_uri(text, place);
                break;
        case VALUE_DEVICES:
                r = parse_devices(text, place);
                break;
        case _VALUE_TYPE_MAX:
                break;
        }
        /* Whoever reads the warning is told the bounds in either case. */
        return r == -ERANGE ? -EINVAL : r;
}
