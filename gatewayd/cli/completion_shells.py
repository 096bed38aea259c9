"""The three completion scripts without what is said of each command; completion_scripts.py fills it in.

Rules: data only. Nothing may be printed by a script that completes: what goes wrong has no suggestions.
"""

BASH = r"""# Completion of gatewayd for bash; written by `gatewayd completion bash`, do not edit.
_gatewayd() {
    local cur=${COMP_WORDS[COMP_CWORD]} at='' asked='' config='' kind='' word name i count=0
    COMPREPLY=()
    [[ $cur == '=' ]] && cur=''
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        [[ $word == '=' ]] && continue
        if [[ -n $asked ]]; then
            case $asked in ':-c' | ':--config') config=${word/#'~/'/$HOME/} ;; esac
            asked=''
            continue
        fi
        case $at:$word in
            @VALUED@) asked=$at:$word ;;
            @STEPS@
            *:-*) ;;
            *) count=$((count + 1)) ;;
        esac
    done
    if [[ -n $asked ]]; then
        case $asked in
            @VALUES@
        esac
    elif [[ $cur == -* ]]; then
        case $at in
            @OPTIONS@
        esac
    else
        case $at:$count in
            @ARGUMENTS@
        esac
    fi
    case $kind in
        words\ *) word=${kind#words } ;;
        names\ *)
            word=''
            for name in ${kind#names }; do
                word+=" $("${COMP_WORDS[0]}" ${config:+-c "$config"} completion "$name" 2>/dev/null)"
            done
            ;;
        files)
            compopt -o default 2>/dev/null
            return
            ;;
        *) return ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$word" -- "$cur")
}
complete -F _gatewayd gatewayd
"""

ZSH = r"""#compdef gatewayd
# Completion of gatewayd for zsh; written by `gatewayd completion zsh`, do not edit.
_gatewayd() {
    local cur=$words[CURRENT] at='' asked='' config='' kind='' word name
    local -i i count=0
    local -a described found
    for ((i = 2; i < CURRENT; i++)); do
        word=$words[i]
        if [[ -n $asked ]]; then
            case $asked in ':-c' | ':--config') config=${word/#'~/'/$HOME/} ;; esac
            asked=''
            continue
        fi
        case $at:$word in
            @VALUED@) asked=$at:$word ;;
            @STEPS@
            *:-*) ;;
            *) count=$((count + 1)) ;;
        esac
    done
    if [[ $cur == --*=* ]]; then
        asked=$at:${cur%%=*}
        compset -P '*='
    fi
    if [[ -n $asked ]]; then
        case $asked in
            @VALUES@
        esac
    elif [[ $cur == -* ]]; then
        case $at in
            @OPTIONS@
        esac
        _describe -o option described
        return
    else
        case $at:$count in
            @COMMANDS@
        esac
        if (($#described)); then
            _describe command described
            return
        fi
        case $at:$count in
            @ARGUMENTS@
        esac
    fi
    case $kind in
        words\ *) found=(${=kind#words }) ;;
        names\ *)
            for name in ${=kind#names }; do
                found+=(${(f)"$(command $words[1] ${config:+-c} ${config:+$config} completion $name 2>/dev/null)"})
            done
            ;;
        files)
            _files
            return
            ;;
    esac
    (($#found)) && compadd -a found
}
if [[ $funcstack[1] == _gatewayd ]]; then
    _gatewayd "$@"
else
    compdef _gatewayd gatewayd
fi
"""

FISH = r"""# Completion of gatewayd for fish; written by `gatewayd completion fish`, do not edit.
function __gatewayd_names
    for name in $argv[2..-1]
        if test -n "$argv[1]"
            command gatewayd -c $argv[1] completion $name 2>/dev/null
        else
            command gatewayd completion $name 2>/dev/null
        end
    end
end

function __gatewayd_complete
    set -l at ''
    set -l asked ''
    set -l config ''
    set -l kind ''
    set -l count 0
    set -l words (commandline -opc)
    set -l cur (commandline -ct)
    for word in $words[2..-1]
        if test -n "$asked"
            if contains -- $asked ':-c' ':--config'
                set config (string replace -r '^~/' "$HOME/" -- $word)
            end
            set asked ''
            continue
        end
        if contains -- "$at:$word" @VALUED@
            set asked "$at:$word"
            continue
        end
        switch "$at:$word"
        @STEPS@
            case '*:-*'
            case '*'
                set count (math $count + 1)
        end
    end
    if string match -q -- '--*=*' $cur
        set asked "$at:"(string replace -r '=.*' '' -- $cur)
    end
    if test -n "$asked"
        switch $asked
        @VALUES@
        end
    else if string match -q -- '-*' $cur
        switch $at
        @OPTIONS@
        end
        return
    else
        switch "$at:$count"
        @COMMANDS@
        end
        switch "$at:$count"
        @ARGUMENTS@
        end
    end
    set -l parts (string split ' ' -- $kind)
    set -l before (string match -r -- '^--[^=]*=' $cur)
    switch "$parts[1]"
        case words
            printf "$before%s\n" $parts[2..-1]
        case names
            for name in (__gatewayd_names "$config" $parts[2..-1])
                echo "$before$name"
            end
        case files
            __fish_complete_path (string replace -r '^--[^=]*=' '' -- $cur)
    end
end

complete -c gatewayd -f -a '(__gatewayd_complete)'
"""
