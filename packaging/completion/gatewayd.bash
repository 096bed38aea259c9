# Completion of gatewayd for bash; written by `gatewayd completion bash`, do not edit.
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
            ':-c' | ':--config' | 'read:--lang' | 'profile:--from' | 'profile:--to' | 'profile:--csv' | 'profile:--lang' | 'scan:--units' | 'scan:--timeout-ms' | 'scan:--transport' | 'scan:--block' | 'clock:--lang' | 'probe:--protocol' | 'probe:--baud' | 'probe:--address' | 'probe:--units' | 'probe:--listen' | 'trace:--read' | 'trace:--for' | 'trace:--count' | 'trace:--baud' | 'trace:--framing' | 'trace:--save' | 'tail:--obis' | 'tail:--since' | 'tail:--count' | 'tail:--for' | 'tail:--lang' | 'modem:--call' | 'status:--meter' | 'status:--lang' | 'sink replay:--from' | 'sink replay:--to' | 'sink replay:--point' | 'sink replay:--layer' | 'sink replay:--obis' | 'sink replay:--since' | 'sink replay:--until' | 'archive audit:--category' | 'archive audit:--subject' | 'archive audit:--since' | 'archive audit:--last' | 'archive export:--obis' | 'archive export:--kind' | 'archive export:--point' | 'archive export:--status' | 'archive export:--since' | 'archive export:--until' | 'archive export:--last' | 'archive export:--format' | 'archive export:-o' | 'archive export:--output' | 'archive gaps:--from' | 'archive gaps:--to' | 'archive gaps:--interval' | 'archive gaps:--lang' | 'archive show:--obis' | 'archive show:--kind' | 'archive show:--point' | 'archive show:--status' | 'archive show:--since' | 'archive show:--until' | 'archive show:--last' | 'archive show:--lang' | 'archive verify:--public-key' | 'archive verify:--anchor' | 'point:--day' | 'point:--month' | 'point:--from' | 'point:--to' | 'point:--layer' | 'point:--lang' | 'explain:--layer' | 'explain:--lang' | 'compare:--day' | 'compare:--month' | 'compare:--obis' | 'compare:--lang' | 'losses:--day' | 'losses:--month' | 'losses:--year' | 'losses:--from' | 'losses:--to' | 'losses:--lang' | 'export meters:--month' | 'export meters:--format' | 'export meters:-o' | 'export meters:--output' | 'export points:--layout' | 'export points:--layer' | 'export points:--obis' | 'export points:--from' | 'export points:--to' | 'export points:--vt' | 'export points:--nt' | 'export points:--encoding' | 'export points:-o' | 'export points:--output' | 'reading add:--at' | 'reading add:--type' | 'reading add:--number' | 'reading add:--unit' | 'reading add:--method' | 'reading add:--request' | 'reading add:--maximum' | 'reading add:--author' | 'reading add:--note' | 'reading add:--lang' | 'reading import:--report' | 'reading import:--obis' | 'reading import:--unit' | 'reading import:--maximum' | 'reading import:--author' | 'reading import:--note' | 'reading import:--lang' | 'reading list:--history' | 'reading list:--lang' | 'reading reject:--note' | 'reading reject:--author' | 'reading reject:--lang' | 'reading release:--author' | 'reading release:--note' | 'reading release:--lang' | 'reading waiting:--lang' | 'substitute estimate:--month' | 'substitute estimate:--author' | 'substitute estimate:--note' | 'substitute estimate:--lang' | 'substitute list:--lang' | 'substitute mark:--author' | 'substitute mark:--note' | 'substitute mark:--lang' | 'substitute set:--day' | 'substitute set:--author' | 'substitute set:--note' | 'substitute set:--lang' | 'witness:--file' | 'demo:--seconds') asked=$at:$word ;;
            ':run') at='run' ;;
            ':check') at='check' ;;
            ':read') at='read' ;;
            ':profile') at='profile' ;;
            ':scan') at='scan' ;;
            ':clock') at='clock' ;;
            ':probe') at='probe' ;;
            ':trace') at='trace' ;;
            ':tail') at='tail' ;;
            ':modem') at='modem' ;;
            ':status') at='status' ;;
            ':doctor') at='doctor' ;;
            ':reload') at='reload' ;;
            ':sink') at='sink' ;;
            'sink:check') at='sink check' ;;
            'sink:replay') at='sink replay' ;;
            'sink:set-aside') at='sink set-aside' ;;
            ':archive') at='archive' ;;
            'archive:audit') at='archive audit' ;;
            'archive:export') at='archive export' ;;
            'archive:gaps') at='archive gaps' ;;
            'archive:public-key') at='archive public-key' ;;
            'archive:show') at='archive show' ;;
            'archive:stats') at='archive stats' ;;
            'archive:verify') at='archive verify' ;;
            ':point') at='point' ;;
            ':explain') at='explain' ;;
            ':compare') at='compare' ;;
            ':losses') at='losses' ;;
            ':export') at='export' ;;
            'export:meters') at='export meters' ;;
            'export:points') at='export points' ;;
            ':reading') at='reading' ;;
            'reading:add') at='reading add' ;;
            'reading:import') at='reading import' ;;
            'reading:list') at='reading list' ;;
            'reading:reject') at='reading reject' ;;
            'reading:release') at='reading release' ;;
            'reading:template') at='reading template' ;;
            'reading:waiting') at='reading waiting' ;;
            ':substitute') at='substitute' ;;
            'substitute:estimate') at='substitute estimate' ;;
            'substitute:list') at='substitute list' ;;
            'substitute:mark') at='substitute mark' ;;
            'substitute:set') at='substitute set' ;;
            ':config') at='config' ;;
            'config:example') at='config example' ;;
            'config:lint') at='config lint' ;;
            'config:schema') at='config schema' ;;
            ':witness') at='witness' ;;
            ':demo') at='demo' ;;
            ':completion') at='completion' ;;
            *:-*) ;;
            *) count=$((count + 1)) ;;
        esac
    done
    if [[ -n $asked ]]; then
        case $asked in
            ':-c' | ':--config' | 'profile:--csv' | 'scan:--block' | 'trace:--save' | 'archive export:-o' | 'archive export:--output' | 'archive verify:--public-key' | 'export meters:-o' | 'export meters:--output' | 'export points:-o' | 'export points:--output' | 'reading import:--report' | 'witness:--file') kind='files' ;;
            'read:--lang' | 'profile:--lang' | 'clock:--lang' | 'tail:--lang' | 'status:--lang' | 'archive gaps:--lang' | 'archive show:--lang' | 'point:--lang' | 'explain:--lang' | 'compare:--lang' | 'losses:--lang' | 'reading add:--lang' | 'reading import:--lang' | 'reading list:--lang' | 'reading reject:--lang' | 'reading release:--lang' | 'reading waiting:--lang' | 'substitute estimate:--lang' | 'substitute list:--lang' | 'substitute mark:--lang' | 'substitute set:--lang') kind='words en cs' ;;
            'scan:--transport') kind='words rtu tcp' ;;
            'probe:--protocol') kind='words push iec dlms modbus' ;;
            'trace:--read' | 'modem:--call' | 'status:--meter') kind='names meters' ;;
            'trace:--framing') kind='words 7E1 8N1 8E1 8O1 8N2' ;;
            'sink replay:--point') kind='names points meters' ;;
            'sink replay:--layer' | 'explain:--layer') kind='words interval evaluation day month gas_day maximum loss loss_day loss_month' ;;
            'archive export:--kind' | 'archive show:--kind') kind='words register interval maximum event' ;;
            'archive export:--status' | 'archive show:--status') kind='words true substitute provisional distorted missing' ;;
            'archive export:--format') kind='words csv jsonl parquet xlsx' ;;
            'point:--layer') kind='words interval evaluation hour day gas_day month loss loss_day loss_month' ;;
            'export meters:--format') kind='words csv jsonl' ;;
            'export points:--layout') kind='words csv jsonl xlsx parquet cez-pnd pre iec61968-9' ;;
            'export points:--layer') kind='words interval evaluation day month gas_day maximum loss loss_day loss_month hour' ;;
            'export points:--encoding') kind='words cp1250 utf-8' ;;
            'reading add:--type') kind='words K F Z P N U' ;;
            'reading add:--method') kind='words visual hand-terminal' ;;
        esac
    elif [[ $cur == -* ]]; then
        case $at in
            '') kind='words --config --version --help' ;;
            'run') kind='words --verbose --help' ;;
            'check' | 'reload' | 'sink check' | 'archive public-key' | 'archive stats' | 'config schema') kind='words --json --help' ;;
            'read' | 'reading waiting' | 'substitute list') kind='words --lang --json --help' ;;
            'profile') kind='words --from --to --plot --csv --lang --json --help' ;;
            'scan') kind='words --units --timeout-ms --transport --block --json --help' ;;
            'clock') kind='words --set --lang --json --help' ;;
            'probe') kind='words --protocol --baud --address --units --listen --trace --json --help' ;;
            'trace') kind='words --read --for --count --baud --framing --save --json --help' ;;
            'tail') kind='words --obis --since --count --for --lang --json --help' ;;
            'modem') kind='words --call --trace --json --help' ;;
            'status') kind='words --meters --meter --watch --lang --json --help' ;;
            'doctor') kind='words --json --network --quiet --help' ;;
            'sink' | 'archive' | 'export' | 'reading' | 'reading template' | 'substitute' | 'config' | 'config example' | 'completion') kind='words --help' ;;
            'sink replay') kind='words --from --to --derived --point --layer --obis --since --until --json --help' ;;
            'sink set-aside') kind='words --json --clear --derived --help' ;;
            'archive audit') kind='words --category --subject --since --last --json --help' ;;
            'archive export') kind='words --obis --kind --point --status --since --until --current --last --format --output --even-damaged --help' ;;
            'archive gaps') kind='words --from --to --interval --days --lang --json --help' ;;
            'archive show') kind='words --obis --kind --point --status --since --until --current --last --lang --json --help' ;;
            'archive verify') kind='words --public-key --anchor --derived --json --help' ;;
            'point') kind='words --day --month --from --to --layer --portal-limits --plot --json --lang --help' ;;
            'explain') kind='words --layer --json --lang --help' ;;
            'compare') kind='words --day --month --obis --all --lang --json --help' ;;
            'losses') kind='words --day --month --year --from --to --lang --json --help' ;;
            'export meters') kind='words --month --format --output --help' ;;
            'export points') kind='words --layout --layer --obis --from --to --registers --vt --nt --portal-limits --encoding --output --even-damaged --help' ;;
            'reading add') kind='words --at --type --number --unit --decimals --correct --method --request --maximum --author --note --yes --hold --lang --json --help' ;;
            'reading import') kind='words --dry-run --report --obis --unit --maximum --author --note --yes --hold --lang --json --help' ;;
            'reading list') kind='words --history --lang --json --help' ;;
            'reading reject') kind='words --note --author --lang --json --help' ;;
            'reading release' | 'substitute mark') kind='words --author --note --lang --json --help' ;;
            'substitute estimate') kind='words --month --author --note --lang --json --help' ;;
            'substitute set') kind='words --day --author --note --lang --json --help' ;;
            'config lint') kind='words --strict --json --help' ;;
            'witness') kind='words --once --file --help' ;;
            'demo') kind='words --seconds --json --help' ;;
        esac
    else
        case $at:$count in
            ':0') kind='words run check read profile scan clock probe trace tail modem status doctor reload sink archive point explain compare losses export reading substitute config witness demo completion' ;;
            'read:0' | 'profile:0' | 'clock:0' | 'tail:'* | 'archive export:0' | 'archive gaps:0' | 'archive show:0' | 'reading add:0' | 'reading list:0' | 'reading waiting:0') kind='names meters' ;;
            'scan:0') kind='names meters lines' ;;
            'probe:0' | 'trace:0' | 'modem:0') kind='names lines' ;;
            'sink:0') kind='words check replay set-aside' ;;
            'sink check:'* | 'sink replay:0' | 'sink set-aside:'*) kind='names sinks' ;;
            'archive:0') kind='words audit export gaps public-key show stats verify' ;;
            'point:0' | 'explain:0' | 'compare:0' | 'losses:0' | 'export points:'* | 'substitute estimate:0' | 'substitute list:0' | 'substitute set:0') kind='names points meters' ;;
            'export:0') kind='words meters points' ;;
            'reading:0') kind='words add import list reject release template waiting' ;;
            'reading import:0' | 'reading template:0' | 'config lint:'*) kind='files' ;;
            'substitute:0') kind='words estimate list mark set' ;;
            'substitute mark:1') kind='words sent accepted rejected withdrawn' ;;
            'config:0') kind='words example lint schema' ;;
            'config example:0') kind='words dlms iec62056_21 modbus' ;;
            'completion:0') kind='words bash zsh fish meters points lines sinks' ;;
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
