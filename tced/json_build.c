/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What Describe and a plan are written with. */

#include "json_build.h"

#include "util.h"

/* Set by any failed allocation of the document that is being built. */
static _Thread_local bool out_of_memory;

Json *json_begin(void) {
        out_of_memory = false;
        return json_new_object();
}

int json_end_consume(Json *document, char **ret) {
        const char *text = NULL;
        int r = -ENOMEM;

        if (!out_of_memory)
                text = json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (text) {
                char *copy = strdup(text);

                if (copy) {
                        *ret = copy;
                        r = 0;
                }
        }
        (void) json_object_put(document);
        return r;
}

Json *json_new_object(void) {
        Json *o = json_object_new_object();

        out_of_memory |= !o;
        return o;
}

Json *json_new_array(void) {
        Json *a = json_object_new_array();

        out_of_memory |= !a;
        return a;
}

void json_add(Json *object, const char *key, Json *value) {
        if (!object || !value || json_object_object_add(object, key, value) < 0) {
                (void) json_object_put(value);
                out_of_memory = true;
        }
}

void json_push(Json *array, Json *value) {
        if (!array || !value || json_object_array_add(array, value) < 0) {
                (void) json_object_put(value);
                out_of_memory = true;
        }
}

void json_add_null(Json *object, const char *key) {
        if (!object || json_object_object_add(object, key, NULL) < 0)
                out_of_memory = true;
}

void json_add_string(Json *object, const char *key, const char *value) {
        if (value)
                json_add(object, key, json_object_new_string(value));
        else
                json_add_null(object, key);
}

void json_add_number(Json *object, const char *key, uint64_t value) {
        json_add(object, key, json_object_new_uint64(value));
}

void json_add_int(Json *object, const char *key, int value) {
        json_add(object, key, json_object_new_int(value));
}

void json_add_index(Json *object, const char *key, int value) {
        if (value >= 0)
                json_add_int(object, key, value);
        else
                json_add_null(object, key);
}

void json_add_bool(Json *object, const char *key, bool value) {
        json_add(object, key, json_object_new_boolean(value));
}

void json_add_bits(Json *object, const char *key, uint64_t mask) {
        Json *array = json_new_array();

        for (unsigned bit = 0; bit < 64; bit++)
                if (mask & (UINT64_C(1) << bit))
                        json_push(array, json_object_new_uint64(UINT64_C(1) << bit));
        json_add(object, key, array);
}

Json *json_findings(const Findings *findings) {
        Json *array = json_new_array();

        for (size_t i = 0; i < findings->n; i++) {
                const Finding *finding = &findings->items[i];
                Json *o = json_new_object();

                json_add_string(o, "id", finding_id_to_string(finding->id));
                json_add_string(o, "severity", severity_to_string(finding->severity));
                json_add_string(o, "subject", finding->subject);
                json_add_string(o, "text", finding->text);
                json_add_string(o, "remedy", finding->remedy);
                json_push(array, o);
        }
        return array;
}

Json *json_multitce(const MultiTceVerdict *verdict) {
        Json *o = json_new_object();

        json_add_bool(o, "allowed", verdict->allowed);
        json_add_string(o, "reason", multitce_reason_to_string(verdict->reason));
        json_add_string(o, "text", multitce_reason_text(verdict->reason));
        return o;
}

Json *json_plan_table(const PlanTable *table) {
        const Window *w = &table->window;
        Json *o = json_new_object();

        json_add_number(o, "liobn", w->liobn);
        json_add_string(o, "device", w->device);
        json_add_string(o, "kind", device_kind_to_string(w->kind));
        json_add_index(o, "group", w->group);
        json_add_number(o, "bus_offset", w->bus_offset);
        json_add_number(o, "size", w->size);
        json_add_number(o, "page_shift", w->page_shift);
        json_add_number(o, "entries", table->entries);
        json_add_number(o, "bytes", table->bytes);
        json_add_string(o, "placement", table->verdict.refused ? NULL : placement_to_string(table->verdict.placement));
        json_add_string(o, "reason", reason_to_string(table->verdict.reason));
        json_add_string(o, "text", reason_text(table->verdict.reason));
        return o;
}
