# bash completion of kubectl-synxdb (made by: kubectl synxdb completion bash)
# The program itself knows what may stand where; what is here brings its answer to the terminal.

_kubectl_synxdb() {
    local line=${COMP_LINE:0:COMP_POINT} words=() word glued i
    # readline ends a word at each = and :, the program wants them whole.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        glued=1
        while [[ $line == [[:blank:]]* ]]; do line=${line:1} glued=; done
        word=${COMP_WORDS[i]}
        ((i < COMP_CWORD)) || word=$line
        line=${line#"$word"}
        if [[ $glued && ${#words[@]} -gt 0 ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
    done
    local quotes="[\"'\\\\]"
    words=("${words[@]//$quotes/}")
    local current=${words[${#words[@]} - 1]} answer
    answer=$("${words[0]/#\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null) || return
    local directive=${answer##*:}
    answer=${answer%:*}
    COMPREPLY=()
    if [[ -z $answer ]]; then
        # Files are the shell's own matter.
        ((directive & 4)) || compopt -o default 2>/dev/null
        return
    fi
    ((directive & 2)) && compopt -o nospace 2>/dev/null

    # What readline holds for an earlier word must not come again.
    local before= rest=$current
    if [[ $rest == -*=* ]]; then
        [[ $COMP_WORDBREAKS == *=* ]] || before=${rest%%=*}=
        rest=${rest#*=}
    fi
    local breaks=${COMP_WORDBREAKS//[^=:]/} cut=
    [[ -n $breaks ]] && cut=${rest%"${rest##*[$breaks]}"}
    local values=() abouts=() value about longest=0
    while IFS=$'\t' read -r value about; do
        [[ -n $value ]] || continue
        value=$before${value#"$cut"}
        values+=("$value")
        abouts+=("$about")
        ((${#value} > longest)) && longest=${#value}
    done <<<"$answer"
    if ((${#values[@]} == 1)); then
        printf -v value %q "${values[0]}"
        COMPREPLY=("$value")
        return
    fi
    # Where they are only shown, each has a line of its own, with what it is. (37 and 42: they are put in in turn.)
    local room=$((${COLUMNS:-80} - longest - 5))
    for i in "${!values[@]}"; do
        value=${values[i]} about=${abouts[i]}
        if [[ -n $about && $COMP_TYPE != 37 && $COMP_TYPE != 42 ]] && ((room >= 12)); then
            ((${#about} > room)) && about=${about:0:room-1}…
            printf -v value '%-*s  (%s)' "$longest" "$value" "$about"
        fi
        COMPREPLY+=("$value")
    done
}

complete -o nosort -F _kubectl_synxdb kubectl-synxdb 2>/dev/null || complete -F _kubectl_synxdb kubectl-synxdb
