/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "audit_json.h"

static Json *locked_memory(const SeenProcess *p) {
        Json *o;

        if (!p->limits_known)
                return NULL;
        o = json_new_object();
        json_add_number(o, "charged", p->locked);
        if (p->lock_limit == AUDIT_NO_LIMIT)
                json_add_null(o, "limit");
        else
                json_add_number(o, "limit", p->lock_limit);
        json_add_bool(o, "ipc_lock", p->ipc_lock);
        return o;
}

static void add_expected(Json *o, const AuditTable *t) {
        json_add_string(o, "device", t->device);
        json_add_string(o, "kind", t->expected ? device_kind_to_string(t->kind) : NULL);
        json_add_string(o, "window", !t->expected ? NULL : t->dynamic ? "dynamic" : "default");
        json_add_string(o, "expected", t->expected ? placement_to_string(t->placement) : NULL);
        json_add_string(o, "reason", t->expected ? reason_to_string(t->reason) : NULL);
}

static Json *table_json(const AuditTable *t, uint64_t page_size) {
        Json *o = json_new_object();
        char text[64];

        if (t->liobn >= 0)
                json_add_number(o, "liobn", (uint64_t) t->liobn);
        else
                json_add_null(o, "liobn");
        add_expected(o, t);
        json_add_string(o, "found", audit_found_to_string(t->found));
        json_add_string(o, "found_text", audit_found_text(t, text, sizeof(text)));
        json_add_number(o, "of_size", t->n_of_size);
        json_add_number(o, "kernel_of_size", t->n_kernel_of_size);
        json_add_index(o, "page_shift", t->page_shift ? (int) t->page_shift : -1);
        json_add_number(o, "entries_min", t->entries_min);
        json_add_number(o, "entries", t->entries);
        json_add_number(o, "bytes", t->bytes);
        json_add_string(o, "size_text", t->expected ? "" : audit_size_text(t->bytes, page_size));
        if (t->resident_known)
                json_add_number(o, "resident_bytes", t->resident);
        else
                json_add_null(o, "resident_bytes");
        json_add_bool(o, "differs", t->differs);
        json_add_bool(o, "slow", t->slow);
        json_add_string(o, "why", t->why);
        json_add_string(o, "why_source", audit_why_source_to_string(t->why_source));
        json_add_string(o, "remedy", t->slow ? audit_remedy(t) : "");
        return o;
}

Json *audit_json(const SeenProcess *p, const Audit *a, const char *machine, const char *uuid, uint64_t age_usec, uint64_t page_size) {
        Json *o = json_new_object(), *tables = json_new_array(), *locked = locked_memory(p);

        json_add_int(o, "pid", (int) p->pid);
        json_add_string(o, "name", p->name);
        json_add_number(o, "uid", p->uid);
        json_add_string(o, "machine", machine);
        json_add_string(o, "uuid", uuid);
        json_add_string(o, "basis", audit_basis_to_string(a->basis));
        json_add_string(o, "verdict", audit_verdict_to_string(a->verdict));
        json_add_string(o, "why", a->why);
        json_add_number(o, "age_usec", age_usec);
        json_add_number(o, "vcpus", p->n_vcpus);
        json_add_number(o, "kernel_tables", a->n_kernel);
        json_add_number(o, "other_tables", a->n_out);
        json_add_number(o, "kernel_bytes", a->kernel_bytes);
        json_add_number(o, "user_bytes", a->user_bytes);
        json_add_number(o, "resident_bytes", a->resident);
        if (locked)
                json_add(o, "locked_memory", locked);
        else
                json_add_null(o, "locked_memory");
        for (size_t i = 0; i < a->n_tables; i++)
                json_push(tables, table_json(&a->tables[i], page_size));
        json_add(o, "tables", tables);
        return o;
}
