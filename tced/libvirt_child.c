/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tced-libvirt: the one process that links libvirt. It holds a read-only connection and speaks JSON lines with tced over its standard
 * input, a socket (libvirt.h has the lines). Its calls to libvirt block; whoever asked waits 5 seconds and then kills it, so
 * nothing here needs a deadline. It lives as long as its connection and its socket, and keeps no state. */

#include <inttypes.h>
#include <json-c/json.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include "libvirt_event.h"
#include "util.h"

#define SOCKET STDIN_FILENO
/* A question is a name and a few words. */
#define LINE_MAX_IN 4096U

typedef struct json_object Json;

DEFINE_POINTER_CLEANUP(Json, json_object_put, json_putp)
#define _cleanup_json_ _cleanup_(json_putp)

static virConnectPtr connection;

/* Sends one line. tced reads without waiting, so that a socket that is full is a tced that hangs; it is not waited for. */
static void say(Json *line) {
        size_t length;
        const char *text = json_object_to_json_string_length(line, JSON_C_TO_STRING_PLAIN, &length);

        for (size_t sent = 0; text && sent <= length;) {
                /* The NUL behind the text goes as the line's end. */
                const char *from = sent < length ? text + sent : "\n";
                ssize_t n = write(SOCKET, from, sent < length ? length - sent : 1);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        _exit(EXIT_FAILURE);
                sent += (size_t) n;
        }
}

static void put(Json *object, const char *key, const char *value) {
        if (json_object_object_add(object, key, value ? json_object_new_string(value) : NULL) < 0)
                _exit(EXIT_FAILURE);
}

static void say_event(const char *event, const char *key, const char *value, const char *change) {
        _cleanup_json_ Json *line = json_object_new_object();

        put(line, "event", event);
        if (key)
                put(line, key, value);
        if (change)
                put(line, "change", change);
        say(line);
}

static const char *last_error(void) {
        const char *text = virGetLastErrorMessage();

        return text ? text : "libvirt does not say why";
}

static void on_error(void *userdata, virErrorPtr error) {
        /* Errors are answers here, and need not be on standard error as well. */
}

static int on_domain(virConnectPtr c, virDomainPtr domain, int event, int detail, void *opaque) {
        char uuid[VIR_UUID_STRING_BUFLEN];

        if (virDomainGetUUIDString(domain, uuid) == 0)
                say_event("domain", "uuid", uuid, NULL);
        return 0;
}

static void on_device(virConnectPtr c, virNodeDevicePtr device, int event, int detail, void *opaque) {
        say_event("node-device", "name", virNodeDeviceGetName(device),
                  event == VIR_NODE_DEVICE_EVENT_CREATED ? "created" : event == VIR_NODE_DEVICE_EVENT_DELETED ? "deleted" : "changed");
}

static void on_closed(virConnectPtr c, int reason, void *opaque) {
        say_event("disconnected", "why",
                  reason == VIR_CONNECT_CLOSE_REASON_EOF ? "libvirtd closed the connection" : "the connection to libvirtd is lost", NULL);
        (void) sd_event_exit(opaque, EXIT_SUCCESS);
}

