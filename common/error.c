/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "error.h"

#include <errno.h>
#include <string.h>

const ErrorName error_names[] = {
        { TCED_ERROR_NO_SUCH_GROUP, ENODEV },
        { TCED_ERROR_NO_SUCH_MACHINE, ESRCH },
        { TCED_ERROR_NO_SUCH_TABLE, ENOENT },
        { TCED_ERROR_MACHINE_EXISTS, EEXIST },
        { TCED_ERROR_ALREADY_CLAIMED, EALREADY },
        { TCED_ERROR_NOT_CLAIMED, EUNATCH },
        { TCED_ERROR_NOT_AUTHORIZED, EACCES },
        { TCED_ERROR_INVALID_ARGUMENT, EINVAL },
        { TCED_ERROR_INVALID_WINDOW, EINVAL },
        { TCED_ERROR_LIOBN_TAKEN, EADDRINUSE },
        { TCED_ERROR_TOO_MANY_ENTRIES, EFBIG },
        { TCED_ERROR_LIMIT_EXCEEDED, EDQUOT },
        { TCED_ERROR_KERNEL_DEMANDED, EOPNOTSUPP },
        { TCED_ERROR_TABLE_HANDED_OUT, ESTALE },
        { TCED_ERROR_NO_MEMORY, ENOMEM },
        { TCED_ERROR_GROUP_BUSY, EBUSY },
        { TCED_ERROR_GROUP_NOT_VIABLE, EPERM },
        { TCED_ERROR_GROUP_IN_USE, EBUSY },
        { TCED_ERROR_GROUP_STUCK, EBUSY },
        { TCED_ERROR_BIND_FAILED, EIO },
        { TCED_ERROR_NOT_BOUND, ENOENT },
        { TCED_ERROR_HELPER_UNAVAILABLE, EHOSTDOWN },
        { TCED_ERROR_PROBE_FAILED, EIO },
        { TCED_ERROR_TIMED_OUT, ETIMEDOUT },
        { TCED_ERROR_INVALID_DOMAIN, EINVAL },
        { TCED_ERROR_NO_SUCH_DOMAIN, ENOENT },
        { TCED_ERROR_DOMAIN_REFUSED, ECANCELED },
        { TCED_ERROR_LIBVIRT_UNAVAILABLE, EHOSTDOWN },
        { TCED_ERROR_FAILED, EIO },
        { NULL, 0 },
};

/* What the bus itself, sd-bus or an older tced may answer (D-Bus specification, "Standard error names"). */
static const ErrorName standard_names[] = {
        { "org.freedesktop.DBus.Error.NoMemory", ENOMEM },
        { "org.freedesktop.DBus.Error.ServiceUnknown", EHOSTUNREACH },
        { "org.freedesktop.DBus.Error.NameHasNoOwner", EHOSTUNREACH },
        { "org.freedesktop.DBus.Error.NoReply", ETIMEDOUT },
        { "org.freedesktop.DBus.Error.Timeout", ETIMEDOUT },
        { "org.freedesktop.DBus.Error.TimedOut", ETIMEDOUT },
        { "org.freedesktop.DBus.Error.Disconnected", ECONNRESET },
        { "org.freedesktop.DBus.Error.AccessDenied", EACCES },
        { "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", EACCES },
        { "org.freedesktop.DBus.Error.LimitsExceeded", ENOBUFS },
        { "org.freedesktop.DBus.Error.NotSupported", EOPNOTSUPP },
        { "org.freedesktop.DBus.Error.UnknownMethod", EOPNOTSUPP },
        { "org.freedesktop.DBus.Error.UnknownInterface", EOPNOTSUPP },
        { "org.freedesktop.DBus.Error.UnknownObject", ENOENT },
        { "org.freedesktop.DBus.Error.InvalidArgs", EINVAL },
        { "org.freedesktop.DBus.Error.InvalidSignature", EINVAL },
        { NULL, 0 },
};

int error_name_to_errno(const char *name) {
        static const ErrorName *const tables[] = { error_names, standard_names };

        for (size_t t = 0; name && t < sizeof(tables) / sizeof(tables[0]); t++)
                for (const ErrorName *e = tables[t]; e->name; e++)
                        if (strcmp(e->name, name) == 0)
                                return e->number;
        return EIO;
}
