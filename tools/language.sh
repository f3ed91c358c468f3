#!/usr/bin/env bash
# Fails if a Rust or Markdown file uses one of the words and patterns that the project's style bans: they
# have no place in the field's language, or hide which role acts. Prints each line that does.
#
#   tools/language.sh            every tracked file
#   tools/language.sh --counts   the table of counts instead (CONTRIBUTING.md)
set -euo pipefail
cd "$(dirname "$0")/.."

# Generated tables, and seeds of failures that a library writes.
except=(':!*/SITES.md' ':!*/MUTANTS.md' ':!*/BOUNDS.md' ':!*regressions*')
words='nobody|somebody|whoever|whomever|for ever|anew|in vain|in earnest|amid|mended|so long as|be it'

if [ "${1:-}" = --counts ]; then
    count() { { git grep -hiE "$1" -- "${@:2}" "${except[@]}" || true; } | wc -l; }
    shipped=('context/src/*.rs' 'timers/src/*.rs' 'io/src/*.rs' 'sync/src/*.rs' 'executor/src/*.rs' 'macros/src/*.rs')
    not_tests=(':!*/tests.rs' ':!*/tests/*')
    lines() { git ls-files -- "$@" | xargs cat | wc -l; }
    all=$(lines '*.rs')
    own=$(lines "${shipped[@]}" "${not_tests[@]}")
    printf 'nobody / somebody / whoever in shipped sources: %s\n' "$(count '\b(nobody|somebody|whoever)\b' "${shipped[@]}")"
    printf '/// Returns : /// Whether: %s : %s\n' "$(count '/// Returns' '*.rs')" "$(count '/// Whether' '*.rs')"
    printf '/// As [x]: %s\n' "$(count '//[/!] As \[' '*.rs')"
    printf 'code around the shipped sources : shipped sources: %s : 1\n' \
        "$(awk -v all="$all" -v own="$own" 'BEGIN { printf "%.1f", (all - own) / own }')"
    exit
fi

status=0
ban() { # what, pattern, files
    if git grep -nIiE "$2" -- "${@:3}" "${except[@]}" ':!tools/language.sh'; then
        printf '== %s\n\n' "$1"
        status=1
    fi
}
ban 'name the role, or use the modern word' "\\b($words)\\b" '*.rs' '*.md'
ban 'begin with a verb: "Returns `true` if ..."' '^ *//[/!] Whether ' '*.rs'
ban '"Like [`x`]", or "See [`x`]"' '^ *//[/!] As \[' '*.rs'
ban 'American spelling' '\b(behaviour|synchronis|initialis|serialis|optimis|recognis|favour|flavours?|neighbours?|honour|cancelled-|colour)' '*.rs' '*.md'
# Comments obey the width of rustfmt.toml, except tables, examples and link targets.
if git ls-files -- '*.rs' | xargs perl -CSD -ne '
    $fence = 0 if $. == 1;
    if (m{^ *//[/!]? *```}) { $fence = !$fence }
    elsif (!m{^ *//}) { $fence = 0 }
    elsif (!$fence && !m{^ *//[/!]? *(\||\[[^]]*\]:)} && length > 101) { print "$ARGV:$.\n" }
    close ARGV if eof;' | grep .; then
    printf '== comments end at column 100, as rustfmt.toml says\n'
    status=1
fi
exit "$status"