/* The domains that run: name, UUID. */
static void answer_domains(Json *answer) {
        virDomainPtr *domains = NULL;
        Json *list = json_object_new_array();
        int n = virConnectListAllDomains(connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

        if (n < 0)
                put(answer, "error", last_error());
        for (int i = 0; i < n; i++) {
                char uuid[VIR_UUID_STRING_BUFLEN] = "";
                Json *domain = json_object_new_object();

                put(domain, "name", virDomainGetName(domains[i]));
                if (virDomainGetUUIDString(domains[i], uuid) == 0)
                        put(domain, "uuid", uuid);
                (void) json_object_array_add(list, domain);
                (void) virDomainFree(domains[i]);
        }
        free(domains);
        (void) json_object_object_add(answer, "domains", list);
}

/* The XML of one, as it runs, or where it does not as it is defined. */
static void answer_xml(Json *answer, const char *name) {
        virDomainPtr domain = virDomainLookupByName(connection, name);
        _cleanup_free_ char *xml = NULL;

        if (!domain)
                domain = virDomainLookupByUUIDString(connection, name);
        if (domain)
                xml = virDomainGetXMLDesc(domain, 0);
        if (xml)
                put(answer, "xml", xml);
        else {
                const virError *e = virGetLastError();

                put(answer, "error", last_error());
                (void) json_object_object_add(answer, "missing",
                                              json_object_new_boolean(!domain && e && (e->code == VIR_ERR_NO_DOMAIN ||
                                                                                        e->code == VIR_ERR_INVALID_ARG)));
        }
        if (domain)
                (void) virDomainFree(domain);
}

/* The names of the host's PCI functions, "pci_0001_00_00_0". */
static void answer_devices(Json *answer) {
        virNodeDevicePtr *devices = NULL;
        Json *list = json_object_new_array();
        int n = virConnectListAllNodeDevices(connection, &devices, VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV);

        if (n < 0)
                put(answer, "error", last_error());
        for (int i = 0; i < n; i++) {
                (void) json_object_array_add(list, json_object_new_string(virNodeDeviceGetName(devices[i])));
                (void) virNodeDeviceFree(devices[i]);
        }
        free(devices);
        (void) json_object_object_add(answer, "devices", list);
}

static const char *string_of(Json *line, const char *key) {
        Json *value;

        return json_object_object_get_ex(line, key, &value) && json_object_is_type(value, json_type_string) ?
                       json_object_get_string(value) : "";
}

/* One question, one answer with its id. tced's lines are well made; one that is not ends this process. */
static void answer(const char *text) {
        _cleanup_json_ Json *question = json_tokener_parse(text);
        _cleanup_json_ Json *line = json_object_new_object();
        const char *ask = question ? string_of(question, "ask") : "";
        Json *id;

        if (!question || !json_object_object_get_ex(question, "id", &id))
                _exit(EXIT_FAILURE);
        (void) json_object_object_add(line, "id", json_object_get(id));
        virResetLastError();
        if (streq(ask, "domains"))
                answer_domains(line);
        else if (streq(ask, "xml"))
                answer_xml(line, string_of(question, "name"));
        else if (streq(ask, "devices"))
                answer_devices(line);
        else
                put(line, "error", "not a question that tced-libvirt knows");
        say(line);
}

static int on_input(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        static char line[LINE_MAX_IN];
        static size_t have;
        ssize_t n = read(fd, line + have, sizeof(line) - have);
        char *end;

        if (n < 0 && errno == EINTR)
                return 0;
        if (n <= 0)
                return sd_event_exit(sd_event_source_get_event(s), EXIT_SUCCESS);
        have += (size_t) n;
        while ((end = memchr(line, '\n', have))) {
                *end = '\0';
                answer(line);
                have -= (size_t) (end + 1 - line);
                memmove(line, end + 1, have);
        }
        return have == sizeof(line) ? -E2BIG : 0;
}

/* libvirt has one type for the callbacks of all events, to which each is cast by libvirt's own macros. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-function-type"
/* A host whose libvirt has no node device driver says so once, by leaving its events out. */
static int open_connection(const char *uri, sd_event *event) {
        connection = virConnectOpenReadOnly(uri);
        if (!connection) {
                say_event("disconnected", "why", last_error(), NULL);
                return -ENOTCONN;
        }
        (void) virConnectRegisterCloseCallback(connection, on_closed, event, NULL);
        if (virConnectDomainEventRegisterAny(connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_domain), NULL,
                                             NULL) < 0) {
                say_event("disconnected", "why", last_error(), NULL);
                return -EIO;
        }
        (void) virConnectNodeDeviceEventRegisterAny(connection, NULL, VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE,
                                                    VIR_NODE_DEVICE_EVENT_CALLBACK(on_device), NULL, NULL);
        say_event("connected", NULL, NULL, NULL);
        return 0;
}
#pragma GCC diagnostic pop

int main(int argc, char *argv[]) {
        sd_event *event = NULL;
        int r;

        if (argc != 2 || argv[1][0] == '-') {
                (void) fputs("tced-libvirt is started by tced, which speaks with it over its standard input; see tced(8)\n", stderr);
                return 2;
        }
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) signal(SIGPIPE, SIG_IGN);
        virSetErrorFunc(NULL, on_error);
        r = sd_event_default(&event);
        if (r >= 0)
                r = libvirt_event_register(event);
        if (r >= 0)
                r = open_connection(argv[1], event);
        if (r >= 0)
                r = sd_event_add_io(event, NULL, SOCKET, EPOLLIN, on_input, NULL);
        if (r >= 0)
                r = sd_event_loop(event);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
