/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A libFuzzer target: what a process that proves KVM, or a group's windows, sends tced. An input is what it changes in good facts: again and
 * again two bytes of an offset, one of a length, so many bytes. What is taken for valid is fit to be judged and shown. */

#include "finding.h"
#include "fuzz.h"
#include "policy.h"
#include "util.h"

#define EXPECT(what) fuzz_expect((what), #what)

typedef struct Sent {
        KvmFacts kvm;
        WindowProof window;
} Sent;

static Sent good(void) {
        Sent s = {};

        outcome_set(&s.kvm.vm, PROOF_YES, "created a VM");
        outcome_set(&s.kvm.range_check, PROOF_YES, "refused");
        for (int i = 0; i < _VM_TYPE_MAX; i++)
                outcome_set(&s.kvm.vm_type[i], PROOF_YES, "created a VM");
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++)
                outcome_set(&s.kvm.capability[i].proven, PROOF_YES, "created, mapped and closed a table");
        (void) snprintf(s.kvm.release, sizeof(s.kvm.release), "6.1.0-18-powerpc64le");
        (void) snprintf(s.kvm.machine, sizeof(s.kvm.machine), "ppc64le");
        outcome_set(&s.window.ddw, PROOF_YES, "created and removed a window");
        return s;
}

static void check_outcome(const Outcome *o) {
        EXPECT(!isempty(proof_to_string(o->proof)) && utf8_valid(o->why) && strlen(o->why) < WHY_MAX);
}

static void check_kvm(const KvmFacts *kvm) {
        const VfioFacts vfio = {};
        Findings f = {};

        check_outcome(&kvm->vm);
        check_outcome(&kvm->range_check);
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++)
                check_outcome(&kvm->capability[i].proven);
        (void) facts_host_has_tce(kvm);
        (void) policy_facts_from(kvm);
        EXPECT(findings_from_host(&f, kvm, &vfio) >= 0);
        for (size_t i = 0; i < f.n; i++)
                EXPECT(!isempty(f.items[i].text) && utf8_valid(f.items[i].text));
        findings_clear(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Sent sent = good();

        EXPECT(kvm_facts_valid(&sent.kvm) && window_proof_valid(&sent.window));
        while (size >= 3) {
                size_t at = (data[0] | (size_t) data[1] << 8) % sizeof(sent), n = data[2];

                data += 3;
                size -= 3;
                n = n < size ? n : size;
                n = n < sizeof(sent) - at ? n : sizeof(sent) - at;
                memcpy((char *) &sent + at, data, n);
                data += n;
                size -= n;
        }
        if (kvm_facts_valid(&sent.kvm))
                check_kvm(&sent.kvm);
        if (window_proof_valid(&sent.window))
                check_outcome(&sent.window.ddw);
        return 0;
}
