/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What input.h declares. Files come from people, who mix them up: a directory, a picture, an empty file are each told by name. */

#include "input.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "bugreport.h"
#include "util.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static bool ends_with(const char *text, const char *end) {
        size_t n = strlen(text), m = strlen(end);

        return n > m && streq(text + n - m, end);
}

bool input_is_file(const char *argument) {
        struct stat st;

        if (streq(argument, "-") || strchr(argument, '/'))
                return true;
        return ends_with(argument, ".xml") && stat(argument, &st) >= 0;
}

const char *input_name(const char *file) {
        return streq(file, "-") ? "standard input" : file;
}

/* The same in a sentence, where a name is in quotes. */
typedef struct Quoted {
        char text[224];
} Quoted;

static Quoted quote(const char *file) {
        Quoted q;

        if (streq(file, "-"))
                (void) snprintf(q.text, sizeof(q.text), "Standard input");
        else
                (void) snprintf(q.text, sizeof(q.text), "'%.200s'", file);
        return q;
}
#define QUOTED(file) (quote(file).text)

/* What can be done about it depends on what is wrong. */
static int explain_open(const char *file, int r, Problem *problem) {
        const char *remedy = r == -ENOENT  ? "Check the path; a libvirt domain goes by its name alone."
                             : r == -EACCES ? "Run tcectl as root, or let the file be read."
                                            : "Check the path.";

        return problem_set(problem, r, "Can't open '%.200s': %s. %s", file, strerror(-r), remedy);
}

/* Whatever can be opened is read, pipes too; a directory can be opened, and only that. */
static int open_file(const char *file, int *ret, Problem *problem) {
        _cleanup_fd_ int fd = -EBADF;
        struct stat st;

        if (streq(file, "-"))
                fd = fd_dup(STDIN_FILENO);
        else {
                fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
                fd = fd < 0 ? -errno : fd;
        }
        if (fd == -EBADF && streq(file, "-"))
                return problem_set(problem, fd, "Standard input is closed. Give what is to be read there, or the name of a file.");
        if (fd < 0)
                return explain_open(input_name(file), fd, problem);
        if (fstat(fd, &st) >= 0 && S_ISDIR(st.st_mode))
                return problem_set(problem, -EISDIR, "%s is a directory. Give a file in it.", QUOTED(file));
        if (isatty(fd))
                (void) fprintf(stderr, "Reading from the terminal; end with Ctrl-D.\n");
        *ret = TAKE_FD(fd);
        return 0;
}

static int read_all(int fd, const char *file, size_t max, char **ret, size_t *ret_size, Problem *problem) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r = read_to_end(fd, max, &text, &size);

        if (r == -ENOMEM)
                return r;
        if (r == -EFBIG)
                return problem_set(problem, r, "%s is larger than %s. Check that it is the right file.", QUOTED(file), FORMAT_BYTES(max));
        if (r < 0)
                return problem_set(problem, r, "Can't read '%.200s': %s. Check the file.", input_name(file), strerror(-r));
        if (size == 0)
                return problem_set(problem, -ENODATA, "%s is empty. Check that what writes it went well.", QUOTED(file));
        *ret = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}

static int write_all(int fd, const char *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno != EINTR)
                        return -errno;
                data += n > 0 ? n : 0;
                size -= n > 0 ? (size_t) n : 0;
        }
        return 0;
}

static int read_file(const char *file, size_t max, char **ret, size_t *ret_size, Problem *problem) {
        _cleanup_fd_ int fd = -EBADF;
        int r = open_file(file, &fd, problem);

        return r < 0 ? r : read_all(fd, file, max, ret, ret_size, problem);
}

/* Of a bug report those that are in it. It was read to find that out, and is given on in memory: standard input comes once. */
int input_read_facts(const char *file, char **ret, size_t *ret_size, Problem *problem) {
        _cleanup_free_ char *data = NULL;
        _cleanup_fd_ int fd = -EBADF;
        size_t size;
        int r;

        r = read_file(file, INPUT_FACTS_MAX, &data, &size, problem);
        if (r < 0)
                return r;
        if (!bugreport_is(data, size)) {
                *ret = TAKE_PTR(data);
                *ret_size = size;
                return 0;
        }
        fd = memfd_create("bugreport", MFD_CLOEXEC);
        if (fd < 0 || write_all(fd, data, size) < 0 || lseek(fd, 0, SEEK_SET) < 0)
                return problem_set(problem, -errno, "Can't unpack '%.200s': %s", input_name(file), strerror(errno));
        return bugreport_facts(fd, input_name(file), INPUT_FACTS_MAX, ret, ret_size, problem);
}

int input_read_xml(const char *file, char **ret, Problem *problem) {
        _cleanup_free_ char *text = NULL;
        size_t size, skip;
        int r;

        r = read_file(file, INPUT_XML_MAX, &text, &size, problem);
        if (r < 0)
                return r;
        /* D-Bus carries UTF-8 without NUL alone; libvirt writes nothing else. */
        if (strlen(text) != size || !utf8_valid(text))
                return problem_set(problem, -EILSEQ, "%s is no text in UTF-8. A domain's XML in another encoding: iconv -t UTF-8", QUOTED(file));
        skip = strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0 ? strlen(BYTE_ORDER_MARK) : 0;
        skip += strspn(text + skip, " \t\r\n");
        if (text[skip] != '<')
                return problem_set(problem, -EBADMSG, "%s is no XML: it does not begin with '<'. virsh dumpxml NAME writes a domain's.",
                                   QUOTED(file));
        memmove(text, text + skip, size - skip + 1);
        *ret = TAKE_PTR(text);
        return 0;
}

/* 32 hexadecimal digits, dashes apart. */
static bool looks_like_uuid(const char *text) {
        size_t digits = 0;

        for (; *text; text++)
                if (strchr("0123456789abcdefABCDEF", *text))
                        digits++;
                else if (*text != '-')
                        return false;
        return digits == 32;
}

void input_add_file(const char *argument, Problem *problem) {
        if (access(argument, F_OK) >= 0)
                problem_add(problem, " (the file of that name is ./%.150s)", argument);
        else if (ends_with(argument, ".xml"))
                problem_add(problem, "; and there is no file %.150s here", argument);
}

int input_read_libvirt(const char *folder, const char *domain, char **ret, Problem *problem) {
        _cleanup_free_ char *path = NULL;
        int r;

        if (asprintf(&path, "%s/%s.xml", folder, domain) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (access(path, R_OK) >= 0)
                return input_read_xml(path, ret, problem);
        if (errno == EACCES)
                return problem_set(problem, -EACCES,
                                "Can't look into %s for domain '%.150s': %s. Run tcectl as root, or: virsh dumpxml --inactive NAME | "
                                "tcectl plan --offline -", folder, domain, strerror(EACCES));
        if (looks_like_uuid(domain))
                return problem_set(problem, -ENOENT, "Without tced a domain is found by its name alone, not by a UUID. Give the name: "
                                "virsh domname %.40s", domain);
        r = problem_set(problem, -ENOENT, "There is no domain '%.150s' in %s. See: virsh list --all", domain, folder);
        input_add_file(domain, problem);
        return r;
}
