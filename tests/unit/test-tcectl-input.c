/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a person names to be planned: files of every kind, standard input, names that are no files. */

#include <sys/stat.h>
#include <sys/wait.h>

#include "input.h"
#include "tap.h"
#include "util.h"

static char folder[64];

/* A file in the test's folder; its path is the caller's to free. */
static char *make_file(const char *name, const char *text, size_t size) {
        char *path = NULL;
        FILE *f;

        if (asprintf(&path, "%s/%s", folder, name) < 0)
                abort();
        f = fopen(path, "we");
        if (!f || fwrite(text, 1, size, f) != size || fclose(f) != 0)
                abort();
        return path;
}

static void test_is_file(void) {
        _cleanup_free_ char *there = make_file("there.xml", "<domain/>", 9), *odd = make_file("odd", "", 0);
        static const struct {
                const char *argument;
                bool file;
        } cases[] = {
                { "-", true },        { "/nonexistent", true }, { "./web1", true },      { "sub/web1.xml", true }, { "web1", false },
                { "there.xml", true }, { "odd", false },         { "not-there.xml", false }, { ".xml", false },       { "--", false },
                { "3f2c1a9b00000000000000000000abcd", false },
        };
        int here = open(".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);

        if (chdir(folder) < 0)
                abort();
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                tap_eq(input_is_file(cases[i].argument), cases[i].file, "'%s' is %s", cases[i].argument, cases[i].file ? "a file" : "a name");
        (void) !fchdir(here);
        (void) close(here);
        (void) unlink(there);
        (void) unlink(odd);
}

static void test_read(void) {
        static const struct {
                const char *name, *text;
                size_t size;
                const char *want, *error; /* what is read, or what is said instead */
        } cases[] = {
                { "plain", "<domain/>\n", 10, "<domain/>\n", NULL },
                { "a declaration", "<?xml version='1.0'?>\n<a/>", 26, "<?xml version='1.0'?>\n<a/>", NULL },
                { "blanks before", " \t\r\n<a/>", 8, "<a/>", NULL },
                { "a byte order mark", "\xef\xbb\xbf\n<a/>", 8, "<a/>", NULL },
                { "beyond ASCII", "<a>\xc3\xa4\xe7\xbd\x91</a>", 12, "<a>\xc3\xa4\xe7\xbd\x91</a>", NULL },
                { "nothing", "", 0, NULL, "is empty. Check that what writes it went well." },
                { "blanks alone", " \n", 2, NULL, "is no XML: it does not begin with '<'. virsh dumpxml NAME writes a domain's." },
                { "JSON", "{}", 2, NULL, "is no XML: it does not begin with '<'. virsh dumpxml NAME writes a domain's." },
                { "a NUL", "<a>\0</a>", 8, NULL, "is no text in UTF-8. A domain's XML in another encoding: iconv -t UTF-8" },
                { "Latin 1", "<a>\xe4</a>", 8, NULL, "is no text in UTF-8. A domain's XML in another encoding: iconv -t UTF-8" },
                { "UTF-16", "\xff\xfe<\0a\0", 6, NULL, "is no text in UTF-8. A domain's XML in another encoding: iconv -t UTF-8" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *path = make_file("case", cases[i].text, cases[i].size), *have = NULL;
                Problem problem = {};
                char want[256] = "";
                int r = input_read_xml(path, &have, &problem);

                if (cases[i].error)
                        (void) snprintf(want, sizeof(want), "'%s' %s", path, cases[i].error);
                tap_ok((r == 0) == !cases[i].error, "%s: %s", cases[i].name, cases[i].error ? "refused" : "read");
                tap_streq(have, cases[i].want, "%s: the text", cases[i].name);
                tap_streq(problem.text, want, "%s: what is said", cases[i].name);
                (void) unlink(path);
        }
}

/* The largest that may be, and a byte more. */
static void test_size(void) {
        _cleanup_free_ char *text = malloc(INPUT_XML_MAX + 1), *path = NULL, *have = NULL, *none = NULL;
        Problem problem = {};

        if (!text)
                abort();
        memset(text, '<', INPUT_XML_MAX + 1);
        path = make_file("large", text, INPUT_XML_MAX);
        tap_eq(input_read_xml(path, &have, &problem), 0, "2 MiB");
        tap_ok(have && strlen(have) == INPUT_XML_MAX && memcmp(have, text, INPUT_XML_MAX) == 0, "all of them");
        free(path);
        path = make_file("large", text, INPUT_XML_MAX + 1);
        tap_eq(input_read_xml(path, &none, &problem), -EFBIG, "a byte more");
        tap_ok(strstr(problem.text, "/large' is larger than 2 MiB. Check that it is the right file."), "is said");
        tap_ok(!none, "and nothing is given");
        (void) unlink(path);
        tap_eq(input_read_xml("/dev/zero", &none, &problem), -EFBIG, "what does not end is given up");
}

static void test_odd_files(void) {
        char path[128], fifo[128], domain[160];
        _cleanup_free_ char *have = NULL, *none = NULL;
        Problem problem = {};
        pid_t pid;

        tap_eq(input_read_xml(folder, &none, &problem), -EISDIR, "a directory");
        (void) snprintf(path, sizeof(path), "'%s' is a directory. Give a file in it.", folder);
        tap_streq(problem.text, path, "a directory: what is said");
        tap_eq(input_read_xml("/nonexistent/a.xml", &none, &problem), -ENOENT, "no file");
        tap_streq(problem.text,
                  "Can't open '/nonexistent/a.xml': No such file or directory. Check the path; a libvirt domain goes by its name alone.",
                  "no file: what is said");
        (void) snprintf(path, sizeof(path), "%s/secret", folder);
        (void) close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0000));
        /* Root may read everything: as somebody else then. */
        (void) chmod(folder, 0755);
        (void) !seteuid(geteuid() == 0 ? 65534 : geteuid());
        tap_ok(input_read_xml(path, &none, &problem) == -EACCES && strstr(problem.text, "Run tcectl as root"),
               "a file that may not be read");
        (void) !seteuid(getuid());
        (void) unlink(path);
        tap_ok(!none, "nothing is given of any");

        /* As bash's <(…) is one. */
        (void) snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
        if (mkfifo(fifo, 0600) < 0)
                abort();
        (void) fflush(stdout);
        pid = fork();
        if (pid == 0) {
                int fd = open(fifo, O_WRONLY | O_CLOEXEC);
                (void) !write(fd, "<do", 3);
                (void) usleep(20000);
                (void) !write(fd, "main/>", 6);
                _exit(0);
        }
        tap_eq(input_read_xml(fifo, &have, &problem), 0, "a pipe");
        tap_streq(have, "<domain/>", "is read to its end");
        (void) waitpid(pid, NULL, 0);
        (void) unlink(fifo);

        memset(domain, 'x', sizeof(domain) - 1);
        domain[sizeof(domain) - 1] = '\0';
        tap_ok(input_read_xml("/dev/null", &none, &problem) == -ENODATA && input_read_xml(domain, &none, &problem) == -ENOENT,
               "an empty device, a long name");
}

