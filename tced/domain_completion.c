/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "domain_completion.h"

#include <stdarg.h>

#include "util.h"

int completion_fail(const Completion *c, unsigned line, const char *format, ...) {
        DomainError *e = c->error;
        int n = 0;
        va_list ap;

        *e = (DomainError) { .line = line };
        if (line > 0)
                n = snprintf(e->text, sizeof(e->text), "line %u: ", line);
        va_start(ap, format);
        (void) vsnprintf(e->text + n, sizeof(e->text) - (size_t) n, format, ap);
        va_end(ap);
        (void) utf8_mend(e->text);
        return -EINVAL;
}

int completion_add_device(Completion *c, DomainDeviceType type, const char *kind, const char *model, int index) {
        Domain *d = c->domain;
        DomainDevice *device;
        int r = ARRAY_RESERVE(d->devices, d->devices_allocated, d->n_devices + 1);

        if (r < 0)
                return r;
        device = &d->devices[d->n_devices++];
        *device = (DomainDevice) { .type = type, .index = index, .ports = -1 };
        if (kind)
                device->kind = strdup(kind);
        if (model)
                device->model = strdup(model);
        return (kind && !device->kind) || (model && !device->model) ? -ENOMEM : 0;
}
