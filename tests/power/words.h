/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Instructions of POWER (Power ISA, Book I and II) as numbers, for guests that are too small for an assembler, in the order of operands of their
 * mnemonics. */

#include <stdint.h>

#define ADDI(t, a, i) (14U << 26 | (t) << 21 | (a) << 16 | ((uint32_t) (i) &0xffffU))
#define LI(t, i) ADDI(t, 0U, i)
#define LIS(t, i) (15U << 26 | (t) << 21 | (i))
#define X_FORM(s, a, b, xo) (31U << 26 | (s) << 21 | (a) << 16 | (b) << 11 | (xo) << 1)
#define MR(a, s) X_FORM(s, a, s, 444U)
#define AND(a, s, b) X_FORM(s, a, b, 28U)
#define SLD(a, s, b) X_FORM(s, a, b, 27U)
#define ADD(t, a, b) X_FORM(t, a, b, 266U)
#define SUBF(t, a, b) X_FORM(t, a, b, 40U) /* b - a */
#define ORI(a, s, i) (24U << 26 | (s) << 21 | (a) << 16 | (i))
#define CMPD(a, b) X_FORM(1U, a, b, 0U)
#define CMPDI(a, i) (11U << 26 | 1U << 21 | (a) << 16 | ((uint32_t) (i) &0xffffU))
#define BRANCH_IF(bo, bi, words) (16U << 26 | (bo) << 21 | (bi) << 16 | ((uint32_t) ((words) *4) & 0xfffcU))
#define BLT(words) BRANCH_IF(12U, 0U, words)
#define BLE(words) BRANCH_IF(4U, 1U, words)
#define BEQ(words) BRANCH_IF(12U, 2U, words)
#define BNE(words) BRANCH_IF(4U, 2U, words)
#define HERE (18U << 26) /* a branch to itself */
#define MFTB(t) (31U << 26 | (t) << 21 | 12U << 16 | 8U << 11 | 371U << 1)
#define SC1 0x44000022U
