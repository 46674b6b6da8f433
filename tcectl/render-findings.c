/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Findings and proofs, as every screen shows them. */

#include "render.h"
#include "util.h"
#include "view.h"

/* The text of a finding starts here: behind the longest severity. */
#define TEXT_COLUMN 9U

/* Worst first; a severity that is not known yet comes before what is only worth knowing. */
enum { RANK_ERROR, RANK_WARNING, RANK_OTHER, RANK_INFO, _RANK_MAX };

static int rank_of(const char *severity) {
        if (streq(severity, "error"))
                return RANK_ERROR;
        if (streq(severity, "warning"))
                return RANK_WARNING;
        return streq(severity, "info") ? RANK_INFO : RANK_OTHER;
}

Colour colour_of_proof(const char *proven) {
        if (streq(proven, "yes"))
                return COLOUR_GREEN;
        return streq(proven, "no") ? COLOUR_RED : COLOUR_YELLOW;
}

/* Nothing where there is no text: some findings have no remedy. */
static void put_paragraph(const char *label, const char *text, const Output *out) {
        if (isempty(text))
                return;
        text_pad(out->f, TEXT_COLUMN);
        (void) fputs(label, out->f);
        text_wrap(out->f, text, TEXT_COLUMN + (unsigned) strlen(label), TEXT_COLUMN, out->width);
}

/* "error    vfio-broken (group 3)", the text, the remedy; what is about the host itself needs no subject. */
static void render_finding(json_object *finding, const Output *out) {
        static const Colour colours[_RANK_MAX] = { COLOUR_RED, COLOUR_YELLOW, COLOUR_YELLOW, COLOUR_BOLD };
        const char *severity = view_show(finding, "severity"), *subject = view_string(finding, "subject");
        unsigned at;

        output_colour(out, colours[rank_of(severity)]);
        at = text_put(out->f, severity, TEXT_COLUMN - 1);
        output_colour(out, COLOUR_NONE);
        text_pad(out->f, TEXT_COLUMN - at);
        output_colour(out, COLOUR_BOLD);
        at = TEXT_COLUMN + text_put(out->f, view_show(finding, "id"), out->width - TEXT_COLUMN);
        output_colour(out, COLOUR_NONE);
        if (!isempty(subject) && !streq(subject, "host") && at + 4 < out->width) {
                (void) fputs(" (", out->f);
                (void) text_put(out->f, subject, out->width - at - 3);
                (void) fputc(')', out->f);
        }
        (void) fputc('\n', out->f);
        put_paragraph("", view_string(finding, "text"), out);
        put_paragraph("Remedy:", view_string(finding, "remedy"), out);
}

void render_findings(json_object *findings, const Output *out) {
        for (int rank = 0; rank < _RANK_MAX; rank++)
                for (size_t i = 0; i < view_length(findings); i++)
                        if (rank_of(view_show(view_item(findings, i), "severity")) == rank)
                                render_finding(view_item(findings, i), out);
}
