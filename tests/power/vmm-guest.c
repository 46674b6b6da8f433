/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the guest runs: loops of hypercalls, as instructions of POWER (Power ISA, Book I), little-endian, in real mode.
 *
 * Registers: r14 pages to do, r15 LIOBN, r16 mask that keeps TCEs in memory, r17 pages done, r18 first bus address, r19 page
 * shift, r20 the lists; r21 and r22 are scratch. KVM leaves all of them alone, while r3 to r12 carry hypercalls. */

#include <endian.h>
#include <string.h>

#include "kvm-abi.h"
#include "tce.h"
#include "vmm.h"
#include "words.h"

#define CODE UINT64_C(0x10000)
#define CODE_STEP UINT64_C(0x1000)
#define LISTS UINT64_C(0x20000)
#define LIST_ENTRIES 512U

#define WORDS_MAX 32

/* How each program ends: r4 the pages done, r5 the last return code. */
#define DONE MR(5U, 3U), LI(3U, VMM_H_DONE), MR(4U, 17U), SC1, HERE

static const struct {
        const char *name;
        uint32_t words[WORDS_MAX];
} programs[_VMM_PROGRAM_MAX] = {
        [VMM_PUT] = {
                "H_PUT_TCE",
                {
                        LI(3U, H_PUT_TCE), MR(4U, 15U),                     /* loop: */
                        SLD(21U, 17U, 19U), ADD(5U, 21U, 18U),              /* bus address of page r17 */
                        AND(22U, 17U, 16U), SLD(22U, 22U, 19U), ORI(6U, 22U, 3U), /* a page of memory, for reading and writing */
                        SC1, CMPDI(3U, 0), BNE(4),                          /* a failure ends it */
                        ADDI(17U, 17U, 1), CMPD(17U, 14U), BLT(-12),
                        DONE,
                },
        },
        [VMM_INDIRECT] = {
                "H_PUT_TCE_INDIRECT",
                {
                        LI(3U, H_PUT_TCE_INDIRECT), MR(4U, 15U),            /* loop: */
                        SLD(21U, 17U, 19U), ADD(5U, 21U, 18U),
                        LI(21U, 3), SLD(21U, 17U, 21U), ADD(6U, 21U, 20U),  /* 8 bytes for each page before it */
                        SUBF(7U, 17U, 14U), CMPDI(7U, LIST_ENTRIES), BLE(2), LI(7U, LIST_ENTRIES),
                        MR(22U, 7U), SC1, CMPDI(3U, 0), BNE(4),
                        ADD(17U, 17U, 22U), CMPD(17U, 14U), BLT(-17),
                        DONE,
                },
        },
        [VMM_STUFF] = {
                "H_STUFF_TCE",
                {
                        LI(3U, H_STUFF_TCE), MR(4U, 15U), MR(5U, 18U), LI(6U, 0), MR(7U, 14U),
                        SC1, CMPDI(3U, 0), BNE(2), MR(17U, 14U),
                        DONE,
                },
        },
};

const char *vmm_program_name(VmmProgram program) {
        return programs[program].name;
}

uint64_t vmm_guest_entry(VmmProgram program) {
        return CODE + program * CODE_STEP;
}

void vmm_guest_load(void *memory) {
        for (unsigned p = 0; p < _VMM_PROGRAM_MAX; p++)
                for (size_t i = 0; i < WORDS_MAX; i++) {
                        uint32_t word = htole32(programs[p].words[i]);

                        memcpy((char *) memory + vmm_guest_entry((VmmProgram) p) + i * sizeof(word), &word, sizeof(word));
                }
}

static uint64_t memory_mask(const struct tced_table *table) {
        uint64_t pages = VMM_MEMORY_SIZE >> tced_table_page_shift(table);

        return pages > 0 ? pages - 1 : 0;
}

uint64_t vmm_guest_tce(const struct tced_table *table, uint64_t index) {
        return (index & memory_mask(table)) << tced_table_page_shift(table) | TCE_READ | TCE_WRITE;
}

void vmm_guest_arguments(void *memory, const struct tced_table *table, uint64_t count, uint64_t gpr[32]) {
        gpr[14] = count;
        gpr[15] = tced_table_liobn(table);
        gpr[16] = memory_mask(table);
        gpr[17] = 0;
        gpr[18] = tced_table_bus_offset(table);
        gpr[19] = tced_table_page_shift(table);
        gpr[20] = LISTS;
        /* As many as fit into memory; the guest does not ask for more (vmm-options.c). */
        for (uint64_t i = 0; i < count && LISTS + (i + 1) * 8 <= VMM_MEMORY_SIZE; i++) {
                uint64_t tce = htobe64(vmm_guest_tce(table, i));

                memcpy((char *) memory + LISTS + i * 8, &tce, sizeof(tce));
        }
}
