# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Judge what one test program printed: awk -f tap.awk -v name=NAME -v status=STATUS OUTPUT
#
# Prints lines of a letter, a tab and a text: P, F or S for each point that passed, failed or was skipped, and after an F
# its diagnostics, lines of "#". A program that broke off, or never said what it planned, is one failed point more:
# silence must not look like success.

function point(kind, text) { printf "%s\t%s: %s\n", kind, name, text; count[kind]++ }

# Diagnostics follow the point that they are about.
/^#/ { if (in_failure) printf "#\t%s\n", $0; next }

{ in_failure = 0 }

/^1\.\.[0-9]+/ {
        planned = substr($1, 4) + 0
        has_plan = 1
        if (planned == 0 && match(tolower($0), /# *skip/)) point("S", "all of it: " substr($0, RSTART + RLENGTH + 1))
        next
}

/^(not )?ok( |$)/ {
        points++
        text = $0
        failed = sub(/^not ok */, "", text)
        sub(/^ok */, "", text)
        sub(/^[0-9]+ *(- )?/, "", text)
        # A skip is a point that could not be tried, whatever it says before.
        if (match(tolower(text), / *# *skip[a-z]* */)) {
                why = substr(text, RSTART + RLENGTH)
                point("S", substr(text, 1, RSTART - 1) " (" (why == "" ? "no reason given" : why) ")")
        } else if (failed) {
                point("F", text)
                in_failure = 1
        } else point("P", text)
        next
}

# What a sanitizer, or valgrind, says of a child of the test's ends that child, and not the test.
!sanitizer && (/==[0-9]+==ERROR: [A-Za-z]+Sanitizer/ || /: runtime error: / || /^==[0-9]+== [A-Z0-9]/) { sanitizer = $0 }

# Anything else is what it said on the side; the last of it may tell why it broke off.
{ aside[asides++] = $0 }

function broken(text,    i) {
        point("F", "died/incomplete: " text)
        for (i = asides > 15 ? asides - 15 : 0; i < asides; i++) printf "#\t%s\n", aside[i]
}

END {
        if (sanitizer) point("F", "a sanitizer found: " sanitizer)
        if (status == "lost") broken("the host ended before it")
        else if (status == 124) broken("it took longer than it may, after " points + 0 " points")
        else if (!has_plan) broken("no plan, exit status " status)
        else if (points + 0 != planned) broken("planned " planned " points, made " points + 0 ", exit status " status)
        else if (status != 0 && !count["F"]) broken("exit status " status)
}
