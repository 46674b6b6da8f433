/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What those ask for who look after many hosts: numbers, and what a host has proven. */

#include <time.h>

#include "bugreport.h"
#include "commands.h"
#include "output-file.h"
#include "render.h"

/* How long what was written about a host is true of it: it is written anew each minute (tced-metrics.timer). */
#define FEATURES_VALID_SEC 600

typedef int (*Print)(json_object *json, const Options *o, FILE *f);

/* To standard output, or in place of a file. without: what is to be said there where no tced answers; NULL: nothing, and the file goes. Either is
 * right then, so that this is no failure: it has been said. */
static int print_to(const Options *o, Print print, Print without) {
        _cleanup_(json_putp) json_object *json = NULL;
        OutputFile file = {};
        Problem problem = {};
        int asked, r;

        asked = command_describe(o, &json);
        if (!o->output)
                return asked < 0 ? asked : print(json, o, stdout);
        if (asked < 0 && !without) {
                r = output_file_check(o->output, &problem);
                if (r < 0)
                        return command_failed(r, &problem);
                if (unlink(o->output) >= 0 || errno == ENOENT)
                        return 0;
                return command_failed(problem_set(&problem, -errno, "Can't remove %.200s, which is not true any more: %s", o->output, strerror(errno)),
                                      &problem);
        }
        r = output_file_open(&file, o->output, &problem);
        if (r >= 0)
                r = output_file_close(&file, asked < 0 ? without(NULL, o, file.f) : print(json, o, file.f), &problem);
        return r < 0 ? command_failed(r, &problem) : 0;
}

static int print_metrics(json_object *json, const Options *o, FILE *f) {
        return render_metrics(json, f);
}

int run_metrics(const Options *o) {
        return print_to(o, print_metrics, print_metrics);
}

static int print_features(json_object *json, const Options *o, FILE *f) {
        _cleanup_(json_putp) json_object *fact = NULL;

        if (!o->json)
                return render_features(json, o->output ? time(NULL) + FEATURES_VALID_SEC : 0, f);
        fact = select_features(json);
        return fact ? print_json(fact, o->json == JSON_PRETTY, f) : -ENOMEM;
}

/* In this folder, named after the host and the minute. */
static void name_report(char *buf, size_t size) {
        time_t now = time(NULL);
        char host[40] = "", when[24] = "";
        struct tm tm;

        (void) gethostname(host, sizeof(host) - 1);
        for (char *p = host; *p; p++)
                if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-", *p))
                        *p = '_';
        if (localtime_r(&now, &tm))
                (void) strftime(when, sizeof(when), "-%Y%m%d-%H%M%S", &tm);
        (void) snprintf(buf, size, "tced-bugreport-%s%s.tar.gz", host, when);
}

int run_bugreport(const Options *o) {
        _cleanup_(client_freep) Client *client = NULL;
        Problem problem = {};
        unsigned missing;
        char name[96];
        int r;

        name_report(name, sizeof(name));
        r = command_client(o, &client);
        if (r < 0)
                return r;
        r = bugreport_make(client, o->output ? o->output : name, &missing, &problem);
        if (r < 0)
                return command_failed(r, &problem);
        printf("%s\n", o->output ? o->output : name);
        if (missing > 0)
                print_error(geteuid() == 0 ? "Not all of it could be had: see problems.txt in it." :
                                             "Not all of it could be had: see problems.txt in it, or make it as root.");
        return 0;
}

int run_features(const Options *o) {
        return print_to(o, print_features, NULL);
}
