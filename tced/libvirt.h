/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What libvirt says: which domains run, their XML, the host's devices. libvirt's calls block, so they are made by a child process,
 * tced-libvirt, with which this speaks; the event loop never waits. A libvirtd (or virtqemud) that hangs, restarts or is not there holds
 * nothing up: the child is killed after 5 seconds of silence to a question and started again with back-off.
 *
 * The lines, JSON objects each, over the child's standard input (libvirt_child.c):
 *   to it: {"id":7,"ask":"domains"}, {"id":8,"ask":"xml","name":"web1"} (or a UUID), {"id":9,"ask":"devices"}
 *   from it: the same id with "domains": [{"name","uuid"}], "xml", "devices": ["pci_0001_00_00_0"], or "error" (with "missing": true where
 *   there is no such domain); and {"event":"connected"}, {"event":"disconnected","why"}, {"event":"domain","uuid"},
 *   {"event":"node-device","name","change"}. */

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

typedef struct Libvirt Libvirt;

typedef enum LibvirtState {
        LIBVIRT_OFF,        /* Connect=no */
        LIBVIRT_AWAY,       /* no libvirtd runs, or it can't be reached */
        LIBVIRT_CONNECTING,
        LIBVIRT_CONNECTED,
        _LIBVIRT_STATE_MAX,
} LibvirtState;

/* "off", "away", "connecting", "connected" */
const char *libvirt_state_to_string(LibvirtState state);

/* A domain that runs. */
typedef struct LibvirtDomain {
        char *name;
        char uuid[33]; /* lower case, without dashes */
} LibvirtDomain;

/* Strings stay the caller's. */
typedef struct LibvirtPlaces {
        const char *program; /* tced-libvirt */
        const char *uri;     /* "qemu:///system" */
        const char *run;     /* "/run/libvirt/qemu": driver.pid is there while a libvirtd or virtqemud runs */
        bool connect;        /* false: never */
        uint64_t silence_usec;     /* how long a question may go unanswered: 5 s */
        uint64_t backoff_min_usec; /* 1 s, doubled each time up to a minute */
} LibvirtPlaces;

typedef struct LibvirtObserver {
        void (*changed)(void *userdata);        /* state, or the domains that run */
        void (*devices_changed)(void *userdata); /* of the host: look again */
        void *userdata;
} LibvirtObserver;

/* Connects when a libvirtd runs, and whenever one appears. 0 or negative errno. */
int libvirt_new(sd_event *event, const LibvirtPlaces *places, const LibvirtObserver *observer, Libvirt **ret);
/* Ends the child; whoever waits for an answer is told. NULL is fine. */
Libvirt *libvirt_free(Libvirt *l);

LibvirtState libvirt_state(const Libvirt *l);
/* Why it is not connected, a sentence with a remedy; "" where it is. */
const char *libvirt_why(const Libvirt *l);
/* Those that run, as of now. Borrowed. */
const LibvirtDomain *libvirt_domains(const Libvirt *l, size_t *ret_n);
/* When libvirt was asked for them, of CLOCK_MONOTONIC: it can't have told of what came later. 0: it has not answered yet. */
uint64_t libvirt_domains_asked_usec(const Libvirt *l);

/* A domain's XML by its name or UUID, running or not. Starts the child where need be. error: 0 with the XML; ENOENT, ETIMEDOUT,
 * EHOSTDOWN and others with why. done is called exactly once, never before this returns 0; -ENOMEM or -ESHUTDOWN (Connect=no): not at all. */
typedef void (*LibvirtXmlDone)(int error, const char *text, void *userdata);
int libvirt_get_xml(Libvirt *l, const char *name, LibvirtXmlDone done, void *userdata);
