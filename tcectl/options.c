/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What options.h declares. */

#include "options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "nearest.h"
#include "text.h"
#include "util.h"

/* Above every letter, so that a complaint can tell what was a letter and what a word. */
enum {
        ARG_USER = 0x100,
        ARG_JSON,
        ARG_NO_LEGEND,
        ARG_NO_PAGER,
        ARG_ADDRESS,
        ARG_REMOTE,
        ARG_DEEP,
        ARG_OFFLINE,
        ARG_HOST,
        ARG_FIX,
        ARG_ATTACH,
        ARG_STRICT,
        ARG_NAME,
        ARG_ONCE,
        ARG_DELAY,
        ARG_DOT,
        ARG_SVG,
        ARG_FORCE,
        ARG_PERSISTENT,
        ARG_OUTPUT,
        ARG_VERBOSE,
        ARG_HELP,
        ARG_VERSION,
};

static const struct option long_options[] = {
        { "user", no_argument, NULL, ARG_USER },
        { "json", optional_argument, NULL, ARG_JSON },
        { "no-legend", no_argument, NULL, ARG_NO_LEGEND },
        { "no-pager", no_argument, NULL, ARG_NO_PAGER },
        { "address", required_argument, NULL, ARG_ADDRESS },
        { "remote", required_argument, NULL, ARG_REMOTE },
        { "deep", no_argument, NULL, ARG_DEEP },
        { "offline", no_argument, NULL, ARG_OFFLINE },
        { "host", required_argument, NULL, ARG_HOST },
        { "fix", no_argument, NULL, ARG_FIX },
        { "attach", required_argument, NULL, ARG_ATTACH },
        { "strict", no_argument, NULL, ARG_STRICT },
        { "name", required_argument, NULL, ARG_NAME },
        { "once", no_argument, NULL, ARG_ONCE },
        { "delay", required_argument, NULL, ARG_DELAY },
        { "dot", no_argument, NULL, ARG_DOT },
        { "svg", no_argument, NULL, ARG_SVG },
        { "force", no_argument, NULL, ARG_FORCE },
        { "persistent", no_argument, NULL, ARG_PERSISTENT },
        { "output", required_argument, NULL, ARG_OUTPUT },
        { "verbose", no_argument, NULL, ARG_VERBOSE },
        { "help", no_argument, NULL, ARG_HELP },
        { "version", no_argument, NULL, ARG_VERSION },
        {},
};

/* Where an error goes. */
typedef struct Complaint {
        char *text;
        unsigned size;
} Complaint;

/* Always -EINVAL, to be returned. */
static int complain(const Complaint *c, const char *format, ...) _printf_(2, 3);
static int complain(const Complaint *c, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(c->text, c->size, format, ap);
        va_end(ap);
        return -EINVAL;
}

const Command *command_find(const char *name) {
        for (const Command *c = commands; c->name; c++)
                if (streq(c->name, name))
                        return c;
        return NULL;
}

static int unknown_command(const char *word, const Complaint *c) {
        Nearest n = nearest_to(word, SIZE_MAX);

        for (const Command *command = commands; command->name; command++)
                nearest_try(&n, command->name);
        return complain(c, "Unknown command '%s'.%s See: tcectl --help", word, nearest_text(&n, "", (char[NEAREST_TEXT_MAX]){}));
}

/* Of a long one, what comes before its value is looked for. */
static int unknown_option(const char *word, const Complaint *c) {
        const char *name = word + strspn(word, "-");
        Nearest n = nearest_to(name, strcspn(name, "="));

        for (const struct option *option = long_options; option->name; option++)
                nearest_try(&n, option->name);
        /* getopt says no more of one that was given a value. */
        if (n.found && n.distance == 0)
                return complain(c, "Option --%s takes no value, as in %s. See: tcectl --help", n.found, word);
        return complain(c, "Unknown option %s.%s See: tcectl --help", word, nearest_text(&n, "--", (char[NEAREST_TEXT_MAX]){}));
}

static int parse_json_mode(const char *text, JsonMode *ret, const Complaint *c) {
        if (!text || streq(text, "pretty"))
                *ret = JSON_PRETTY;
        else if (streq(text, "short"))
                *ret = JSON_SHORT;
        else if (streq(text, "off"))
                *ret = JSON_OFF;
        else
                return complain(c, "Unknown form of JSON '%s'. It is pretty, short or off.", text);
        return 0;
}

