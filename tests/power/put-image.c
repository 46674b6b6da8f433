/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* put-image COUNT: a firmware for `qemu-system-ppc64 -machine pseries -bios`, on standard output. It does so many H_PUT_TCE on the first PHB's
 * default window, one a page from the first on, and says to the spapr-vty at 0x30000000 how long that took and how many were good: two numbers
 * of 8 bytes, big-endian, the first in ticks of the timebase. Then it switches the machine off.
 *
 * QEMU puts it to address 0 and starts it at 0x100, big-endian, in real mode (hw/ppc/spapr.c, spapr_machine_reset). */

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "kvm-abi.h"
#include "util.h"
#include "words.h"

#define ENTRY 0x100U
#define REQUEST 0x800U /* the firmware's call that switches off */
#define IMAGE_SIZE 0x1000U
#define COUNT_MAX (UINT64_C(1) << 18) /* TCEs of that window */

#define H_PUT_TERM_CHAR 0x58
/* QEMU's own (include/hw/ppc/spapr.h): a call of the firmware, with the address of its arguments; and the number of power-off. */
#define KVMPPC_H_RTAS 0xf000U
#define RTAS_POWER_OFF 0x2003U

static void put_word(unsigned char *image, size_t at, uint32_t word) {
        word = htobe32(word);
        (void) memcpy(image + at, &word, sizeof(word));
}

int main(int argc, char **argv) {
        unsigned char image[IMAGE_SIZE] = {};
        const uint32_t request[] = { RTAS_POWER_OFF, 2, 1, UINT32_MAX, UINT32_MAX, 0 };
        uint64_t count;

        if (argc != 2 || parse_u64(argv[1], COUNT_MAX, &count) < 0) {
                (void) fprintf(stderr, "put-image: how many? Up to 2^18\n");
                return 2;
        }
        /* r14 to r19 are as in vmm-guest.c; r23 and r24 the time. */
        const uint32_t words[] = {
                LIS(14U, (uint32_t) count >> 16), ORI(14U, 14U, (uint32_t) count & 0xffffU),
                LI(15U, 1), LI(21U, 31), SLD(15U, 15U, 21U),                  /* the first PHB's LIOBN: 0x80000000 */
                LI(16U, 0x7fff),                                             /* pages of 128 MiB */
                LI(17U, 0), LI(18U, 0), LI(19U, 12), MFTB(23U),
                CMPDI(14U, 0), BEQ(14),
                LI(3U, H_PUT_TCE), MR(4U, 15U),                              /* loop: */
                SLD(21U, 17U, 19U), ADD(5U, 21U, 18U),
                AND(22U, 17U, 16U), SLD(22U, 22U, 19U), ORI(6U, 22U, 3U),
                SC1, CMPDI(3U, 0), BNE(4),
                ADDI(17U, 17U, 1), CMPD(17U, 14U), BLT(-12),
                MFTB(24U), SUBF(24U, 23U, 24U),
                LI(3U, H_PUT_TERM_CHAR), LIS(4U, 0x3000U), LI(5U, 16), MR(6U, 24U), MR(7U, 17U), SC1,
                LI(3U, 0), ORI(3U, 3U, KVMPPC_H_RTAS), LI(4U, REQUEST), SC1,
                HERE,
        };
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                put_word(image, ENTRY + i * sizeof(words[0]), words[i]);
        for (size_t i = 0; i < ELEMENTSOF(request); i++)
                put_word(image, REQUEST + i * sizeof(request[0]), request[i]);
        return fwrite(image, sizeof(image), 1, stdout) != 1;
}
