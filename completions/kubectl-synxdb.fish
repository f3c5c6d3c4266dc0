# fish completion of kubectl-synxdb (made by: kubectl synxdb completion fish)
# The program itself knows what may stand where; what is here brings its answer to the terminal.

function __kubectl_synxdb_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor)
    set -l answer ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
    string match --quiet --regex '^:\d+$' -- "$answer[-1]"; or return
    set -l directive $answer[-1]
    set -e answer[-1]
    # Of --flag=value the value is completed.
    set -l flag (string match --regex -- '^-[^=]*=' "$current")
    if test "$directive" = :0
        # Files are the shell's own matter.
        set answer (__fish_complete_path (string replace -- "$flag" '' "$current"))
    end
    for one in $answer
        echo -- $flag$one
    end
end

complete --command kubectl-synxdb --no-files --keep-order --arguments '(__kubectl_synxdb_complete)'