/* Seconds, with parts of them: "0.5". */
static int parse_delay(const char *text, unsigned *ret, const Complaint *c) {
        char *end;
        double seconds = strtod(text, &end);

        if (end == text || *end || !(seconds >= 0.1 && seconds <= 3600))
                return complain(c, "Option --delay wants seconds, 0.1 to 3600, not '%.32s'. See: tcectl top --help", text);
        *ret = (unsigned) (seconds * 1000);
        return 0;
}

/* One option as getopt gives it; word is how it was spelled. */
static int parse_one(int option, const char *value, const char *word, Options *o, const Complaint *c) {
        switch (option) {
        case ARG_USER:
                o->user = true;
                return 0;
        case ARG_JSON:
                return parse_json_mode(value, &o->json, c);
        case ARG_NO_LEGEND:
                o->no_legend = true;
                return 0;
        case ARG_NO_PAGER:
                o->no_pager = true;
                return 0;
        case ARG_ADDRESS:
                o->address = value;
                return 0;
        case ARG_REMOTE:
        case 'H':
                if (isempty(value))
                        return complain(c, "Option %s needs a value. See: tcectl --help", option == 'H' ? "-H" : "--remote");
                o->remote = value;
                return 0;
        case ARG_DEEP:
                o->deep = true;
                return 0;
        case ARG_OFFLINE:
                o->offline = true;
                return 0;
        case ARG_HOST:
                if (isempty(value))
                        return complain(c, "Option --host needs a value. See: tcectl --help");
                o->host = value;
                return 0;
        case ARG_FIX:
                o->fix = true;
                return 0;
        case ARG_ATTACH:
                if (isempty(value))
                        return complain(c, "Option --attach needs a value. See: tcectl --help");
                o->attach = value;
                return 0;
        case ARG_STRICT:
                o->strict = true;
                return 0;
        case ARG_NAME:
                if (isempty(value))
                        return complain(c, "Option --name needs a value. See: tcectl run --help");
                o->name = value;
                return 0;
        case ARG_ONCE:
                o->once = true;
                return 0;
        case ARG_DELAY:
                return parse_delay(value, &o->delay_ms, c);
        case ARG_DOT:
                o->dot = true;
                return 0;
        case ARG_SVG:
                o->svg = true;
                return 0;
        case ARG_FORCE:
                o->force = true;
                return 0;
        case ARG_PERSISTENT:
                o->persistent = true;
                return 0;
        case ARG_OUTPUT:
                if (isempty(value))
                        return complain(c, "Option --output needs a file. See: tcectl --help");
                o->output = value;
                return 0;
        case ARG_VERBOSE:
        case 'v':
                o->verbose = true;
                return 0;
        case ARG_HELP:
        case 'h':
                o->help = true;
                return 0;
        case ARG_VERSION:
                o->version = true;
                return 0;
        case ':':
                return complain(c, "Option %s needs a value. See: tcectl --help", word);
        default:
                return unknown_option(word, c);
        }
}

/* Is each option that was given one that the command takes? */
static int check_options(const Options *o, const Complaint *c) {
        const struct {
                unsigned option;
                bool given;
                const char *name;
        } given[] = {
                { OPTION_JSON, o->json != JSON_OFF, "--json" },
                { OPTION_VERBOSE, o->verbose, "--verbose" },
                { OPTION_DEEP, o->deep, "--deep" },
                { OPTION_OFFLINE | OPTION_HOST, o->host != NULL, "--host" },
                { OPTION_OFFLINE, o->offline, "--offline" },
                { OPTION_FIX, o->fix, "--fix" },
                { OPTION_ATTACH, o->attach != NULL, "--attach" },
                { OPTION_STRICT, o->strict, "--strict" },
                { OPTION_RUN, o->name != NULL, "--name" },
                { OPTION_TOP, o->once, "--once" },
                { OPTION_TOP, o->delay_ms > 0, "--delay" },
                { OPTION_PICTURE, o->dot, "--dot" },
                { OPTION_PICTURE, o->svg, "--svg" },
                { OPTION_BIND, o->force, "--force" },
                { OPTION_BIND, o->persistent, "--persistent" },
                { OPTION_OUTPUT, o->output != NULL, "--output" },
        };

        /* As others' commands have it, it names a host. */
        if (o->host && !(o->command->options & (OPTION_OFFLINE | OPTION_HOST)))
                return complain(c, "'%s' does not take --host, a file of facts; the tced of another host is asked by -H HOST. See: tcectl %s --help",
                                o->command->name, o->command->name);
        for (size_t i = 0; i < ELEMENTSOF(given); i++)
                if (given[i].given && !(o->command->options & given[i].option))
                        return complain(c, "'%s' does not take %s. See: tcectl %s --help", o->command->name, given[i].name,
                                        o->command->name);
        return 0;
}

