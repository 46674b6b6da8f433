/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* default-route INTERFACE: switches it on and leads the default route through it, for a host without `ip`. The route goes with the interface. */

#include <arpa/inet.h>
#include <net/if.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "util.h"

int main(int argc, char **argv) {
        struct sockaddr_in address = { .sin_family = AF_INET }, *own;
        struct rtentry route = { .rt_flags = RTF_UP };
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq request = {};

        if (argc != 2 || strlen(argv[1]) >= sizeof(request.ifr_name)) {
                (void) fputs("default-route INTERFACE\n", stderr);
                return 2;
        }
        (void) strcpy(request.ifr_name, argv[1]);
        own = (struct sockaddr_in *) &request.ifr_addr;
        *own = address;
        own->sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1, nobody's (RFC 5737) */
        if (fd < 0 || ioctl(fd, SIOCSIFADDR, &request) < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
                goto failed;
        request.ifr_flags |= IFF_UP;
        if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
                goto failed;
        memcpy(&route.rt_dst, &address, sizeof(address));
        memcpy(&route.rt_genmask, &address, sizeof(address));
        route.rt_dev = argv[1];
        if (ioctl(fd, SIOCADDRT, &route) >= 0)
                return 0;
failed:
        (void) fprintf(stderr, "default-route: %s: %s\n", argv[1], strerror(errno));
        return 1;
}
