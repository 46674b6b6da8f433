/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tcectl's command line: what is understood, and what is said of the rest. */

#include "options.h"
#include "tap.h"
#include "util.h"

#define WORDS_MAX 8

/* Parses a line of words with blanks between them; *line is cut up for it. */
static int parse(char *line, Options *ret, char *error, unsigned size) {
        static char *argv[WORDS_MAX + 2]; /* ret borrows from it */
        char *save;
        int argc = 1;

        memset(argv, 0, sizeof(argv));
        argv[0] = (char *) "tcectl";

        for (char *word = strtok_r(line, " ", &save); word && argc <= WORDS_MAX; word = strtok_r(NULL, " ", &save))
                argv[argc++] = word;
        return options_parse(argc, argv, ret, error, size);
}

static void test_understood(void) {
        static const struct {
                const char *line, *command, *argument;
                JsonMode json;
                bool user, verbose, deep, no_legend, help, version, offline, fix, strict;
                const char *host, *attach, *remote;
        } cases[] = {
                { "", "status", NULL },
                { "status", "status", NULL },
                { "groups --no-legend", "groups", NULL, .no_legend = true },
                { "--no-pager groups", "groups", NULL },
                { "machines web1 -v", "machines", "web1", .verbose = true },
                { "--verbose machines", "machines", NULL, .verbose = true },
                { "machines -- --odd-name", "machines", "--odd-name" },
                { "describe --json", "describe", NULL, .json = JSON_PRETTY },
                { "--json=short describe", "describe", NULL, .json = JSON_SHORT },
                { "--json=pretty", "status", NULL, .json = JSON_PRETTY },
                { "--json --json=off", "status", NULL },
                { "--user probe --deep", "probe", NULL, .user = true, .deep = true },
                { "rescan", "rescan", NULL },
                { "reload", "reload", NULL },
                { "audit", "audit", NULL },
                { "audit 4711 --json", "audit", "4711", .json = JSON_PRETTY },
                { "audit web1 -v", "audit", "web1", .verbose = true },
                { "top --once --delay 0.5", "top", NULL },
                { "version", "version", NULL },
                { "--version", "status", NULL, .version = true },
                { "--help", NULL, NULL, .help = true },
                { "-h", NULL, NULL, .help = true },
                { "help", NULL, NULL, .help = true },
                { "help probe", "probe", NULL, .help = true },
                { "probe --help", "probe", NULL, .help = true },
                { "status -hv", "status", NULL, .help = true, .verbose = true },
                { "plan web1", "plan", "web1" },
                { "plan -", "plan", "-" },
                { "plan -v --offline a.xml", "plan", "a.xml", .verbose = true, .offline = true },
                { "plan --host=f.json a.xml", "plan", "a.xml", .offline = true, .host = "f.json" },
                { "plan --host - a.xml --json", "plan", "a.xml", .offline = true, .host = "-", .json = JSON_PRETTY },
                { "plan --offline --host=f.json -", "plan", "-", .offline = true, .host = "f.json" },
                { "plan --attach d.xml a.xml", "plan", "a.xml", .attach = "d.xml" },
                { "plan --fix a.xml", "plan", "a.xml", .fix = true },
                { "plan --fix --json=off --host=f.json -", "plan", "-", .fix = true, .offline = true, .host = "f.json" },
                { "--address=unix:path=/x plan --fix a.xml", "plan", "a.xml", .fix = true },
                { "check --strict web1 --json=short", "check", "web1", .strict = true, .json = JSON_SHORT },
                { "check --attach=- web1", "check", "web1", .attach = "-" },
                { "--user explain web1", "explain", "web1", .user = true },
                { "plan --help", "plan", NULL, .help = true },
                { "run -- qemu -S --help", "run", "qemu" },
                { "run --name=web1 -- qemu --json", "run", "qemu" },
                { "--user run qemu", "run", "qemu", .user = true },
                { "help check", "check", NULL, .help = true },
                { "-H root@power9 status", "status", NULL, .remote = "root@power9" },
                { "machines web1 --remote power9:222", "machines", "web1", .remote = "power9:222" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char line[128], error[256] = "";
                Options o = {};
                int r;

                (void) snprintf(line, sizeof(line), "%s", cases[i].line);
                r = parse(line, &o, error, sizeof(error));
                tap_ok(r == 0 && o.json == cases[i].json && o.user == cases[i].user && o.verbose == cases[i].verbose &&
                       o.deep == cases[i].deep && o.no_legend == cases[i].no_legend && o.help == cases[i].help &&
                       o.version == cases[i].version && o.offline == cases[i].offline && o.fix == cases[i].fix &&
                       o.strict == cases[i].strict && o.no_pager == !strncmp(cases[i].line, "--no-pager", 10), "tcectl %s: options", cases[i].line);
                tap_streq(o.host, cases[i].host, "tcectl %s: --host", cases[i].line);
                tap_streq(o.remote, cases[i].remote, "tcectl %s: --remote", cases[i].line);
                tap_streq(o.attach, cases[i].attach, "tcectl %s: --attach", cases[i].line);
                tap_streq(o.command ? o.command->name : NULL, cases[i].command, "tcectl %s: command", cases[i].line);
                tap_streq(o.argument, cases[i].argument, "tcectl %s: argument", cases[i].line);
        }
}

static void test_refused(void) {
        static const struct {
                const char *line, *error;
        } cases[] = {
                { "stauts", "Unknown command 'stauts'. Did you mean 'status'? See: tcectl --help" },
                { "help stauts", "Unknown command 'stauts'. Did you mean 'status'? See: tcectl --help" },
                { "--jsn", "Unknown option --jsn. Did you mean '--json'? See: tcectl --help" },
                { "-x", "Unknown option -x. See: tcectl --help" },
                { "--user -vxh", "Unknown option -x. See: tcectl --help" },
                { "--user=me", "Option --user takes no value, as in --user=me. See: tcectl --help" },
                { "--no", "Unknown option --no. Did you mean '--no-legend'? See: tcectl --help" }, /* --no-legend or --no-pager */
                { "--address", "Option --address needs a value. See: tcectl --help" },
                { "--json=xml", "Unknown form of JSON 'xml'. It is pretty, short or off." },
                { "--json short", "Unknown command 'short'. See: tcectl --help" },
                { "--user --address=unix:path=/x", "--user and --address name two daemons. Leave one of them out." },
                { "-H", "Option -H needs a value. See: tcectl --help" },
                { "--remote=", "Option --remote needs a value. See: tcectl --help" },
                { "--user -H a", "--user and --remote name two daemons. Leave one of them out." },
                { "--address=unix:path=/x --remote=a", "--address and --remote name two daemons. Leave one of them out." },
                { "plan --offline -H a b", "--remote asks a tced, --offline does without. Leave one of them out." },
                { "bugreport -H a", "'bugreport' has also what only this host can read. Run it there: ssh a tcectl bugreport" },
                { "-H a run -- qemu", "'run' runs a VM here, for the tced that is here. Leave --remote out." },
                { "groups --offline", "'groups' does not take --offline. See: tcectl groups --help" },
                { "groups --host=f --user", "--user asks a tced, --host does without. Leave one of them out." },
                { "status --host=f", "'status' does not take --host, a file of facts; the tced of another host is asked by -H HOST. See: tcectl status --help" },
                { "groups 3", "'groups' does not take '3'. See: tcectl groups --help" },
                { "machines a b", "'machines' does not take 'b'. See: tcectl machines --help" },
                { "status --deep", "'status' does not take --deep. See: tcectl status --help" },
                { "groups -v", "'groups' does not take --verbose. See: tcectl groups --help" },
                { "top --delay 0", "Option --delay wants seconds, 0.1 to 3600, not '0'. See: tcectl top --help" },
                { "top --delay=2x", "Option --delay wants seconds, 0.1 to 3600, not '2x'. See: tcectl top --help" },
                { "top --json", "'top' does not take --json. See: tcectl top --help" },
                { "audit --once", "'audit' does not take --once. See: tcectl audit --help" },
                { "rescan --json", "'rescan' does not take --json. See: tcectl rescan --help" },
                { "plan", "'plan' needs FILE|DOMAIN. See: tcectl plan --help" },
                { "check --strict", "'check' needs FILE|DOMAIN. See: tcectl check --help" },
                { "group", "'group' needs GROUP. See: tcectl group --help" },
                { "group 3 4", "'group' does not take '4'. See: tcectl group --help" },
                { "probe 3 4", "'probe' does not take '4'. See: tcectl probe --help" },
                { "probe --deep 3", "--deep is about the host, not about a group. Leave --deep or '3' out." },
                { "bind", "'bind' needs GROUP... See: tcectl bind --help" },
                { "bind --json 3", "'bind' does not take --json. See: tcectl bind --help" },
                { "bind --host=f 3", "'bind' does not take --host, a file of facts; the tced of another host is asked by -H HOST. See: tcectl bind --help" },
                { "group --force 3", "'group' does not take --force. See: tcectl group --help" },
                { "probe --persistent 3", "'probe' does not take --persistent. See: tcectl probe --help" },
                { "groups --dot", "'groups' does not take --dot. See: tcectl groups --help" },
                { "topology --dot --svg", "--dot, --svg and --json are three forms of one answer. Leave all but one of them out." },
                { "topology --svg --json", "--dot, --svg and --json are three forms of one answer. Leave all but one of them out." },
                { "run --name=a", "'run' needs PROGRAM... See: tcectl run --help" },
                { "run --name= -- qemu", "Option --name needs a value. See: tcectl run --help" },
                { "status --name=a", "'status' does not take --name. See: tcectl status --help" },
                { "run --once -- qemu", "'run' does not take --once. See: tcectl run --help" },
                { "explain", "'explain' needs MACHINE. See: tcectl explain --help" },
                { "plan a b", "'plan' does not take 'b'. See: tcectl plan --help" },
                { "plan --strict a", "'plan' does not take --strict. See: tcectl plan --help" },
                { "check --fix a", "'check' does not take --fix. See: tcectl check --help" },
                { "check -v a", "'check' does not take --verbose. See: tcectl check --help" },
                { "explain --offline a", "'explain' does not take --offline. See: tcectl explain --help" },
                { "explain --host=f a", "'explain' does not take --host, a file of facts; the tced of another host is asked by -H HOST. See: tcectl explain --help" },
                { "machines --attach=d", "'machines' does not take --attach. See: tcectl machines --help" },
                { "plan --host", "Option --host needs a value. See: tcectl --help" },
                { "plan --host= a", "Option --host needs a value. See: tcectl --help" },
                { "plan --attach= a", "Option --attach needs a value. See: tcectl --help" },
                { "plan --offline=yes a", "Option --offline takes no value, as in --offline=yes. See: tcectl --help" },
                { "plan --fix --json a", "--fix prints the domain's XML, not JSON. Leave --json or --fix out." },
                { "plan --fix --attach=d a", "--fix mends a domain as it is, without --attach. Leave one of them out." },
                { "plan --offline --user a", "--user asks a tced, --offline does without. Leave one of them out." },
                { "plan --host=f --address=x:y a", "--address asks a tced, --host does without. Leave one of them out." },
                { "plan --host=- -", "Standard input (-) can be read once. Give the other as a file." },
                { "plan --attach=- -", "Standard input (-) can be read once. Give the other as a file." },
                { "check --attach=- --host=- a", "Standard input (-) can be read once. Give the other as a file." },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char line[128], error[256] = "";
                Options o = { .deep = true };

                (void) snprintf(line, sizeof(line), "%s", cases[i].line);
                tap_eq(parse(line, &o, error, sizeof(error)), -EINVAL, "tcectl %s: refused", cases[i].line);
                tap_streq(error, cases[i].error, "tcectl %s: and why", cases[i].line);
                tap_ok(o.deep && !o.command, "tcectl %s: what was there is untouched", cases[i].line);
        }
}

/* An argument that is empty, as scripts make one of an unset variable, is none. */
static void test_empty_argument(void) {
        char *argv[] = { (char[]){ "tcectl" }, (char[]){ "plan" }, (char[]){ "" }, NULL };
        char error[128] = "";
        Options o;

        tap_eq(options_parse(3, argv, &o, error, sizeof(error)), -EINVAL, "an empty argument");
        tap_streq(error, "'plan' needs FILE|DOMAIN. See: tcectl plan --help", "an empty argument: and why");
}

/* Groups as they are named: "group 3" is "3", and what else is called "group" stays. */
static void test_targets(void) {
        static const struct {
                const char *line, *targets;
                bool force, persistent;
        } cases[] = {
                { "bind 3", "3" },
                { "bind group 3 0001:00:00.0 --force eth0", "3 0001:00:00.0 eth0", .force = true },
                { "release group 3 group 4 group --persistent", "3 4 group", .persistent = true },
                { "bind group eth0", "group eth0" },
                { "group group 7", "7" },
                { "probe group 7", "7" },
                { "probe", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char line[128], error[256] = "", have[128] = "";
                Options o = {};

                (void) snprintf(line, sizeof(line), "%s", cases[i].line);
                tap_eq(parse(line, &o, error, sizeof(error)), 0, "tcectl %s: understood", cases[i].line);
                for (size_t j = 0; j < o.n_targets; j++) {
                        size_t n = strlen(have);

                        (void) snprintf(have + n, sizeof(have) - n, "%s%s", j > 0 ? " " : "", o.targets[j]);
                }
                tap_streq(have, cases[i].targets, "tcectl %s: the groups", cases[i].line);
                tap_ok(o.force == cases[i].force && o.persistent == cases[i].persistent, "tcectl %s: options", cases[i].line);
        }
}

static void test_long_words(void) {
        char line[4096], error[64];
        Options o;

        memset(line, 'x', sizeof(line) - 1);
        line[sizeof(line) - 1] = '\0';
        tap_eq(parse(line, &o, error, sizeof(error)), -EINVAL, "a word that is too long");
        tap_eq((long long) strlen(error), sizeof(error) - 1, "its error is cut");
}

static void test_commands(void) {
        for (const Command *c = commands; c->name; c++) {
                bool narrow = true;

                tap_ok(command_find(c->name) == c && c->run && c->summary && c->help, "%s: complete", c->name);
                for (const char *line = c->help; *line; line += strcspn(line, "\n") + 1)
                        narrow &= strcspn(line, "\n") <= 80;
                /* Behind two blanks, the name and what it takes, two more. */
                narrow &= strlen(c->summary) + 23 <= 80;
                tap_ok(narrow && c->help[strlen(c->help) - 1] == '\n', "%s: its help fits 80 columns", c->name);
        }
        tap_ok(!command_find("") && !command_find("stat"), "commands are not abbreviated");
}

int main(void) {
        test_understood();
        test_refused();
        test_empty_argument();
        test_targets();
        test_long_words();
        test_commands();
        return tap_done();
}