/* Files are read where the command runs; "-" is standard input, which is there once. */
static bool is_stdin(const char *file) {
        return file && streq(file, "-");
}

/* Options that go with no other, and what a command can't do without. */
static int check_together(const Options *o, const Complaint *c) {
        const char *where = o->user ? "--user" : o->address ? "--address" : o->remote ? "--remote" : NULL;

        if (o->command->needs_argument && isempty(o->argument))
                return complain(c, "'%s' needs %s%s See: tcectl %s --help", o->command->name, o->command->argument,
                                o->command->argument[strlen(o->command->argument) - 1] == '.' ? "" : ".", o->command->name);
        if ((o->offline || o->host) && where)
                return complain(c, "%s asks a tced, %s does without. Leave one of them out.", where, o->host ? "--host" : "--offline");
        if (o->remote && o->command->options & OPTION_RUN)
                return complain(c, "'%s' runs a VM here, for the tced that is here. Leave --remote out.", o->command->name);
        if (o->remote && streq(o->command->name, "bugreport"))
                return complain(c, "'bugreport' has also what only this host can read. Run it there: ssh %.100s tcectl bugreport", o->remote);
        if (o->fix && o->json != JSON_OFF)
                return complain(c, "--fix prints the domain's XML, not JSON. Leave --json or --fix out.");
        if (o->fix && o->attach)
                return complain(c, "--fix mends a domain as it is, without --attach. Leave one of them out.");
        if (o->dot + o->svg + (o->json != JSON_OFF) > 1)
                return complain(c, "--dot, --svg and --json are three forms of one answer. Leave all but one of them out.");
        if (o->deep && o->argument)
                return complain(c, "--deep is about the host, not about a group. Leave --deep or '%s' out.", o->argument);
        if (is_stdin(o->argument) + is_stdin(o->host) + is_stdin(o->attach) > 1)
                return complain(c, "Standard input (-) can be read once. Give the other as a file.");
        return 0;
}

static bool all_digits(const char *text) {
        return *text && text[strspn(text, "0123456789")] == '\0';
}

/* Groups as they are named: by number, "group 3" or "3", or by a device of theirs. */
static int take_targets(char **words, size_t n, Options *o, const Complaint *c) {
        bool many = strstr(o->command->argument, "...");

        o->targets = words;
        for (size_t i = 0; i < n; i++) {
                if (streq(words[i], "group") && i + 1 < n && all_digits(words[i + 1]))
                        continue;
                words[o->n_targets++] = words[i];
        }
        if (o->n_targets > 1 && !many)
                return complain(c, "'%s' does not take '%s'. See: tcectl %s --help", o->command->name, words[1], o->command->name);
        o->argument = o->n_targets > 0 ? words[0] : NULL;
        return 0;
}

/* The words that are no options: a command, and what it is given. `tcectl help COMMAND` is `tcectl COMMAND --help`. */
static int take_words(char **words, int n, Options *o, const Complaint *c) {
        o->command = commands;
        if (n > 0 && streq(words[0], "help")) {
                o->help = true;
                words++;
                n--;
                if (n == 0)
                        o->command = NULL;
        } else if (n == 0 && o->help)
                o->command = NULL;
        if (n == 0)
                return 0;
        o->command = command_find(words[0]);
        if (!o->command)
                return unknown_command(words[0], c);
        if (o->command->options & OPTION_RUN) {
                o->words = words + 1;
                o->argument = n > 1 ? words[1] : NULL;
                return 0;
        }
        if (o->command->options & OPTION_TARGETS)
                return take_targets(words + 1, (size_t) n - 1, o, c);
        if (n > 2 || (n > 1 && !o->command->argument))
                return complain(c, "'%s' does not take '%s'. See: tcectl %s --help", o->command->name, words[n > 2 ? 2 : 1],
                                o->command->name);
        if (n > 1)
                o->argument = words[1];
        return 0;
}

