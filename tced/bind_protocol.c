/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bind_protocol.h"

#include <json-c/json.h>
#include <sys/socket.h>

#include "util.h"

static const char *const operation_names[_BIND_OPERATION_MAX] = {
        [BIND_OPEN_GROUP] = "open-group",
        [BIND_OPEN_LOG] = "open-log",
        [BIND_BIND_GROUP] = "bind-group",
        [BIND_RELEASE_GROUP] = "release-group",
        [BIND_KEEP_GROUP] = "keep-group",
        [BIND_FORGET_GROUP] = "forget-group",
        [BIND_RECOVER_GROUP] = "recover-group",
};

DEFINE_POINTER_CLEANUP(struct json_object, json_object_put, json_putp)
#define _cleanup_json_ _cleanup_(json_putp)

/* A packet is an object of numbers, strings and one array of strings. */
#define JSON_DEPTH 3

/* Room for more fds than a packet of ours has, so that surplus ones are seen and closed. */
#define FDS_ROOM 8U

const char *bind_operation_to_string(BindOperation operation) {
        return operation_names[operation];
}

int bind_operation_from_string(const char *text) {
        return name_lookup(operation_names, ELEMENTSOF(operation_names), text);
}

bool bind_operation_has_addresses(BindOperation operation) {
        return operation > BIND_OPEN_LOG;
}

int bind_request_set_addresses(BindRequest *request, const char *const *addresses, size_t n) {
        if (n == 0 || n > BIND_DEVICES_MAX)
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                if (!pci_address_valid(addresses[i]))
                        return -EINVAL;
                (void) strcpy(request->addresses[i], addresses[i]);
        }
        request->n_addresses = n;
        return 0;
}

static int send_packet(int socket, struct json_object *json, int fd) {
        const char *text = json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN);
        union {
                char bytes[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control = {};
        struct iovec iov = { .iov_base = (void *) text };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        if (!text)
                return -ENOMEM;
        iov.iov_len = strlen(text);
        if (fd >= 0) {
                struct cmsghdr *c = &control.align;

                message.msg_control = control.bytes;
                message.msg_controllen = sizeof(control.bytes);
                *c = (struct cmsghdr) { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
                memcpy(CMSG_DATA(c), &fd, sizeof(int));
        }
        n = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        return n < 0 ? -errno : 0;
}

/* Takes the first fd out of a message and closes any other. */
static int take_fd(struct msghdr *message) {
        int fd = -EBADF;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                size_t n;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int received;

                        memcpy(&received, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        if (fd < 0)
                                fd = received;
                        else
                                (void) fd_close(received);
                }
        }
        return fd;
}

/* The one JSON object that fills a packet to its last byte, or NULL. The packet has a NUL behind it. A strict json-c 0.18 takes all bytes
 * above ASCII for control characters, where char is signed, and refuses them: it is strict with ASCII alone. */
static struct json_object *parse_packet(const char *packet, size_t size) {
        struct json_tokener *tokener;
        struct json_object *json;

        if (!utf8_valid(packet))
                return NULL;
        tokener = json_tokener_new_ex(JSON_DEPTH);
        if (!tokener)
                return NULL;
        json_tokener_set_flags(tokener, ascii_valid(packet) ? JSON_TOKENER_STRICT : 0);
        json = json_tokener_parse_ex(tokener, packet, (int) size);
        if (json && json_tokener_get_parse_end(tokener) != size) {
                (void) json_object_put(json);
                json = NULL;
        }
        json_tokener_free(tokener);
        return json;
}

static int receive_packet(int socket, struct json_object **ret, int *ret_fd) {
        char buffer[BIND_PACKET_MAX + 1];
        union {
                char bytes[CMSG_SPACE(FDS_ROOM * sizeof(int))];
                struct cmsghdr align;
        } control;
        struct iovec iov = { .iov_base = buffer, .iov_len = BIND_PACKET_MAX };
        struct msghdr message = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
        };
        _cleanup_fd_ int fd = -EBADF;
        struct json_object *json;
        ssize_t n;

        n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0)
                return -errno;
        fd = take_fd(&message);
        if (n == 0)
                return 0;
        if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
                return -EBADMSG;
        buffer[n] = '\0';
        json = parse_packet(buffer, (size_t) n);
        if (!json)
                return -EBADMSG;
        *ret = json;
        *ret_fd = TAKE_FD(fd);
        return 1;
}

/* A member that must be a whole number in range. */
static int get_number(struct json_object *json, const char *key, uint64_t max, uint64_t *ret) {
        struct json_object *member;

        if (!json_object_object_get_ex(json, key, &member) || !json_object_is_type(member, json_type_int))
                return -EBADMSG;
        if (json_object_get_int64(member) < 0 || json_object_get_uint64(member) > max)
                return -EBADMSG;
        *ret = json_object_get_uint64(member);
        return 0;
}

/* A string without a NUL in it, or NULL. */
static const char *string_value(struct json_object *value) {
        const char *text;

        if (!json_object_is_type(value, json_type_string))
                return NULL;
        text = json_object_get_string(value);
        return strlen(text) == (size_t) json_object_get_string_len(value) ? text : NULL;
}

static const char *get_string(struct json_object *json, const char *key) {
        struct json_object *member;

        return json_object_object_get_ex(json, key, &member) ? string_value(member) : NULL;
}