static void test_stdin(void) {
        _cleanup_free_ char *path = make_file("in", "<stdin/>", 8), *have = NULL, *none = NULL;
        int saved = dup(STDIN_FILENO), fd = open(path, O_RDONLY | O_CLOEXEC);
        Problem problem = {};

        (void) dup2(fd, STDIN_FILENO);
        tap_eq(input_read_xml("-", &have, &problem), 0, "standard input");
        tap_streq(have, "<stdin/>", "its text");
        tap_eq(input_read_xml("-", &none, &problem), -ENODATA, "a second time");
        tap_streq(problem.text, "Standard input is empty. Check that what writes it went well.", "has no quotes");
        (void) close(STDIN_FILENO);
        tap_eq(input_read_xml("-", &none, &problem), -EBADF, "a standard input that is closed");
        tap_ok(strstr(problem.text, "Standard input is closed. Give "), "it is called that, with the remedy: %s", problem.text);
        tap_streq(input_name("-"), "standard input", "how it is called");
        tap_streq(input_name("a.xml"), "a.xml", "how a file is");
        (void) dup2(saved, STDIN_FILENO);
        (void) close(saved);
        (void) close(fd);
        (void) unlink(path);
}

static void test_facts(void) {
        _cleanup_free_ char *path = make_file("facts", "{\0}", 3), *have = NULL;
        Problem problem = {};
        size_t size = 0;

        tap_eq(input_read_facts(path, &have, &size, &problem), 0, "facts");
        tap_ok(size == 3 && memcmp(have, "{\0}", 4) == 0, "are not looked into, and end with a NUL of their own");
        (void) unlink(path);
}

static void test_libvirt(void) {
        _cleanup_free_ char *path = make_file("web1.xml", "<!-- libvirt's -->\n<domain/>", 28), *have = NULL, *none = NULL;
        Problem problem = {};
        char want[256];

        tap_eq(input_read_libvirt(folder, "web1", &have, &problem), 0, "a domain of libvirt's");
        tap_streq(have, "<!-- libvirt's -->\n<domain/>", "its XML");
        tap_eq(input_read_libvirt(folder, "nobody", &none, &problem), -ENOENT, "a domain that is not there");
        (void) snprintf(want, sizeof(want), "There is no domain 'nobody' in %s. See: virsh list --all", folder);
        tap_streq(problem.text, want, "is said");
        tap_eq(input_read_libvirt("/nonexistent", "usr", &none, &problem), -ENOENT, "no libvirt");
        tap_eq(input_read_libvirt(folder, "3f2c1a9b-0000-0000-0000-00000000abcd", &none, &problem), -ENOENT, "a UUID");
        tap_streq(problem.text, "Without tced a domain is found by its name alone, not by a UUID. Give the name: virsh domname "
                  "3f2c1a9b-0000-0000-0000-00000000abcd", "is said to be one");
        if (chdir("/") == 0 && input_read_libvirt(folder, "usr", &none, &problem) == -ENOENT)
                tap_ok(strstr(problem.text, " (the file of that name is ./usr)"), "a file of that name is told of");
        (void) input_read_libvirt(folder, "nobody.xml", &none, &problem);
        tap_ok(strstr(problem.text, "virsh list --all; and there is no file nobody.xml here"), "one that looks like a file's name");
        (void) unlink(path);
}

int main(void) {
        (void) snprintf(folder, sizeof(folder), "/tmp/tcectl-input-XXXXXX");
        if (!mkdtemp(folder))
                return 1;
        test_is_file();
        test_read();
        test_size();
        test_odd_files();
        test_stdin();
        test_facts();
        test_libvirt();
        if (rmdir(folder) < 0)
                tap_ok(false, "%s: left behind", folder);
        return tap_done();
}
