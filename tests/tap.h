/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The Test Anything Protocol, as every test program here prints it: one point for each named case, the plan at the end. A point
 * that fails says where and what; a test that can't be made says SKIP and why. */

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static unsigned tap_points, tap_failures;

__attribute__((__format__(__printf__, 4, 5)))
static inline bool tap_point(bool ok, const char *file, int line, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        printf("%sok %u - ", ok ? "" : "not ", ++tap_points);
        vprintf(format, ap);
        va_end(ap);
        putchar('\n');
        if (!ok) {
                tap_failures++;
                printf("# at %s:%d\n", file, line);
        }
        (void) fflush(stdout);
        return ok;
}

/* One point: the condition, then its name as printf does it. Gives the condition back. */
#define tap_ok(condition, ...) tap_point((condition), __FILE__, __LINE__, __VA_ARGS__)

/* Two numbers, or two strings (NULL is a value), that must be equal; both are shown where they are not. */
#define tap_eq(have, want, ...)                                                                  \
        ({                                                                                       \
                long long _have_ = (long long) (have), _want_ = (long long) (want);              \
                bool _ok_ = tap_point(_have_ == _want_, __FILE__, __LINE__, __VA_ARGS__);        \
                if (!_ok_)                                                                       \
                        printf("#   have %lld (%#llx), want %lld (%#llx)\n", _have_,             \
                               (unsigned long long) _have_, _want_, (unsigned long long) _want_); \
                _ok_;                                                                            \
        })
#define tap_streq(have, want, ...)                                                               \
        ({                                                                                       \
                const char *_have_ = (have), *_want_ = (want);                                   \
                bool _same_ = _have_ && _want_ ? strcmp(_have_, _want_) == 0 : _have_ == _want_; \
                bool _ok_ = tap_point(_same_, __FILE__, __LINE__, __VA_ARGS__);                  \
                if (!_ok_)                                                                       \
                        printf("#   have '%s'\n#   want '%s'\n", _have_ ? _have_ : "(null)",     \
                               _want_ ? _want_ : "(null)");                                      \
                _ok_;                                                                            \
        })

/* A point that can't be tried here, and why. */
#define tap_skip(why, name) ((void) printf("ok %u - %s # SKIP %s\n", ++tap_points, (name), (why)))

/* Prints the plan; main() returns it. */
static inline int tap_done(void) {
        printf("1..%u\n", tap_points);
        return tap_failures > 0;
}