int options_parse(int argc, char **argv, Options *ret, char *error, unsigned error_size) {
        const Complaint c = { error, error_size };
        Options o = {};
        int r;

        optind = 0; /* glibc: start anew, also a second time in one process */
        opterr = 0;
        for (;;) {
                int option = getopt_long(argc, argv, ":hvH:", long_options, NULL);
                char letter[3] = { '-', (char) optopt };
                bool is_letter = optopt > 0 && optopt < 0x80;

                if (option < 0)
                        break;
                /* getopt has moved behind a long option's word; of letters it may still stand in the midst. */
                r = parse_one(option, optarg, is_letter ? letter : argv[optind - 1], &o, &c);
                if (r < 0)
                        return r;
        }
        if (o.user + (o.address != NULL) + (o.remote != NULL) > 1)
                return complain(&c, "%s and %s name two daemons. Leave one of them out.", o.user ? "--user" : "--address",
                                o.user && o.address ? "--address" : "--remote");
        r = take_words(argv + optind, argc - optind, &o, &c);
        if (r < 0)
                return r;
        if (o.command && !o.help && !o.version) {
                r = check_options(&o, &c);
                if (r >= 0)
                        r = check_together(&o, &c);
                if (r < 0)
                        return r;
        }
        o.offline |= o.host != NULL;
        *ret = o;
        return 0;
}

static const char general_help[] =
        "\nOptions:\n"
        "      --user           the user's own tced (tced --user), not the system's\n"
        "      --address=ADDR   tced's socket at this D-Bus address: unix:path=/...\n"
        "  -H, --remote=HOST    the tced of another host, by ssh: [USER@]HOST[:PORT]\n"
        "      --json[=FORM]    JSON for programs: pretty (the default), short, or off\n"
        "      --no-legend      no headers, no sums\n"
        "      --no-pager       print what is longer than the terminal without a pager\n"
        "  -v, --verbose        machines, plan: all of their tables\n"
        "      --offline        plan, check: without tced, as far as this user may look\n"
        "      --host=FACTS     plan, check, groups, group, topology, metrics, features:\n"
        "                       of the host whose tcectl describe --json this file is\n"
        "      --attach=DEVICE  plan, check: with the device whose XML this file is\n"
        "      --fix            plan: print the domain with what can be mended mended\n"
        "      --strict         check: warnings fail too\n"
        "      --dot, --svg     topology: a graph for Graphviz, a picture\n"
        "      --force          bind, release: though it is in use\n"
        "      --persistent     bind, release: at each boot, too\n"
        "      --output=FILE    metrics, features: into a file, whole at any moment;\n"
        "                       bugreport: the archive\n"
        "      --deep           probe: also what changes the host (see tcectl(1))\n"
        "  -h, --help           this, or with a command what it does\n"
        "      --version        tcectl's version\n"
        "\nExit status: 0 it is done (check: the VM starts); 1 it failed (check: the VM\n"
        "does not start, plan --fix: something remains); 2 the command line is wrong.\n"
        "run has that of its program.\n"
        "\nMore in tcectl(1); the daemon is in tced(8).\n";

/* "plan FILE|DOMAIN", "machines [NAME]". */
static const char *usage(const Command *c, char *buf, size_t size) {
        (void) snprintf(buf, size, "%s%s%s%s", c->name, !c->argument ? "" : c->needs_argument ? " " : " [",
                        c->argument ? c->argument : "", !c->argument || c->needs_argument ? "" : "]");
        return buf;
}

/* Each command with what it takes, aligned; tests hold all of it to 80 columns. */
void print_help(const Command *command) {
        char word[48];

        if (command) {
                printf("tcectl [OPTION...] %s\n\n%s", usage(command, word, sizeof(word)), command->help);
                return;
        }
        printf("tcectl [OPTION...] [COMMAND]\n\n"
               "Shows what tced knows of this host's in-kernel TCE tables and of its VMs, and\n"
               "what a VM would get.\n\n"
               "Commands:\n");
        for (const Command *c = commands; c->name; c++)
                printf("  %-19s  %s\n", usage(c, word, sizeof(word)), c->summary);
        (void) fputs(general_help, stdout);
}

/* The text may hold what the daemon or the command line did: escapes, as everywhere. One line, but on a terminal. */
void print_error(const char *text) {
        static const char name[] = "tcectl:";
        struct winsize size;

        (void) fputs(name, stderr);
        if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) >= 0 && size.ws_col > 0) {
                text_wrap(stderr, text, sizeof(name) - 1, 2, size.ws_col);
                return;
        }
        (void) fputc(' ', stderr);
        (void) text_put(stderr, text, UINT32_MAX);
        (void) fputc('\n', stderr);
}
