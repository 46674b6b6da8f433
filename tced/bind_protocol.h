/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What tced and its helper tced-bind say to each other, over a SOCK_SEQPACKET socket: one JSON object a packet, an fd beside an
 * answer that grants one. Neither side believes the other more than it must: what can't be understood is refused, fds that
 * nobody asked for are closed. */

#include <stdint.h>
#include <sys/types.h>

#define BIND_PACKET_MAX 4096U
#define BIND_TEXT_MAX 512U
#define BIND_NAME_MAX 255U

typedef enum BindOperation {
        BIND_OPEN_GROUP, /* open /dev/vfio/N and hand it over */
        BIND_OPEN_LOG,   /* the same of the file in which libvirt keeps what a domain's QEMU says, to read */
        _BIND_OPERATION_MAX,
} BindOperation;

/* "open-group", "open-log" */
const char *bind_operation_to_string(BindOperation operation);
int bind_operation_from_string(const char *text);

typedef struct BindRequest {
        uint64_t id; /* comes back with the answer */
        BindOperation operation;
        uint32_t group;               /* of BIND_OPEN_GROUP */
        char name[BIND_NAME_MAX + 1]; /* of BIND_OPEN_LOG: the domain's */
} BindRequest;

typedef struct BindReply {
        uint64_t id;
        int error;                /* 0, or a positive errno */
        char text[BIND_TEXT_MAX]; /* where error is not 0: what, why, what to do */
        int fd;                   /* -EBADF: none; owned by whoever holds the struct */
} BindReply;

/* Sends one packet without blocking. fd: sent along, stays the caller's; negative: none. 0; -EAGAIN: the socket is full; else
 * negative errno. */
int bind_send_request(int socket, const BindRequest *request);
int bind_send_reply(int socket, const BindReply *reply);

/* Receives one. 1; 0: the other end is closed; -EAGAIN: nothing there; -EBADMSG: a packet that makes no sense, nothing of it is kept;
 * else negative errno. */
int bind_receive_request(int socket, BindRequest *ret);
int bind_receive_reply(int socket, BindReply *ret);
