/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* common/: numbers from text, sizes, tables of names, errors, a window's geometry, the kernel's charge. */

#include <sys/stat.h>

#include "error.h"
#include "log.h"
#include "tap.h"
#include "tce.h"
#include "util.h"

static void test_numbers(void) {
        static const struct {
                const char *text;
                uint64_t max;
                int result;
                uint64_t value;
        } cases[] = {
                { "0", 10, 0, 0 },
                { "10", 10, 0, 10 },
                { "11", 10, -ERANGE, 0 },
                { "0x80000001", UINT32_MAX, 0, 0x80000001 },
                { "0xfF", UINT32_MAX, 0, 0xff },
                { "18446744073709551615", UINT64_MAX, 0, UINT64_MAX },
                { "18446744073709551616", UINT64_MAX, -ERANGE, 0 },
                { "", 10, -EINVAL, 0 },
                { "0x", 10, -EINVAL, 0 },
                { "0x-1", 10, -EINVAL, 0 },
                { " 1", 10, -EINVAL, 0 },
                { "-1", UINT64_MAX, -EINVAL, 0 },
                { "+1", 10, -EINVAL, 0 },
                { "1 ", 10, -EINVAL, 0 },
                { "1x", 10, -EINVAL, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t value = 77;
                int r = parse_u64(cases[i].text, cases[i].max, &value);
                tap_ok(r == cases[i].result && value == (r < 0 ? 77 : cases[i].value), "number '%s'", cases[i].text);
        }
}

static void test_addresses(void) {
        static const char *const good[] = { "0000:00:00.0", "0001:00:1f.7", "10000:e1:00.3", "ffffffff:ff:ff.7" };
        static const char *const bad[] = { "", "0000:00:00", "0000:00:00.8", "0000:00:00.01", "000:00:00.0", "00:00.0", "0000:0:00.0", "0000:00:0.0",
                                           "0000:00:00:0", "0000-00:00.0", "0000:0G:00.0", "0000:00:0A.0", " 0000:00:00.0", "123456789:00:00.0",
                                           "0000:00:00.0/", "../0:00:00.0", "0000:00", "0000", "0000:00:00." };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                tap_ok(pci_address_valid(good[i]), "'%s' is a PCI address", good[i]);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                tap_ok(!pci_address_valid(bad[i]), "'%s' is none", bad[i]);
}

static void test_sizes(void) {
        static const struct {
                const char *text;
                int result;
                uint64_t value;
        } cases[] = {
                { "512", 0, 512 },   { "1K", 0, 1024 },      { "3G", 0, UINT64_C(3) << 30 }, { "1T", 0, UINT64_C(1) << 40 },
                { "", -EINVAL, 0 },  { "K", -EINVAL, 0 },    { "1k", -EINVAL, 0 },           { "-1K", -EINVAL, 0 },
                { "1KK", -EINVAL, 0 }, { "16777216T", -ERANGE, 0 }, { "0000000000000000000000001K", -ERANGE, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t value = 77;
                int r = parse_size(cases[i].text, &value);
                tap_ok(r == cases[i].result && value == (r < 0 ? 77 : cases[i].value), "size '%s'", cases[i].text);
        }
        tap_streq(FORMAT_BYTES(0), "0 B", "0 bytes");
        tap_streq(FORMAT_BYTES(2 << 20), "2 MiB", "2 MiB");
        tap_streq(FORMAT_BYTES(1536), "1536 B", "what is no whole number of a unit keeps its bytes");
        tap_streq(FORMAT_BYTES(2112 << 10), "2112 KiB", "the default window's charge with 64 KiB pages");
}

static void test_names(void) {
        for (int i = 0; i < _DEVICE_KIND_MAX; i++)
                tap_eq(device_kind_from_string(device_kind_to_string((DeviceKind) i)), i, "device kind %d and back", i);
        for (int i = 0; i < _PLACEMENT_MAX; i++)
                tap_eq(placement_from_string(placement_to_string((Placement) i)), i, "placement %d and back", i);
        for (int i = LOG_EMERG; i <= LOG_DEBUG; i++)
                tap_eq(log_level_from_string(log_level_to_string(i)), i, "log level %d and back", i);
        tap_eq(placement_from_string("nowhere"), -EINVAL, "no placement of that name");
        tap_eq(log_set_target("printer"), -EINVAL, "no log target of that name");
        for (const ErrorName *e = error_names; e->name; e++)
                tap_eq(error_name_to_errno(e->name), e->number, "%s has its errno", e->name);
        tap_eq(error_name_to_errno("org.freedesktop.DBus.Error.AccessDenied"), EACCES, "the bus's own error");
        tap_eq(error_name_to_errno("com.example.Odd"), EIO, "an error that is not known");
        tap_eq(error_name_to_errno(NULL), EIO, "no error name at all");
}

static void test_windows(void) {
        static const struct {
                const char *name;
                uint64_t offset, size;
                unsigned shift;
                TceWindowError want;
        } cases[] = {
                { "the default window", 0, 1 << 30, 12, TCE_WINDOW_OK },
                { "a 64-bit window at 2^59", UINT64_C(1) << 59, UINT64_C(8) << 30, 24, TCE_WINDOW_OK },
                { "one page", 0, 4096, 12, TCE_WINDOW_OK },
                { "the largest page", 0, UINT64_C(1) << 34, 34, TCE_WINDOW_OK },
                { "no size", 0, 0, 12, TCE_WINDOW_EMPTY },
                { "pages of 2 KiB", 0, 4096, 11, TCE_WINDOW_PAGE_SHIFT },
                { "pages of 32 GiB", 0, UINT64_C(1) << 35, 35, TCE_WINDOW_PAGE_SHIFT },
                { "half a page", 0, 2048, 12, TCE_WINDOW_UNALIGNED },
                { "an offset inside a page", 0x800, 4096, 12, TCE_WINDOW_UNALIGNED },
                { "an end of 2^64 - 4 KiB", UINT64_MAX - 8191, 4096, 12, TCE_WINDOW_OK },
                { "an end of 2^64", UINT64_MAX - 4095, 4096, 12, TCE_WINDOW_OVERFLOW },
                { "an end beyond 2^64", UINT64_MAX - 4095, 8192, 12, TCE_WINDOW_OVERFLOW },
                { "2^32 - 1 TCEs", 0, (TCE_ENTRIES_LIMIT - 1) << 12, 12, TCE_WINDOW_OK },
                { "2^32 TCEs", 0, TCE_ENTRIES_LIMIT << 12, 12, TCE_WINDOW_TOO_LARGE },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                tap_eq(tce_window_check(cases[i].offset, cases[i].size, cases[i].shift), cases[i].want, "%s",
                       cases[i].name);
        /* Seen as VmLck on real kernels: 2056 KiB and 2112 KiB for 2^18 TCEs with 4 KiB and 64 KiB pages. */
        tap_eq(tce_kernel_charge(1 << 18, 4096), 2056 << 10, "charge of 2^18 TCEs with 4 KiB pages");
        tap_eq(tce_kernel_charge(1 << 18, 65536), 2112 << 10, "charge of 2^18 TCEs with 64 KiB pages");
        tap_eq(tce_kernel_charge(1 << 16, 65536), 576 << 10, "charge of a VIO device's window with 64 KiB pages");
}

/* What D-Bus does not carry becomes '?', and nothing else. */
static void test_utf8(void) {
        static const struct {
                const char *text, *want;
        } cases[] = {
                { "", "" }, { "pci.0", "pci.0" }, { "\xc3\xa9", "\xc3\xa9" }, { "\xe2\x82\xac", "\xe2\x82\xac" },
                { "\xf0\x9f\x92\xbe.", "\xf0\x9f\x92\xbe." }, { "caf\xc3", "caf?" }, { "caf\xc3 (", "caf? (" }, { "\xe2\x82", "??" },
                { "\xf0\x9f\x92", "???" }, { "\xa9", "?" }, { "\xc0\xaf", "??" }, { "\xe0\x80\xaf", "???" },
                { "\xed\xa0\x80", "???" }, { "\xf4\x90\x80\x80", "????" }, { "\xff", "?" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[16];
                bool ascii = i < 2;

                tap_eq(ascii_valid(cases[i].text), ascii, "text %zu: is it ASCII", i);
                tap_eq(utf8_valid(cases[i].text), streq(cases[i].text, cases[i].want), "text %zu: is it UTF-8", i);
                tap_streq(utf8_mend(strcpy(text, cases[i].text)), cases[i].want, "text %zu is mended", i);
        }
}

static void test_files(void) {
        char buf[16], path[] = "/tmp/tced-test-XXXXXX";
        _cleanup_fd_ int fd = mkstemp(path);
        uint64_t start = 0;
        _cleanup_fd_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

        tap_ok(fd >= 0 && write(fd, "e1000e\n", 7) == 7, "a small file");
        tap_eq(read_file_at(AT_FDCWD, path, buf, sizeof(buf)), 6, "its length without the newline");
        tap_streq(buf, "e1000e", "its text");
        tap_eq(read_attribute_at(AT_FDCWD, path, buf, sizeof(buf)), 6, "as an attribute");
        tap_eq(read_attribute_at(AT_FDCWD, path, buf, 7), -EFBIG, "an attribute that does not fit");
        tap_eq(read_attribute_at(AT_FDCWD, "/nonexistent", buf, sizeof(buf)), -ENOENT, "no such attribute");
        tap_eq(read_file_at(AT_FDCWD, path, buf, 7), -EFBIG, "a file that does not fit");
        tap_eq(read_file_at(AT_FDCWD, "/nonexistent", buf, sizeof(buf)), -ENOENT, "no such file");
        (void) unlink(path);
        (void) alarm(20);
        tap_ok(mkfifo(path, 0600) == 0 && read_file_at(AT_FDCWD, path, buf, sizeof(buf)) == 0, "a FIFO that nobody writes to is not waited for");
        (void) alarm(0);
        (void) unlink(path);
        tap_ok(process_start_time(proc, getpid(), &start) == 0 && start > 0, "this process's start time");
        tap_eq(process_start_time(proc, 0x7fffffff, &start), -ENOENT, "no such process");
}

/* Where the kernel may map whole huge pages, and that it is the file. */
static void test_map_shared(void) {
        static const size_t lengths[] = { 4096, HUGE_PAGE_MIN, HUGE_PAGE_MIN + 4096, HUGE_PAGE_MAX };
        _cleanup_fd_ int fd = memfd_create("test", MFD_CLOEXEC);

        if (!tap_ok(fd >= 0 && ftruncate(fd, HUGE_PAGE_MAX) == 0 && pwrite(fd, "tced", 4, 0) == 4, "a file"))
                return;
        for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
                char *map = map_shared(fd, lengths[i], 0), text[5] = "";

                if (!tap_ok(map != MAP_FAILED, "%zu bytes of it are mapped", lengths[i]))
                        continue;
                tap_ok(lengths[i] < HUGE_PAGE_MIN || ((uintptr_t) map & (HUGE_PAGE_MAX - 1)) == 0, "at a multiple of huge pages, where it has such");
                map[3] = 'm';
                tap_ok(pread(fd, text, 4, 0) == 4 && streq(text, "tcem"), "shared");
                map[3] = 'd';
                (void) munmap(map, lengths[i]);
        }
        errno = 0;
        tap_ok(map_shared(-EBADF, HUGE_PAGE_MAX, 0) == MAP_FAILED && errno == EBADF, "of no file there is nothing to map");
}

int main(void) {
        test_numbers();
        test_sizes();
        test_addresses();
        test_names();
        test_windows();
        test_utf8();
        test_files();
        test_map_shared();
        return tap_done();
}
