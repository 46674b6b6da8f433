/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What tced and its helper tced-bind say to each other, and tced-bind and its workers, over a SOCK_SEQPACKET socket: one JSON object a
 * packet, an fd beside an answer that grants one. Neither side believes the other more than it must: what can't be understood is refused,
 * fds that nobody asked for are closed. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define BIND_PACKET_MAX 8192U /* BIND_DEVICES_MAX addresses fit */
#define BIND_TEXT_MAX 512U
#define BIND_NAME_MAX 255U
#define BIND_DEVICES_MAX 256U /* of a group: 32 slots of a bus, 8 functions each */
#define BIND_ADDRESS_MAX 16U  /* of a PCI address: a domain of 8 digits */

typedef enum BindOperation {
        BIND_OPEN_GROUP, /* open /dev/vfio/N and hand it over */
        BIND_OPEN_LOG,   /* the same of the file in which libvirt keeps what a domain's QEMU says, to read */
        BIND_BIND_GROUP,    /* a whole group to vfio-pci */
        BIND_RELEASE_GROUP, /* what that has changed, back */
        BIND_KEEP_GROUP,    /* have it bound at each boot: a drop-in for tced.conf */
        BIND_FORGET_GROUP,  /* no more of that */
        BIND_RECOVER_GROUP, /* only to a worker: what another has left half done */
        _BIND_OPERATION_MAX,
} BindOperation;

/* "open-group", "open-log", "bind-group", "release-group", "keep-group", "forget-group", "recover-group" */
const char *bind_operation_to_string(BindOperation operation);
int bind_operation_from_string(const char *text);

typedef struct BindRequest {
        uint64_t id; /* comes back with the answer */
        BindOperation operation;
        uint32_t group;               /* of BIND_OPEN_GROUP and BIND_BIND_GROUP */
        char name[BIND_NAME_MAX + 1]; /* of BIND_OPEN_LOG: the domain's */
        /* PCI addresses of all devices of the group: of those below BIND_OPEN_LOG. */
        char addresses[BIND_DEVICES_MAX][BIND_ADDRESS_MAX + 1];
        size_t n_addresses;
} BindRequest;

typedef struct BindReply {
        uint64_t id;
        int error;                /* 0, or a positive errno; of a worker: EINPROGRESS, what it is at, more answers come */
        char text[BIND_TEXT_MAX]; /* where error is not 0: what, why, what to do */
        int fd;                   /* -EBADF: none; owned by whoever holds the struct */
} BindReply;

/* Is the request about devices, by their addresses? */
bool bind_operation_has_addresses(BindOperation operation);
/* Fills in addresses. 0; -EINVAL: none, too many, or one that is no PCI address as the kernel writes it. */
int bind_request_set_addresses(BindRequest *request, const char *const *addresses, size_t n);

/* Sends one packet without blocking. fd: sent along, stays the caller's; negative: none. 0; -EAGAIN: the socket is full; else
 * negative errno. */
int bind_send_request(int socket, const BindRequest *request);
int bind_send_reply(int socket, const BindReply *reply);

/* Receives one. 1; 0: the other end is closed; -EAGAIN: nothing there; -EBADMSG: a packet that makes no sense, nothing of it is kept;
 * else negative errno. */
int bind_receive_request(int socket, BindRequest *ret);
int bind_receive_reply(int socket, BindReply *ret);