static int add_addresses(struct json_object *json, const BindRequest *request) {
        struct json_object *array = json_object_new_array();

        if (!array || json_object_object_add(json, "devices", array) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < request->n_addresses; i++)
                if (json_object_array_add(array, json_object_new_string(request->addresses[i])) < 0)
                        return -ENOMEM;
        return 0;
}

int bind_send_request(int socket, const BindRequest *request) {
        _cleanup_json_ struct json_object *json = json_object_new_object();
        bool has_group = request->operation == BIND_OPEN_GROUP || request->operation == BIND_BIND_GROUP;

        if (!json)
                return -ENOMEM;
        if (json_object_object_add(json, "id", json_object_new_uint64(request->id)) < 0 ||
            json_object_object_add(json, "operation", json_object_new_string(operation_names[request->operation])) < 0)
                return -ENOMEM;
        if (has_group && json_object_object_add(json, "group", json_object_new_uint64(request->group)) < 0)
                return -ENOMEM;
        if (request->operation == BIND_OPEN_LOG && json_object_object_add(json, "name", json_object_new_string(request->name)) < 0)
                return -ENOMEM;
        if (bind_operation_has_addresses(request->operation) && add_addresses(json, request) < 0)
                return -ENOMEM;
        return send_packet(socket, json, -EBADF);
}

int bind_send_reply(int socket, const BindReply *reply) {
        _cleanup_json_ struct json_object *json = json_object_new_object();

        if (!json)
                return -ENOMEM;
        if (json_object_object_add(json, "id", json_object_new_uint64(reply->id)) < 0 ||
            json_object_object_add(json, "error", json_object_new_int(reply->error)) < 0 ||
            json_object_object_add(json, "text", json_object_new_string(reply->text)) < 0)
                return -ENOMEM;
        return send_packet(socket, json, reply->fd);
}

static int get_group(struct json_object *json, BindRequest *request) {
        uint64_t group;

        if (get_number(json, "group", UINT32_MAX, &group) < 0)
                return -EBADMSG;
        request->group = (uint32_t) group;
        return 0;
}

static int get_name(struct json_object *json, BindRequest *request) {
        const char *name = get_string(json, "name");

        if (isempty(name) || strlen(name) > BIND_NAME_MAX)
                return -EBADMSG;
        (void) strcpy(request->name, name);
        return 0;
}

static int get_addresses(struct json_object *json, BindRequest *request) {
        const char *addresses[BIND_DEVICES_MAX];
        struct json_object *array;
        size_t n;

        if (!json_object_object_get_ex(json, "devices", &array) || !json_object_is_type(array, json_type_array))
                return -EBADMSG;
        n = json_object_array_length(array);
        if (n > BIND_DEVICES_MAX)
                return -EBADMSG;
        for (size_t i = 0; i < n; i++) {
                addresses[i] = string_value(json_object_array_get_idx(array, i));
                if (!addresses[i])
                        return -EBADMSG;
        }
        return bind_request_set_addresses(request, addresses, n) < 0 ? -EBADMSG : 0;
}

/* What the operation is about. */
static int get_subject(struct json_object *json, BindRequest *request) {
        switch (request->operation) {
        case BIND_OPEN_GROUP:
                return get_group(json, request);
        case BIND_OPEN_LOG:
                return get_name(json, request);
        case BIND_BIND_GROUP:
                return get_group(json, request) < 0 ? -EBADMSG : get_addresses(json, request);
        case BIND_RELEASE_GROUP:
        case BIND_KEEP_GROUP:
        case BIND_FORGET_GROUP:
        case BIND_RECOVER_GROUP:
                return get_addresses(json, request);
        case _BIND_OPERATION_MAX:
                break;
        }
        return -EBADMSG;
}

int bind_receive_request(int socket, BindRequest *ret) {
        _cleanup_json_ struct json_object *json = NULL;
        _cleanup_fd_ int fd = -EBADF;
        BindRequest request = {};
        const char *name;
        int r, operation;

        r = receive_packet(socket, &json, &fd);
        if (r <= 0)
                return r;
        name = get_string(json, "operation");
        operation = name ? bind_operation_from_string(name) : -EBADMSG;
        if (operation < 0 || get_number(json, "id", INT64_MAX, &request.id) < 0)
                return -EBADMSG;
        request.operation = (BindOperation) operation;
        r = get_subject(json, &request);
        if (r < 0)
                return r;
        *ret = request;
        return 1;
}

int bind_receive_reply(int socket, BindReply *ret) {
        _cleanup_json_ struct json_object *json = NULL;
        _cleanup_fd_ int fd = -EBADF;
        uint64_t id, error;
        const char *text;
        int r;

        r = receive_packet(socket, &json, &fd);
        if (r <= 0)
                return r;
        text = get_string(json, "text");
        if (!text || get_number(json, "id", INT64_MAX, &id) < 0 || get_number(json, "error", INT32_MAX, &error) < 0)
                return -EBADMSG;
        if (error != 0 && isempty(text))
                return -EBADMSG;
        *ret = (BindReply) { .id = id, .error = (int) error, .fd = -EBADF };
        (void) snprintf(ret->text, sizeof(ret->text), "%s", text);
        (void) utf8_mend(ret->text);
        if (error == 0)
                ret->fd = TAKE_FD(fd);
        return 1;
}
